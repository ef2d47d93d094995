# SPDX-License-Identifier: Apache-2.0
"""What bills of one issuer say differently of a thing: shown, without effect.

Keeps: whoever follows one bill is told which others have other ties of the same thing, whichever
of them came first. Which of them is right is for their issuer to say.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import RELATIONS
from kizuna.chain.verify.found import Noted
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.happenings import Happenings
from kizuna.chain.verify.rules import Rules
from kizuna.model.finding import Code

__all__ = ["Differing"]

_NAMED: Final = 8
_Said = dict[int, tuple[frozenset[tuple[str, str]], int]]
"""By product (-1: at large) the ties that are said, and the latest statement that says any."""


class Differing(Happenings):
    """How nodes stand in the bills of their importers."""

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
        bills = frame.bills
        if bills:
            self._said: dict[tuple[int, int], tuple[_Said, int]] = {}
            for at in np.flatnonzero(bills.named(self.things)).tolist():
                self._compare(at)

    def _compare(self, at: int) -> None:
        graph, bills = self.graph, self.frame.bills
        node, thing = int(self.nodes[at]), int(self.things[at])
        _, mine, product = bills.of.get(node, (thing, -1, -1))
        for issuer in sorted({bills.of[n][1] for n in bills.of_thing[thing]}):
            said, soonest = self._of(thing, issuer)
            self._soon_one(at, soonest)
            here = product if issuer == mine else -1
            ties, row = said[here]
            named = self._name(here, row)
            others = {
                b: name
                for b, (t, r) in said.items()
                if t and t != ties and (not (name := self._name(b, r)) or name != named)
            }
            if not ties or not others:
                continue
            names = sorted({*others.values()} - {""})
            about = {"issuer": graph.name(issuer)}
            if names:
                about["others"] = ", ".join(names[:_NAMED])
            if named:
                about["bill"] = named
            noted = Noted(Code.BILLS_DIFFER, "bill", row, tuple(sorted(about.items())))
            self._note(at, noted)

    def _name(self, product: int, row: int) -> str:
        return self.graph.of_bill.get(row, "") if product < 0 else self.graph.name(product)

    def _of(self, thing: int, issuer: int) -> tuple[_Said, int]:
        """What an issuer's bills say of a thing, and when time alone may change that."""
        known = self._said.get((thing, issuer))
        if known is not None:
            return known
        graph, bills = self.graph, self.frame.bills
        rows: dict[int, list[int]] = {-1: []}
        groups: set[int] = set()
        for node in bills.of_thing[thing]:
            _, who, product = bills.of[node]
            if who == issuer:
                for name in bills.names[node]:
                    rows.setdefault(product, []).extend(graph.said_in_bill[name])
                    groups |= graph.at_large[name]
        for group in groups:
            rows[-1].extend(graph.of_group(group))
        said: _Said = {}
        soonest = int(np.iinfo(np.int64).max)
        for product, of_product in rows.items():
            ties: set[tuple[str, str]] = set()
            last = -1
            for row in of_product:
                edges = np.arange(graph.edges_begin.view[row], graph.edges_end.view[row])
                near = self.frame.things(graph.edge_from.view[edges])
                edges = edges[near == thing]
                truth, boundaries = self.frame.ties(edges)
                later = boundaries[boundaries > self.at]
                soonest = min(soonest, int(later.min(initial=soonest)))
                for edge in edges[truth == 2].tolist():
                    relation = RELATIONS[int(graph.edge_relation.view[edge])].value
                    ties.add((relation, graph.name(int(graph.edge_to.view[edge]))))
                    last = row if last < 0 or graph.seq[row] > graph.seq[last] else last
            said[product] = (frozenset(ties), last)
        found = self._said[thing, issuer] = (said, soonest)
        return found
