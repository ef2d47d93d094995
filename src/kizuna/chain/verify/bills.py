# SPDX-License-Identifier: Apache-2.0
"""Things as bills of materials have them: which bills are heard, and where a tie leads.

An importer says what is the same in all its bills of a thing once, at large; only what one bill
has otherwise it says in that bill. So there are as many of these nodes as bills differ, and none
in most records.

Keeps: 1. What a bill says of a part is heard where the bill's ties lead to it, and nowhere else:
one bill of an importer spoils no other. What is said outside bills is heard in each. 2. A bill is
heard only where its issuer may speak of the ties of the thing: nobody draws a chain into a bill of
his own. 3. What a bill says takes the place of what its issuer says of the same ``part`` at large,
from its own beginning on, as a renewal does.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import NEVER, Graph
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.distinct import distinct, union

__all__ = ["Bills"]


class _Frame(Protocol):
    """What is asked of the frame of a question."""

    graph: Graph
    authority: Authority
    at: int
    rep: Ints
    names: dict[int, list[int]]

    def things(self, nodes: Ints) -> Ints:
        """Of each node the thing that it is."""
        ...

    def own_names(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Every name of some things."""
        ...

    def entitled(self, rows: Ints, ends: Ints, words: Ints) -> Ints:
        """Whether the issuers of link rows may assert a relation."""
        ...


class Bills:
    """The bills that are heard under one authority. Owned by one ``Frame``."""

    def __init__(self, frame: _Frame) -> None:
        self._frame = frame
        self.nodes: dict[tuple[int, int, int], int] = {}  # by thing, issuer and product
        self.of: dict[int, tuple[int, int, int]] = {}  # and back
        self.names: dict[int, list[int]] = {}  # the nodes of the graph that are this one
        self.of_thing: dict[int, list[int]] = {}
        self.moved: set[int] = set()
        """The nodes to look at again, because bills are heard or no longer."""
        self._is = np.zeros(0, dtype=np.bool_)
        self._has = np.zeros(0, dtype=np.bool_)

    def __bool__(self) -> bool:
        """Whether any is heard."""
        return bool(self.nodes)

    def bind(self) -> None:
        """Work out which bills are heard; what differs from before is added to ``moved``."""
        frame, graph = self._frame, self._frame.graph
        if not graph.in_bill:
            return
        before = self.nodes
        heard: dict[tuple[int, int, int], list[int]] = {}
        for node in self._heard():
            thing, issuer, bill = graph.in_bill[node]
            heard.setdefault((int(frame.rep[thing]), issuer, bill), []).append(node)
        every = np.fromiter(graph.in_bill, dtype=np.int64, count=len(graph.in_bill))
        frame.rep[every] = every
        self.nodes, self.of, self.names, self.of_thing = {}, {}, {}, {}
        for key, group in heard.items():
            node = min(group)
            frame.rep[group] = node
            self.nodes[key] = node
            self.of[node] = key
            self.names[node] = group
            self.of_thing.setdefault(key[0], []).append(node)
        size = len(frame.rep)
        self._is = np.zeros(size, dtype=np.bool_)
        self._is[list(self.of)] = True
        self._has = np.zeros(size, dtype=np.bool_)
        self._has[list(self.of_thing)] = True
        things: set[int] = set()
        for key in before.keys() | self.nodes.keys():
            if before.get(key) != self.nodes.get(key):
                things.add(key[0])
                self.moved.update(
                    n for n in (before.get(key), self.nodes.get(key)) if n is not None
                )
        if things:
            # ties to them may lead elsewhere now
            names, _ = frame.own_names(np.asarray(sorted(things), dtype=np.int64))
            _, edges = graph.edges_to.gather(names)
            self.moved.update(things)
            self.moved.update(distinct(graph.edge_from.view[edges]).tolist())

    def _heard(self) -> list[int]:
        """The nodes of which their issuers may speak."""
        frame, graph, authority = self._frame, self._frame.graph, self._frame.authority
        nodes: list[int] = []
        rows: list[int] = []
        for node, said in graph.said_in_bill.items():
            nodes.extend([node] * len(said))
            rows.extend(said)
        at = np.asarray(rows, dtype=np.int64)
        truth = frame.entitled(at, graph.subject.view[at], np.full(len(at), -1, dtype=np.int64))
        truth = np.where(authority.exists.view[at], truth, 0)
        found: list[int] = distinct(np.asarray(nodes, dtype=np.int64)[truth > 0]).tolist()
        return found

    def within(self, nodes: Ints) -> Ints:
        """Which nodes are things as a bill has them."""
        return _marked(self._is, nodes)

    def named(self, nodes: Ints) -> Ints:
        """Which things some bill has otherwise."""
        return _marked(self._has, nodes)

    def spread(self, nodes: Ints) -> Ints:
        """Some nodes, distinct, with everything that is the same thing as some bill has it."""
        frame = self._frame
        if not frame.graph.in_bill:
            return nodes
        things = frame.things(nodes)
        more = [n for thing in things[self.named(things)].tolist() for n in self.of_thing[thing]]
        return union(things, np.asarray(more, dtype=np.int64))

    def silent(self) -> Ints:
        """Nodes of the graph that stand for nothing here: bills that are not heard."""
        graph = self._frame.graph
        rep = self._frame.rep
        return np.asarray(
            sorted(n for n in graph.in_bill if n not in self.of and rep[n] == n), dtype=np.int64
        )

    def targets(self, source: int, row: int, far: int) -> list[int]:
        """Where a tie leads: to the thing as the tie's own bill has it; else as the bill has it in
        which the dependent stands; else as bills of the dependent have it; else at large.
        """
        graph = self._frame.graph
        found = self.nodes.get((far, int(graph.issuer.view[row]), int(graph.bill.view[row])))
        if found is not None:
            return [found]
        thing, issuer, bill = self.of.get(source, (source, -1, -1))
        found = self.nodes.get((far, issuer, bill))
        if found is not None:
            return [found]
        products = self._frame.names.get(thing, (thing,))
        return [n for n in self.of_thing.get(far, ()) if self.of[n][2] in products] or [far]

    def replaced(self, node: int, row: int) -> tuple[int, int]:
        """How far a bill's own word takes the place of a statement in it, and when time alone may
        change that.
        """
        frame, graph = self._frame, self._frame.graph
        _, issuer, bill = self.of[node]
        truth, soonest = 0, NEVER
        for other in graph.instead(row, issuer, bill):
            void = int(frame.authority.void.view[other])
            if void == 2 or not frame.authority.exists.view[other]:
                continue
            begin = int(graph.since.view[other])
            if begin <= frame.at:
                truth = max(truth, 2 - void)
            else:
                soonest = min(soonest, begin)
        return truth, soonest


def _marked(marks: Ints, nodes: Ints) -> Ints:
    if not len(marks):
        return np.zeros(len(nodes), dtype=np.bool_)
    found: Ints = marks[nodes]
    return found
