# SPDX-License-Identifier: Apache-2.0
"""Go, hold or no-go: a judgement read line by line and supplier by supplier.

Keeps: 1. Every value comes from the one judgement: a line is worth what its part is worth to the
product, a candidate what its own standing leaves of that. 2. ``hold`` is "could not verify" and
never the same as ``no-go``. 3. A candidate about whom nothing at all is known is ``hold``, however
forgiving the profile is of silence elsewhere. 4. What is missing names its party, what would mend
it, who could supply it and until when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.procure.supposing import PURCHASE
from kizuna.model.finding import Code, Finding, Value
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Standing

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.chain.verify import Judgement
    from kizuna.chain.verify.judgement import Reach
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict
    from kizuna.record.lists import Entry, ListState

__all__ = [
    "DECISIONS",
    "Decision",
    "Suppliers",
    "Within",
    "able_to_supply",
    "best",
    "decide",
    "unreached",
    "worst",
]

DECISIONS: Final = {
    Value.TRUSTED: "go",
    Value.UNDETERMINED: "hold",
    Value.UNTRUSTED: "no-go",
}


_OFFICES: Final = frozenset({"list-operator", "confirmation-body", "self"})
"""Roles that run lists: nothing is bought from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a line, a supplier or a substitute comes to, and the findings that make it so."""

    value: Value
    findings: tuple[Finding, ...]


def decide(verdict: Verdict) -> Decision:
    """A whole verdict as a decision."""
    counted = tuple(f for f in verdict.findings if f.counts and f.code.value_given < Value.TRUSTED)
    return Decision(value=verdict.value, findings=counted)


class Within:
    """One judged thing and the things inside its chain."""

    def __init__(self, judgement: Judgement, subject: SubjectId, verdict: Verdict) -> None:
        self._judgement = judgement
        self._root = judgement.node_of(subject)
        self._reach: Reach | None = judgement.reach(self._root) if self._root >= 0 else None
        self._findings: dict[int, list[Finding]] = {}
        for finding in verdict.findings:
            node = judgement.node_of(finding.subject)
            self._findings.setdefault(node, []).append(finding)
        self._below: dict[int, list[tuple[int, int]]] = {}
        self._place: dict[int, int] = {}
        self._worth: dict[int, int] = {}
        self._things: list[int] = []
        reach = self._reach
        if reach is not None:
            self._things = judgement.frame.things(reach.nodes).tolist()
            for i, thing in enumerate(self._things):
                self._place.setdefault(thing, i)
            purchase = judgement.graph.labels.find(PURCHASE)
            supposed: dict[int, int] = {}
            worths = reach.worth.tolist()
            for tie, (at, to, worth) in enumerate(
                zip(reach.source.tolist(), reach.target.tolist(), worths, strict=True)
            ):
                category = int(judgement.graph.edge_category.view[reach.edges[tie]])
                if purchase >= 0 and category == purchase:
                    supposed[to] = min(worth, supposed.get(to, worth))
                else:
                    self._below.setdefault(at, []).append((to, tie))
                    self._worth[to] = min(worth, self._worth.get(to, worth))
            # a supposed tie describes nothing: it says how a part is only where no bill does
            self._worth = supposed | self._worth

    def part(self, subject: str) -> Decision | None:
        """A thing as the part of the whole that it is; None where the chain does not reach it."""
        node = self._judgement.node_of(subject)
        place = self._place.get(node)
        reach = self._reach
        if place is None or reach is None:
            return None
        value = int(self._judgement.value[reach.nodes[place]])
        return self._decision(place, Value(min(value, self._worth.get(place, value))))

    def party(self, subject: str) -> Decision:
        """A candidate: its standing, and never ``go`` where nothing at all is known of it."""
        found = self.part(subject)
        node = self._judgement.node_of(subject)
        silent = node < 0 or bool(self._judgement.silent[node])
        if found is None or (silent and found.value is Value.TRUSTED):
            who = SubjectId(subject)
            unknown = Finding(subject=who, code=Code.PARTY_SILENT, requirement="silent", turn=who)
            return Decision(value=Value.UNDETERMINED, findings=(unknown,))
        return found

    def _decision(self, place: int, value: Value) -> Decision:
        if value is Value.TRUSTED:
            return Decision(value=value, findings=())
        told: dict[Finding, None] = {}
        for at in self._behind(place):
            for finding in self._findings.get(at, ()):
                if finding.code.value_given < Value.TRUSTED:
                    told[finding] = None
        return Decision(value=value, findings=tuple(told))

    def _behind(self, place: int) -> list[int]:
        """The nodes that decide about one, itself among them; supposed ties are not gone along."""
        reach = self._reach
        if reach is None:
            return []
        seen, waiting = {place}, [place]
        while waiting:
            for to, tie in self._below.get(waiting.pop(), ()):
                if to not in seen and reach.decides[tie]:
                    seen.add(to)
                    waiting.append(to)
        return [self._things[i] for i in sorted(seen)]


class Suppliers:
    """Who could supply what is missing: entries of believed lists that a requirement accepts.

    Whoever operates a list, or looks who is fit for one, is nobody's supplier by that.
    """

    def __init__(self, states: Sequence[ListState], profile: Profile, at: int) -> None:
        self._profile = profile
        self._by_type: dict[str, list[tuple[Entry, tuple[str, ...]]]] = {}
        for state in states:
            for entry in state.in_force(at):
                if entry.member == state.operator:
                    continue
                for service in entry.services:
                    if service.type in _OFFICES:
                        continue
                    self._by_type.setdefault(service.type, []).append(
                        (entry, tuple(service.claims))
                    )

    def of(self, finding: Finding, limit: int = 5) -> list[dict[str, str]]:
        """Members whose word would meet the finding's requirement about its subject."""
        from kizuna.record.lists import in_scope

        requirement = self._profile.requirement(finding.requirement)
        if requirement is None:
            return []
        found: dict[str, dict[str, str]] = {}
        for name in requirement.services:
            for entry, claims in self._by_type.get(name, ()):
                if entry.state is not Standing.GRANTED or entry.member in found:
                    continue
                if "*" not in claims and not set(claims) & set(requirement.claim):
                    continue
                if any(
                    s.type == name
                    and set(s.kinds) & set(requirement.kinds)
                    and in_scope(finding.subject, s.scope, entry.member)
                    and s.level.rank >= requirement.level.rank
                    for s in entry.services
                ):
                    found[entry.member] = {"id": entry.member, "name": entry.name, "as": name}
                    if len(found) >= limit:
                        return list(found.values())
        return list(found.values())


def worst(values: Iterable[Value]) -> Value:
    """The worst of some values; trusted where there are none."""
    return min(values, default=Value.TRUSTED)


def best(values: Iterable[Value]) -> Value:
    """The best of some values; untrusted where there are none."""
    return max(values, default=Value.UNTRUSTED)


def unreached(part: str) -> Decision:
    """The decision about a part that nothing leads to."""
    gone = Finding(subject=SubjectId(part), code=Code.SUBJECT_UNKNOWN)
    return Decision(value=Value.UNDETERMINED, findings=(gone,))


def able_to_supply(
    workspace: Workspace, profile: Profile, at: int, lists: Sequence[str] | None
) -> Suppliers:
    """Who could supply what is missing, as the believed lists stand."""
    believed = [a.id for a in workspace.anchors(lists).lists]
    return Suppliers([workspace.lists.state(one) for one in believed], profile, at)
