# SPDX-License-Identifier: Apache-2.0
"""Everything that is said of some nodes, gathered for their judgement: ties, claims, statements.

Keeps: 1. Of one issuer, kind, type and subject the latest claim stands, as of the instant asked
about. 2. A description cannot take a node out of the requirements that its place in the chain
brings. 3. The subject's own word, and that of its maker or supplier, is self-declared at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import NEVER, RELATIONS
from kizuna.chain.verify.found import NOTHING, Noted
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.rules import ELEMENT_BIT, Rules, Tie
from kizuna.chain.verify.status import FINE, REPLACED
from kizuna.model.finding import Code
from kizuna.model.identifier import Element
from kizuna.model.relation import Relation

__all__ = ["Gathering"]

_NO_ELEMENT: Final = 255
_SUPPLIES: Final = tuple(RELATIONS.index(r) for r in (Relation.SUPPLIED_BY, Relation.MADE_BY))
_ORGANIZATION: Final = ELEMENT_BIT[Element.ORGANIZATION]
_COMPONENT: Final = ELEMENT_BIT[Element.COMPONENT]
_THINGS: Final = (
    _COMPONENT
    | ELEMENT_BIT[Element.DATA]
    | ELEMENT_BIT[Element.SYSTEM]
    | ELEMENT_BIT[Element.SERVICE]
)


class Gathering:
    """What was gathered; every array that ends in ``at`` is by position in ``nodes``."""

    def __init__(
        self,
        frame: Frame,
        rules: Rules,
        nodes: Ints,
        *,
        as_root: bool,
        context: tuple[Ints, Ints] | None,
    ) -> None:
        self.frame, self.rules, self.as_root = frame, rules, as_root
        self.context = context
        self.graph, self.authority = frame.graph, frame.authority
        self.nodes = nodes.astype(np.int64)
        self.things = frame.things(self.nodes) if frame.bills else self.nodes
        self.at = frame.at
        n = len(nodes)
        self.next = np.full(n, NEVER, dtype=np.int64)
        self.more: dict[int, list[Noted]] = {}
        self.waivers: dict[int, list[tuple[int, str]]] = {}
        self.happened = NOTHING
        self.lacks: list[tuple[Tie, Code, Ints]] = []
        self.names, self.where = frame.names_of(self.nodes)
        if frame.same_next:
            for i, name in enumerate(self.names.tolist()):
                if name in frame.same_next:
                    self._soon_one(int(self.where[i]), frame.same_next[name])
        self._ties()
        self._claims()
        self._rows()
        self._elements()
        self._follow()

    def _soon(self, at: Ints, instants: Ints) -> None:
        later = instants > self.at
        np.minimum.at(self.next, at[later], instants[later])

    def _soon_one(self, at: int, *instants: int) -> None:
        for instant in instants:
            if self.at < instant < self.next[at]:
                self.next[at] = instant

    def _ties(self) -> None:
        graph, frame = self.graph, self.frame
        at, self.edges = graph.edges_from.gather(self.names)
        self.edge_at = self.where[at]
        self.edge_truth, soonest = frame.ties(self.edges)
        self._soon(self.edge_at, soonest)
        replaced = self.replaced(self.edge_at, graph.edge_row.view[self.edges])
        if replaced is not None:
            self.edge_truth = np.minimum(self.edge_truth, 2 - replaced)
        self.edge_relation = graph.edge_relation.view[self.edges].astype(np.int64)
        self.edge_to = frame.rep[graph.edge_to.view[self.edges]].astype(np.int64)
        supplies = np.isin(self.edge_relation, _SUPPLIES) & (self.edge_truth > 0)
        keys = self.edge_at[supplies] * graph.nodes + self.edge_to[supplies]
        sure = self.edge_truth[supplies] == 2
        self.suppliers_sure = np.sort(keys[sure])
        self.suppliers_maybe = np.sort(keys[~sure])

    def replaced(self, at: Ints, rows: Ints) -> Ints | None:
        """How far statements about nodes are replaced by what the bill says in which they stand."""
        bills = self.frame.bills
        within = bills.within(self.nodes)
        if not within.any():
            return None
        replaced = np.zeros(len(rows), dtype=np.int8)
        asked = np.flatnonzero(within[at] & (self.graph.group.view[rows] >= 0))
        known: dict[tuple[int, int], tuple[int, int]] = {}
        for i, node, row in zip(
            asked.tolist(), self.nodes[at[asked]].tolist(), rows[asked].tolist(), strict=True
        ):
            found = known.get((node, row))
            if found is None:
                found = known[node, row] = bills.replaced(node, row)
            replaced[i] = found[0]
            self._soon_one(int(at[i]), found[1])
        return replaced

    def own(self, at: Ints, issuers: Ints) -> Ints:
        """Whether an issuer is the node itself or its maker or supplier (0, 1, 2)."""
        things = self.frame.rep[issuers].astype(np.int64)
        keys = at * self.graph.nodes + things
        mine = np.where(_among(keys, self.suppliers_maybe), 1, 0)
        mine = np.where(_among(keys, self.suppliers_sure), 2, mine)
        result: Ints = np.where(things == self.things[at], 2, mine).astype(np.int8)
        return result

    def _claims(self) -> None:
        graph, frame, authority = self.graph, self.frame, self.authority
        at, claims = graph.claims_of(self.names)
        at = self.where[at]
        if self.context is not None:
            near, passing = graph.passing_of(self.names)
            near = self.where[near]
            rows = graph.claim_row.view[passing]
            heard = (graph.issuer.view[rows] == self.context[0][near]) & (
                graph.bill.view[rows] == self.context[1][near]
            )
            at = np.concatenate((at, near[heard]))
            claims = np.concatenate((claims, passing[heard]))
        rows = graph.claim_row.view[claims].astype(np.int64)
        keep = authority.exists.view[rows]
        in_links = np.flatnonzero((graph.group.view[rows] >= 0) & keep)
        if len(in_links):
            for place in in_links[frame.special(rows[in_links])].tolist():
                _, boundary, gone = frame.link_truth(int(rows[place]))
                keep[place] = not gone
                self._soon_one(int(at[place]), boundary)
            replaced = self.replaced(at, rows)
            if replaced is not None:
                keep &= replaced < 2
        at, claims, rows = at[keep], claims[keep], rows[keep]
        seq = graph.seq[rows]
        void = authority.void.view[rows]
        since = graph.since.view[rows]
        kinds = graph.claim_kind.view[claims]
        words = graph.claim_word.view[claims]
        subjects = graph.claim_subject.view[claims]
        issuers = graph.issuer.view[rows]
        parts = [issuers, kinds, words, subjects]
        if self.context is not None:
            parts.append(at)  # the same node may stand in several bills
        current = _latest(parts, seq, (void == 0) & (since <= self.at))
        fates = np.zeros(len(rows), dtype=np.int8)
        acted_on = np.flatnonzero(graph.has_status.view[rows] & current)
        frame.statuses.prepare(rows[acted_on])
        for i in acted_on:
            fate = frame.statuses.fate(int(rows[i]))
            fates[i] = fate.code
            self._soon_one(int(at[i]), fate.next)
        current &= fates != REPLACED
        self.claim_at, self.claims, self.claim_rows = at[current], claims[current], rows[current]
        self.claim_void, self.claim_fate = void[current], fates[current]
        self.claim_kind = kinds[current].astype(np.int64)
        self.claim_word = words[current].astype(np.int64)
        self.claim_seq = seq[current]
        issuers = issuers[current]
        self.claim_issuer = issuers
        self.claim_own = self.own(self.claim_at, issuers)
        self.grant_claim, self.grant, self.grant_truth = authority.grants(
            self.claim_rows,
            subjects[current],
            np.int64(1) << self.claim_kind,
            self.claim_word,
        )
        self.grant_service = authority.service_of(self.grant)
        level = graph.level.view[self.claim_rows]
        self.claim_level = np.where(self.claim_own > 0, 0, level)
        self.grant_level = np.minimum(
            self.claim_level[self.grant_claim], authority.grant_level.view[self.grant]
        )
        interesting = np.isin(self.claim_word, np.asarray(sorted(self.rules.words)))
        self._soon(self.claim_at[interesting], graph.since.view[self.claim_rows[interesting]])
        self._soon(self.claim_at[interesting], graph.until.view[self.claim_rows[interesting]])

    def _rows(self) -> None:
        """Every statement whose subject is one of the nodes."""
        graph, authority = self.graph, self.authority
        at, rows = graph.rows_of.gather(self.names)
        keep = authority.exists.view[rows] & (authority.void.view[rows] < 2)
        self.row_at, self.rows = self.where[at][keep], rows[keep].astype(np.int64)
        self.row_kind = graph.kind.view[self.rows]

    # --- what the node is ---------------------------------------------------------------------

    def _elements(self) -> None:
        """What each node is: as the listed say; what its own name says stays true in any case."""
        graph = self.graph
        n = len(self.nodes)
        bits = np.zeros(n, dtype=np.int64)
        element = graph.claim_element.view[self.claims]
        described = element != _NO_ELEMENT
        told = np.zeros(len(self.claims), dtype=np.bool_)
        told[self.grant_claim[self.grant_truth == 2]] = True
        until = graph.until.view[self.claim_rows]
        since = graph.since.view[self.claim_rows]
        self._soon(self.claim_at[described], since[described])
        self._soon(self.claim_at[described], until[described])
        told &= (
            described
            & (self.claim_void == 0)
            & (self.claim_fate == FINE)
            & (since <= self.at)
            & (self.at < until)
        )
        np.bitwise_or.at(bits, self.claim_at[told], np.int64(1) << element[told].astype(np.int64))
        # nobody speaks himself out of being an organisation, or a part out of being a thing
        by_itself = told & (self.frame.rep[self.claim_issuer] == self.things[self.claim_at])
        others = np.zeros(n, dtype=np.bool_)
        others[self.claim_at[told & ~by_itself]] = True
        usual = graph.usual_elements(self.things)
        is_thing = usual == _COMPONENT
        bits[(bits == 0) | ~others] |= usual[(bits == 0) | ~others]
        bits[is_thing & ((bits & _THINGS) == 0)] |= _COMPONENT
        self.is_member = np.zeros(n, dtype=np.bool_)
        self.is_member[self.where[self.authority.is_member(self.names)]] = True
        bits[self.is_member & ~is_thing] |= _ORGANIZATION
        self.elements = bits

    def _follow(self) -> None:
        graph, rules = self.graph, self.rules
        tie = rules.tie_of(self.edge_relation, graph.edge_category.view[self.edges])
        masks = np.asarray([t.elements for t in rules.ties] + [0], dtype=np.int64)
        tie = np.where((self.elements[self.edge_at] & masks[tie]) != 0, tie, np.int8(-1))
        self.edge_rule = tie
        counted = (self.edge_truth == 2) & (self.edge_to != self.things[self.edge_at])
        self.edge_tie = np.where(counted, tie, np.int8(-1))

    def _note(self, at: int, noted: Noted) -> None:
        self.more.setdefault(at, []).append(noted)


def _among(keys: Ints, sorted_keys: Ints) -> Ints:
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=np.bool_)
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found: Ints = sorted_keys[at] == keys
    return found


def _latest(parts: Sequence[Ints], seq: Ints, renews: Ints) -> Ints:
    """Which claims no later one of the same issuer, kind, type and subject took the place of."""
    if len(seq) < 2:
        return np.ones(len(seq), dtype=np.bool_)
    order = np.lexsort(parts)
    change = np.zeros(len(order), dtype=np.bool_)
    for part in parts:
        sorted_part = part[order]
        change[1:] |= sorted_part[1:] != sorted_part[:-1]
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(change)
    top = np.full(len(order), -1, dtype=np.int64)
    np.maximum.at(top, group[renews], seq[renews])
    current: Ints = seq >= top[group]
    return current
