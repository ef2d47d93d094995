# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a simulated supply chain: each kind of fault at its rate, put where it is known.

Keeps: 1. A node has at most one fault, so that each finding has one cause. 2. Faults stand in the
families that are meant to have them: some families are sound, some have only what leaves doubt,
some what condemns; so products come out in all three ways. Sound families have faults that must do
no harm: waived ones, and among parts that do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

import numpy as np

from kizuna.model.finding import Code
from kizuna.worlds.supply.shape import Category, Flags, Ints, Shape

__all__ = ["Fault", "Faults", "Where", "draw_faults"]


class Where(StrEnum):
    """What sort of node a fault befalls."""

    ORGANISATION = "organisation"
    ASSEMBLY = "assembly"
    LEAF = "leaf"
    PRODUCT = "product"


class Fault(StrEnum):
    """The kinds of fault."""

    EXPIRED = "expired"
    EARLY = "early"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    STALE = "stale"
    LEVEL = "level"
    MISSING = "missing"
    UNAUTHORISED = "unauthorised"
    WAIVED = "waived"
    INCOMPLETE = "incomplete"
    SILENT_PART = "silent-part"
    SILENT_MAKER = "silent-maker"
    ADVERSE = "adverse"
    TAMPERED = "tampered"
    UNCONFIRMED = "unconfirmed"
    WITHDRAWN = "withdrawn"
    UNVERSIONED = "unversioned"
    UNMADE = "unmade"
    FAILED = "failed"
    UNDECIDED = "undecided"
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    UNREVIEWED = "unreviewed"

    @property
    def where(self) -> Where:
        """What it befalls."""
        return _MEANING[self][0]

    @property
    def code(self) -> Code | None:
        """The finding that it must give at its node; none where it must leave no trace."""
        return _MEANING[self][1]

    @property
    def condemns(self) -> bool:
        """True where its node is untrusted rather than in doubt."""
        return self.code is not None and self.code.value_given == 0


_MEANING: Final[dict[Fault, tuple[Where, Code | None]]] = {
    Fault.EXPIRED: (Where.ORGANISATION, Code.CLAIM_EXPIRED),
    Fault.EARLY: (Where.ORGANISATION, Code.CLAIM_NOT_YET_VALID),
    Fault.REVOKED: (Where.ORGANISATION, Code.CLAIM_REVOKED),
    Fault.SUSPENDED: (Where.ORGANISATION, Code.CLAIM_SUSPENDED),
    Fault.STALE: (Where.ORGANISATION, Code.CLAIM_STALE),
    Fault.LEVEL: (Where.ORGANISATION, Code.LEVEL_TOO_LOW),
    Fault.MISSING: (Where.ORGANISATION, Code.CLAIM_MISSING),
    Fault.UNAUTHORISED: (Where.ORGANISATION, Code.CLAIM_UNAUTHORISED),
    Fault.WAIVED: (Where.ORGANISATION, Code.WAIVED),
    Fault.INCOMPLETE: (Where.ASSEMBLY, Code.COMPLETENESS_UNPROVEN),
    Fault.SILENT_PART: (Where.ASSEMBLY, Code.PARTY_SILENT),
    Fault.SILENT_MAKER: (Where.ASSEMBLY, Code.PARTY_SILENT),
    Fault.ADVERSE: (Where.ASSEMBLY, Code.NOTICE_ADVERSE),
    Fault.TAMPERED: (Where.ASSEMBLY, Code.TAMPERED),
    Fault.UNCONFIRMED: (Where.ASSEMBLY, Code.NOTICE_UNCONFIRMED),
    Fault.WITHDRAWN: (Where.ASSEMBLY, None),
    Fault.UNVERSIONED: (Where.LEAF, Code.CLAIM_MISSING),
    Fault.UNMADE: (Where.LEAF, Code.LINK_MISSING),
    Fault.FAILED: (Where.PRODUCT, Code.CONDITION_FAILED),
    Fault.UNDECIDED: (Where.PRODUCT, Code.CONDITION_UNDECIDED),
    Fault.CONTRADICTED: (Where.PRODUCT, Code.CLAIM_CONTRADICTED),
    Fault.UNSUPPORTED: (Where.PRODUCT, Code.CLAIM_EXPIRED),
    Fault.UNREVIEWED: (Where.PRODUCT, Code.CLAIM_STALE),
}

