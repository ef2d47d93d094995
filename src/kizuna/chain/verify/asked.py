# SPDX-License-Identifier: Apache-2.0
"""How each requirement of a profile stands over one chain: of how many it was asked, and what came.

Keeps: 1. The numbers come from the same judgement as the verdict. 2. Only parts that decide count.
3. A requirement that nothing in the chain has to meet is neither met nor unmet: it was not asked.
4. A party that publishes nothing has met nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.verify.found import MISSING, UNAUTHORISED, VALUE, Local
from kizuna.chain.verify.judgement import Judgement
from kizuna.model.finding import Value

__all__ = ["Asked", "how_requirements_stand"]

_IGNORED: Final = 0
_REFUSED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One requirement over one chain, counted in parts that decide."""

    met: int = 0
    open: int = 0
    unmet: int = 0
    waived: int = 0

    @property
    def asked(self) -> int:
        """Of how many parts it was asked."""
        return self.met + self.open + self.unmet + self.waived


def how_requirements_stand(judgement: Judgement, subject: str) -> dict[str, Asked]:
    """Every requirement of the profile, by its id; none asked where the subject is unknown."""
    counted = {r.source.id: np.zeros(4, dtype=np.int64) for r in judgement.rules.requirements}
    node = judgement.node_of(subject)
    if node >= 0 and judgement.answers(subject):
        judgement.settle(node)
        for local, decides in judgement.judged(judgement.reach(node)):
            _count(judgement, local, decides, counted)
    return {
        name: Asked(met=int(c[0]), open=int(c[1]), unmet=int(c[2]), waived=int(c[3]))
        for name, c in counted.items()
    }


def _count(judgement: Judgement, local: Local, decides: Ints, counted: dict[str, Ints]) -> None:
    waived: dict[str, list[int]] = {}
    for place, notes in local.waivers.items():
        for _, requirement in notes:
            waived.setdefault(requirement, []).append(place)
    for number, ranks in local.ranks.items():
        source = judgement.rules.requirements[number].source
        asked = local.applies[number] & decides
        weak = (ranks == MISSING) | (ranks == UNAUTHORISED)
        if source.missing is Value.TRUSTED:
            asked = asked & ~weak
        asked = asked & ~(weak & local.silent & (local.silence == _IGNORED))
        refused = weak & local.silent & (local.silence == _REFUSED)
        values = np.where(refused, int(Value.UNTRUSTED), VALUE[ranks])
        forgiven = np.zeros(len(values), dtype=np.bool_)
        forgiven[waived.get(source.id, [])] = True
        forgiven &= values < int(Value.TRUSTED)
        tally = counted[source.id]
        for place, value in enumerate((Value.TRUSTED, Value.UNDETERMINED, Value.UNTRUSTED)):
            tally[place] += int((asked & ~forgiven & (values == int(value))).sum())
        tally[3] += int((asked & forgiven).sum())
