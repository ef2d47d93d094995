# SPDX-License-Identifier: Apache-2.0
"""The shape of a simulated supply chain: who makes what, and what is built into what.

Keeps: 1. The same scale and seed give the same arrays. 2. Every component is part of some product;
every part lies one tier below its whole, but for the few ties back that make cycles. 3. Products
come in families that share their suppliers; the parts of the first family are used by all.
4. Fan-out is skewed: a few assemblies have many parts, a few parts are in many assemblies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kizuna.model.errors import Malformed

__all__ = ["TIERS", "Category", "Flags", "Ints", "Scale", "Shape", "shape_of"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

TIERS: Final = 6
"""Products are tier 0."""

_SPREAD: Final = (0.012, 0.05, 0.14, 0.30)
"""Share of components in tiers 1 to 4; the rest are in tier 5."""

_WHOLE: Final = (1.0, 1.0, 1.0, 0.5, 0.27)
"""Share of the components of a tier that may have parts."""


class Category(IntEnum):
    """How a part is tied to its whole."""

    PLAIN = 0
    CONSUMABLE = 1
    PACKAGING = 2
    ALTERNATIVE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How large a world is. ``components`` counts products too."""

    components: int
    organisations: int
    products: int
    families: int

    @staticmethod
    def of(components: int) -> Scale:
        """The usual proportions: 100 components to an organisation, 1,000 to a product.

        Raises:
            Malformed: ``world.scale`` for fewer than 1,000 components.
        """
        if components < 1_000:
            raise _scale("a world has at least 1,000 components")
        products = max(3, components // 1_000)
        return Scale(
            components=components,
            organisations=max(30, components // 100),
            products=products,
            families=max(3, products // 4),
        )

    @staticmethod
    def single(components: int) -> Scale:
        """One product with all of these components, nothing wrong in it."""
        return Scale(
            components=components,
            organisations=max(10, components // 100),
            products=1,
            families=1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Components by number, tier after tier; organisations by number; ties as pairs of columns."""

    scale: Scale
    tier: Ints
    family: Ints
    maker: Ints
    whole: Ints
    part: Ints
    category: Ints
    has_parts: Flags
    reserved: Flags
    """Leaves whose only tie is a special one: they may be in disorder without harm."""
    aliased: Flags
    """Leaves that their users name by another identifier."""

    @property
    def products(self) -> int:
        """Products are the components 0 to this number, exclusive."""
        return self.scale.products


def shape_of(scale: Scale, seed: int) -> Shape:
    """Draw a shape.

    Raises:
        Malformed: ``world.scale`` when the numbers do not fit together.
    """
    n, families = scale.components, scale.families
    if not 1 <= families <= min(scale.products, scale.organisations) or n < 20 * families:
        raise _scale("more families than products or organisations, or too few components")
    rng = np.random.default_rng(seed)
    counts = _tier_counts(scale)
    starts = np.concatenate(([0], np.cumsum(counts)))
    tier = np.repeat(np.arange(TIERS), counts)
    place = np.arange(n) - starts[tier]
    family = place % families
    whole, part, category, reserved = _ties(rng, scale, counts, starts, family)
    has_parts = np.zeros(n, bool)
    has_parts[whole] = True
    aliased = ~has_parts & ~reserved & (rng.random(n) < 0.006)
    return Shape(
        scale=scale,
        tier=tier,
        family=family,
        maker=_makers(rng, scale, family),
        whole=whole,
        part=part,
        category=category,
        has_parts=has_parts,
        reserved=reserved,
        aliased=aliased,
    )


def _tier_counts(scale: Scale) -> Ints:
    rest = scale.components - scale.products
    counts = [scale.products]
    counts += [max(scale.families, round(rest * share)) for share in _SPREAD]
    counts.append(scale.components - sum(counts))
    return np.array(counts)


def _in_family(count: Ints | int, family: Ints, families: int) -> Ints:
    """How many of ``count`` things dealt out in turn each family got."""
    return np.asarray((count - family + families - 1) // families, np.int64)


def _ties(
    rng: np.random.Generator, scale: Scale, counts: Ints, starts: Ints, family: Ints
) -> tuple[Ints, Ints, Ints, Flags]:
    n, families = scale.components, scale.families
    wholes, parts = [], []
    for tier in range(1, TIERS):
        mine = np.arange(starts[tier], starts[tier + 1])
        place = (mine - starts[tier]) // families
        above = _in_family(int(counts[tier - 1]), family[mine], families)
        able = np.maximum(1, (above * _WHOLE[tier - 1]).astype(np.int64))
        drawn = np.minimum((able * rng.random(len(mine)) ** 2).astype(np.int64), able - 1)
        # the first parts go round, so that every whole that may have parts has one
        drawn = np.where(place < able, place, drawn)
        wholes.append(starts[tier - 1] + drawn * families + family[mine])
        parts.append(mine)
    whole, part = np.concatenate(wholes), np.concatenate(parts)
    parent = np.full(n, -1)
    parent[part] = whole
    has_parts = np.zeros(n, bool)
    has_parts[whole] = True
    category, reserved = _special(rng, whole, part, has_parts)
    shared_whole, shared_part = _shared(rng, scale, counts, starts, family, has_parts, reserved)
    back_whole, back_part = _cycles(rng, starts, parent, has_parts)
    whole = np.concatenate((whole, shared_whole, back_whole))
    part = np.concatenate((part, shared_part, back_part))
    category = np.concatenate((category, np.zeros(len(whole) - len(category), np.int64)))
    _, first = np.unique(whole * n + part, return_index=True)
    order = np.sort(first)
    return whole[order], part[order], category[order], reserved


def _special(
    rng: np.random.Generator, whole: Ints, part: Ints, has_parts: Flags
) -> tuple[Ints, Flags]:
    """Give the leaves of some assemblies a category of their own."""
    n = len(has_parts)
    leaf = ~has_parts[part]
    leaves = np.bincount(whole[leaf], minlength=n)
    draw = rng.random(n)
    category = np.zeros(len(whole), np.int64)
    able = leaves[whole] >= 4
    category[leaf & able & (draw[whole] < 0.06)] = Category.CONSUMABLE
    category[leaf & able & (draw[whole] >= 0.06) & (draw[whole] < 0.10)] = Category.PACKAGING
    second_source = np.flatnonzero(leaf & able & (draw[whole] >= 0.10) & (draw[whole] < 0.14))
    order = second_source[np.argsort(whole[second_source], kind="stable")]
    rank = np.arange(len(order)) - np.searchsorted(whole[order], whole[order])
    category[order[rank < 2]] = Category.ALTERNATIVE
    reserved = np.zeros(n, bool)
    reserved[part[category != Category.PLAIN]] = True
    return category, reserved


def _shared(
    rng: np.random.Generator,
    scale: Scale,
    counts: Ints,
    starts: Ints,
    family: Ints,
    has_parts: Flags,
    reserved: Flags,
) -> tuple[Ints, Ints]:
    """Parts used in several places: 30 of 100 ties, every seventh of them to the first family."""
    users = np.flatnonzero(has_parts)
    whole = rng.choice(users, size=int(scale.components * 0.3))
    below = np.searchsorted(starts, whole, side="right")
    source = np.where(rng.random(len(whole)) < 1 / 7, 0, family[whole])
    able = _in_family(counts[below], source, scale.families)
    drawn = np.minimum((able * rng.random(len(whole)) ** 3).astype(np.int64), able - 1)
    part = starts[below] + drawn * scale.families + source
    kept = ~reserved[part]
    return whole[kept], part[kept]


def _cycles(
    rng: np.random.Generator, starts: Ints, parent: Ints, has_parts: Flags
) -> tuple[Ints, Ints]:
    """A few assemblies of tier 3 contain what contains them: service parts, returned cores."""
    users = np.arange(starts[3], starts[4])[has_parts[starts[3] : starts[4]]]
    few = rng.choice(users, size=max(1, len(users) // 1_000), replace=False)
    return few, parent[parent[few]]


def _makers(rng: np.random.Generator, scale: Scale, family: Ints) -> Ints:
    n, families = scale.components, scale.families
    able = _in_family(scale.organisations, family, families)
    drawn = np.minimum((able * rng.random(n) ** 1.5).astype(np.int64), able - 1)
    # the last components go round, so that every organisation makes something
    order = np.argsort(family, kind="stable")[::-1]
    turn = np.empty(n, np.int64)
    turn[order] = np.arange(n) - np.searchsorted(-family[order], -family[order])
    drawn = np.where(turn < able, turn, drawn)
    return np.asarray(drawn * families + family, np.int64)


def _scale(why: str) -> Malformed:
    return Malformed(
        "world.scale",
        f"no such world: {why}",
        why=why,
        hint="take a scale made by Scale.of(components)",
    )
