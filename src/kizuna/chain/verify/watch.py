# SPDX-License-Identifier: Apache-2.0
"""Watches: verdicts that are kept true as evidence arrives and time goes by.

Keeps: 1. After ``update`` and ``advance`` every watched value is what a judgement made anew would
give; findings and coverage are drawn up when somebody asks for the verdict. 2. All watches of one
question (profile, lists) share one judgement, and only those are looked at whose chain was touched.
3. ``next_change`` is the earliest instant at which time alone may change any of them.

Owner of mutable state: the judgement belongs to its watches from the moment they are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import NEVER
from kizuna.chain.verify.judgement import Judgement
from kizuna.model.finding import Value
from kizuna.model.verdict import Verdict

__all__ = ["Renewed", "Watches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """A watched subject that may stand otherwise than before."""

    subject: str
    before: Value | None
    after: Value

    @property
    def changed(self) -> bool:
        """True where the value is another; otherwise the reasons may be."""
        return self.before is not self.after


class Watches:
    """Watched subjects under one judgement of the whole graph."""

    def __init__(self, judgement: Judgement) -> None:
        if not judgement.whole:
            judgement.settle_all()
        self.judgement = judgement
        self._values: dict[str, Value] = {}
        self._nodes: dict[str, int] = {}

    def __len__(self) -> int:
        """How many subjects are watched."""
        return len(self._values)

    @property
    def values(self) -> dict[str, Value]:
        """How every watched subject stands."""
        return dict(self._values)

    @property
    def next_change(self) -> int | None:
        """When time alone may change a watched verdict; the graph as a whole is looked at."""
        soonest = self.judgement.next_change
        return None if soonest >= NEVER else soonest

    def add(self, subject: str) -> Value:
        """Watch a subject from now on."""
        if subject not in self._values:
            self._nodes[subject] = self.judgement.node_of(subject)
            self._values[subject] = self._judge([subject])[subject]
        return self._values[subject]

    def remove(self, subject: str) -> None:
        """Stop watching a subject."""
        self._values.pop(subject, None)
        self._nodes.pop(subject, None)

    def verdict(self, subject: str) -> Verdict:
        """The whole verdict of any subject, watched or not."""
        return self.judgement.verdict(subject)

    def update(self) -> list[Renewed]:
        """Take in what the graph has gained; the watched subjects whose chain it touches."""
        return self._renewed(self.judgement.update())

    def advance(self, at: int) -> list[Renewed]:
        """Let time go by; the watched subjects whose chain it touches."""
        return self._renewed(self.judgement.advance(at))

    def _renewed(self, touched: Ints) -> list[Renewed]:
        """Look again at the subjects that stand on what was touched."""
        if not len(touched) or not self._values:
            return []
        judgement = self.judgement
        names = list(self._values)
        for name in names:
            self._nodes[name] = judgement.node_of(name)
        nodes = np.asarray([self._nodes[name] for name in names], dtype=np.int64)
        reached = judgement.stands_on(nodes, touched)
        affected = [name for name, hit in zip(names, reached.tolist(), strict=True) if hit]
        fresh = self._judge(affected)
        made: list[Renewed] = []
        for name in affected:
            before, after = self._values[name], fresh[name]
            self._values[name] = after
            made.append(Renewed(subject=name, before=before, after=after))
        return made

    def _judge(self, names: list[str]) -> dict[str, Value]:
        """The values of verdicts, all in one go."""
        judgement = self.judgement
        known = [n for n in names if judgement.answers(n)]
        values = dict.fromkeys(names, Value.UNDETERMINED)
        if known:
            nodes = np.asarray([judgement.node_of(n) for n in known], dtype=np.int64)
            roots = judgement.root_values(nodes)
            bound = min(
                (int(f.code.value_given) for f in judgement.bounds()), default=int(Value.TRUSTED)
            )
            for name, value in zip(known, roots.tolist(), strict=True):
                values[name] = Value(min(value, bound))
        return values