_ALL: Final = tuple(Fault)
NONE: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The fault of each component and organisation: a place in ``Fault``, or -1."""

    component: Ints
    organisation: Ints

    def of_component(self, number: int) -> Fault | None:
        """What is wrong with a component."""
        place = int(self.component[number])
        return None if place == NONE else _ALL[place]

    def of_organisation(self, number: int) -> Fault | None:
        """What is wrong with an organisation."""
        place = int(self.organisation[number])
        return None if place == NONE else _ALL[place]

    def components_with(self, fault: Fault) -> Ints:
        """The components with this fault."""
        return np.flatnonzero(self.component == _ALL.index(fault))

    def organisations_with(self, fault: Fault) -> Ints:
        """The organisations with this fault."""
        return np.flatnonzero(self.organisation == _ALL.index(fault))


def draw_faults(shape: Shape, seed: int, rate: float) -> Faults:
    """Draw faults: of each kind, ``rate`` of all nodes of its sort (never more than there is room
    for in the families that may have it).
    """
    rng = np.random.default_rng([seed, 1])
    scale = shape.scale
    n = scale.components
    families = np.arange(scale.families)
    # of five families: two sound, two in doubt, one condemned; the first is sound
    mood = np.array([0, 1, 2, 0, 1])[families % 5]
    component = np.full(n, NONE, np.int64)
    organisation = np.full(scale.organisations, NONE, np.int64)
    org_mood = mood[np.arange(scale.organisations) % scale.families]
    mood_of = mood[shape.family]
    number = np.arange(n)
    spare = _without_harm(shape)
    sorts = {
        Where.ASSEMBLY: shape.has_parts & (number >= scale.products),
        Where.LEAF: ~shape.has_parts & ~shape.aliased,
        Where.PRODUCT: number < scale.products,
    }
    for place, fault in enumerate(_ALL):
        if rate == 0:
            break
        if fault.where is Where.ORGANISATION:
            target, moods = organisation, org_mood
            population = np.ones(scale.organisations, bool)
        else:
            target, moods = component, mood_of
            population = sorts[fault.where]
        able = moods == 2 if fault.condemns else moods >= 1
        if fault.code is None or fault.code.value_given == 2:
            able = moods == 0
        wanted = ceil(int(population.sum()) * rate)
        if fault.where is Where.LEAF:
            spared = np.flatnonzero(spare & (moods == 0) & (target == NONE))
            few = rng.choice(spared, size=min(len(spared) // 4, wanted // 4), replace=False)
            target[few] = place
            wanted -= len(few)
        free = np.flatnonzero(population & able & (target == NONE))
        # no more than a sixth of what is free, so that every kind finds room
        chosen = rng.choice(free, size=min(wanted, -(-len(free) // 6)), replace=False)
        target[chosen] = place
    return Faults(component=component, organisation=organisation)


def _without_harm(shape: Shape) -> Flags:
    """Leaves that may be in disorder though all around them is sound: packaging, one of two
    alternatives, one consumable in ten.
    """
    spare = np.zeros(shape.scale.components, bool)
    spare[shape.part[shape.category == Category.PACKAGING]] = True
    for category, least in ((Category.ALTERNATIVE, 2), (Category.CONSUMABLE, 10)):
        tied = shape.category == category
        whole, part = shape.whole[tied], shape.part[tied]
        _, first, count = np.unique(whole, return_index=True, return_counts=True)
        spare[part[first[count >= least]]] = True
    return spare
