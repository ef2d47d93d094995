# SPDX-License-Identifier: Apache-2.0
"""Strata 3 and 4: what is wrong with each node by itself, and what of that is waived.

One vectorised evaluation over any set of nodes: all of a large world, the few that a new statement
touches, or the chain of one product. It sees facts, never verdicts.

Keeps: 1. For one requirement the best claim decides; where none is good enough, the failure that
tells most is reported, and only one. 2. A claim without authority is worth nothing, whatever it
says; a description cannot take a node out of the requirements that its place in the chain brings.
3. The subject's own word, and that of its maker or supplier, is self-declared at most; an import is
never the supplier's own word. 4. Whoever publishes nothing is reported once, as silent, instead of
a dozen times. 5. A waiver removes one named finding, comes from somebody whom the verifier accepts,
never from the subject, its maker or its supplier, and never touches tampering.
"""

from __future__ import annotations

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.verify.differing import Differing
from kizuna.chain.verify.found import MET, MISSING, Local, Noted
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.rules import Rules
from kizuna.model.finding import Value

__all__ = ["Local", "Noted", "evaluate"]


def evaluate(
    frame: Frame,
    rules: Rules,
    nodes: Ints,
    *,
    as_root: bool = False,
    context: tuple[Ints, Ints] | None = None,
) -> Local:
    """Judge nodes by themselves.

    Args:
        frame: authority, fates and names at the instant asked about.
        rules: the profile.
        nodes: things (representatives of their names).
        as_root: judge them as the thing asked about, not as parts of something.
        context: of each node the issuer and the subject of the bill in which it was met: what
            that bill says of it in passing is heard, and what other bills say is not.
    """
    return _Evaluation(frame, rules, nodes, as_root=as_root, context=context).result()


class _Evaluation(Differing):
    """One call of ``evaluate``; each stratum below has added what it found."""

    def result(self) -> Local:
        """Everything together."""
        proven = ~self.silent & (self.value == int(Value.TRUSTED))
        for number, ranks in self.ranks.items():
            proven &= (
                ~self.applies[number]
                | (ranks == MET)
                | (
                    (ranks == MISSING)
                    & (self.rules.requirements[number].source.missing is Value.TRUSTED)
                )
            )
        noted = self.value < int(Value.TRUSTED)
        noted[self.happened[0]] = True
        for _, _, where in self.lacks:
            noted |= where
        for node in (*self.more, *self.waivers):
            noted[node] = True
        made = Local(
            frame=self.frame,
            rules=self.rules,
            nodes=self.nodes,
            as_root=self.as_root,
            elements=self.elements,
            own=self.value,
            next=self.next,
            silent=self.silent,
            proven=proven,
            noted=noted,
            edges=self.edges,
            edge_at=self.edge_at,
            edge_tie=self.edge_tie,
            ranks=self.ranks,
            best=self.best,
            applies=self.applies,
            silence=self.silence,
            more=self.more,
            waivers=self.waivers,
            happened=self.happened,
            lacks=self.lacks,
            suppliers=self._suppliers_of,
        )
        for node in self.waivers:
            self.value[node] = int(made.value(node))
        return made

    def _suppliers_of(self, at: int) -> list[str]:
        total = self.graph.nodes
        first = np.searchsorted(self.suppliers_sure, at * total)
        last = np.searchsorted(self.suppliers_sure, (at + 1) * total)
        return sorted(self.graph.name(int(k % total)) for k in self.suppliers_sure[first:last])
