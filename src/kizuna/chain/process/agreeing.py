# SPDX-License-Identifier: Apache-2.0
"""Expectation, offer, agreement: three norms about one interaction point, each citing the last.

Keeps: 1. The taker expects, the giver offers, both agree; a statement of anybody else about the
point has no effect. 2. An offer answers one expectation by its digest, an agreement cites one
expectation and one offer by theirs: what was signed cannot be moved under anybody. 3. An agreement
is two statements with the same terms, one of each party; half of it binds nobody. 4. What a
party's own issuer took back does not count. 5. An agreement says what was agreed, never that it is
kept: that is the verdict's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final

from kizuna.chain.process.expecting import Expectation, Shown, State
from kizuna.criteria.process import Party, Point, Process
from kizuna.criteria.profiles import Profile
from kizuna.criteria.profiles.profile import duration_text
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm, encode_payload
from kizuna.model.statement import Registered

__all__ = [
    "AGREEMENT",
    "EXPECTATION",
    "OFFER",
    "Course",
    "Lack",
    "Offered",
    "agreement_norm",
    "agreement_terms",
    "course_of",
    "expectation_norm",
    "expected_in",
    "offer_norm",
    "offered_in",
    "point_subject",
    "process_subject",
]

EXPECTATION: Final = "expectation"
"""TWE: what the taker expects of the giver."""
OFFER: Final = "offer"
"""TWC: what the giver shows, and what it promises until when."""
AGREEMENT: Final = "agreement"
"""Both parties accept one expectation and one offer."""


def process_subject(owner: SubjectId, process: str) -> SubjectId:
    """The identifier of a process in its owner's name space."""
    return canonical(f"{owner}/processes/{process}")


