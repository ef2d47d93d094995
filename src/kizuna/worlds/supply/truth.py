# SPDX-License-Identifier: Apache-2.0
"""What is true in a simulated supply chain, worked out from its faults and its shape alone.

Keeps: independent of the engine that judges chains: no statement is read and no fixpoint computed.
A product is untrusted when an untrusted node can be reached from it over ties that count, else
undetermined when a doubtful one can; shares and alternatives exist only among leaves here, so they
are settled first, by counting. Cycles need no thought: reaching is reaching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kizuna.model.finding import Code, Value
from kizuna.model.identifier import SubjectId
from kizuna.worlds.supply.faults import Fault, Faults
from kizuna.worlds.supply.shape import Category, Ints, Shape

__all__ = ["Comparison", "Truth", "values_of"]

Defect = tuple[SubjectId, Code]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a judge found against what is true."""

    found: int
    missed: frozenset[Defect]
    false: frozenset[Defect]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The value of every product, and every finding that a judge must report at its node.

    ``defects`` count; ``shown`` are reported without effect (waived, unconfirmed).
    """

    products: Mapping[SubjectId, Value]
    defects: frozenset[Defect]
    shown: frozenset[Defect]

    def compare(self, reported: Iterable[Defect]) -> Comparison:
        """Hold what a judge reported about all nodes against the truth."""
        said = frozenset(reported)
        counted = {d for d in said if d[1].value_given is not Value.TRUSTED}
        return Comparison(
            found=len(self.defects & counted),
            missed=(self.defects | self.shown) - said,
            false=frozenset(counted - self.defects) | (said - counted - self.shown),
        )


def values_of(shape: Shape, faults: Faults, share: int) -> Ints:
    """The value (0, 1, 2) of every component; ``share`` of consumables in basis points."""
    base = _base(shape, faults)
    _settle_shares(shape, base, share)
    _settle_alternatives(shape, base)
    plain = shape.category == Category.PLAIN
    order = np.argsort(shape.part[plain], kind="stable")
    users = shape.whole[plain][order]
    begin = np.searchsorted(shape.part[plain][order], np.arange(shape.scale.components + 1))
    value = np.full(shape.scale.components, int(Value.TRUSTED), np.int64)
    for worst in (Value.UNDETERMINED, Value.UNTRUSTED):
        value[_reached_by(np.flatnonzero(base <= worst), users, begin)] = int(worst)
    return value


def _base(shape: Shape, faults: Faults) -> Ints:
    """The value of each component by its own faults, its maker's, and those of unheard parties."""

    def given(places: Ints) -> Ints:
        table = [
            int(Value.TRUSTED if fault.code is None else fault.code.value_given) for fault in Fault
        ]
        return np.array([*table, int(Value.TRUSTED)])[places]

    made = faults.component != list(Fault).index(Fault.UNMADE)
    by_maker = given(faults.organisation)[shape.maker]
    return np.minimum(given(faults.component), np.where(made, by_maker, int(Value.TRUSTED)))


def _settle_shares(shape: Shape, base: Ints, share: int) -> None:
    tied = shape.category == Category.CONSUMABLE
    whole, part = shape.whole[tied], shape.part[tied]
    n = shape.scale.components
    total = np.bincount(whole, minlength=n)
    good = np.bincount(whole, weights=base[part] == Value.TRUSTED, minlength=n)
    bad = np.bincount(whole, weights=base[part] == Value.UNTRUSTED, minlength=n)
    enough = good * 10_000 >= share * total
    hopeless = (total - bad) * 10_000 < share * total
    effect = np.where(enough, int(Value.TRUSTED), np.where(hopeless, 0, int(Value.UNDETERMINED)))
    np.minimum(base, effect, out=base, where=total > 0)


def _settle_alternatives(shape: Shape, base: Ints) -> None:
    tied = shape.category == Category.ALTERNATIVE
    whole, part = shape.whole[tied], shape.part[tied]
    best = np.full(shape.scale.components, -1)
    np.maximum.at(best, whole, base[part])
    np.minimum(base, best, out=base, where=best >= 0)


def _reached_by(start: Ints, users: Ints, begin: Ints) -> Ints:
    """All nodes from which one of ``start`` can be reached, ``start`` included."""
    seen = np.zeros(len(begin) - 1, bool)
    seen[start] = True
    frontier = start
    while len(frontier):
        spans = [users[begin[node] : begin[node + 1]] for node in frontier.tolist()]
        above = np.unique(np.concatenate(spans))
        frontier = above[~seen[above]]
        seen[frontier] = True
    return np.flatnonzero(seen)
