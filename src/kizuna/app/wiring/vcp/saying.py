# SPDX-License-Identifier: Apache-2.0
"""Saying what a process needs to be said: expected, offered, agreed.

Keeps: who signs is who is named in the process: nobody expects, offers or agrees for somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.vcp.ground import Ground, ground_of
from kizuna.app.wiring.vcp.kept import Kept
from kizuna.app.wiring.vcp.standing import shown_of
from kizuna.chain.process import (
    agreement_norm,
    expectation_norm,
    expectations,
    expected_in,
    gaps,
    offer_norm,
    offered_in,
    point_subject,
)
from kizuna.criteria.process import Point, Process
from kizuna.model.errors import Malformed, Refused
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Registered

__all__ = ["agree", "expect", "offer"]

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def expect(
    organisation: Organisation, kept: Kept, profile: Profile, point: str | None
) -> list[dict[str, Any]]:
    """Sign and register what this organisation expects, at one point or wherever it takes in.

    Raises:
        Refused: ``vcp.not-party``, ``vcp.not-registered``. Malformed: ``vcp.unnamed``.
    """
    process = kept.process
    mine = _own_points(organisation, process, "taker", point)
    made = []
    for found in mine:
        expected = expectations(process, profile, [found])
        norm = expectation_norm(process, found, profile, expected)
        made.append(_say(organisation, kept, found, norm) | {"expects": len(expected)})
    return made


def offer(
    organisation: Organisation,
    kept: Kept,
    profile: Profile,
    which: str,
    until: Mapping[str, str],
    *,
    ground: Ground | None = None,
) -> dict[str, Any]:
    """Answer an expectation with what this organisation shows, and promises for the rest.

    Raises:
        Refused: ``vcp.not-party``, ``vcp.not-expected``. Malformed: ``vcp.until``,
            ``vcp.statement``, ``vcp.other-profile``.
    """
    row, found = _cited(organisation, kept, which)
    expectation = row.statement.payload
    assert isinstance(expectation, Norm)  # noqa: S101 - _cited looked
    _must_be(organisation, kept.process, found.giver, found)
    taker = kept.process.party_of[found.taker].identifier
    if row.statement.issuer != taker:
        raise Refused(
            "vcp.not-expected",
            "that expectation is not by the organisation that takes in there",
            why=f"at {found.id} that is {taker or found.taker}",
            hint="answer the expectation of the organisation itself",
            point=found.id,
        )
    asked = expected_in(expectation)
    cited = expectation.document.get("profile")
    if not isinstance(cited, dict) or cited.get("sha256") != profile.digest:
        named = str(cited.get("name")) if isinstance(cited, dict) else "?"
        raise Malformed(
            "vcp.other-profile",
            f"what is expected follows another profile than {profile.name} {profile.version}",
            why=f"it names {named[:80]} by its digest",
            hint="give the profile that the expectation names with --profile",
            profile=profile.name,
        )
    shown = shown_of(organisation, kept, profile, point=found.id, ground=ground)
    wanted = set(asked)
    shown = tuple(
        s for s in shown if (s.expectation.subject or "", s.expectation.requirement.id) in wanted
    )
    lacking = {s.expectation.requirement.id for s in gaps(shown)}
    for requirement, day in until.items():
        if requirement not in lacking or not _is_day(day):
            raise Malformed(
                "vcp.until",
                f"{requirement[:80]}={day[:20]} promises nothing that is missing",
                why="what is promised is a requirement that is not shown, by a day",
                hint="write --until REQUIREMENT=2027-03-31 for one that `kizuna vcp gaps` lists",
                requirement=requirement[:80],
            )
    norm = offer_norm(kept.process, found, row.statement.digest.hex(), shown, until)
    told = _say(organisation, kept, found, norm)
    return told | {"shows": len(norm.document["shows"]), "lacks": norm.document["lacks"]}


def agree(organisation: Organisation, kept: Kept, which: str) -> dict[str, Any]:
    """Accept an offer, and with it the expectation that it answers.

    Raises:
        Refused: ``vcp.not-party``, ``vcp.not-expected``. Malformed: ``vcp.statement``.
    """
    row, found = _cited(organisation, kept, which)
    payload = row.statement.payload
    assert isinstance(payload, Norm)  # noqa: S101 - _cited looked
    offered = offered_in(payload)
    giver = kept.process.party_of[found.giver].identifier
    parties = (found.giver, found.taker)
    me = next(
        (p for p in parties if kept.process.party_of[p].identifier == organisation.identity), None
    )
    if me is None:
        _must_be(organisation, kept.process, found.taker, found)
    expectation = ground_of(organisation).named(offered.answers)
    if row.statement.issuer != giver or expectation.statement.subject != row.statement.subject:
        raise Refused(
            "vcp.not-expected",
            "that offer is not by the organisation that gives there",
            why=f"at {found.id} that is {giver or found.giver}",
            hint="agree to the offer of the organisation itself",
            point=found.id,
        )
    norm = agreement_norm(kept.process, found, offered.answers, row.statement.digest.hex(), offered)
    return _say(organisation, kept, found, norm) | {"open": norm.document["open"]}


def _own_points(
    organisation: Organisation, process: Process, side: str, point: str | None
) -> list[Point]:
    if point is not None:
        found = process.point(point)
        _must_be(organisation, process, getattr(found, side), found)
        return [found]
    mine = [
        p
        for p in process.points
        if process.party_of[getattr(p, side)].identifier == organisation.identity
    ]
    if not mine:
        raise Refused(
            "vcp.not-party",
            f"{organisation.name} takes nothing in across a border of {process.name}",
            why="none of its organisations that take something in has this folder's identity",
            hint="each organisation signs for itself, with its own key",
            name=process.name,
            party=organisation.identity,
        )
    return mine


def _must_be(organisation: Organisation, process: Process, party: str, point: Point) -> None:
    identifier = process.party_of[party].identifier
    if identifier != organisation.identity:
        raise Refused(
            "vcp.not-party",
            f"at {point.id} that is for {party} to say",
            why=f"{party} is {identifier or 'not named by an identifier'}, not this organisation",
            hint="each organisation signs for itself, with its own key",
            name=process.name,
            party=party,
        )


def _cited(organisation: Organisation, kept: Kept, which: str) -> tuple[Registered, Point]:
    """A registered norm about a point of the process, and the point."""
    owner = kept.registered_by()
    row = ground_of(organisation).named(which)
    for point in kept.process.points:
        subject = point_subject(owner, kept.process.name, point.id)
        if row.statement.subject == subject and isinstance(row.statement.payload, Norm):
            return row, point
    raise Malformed(
        "vcp.statement",
        f"the statement {which[:16]} is about no interaction point of {kept.process.name}",
        hint=f"`kizuna vcp status {kept.process.name}` names those that are",
        name=kept.process.name,
        type=row.statement.kind.value,
    )


def _say(organisation: Organisation, kept: Kept, point: Point, norm: Norm) -> dict[str, Any]:
    subject = point_subject(kept.registered_by(), kept.process.name, point.id)
    signed = organisation.say(Kind.NORM, subject, norm)
    digest, index = organisation.register_one(signed.statement, signed.documents)
    return {
        "point": point.id,
        "type": norm.type,
        "from": point.giver,
        "to": point.taker,
        "subject": subject,
        "statement": digest,
        "index": index,
    }


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
