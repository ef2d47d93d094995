# SPDX-License-Identifier: Apache-2.0
"""The state of a list: who is on it, as what, since when and why; before, now, and the difference.

Keeps: 1. Entries are taken in the order of their log. One counts when its issuer is the operator,
or had at that place a granted service of kind ``membership`` whose scope covers the member: nobody
enters himself, and two strangers cannot vouch each other in. A deputy hands on no more than he has:
services are shown cut to his own words, names and level, as a judgement counts them. 2. What does
not count is kept and shown with its reason, never silently dropped. 3. A ``status`` of the operator
or of the entry's own issuer suspends, reinstates or ends an entry; a new entry takes the place of
the old one.
Does not: decide whose lists are accepted (the verifier's anchors do), look at keys or signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Membership, Service, Standing, Status, seconds
from kizuna.model.statement import Interval, Registered
from kizuna.record.lists.scope import in_scope, within

__all__ = ["Change", "Disregarded", "Entry", "ListState", "What", "difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member's entry as of one place in the log, with what came before it."""

    member: SubjectId
    state: Standing
    services: tuple[Service, ...]
    name: str
    reason: str
    issuer: SubjectId
    statement: str
    """Digest (hex) of the statement that put the entry into this state."""
    index: int
    since: Interval
    """When that statement was registered."""
    valid_from: int | None = None
    valid_until: int | None = None
    keys: tuple[Mapping[str, str], ...] = ()
    """Public JWKs pinned for a member whose name does not carry its key."""
    logs: tuple[str, ...] = ()
    """Origins of the logs in which the member's statements stand; none: any."""
    ext: Mapping[str, Any] = field(default_factory=dict)
    """What the entry cites: ``proposal`` (a digest) of who confirmed it, ``source`` (a foreign
    list) it was taken from.
    """
    before: Entry | None = None

    def history(self) -> Iterator[Entry]:
        """This entry and every earlier one of the same member, newest first."""
        entry: Entry | None = self
        while entry is not None:
            yield entry
            entry = entry.before

    def in_force(self, at: int) -> bool:
        """True where the entry is granted and ``at`` lies in its period."""
        return (
            self.state is Standing.GRANTED
            and (self.valid_from is None or self.valid_from <= at)
            and (self.valid_until is None or at < self.valid_until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disregarded:
    """A statement that speaks of the list and does not count, and why: ``code`` is
    ``list.not-entitled`` or ``list.own-entry``.
    """

    statement: str
    issuer: SubjectId
    member: SubjectId
    index: int
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """A list as of one place in the log."""

    list_id: SubjectId
    operator: SubjectId
    entries: Mapping[SubjectId, Entry]
    disregarded: tuple[Disregarded, ...] = ()

    @staticmethod
    def of(
        list_id: SubjectId,
        operator: SubjectId,
        registered: Iterable[Registered],
        *,
        below_index: int | None = None,
    ) -> ListState:
        """The state that follows from registered statements of one log.

        Args:
            list_id: the list; memberships of other lists are passed over.
            operator: who operates it.
            registered: memberships, and the ``status`` statements that act on them; any order,
                other kinds are passed over.
            below_index: only what stands before this place in the log (a checkpoint's size).
        """
        walk = _Walk(list_id, operator)
        for item in sorted(registered, key=lambda r: r.index):
            if below_index is None or item.index < below_index:
                walk.take(item)
        return ListState(
            list_id=list_id,
            operator=operator,
            entries=MappingProxyType(dict(sorted(walk.entries.items()))),
            disregarded=tuple(walk.disregarded),
        )

    def in_force(self, at: int) -> tuple[Entry, ...]:
        """The entries in force at an instant, by member."""
        return tuple(e for e in self.entries.values() if e.in_force(at))

    def history(self, member: SubjectId) -> tuple[Entry, ...]:
        """Every state of one member's entry, newest first; empty for a stranger."""
        entry = self.entries.get(member)
        return tuple(entry.history()) if entry else ()

    def may(
        self, member: SubjectId, kind: Kind, subject: str, word: str, at: int
    ) -> tuple[Service, ...]:
        """The services under which ``member`` may say ``word`` (claim or notice type, relation) of
        this kind about ``subject``.
        """
        entry = self.entries.get(member)
        if entry is None or not entry.in_force(at):
            return ()
        return tuple(
            s
            for s in entry.services
            if kind in s.kinds
            and ("*" in s.claims or word in s.claims)
            and in_scope(subject, s.scope, member)
        )


_ACTIONS: Final = {
    Action.SUSPEND: Standing.SUSPENDED,
    Action.REVOKE: Standing.WITHDRAWN,
    Action.WITHDRAW: Standing.WITHDRAWN,
    Action.REINSTATE: Standing.GRANTED,
}


class _Walk:
    """The walk through the log; owns the state while it is being built."""

    def __init__(self, list_id: SubjectId, operator: SubjectId) -> None:
        self._list_id = list_id
        self._operator = operator
        self.entries: dict[SubjectId, Entry] = {}
        self.disregarded: list[Disregarded] = []
        self._by_statement: dict[str, SubjectId] = {}

    def take(self, item: Registered) -> None:
        payload = item.statement.payload
        if isinstance(payload, Membership):
            if payload.list_id == self._list_id:
                self._membership(item, payload)
        elif isinstance(payload, Status) and payload.target.statement is not None:
            self._status(item, payload, payload.target.statement)

    def _membership(self, item: Registered, payload: Membership) -> None:
        said = item.statement
        member = said.subject
        services = self._entitled(said.issuer, member, payload, item.registered.earliest)
        if services is None:
            code = "list.own-entry" if said.issuer == member else "list.not-entitled"
            self._disregard(item, member, code)
            return
        digest = said.digest.hex()
        self._by_statement[digest] = member
        self.entries[member] = Entry(
            member=member,
            state=payload.state,
            services=services,
            name=payload.name or "",
            reason=payload.reason or "",
            issuer=said.issuer,
            statement=digest,
            index=item.index,
            since=item.registered,
            valid_from=seconds(payload.valid_from) if payload.valid_from else None,
            valid_until=seconds(payload.valid_until) if payload.valid_until else None,
            keys=tuple(payload.keys),
            logs=tuple(payload.logs),
            ext=payload.ext,
            before=self.entries.get(member),
        )

    def _status(self, item: Registered, payload: Status, target: str) -> None:
        member = self._by_statement.get(target)
        state = _ACTIONS.get(payload.action)
        if member is None or state is None:
            return
        entry = self.entries[member]
        origin = next((e for e in entry.history() if e.statement == target), None)
        issuer = item.statement.issuer
        if issuer not in (self._operator, origin.issuer if origin else None):
            self._disregard(item, member, "list.not-entitled")
            return
        if self._current(entry) != target:
            return  # acts on an entry that a later one has replaced already
        ended = entry.state is Standing.WITHDRAWN
        if ended or (payload.action is Action.REINSTATE and entry.state is not Standing.SUSPENDED):
            return  # what was ended stays ended; only a suspension is lifted
        self.entries[member] = replace(
            entry,
            state=state,
            reason=payload.reason or "",
            issuer=issuer,
            statement=item.statement.digest.hex(),
            index=item.index,
            since=item.registered,
            before=entry,
        )

    def _current(self, entry: Entry) -> str:
        """Digest of the membership on which the entry's state rests, below later status."""
        return next(e.statement for e in entry.history() if e.statement in self._by_statement)

    def _entitled(
        self, issuer: SubjectId, member: SubjectId, payload: Membership, at: int
    ) -> tuple[Service, ...] | None:
        """The services that an entry gives, as far as its issuer may give them; none where he may
        not make it at all.
        """
        services = tuple(payload.services)
        if issuer == self._operator:
            return services
        entry = self.entries.get(issuer)
        if entry is None or issuer == member or not entry.in_force(at):
            return None
        held = [s for s in entry.services if Kind.MEMBERSHIP in s.kinds]
        held = [s for s in held if in_scope(member, s.scope)]
        return tuple(_handed_on(services, held)) if held else None

    def _disregard(self, item: Registered, member: SubjectId, code: str) -> None:
        self.disregarded.append(
            Disregarded(
                statement=item.statement.digest.hex(),
                issuer=item.statement.issuer,
                member=member,
                index=item.index,
                code=code,
            )
        )


def _handed_on(services: Iterable[Service], held: Sequence[Service]) -> Iterator[Service]:
    """Services cut to what their giver has: his words, the names he covers, his level."""
    words = {word for s in held for word in s.claims}
    names = {prefix for s in held for prefix in s.scope}
    level = max((s.level for s in held), key=lambda found: found.rank)
    for service in services:
        if "*" in words or service.type in words:
            yield msgspec.structs.replace(
                service,
                scope=list(within(service.scope, names)),
                level=min(service.level, level, key=lambda found: found.rank),
            )


class What(StrEnum):
    """What became of an entry between two states of a list."""

    ADDED = "added"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    REINSTATED = "reinstated"
    SERVICES = "services-changed"
    RENEWED = "renewed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two states of a list."""

    member: SubjectId
    what: What
    before: Entry | None
    after: Entry | None


def difference(before: ListState, after: ListState) -> tuple[Change, ...]:
    """What changed between two states, by member. ``removed`` occurs only where ``after`` is the
    earlier state, or another list: an entry never disappears from a log.
    """
    changes: list[Change] = []
    for member in sorted({*before.entries, *after.entries}):
        old, new = before.entries.get(member), after.entries.get(member)
        if old is None or new is None or old.statement != new.statement:
            changes.append(Change(member=member, what=_what(old, new), before=old, after=new))
    return tuple(changes)


def _what(old: Entry | None, new: Entry | None) -> What:
    if new is None:
        return What.REMOVED
    if new.state is Standing.SUSPENDED and (old is None or old.state is not new.state):
        return What.SUSPENDED
    if new.state is Standing.WITHDRAWN and (old is None or old.state is not new.state):
        return What.WITHDRAWN
    if old is None:
        return What.ADDED
    if new.state is Standing.GRANTED and old.state is not Standing.GRANTED:
        return What.REINSTATED
    return What.SERVICES if old.services != new.services else What.RENEWED
