# SPDX-License-Identifier: Apache-2.0
"""Requirements: which claim decides each, and how it stands.

Keeps: 1. For one requirement the best claim decides; where none is good enough, the failure that
tells most is reported, and only one. 2. A claim without authority is worth nothing, whatever it
says. 3. An import is never the supplier's own word. 4. What is erased or not for this reader is
never taken for missing where it could have met the requirement.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import KINDS, State
from kizuna.chain.verify.found import (
    COMPROMISED,
    CONTRADICTED,
    ENDED,
    ERASED,
    EXPIRED,
    FAILED,
    IS_REVOKED,
    IS_SUSPENDED,
    LACKING,
    LEVEL_TOO_LOW,
    MET,
    NOT_YET_VALID,
    RESTRICTED,
    STALE,
    TIME_UNCERTAIN,
    UNAUTHORISED,
    UNDECIDED,
    Noted,
    facts_of,
)
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.gathering import Gathering
from kizuna.chain.verify.rules import Rule, Rules, Services
from kizuna.chain.verify.status import REVOKED, SUSPENDED, UNCERTAIN
from kizuna.criteria.profiles import Condition
from kizuna.model.finding import Code
from kizuna.model.kind import Kind
from kizuna.model.payload import Level

__all__ = ["Demands"]

_LINK: Final = KINDS.index(Kind.LINK)
_NOTICE: Final = KINDS.index(Kind.NOTICE)
_RANK_SHIFT: Final = 56


class Demands(Gathering):
    """How nodes meet what is required of them."""

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
        self._require()
        self._asked()
        self._unread()
        self._untold()

    def _require(self) -> None:
        self.ranks: dict[int, Ints] = {}
        self.best: dict[int, Ints] = {}
        self.applies: dict[int, Ints] = {}
        kind_bits = np.int64(1) << self.claim_kind
        for number, rule in enumerate(self.rules.requirements):
            if not (rule.in_root if self.as_root else rule.in_parts):
                continue
            applies = (self.elements & rule.elements) != 0
            self.applies[number] = applies
            wanted = np.flatnonzero(
                np.isin(self.claim_word, rule.words)
                & ((kind_bits & rule.kinds) != 0)
                & applies[self.claim_at]
            )
            self.ranks[number], self.best[number] = self._rank(rule, wanted)

    def _asked(self) -> None:
        """A thing of which the profile asks nothing at all is not thereby trusted: whoever chose
        its element, or the profile, may have chosen wrongly.
        """
        if not self.as_root or not self.rules.requirements:
            return
        asked = np.zeros(len(self.nodes), dtype=np.bool_)
        for applies in self.applies.values():
            asked |= applies
        asked[self.edge_at[self.edge_tie >= 0]] = True
        for at in np.flatnonzero(~asked):
            self._note(int(at), Noted(Code.NOTHING_ASKED, "root"))

    def _rank(self, rule: Rule, wanted: Ints) -> tuple[Ints, Ints]:
        graph, at = self.graph, self.at
        n = len(self.nodes)
        best = np.full(n, -1, dtype=np.int64)
        ranks = np.zeros(n, dtype=np.int8)
        if not len(wanted):
            return ranks, best
        rows, nodes = self.claim_rows[wanted], self.claim_at[wanted]
        sure, maybe = self._levels(rule.services, wanted)
        fate, void = self.claim_fate[wanted], self.claim_void[wanted]
        since, until = graph.since.view[rows], graph.until.view[rows]
        low, high = graph.reg_lo.view[rows], graph.reg_hi.view[rows]
        rank = np.full(len(wanted), MET, dtype=np.int8)
        doubtful = (sure < rule.level) | (void == 1) | (fate == UNCERTAIN)
        max_age = rule.source.max_age
        if max_age is not None:
            doubtful |= at > low + max_age
            self._soon(nodes, low + max_age + 1)
            self._soon(nodes, high + max_age + 1)
        rank[doubtful] = TIME_UNCERTAIN
        if rule.present:
            fields = graph.claim_fields.view[self.claims[wanted]]
            rank[~self.rules.filled(rule.present)[fields]] = LACKING
        rank[maybe < rule.level] = LEVEL_TOO_LOW
        if max_age is not None:
            rank[at > high + max_age] = STALE
        rank[at < since] = NOT_YET_VALID
        rank[at >= until] = EXPIRED
        rank[fate == SUSPENDED] = IS_SUSPENDED
        rank[fate == REVOKED] = IS_REVOKED
        rank[void == 2] = COMPROMISED
        rank[(void == 2) & self.frame.authority.over.view[rows]] = ENDED
        rank[maybe < 0] = UNAUTHORISED
        if rule.condition is not None:
            for i in np.flatnonzero(rank == MET):
                rank[i] = self._condition(rule, int(self.claims[wanted[i]]))
        seq = self.claim_seq[wanted]
        key = (rank.astype(np.int64) << _RANK_SHIFT) | seq
        top = np.full(n, -1, dtype=np.int64)
        np.maximum.at(top, nodes, key)
        decides = key == top[nodes]
        best[nodes[decides]] = self.claims[wanted[decides]]
        found = top >= 0
        ranks[found] = (top[found] >> _RANK_SHIFT).astype(np.int8)
        self._contradictions(rule, wanted, rank, ranks, best)
        return ranks, best

    def _contradictions(
        self, rule: Rule, wanted: Ints, rank: Ints, ranks: Ints, best: Ints
    ) -> None:
        """Where one issuer's claim meets the requirement and another's fails its condition."""
        if rule.condition is None and not rule.present:
            return
        nodes = self.claim_at[wanted]
        failed = rank == FAILED
        for i in np.flatnonzero(failed & (ranks[nodes] == MET)):
            node = nodes[i]
            met = wanted[(nodes == node) & (rank == MET)] if len(wanted) < 64 else None
            if met is None:
                near = np.flatnonzero(nodes == node)
                met = wanted[near[rank[near] == MET]]
            things = self.frame.rep
            mine = things[self.claim_issuer[wanted[i]]]
            if all(things[self.claim_issuer[m]] != mine for m in met):
                ranks[node] = CONTRADICTED
                best[node] = self.claims[wanted[i]]

    def _levels(self, services: Services, wanted: Ints) -> tuple[Ints, Ints]:
        """The highest level that each claim reaches under the accepted services, for sure and
        perhaps; -1 without authority.
        """
        sure = np.full(len(self.claims), -1, dtype=np.int8)
        maybe = sure.copy()
        chosen = np.zeros(len(self.claims), dtype=np.bool_)
        chosen[wanted] = True
        pairs = np.flatnonzero(chosen[self.grant_claim] & services.allow(self.grant_service))
        levels = self.grant_level[pairs]
        np.maximum.at(maybe, self.grant_claim[pairs], levels)
        certain = self.grant_truth[pairs] == 2
        np.maximum.at(sure, self.grant_claim[pairs][certain], levels[certain])
        sure, maybe = sure[wanted], maybe[wanted]
        if services.supplier:
            spoken = ~self.graph.imported.view[self.claim_rows[wanted]]
            own = self.claim_own[wanted]
            maybe = np.where(spoken & (own > 0), np.maximum(maybe, 0), maybe)
            sure = np.where(spoken & (own == 2), np.maximum(sure, 0), sure)
        if services.verifier and self.authority.verifier >= 0:
            mine = self.claim_issuer[wanted] == self.authority.verifier
            seen = np.minimum(self.claim_level[wanted], Level.SECOND.rank)
            maybe = np.where(mine, np.maximum(maybe, seen), maybe)
            sure = np.where(mine, np.maximum(sure, seen), sure)
        return sure, maybe

    def _condition(self, rule: Rule, claim: int) -> int:
        if rule.condition is None:
            return MET
        memo = self.graph.answers.setdefault(rule.condition, {})
        known = memo.get(claim)
        if known is None:
            answer = Condition.compile(rule.condition).evaluate(facts_of(self.graph, claim))
            known = MET if answer is True else FAILED if answer is False else UNDECIDED
            memo[claim] = known
        return known

    def _unread(self) -> None:
        """Statements whose content is erased or not for this reader."""
        graph, authority = self.graph, self.authority
        state = graph.state.view[self.rows]
        unread = np.flatnonzero((state == State.ERASED) | (state == State.RESTRICTED))
        if not len(unread):
            return
        rows, at = self.rows[unread], self.row_at[unread]
        words = np.full(len(rows), -1, dtype=np.int64)
        bits = np.int64(1) << graph.kind.view[rows].astype(np.int64)
        pair, grant, _ = authority.grants(rows, graph.subject.view[rows], bits, words)
        service = authority.service_of(grant)
        own = self.own(at, graph.issuer.view[rows])
        erased = graph.state.view[rows] == State.ERASED
        for number, rule in enumerate(self.rules.requirements):
            if number not in self.ranks:
                continue
            believed = np.zeros(len(rows), dtype=np.bool_)
            believed[pair[rule.services.allow(service)]] = True
            if rule.services.supplier:
                believed |= own > 0
            if rule.services.verifier and authority.verifier >= 0:
                believed |= graph.issuer.view[rows] == authority.verifier
            believed &= (bits & rule.kinds) != 0
            for i in np.flatnonzero(believed):
                rank = ERASED if erased[i] else RESTRICTED
                node = at[i]
                if self.applies[number][node] and self.ranks[number][node] < rank:
                    self.ranks[number][node] = rank
                    self.best[number][node] = rows[i]
        kinds = graph.kind.view[rows]
        links = np.flatnonzero(kinds == _LINK)
        if len(links) and self.rules.ties:
            entitled = self.frame.entitled(
                rows[links], graph.subject.view[rows[links]], words[links]
            )
            for i in links[entitled > 0]:
                code = Code.CLAIM_ERASED if erased[i] else Code.CLAIM_RESTRICTED
                self._note(int(at[i]), Noted(code, "follow:links", int(rows[i])))
        for i in np.flatnonzero(kinds == _NOTICE):
            served = service[pair == i]
            if any(
                bool(s.allow(served).any()) or (s.supplier and own[i] > 0)
                for _, s in self.rules.notices
            ):
                code = Code.CLAIM_ERASED if erased[i] else Code.CLAIM_RESTRICTED
                self._note(int(at[i]), Noted(code, "notice:unread", int(rows[i])))

    def _untold(self) -> None:
        """What stores that were needed could not tell: whatever stands there, this is not it all.

        What is known to be wrong stays wrong; nothing that is known is enough.
        """
        if not self.graph.gaps:
            return
        for name, at in zip(self.names.tolist(), self.where.tolist(), strict=True):
            for code, what in self.graph.gaps.get(self.graph.name(name), ()):
                self._note(at, Noted(code, "store", -1, (("what", what),)))
