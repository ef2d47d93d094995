# SPDX-License-Identifier: Apache-2.0
"""A judgement: the values of many nodes under one question, kept true as evidence and time move.

The same object serves one product (it settles the product's chain and nothing else), a whole world
(``settle_all``), and a running server (``update`` after new statements, ``advance`` as time goes).

Keeps: 1. After ``update`` and ``advance`` every value, finding and byte is what a judgement made
anew would give. 2. Only what depends on a change is looked at again, unless the change is one of
authority or of names, which is judged anew as a whole. 3. A node is judged as a part of something;
what is asked only of the thing asked about is added when its verdict is drawn up. 4. What a bill of
materials says of a part in passing is heard where that bill is followed and nowhere else: a sloppy
bill of one product spoils no other, and a verdict needs no more than its own chain. So a part that
bills describe is judged once for each bill, at the tie, and by its dependencies only at the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import NEVER
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.distinct import distinct, distinct_tuples, union
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.local import Local, evaluate
from kizuna.chain.verify.propagation import group_values, shares, units
from kizuna.chain.verify.rules import Rules
from kizuna.chain.verify.settling import CHUNK, NOTED, PROVEN, SILENT, STATE, TRUSTED, Settling
from kizuna.criteria.profiles import Counting
from kizuna.model.finding import Code, Finding, Value
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Membership, Status
from kizuna.model.verdict import Coverage, Known, Verdict

__all__ = ["Judgement", "Reach"]


@dataclass(slots=True)
class Reach:
    """The chain of one subject: its nodes (the subject first), its ties, and what counts."""

    nodes: Ints
    source: Ints  # by position in ``nodes``
    target: Ints
    ties: Ints
    edges: Ints  # of each tie the edge that says it
    rule: Ints
    alternative: Ints
    worth: Ints  # of each tie what lies behind it counts for
    decides: Ints  # of each tie whether what lies behind it counts
    counts: Ints  # of each node


class Judgement(Settling):
    """One profile over one authority at one instant; see the module."""

    @property
    def whole(self) -> bool:
        """True where everything is judged, not only the chains asked about."""
        return self._whole

    @property
    def next_change(self) -> int:
        """The earliest instant at which time alone may change any value; of a whole judgement."""
        nodes, edges = self.graph.nodes, self.graph.edge_row.size
        return min(
            int(self.next[:nodes].min(initial=NEVER)),
            int(self._edge_next[:edges].min(initial=NEVER)),
            int(self._aside.next.view.min(initial=NEVER)),
            self.frame.merged_until,
        )

    def answers(self, subject: str) -> bool:
        """True where a verdict about the subject rests on evidence."""
        node = self.node_of(subject)
        return self._without_anchors(subject) is None and node >= 0 and self._is_known(node)

    def bounds(self) -> list[Finding]:
        """What the record as a whole lacks, whoever is asked about."""
        return self._bounds("", {})

    def stands_on(self, roots: Ints, touched: Ints) -> Ints:
        """Which of some nodes have any of the touched ones in their chain."""
        hit = np.zeros(self.graph.nodes, dtype=np.bool_)
        wanted = set(roots.tolist())
        frontier = touched
        hit[touched] = True
        left = wanted - set(touched.tolist())
        while len(frontier) and left:
            _, above, _, _ = self.into(frontier)
            above = distinct(above)
            frontier = above[~hit[above]]
            hit[frontier] = True
            left.difference_update(frontier.tolist())
        result: Ints = (roots >= 0) & hit[np.maximum(roots, 0)]
        return result

    def dependents(self, nodes: Ints) -> tuple[Ints, Ints, Ints]:
        """Who depends on some nodes: (position in ``nodes``, who, relation)."""
        graph = self.graph
        if not self._whole:
            names, _ = self.frame.names_of(nodes)
            _, edges = graph.edges_to.gather(names)
            truth, _ = self.frame.ties(edges)
            above = distinct(self.frame.rep[graph.edge_from.view[edges[truth == 2]]])
            above = self._live(above.astype(np.int64))
            above = above[~self.settled[above]]
            if len(above):
                self._tie(evaluate(self.frame, self.rules, above))
        at, ties = self._in(nodes)
        return at, self.source_of(ties), graph.edge_relation.view[self.edge_of(ties)]

    def touched_by(self, row: int) -> Ints:
        """The nodes that a statement says something about."""
        _, _, nodes = self._touched((row,), len(self.graph))
        return distinct(self.frame.rep[sorted(nodes)]).astype(np.int64)

    def without(self, row: int) -> tuple[Ints, Ints]:
        """The values of all nodes, and what each is by itself, had a statement never been made.

        Everything is settled, and as before afterwards.
        """
        if self._entitles(row):
            other = copy(self)
            other.go_by(self.authority.without(row), row)
            return other.value, other.base
        names, links, touched = self._touched((row,), len(self.graph))
        rows = np.asarray(sorted(links), dtype=np.int64)
        made: list[tuple[Ints, Ints]] = []
        for there in (False, True):
            self.authority.exists.view[row] = there
            merged = self.frame.refresh(rows, names=names)
            moved = self._moved()
            if merged:
                self.settle_all()
            else:
                things = distinct(self.frame.rep[sorted(touched)]).astype(np.int64)
                self._renew(union(things, moved))
            made.append((self.value.copy(), self.base.copy()))
        return made[0]

    def _entitles(self, row: int) -> bool:
        """Whether a statement may change who may say what."""
        payload = self.graph.payload.get(row)
        if not isinstance(payload, Status):
            return isinstance(payload, Membership)
        if payload.target.statement is None:
            return True
        target = self.graph.row_of.get(bytes.fromhex(payload.target.statement), -1)
        return isinstance(self.graph.payload.get(target), (Membership, Status))

    def go_by(self, authority: Authority, row: int) -> None:
        """Go by an authority that lacks a row; only where it differs is anything judged again.

        Nothing of what was worked out so far is written to: a shallow copy may call this.
        """
        before, names, bills = self.authority, self.frame.names, self.frame.bills.nodes
        self.authority = authority
        self.frame = Frame(authority, self.at)
        if self.frame.names != names or self.frame.bills.nodes != bills:
            self.settle_all()
            return
        for name in STATE:
            setattr(self, name, getattr(self, name).copy())
        issuers, rows = authority.differs(before)
        issuers.add(int(self.graph.subject.view[row]))  # whom the row named, another may be above
        for issuer in issuers:
            rows.update(self.graph.by_issuer.of(issuer).tolist())
        _, _, touched = self._touched((row, *rows), len(self.graph))
        things = np.asarray(sorted(touched | issuers), dtype=np.int64)
        self._renew(self._spread(distinct(self.frame.rep[things]).astype(np.int64)))

    def node_of(self, subject: str) -> int:
        """The thing that a name stands for, or -1."""
        found = self.graph.names.find(subject)
        return -1 if found < 0 else int(self.frame.rep[found])

    def as_root(self, nodes: Ints) -> Local:
        """Nodes judged as the things asked about."""
        return evaluate(self.frame, self.rules, nodes, as_root=True)

    @property
    def _rootless(self) -> bool:
        return all(r.in_root and r.in_parts for r in self.rules.requirements) and all(
            t.in_root and t.in_parts for t in self.rules.ties
        )

    def root_values(self, roots: Ints, local: Local | None = None) -> Ints:
        """The values of verdicts about settled nodes."""
        own = (local or self.as_root(roots)).own
        values = np.minimum(own, self._dependencies(roots))
        result: Ints = values.astype(np.int8)
        return result

    def _dependencies(self, nodes: Ints) -> Ints:
        """What the dependencies of nodes leave of them."""
        worth = np.full(len(nodes), TRUSTED, dtype=np.int8)
        at, below, rule, alternative, best = self.out_of(nodes)
        if len(at):
            plain = self._blocking()[rule] & (alternative == 0)
            np.minimum.at(worth, at[plain], np.minimum(self.value[below], best)[plain])
            worth = np.minimum(worth, group_values(self, nodes, self.value))
        return worth

    def reach(self, root: int) -> Reach:
        """The chain of a settled node."""
        order = [np.asarray([root], dtype=np.int64)]
        place = {root: 0}
        found: list[Ints] = []
        sources: list[Ints] = []
        frontier = order[0]
        while len(frontier):
            at, used = self._out(frontier)
            found.append(used)
            sources.append(frontier[at])
            fresh = [n for n in distinct(self.target_of(used)).tolist() if n not in place]
            for node in fresh:
                place[node] = len(place)
            frontier = np.asarray(fresh, dtype=np.int64)
            if fresh:
                order.append(frontier)
        nodes = np.concatenate(order)
        ties = np.concatenate(found)
        sorted_nodes = np.sort(nodes)
        rank = np.argsort(nodes, kind="stable")

        def locate(values: Ints) -> Ints:
            return rank[np.searchsorted(sorted_nodes, values)]

        source = locate(np.concatenate(sources))
        target = locate(self.target_of(ties))
        edges, rule, alternative = self.edge_of(ties), self.rule_of(ties), self._alternative(ties)
        worth = np.minimum(self.value[nodes[target]], self.best_of(ties))
        decides = _decisive(self.rules, source, target, rule, alternative, worth)
        counts = _counted(len(nodes), source[decides], target[decides])
        return Reach(nodes, source, target, ties, edges, rule, alternative, worth, decides, counts)

    def verdict(
        self,
        subject: str,
        *,
        known: tuple[Known, ...] | None = None,
        shortfalls: Mapping[Code, str] = MappingProxyType({}),
    ) -> Verdict:
        """The verdict about a subject, its chain settled.

        Args:
            subject: canonical identifier.
            known: the checkpoints that were asked about, as they shall stand in the verdict.
            shortfalls: what the evidence could not prove, by the code of the finding.
        """
        missing = self._without_anchors(subject)
        node = self.node_of(subject)
        if missing is not None or node < 0 or not self._is_known(node):
            code = missing or Code.SUBJECT_UNKNOWN
            finding = Finding(subject=SubjectId(subject), code=code, turn=self._asker())
            return self._sealed(
                subject,
                [finding, *self._bounds(subject, shortfalls)] if missing is None else [finding],
                Coverage(subjects=1, known=0, proven=0, silent=1),
                None,
                known,
            )
        self.settle(node)
        root = np.asarray([node], dtype=np.int64)
        local = self.as_root(root)
        value = int(self.root_values(root, local)[0])
        bounds = self._bounds(subject, shortfalls)
        value = min([value, *(int(f.code.value_given) for f in bounds)])
        reach = self.reach(node)
        # a finding that is met on several ways decides if it does on one of them
        findings = dict.fromkeys((*local.findings(0, subject), *bounds), True)
        for finding, counts in self._parts(reach, subject):
            findings[finding] = findings.get(finding, False) or counts
        subjects, silent, proven = self._standing_of_parts(reach)
        silent += int(local.silent[0])
        coverage = Coverage(
            subjects=subjects,
            known=subjects - silent,
            proven=proven + int(local.proven[0]),
            silent=silent,
        )
        soonest = min(
            int(self.next[reach.nodes].min()),
            int(local.next[0]),
            int(self.next_of(reach.ties).min(initial=NEVER)),
        )
        return self._sealed(
            subject,
            [f if counts else _quiet(f) for f, counts in findings.items()],
            coverage,
            None if soonest >= NEVER else soonest,
            known,
            value,
        )

    def all_findings(self, roots: Sequence[str]) -> Iterator[Finding]:
        """Every finding in the chains of some subjects, each once; for a look at a whole world.

        ``counts`` says nothing here: it is a matter of who asks.
        """
        if not self._whole:
            self.settle_all()
        places = distinct(np.asarray([self.node_of(name) for name in roots], dtype=np.int64))
        places = places[places >= 0]
        for start in range(0, len(places), CHUNK):
            part = places[start : start + CHUNK]
            local = self.as_root(part)
            for i in np.flatnonzero(local.noted).tolist():
                yield from local.findings(i)
        reached = np.zeros(self.graph.nodes, dtype=np.bool_)
        frontier = places
        while len(frontier):
            reached[frontier] = True
            _, ties = self._out(frontier)
            below = distinct(self.target_of(ties))
            frontier = below[~reached[below]]
        things = np.flatnonzero(reached & self.noted[: self.graph.nodes]).astype(np.int64)
        things = np.setdiff1d(things[~self._in_bills(things)], places)
        for start in range(0, len(things), CHUNK):
            local = evaluate(self.frame, self.rules, things[start : start + CHUNK])
            for i in range(len(local.nodes)):
                yield from local.findings(i)
        ties = self._counted_ties()
        ties = ties[(self.says_of(ties) & NOTED) != 0]
        ties = ties[reached[self.source_of(ties)]]
        units, _ = self._bills(ties)
        for start in range(0, len(units[0]), CHUNK):
            cut = slice(start, start + CHUNK)
            local = evaluate(
                self.frame, self.rules, units[0][cut], context=(units[1][cut], units[2][cut])
            )
            for i in range(len(local.nodes)):
                yield from local.findings(i)

    def tops(self) -> Ints:
        """The things that nothing depends on by a counted tie; of a whole judgement."""
        total = self.graph.nodes
        free = self.frame.rep[:total] == np.arange(total)
        free[self.frame.things(self.target_of(self._counted_ties()))] = False
        free[list(self.graph.in_bill)] = False
        return np.flatnonzero(free).astype(np.int64)

    def judged(self, reach: Reach) -> Iterator[tuple[Local, Ints]]:
        """Everything in a chain as it was judged, with whether it decides; the root first."""
        nodes = reach.nodes
        yield self.as_root(nodes[:1]), np.ones(1, dtype=np.bool_)
        decides = reach.decides & reach.counts[reach.source]
        met = np.zeros(len(nodes), dtype=np.bool_)
        met[reach.target[decides]] = True
        in_bills = self._in_bills(nodes)
        plain = 1 + np.flatnonzero(~in_bills[1:])
        for start in range(0, len(plain), CHUNK):
            part = plain[start : start + CHUNK]
            yield evaluate(self.frame, self.rules, nodes[part]), met[part]
        ties = np.flatnonzero(in_bills[reach.target])
        units, back = self._bills(reach.ties[ties])
        counted = np.zeros(len(units[0]), dtype=np.bool_)
        counted[back[decides[ties]]] = True
        for start in range(0, len(units[0]), CHUNK):
            cut = slice(start, start + CHUNK)
            yield (
                evaluate(
                    self.frame, self.rules, units[0][cut], context=(units[1][cut], units[2][cut])
                ),
                counted[cut],
            )

    def _parts(self, reach: Reach, subject: str) -> Iterator[tuple[Finding, bool]]:
        """The findings of everything below the root, and whether they decide."""
        nodes = reach.nodes
        in_bills = self._in_bills(nodes)
        decides = reach.decides & reach.counts[reach.source]
        met = np.zeros(len(nodes), dtype=np.bool_)  # reached on a way that decides
        met[reach.target[decides]] = True
        below = np.zeros(len(nodes), dtype=np.bool_)
        below[reach.target] = True
        if self._rootless:
            below[0] = False
        plain = np.flatnonzero(below & ~in_bills & self.noted[nodes])
        if len(plain):
            local = evaluate(self.frame, self.rules, nodes[plain])
            for i, place in enumerate(plain.tolist()):
                for finding in local.findings(i, subject if place == 0 else None):
                    yield finding, bool(met[place])
        ties = np.flatnonzero(in_bills[reach.target] & ((self.says_of(reach.ties) & NOTED) != 0))
        if len(ties):
            units, back = self._bills(reach.ties[ties])
            local = evaluate(self.frame, self.rules, units[0], context=(units[1], units[2]))
            counted = np.zeros(len(units[0]), dtype=np.bool_)
            counted[back[decides[ties]]] = True
            root = int(nodes[0])
            for i, node in enumerate(units[0].tolist()):
                for finding in local.findings(i, subject if node == root else None):
                    yield finding, bool(counted[i])

    def _standing_of_parts(self, reach: Reach) -> tuple[int, int, int]:
        """How many things there are, the root among them; and of the parts how many are silent,
        and how many have every requirement met.
        """
        parts = reach.nodes.copy()
        in_bills = self._in_bills(parts)
        silent, proven = self.silent[parts].copy(), self.proven[parts].copy()
        described = in_bills[reach.target]
        target, says = reach.target[described], self.says_of(reach.ties[described])
        silent[in_bills] = True
        proven[in_bills] = True
        np.logical_and.at(silent, target, (says & SILENT) != 0)
        np.logical_and.at(proven, target, (says & PROVEN) != 0)
        if not self.frame.bills.within(parts).any():
            return len(parts), int(silent[1:].sum()), int(proven[1:].sum())
        # a thing that stands in the chain both at large and as a bill has it is one thing
        things = self.frame.things(parts)
        root = things == things[0]
        (things,), back = distinct_tuples((things[~root],))
        quiet = np.ones(len(things), dtype=np.bool_)
        shown = np.ones(len(things), dtype=np.bool_)
        np.logical_and.at(quiet, back, silent[~root])
        np.logical_and.at(shown, back, proven[~root])
        return 1 + len(things), int(quiet.sum()), int(shown.sum())

    def known(self, nodes: Ints) -> Ints:
        """Of which nodes anything is said; being named by others is nothing said of them."""
        graph, exists = self.graph, self.authority.exists
        names, where = self.frame.names_of(nodes)
        found = np.zeros(len(nodes), dtype=np.bool_)
        at, rows = graph.rows_of.gather(names)
        found[where[at[exists.view[rows]]]] = True
        within = self.frame.bills.spread(nodes)
        if len(within) > len(nodes):
            heard = self.frame.things(within[self.frame.bills.within(within)])
            found |= np.isin(nodes, heard)
        at, claims = graph.claims_of(names)
        found[where[at[exists.view[graph.claim_row.view[claims]]]]] = True
        at, edges = graph.edges_from.gather(names)
        found[where[at[exists.view[graph.edge_row.view[edges]]]]] = True
        return found

    def _is_known(self, node: int) -> bool:
        return bool(self.known(np.asarray([node], dtype=np.int64))[0])

    def _without_anchors(self, subject: str) -> Code | None:
        del subject
        anchors = self.authority.anchors
        return None if self.authority.list_ids and anchors.logs else Code.ANCHORS_MISSING

    def _asker(self) -> str:
        return self.authority.anchors.verifier or ""

    def _bounds(self, subject: str, shortfalls: Mapping[Code, str]) -> list[Finding]:
        """What the record as a whole lacks: proof, witnesses, freshness."""
        found = [
            Finding(
                subject=SubjectId(subject),
                code=code,
                requirement="proof",
                turn=self._asker(),
                about=(("what", what),),
            )
            for code, what in shortfalls.items()
            if code is not Code.QUORUM_MISSING  # counted here, against the verifier's own anchors
        ]
        graph, anchors = self.graph, self.authority.anchors
        if graph.quorum < anchors.quorum:
            found.append(
                Finding(
                    subject=SubjectId(subject),
                    code=Code.QUORUM_MISSING,
                    requirement="quorum",
                    turn=self._asker(),
                    about=(("have", str(graph.quorum)), ("need", str(anchors.quorum))),
                )
            )
        oldest = self.profile.max_store_age
        if graph.as_of is not None and oldest is not None and self.at > graph.as_of + oldest:
            found.append(
                Finding(
                    subject=SubjectId(subject),
                    code=Code.STORE_STALE,
                    requirement="store",
                    turn=self._asker(),
                    about=(("as_of", str(graph.as_of)), ("max_age", str(oldest))),
                )
            )
        found += [
            Finding(
                subject=SubjectId(subject),
                code=Code.LIST_STALE,
                requirement="list",
                turn=self._asker(),
                about=(("due", str(due)), ("list", name)),
            )
            for name, due in self._due_lists()
            if self.at >= due
        ]
        return found

    def _due_lists(self) -> Iterator[tuple[str, int]]:
        """The lists judged by that follow one of somebody else, and when its next issue is due."""
        wanted = self.authority.list_ids
        for anchor in self.authority.anchors.lists:
            if anchor.fresh_until is not None and anchor.id in wanted:
                yield anchor.name, anchor.fresh_until

    def _sealed(
        self,
        subject: str,
        findings: list[Finding],
        coverage: Coverage,
        soonest: int | None,
        known: tuple[Known, ...] | None,
        value: int = int(Value.UNDETERMINED),
    ) -> Verdict:
        graph = self.graph
        oldest = self.profile.max_store_age
        if graph.as_of is not None and oldest is not None:
            stale = graph.as_of + oldest + 1
            if stale > self.at:
                soonest = stale if soonest is None else min(soonest, stale)
        for _, due in self._due_lists():
            if due > self.at:
                soonest = due if soonest is None else min(soonest, due)
        return Verdict(
            value=Value(value),
            subject=SubjectId(subject),
            profile=self.profile.name,
            profile_digest=self.profile.digest,
            at=self.at,
            known=tuple(sorted(known if known is not None else graph.heads)),
            lists=self.authority.list_ids,
            findings=tuple(sorted(set(findings))),
            coverage=coverage,
            next_change=soonest,
            quorum=graph.quorum,
            view=graph.view,
        )


def _quiet(finding: Finding) -> Finding:
    return Finding(
        subject=finding.subject,
        code=finding.code,
        requirement=finding.requirement,
        turn=finding.turn,
        statements=finding.statements,
        about=finding.about,
        counts=False,
    )


def _decisive(
    rules: Rules, source: Ints, target: Ints, rule: Ints, alternative: Ints, worth: Ints
) -> Ints:
    """Of each tie whether the findings behind it decide anything.

    Behind a blocking tie everything does. Of alternatives only the best decide; of a share that is
    met only the trusted, of one that is open all but the untrusted.
    """
    ties = rules.ties
    decides = np.ones(len(rule), dtype=np.bool_)
    if not len(rule):
        return decides
    informative = np.asarray([t.counting is Counting.INFORMATIVE for t in ties])[rule]
    decides[informative] = False
    blocking = np.asarray([t.counting is Counting.BLOCKING for t in ties])[rule]
    grouped = np.flatnonzero(~informative & (~blocking | (alternative != 0)))
    if len(grouped):
        _, unit_rule, best, unit = units(
            source[grouped], target[grouped], rule[grouped], alternative[grouped], worth[grouped]
        )
        unit_at = np.zeros(len(best), dtype=np.int64)
        unit_at[unit] = source[grouped]
        decides[grouped] = worth[grouped] == best[unit]
        shared = np.flatnonzero(np.asarray([t.counting is Counting.SHARE for t in ties])[unit_rule])
        if len(shared):
            _, _, given, share = shares(ties, unit_at[shared], unit_rule[shared], best[shared])
            floor = np.zeros(len(best), dtype=np.int8)
            floor[shared] = given[share]
            decides[grouped] &= best[unit] >= floor[unit]
    return decides


def _counted(count: int, source: Ints, target: Ints) -> Ints:
    """Which nodes are reached from the first one."""
    counted = np.zeros(count, dtype=np.bool_)
    counted[0] = True
    order = np.argsort(source, kind="stable")
    target = target[order]
    start = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=count), out=start[1:])
    frontier = [0]
    while frontier:
        fresh: list[int] = []
        for node in frontier:
            for below in target[start[node] : start[node + 1]].tolist():
                if not counted[below]:
                    counted[below] = True
                    fresh.append(below)
        frontier = fresh
    return counted
