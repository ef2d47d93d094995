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
from kizuna.chain.graph.graph import NEVER, Graph
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.distinct import distinct, distinct_tuples, union
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.local import evaluate
from kizuna.chain.verify.propagation import group_values, renew, sink
from kizuna.chain.verify.rules import Rules
from kizuna.criteria.profiles import Counting, Profile
from kizuna.model.payload import Membership, Status

__all__ = ["CHUNK", "NOTED", "PROVEN", "SILENT", "STATE", "TRUSTED", "Settling"]

CHUNK: Final = 65_536
TRUSTED: Final = 2
SILENT: Final = 1
PROVEN: Final = 2
NOTED: Final = 4
STATE: Final = (
    *("base", "own", "value", "next", "silent", "proven", "noted", "settled"),
    *("_use", "_lacks", "_edge_next", "_edge_says"),
)
"""What a judgement has worked out so far."""


class Settling:
    """The values of nodes under one profile, one authority and one instant."""

    def __init__(self, authority: Authority, profile: Profile, at: int) -> None:
        self.authority = authority
        self.graph: Graph = authority.graph
        self.profile = profile
        self.rules = Rules(profile, self.graph)
        self.ties = self.rules.ties
        self.frame = Frame(authority, at)
        self._whole = False
        self._rows = len(self.graph)
        self._nodes = self.graph.nodes
        self._clear()

    @property
    def at(self) -> int:
        """The instant asked about."""
        return self.frame.at

    def _clear(self) -> None:
        nodes, edges = self.graph.nodes + 64, self.graph.edge_row.size + 64
        self.base = np.full(nodes, TRUSTED, dtype=np.int8)  # by itself
        self.own = np.full(nodes, TRUSTED, dtype=np.int8)  # and by its parts as its bill has them
        self.value = np.full(nodes, TRUSTED, dtype=np.int8)
        self.next = np.full(nodes, NEVER, dtype=np.int64)
        self.silent = np.zeros(nodes, dtype=np.bool_)
        self.proven = np.zeros(nodes, dtype=np.bool_)
        self.noted = np.zeros(nodes, dtype=np.bool_)
        self.settled = np.zeros(nodes, dtype=np.bool_)
        self._use = np.zeros(edges, dtype=np.int8)  # 0: not counted, else number of the rule + 1
        self._lacks = np.zeros(edges, dtype=np.int8)  # trusted minus the value of the part here
        self._edge_next = np.full(edges, NEVER, dtype=np.int64)
        self._edge_says = np.zeros(edges, dtype=np.int8)  # of the part here: SILENT, ...

    def _room(self) -> None:
        nodes, edges = self.graph.nodes, self.graph.edge_row.size
        if nodes > len(self.own):
            more = nodes + nodes // 8 - len(self.own)
            self.base = np.concatenate((self.base, np.full(more, TRUSTED, dtype=np.int8)))
            self.own = np.concatenate((self.own, np.full(more, TRUSTED, dtype=np.int8)))
            self.value = np.concatenate((self.value, np.full(more, TRUSTED, dtype=np.int8)))
            self.next = np.concatenate((self.next, np.full(more, NEVER, dtype=np.int64)))
            fresh = np.zeros(more, dtype=np.bool_)
            self.silent = np.concatenate((self.silent, fresh))
            self.proven = np.concatenate((self.proven, fresh))
            self.noted = np.concatenate((self.noted, fresh))
            self.settled = np.concatenate((self.settled, fresh))
        if edges > len(self._use):
            more = edges + edges // 8 - len(self._use)
            none = np.zeros(more, dtype=np.int8)
            self._use = np.concatenate((self._use, none))
            self._lacks = np.concatenate((self._lacks, none))
            self._edge_says = np.concatenate((self._edge_says, none))
            never = np.full(more, NEVER, dtype=np.int64)
            self._edge_next = np.concatenate((self._edge_next, never))

    # --- the ties that count, as propagation asks for them -------------------------------------

    def into(self, nodes: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Counted ties to some nodes: position, who depends, rule, alternative."""
        names, where = self.frame.names_of(nodes)
        at, edges = self.graph.edges_to.gather(names)
        used = self._use[edges] > 0
        edges = edges[used]
        return (
            where[at[used]],
            self.frame.rep[self.graph.edge_from.view[edges]].astype(np.int64),
            self._use[edges].astype(np.int64) - 1,
            self.graph.edge_alternative.view[edges],
        )

    def out_of(self, nodes: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Counted ties from some nodes: position, what is depended on, rule, alternative, best."""
        at, edges = self._out(nodes)
        return (
            at,
            self.frame.rep[self.graph.edge_to.view[edges]].astype(np.int64),
            self._use[edges].astype(np.int64) - 1,
            self.graph.edge_alternative.view[edges],
            TRUSTED - self._lacks[edges],
        )

    def _in(self, nodes: Ints) -> Ints:
        names, _ = self.frame.names_of(nodes)
        _, edges = self.graph.edges_to.gather(names)
        used: Ints = edges[self._use[edges] > 0]
        return used

    def _out(self, nodes: Ints) -> tuple[Ints, Ints]:
        names, where = self.frame.names_of(nodes)
        at, edges = self.graph.edges_from.gather(names)
        used = self._use[edges] > 0
        return where[at[used]], edges[used]

    # --- settling -----------------------------------------------------------------------------

    def settle_all(self) -> None:
        """Judge everything there is."""
        self._clear()
        things = self.frame.representatives().astype(np.int64)
        for start in range(0, len(things), CHUNK):
            self._evaluate(things[start : start + CHUNK])
        edges = np.flatnonzero(self._use[: self.graph.edge_row.size] > 0)
        self._qualify(edges)
        self._hold(things, edges)
        self.value[things] = self.own[things]
        self._sink(things, edges)
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
            _, edges = self._out(frontier)
            below = distinct(self.frame.rep[self.graph.edge_to.view[edges]]).astype(np.int64)
            frontier = below[~self.settled[below]]
        chain = np.concatenate(reached)
        _, edges = self._out(chain)
        self._qualify(edges)
        self._hold(chain, edges)
        self.value[chain] = self.own[chain]
        # what was settled before hangs below this chain, never above it: its values stand
        at, below, rule, alternative, _ = self.out_of(chain)
        plain = self._blocking()[rule] & (alternative == 0)
        np.minimum.at(self.value, chain[at[plain]], self.value[below[plain]])
        self._sink(chain, edges)

    def _sink(self, nodes: Ints, edges: Ints) -> None:
        """Shares and alternatives once, then whatever follows."""
        rule = self._use[edges] - 1
        grouped = self._counting()[rule]
        grouped &= ~self._blocking()[rule] | (self.graph.edge_alternative.view[edges] != 0)
        ends = self.graph.edge_from.view[edges[grouped]]
        owners = distinct(self.frame.rep[ends]).astype(np.int64)
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
        self._use[local.edges] = local.edge_tie.astype(np.int8) + 1

    def _in_bills(self, nodes: Ints) -> Ints:
        """Which nodes some bill describes in passing: they are judged at their ties."""
        if not self.graph.passing_claim.size:
            return np.zeros(len(nodes), dtype=np.bool_)
        billed: Ints = self.frame.billed()[nodes]
        return billed

    def _qualify(self, edges: Ints) -> None:
        """Judge what counted ties lead to, each as its bill describes it."""
        if not len(edges):
            return
        below = self.frame.rep[self.graph.edge_to.view[edges]].astype(np.int64)
        in_bills = self._in_bills(below)
        plain = edges[~in_bills]
        self._lacks[plain] = 0
        self._edge_next[plain] = NEVER
        self._edge_says[plain] = 0
        edges = edges[in_bills]
        units, back = self._bills(edges)
        for start in range(0, len(units[0]), CHUNK):
            part = slice(start, start + CHUNK)
            local = evaluate(
                self.frame, self.rules, units[0][part], context=(units[1][part], units[2][part])
            )
            mine = (back >= start) & (back < start + CHUNK)
            here, of = edges[mine], back[mine] - start
            self._lacks[here] = TRUSTED - local.own[of]
            self._edge_next[here] = local.next[of]
            self._edge_says[here] = (
                local.silent[of] * SILENT + local.proven[of] * PROVEN + local.noted[of] * NOTED
            )

    def _bills(self, edges: Ints) -> tuple[tuple[Ints, Ints, Ints], Ints]:
        """The distinct (thing, issuer and subject of the bill) of some ties, and the way back."""
        graph = self.graph
        rows = graph.edge_row.view[edges]
        thing, issuer, subject = (
            self.frame.rep[graph.edge_to.view[edges]].astype(np.int64),
            graph.issuer.view[rows].astype(np.int64),
            graph.subject.view[rows].astype(np.int64),
        )
        (thing, issuer, subject), back = distinct_tuples((thing, issuer, subject))
        return (thing, issuer, subject), back

    def _hold(self, nodes: Ints, edges: Ints) -> None:
        """Hold nodes down to what blocking parts are worth as their bills describe them.

        Args:
            nodes: distinct things.
            edges: every counted tie by which they depend.
        """
        self.own[nodes] = self.base[nodes]
        edges = edges[self._lacks[edges] > 0]
        plain = self._blocking()[self._use[edges] - 1]
        plain &= self.graph.edge_alternative.view[edges] == 0
        edges = edges[plain]
        ends = self.frame.rep[self.graph.edge_from.view[edges]]
        np.minimum.at(self.own, ends, TRUSTED - self._lacks[edges])

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
        return self._renew(nodes)

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
        due = union(due, self.frame.rep[self.graph.edge_to.view[parts]].astype(np.int64))
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
        in_bills = nodes[self._in_bills(nodes)]
        above = self.frame.rep[self.graph.edge_from.view[self._in(in_bills)]].astype(np.int64)
        region = union(nodes, above)
        own, ties = self.own[region].copy(), self._signature(region)
        self._evaluate(nodes)
        _, edges = self._out(nodes)
        self._qualify(union(edges, self._in(in_bills)))
        _, edges = self._out(region)
        self._hold(region, edges)
        moved = region[(own != self.own[region]) | (ties != self._signature(region))]
        differ = renew(self, self.own, self.value, moved) if len(moved) else moved
        return union(region, differ)

    def _signature(self, nodes: Ints) -> Ints:
        """A number for the counted ties of each node: unequal numbers, unequal ties."""
        names, where = self.frame.names_of(nodes)
        at, edges = self.graph.edges_from.gather(names)
        numbers = np.zeros(len(nodes), dtype=np.uint64)
        mixed = (edges.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        weight = self._use[edges].astype(np.uint64) * np.uint64(3) + self._lacks[edges].astype(
            np.uint64
        )
        weight[self._use[edges] == 0] = 0
        np.add.at(numbers, where[at], mixed * weight)
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
