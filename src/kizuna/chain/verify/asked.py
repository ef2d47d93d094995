# SPDX-License-Identifier: Apache-2.0
"""How each requirement of a profile stands over one chain: of how many it was asked, and what came.

Keeps: 1. The numbers come from the same judgement as the verdict. 2. Only parts that decide count.
3. A requirement that nothing in the chain has to meet is neither met nor unmet: it was not asked.
4. A party that publishes nothing has met nothing. 5. A part counts once, however often it is met on
the way: where bills have it otherwise than it is at large, as the weakest of them.
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

_MET, _WAIVED, _OPEN, _UNMET = range(4)
"""How a thing stands to a requirement; what is weaker is more."""

_STANDS: Final = np.zeros(len(Value), dtype=np.int8)
_STANDS[[Value.TRUSTED, Value.UNDETERMINED, Value.UNTRUSTED]] = [_MET, _OPEN, _UNMET]


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
    stands: dict[str, list[tuple[Ints, Ints]]] = {
        r.source.id: [] for r in judgement.rules.requirements
    }
    node = judgement.node_of(subject)
    if node >= 0 and judgement.answers(subject):
        judgement.settle(node)
        for local, decides in judgement.judged(judgement.reach(node)):
            _note(judgement, local, decides, stands)
    return {name: _counted(found) for name, found in stands.items()}


def _counted(found: list[tuple[Ints, Ints]]) -> Asked:
    """Of how many things a requirement was asked; of each thing its weakest standing."""
    if not found:
        return Asked()
    things = np.concatenate([things for things, _ in found])
    stands = np.concatenate([stands for _, stands in found])
    once, place = np.unique(things, return_inverse=True)
    weakest = np.zeros(len(once), dtype=np.int8)
    np.maximum.at(weakest, place, stands)
    counts = np.bincount(weakest, minlength=_UNMET + 1)
    return Asked(
        met=int(counts[_MET]),
        waived=int(counts[_WAIVED]),
        open=int(counts[_OPEN]),
        unmet=int(counts[_UNMET]),
    )


def _note(
    judgement: Judgement,
    local: Local,
    decides: Ints,
    stands: dict[str, list[tuple[Ints, Ints]]],
) -> None:
    """Which things some nodes are, and how each that was asked stands, by requirement."""
    waived: dict[str, list[int]] = {}
    for place, notes in local.waivers.items():
        for _, requirement in notes:
            waived.setdefault(requirement, []).append(place)
    things = judgement.frame.things(local.nodes)
    for number, ranks in local.ranks.items():
        source = judgement.rules.requirements[number].source
        asked = local.applies[number] & decides
        weak = (ranks == MISSING) | (ranks == UNAUTHORISED)
        if source.missing is Value.TRUSTED:
            asked = asked & ~weak
        asked = asked & ~(weak & local.silent & (local.silence == _IGNORED))
        refused = weak & local.silent & (local.silence == _REFUSED)
        values = np.where(refused, int(Value.UNTRUSTED), VALUE[ranks])
        stand = _STANDS[values]
        forgiven = np.zeros(len(values), dtype=np.bool_)
        forgiven[waived.get(source.id, [])] = True
        stand[forgiven & (values < int(Value.TRUSTED))] = _WAIVED
        stands[source.id].append((things[asked], stand[asked]))
