# SPDX-License-Identifier: Apache-2.0
"""Which logs can hold something that counts about a name: found through the lists.

An entry of a list names the logs in which its member's statements stand, and about whose names the
member may speak. So what counts about a name stands in the logs of those whose scope covers it, of
its makers, and of whoever the name itself is. Whoever operates a list stands above its members: it
enters them, ends their keys and takes back what they said, where it keeps that list or says that
its own statements stand.

Keeps: 1. Never too few: whoever names no log may have spoken in any of them. 2. Entries are added
up: no later entry hides a log that an earlier one named. 3. No store is asked about a name of which
nothing it holds could count: who buys what is nobody else's business.
Does not: decide who is believed; what is asked for too much costs time and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Links, Membership
from kizuna.model.relation import Relation
from kizuna.model.statement import Registered
from kizuna.model.trust import Anchors

__all__ = ["Routing"]

_BORDERS: Final = frozenset("/:@?#")
_EVERYTHING: Final = "*"
_SUPPLIES: Final = frozenset({Relation.SUPPLIED_BY, Relation.MADE_BY})
_SPEAKERS: Final = ("did:",)
"""How names begin that can sign for themselves."""


class Routing:
    """What the lists said so far of who speaks where. Grows with every entry and tie seen."""

    def __init__(
        self, anchors: Anchors, origins: Iterable[str], waivers_from: Iterable[str] = ()
    ) -> None:
        self.all = frozenset(origins)
        self._lists = {a.id: a.operator for a in anchors.lists}
        self._pinned = {i.id for i in anchors.identities}
        self._waivers = [w for w in waivers_from if ":" in w]
        self._logs: dict[str, frozenset[str] | None] = {}  # by member; None: names none
        self._under: dict[str, set[str]] = {}  # by prefix: members whose scope it is
        self._stewards: set[str] = set()  # who may enter others
        self._makers: dict[str, set[str]] = {}
        self._billed: dict[str, set[str]] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._keeps: dict[str, set[str]] = {op: set() for op in self._lists.values()}
        self._above: frozenset[str] | None = None

    def see(self, item: Registered) -> None:
        """Learn from a statement."""
        said = item.statement
        payload = said.payload
        if isinstance(payload, Membership) and said.issuer in self._keeps:
            self._operator(item, payload)
        if isinstance(payload, Membership) and payload.list_id in self._lists:
            self._enter(said.subject, payload)
        elif isinstance(payload, Links):
            self._note(self._billed, said.subject, said.issuer)
            for link in payload.links:
                if link.relation in _SUPPLIES:
                    self._note(
                        self._makers, link.subject or said.subject, link.object or said.subject
                    )

    def _enter(self, member: SubjectId, payload: Membership) -> None:
        before = self._logs.get(member, frozenset())
        named = frozenset(payload.logs) or None
        self._logs[member] = None if named is None or before is None else before | named
        for service in payload.services:
            if Kind.MEMBERSHIP in service.kinds:
                self._stewards.add(member)
            for prefix in service.scope:
                self._under.setdefault(prefix, set()).add(member)
        self._forget()

    def _operator(self, item: Registered, payload: Membership) -> None:
        """Where who operates a list keeps it, and says that its own statements stand."""
        said = item.statement
        keeps = self._keeps[said.issuer]
        found: set[str] = set()
        if self._lists.get(payload.list_id) == said.issuer:
            found.add(item.origin)
        if said.subject == said.issuer:
            found.update(payload.logs)
        if not found <= keeps:
            keeps |= found
            self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._above = None

    def _note(self, table: dict[str, set[str]], name: str, other: str) -> None:
        known = table.setdefault(name, set())
        if other not in known:
            known.add(other)
            self._known.pop(name, None)

    def of_issuer(self, issuer: str) -> frozenset[str]:
        """The logs in which somebody's statements stand."""
        logs = self._logs.get(issuer)
        return self.all if logs is None else logs

    def of_lists(self) -> frozenset[str]:
        """The logs in which entries of the accepted lists stand."""
        parties = {*self._lists.values(), *self._stewards}
        return frozenset().union(*(self.of_issuer(party) for party in parties))

    def of_superiors(self) -> frozenset[str]:
        """The logs in which those who stand above members of the accepted lists act on them."""
        if self._above is None:
            found: set[str] = set()
            for party in {*self._keeps, *self._stewards}:
                named = self._logs.get(party)
                found |= named or self._keeps.get(party) or self.all
            self._above = frozenset(found)
        return self._above

    def of_name(self, name: str) -> frozenset[str]:
        """The logs in which something that counts about a name can stand."""
        found = self._known.get(name)
        if found is None:
            speakers = {
                *self._waivers,
                *self._under.get(_EVERYTHING, ()),
                *self._makers.get(name, ()),
                *self._billed.get(name, ()),
            }
            for prefix in _prefixes(name):
                speakers |= self._under.get(prefix, set())
            above: frozenset[str] = frozenset()
            if name in self._logs or name in self._pinned or name.startswith(_SPEAKERS):
                speakers.add(name)
                above = self.of_superiors()
            found = above.union(*(self.of_issuer(party) for party in speakers))
            self._known[name] = found
        return found

    def of_act(self, item: Registered) -> frozenset[str]:
        """The logs in which something can stand that was done to a statement."""
        said = item.statement
        found = self.of_issuer(said.issuer) | {item.origin}
        if isinstance(said.payload, Membership) and said.payload.list_id in self._lists:
            # only who made an entry and who operates the list may act on it
            return found | self.of_issuer(self._lists[said.payload.list_id])
        return found | self.of_name(said.subject) | self.of_superiors()


def _prefixes(name: str) -> Iterable[str]:
    """Every prefix under which ``in_scope`` finds a name."""
    for place, letter in enumerate(name):
        if letter in _BORDERS:
            yield name[:place]
            yield name[: place + 1]
    yield name
