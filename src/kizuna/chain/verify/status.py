# SPDX-License-Identifier: Apache-2.0
"""Stratum 2: what became of a statement after it was registered, as of one instant.

Keeps: 1. A negative statement that was authorised where it stands in the log stays in effect until
its issuer or a superior withdraws it, whatever later befalls its author. 2. Only the issuer of the
target or its superior acts on a statement; what a superior suspended only a superior reinstates.
Superior is the operator of an accepted list that names the issuer; who holds a service over the
subject that is made for this (kinds ``status`` and ``membership``, and no other); and who may
itself say such things of the subject, at a strictly higher level than the issuer. So a maker cannot
take back what others say against its product, nor one body the certificates of another; and nobody
stands above what others say of himself. 3. A status on
a status counts only when it came later, so the question is well founded, and a chain of them is
walked without recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import EVER, NEVER, Graph
from kizuna.chain.verify.authority import KIND_BIT, Authority
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status

__all__ = ["FINE", "REPLACED", "REVOKED", "SUSPENDED", "UNCERTAIN", "Fate", "Statuses", "begun"]

_OFFICE: Final = KIND_BIT[Kind.STATUS] | KIND_BIT[Kind.MEMBERSHIP]
FINE: Final = 0
UNCERTAIN: Final = 1
REPLACED: Final = 2
SUSPENDED: Final = 3
REVOKED: Final = 4


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a statement, by which row, and when time alone may change it."""

    code: int = FINE
    by: int = -1
    next: int = NEVER


_FINE: Final = Fate()


