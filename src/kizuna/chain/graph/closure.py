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
        self._things: set[str] = set()  # of the chain: everything said of them counts
        self._parties: set[str] = set()  # issuers and makers: their entries, keys and names
        self._bills: set[tuple[str, str]] = set()  # (issuer, subject): which bills renew which
        self._services: dict[str, list[Service]] = {}  # that any entry ever gave for links
        self._fresh: list[Registered] = []
        self._named: set[str] = set()

    def run(self, subject: str) -> Closure:
        self._thing(subject)
        asked: set[str] = set()
        acted: set[Digest] = set()
        while True:
            names = [n for n in self._named if n not in asked]
            acts = [d for d in self._found if d not in acted]
            if not names and not acts:
                break
            asked.update(names)
            acted.update(acts)
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
            self._named.add(name)
            if name in self._by_name:
                self._read(name)

    def _party(self, name: str) -> None:
        if name not in self._parties:
            self._parties.add(name)
            self._named.add(name)
            if name in self._by_name:
                self._read(name)

    def _bill(self, issuer: str, subject: str) -> None:
        if (issuer, subject) not in self._bills:
            self._bills.add((issuer, subject))
            self._named.add(subject)
            if subject in self._by_name:
                self._read(subject)

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
        if said.digest not in self._found:
            self._found[said.digest] = item
            if isinstance(said.payload, Membership) and said.payload.list_id in self._lists:
                self._services.setdefault(said.subject, []).extend(
                    s for s in said.payload.services if Kind.LINK in s.kinds
                )
            self._party(said.issuer)
            if isinstance(said.payload, Links):
                self._bill(said.issuer, said.subject)
            elif isinstance(said.payload, Status) and said.payload.target.key is not None:
                self._party(said.subject)
        if isinstance(said.payload, Links):
            self._fresh.append(item)

    def _settle(self) -> None:
        """Follow the ties of link statements whose issuers could be entitled to them."""
        waiting: list[Registered] = []
        while self._fresh:
            item = self._fresh.pop()
            said = item.statement
            if said.issuer not in self._by_name:
                waiting.append(item)  # the issuer's entries are among the names asked for next
            elif isinstance(said.payload, Links):
                self._follow(said.payload, said.subject, said.issuer)
        self._fresh = waiting

    def _follow(self, payload: Links, subject: str, issuer: str) -> None:
        things, parties = self._things, self._parties
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
                        if one in things:
                            self._thing(other)
                        if one in parties:
                            self._party(other)
                continue
            if relation.object_depends:
                near, far = far, near
            followed, supplies = relation in self._follows, relation in _SUPPLIES
            if (followed or supplies) and near in things and may(near, relation):
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
