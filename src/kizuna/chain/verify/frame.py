# SPDX-License-Identifier: Apache-2.0
"""The frame of a question: authority, fates, living ties and merged names as of one instant.

Keeps: 1. A tie counts only from the end that depends, or from whom a list entitles for that end's
names: a stranger's tie is ignored. 2. Two names are one thing only when one entitled party says so
of both, or the entitled parties of both say so; then facts about any of the names are facts about
all of them. 3. Which of the names stands for the thing does not depend on the order of arrival.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import NEVER, RELATIONS, Graph
from kizuna.chain.verify.authority import KIND_BIT, Authority
from kizuna.chain.verify.bills import Bills
from kizuna.chain.verify.status import FINE, UNCERTAIN, Statuses
from kizuna.model.kind import Kind
from kizuna.model.relation import Relation

__all__ = ["Frame"]

_LINK: Final = KIND_BIT[Kind.LINK]
_SAME: Final = RELATIONS.index(Relation.SAME_AS)
_SCHEMES: Final = {"pkg": 0, "did": 1, "https": 2, "urn": 3}


class Frame:
    """Authority at one instant. ``at`` moves by ``move``; new rows come in by ``refresh``."""

    def __init__(self, authority: Authority, at: int) -> None:
        self.authority = authority
        self.graph: Graph = authority.graph
        self.at = at
        self.statuses = Statuses(authority, at)
        self._link_fates: dict[int, tuple[int, int, bool]] = {}
        self.rep: Ints = np.empty(0, dtype=np.int32)
        self.names: dict[int, list[int]] = {}
        self.merged_until = NEVER
        self.same_next: dict[int, int] = {}
        self._billed = np.zeros(0, dtype=np.bool_)
        self._billed_for = -1
        self._tie_truth = np.zeros(0, dtype=np.int8)  # 0 not worked out, else truth + 1
        self._tie_next = np.zeros(0, dtype=np.int64)
        self.bills = Bills(self)
        self._merge()

    # --- life ---------------------------------------------------------------------------------

    def move(self, at: int) -> bool:
        """Ask about another instant.

        Returns:
            True where names merge otherwise than before.
        """
        backwards = at < self.at
        if backwards:
            self._tie_truth[:] = 0
        else:
            self._tie_truth[(self._tie_truth > 0) & (self._tie_next <= at)] = 0
        self.at = at
        self.statuses = Statuses(self.authority, at)
        self._link_fates.clear()
        return (backwards or at >= self.merged_until) and self._merge()

    def due(self, at: int) -> Ints:
        """The ends that depend of ties which time alone changes until ``at``."""
        edges = np.flatnonzero((self._tie_truth > 0) & (self._tie_next <= at))
        ends: Ints = self.graph.edge_from.view[edges]
        return ends

    def refresh(self, rows: Ints, *, names: bool) -> bool:
        """New rows came.

        Args:
            rows: the link statements of which something changed.
            names: some of the rows may merge names or part them.

        Returns:
            True where names merge otherwise than before.
        """
        self.statuses.forget()
        self._link_fates.clear()
        for row in rows.tolist():
            begin, end = self.graph.edges_begin.view[row], self.graph.edges_end.view[row]
            self._tie_truth[begin:end] = 0
        if names:
            return self._merge()
        self._grow()
        self.bills.bind()
        return False

    def _grow(self) -> None:
        known = len(self.rep)
        if known < self.graph.nodes:
            fresh = np.arange(known, max(self.graph.nodes, known + known // 8), dtype=np.int32)
            self.rep = np.concatenate((self.rep, fresh))

    # --- ties ---------------------------------------------------------------------------------

    def link_truth(self, row: int) -> tuple[int, int, bool]:
        """Whether a link statement stands, when time may change that, and whether a later one
        of its issuer took its place.
        """
        known = self._link_fates.get(row)
        if known is None:
            graph, authority = self.graph, self.authority
            truth, soonest, renewed = 2, NEVER, 0
            rows = graph.renewals(row)
            if len(rows) > 1:
                seq = graph.seq
                for other in rows:
                    if other == row or seq[other] <= seq[row] or not authority.exists.view[other]:
                        continue
                    void = int(authority.void.view[other])
                    begin = int(graph.since.view[other])
                    if void == 2:
                        continue
                    if begin <= self.at:
                        renewed = max(renewed, 2 - void)
                    else:
                        soonest = min(soonest, begin)
            truth = 2 - renewed
            fate = self.statuses.fate(row)
            soonest = min(soonest, fate.next)
            if fate.code == UNCERTAIN:
                truth = min(truth, 1)
            elif fate.code != FINE:
                truth = 0
            known = self._link_fates[row] = (truth, soonest, renewed == 2)
        return known

    def links_truth(self, rows: Ints) -> tuple[Ints, Ints]:
        """``link_truth`` of many link rows, with existence and keys: truths and boundaries."""
        authority = self.authority
        truth = np.where(authority.exists.view[rows], 2 - authority.void.view[rows], 0).astype(
            np.int8
        )
        soonest = np.full(len(rows), NEVER, dtype=np.int64)
        special = self.special(rows)
        self.statuses.prepare(rows[special])
        for i in np.flatnonzero(special & (truth > 0)):
            stands, boundary, _ = self.link_truth(int(rows[i]))
            truth[i] = min(int(truth[i]), stands)
            soonest[i] = boundary
        return truth, soonest

    def special(self, rows: Ints) -> Ints:
        """Which link statements were renewed or acted upon: the others simply stand."""
        graph = self.graph
        special: Ints = graph.has_status.view[rows] | graph.is_renewal(rows)
        return special

    def ties(self, edges: Ints) -> tuple[Ints, Ints]:
        """Of edges: whether they count now (0, 1, 2), and when time may change that."""
        self._room()
        unknown = self._tie_truth[edges] == 0
        if unknown.any():
            fresh = edges[unknown]
            truth, boundary = self._tie(fresh)
            self._tie_truth[fresh] = truth + 1
            self._tie_next[fresh] = boundary
        return self._tie_truth[edges] - 1, self._tie_next[edges]

    def _room(self) -> None:
        known, needed = len(self._tie_truth), self.graph.edge_row.size
        if known < needed:
            truth = np.zeros(needed + needed // 8 + 64, dtype=np.int8)
            truth[:known] = self._tie_truth
            soonest = np.zeros(len(truth), dtype=np.int64)
            soonest[:known] = self._tie_next
            self._tie_truth, self._tie_next = truth, soonest

    def _tie(self, edges: Ints) -> tuple[Ints, Ints]:
        graph, authority = self.graph, self.authority
        rows = graph.edge_row.view[edges]
        unique, back = _runs(rows)
        stands, boundary = self.links_truth(unique)
        stands, boundary = stands[back], boundary[back]
        # the same end of the same relation said in the same statement is decided once
        ends = graph.edge_from.view[edges]
        relations = graph.edge_relation.view[edges]
        first = np.ones(len(edges), dtype=np.bool_)
        first[1:] = (np.diff(rows) != 0) | (np.diff(ends) != 0) | (np.diff(relations) != 0)
        run = np.cumsum(first) - 1
        entitled = self.entitled(
            rows[first].astype(np.int64), ends[first], relations[first].astype(np.int64)
        )[run]
        since, until = self._periods()
        period = graph.edge_period.view[edges]
        begin, end = since[period], until[period]
        inside = (begin <= self.at) & (self.at < end)
        believed = np.minimum(entitled, np.where(authority.exists.view[rows], 2, 0))
        boundary = np.minimum(boundary, np.where(begin > self.at, begin, NEVER))
        boundary = np.minimum(boundary, np.where(end > self.at, end, NEVER))
        boundary = np.where(believed > 0, boundary, NEVER)
        truth = np.where(inside, np.minimum(entitled, stands), 0).astype(np.int8)
        return truth, boundary

    def entitled(self, rows: Ints, ends: Ints, words: Ints) -> Ints:
        """Whether the issuers of link rows may assert a relation for the end that depends."""
        authority = self.authority
        ends = self.graph.things(ends)
        truth = np.where(self.graph.issuer.view[rows] == ends, 2, 0).astype(np.int8)
        ask = np.flatnonzero(truth == 0)
        if len(ask):
            at, _, held = authority.grants(rows[ask], ends[ask], _LINK, words[ask])
            np.maximum.at(truth, ask[at], held)
        result: Ints = np.minimum(truth, 2 - authority.void.view[rows]).astype(np.int8)
        return result

    def ignored_links(self, nodes: Ints) -> Ints:
        """How many ties each node has that whoever asserted them may not assert."""
        graph, authority = self.graph, self.authority
        names, where = self.names_of(nodes)
        at, edges = graph.edges_from.gather(names)
        rows = graph.edge_row.view[edges].astype(np.int64)
        relations = graph.edge_relation.view[edges].astype(np.int64)
        held = self.entitled(rows, graph.edge_from.view[edges], relations)
        strange = (held == 0) & authority.exists.view[rows] & (authority.void.view[rows] == 0)
        return np.bincount(where[at[strange]], minlength=len(nodes))

    def _periods(self) -> tuple[Ints, Ints]:
        periods = np.asarray(self.graph.periods, dtype=np.int64).reshape(-1, 2)
        return periods[:, 0], periods[:, 1]

    # --- names --------------------------------------------------------------------------------

    def things(self, nodes: Ints) -> Ints:
        """Of each node the thing that it is, or is as some bill has it."""
        return self.rep[self.graph.things(nodes)].astype(np.int64)

    def name(self, node: int) -> str:
        """The identifier of the thing that a node is, or is as some bill has it."""
        if node in self.graph.in_bill:
            node = int(self.rep[self.graph.in_bill[node][0]])
        return self.graph.name(node)

    def names_of(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Every name of some things: (name, position in ``nodes``); of a thing as a bill has it
        also what it is called at large.
        """
        names, where = self.own_names(nodes)
        within = np.flatnonzero(self.bills.within(nodes))
        if not len(within):
            return names, where
        more: list[int] = []
        places: list[int] = []
        for i in within.tolist():
            node = int(nodes[i])
            thing = self.bills.of[node][0]
            called = [n for n in self.bills.names[node] if n != node]
            called += self.names.get(thing, (thing,))
            more += called
            places += [i] * len(called)
        return (
            np.concatenate((names, np.asarray(more, dtype=names.dtype))),
            np.concatenate((where, np.asarray(places, dtype=np.int64))),
        )

    def own_names(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Every name of some things: (name, position in ``nodes``)."""
        where = np.arange(len(nodes), dtype=np.int64)
        if not self.names:
            return nodes, where
        merged = np.fromiter(self.names, dtype=np.int64, count=len(self.names))
        hits = (
            np.flatnonzero(np.isin(nodes, merged))
            if len(nodes) > 8
            else [i for i, n in enumerate(nodes) if int(n) in self.names]
        )
        more: list[int] = []
        places: list[int] = []
        for i in hits:
            for name in self.names[int(nodes[i])]:
                if name != int(nodes[i]):
                    more.append(name)
                    places.append(int(i))
        return (
            np.concatenate((nodes, np.asarray(more, dtype=nodes.dtype))),
            np.concatenate((where, np.asarray(places, dtype=np.int64))),
        )

    def billed(self) -> Ints:
        """Of every thing whether some bill describes it in passing."""
        graph = self.graph
        if len(self._billed) < graph.nodes or self._billed_for != graph.passing_claim.size:
            self._billed = np.zeros(graph.nodes + 1_024, dtype=np.bool_)
            subjects = graph.claim_subject.view[graph.passing_claim.view]
            self._billed[self.rep[subjects]] = True
            self._billed_for = graph.passing_claim.size
        return self._billed

    def representatives(self) -> Ints:
        """Every thing once."""
        everything = np.arange(self.graph.nodes, dtype=np.int32)
        things: Ints = everything[self.rep[: self.graph.nodes] == everything]
        if self.graph.in_bill:
            things = np.setdiff1d(things, self.bills.silent())
        return things

    def _merge(self) -> bool:
        """Work out which names are one thing, and which bills are heard of them."""
        merged = self._join()
        self.bills.bind()
        return merged

    def _join(self) -> bool:
        graph, authority = self.graph, self.authority
        before = self.names
        self._billed_for = -1
        self.rep = np.arange(graph.nodes + graph.nodes // 8, dtype=np.int32)
        self.names = {}
        self.merged_until = NEVER
        self.same_next = {}
        if not graph.same_row:
            return bool(before)
        rows = np.asarray(graph.same_row, dtype=np.int64)
        ends = np.asarray(graph.same_ends, dtype=np.int64)
        stands, boundary = self.links_truth(rows)
        since, until = self._periods()
        period = np.asarray(graph.same_period, dtype=np.int64)
        begin, end = since[period], until[period]
        inside = (begin <= self.at) & (self.at < end)
        word = np.full(len(rows), _SAME, dtype=np.int64)
        left = self.entitled(rows, ends[:, 0], word)
        right = self.entitled(rows, ends[:, 1], word)
        heard = np.maximum(left, right) > 0
        heard &= authority.exists.view[rows]
        soonest = np.minimum(
            boundary,
            np.minimum(
                np.where(begin > self.at, begin, NEVER), np.where(end > self.at, end, NEVER)
            ),
        )
        soonest[~heard] = NEVER
        for i in np.flatnonzero(soonest < NEVER).tolist():
            for node in graph.same_ends[i]:
                self.same_next[node] = min(self.same_next.get(node, NEVER), int(soonest[i]))
        self.merged_until = int(soonest.min(initial=NEVER))
        stands = np.where(inside, stands, 0)
        left, right = np.minimum(left, stands), np.minimum(right, stands)
        said: dict[tuple[int, int], list[int]] = {}
        live = np.flatnonzero(((left == 2) | (right == 2)) & authority.exists.view[rows])
        for i in live.tolist():
            a, b = graph.same_ends[i]
            low, high = int(left[i] == 2), int(right[i] == 2)
            if a > b:
                a, b, low, high = b, a, high, low
            both = said.setdefault((a, b), [0, 0])
            both[0] |= low
            both[1] |= high
        parent: dict[int, int] = {}

        def root(node: int) -> int:
            while (above := parent.get(node, node)) != node:
                parent[node] = parent.get(above, above)
                node = above
            return node

        for (a, b), both in said.items():
            if both == [1, 1]:
                parent.setdefault(a, a)
                parent.setdefault(b, b)
                parent[root(a)] = root(b)
        groups: dict[int, list[int]] = {}
        for node in parent:
            groups.setdefault(root(node), []).append(node)
        for group in groups.values():
            if len(group) > 1:
                chosen = min(group, key=lambda n: _preference(graph.name(n)))
                self.names[chosen] = sorted(group, key=graph.name)
                self.rep[group] = chosen
        return self.names != before


def _preference(name: str) -> tuple[int, str]:
    return _SCHEMES.get(name.partition(":")[0], 9), name


def _runs(values: Ints) -> tuple[Ints, Ints]:
    """Distinct neighbours and the way back: cheap where equal values stand together."""
    if not len(values):
        return values, np.empty(0, dtype=np.int64)
    first = np.ones(len(values), dtype=np.bool_)
    first[1:] = np.diff(values) != 0
    return values[first].astype(np.int64), np.cumsum(first) - 1