class Statuses:
    """The fates of statements at one instant."""

    def __init__(self, authority: Authority, at: int) -> None:
        self._authority = authority
        self._graph: Graph = authority.graph
        self._at = at
        self._fates: dict[int, Fate] = {}
        self._acts_on: dict[int, list[int]] = {}
        self._begun: dict[int, tuple[int, int]] = {}

    def forget(self) -> None:
        """New statements came: what was worked out may have changed."""
        self._fates.clear()
        self._acts_on.clear()

    def fate(self, row: int) -> Fate:
        """What became of a row."""
        if not self._graph.has_status.view[row]:
            return _FINE
        known = self._fates.get(row)
        if known is None:
            waiting, seen = [row], {row}
            for reached in waiting:  # the list grows while it is walked
                for actor in self._acts(reached):
                    if actor not in seen:
                        seen.add(actor)
                        waiting.append(actor)
            seq = self._graph.seq
            for actor in sorted(seen - {row}, key=lambda r: -int(seq[r])):
                if actor not in self._fates:
                    self._fates[actor] = self._judge(actor)
            known = self._fates[row] = self._judge(row)
        return known

    def _acts(self, row: int) -> list[int]:
        """The status rows that act on a row, in the order of the log."""
        known = self._acts_on.get(row)
        if known is not None:
            return known
        graph, authority = self._graph, self._authority
        is_status = isinstance(graph.payload.get(row), Status)
        seq = graph.seq
        found = [
            by
            for digest in graph.digests_of(row)
            for by in graph.status_on.get(digest, ())
            if authority.exists.view[by]
            and authority.void.view[by] < 2
            and by != row
            and (not is_status or seq[by] > seq[row])
        ]
        if len(found) > 1:
            found = sorted(set(found), key=lambda r: int(seq[r]))
        self._acts_on[row] = found
        return found

    def _judge(self, row: int) -> Fate:
        """The fate of a row whose acting statuses have their own fates already."""
        graph = self._graph
        acts = self._acts(row)
        if not acts:
            return _FINE
        entitled, superior = self._entitled(row, acts)
        soonest = NEVER
        effect: dict[int, int] = {}
        for by in acts:
            in_time, boundary = self._in_time(by)
            ended = self._fates.get(by, _FINE)
            soonest = min(soonest, boundary, ended.next)
            over = {FINE: 2, UNCERTAIN: 1}.get(ended.code, 0)
            effect[by] = min(entitled[by], in_time, over)
        worst: dict[int, tuple[int, int]] = {}  # code to (truth, row)
        for by in acts:
            payload = graph.payload[by]
            if not isinstance(payload, Status):
                continue
            truth = effect[by]
            match payload.action:
                case Action.REVOKE | Action.WITHDRAW:
                    code = REVOKED
                case Action.REPLACE:
                    code = REPLACED
                case Action.SUSPEND:
                    code = SUSPENDED
                    truth = min(truth, 2 - self._lifted(by, acts, effect, superior))
                case _:
                    continue
            if truth > worst.get(code, (0, -1))[0]:
                worst[code] = (truth, by)
        for code in (REVOKED, SUSPENDED, REPLACED):
            truth, by = worst.get(code, (0, -1))
            if truth == 2:
                return Fate(code, by, soonest)
        for truth, by in worst.values():
            if truth == 1:
                return Fate(UNCERTAIN, by, soonest)
        return Fate(FINE, -1, soonest)

    def _lifted(
        self, suspension: int, acts: list[int], effect: dict[int, int], superior: dict[int, int]
    ) -> int:
        graph = self._graph
        lifted = 0
        for by in acts:
            payload = graph.payload[by]
            if (
                isinstance(payload, Status)
                and payload.action is Action.REINSTATE
                and graph.seq[by] > graph.seq[suspension]
            ):
                same = graph.issuer.view[by] == graph.issuer.view[suspension]
                lifted = max(lifted, effect[by] if same else min(effect[by], superior[by]))
        return lifted

    def prepare(self, rows: Ints) -> None:
        """Weigh everything that acts on some rows in one go; ``fate`` would do it one by one."""
        known = self._authority.power
        pairs: list[tuple[int, int]] = []
        seen: set[int] = set()
        waiting = rows.tolist()
        while waiting:
            row = waiting.pop()
            if row not in seen and self._graph.has_status.view[row]:
                seen.add(row)
                acts = self._acts(row)
                pairs.extend((row, by) for by in acts if by not in known)
                waiting.extend(acts)
        if pairs:
            self._weigh(pairs)
        fresh = [by for row in seen for by in self._acts_on[row] if by not in self._begun]
        if fresh:
            truth, boundary = begun(self._graph, np.asarray(fresh), self._at)
            for by, held, soon in zip(fresh, truth.tolist(), boundary.tolist(), strict=True):
                self._begun[by] = (held, soon)

    def _entitled(self, row: int, acts: list[int]) -> tuple[dict[int, int], dict[int, int]]:
        """Of each acting status whether its issuer may act on the row, and does so from above."""
        known = self._authority.power
        lacking = [(row, by) for by in acts if by not in known]
        if lacking:
            self._weigh(lacking)
        return {by: known[by][0] for by in acts}, {by: known[by][1] for by in acts}

    def _weigh(self, pairs: list[tuple[int, int]]) -> None:
        """Work out the power of statuses over their targets; the instant has no part in it."""
        graph, authority = self._graph, self._authority
        targets = np.asarray([row for row, _ in pairs], dtype=np.int64)
        acts = np.asarray([by for _, by in pairs], dtype=np.int64)
        about = graph.subject.view[targets]
        words = graph.word.view[targets].astype(np.int64)
        kinds = np.int64(1) << graph.kind.view[targets].astype(np.int64)
        at, grant, _ = authority.grants(targets, about, kinds, words)
        level = np.full(len(pairs), -1, dtype=np.int8)
        np.maximum.at(level, at, authority.grant_level.view[grant])
        at, grant, truth = authority.grants(acts, about, KIND_BIT[Kind.STATUS], words)
        given = authority.spec_kinds.view[authority.grant_spec.view[grant]]
        over = ((given & ~_OFFICE) == 0) | (
            ((given & kinds[at]) != 0) & (authority.grant_level.view[grant] > level[at])
        )
        above = np.zeros(len(pairs), dtype=np.int8)
        np.maximum.at(above, at[over], truth[over])
        actors, issuers = graph.issuer.view[acts].tolist(), graph.issuer.view[targets].tolist()
        held = (2 - authority.void.view[acts]).tolist()
        for i, (_, by) in enumerate(pairs):
            superior = int(above[i])
            if actors[i] == about[i]:
                superior = 0
            elif authority.above(actors[i], issuers[i]):
                superior = 2
            own = 2 if actors[i] == issuers[i] else superior
            authority.power[by] = (min(own, held[i]), superior)

    def _in_time(self, by: int) -> tuple[int, int]:
        """Whether a status has begun at the instant asked about, and when that may change."""
        known = self._begun.get(by)
        if known is None:
            truth, boundary = begun(self._graph, np.asarray([by]), self._at)
            known = self._begun[by] = (int(truth[0]), int(boundary[0]))
        return known


def begun(graph: Graph, rows: Ints, at: int) -> tuple[Ints, Ints]:
    """Whether what statements say has begun (at their own ``since``, else at their registration),
    and when time alone may change that.
    """
    since = graph.since.view[rows]
    low, high = graph.reg_lo.view[rows], graph.reg_hi.view[rows]
    given = since != EVER
    first, last = np.where(given, since, low), np.where(given, since, high)
    truth = np.where(at >= last, 2, np.where(at < first, 0, 1)).astype(np.int8)
    boundary = np.where(at >= last, NEVER, np.where(at < first, first, last))
    return truth, boundary
