# SPDX-License-Identifier: Apache-2.0
"""Shape and silence: ties that must exist or be complete, parties that publish nothing.

Keeps: whoever publishes nothing is reported once, as silent, instead of a dozen times.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import KINDS, RELATIONS, State
from kizuna.chain.verify.authority import KIND_BIT
from kizuna.chain.verify.demands import Demands
from kizuna.chain.verify.distinct import distinct
from kizuna.chain.verify.found import MET, MISSING, UNAUTHORISED, VALUE, Noted
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.rules import Rules
from kizuna.criteria.profiles import Silence
from kizuna.model.finding import Code, Value
from kizuna.model.kind import Kind

__all__ = ["Shape"]

_CLAIM_KINDS: Final = (
    KIND_BIT[Kind.CERTIFICATE] | KIND_BIT[Kind.CAPABILITY] | KIND_BIT[Kind.EVIDENCE]
)
_LINK: Final = KINDS.index(Kind.LINK)


class Shape(Demands):
    """What nodes are worth by their claims, their ties and their silence."""

    def __init__(
        self,
        frame: Frame,
        rules: Rules,
        nodes: Ints,
        *,
        as_root: bool,
        context: tuple[Ints, Ints] | None,
    ) -> None:
        super().__init__(frame, rules, nodes, as_root=as_root, context=context)
        self._structure()
        self._silence()

    def _structure(self) -> None:
        """Which ties must exist, and be complete."""
        graph, frame = self.graph, self.frame
        n = len(self.nodes)
        linked = self.row_kind == _LINK
        rows, at = self.rows[linked], self.row_at[linked]
        stands, soonest = frame.links_truth(rows)
        replaced = self.replaced(at, rows)
        if replaced is not None:
            stands = np.minimum(stands, 2 - replaced)
        since, until = graph.since.view[rows], graph.until.view[rows]
        for instants in (soonest, since, until):
            self._soon(at, instants)
        stands = np.where((since <= self.at) & (self.at < until), stands, 0)
        subjects = graph.subject.view[rows]
        bits = graph.complete.view[rows]
        self.link_at, self.link_rows = at, rows
        self.missing: list[tuple[int, Ints, Code, int]] = []
        for number, tie in enumerate(self.rules.ties):
            if not (tie.in_root if self.as_root else tie.in_parts):
                continue
            asked = (self.elements & tie.elements) != 0
            if tie.required:
                mine = (self.edge_relation == tie.relation) & (
                    (tie.category < 0) | (graph.edge_category.view[self.edges] == tie.category)
                )
                there = np.zeros(n, dtype=np.int8)
                np.maximum.at(there, self.edge_at[mine], self.edge_truth[mine])
                self.missing.append((number, asked & (there == 0), Code.LINK_MISSING, 0))
            if tie.complete:
                told = np.flatnonzero((bits >> tie.relation & 1).astype(np.bool_))
                words = np.full(len(told), tie.relation, dtype=np.int64)
                entitled = frame.entitled(rows[told], subjects[told], words)
                there = np.zeros(n, dtype=np.int8)
                np.maximum.at(there, at[told], np.minimum(entitled, stands[told]))
                self.missing.append((number, asked & (there == 0), Code.COMPLETENESS_UNPROVEN, 0))
                self.missing.append((number, asked & (there == 1), Code.CLAIM_TIME_UNCERTAIN, 1))
        doubtful = np.flatnonzero((self.edge_truth == 1) & (self.edge_rule >= 0))
        for i in doubtful:
            tie = self.rules.ties[int(self.edge_rule[i])]
            self._note(
                int(self.edge_at[i]),
                Noted(
                    Code.CLAIM_TIME_UNCERTAIN,
                    tie.requirement,
                    int(graph.edge_row.view[self.edges[i]]),
                    (("relation", RELATIONS[tie.relation].value),),
                ),
            )

    def _silence(self) -> None:
        graph = self.graph
        n = len(self.nodes)
        spoke = np.zeros(n, dtype=np.bool_)
        alive = self.claim_void < 2
        spoke[self.claim_at[(self.claim_own > 0) & alive]] = True
        listed = self.grant_claim
        plain = (graph.group.view[self.claim_rows[listed]] < 0) & alive[listed]
        spoke[self.claim_at[listed[plain]]] = True
        words = np.full(len(self.link_rows), -1, dtype=np.int64)
        issuers = graph.issuer.view[self.link_rows]
        own = self.own(self.link_at, issuers) > 0
        own |= self.frame.entitled(self.link_rows, graph.subject.view[self.link_rows], words) > 0
        spoke[self.link_at[own]] = True
        spoke |= self.is_member
        # whoever may speak of it spoke, also where the words are hidden or a field document's
        claims = (np.int64(1) << self.row_kind.astype(np.int64)) & _CLAIM_KINDS != 0
        hidden = np.flatnonzero((graph.state.view[self.rows] != State.PRESENT) & claims)
        rows, at = self.rows[hidden], self.row_at[hidden]
        mine = self.own(at, graph.issuer.view[rows]) > 0
        pair, _, _ = self.authority.grants(
            rows,
            graph.subject.view[rows],
            np.int64(1) << self.row_kind[hidden].astype(np.int64),
            np.full(len(rows), -1, dtype=np.int64),
        )
        mine[pair] = True
        spoke[at[mine]] = True
        self.silent = ~spoke
        value = np.full(n, int(Value.TRUSTED), dtype=np.int8)
        all_met = np.ones(n, dtype=np.bool_)
        some_met = np.zeros(n, dtype=np.bool_)
        for number, ranks in self.ranks.items():
            applies = self.applies[number]
            given = VALUE[ranks]
            weak = (ranks == MISSING) | (ranks == UNAUTHORISED)
            if self.rules.requirements[number].source.missing is Value.TRUSTED:
                given = np.where(weak, int(Value.TRUSTED), given)
            all_met &= ~applies | (given == int(Value.TRUSTED))
            some_met |= applies & (ranks == MET)
            given = np.where(self.silent & weak, int(Value.TRUSTED), given)
            value = np.minimum(value, np.where(applies, given, int(Value.TRUSTED)))
        quiet = self.silent & ~(some_met & all_met)
        self.silence = np.zeros(n, dtype=np.int8)
        for bits in distinct(self.elements[quiet]).tolist():
            policy = {Silence.IGNORED: 0, Silence.UNDETERMINED: 1, Silence.REFUSED: 2}[
                self.rules.silence(bits)
            ]
            self.silence[quiet & (self.elements == bits)] = policy
        value[self.silence == 1] = np.minimum(
            value[self.silence == 1], int(Code.PARTY_SILENT.value_given)
        )
        value[self.silence == 2] = int(Code.PARTY_SILENT_REFUSED.value_given)
        for number, where, code, _ in self.missing:
            tie = self.rules.ties[number]
            hit = where & ~self.silent
            value[hit] = np.minimum(value[hit], int(code.value_given))
            self.lacks.append((tie, code, hit))
        for node, noted in self.more.items():
            value[node] = min(int(value[node]), *(int(x.code.value_given) for x in noted))
        self.value = value
