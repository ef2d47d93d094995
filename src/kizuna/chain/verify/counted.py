# SPDX-License-Identifier: Apache-2.0
"""Which ties count under a question, and what was worked out of nodes and ties so far.

Keeps: a tie of the columns is the number of its edge; what leads to or from a thing as a bill has
it stands aside. Whoever asks for ties need not know which is which.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import NEVER, Graph
from kizuna.chain.verify.aside import FIRST, Aside
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.rules import Rules
from kizuna.criteria.profiles import Profile

__all__ = ["STATE", "TRUSTED", "Counted"]

TRUSTED: Final = 2
STATE: Final = (
    *("base", "own", "value", "next", "silent", "proven", "noted", "settled"),
    *("_use", "_lacks", "_edge_next", "_edge_says", "_aside"),
)
"""What a judgement has worked out so far."""


class Counted:
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
        self._aside = Aside()  # ties to or from things as bills have them

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
        at, ties = self._in(nodes)
        return at, self.source_of(ties), self.rule_of(ties), self._alternative(ties)

    def out_of(self, nodes: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Counted ties from some nodes: position, what is depended on, rule, alternative, best."""
        at, ties = self._out(nodes)
        return (
            at,
            self.target_of(ties),
            self.rule_of(ties),
            self._alternative(ties),
            self.best_of(ties),
        )

    def _in(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Counted ties to some nodes: (position in ``nodes``, tie)."""
        names, where = self.frame.own_names(nodes)
        at, edges = self.graph.edges_to.gather(names)
        used = self._use[edges] > 0
        at, ties = where[at[used]], edges[used]
        if self._aside:
            near, more = self._aside.reaching(nodes)
            at, ties = np.concatenate((at, near)), np.concatenate((ties, more))
        return at, ties

    def _out(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Counted ties from some nodes: (position in ``nodes``, tie)."""
        names, where = self.frame.own_names(nodes)
        at, edges = self.graph.edges_from.gather(names)
        used = self._use[edges] > 0
        at, ties = where[at[used]], edges[used]
        if self._aside:
            near, more = self._aside.leaving(nodes)
            at, ties = np.concatenate((at, near)), np.concatenate((ties, more))
        return at, ties

    def edge_of(self, ties: Ints) -> Ints:
        """Of each tie the edge that says it."""
        if not self._aside:
            return ties
        return self._both(ties, ties, self._aside.edge.view)

    def source_of(self, ties: Ints) -> Ints:
        """Of each tie who depends."""
        edges = self.edge_of(ties)
        plain = self.frame.rep[self.graph.edge_from.view[edges]].astype(np.int64)
        return self._both(ties, plain, self._aside.source.view) if self._aside else plain

    def target_of(self, ties: Ints) -> Ints:
        """Of each tie what is depended on."""
        edges = self.edge_of(ties)
        plain = self.frame.rep[self.graph.edge_to.view[edges]].astype(np.int64)
        return self._both(ties, plain, self._aside.target.view) if self._aside else plain

    def rule_of(self, ties: Ints) -> Ints:
        """Of each tie the number of the profile's rule."""
        plain = self._use[self.edge_of(ties)].astype(np.int64) - 1
        return self._both(ties, plain, self._aside.rule.view) if self._aside else plain

    def best_of(self, ties: Ints) -> Ints:
        """Of each tie the best that it can count for, by what its bill says of the part."""
        plain = self._lacks[self.edge_of(ties)]
        lacks = self._both(ties, plain, self._aside.lacks.view) if self._aside else plain
        best: Ints = TRUSTED - lacks
        return best

    def next_of(self, ties: Ints) -> Ints:
        """Of each tie when time alone may change what its bill says of the part."""
        plain = self._edge_next[self.edge_of(ties)]
        return self._both(ties, plain, self._aside.next.view) if self._aside else plain

    def says_of(self, ties: Ints) -> Ints:
        """Of each tie how the part stands as its bill describes it: SILENT, ..."""
        plain = self._edge_says[self.edge_of(ties)]
        return self._both(ties, plain, self._aside.says.view) if self._aside else plain

    def _alternative(self, ties: Ints) -> Ints:
        return self.graph.edge_alternative.view[self.edge_of(ties)]

    def _both(self, ties: Ints, plain: Ints, column: Ints) -> Ints:
        """What the columns say of a tie, or what stands aside."""
        aside = ties >= FIRST
        if not aside.any():
            return plain
        found = plain.copy()
        found[aside] = column[ties[aside] - FIRST]
        return found

    def _counted_ties(self) -> Ints:
        """Every counted tie."""
        edges = np.flatnonzero(self._use[: self.graph.edge_row.size] > 0)
        return np.concatenate((edges, self._aside.all())) if self._aside else edges
