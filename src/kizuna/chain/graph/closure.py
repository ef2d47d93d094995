# SPDX-License-Identifier: Apache-2.0
"""The closure of a question: the statements that its answer rests on, and no others.

A process that answers one question reads only these, and a proof bundle holds only these.

Keeps: 1. Judging the closure gives what judging everything gives, byte for byte: each list of
statements that the judgement looks at is read whole, under the key by which it is kept. 2. It asks
in sets, level by level. 3. A tie is followed only when its issuer could be entitled to it (it is
the end that depends, or an entry of an accepted list gives it such ties over that name), so a
stranger's ties cost nothing.

For the things of the chain everything said of them is read. For parties that only matter as
issuers, makers or names of something else, only their entries in lists, the life of their keys and
their other names are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kizuna.chain.graph.evidence import Evidence
from kizuna.chain.graph.graph import Graph
from kizuna.criteria.profiles import Profile
from kizuna.model.identifier import Digest
from kizuna.model.kind import Kind
from kizuna.model.payload import Links, Membership, Service, Status
from kizuna.model.relation import Relation
from kizuna.model.statement import Registered
from kizuna.model.trust import Anchors
from kizuna.record.lists import in_scope
from kizuna.record.log.keys import statement_key, subject_key

__all__ = ["Closure", "closure"]

_TOWARDS_OBJECT: Final = frozenset(r for r in Relation if r.object_depends)
_SUPPLIES: Final = frozenset({Relation.SUPPLIED_BY, Relation.MADE_BY})


@dataclass(slots=True)
class Closure:
    """What was read: statements in a fixed order, and the keys that were asked for."""

    statements: list[Registered]
    keys: list[bytes]
    subjects: int

    def graph(self, evidence: Evidence) -> Graph:
        """The statements as a graph of that evidence."""
        graph = Graph(evidence.heads(), evidence.view)
        graph.quorum = getattr(evidence, "quorum", 0)
        graph.as_of = getattr(evidence, "as_of", None)
        graph.add(self.statements)
        graph.gaps = dict(getattr(evidence, "gaps", {}))
        return graph


def closure(evidence: Evidence, subject: str, profile: Profile, anchors: Anchors) -> Closure:
    """Read what a verdict about ``subject`` rests on.

    Args:
        evidence: a store's reader, or a proof bundle.
        subject: canonical identifier.
        profile: which relations are followed.
        anchors: which lists may entitle an issuer.
    """
    return _Search(evidence, profile, anchors).run(subject)


class _Search:
    def __init__(self, evidence: Evidence, profile: Profile, anchors: Anchors) -> None:
        self._evidence = evidence
        self._lists = {a.id for a in anchors.lists}
        self._follows = {f.relation for f in profile.follow}
        self._found: dict[Digest, Registered] = {}
        self._by_name: dict[str, Sequence[Registered]] = {}
        self._keys: set[bytes] = set()
        self._named: list[str] = []  # whose lists are still to be asked for
        self._things: set[str] = set()  # of the chain: everything said of them counts
        self._parties: set[str] = set()  # issuers and makers: their entries, keys and names
        self._bills: set[tuple[str, str]] = set()  # (issuer, subject): which bills renew which
        self._services: dict[str, list[Service]] = {}  # that any entry ever gave for links
        self._links: list[Registered] = []  # link statements not looked into yet
        self._below: dict[str, list[str]] = {}  # by the end that depends: what is followed
        self._makers: dict[str, list[str]] = {}
        self._same: dict[str, list[str]] = {}
        self._fresh_things: list[str] = []
        self._fresh_parties: list[str] = []

    def run(self, subject: str) -> Closure:
        self._thing(subject)
        asked: set[str] = set()
        acted: list[Digest] = []
        while True:
            names = [n for n in dict.fromkeys(self._named) if n not in asked]
            self._named = []
            acts = list(self._found)[len(acted) :]
            if not names and not acts:
                break
            asked.update(names)
            acted.extend(acts)
            by_name = {subject_key(n): n for n in names}
            by_act = [statement_key(d) for d in acts]
            lists = self._ask([*by_name, *by_act])
            for key, name in by_name.items():
                self._by_name[name] = lists.get(key, ())
            for key in by_act:
                for item in lists.get(key, ()):
                    self._take(item)
            for name in names:
                self._read(name)
            self._settle()
        ordered = sorted(self._found.values(), key=lambda r: (r.origin, r.index))
        return Closure(ordered, sorted(self._keys), len(self._things))

    def _ask(self, keys: list[bytes]) -> dict[bytes, Sequence[Registered]]:
        self._keys.update(keys)
        return dict(self._evidence.by_keys(keys))

    # --- names --------------------------------------------------------------------------------

    def _thing(self, name: str) -> None:
        if name not in self._things:
            self._things.add(name)
            self._fresh_things.append(name)
            self._name(name)

    def _party(self, name: str) -> None:
        if name not in self._parties:
            self._parties.add(name)
            self._fresh_parties.append(name)
            if name not in self._things:
                self._name(name)

    def _bill(self, issuer: str, subject: str) -> None:
        if subject not in self._things and (issuer, subject) not in self._bills:
            self._bills.add((issuer, subject))
            self._name(subject)

    def _name(self, name: str) -> None:
        if name in self._by_name:
            self._read(name)
        else:
            self._named.append(name)

    def _read(self, name: str) -> None:
        """Look at what is said of a name, as far as the name matters so far."""
        thing, party = name in self._things, name in self._parties
        for item in self._by_name[name]:
            said = item.statement
            payload = said.payload
            if (
                thing
                or (
                    party
                    and (
                        (isinstance(payload, Membership) and payload.list_id in self._lists)
                        or (isinstance(payload, Status) and payload.target.key is not None)
                        or (isinstance(payload, Links) and _renames(payload, said.subject, name))
                    )
                )
                or (said.issuer, said.subject) in self._bills
            ):
                self._take(item)

    # --- statements ---------------------------------------------------------------------------

    def _take(self, item: Registered) -> None:
        said = item.statement
        if said.digest in self._found:
            return
        self._found[said.digest] = item
        payload = said.payload
        if isinstance(payload, Membership) and payload.list_id in self._lists:
            self._services.setdefault(said.subject, []).extend(
                s for s in payload.services if Kind.LINK in s.kinds
            )
        self._party(said.issuer)
        if isinstance(payload, Links):
            self._bill(said.issuer, said.subject)
            self._links.append(item)
        elif isinstance(payload, Status) and payload.target.key is not None:
            self._party(said.subject)

    def _settle(self) -> None:
        """Follow the ties of link statements whose issuers could be entitled to them."""
        while self._links or self._fresh_things or self._fresh_parties:
            links, self._links = self._links, []
            waiting: list[Registered] = []
            for item in links:
                if item.statement.issuer in self._by_name:
                    self._look_into(item)
                else:
                    waiting.append(item)  # the issuer's entries are among the names asked for next
            things, self._fresh_things = self._fresh_things, []
            for name in things:
                for below in self._below.get(name, ()):
                    self._thing(below)
                for maker in self._makers.get(name, ()):
                    self._party(maker)
                for other in self._same.get(name, ()):
                    self._thing(other)
            parties, self._fresh_parties = self._fresh_parties, []
            for name in parties:
                for other in self._same.get(name, ()):
                    self._party(other)
            if waiting and not (self._links or self._fresh_things or self._fresh_parties):
                self._links = waiting
                return
            self._links.extend(waiting)

    def _look_into(self, item: Registered) -> None:
        """Sort the ties of a link statement by the end that depends."""
        payload, subject = item.statement.payload, item.statement.subject
        if not isinstance(payload, Links):
            return
        issuer = item.statement.issuer
        services = self._services.get(issuer, [])
        known: dict[tuple[str, Relation], bool] = {}

        def may(end: str, relation: Relation) -> bool:
            found = known.get((end, relation))
            if found is None:
                found = known[end, relation] = issuer == end or any(
                    ("*" in s.claims or relation.value in s.claims)
                    and in_scope(end, s.scope, issuer)
                    for s in services
                )
            return found

        for link in payload.links:
            near = link.subject or subject
            far = link.object or subject
            relation = link.relation
            if relation is Relation.SAME_AS:
                if may(near, relation) or may(far, relation):
                    for one, other in ((near, far), (far, near)):
                        self._same.setdefault(one, []).append(other)
                        if one in self._things:
                            self._thing(other)
                        if one in self._parties:
                            self._party(other)
                continue
            if relation in _TOWARDS_OBJECT:
                near, far = far, near
            followed, supplies = relation in self._follows, relation in _SUPPLIES
            if not (followed or supplies) or not may(near, relation):
                continue
            if followed:
                self._below.setdefault(near, []).append(far)
            if supplies:
                self._makers.setdefault(near, []).append(far)
            if near in self._things:
                if followed:
                    self._thing(far)
                if supplies:
                    self._party(far)


def _renames(payload: Links, subject: str, name: str) -> bool:
    return any(
        link.relation is Relation.SAME_AS
        and name in (link.subject or subject, link.object or subject)
        for link in payload.links
    )
