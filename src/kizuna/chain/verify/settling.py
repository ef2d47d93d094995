# SPDX-License-Identifier: Apache-2.0
"""Settling: the values of many nodes under one question, kept true as evidence and time move.

Keeps: 1. After ``update`` and ``advance`` every value is what a judgement made anew would give. 2.
Only what depends on a change is looked at again, unless the change is one of authority or of names,
which is judged anew as a whole. 3. A part that bills of materials describe is judged once for each
bill, at the tie, and by its dependencies only at the node.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import NEVER
from kizuna.chain.verify.aside import FIRST
from kizuna.chain.verify.counted import STATE, TRUSTED, Counted
from kizuna.chain.verify.distinct import distinct, distinct_tuples, union
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.local import Local, evaluate
from kizuna.chain.verify.propagation import group_values, renew, sink
from kizuna.criteria.profiles import Counting
from kizuna.model.payload import Membership, Status

__all__ = ["CHUNK", "NOTED", "PROVEN", "SILENT", "STATE", "TRUSTED", "Settling"]

CHUNK: Final = 65_536
SILENT: Final = 1
PROVEN: Final = 2
NOTED: Final = 4


class Settling(Counted):
    """The values of nodes under one profile, one authority and one instant."""

    # --- settling -----------------------------------------------------------------------------

    def settle_all(self) -> None:
        """Judge everything there is."""
        self._clear()
        self.frame.bills.moved.clear()
        things = self.frame.representatives().astype(np.int64)
        for start in range(0, len(things), CHUNK):
            self._evaluate(things[start : start + CHUNK])
        ties = self._counted_ties()
        self._qualify(ties)
        self._hold(things, ties)
        self.value[things] = self.own[things]
        self._sink(things, ties)
        self._whole = True

    def settle(self, node: int) -> None:
        """Judge the chain of one node."""
        if self._whole or self.settled[node]:
            return
        reached: list[Ints] = []
        frontier = np.asarray([node], dtype=np.int64)
        while len(frontier):
            self._evaluate(frontier)
            reached.append(frontier)
            _, ties = self._out(frontier)
            below = distinct(self.target_of(ties))
            frontier = below[~self.settled[below]]
        chain = np.concatenate(reached)
        _, ties = self._out(chain)
        self._qualify(ties)
        self._hold(chain, ties)
        self.value[chain] = self.own[chain]
        # what was settled before hangs below this chain, never above it: its values stand
        at, below, rule, alternative, _ = self.out_of(chain)
        plain = self._blocking()[rule] & (alternative == 0)
        np.minimum.at(self.value, chain[at[plain]], self.value[below[plain]])
        self._sink(chain, ties)

    def _sink(self, nodes: Ints, ties: Ints) -> None:
        """Shares and alternatives once, then whatever follows."""
        rule = self.rule_of(ties)
        grouped = self._counting()[rule]
        grouped &= ~self._blocking()[rule] | (self._alternative(ties) != 0)
        owners = distinct(self.source_of(ties[grouped]))
        if len(owners):
            self.value[owners] = np.minimum(
                self.value[owners], group_values(self, owners, self.value)
            )
        sink(self, self.value, nodes[self.value[nodes] < TRUSTED])

    def _blocking(self) -> Ints:
        return np.asarray([t.counting is Counting.BLOCKING for t in self.ties] or [False])

    def _counting(self) -> Ints:
        return np.asarray([t.counting is not Counting.INFORMATIVE for t in self.ties] or [False])

    def _evaluate(self, nodes: Ints) -> None:
        """Judge nodes by themselves."""
        local = evaluate(self.frame, self.rules, nodes)
        in_bills = self._in_bills(nodes)
        self.base[nodes] = np.where(in_bills, TRUSTED, local.own)
        self.next[nodes] = local.next
        self.silent[nodes] = local.silent
        self.proven[nodes] = local.proven
        self.noted[nodes] = local.noted
        self.settled[nodes] = True
        self._tie(local)

    def _tie(self, local: Local) -> None:
        """Take in which ties of some nodes count."""
        bills, edges = self.frame.bills, local.edges
        self._aside.forget(local.nodes)
        if not bills:
            self._use[edges] = local.edge_tie.astype(np.int8) + 1
            return
        source = local.nodes[local.edge_at]
        far = self.frame.rep[self.graph.edge_to.view[edges]].astype(np.int64)
        within = bills.within(source)
        aside = within | bills.named(far)
        use = np.where(aside, np.int8(0), local.edge_tie.astype(np.int8) + 1)
        self._use[edges[~within]] = use[~within]
        rows = self.graph.edge_row.view[edges]
        for i in np.flatnonzero(aside & (local.edge_tie >= 0)).tolist():
            node = int(source[i])
            for target in bills.targets(node, int(rows[i]), int(far[i])):
                self._aside.add(int(edges[i]), node, target, int(local.edge_tie[i]))

    def _in_bills(self, nodes: Ints) -> Ints:
        """Which nodes some bill describes in passing: they are judged at their ties."""
        if not self.graph.passing_claim.size:
            return np.zeros(len(nodes), dtype=np.bool_)
        if self.frame.bills:
            nodes = self.frame.things(nodes)
        billed: Ints = self.frame.billed()[nodes]
        return billed

    def _qualify(self, ties: Ints) -> None:
        """Judge what counted ties lead to, each as its bill describes it."""
        if not len(ties):
            return
        in_bills = self._in_bills(self.target_of(ties))
        self._mark(ties[~in_bills], 0, NEVER, 0)
        ties = ties[in_bills]
        units, back = self._bills(ties)
        for start in range(0, len(units[0]), CHUNK):
            part = slice(start, start + CHUNK)
            local = evaluate(
                self.frame, self.rules, units[0][part], context=(units[1][part], units[2][part])
            )
            mine = (back >= start) & (back < start + CHUNK)
            of = back[mine] - start
            self._mark(
                ties[mine],
                TRUSTED - local.own[of],
                local.next[of],
                local.silent[of] * SILENT + local.proven[of] * PROVEN + local.noted[of] * NOTED,
            )

    def _mark(self, ties: Ints, lacks: Ints | int, soonest: Ints | int, says: Ints | int) -> None:
        """Remember how parts stand as the bills of some ties describe them."""
        aside = ties >= FIRST
        for plain, column, values in (
            (self._lacks, self._aside.lacks, lacks),
            (self._edge_next, self._aside.next, soonest),
            (self._edge_says, self._aside.says, says),
        ):
            if not aside.any():
                plain[ties] = values
                continue
            spread = np.broadcast_to(np.asarray(values), ties.shape)
            plain[ties[~aside]] = spread[~aside]
            column.view[ties[aside] - FIRST] = spread[aside]

    def _bills(self, ties: Ints) -> tuple[tuple[Ints, Ints, Ints], Ints]:
        """The distinct (thing, issuer and product of the bill) of some ties, and the way back."""
        graph = self.graph
        rows = graph.edge_row.view[self.edge_of(ties)]
        thing, issuer, product = (
            self.target_of(ties),
            graph.issuer.view[rows].astype(np.int64),
            graph.bill.view[rows].astype(np.int64),
        )
        (thing, issuer, product), back = distinct_tuples((thing, issuer, product))
        return (thing, issuer, product), back

    def _hold(self, nodes: Ints, ties: Ints) -> None:
        """Hold nodes down to what blocking parts are worth as their bills describe them.

        Args:
            nodes: distinct things.
            ties: every counted tie by which they depend.
        """
        self.own[nodes] = self.base[nodes]
        ties = ties[self.best_of(ties) < TRUSTED]
        plain = self._blocking()[self.rule_of(ties)]
        plain &= self._alternative(ties) == 0
        ties = ties[plain]
        np.minimum.at(self.own, self.source_of(ties), self.best_of(ties))

    # --- moving -------------------------------------------------------------------------------

    def update(self) -> Ints:
        """Take in what the graph has gained.

        Returns:
            The nodes whose value, findings or next change may differ from before.
        """
        first, total = self._rows, len(self.graph)
        fresh_nodes = np.arange(self._nodes, self.graph.nodes, dtype=np.int64)
        self._rows, self._nodes = total, self.graph.nodes
        changed = self.authority.extend()
        if first == total and not changed.everything:
            return np.empty(0, dtype=np.int64)
        self._room()
        rows = set(range(first, total)) | changed.rows
        names, links, touched = self._touched(rows, first)
        touched |= changed.nodes
        merged = self.frame.refresh(
            np.fromiter(links, dtype=np.int64, count=len(links)), names=names
        )
        moved = self._moved()
        if changed.everything or merged or not self._whole:
            everything = changed.everything or merged
            if self._whole:
                self.frame = Frame(self.authority, self.at) if everything else self.frame
                self.settle_all()
            else:
                self.frame = Frame(self.authority, self.at)
                self._clear()
            return np.arange(self.graph.nodes, dtype=np.int64)
        nodes = np.asarray(sorted(touched), dtype=np.int64)
        nodes = union(distinct(self.frame.rep[nodes]).astype(np.int64), fresh_nodes)
        return self._renew(union(nodes, moved))

    def advance(self, at: int) -> Ints:
        """Ask about another instant.

        Returns:
            The nodes whose value, findings or next change may differ from before.
        """
        if at == self.at:
            return np.empty(0, dtype=np.int64)
        backwards = at < self.at
        due = np.flatnonzero(self.next[: self.graph.nodes] <= at).astype(np.int64)
        parts = np.flatnonzero(self._edge_next[: self.graph.edge_row.size] <= at)
        if self._aside:
            every = self._aside.all()
            parts = np.concatenate((parts, every[self.next_of(every) <= at]))
        due = union(due, self.target_of(parts))
        ends = distinct(self.frame.rep[self.frame.due(at)]).astype(np.int64)
        merged = self.frame.move(at)
        if not self._whole:
            self._clear()
            return np.arange(self.graph.nodes, dtype=np.int64)
        if backwards or merged:
            self.settle_all()
            return np.arange(self.graph.nodes, dtype=np.int64)
        return self._renew(self._spread(union(due, ends)))

    def _spread(self, nodes: Ints) -> Ints:
        """Also what a tie of these nodes makes of its other end (a supplier, a part)."""
        names, _ = self.frame.names_of(nodes)
        _, edges = self.graph.edges_from.gather(names)
        below = distinct(self.frame.rep[self.graph.edge_to.view[edges]]).astype(np.int64)
        return union(nodes, below)

    def _renew(self, nodes: Ints) -> Ints:
        if not len(nodes):
            return nodes
        nodes = self._live(nodes)
        in_bills = nodes[self._in_bills(nodes)]
        above = self.source_of(self._in(in_bills)[1])
        region = union(nodes, above)
        own, signed = self.own[region].copy(), self._signature(region)
        self._evaluate(nodes)
        _, ties = self._out(nodes)
        self._qualify(union(ties, self._in(in_bills)[1]))
        _, ties = self._out(region)
        self._hold(region, ties)
        moved = region[(own != self.own[region]) | (signed != self._signature(region))]
        differ = renew(self, self.own, self.value, moved) if len(moved) else moved
        return union(region, differ)

    def _live(self, nodes: Ints) -> Ints:
        """Some nodes with what they are in bills; what no bill that is heard has is put aside."""
        if not self.graph.in_bill:
            return nodes
        silent = self.frame.bills.silent()
        self.next[silent] = NEVER
        self.noted[silent] = False
        self._aside.forget(silent)
        return self.frame.bills.spread(np.setdiff1d(nodes, silent))

    def _moved(self) -> Ints:
        """The nodes to look at again, because bills are heard of them or no longer."""
        moved = self.frame.bills.moved
        found = np.asarray(sorted(moved), dtype=np.int64)
        moved.clear()
        return distinct(self.frame.rep[found]).astype(np.int64)

    def _signature(self, nodes: Ints) -> Ints:
        """A number for the counted ties of each node: unequal numbers, unequal ties."""
        names, where = self.frame.own_names(nodes)
        at, edges = self.graph.edges_from.gather(names)
        numbers = np.zeros(len(nodes), dtype=np.uint64)
        mixed = (edges.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        weight = self._use[edges].astype(np.uint64) * np.uint64(3) + self._lacks[edges].astype(
            np.uint64
        )
        weight[self._use[edges] == 0] = 0
        np.add.at(numbers, where[at], mixed * weight)
        if self._aside:
            at, ties = self._aside.leaving(nodes)
            mixed = self.edge_of(ties).astype(np.uint64) + np.uint64(1)
            mixed = (mixed << np.uint64(24)) ^ self.target_of(ties).astype(np.uint64)
            mixed *= np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
            weight = self.rule_of(ties) * 3 + 3 + (TRUSTED - self.best_of(ties))
            np.add.at(numbers, at, mixed * weight.astype(np.uint64))
        return numbers

    def _touched(self, rows: Iterable[int], first: int) -> tuple[bool, set[int], set[int]]:
        """What rows that are new (or judged otherwise now) touch: whether names may merge, which
        link statements, which nodes.
        """
        graph = self.graph
        names = False
        links: set[int] = set()
        nodes: set[int] = set()
        waiting, seen = list(rows), set(rows)
        while waiting:
            row = waiting.pop()
            subject = int(graph.subject.view[row])
            nodes.add(subject)
            if row >= first:
                nodes.add(int(graph.issuer.view[row]))
            payload = graph.payload.get(row)
            more: list[int] = []
            if isinstance(payload, Status):
                if payload.target.statement is not None:
                    target = graph.row_of.get(bytes.fromhex(payload.target.statement))
                    if target is not None:
                        more.append(target)
            elif isinstance(payload, Membership):
                pass
            elif int(graph.group.view[row]) >= 0:
                links.add(row)
                names = names or row in graph.same_of_row
                more.extend(graph.renewals(row))
                nodes.update(self._ends_of(row))
            for digest in graph.digests_of(row):
                # a status may have come before what it acts on
                if row >= first and graph.has_status.view[row]:
                    more.extend(graph.status_on.get(digest, ()))
            for other in more:
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return names, links, nodes

    def _ends_of(self, row: int) -> set[int]:
        graph = self.graph
        begin, end = graph.edges_begin.view[row], graph.edges_end.view[row]
        ends = set(graph.edge_from.view[begin:end].tolist())
        ends.update(graph.edge_to.view[begin:end].tolist())
        first, last = graph.same_of_row.get(row, (0, 0))
        for pair in graph.same_ends[first:last]:
            ends.update(pair)
        begin, end = graph.described_begin.view[row], graph.described_end.view[row]
        ends.update(graph.claim_subject.view[begin:end].tolist())
        return ends
