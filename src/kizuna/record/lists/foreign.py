# SPDX-License-Identifier: Apache-2.0
"""Lists of others in their own standards, read into one value.

Keeps: 1. What was read says what the publisher says and no more: its types are URIs of its own
standard, and what they are worth here is the verifier's mapping, not the file's. 2. History stays:
"was it valid on that day" has an answer. 3. One file cannot give one name to two keys it tells
apart, nor one key to two names: that is refused, not resolved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from kizuna.model.errors import Malformed, Refused, Tampered
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.payload import Standing
from kizuna.roots.identity import did_jwk, did_key
from kizuna.roots.keys import Algorithm, PublicKey

__all__ = [
    "MAX_FOREIGN_ENTRIES",
    "MAX_POINTERS",
    "ForeignEntry",
    "ForeignList",
    "Pointer",
    "Spell",
    "by_member",
    "claimed_twice",
    "foreign_malformed",
    "instant_of",
    "iso",
    "member_named",
]

MAX_FOREIGN_ENTRIES: Final = 200_000
"""Most entries of one list (the whole of the European Union has about 5,000)."""


MAX_POINTERS: Final = 500
"""Most other lists that a list may name."""

_SKEW: Final = 300
"""How far the clock of a publisher may be ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A state that something had for a time."""

    state: Standing
    since: int
    """From this instant on; until the next spell began."""
    types: tuple[str, ...] = ()
    """The types in that time; empty where they were those of today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEntry:
    """One service of one member. A member with services in different states has several entries."""

    member: SubjectId
    name: str
    types: tuple[str, ...]
    """URIs of the foreign standard: kinds of service, of entity, or trust marks."""
    state: Standing
    since: int | None = None
    """Since when it is in this state; None where the list does not say."""
    until: int | None = None
    keys: tuple[PublicKey, ...] = ()
    scope: tuple[str, ...] = ()
    """About whose names it speaks, where the list says so."""
    history: tuple[Spell, ...] = ()
    """Earlier states, the newest first."""
    reason: str = ""
    """Why it is in this state, where the list says so."""

    def at(self, instant: int) -> Standing | None:
        """Its state at an instant, as the list tells it; None before it was listed."""
        if self.since is None or instant >= self.since:
            ended = self.until is not None and instant >= self.until
            return Standing.WITHDRAWN if ended else self.state
        for spell in self.history:
            if instant >= spell.since:
                return spell.state
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Another list that a list names: where it is, and whose certificates (DER) sign it. It gives
    nothing until somebody takes that list in, under its own name.
    """

    location: str
    certificates: tuple[bytes, ...] = ()
    note: str = ""
    """What the list says of it: a territory, a kind of list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignList:
    """A list of others at one moment, its signature checked by whoever read it."""

    id: SubjectId
    """The list's own name: its distribution point, scheme address or entity identifier."""
    operator: str
    """The name or identifier of who operates it."""
    title: str
    sequence: int
    """Grows with every issue; for what has no number, the second of issue."""
    issued: int
    next_update: int | None
    """When the next issue is due; None for a list that is closed, or never said."""
    entries: tuple[ForeignEntry, ...]
    standard: str = ""
    """What it is written in, with its version, e.g. ``ETSI TS 119 602 v1.1.1``."""
    document: bytes = b""
    """SHA-256 of the file as received: what memberships taken from it cite."""
    passed_over: tuple[str, ...] = field(default=())
    """What could not be read for an entry (kinds of key, mostly): shown, and without effect."""
    pointers: tuple[Pointer, ...] = ()
    """Other lists that it names: shown, and never followed on their own."""

    def stale(self, now: int) -> bool:
        """Whether its next issue was due already."""
        return self.next_update is not None and now >= self.next_update

    def check_current(self, now: int) -> None:
        """See that the list may be taken in at ``now``.

        Raises:
            Refused: ``list.expired``, ``list.not-yet``.
        """
        if self.issued > now + _SKEW:
            raise Refused(
                "list.not-yet",
                f"the list was issued in the future: {iso(self.issued)}",
                why="its clock or ours is wrong",
                hint="check the clocks, then try again",
                issued=iso(self.issued),
            )
        if self.stale(now):
            raise Refused(
                "list.expired",
                f"the list says that its next issue was due on {iso(self.next_update or 0)}",
                why="what was withdrawn since then is not in it",
                hint="get the newest issue; the last good one stays in force and shows its age",
                due=iso(self.next_update or 0),
            )

    def check_newer(self, held_sequence: int, held_document: bytes) -> bool:
        """Whether this is newer than the one held; False where it is the same file.

        Raises:
            Tampered: ``list.rolled-back``, ``list.forked``.
        """
        if self.sequence < held_sequence:
            raise Tampered(
                "list.rolled-back",
                f"an older issue of the list was offered: {self.sequence}, held is {held_sequence}",
                why="whoever serves it would make a withdrawal undone by forgetting it",
                hint="keep the one held, and ask the operator for the newest",
                list=str(self.id)[:200],
                sequence=self.sequence,
                held=held_sequence,
            )
        if self.sequence == held_sequence and self.document != held_document:
            raise Tampered(
                "list.forked",
                f"two different lists with the number {self.sequence}",
                why="its operator signed both, so somebody is shown another list than you",
                hint="both files are kept as evidence: ask the operator, and tell who relies on it",
                list=str(self.id)[:200],
                sequence=self.sequence,
            )
        return self.sequence > held_sequence


