# SPDX-License-Identifier: Apache-2.0
"""Ties that lead to or from a thing as a bill has it: they stand aside of the columns.

A tie of the columns is the number of its edge. The same edge is another tie from each bill's view
of its end, and may lead elsewhere; such a tie has a number from ``FIRST`` on.

Keeps: where no bill differs there are none, and nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Column, Ints
from kizuna.chain.graph.graph import NEVER

__all__ = ["FIRST", "Aside"]

FIRST: Final = 1 << 40
"""The number of the first tie that stands aside."""


class Aside:
    """The ties that stand aside. Owned by one judgement."""

    def __init__(self) -> None:
        self.edge = Column(np.int64)
        self.source = Column(np.int64)
        self.target = Column(np.int64)
        self.rule = Column(np.int64)
        self.lacks = Column(np.int8)
        self.next = Column(np.int64)
        self.says = Column(np.int8)
        self._from: dict[int, list[int]] = {}
        self._to: dict[int, dict[int, None]] = {}
        self._free: list[int] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._from)

    def copy(self) -> Aside:
        """The same ties, to be changed apart."""
        made = Aside()
        for mine, theirs in zip(made._columns(), self._columns(), strict=True):
            mine.extend(theirs.view)
        made._from = {source: list(ties) for source, ties in self._from.items()}
        made._to = {target: dict(ties) for target, ties in self._to.items()}
        made._free = list(self._free)
        return made

    def _columns(self) -> tuple[Column, ...]:
        return (
            *(self.edge, self.source, self.target, self.rule),
            *(self.lacks, self.next, self.says),
        )

    def forget(self, sources: Ints) -> None:
        """Drop every tie of some nodes."""
        if not self._from:
            return
        for source in self._known(self._from, sources):
            for tie in self._from.pop(source):
                ties = self._to[int(self.target.view[tie])]
                del ties[tie]
                if not ties:
                    del self._to[int(self.target.view[tie])]
                self.next.view[tie] = NEVER
                self.says.view[tie] = 0
                self._free.append(tie)

    def add(self, edge: int, source: int, target: int, rule: int) -> None:
        """Another tie."""
        values = (edge, source, target, rule, 0, NEVER, 0)
        if self._free:
            tie = self._free.pop()
            for column, value in zip(self._columns(), values, strict=True):
                column.view[tie] = value
        else:
            tie = self.edge.size
            for column, value in zip(self._columns(), values, strict=True):
                column.extend([value])
        self._from.setdefault(source, []).append(tie)
        self._to.setdefault(target, {})[tie] = None

    def leaving(self, nodes: Ints) -> tuple[Ints, Ints]:
        """The ties of some nodes: (position in ``nodes``, tie)."""
        return self._gather(self._from, nodes)

    def reaching(self, nodes: Ints) -> tuple[Ints, Ints]:
        """The ties to some nodes: (position in ``nodes``, tie)."""
        return self._gather(self._to, nodes)

    def all(self) -> Ints:
        """Every tie there is."""
        return FIRST + np.asarray(
            sorted(tie for ties in self._from.values() for tie in ties), dtype=np.int64
        )

    def _known(self, by: Mapping[int, Collection[int]], nodes: Ints) -> list[int]:
        if len(nodes) > len(by):
            known = np.fromiter(by, dtype=np.int64, count=len(by))
            found: list[int] = np.intersect1d(nodes, known).tolist()
            return found
        return [node for node in nodes.tolist() if node in by]

    def _gather(self, by: Mapping[int, Collection[int]], nodes: Ints) -> tuple[Ints, Ints]:
        if not by:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        places: Sequence[int] = range(len(nodes))
        if len(nodes) > len(by):
            places = np.flatnonzero(
                np.isin(nodes, np.fromiter(by, dtype=np.int64, count=len(by)))
            ).tolist()
        at: list[int] = []
        found: list[int] = []
        for place in places:
            ties = by.get(int(nodes[place]))
            if ties:
                at += [place] * len(ties)
                found += ties
        return np.asarray(at, dtype=np.int64), FIRST + np.asarray(found, dtype=np.int64)