def point_subject(owner: SubjectId, process: str, point: str) -> SubjectId:
    """The identifier of an interaction point: what the three statements are about."""
    return canonical(f"{owner}/processes/{process}/points/{point}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something that an offer does not show; ``until`` (RFC 3339 date) promises it."""

    subject: str
    requirement: str
    state: str
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What an offer says."""

    answers: str
    shows: tuple[tuple[str, str], ...]
    lacks: tuple[Lack, ...]


# --- what is said --------------------------------------------------------------------------------


def expectation_norm(
    process: Process, point: Point, profile: Profile, expected: Sequence[Expectation]
) -> Norm:
    """What the taker expects at a point.

    Raises:
        Malformed: ``vcp.unnamed`` where a party of the point has no identifier.
    """
    giver, taker = _parties(process, point)
    return Norm(
        type=EXPECTATION,
        name=f"{process.name}.{point.id}",
        version=process.version,
        document={
            "process": _cited(process.name, process.version, process.digest),
            "point": {
                "id": point.id,
                "element": point.thing,
                "layers": list(point.layers),
                "between_domains": point.foreign,
            },
            "from": giver,
            "to": taker,
            "profile": _cited(profile.name, profile.version, profile.digest),
            "expects": [_expected(e) for e in expected],
        },
    )


def offer_norm(
    process: Process, point: Point, answers: str, shown: Sequence[Shown], until: Mapping[str, str]
) -> Norm:
    """What the giver shows of what is expected, and by when it promises the rest.

    Args:
        process: the process.
        point: the interaction point.
        answers: digest (hex) of the expectation.
        shown: every expectation beside what is there.
        until: dates (RFC 3339) by id of the requirement.
    """
    giver, taker = _parties(process, point)
    shows, lacks = [], []
    for found in shown:
        e = found.expectation
        row: dict[str, Any] = {"subject": e.subject or "", "requirement": e.requirement.id}
        if found.state in (State.SHOWN, State.WAIVED):
            shows.append(row)
            continue
        row["state"] = found.state.value
        if codes := sorted({f.code.value for f in found.findings}):
            row["because"] = codes
        if e.requirement.id in until:
            row["until"] = until[e.requirement.id]
        lacks.append(row)
    return Norm(
        type=OFFER,
        name=f"{process.name}.{point.id}",
        version=process.version,
        document={
            "answers": answers,
            "from": giver,
            "to": taker,
            "shows": shows,
            "lacks": lacks,
        },
    )


def agreement_norm(
    process: Process, point: Point, expectation: str, offer: str, offered: Offered
) -> Norm:
    """What both parties sign, with the same bytes."""
    giver, taker = _parties(process, point)
    return Norm(
        type=AGREEMENT,
        name=f"{process.name}.{point.id}",
        version=process.version,
        document={
            "expectation": expectation,
            "offer": offer,
            "from": giver,
            "to": taker,
            "open": [
                {"subject": lack.subject, "requirement": lack.requirement}
                | ({"until": lack.until} if lack.until else {})
                for lack in offered.lacks
            ],
        },
    )


def agreement_terms(norm: Norm) -> str:
    """SHA-256 (hex) of an agreement's payload: equal where the parties agreed to the same."""
    return sha256(encode_payload(norm)).hexdigest()


# --- what was said -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far a point has come.

    ``state`` is ``open`` (nobody expects anything yet), ``expected``, ``offered``, ``half-agreed``,
    ``agreed``; ``overdue`` are promises of the agreement whose day has passed.
    """

    point: str
    state: str
    expectation: Registered | None = None
    offer: Registered | None = None
    agreed: tuple[Registered, ...] = ()
    waiting: tuple[str, ...] = ()
    """Whose turn it is, by identifier."""
    renewing: bool = False
    """True where something newer than the agreement was expected or offered since."""
    overdue: tuple[Lack, ...] = ()


def course_of(process: Process, point: Point, rows: Iterable[Registered], day: str) -> Course:
    """How far a point has come, by what stands about it.

    Args:
        process: the process.
        point: the interaction point.
        rows: statements about the point that their issuers have not taken back, in log order.
        day: today, as ``2026-11-22``.
    """
    giver = process.party_of[point.giver].identifier
    taker = process.party_of[point.taker].identifier
    if giver is None or taker is None:
        return Course(point=point.id, state="open")
    kept = [row for row in rows if isinstance(row.statement.payload, Norm)]
    expectation = _last(kept, EXPECTATION, taker)
    if expectation is None:
        return Course(point=point.id, state="open", waiting=(taker,))
    asked = expectation.statement.digest.hex()
    offer = _last((r for r in kept if _document(r).get("answers") == asked), OFFER, giver)
    bound = _bound(kept, giver, taker)
    if bound is not None:
        lacks = offered_in(_norm(bound.offer)).lacks
        newer = bound.expectation.index < expectation.index
        newer = newer or (offer is not None and bound.offer.index < offer.index)
        return Course(
            point=point.id,
            state="agreed",
            expectation=bound.expectation,
            offer=bound.offer,
            agreed=bound.agreed,
            renewing=newer,
            overdue=tuple(lack for lack in lacks if lack.until and lack.until < day),
        )
    if offer is None:
        return Course(point=point.id, state="expected", expectation=expectation, waiting=(giver,))
    cited = (asked, offer.statement.digest.hex())
    citing = [r for r in kept if _cites(r) == cited]
    by_party = {p: _last(citing, AGREEMENT, p) for p in (taker, giver)}
    agreed = tuple(row for row in by_party.values() if row is not None)
    return Course(
        point=point.id,
        state="half-agreed" if agreed else "offered",
        expectation=expectation,
        offer=offer,
        agreed=agreed,
        waiting=tuple(p for p, row in by_party.items() if row is None) or (taker, giver),
    )


@dataclass(frozen=True, slots=True)
class _Bound:
    expectation: Registered
    offer: Registered
    agreed: tuple[Registered, ...]


def _bound(rows: Sequence[Registered], giver: str, taker: str) -> _Bound | None:
    """The newest agreement that both parties signed, if what it cites is theirs and stands."""
    signed: dict[str, dict[str, Registered]] = {}
    for row in rows:
        statement = row.statement
        if _norm(row).type == AGREEMENT and statement.issuer in (giver, taker):
            signed.setdefault(agreement_terms(_norm(row)), {})[statement.issuer] = row
    found = None
    newest = -1
    for parties in signed.values():
        if set(parties) != {giver, taker}:
            continue
        one, other = parties[taker], parties[giver]
        cited = _cites(one)
        expectation = _last(
            (r for r in rows if r.statement.digest.hex() == cited[0]), EXPECTATION, taker
        )
        offer = _last((r for r in rows if r.statement.digest.hex() == cited[1]), OFFER, giver)
        at = max(one.index, other.index)
        if expectation is None or offer is None or at <= newest:
            continue
        if offered_in(_norm(offer)).answers == cited[0]:
            found, newest = _Bound(expectation, offer, (one, other)), at
    return found


def _cites(row: Registered) -> tuple[str, str]:
    document = _document(row)
    return str(document.get("expectation", "")), str(document.get("offer", ""))


def expected_in(norm: Norm) -> list[tuple[str, str]]:
    """Subject and requirement of everything an expectation names.

    Raises:
        Malformed: ``vcp.statement``.
    """
    rows = norm.document.get("expects")
    if norm.type != EXPECTATION or not isinstance(rows, list):
        raise _unlike(norm)
    return [(_text(norm, row, "subject"), _text(norm, row, "requirement")) for row in rows]


def offered_in(norm: Norm) -> Offered:
    """What an offer says.

    Raises:
        Malformed: ``vcp.statement``.
    """
    shows, lacks = norm.document.get("shows"), norm.document.get("lacks")
    answers = norm.document.get("answers")
    if (
        norm.type != OFFER
        or not isinstance(shows, list)
        or not isinstance(lacks, list)
        or not isinstance(answers, str)
    ):
        raise _unlike(norm)
    return Offered(
        answers=answers,
        shows=tuple((_text(norm, r, "subject"), _text(norm, r, "requirement")) for r in shows),
        lacks=tuple(
            Lack(
                subject=_text(norm, r, "subject"),
                requirement=_text(norm, r, "requirement"),
                state=_text(norm, r, "state"),
                until=_day(norm, r),
            )
            for r in lacks
        ),
    )


# --- inside --------------------------------------------------------------------------------------


def _parties(process: Process, point: Point) -> tuple[str, str]:
    giver, taker = process.party_of[point.giver], process.party_of[point.taker]
    return _named(giver), _named(taker)


def _named(party: Party) -> str:
    if party.identifier is None:
        raise Malformed(
            "vcp.unnamed",
            f"the process names no identifier of {party.id}",
            why="what is expected, offered or agreed is between identities that can sign",
            hint="add `identifier:` to the organisation and import the process again",
            party=party.id,
        )
    return party.identifier


def _cited(name: str, version: str, digest: str) -> dict[str, str]:
    return {"name": name, "version": version, "sha256": digest}


def _expected(e: Expectation) -> dict[str, Any]:
    r = e.requirement
    made: dict[str, Any] = {
        "subject": e.subject or "",
        "requirement": r.id,
        "title": dict(r.title),
        "claim": list(r.claim),
        "from": list(r.services),
        "level": r.level.value,
    }
    if e.of_party:
        made["of"] = "organization"
    if r.max_age is not None:
        made["max_age"] = duration_text(r.max_age)
    if r.present:
        made["present"] = list(r.present)
    if r.condition is not None:
        made["condition"] = r.condition
    return made


def _last(rows: Iterable[Registered], norm_type: str, issuer: str) -> Registered | None:
    found = None
    for row in rows:
        statement = row.statement
        if (
            statement.kind is Kind.NORM
            and statement.issuer == issuer
            and isinstance(statement.payload, Norm)
            and statement.payload.type == norm_type
            and _readable(statement.payload)
        ):
            found = row
    return found


def _readable(norm: Norm) -> bool:
    """False where a party says something under our types that has not their form."""
    try:
        if norm.type == OFFER:
            offered_in(norm)
        elif norm.type == EXPECTATION:
            expected_in(norm)
    except Malformed:
        return False
    return True


def _norm(row: Registered) -> Norm:
    payload = row.statement.payload
    assert isinstance(payload, Norm)  # noqa: S101 - chosen as such
    return payload


def _document(row: Registered) -> Mapping[str, Any]:
    return _norm(row).document


def _text(norm: Norm, row: object, member: str, otherwise: str | None = None) -> str:
    value = row.get(member, otherwise) if isinstance(row, dict) else None
    if not isinstance(value, str) or len(value) > 2_048:
        raise _unlike(norm)
    return value


def _day(norm: Norm, row: object) -> str:
    """The day of a promise; words that are no day would never be overdue."""
    text = _text(norm, row, "until", "")
    try:
        if text and date.fromisoformat(text).isoformat() != text:
            raise _unlike(norm)
    except ValueError:
        raise _unlike(norm) from None
    return text


def _unlike(norm: Norm) -> Malformed:
    return Malformed(
        "vcp.statement",
        f"the statement {norm.name} of type {norm.type} has not the form of one",
        hint="ask its issuer to make it with `kizuna vcp`",
        name=norm.name,
        type=norm.type,
    )