def by_member(entries: Sequence[ForeignEntry]) -> Mapping[SubjectId, tuple[ForeignEntry, ...]]:
    """The entries of each member, in the order of the list.

    Raises:
        Tampered: ``list.two-names`` where a key is claimed for two members,
            ``list.claimed-twice`` where two with different keys claim one name.
    """
    found: dict[SubjectId, list[ForeignEntry]] = {}
    owner: dict[bytes, SubjectId] = {}
    for entry in entries:
        earlier = found.setdefault(entry.member, [])
        for other_entry in earlier:
            apart = entry.name != other_entry.name and entry.keys and other_entry.keys
            if apart and not {k.thumbprint for k in entry.keys} & {
                k.thumbprint for k in other_entry.keys
            }:
                raise claimed_twice(entry.member, other_entry.name, entry.name)
        earlier.append(entry)
        for key in entry.keys:
            other = owner.setdefault(key.thumbprint, entry.member)
            if other != entry.member:
                raise Tampered(
                    "list.two-names",
                    f"one key stands for {other} and for {entry.member}",
                    why="what it signs could not be told apart",
                    hint="ask the operator of the list which of the two it is",
                    one=other[:200],
                    other=entry.member[:200],
                )
    return {member: tuple(items) for member, items in found.items()}


def claimed_twice(member: str, one: str, other: str) -> Tampered:
    """The problem of two who claim one name."""
    return Tampered(
        "list.claimed-twice",
        f"{one} and {other} both claim the name {member}, with different keys",
        why="the words of one would count as the other's",
        hint="ask both operators who it is; believe one of them, not both",
        member=member[:200],
        one=one[:200],
        other=other[:200],
    )


def member_named(names: Sequence[object], keys: Sequence[PublicKey]) -> SubjectId | None:
    """Whom an entry is about: the first identifier it names, else its first key's own name; None
    where it gives neither.
    """
    for name in names[:20]:
        if isinstance(name, str) and name.startswith(("did:", "urn:", "https:")):
            try:
                return canonical(name)
            except Malformed:
                continue
    for key in keys:
        rsa = key.algorithm in (Algorithm.PS256, Algorithm.PS384, Algorithm.PS512)
        return did_jwk(key) if rsa else did_key(key)
    return None


def iso(instant: int) -> str:
    """An instant as lists write it."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant_of(text: object, what: str) -> int:
    """The instant that a list writes.

    Raises:
        Malformed: ``list.foreign-malformed``.
    """
    if not isinstance(text, str) or len(text) > 40:
        raise foreign_malformed(f"{what} is not a time")
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return int(found.timestamp())
    except (ValueError, OverflowError) as fault:
        raise foreign_malformed(f"{what} is not a time: {str(text)[:40]!r}") from fault


def foreign_malformed(why: str) -> Malformed:
    """The problem of a foreign list that cannot be read."""
    return Malformed(
        "list.foreign-malformed",
        f"the list cannot be read: {why}",
        why=why,
        hint="get it again from its publisher; nothing was taken in",
        fault=why,
    )
