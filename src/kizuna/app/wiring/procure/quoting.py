# SPDX-License-Identifier: Apache-2.0
"""Requests for quotation, offers and agreements, each a signed norm in the log.

::

    buyer      quotation-request     what, by what measure, until when; for whom it is meant
    supplier   quotation-offer       cites the request; which lines, at what terms
    buyer      quotation-agreement   cites the offer

Keeps: 1. All three are about the request's own name, which begins with the buyer's, so that one
list of the map holds them. 2. A request for named suppliers is read by these alone, an offer by the
buyer alone: what is asked and offered is nobody else's business. 3. None of them gives standing:
the answer of ``check`` rests on evidence, never on what somebody offers. 4. An offer counts for
the request that it cites, from whom the request was meant for; an agreement from the buyer alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from kizuna.app.wiring.procure.request import MAX_LINES, Request, checked, when
from kizuna.model.errors import Malformed, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Name, Norm, Text

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Registered
    from kizuna.record.store import View

__all__ = ["AGREEMENT", "OFFER", "REQUEST", "agree", "issue", "offer", "quotations"]

REQUEST: Final = "quotation-request"
OFFER: Final = "quotation-offer"
AGREEMENT: Final = "quotation-agreement"
_BETWEEN: Final = "/requests/"
_MOST: Final = 2_000
_Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _Line(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is read of a line of a request; further members are let be."""

    part: str
    line: str | None = None
    quantity: int | None = None


class _Requested(Struct, frozen=True, kw_only=True):
    """What is read of a request, which anybody may have written otherwise than ``issue`` does."""

    title: str | None = None
    deadline: str | None = None
    profile: dict[str, str] | None = None
    lines: Annotated[list[_Line], Meta(max_length=MAX_LINES)] = []


