# SPDX-License-Identifier: Apache-2.0
"""A profile read through mappings: claims made under another catalog, as far as they carry.

A requirement for a control is met by another requirement's claims where an accepted tie says that
whoever meets the other's control meets this one wholly, and where the other requirement asks no
less than this one of who says it, how fresh, at what level and with what in it.

Keeps: 1. Nothing is asked less: what carries must pass every bound of the requirement that it
carries to, and the one it was made for asks nothing beyond those. 2. A tie that is only proposed,
takes in a part, or joins several controls carries nothing; each says why. 3. What no tie leads to
is named. 4. The measure that results is a profile like any other, with a digest of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kizuna.criteria.catalogs import Catalog, Confidence, Kinship, Tie
from kizuna.criteria.catalogs import Mapping as Crosswalk
from kizuna.criteria.catalogs.mapping import ends_of
from kizuna.criteria.profiles.profile import Profile, Requirement
from kizuna.model.errors import Absent

__all__ = ["Carry", "How", "Through", "through"]


class How(StrEnum):
    """What a tie does for a requirement."""

    CARRIES = "carries"
    PROPOSED = "proposed"  # it would carry, and nobody here has accepted it
    PARTLY = "partly"  # the other control takes in a part of this one only
    TOGETHER = "together"  # several controls or requirements would have to be met together
    OTHERWISE = "otherwise"  # what is asked there does not hold all that is asked here
    UNASKED = "unasked"  # no profile at hand asks anything for the other control


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """One way from another catalog's control to a requirement."""

    requirement: str
    how: How
    mapping: str
    relation: Kinship
    confidence: Confidence
    sources: tuple[str, ...]
    catalog: str
    """Whose controls the sources are."""
    claims: tuple[str, ...] = ()
    """Types of claim that come by this way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """A profile with what accepted mappings carry to it."""

    plain: Profile
    profile: Profile
    """With what accepted ties carry."""
    proposing: Profile
    """With what proposed ties would carry too: to show, never to judge by."""
    ways: tuple[Carry, ...]
    unmapped: tuple[str, ...]
    """Requirements to which no tie leads."""

    def of(self, requirement: str) -> tuple[Carry, ...]:
        """The ways to one requirement."""
        return tuple(w for w in self.ways if w.requirement == requirement)


def through(
    profile: Profile,
    mappings: Sequence[Crosswalk],
    catalogs: Mapping[str, Catalog],
    measures: Iterable[Profile],
    kinds: str = "",
) -> Through:
    """Read a profile through mappings.

    Args:
        profile: by which is judged.
        mappings: those that the verifier named.
        catalogs: those at hand, by name.
        measures: profiles at hand: what they ask for a control tells by which claims it is shown.
        kinds: the catalog whose controls are types of claim themselves, as kinds of certificate.
    """
    others = [r for one in measures if one.digest != profile.digest for r in one.requirements]
    ways: list[Carry] = []
    led: set[str] = set()
    for requirement in profile.requirements:
        for mapping in mappings:
            for turned in (mapping, mapping.turned()):
                found = list(_ways(requirement, turned, catalogs, others, kinds))
                ways += found
                led.update(w.requirement for w in found)
    return Through(
        plain=profile,
        profile=_with(profile, [w for w in ways if w.how is How.CARRIES]),
        proposing=_with(profile, [w for w in ways if w.how in (How.CARRIES, How.PROPOSED)]),
        ways=tuple(ways),
        unmapped=tuple(r.id for r in profile.requirements if r.id not in led),
    )


def _with(profile: Profile, ways: Sequence[Carry]) -> Profile:
    """The profile whose requirements also take the claims that come by these ways."""
    more: dict[str, list[str]] = {}
    for way in ways:
        more.setdefault(way.requirement, []).extend(way.claims)
    if not more:
        return profile
    return replace(
        profile,
        requirements=tuple(
            replace(r, claim=tuple(dict.fromkeys((*r.claim, *more.get(r.id, ())))))
            for r in profile.requirements
        ),
    )


def _ways(
    requirement: Requirement,
    mapping: Crosswalk,
    catalogs: Mapping[str, Catalog],
    others: Sequence[Requirement],
    kinds: str,
) -> Iterable[Carry]:
    goal, origin = catalogs.get(mapping.goal), catalogs.get(mapping.origin)
    if goal is None or origin is None:
        return
    wanted = _controls(requirement, goal)
    if not wanted:
        return
    for tie in mapping.ties:
        if tie.relation is Kinship.NONE:
            continue
        try:
            sources, broad = ends_of(origin, tie.sources)
            targets, family = ends_of(goal, tie.targets)
        except Absent:
            continue
        if wanted & set(targets):
            how, claims = _carried(
                requirement,
                tie,
                sources,
                () if origin.id == kinds else _asking(sources, origin, others),
                whole=not (broad or family),
                named=origin.id == kinds,
            )
            if len(requirement.controls) > 1 and how in (How.CARRIES, How.PROPOSED):
                how, claims = How.TOGETHER, ()  # it stands for more than this tie speaks of
            yield Carry(
                requirement=requirement.id,
                how=how,
                mapping=mapping.name,
                relation=tie.relation,
                confidence=tie.confidence,
                sources=tuple(sources),
                catalog=origin.id,
                claims=claims,
            )


def _carried(
    requirement: Requirement,
    tie: Tie,
    sources: Sequence[str],
    asking: Sequence[Requirement],
    *,
    whole: bool,
    named: bool,
) -> tuple[How, tuple[str, ...]]:
    """What a tie does, and the claims by it; ``named``: its sources are types of claim."""
    if not (tie.relation.whole and whole):
        return How.PARTLY, ()
    carries = How.CARRIES if tie.accepted else How.PROPOSED
    if len(sources) != 1 or len(asking) > 1:
        return How.TOGETHER, ()
    if named:
        return carries, tuple(sources)
    if not asking:
        return How.UNASKED, ()
    if not _no_more(asking[0], requirement):
        return How.OTHERWISE, ()
    return carries, asking[0].claim


def _asking(
    sources: Sequence[str], origin: Catalog, others: Sequence[Requirement]
) -> tuple[Requirement, ...]:
    """The requirements for the one source, those that ask alike once."""
    asked = {
        (r.claim, r.kinds, r.services, r.level, r.max_age, r.present, r.condition): r
        for r in others
        if set(sources) & _controls(r, origin)
    }
    return tuple(asked.values())


def _no_more(other: Requirement, here: Requirement) -> bool:
    """Whether every claim that passes the bounds of ``here`` passes those of ``other`` too."""
    fresh = other.max_age is None or (here.max_age is not None and here.max_age <= other.max_age)
    return (
        fresh
        and other.level.rank <= here.level.rank
        and set(here.services) <= set(other.services)
        and set(here.kinds) <= set(other.kinds)
        and set(other.present) <= set(here.present)
        and other.condition in (None, here.condition)
    )


def _controls(requirement: Requirement, catalog: Catalog) -> set[str]:
    """The controls of a catalog for which a requirement stands."""
    return {
        catalog.find(control).id
        for named, control in requirement.controls
        if named in ("", catalog.id) and control in catalog
    }
