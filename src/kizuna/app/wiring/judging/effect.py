# SPDX-License-Identifier: Apache-2.0
"""What a statement will be worth: told to whoever makes it, before others find out.

Keeps: 1. A warning, never a refusal: what is outside one's scope today may be inside tomorrow, and
others may go by other lists. 2. Where it cannot be told (an entry made by a deputy, no list
believed at all) nothing is said: a false alarm is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from kizuna.model.errors import Problem
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, kind_of, media_type_of
from kizuna.model.payload import Claim, Membership, Notice, Waiver, decode_payload

if TYPE_CHECKING:
    from kizuna.app.wiring.importing.earlier import Earlier
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Envelope, Registered
    from kizuna.model.trust import Anchors
    from kizuna.record.lists import Entry

__all__ = ["beyond_scope", "entries_of", "idle_waivers"]

_NEEDS_A_LIST: Final = frozenset(
    {Kind.CERTIFICATE, Kind.CAPABILITY, Kind.EVIDENCE, Kind.NOTICE, Kind.LINK}
)
_OWN: Final = frozenset(media_type_of(kind) for kind in Kind)


def beyond_scope(
    statements: Iterable[bytes], earlier: Earlier, anchors: Anchors, now: int
) -> tuple[SubjectId, ...]:
    """Subjects about which no believed list lets the issuer of a statement speak so.

    Args:
        statements: as signed.
        earlier: the store they go to.
        anchors: whose lists are believed.
        now: entries count that are in force now.
    """
    from kizuna.roots.cose import parse_sign1

    entries: dict[str, list[Entry] | None] = {}
    found: dict[SubjectId, None] = {}
    for raw in statements:
        try:
            envelope = parse_sign1(raw)
            kind = kind_of(envelope.media_type)
        except Problem:
            continue  # the store will say what is wrong with it
        issuer, subject = envelope.issuer, envelope.subject
        coined = subject.startswith(f"{issuer}/")  # a name of the importer's own making
        if kind not in _NEEDS_A_LIST or coined or issuer in (subject, anchors.verifier):
            continue
        if issuer not in entries:
            entries[issuer] = entries_of(earlier.standing(issuer)[0], issuer, anchors, now)
        held = entries[issuer]
        if held is not None and not _covered(held, kind, subject, _word(kind, envelope)):
            found[subject] = None
    return tuple(found)


def idle_waivers(
    statements: Iterable[bytes], profile_named: Callable[[str], Profile]
) -> list[tuple[str, dict[str, str]]]:
    """Of waivers among the statements why they would waive nothing: a text's name and its words."""
    from kizuna.roots.cose import parse_sign1

    found = []
    for raw in statements:
        try:
            envelope = parse_sign1(raw)
            if envelope.by_hash or envelope.media_type != media_type_of(Kind.WAIVER):
                continue
            payload = decode_payload(Kind.WAIVER, envelope.payload)
        except Problem:
            continue  # the store will say what is wrong with it
        doubt = _idle(payload, profile_named)
        if doubt is not None:
            found.append(doubt)
    return found


def _idle(
    payload: object, profile_named: Callable[[str], Profile]
) -> tuple[str, dict[str, str]] | None:
    if not isinstance(payload, Waiver):
        return None
    words = {"profile": payload.profile, "requirement": payload.requirement}
    try:
        profile = profile_named(payload.profile)
    except Problem:
        return "effect.waiver-profile", words
    known = {r.id for r in profile.requirements} | {"silent", "root", "follow:links"}
    known |= {f"follow:{tie.relation.value}" for tie in profile.follow}
    if payload.requirement in known or payload.requirement.startswith("notice:"):
        return None
    return "effect.waiver-requirement", words


def entries_of(
    told: Sequence[Registered], issuer: SubjectId, anchors: Anchors, now: int
) -> list[Entry] | None:
    """The issuer's entries in force on believed lists; None where that cannot be told."""
    from kizuna.record.lists import ListState

    if not anchors.lists:
        return None
    operators = {a.id: a.operator for a in anchors.lists}
    by_deputy = any(
        isinstance(row.statement.payload, Membership)
        and operators.get(row.statement.payload.list_id) not in (None, row.statement.issuer)
        for row in told
    )
    if by_deputy or issuer in operators.values():
        return None
    states = (ListState.of(SubjectId(a.id), SubjectId(a.operator), told) for a in anchors.lists)
    return [entry for state in states for entry in state.in_force(now) if entry.member == issuer]


def _covered(held: Sequence[Entry], kind: Kind, subject: SubjectId, word: str | None) -> bool:
    from kizuna.record.lists import in_scope

    return any(
        kind in service.kinds
        and in_scope(subject, service.scope, entry.member)
        and (word is None or "*" in service.claims or word in service.claims)
        for entry in held
        for service in entry.services
    )


def _word(kind: Kind, envelope: Envelope) -> str | None:
    """The type of claim or notice; None where it is hidden, or a document of the field."""
    if envelope.by_hash or envelope.media_type not in _OWN:
        return None
    try:
        payload = decode_payload(kind, envelope.payload)
    except Problem:
        return None
    return payload.type if isinstance(payload, (Claim, Notice)) else None