class _Offered(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an offer holds."""

    request: _Digest
    lines: Annotated[list[Name], Meta(max_length=_MOST)] = []
    terms: Text = ""
    until: str | None = None


class _Agreed(Struct, frozen=True, forbid_unknown_fields=True):
    """What an agreement holds."""

    request: _Digest
    offer: _Digest


def issue(
    organisation: Organisation,
    request: Request,
    profile: Profile,
    *,
    to: Sequence[str] = (),
    public: bool = False,
) -> dict[str, Any]:
    """Sign and register a request for quotation.

    Args:
        organisation: the buyer: an organisation with its store, or a member of another's.
        request: what is to be bought.
        profile: by what measure; cited by its digest.
        to: further suppliers who may read it; those that the request names may.
        public: everybody may read it.

    Raises:
        Malformed: ``procure.nobody-asked``, ``procure.*``. Refused: what refuses it.
    """
    request = checked(request)
    suppliers = dict.fromkeys(canonical(one) for one in (*request.suppliers, *to))
    for line in request.lines:
        suppliers.update(dict.fromkeys(SubjectId(one) for one in line.suppliers))
    if not suppliers and not public:
        raise Malformed(
            "procure.nobody-asked",
            "the request names no supplier, and is not for everybody",
            why="what is asked is read by those alone for whom it is meant",
            hint="name suppliers in it, with --to, or say --public",
        )
    subject = canonical(f"{organisation.identity}{_BETWEEN}{request.request}")
    document: dict[str, Any] = msgspec.to_builtins(request)
    document["profile"] = {"name": profile.name, "sha256": profile.digest}
    norm = Norm(type=REQUEST, name=REQUEST, version="1", document=document)
    audience = [] if public else list(suppliers)
    digest, index = _register(organisation, subject, norm, audience)
    return {
        "request": digest,
        "subject": subject,
        "index": index,
        "to": list(suppliers),
        "public": public,
    }


def offer(
    organisation: Organisation,
    which: str,
    *,
    lines: Sequence[str] = (),
    terms: str = "",
    until: str | None = None,
) -> dict[str, Any]:
    """Answer a request with an offer that its buyer alone can read.

    Args:
        organisation: the supplier.
        which: digest of the request.
        lines: names of the lines that are offered; none: all of them.
        terms: for a person to read.
        until: the day until which it holds.

    Raises:
        Malformed: ``procure.no-request``, ``procure.deadline``. Absent: ``statement.unknown``.
    """
    when(until)
    subject, digest = organisation.subject_of(which)
    buyer, between, _ = subject.partition(_BETWEEN)
    if not between:
        raise _no_request("it is no request for quotation")
    made = _Offered(request=digest, lines=list(lines), terms=terms, until=until)
    norm = Norm(type=OFFER, name=OFFER, version="1", document=msgspec.to_builtins(made))
    found, index = _register(organisation, subject, norm, [SubjectId(buyer)])
    return {"offer": found, "index": index, "request": digest, "to": buyer}


def agree(organisation: Organisation, which: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Accept an offer that was made for a request of one's own; the supplier can read it.

    Args:
        organisation: the buyer.
        which: digest of the offer.
        shown: the offers, as ``quotations`` gives them.

    Raises:
        Malformed: ``procure.no-request``. Refused: ``procure.not-buyer``, ``procure.offer-ended``.
            Absent: ``statement.unknown``.
    """
    subject, digest = organisation.subject_of(which)
    if subject.partition(_BETWEEN)[0] != organisation.identity:
        raise Refused(
            "procure.not-buyer",
            "that offer answers somebody else's request",
            why="who asked is who agrees",
            hint="`kizuna procure offers` prints those made to you",
        )
    found = next((one for one in shown["offers"] if one["offer"] == digest), None)
    if found is None or found["subject"] != subject:
        raise _no_request("it is no offer that answers one of them")
    end = when(found["until"])
    if end is not None and end < organisation.clock():
        raise Refused(
            "procure.offer-ended",
            f"that offer held until {found['until']}",
            hint="ask the supplier for another",
            until=str(found["until"]),
        )
    made = _Agreed(request=found["request"], offer=digest)
    norm = Norm(type=AGREEMENT, name=AGREEMENT, version="1", document=msgspec.to_builtins(made))
    supplier = canonical(found["by"])
    agreed, index = _register(organisation, subject, norm, [supplier])
    return {"agreement": agreed, "index": index, **msgspec.to_builtins(made), "with": supplier}


def quotations(workspace: Workspace, *, view: View | None = None) -> dict[str, Any]:
    """Requests, and the offers and agreements that count for them, as this reader sees them."""
    reader = workspace.store.reader() if view is None else workspace.store.reader(view)
    rows = sorted(reader.latest(_MOST, kind=Kind.NORM), key=lambda row: row.index)
    requests: dict[str, dict[str, Any]] = {}
    offers: dict[str, dict[str, Any]] = {}
    for row in rows:
        said, norm = row.statement, row.statement.payload
        if not isinstance(norm, Norm):
            continue
        buyer = said.subject.partition(_BETWEEN)[0]
        if norm.type == REQUEST and said.issuer == buyer:
            wanted = _converted(norm, _Requested)
            if wanted is not None:
                requests[said.digest.hex()] = _request_json(row, wanted)
        elif norm.type == OFFER:
            found = _converted(norm, _Offered)
            asked = None if found is None else requests.get(found.request)
            if found is None or asked is None or asked["subject"] != said.subject:
                continue
            if not asked["public"] and said.issuer not in asked["to"]:
                continue
            offers[said.digest.hex()] = {
                "offer": said.digest.hex(),
                "subject": said.subject,
                "index": row.index,
                "by": said.issuer,
                "at": row.registered.earliest,
                "agreed": False,
                **msgspec.to_builtins(found),
                "until": found.until,
            }
        elif norm.type == AGREEMENT and said.issuer == buyer:
            agreed = _converted(norm, _Agreed)
            held = None if agreed is None else offers.get(agreed.offer)
            if agreed is not None and held is not None and held["request"] == agreed.request:
                held["agreed"] = True
    return {"requests": list(requests.values()), "offers": list(offers.values())}


def _request_json(row: Registered, wanted: _Requested) -> dict[str, Any]:
    said = row.statement
    return {
        "request": said.digest.hex(),
        "subject": said.subject,
        "index": row.index,
        "by": said.issuer,
        "at": row.registered.earliest,
        "title": wanted.title or "",
        "to": list(said.audience),
        "public": not said.audience,
        "deadline": wanted.deadline,
        "profile": wanted.profile,
        "lines": msgspec.to_builtins(wanted.lines),
    }


def _register(
    organisation: Organisation, subject: SubjectId, norm: Norm, audience: Sequence[SubjectId]
) -> tuple[str, int]:
    signed = organisation.say(Kind.NORM, subject, norm, audience=audience)
    return organisation.register_one(signed.statement, signed.documents)


def _converted(norm: Norm, shape: Any) -> Any:  # noqa: ANN401 - one of three structs
    try:
        return msgspec.convert(norm.document, shape)
    except msgspec.ValidationError:
        return None


def _no_request(why: str) -> Malformed:
    return Malformed(
        "procure.no-request",
        f"this answers no request for quotation: {why}",
        why=why,
        hint="`kizuna procure offers` prints requests and offers",
        fault=why,
    )
