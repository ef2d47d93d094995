# SPDX-License-Identifier: Apache-2.0
"""Coverage: what a result under one measure says under a catalog.

Keeps: 1. What nobody asked and nothing maps to is said to be so, never passed over. 2. Only what
was asked directly, or follows by an accepted tie that takes in the whole control, covers it; a
proposed tie or one that takes in a part says so and is not enough. 3. A direct result goes before
any that comes by a mapping. 4. A category stands as its subcategories do.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kizuna.criteria.catalogs.catalog import Catalog, Control
from kizuna.criteria.catalogs.mapping import Confidence, Kinship, Mapping, ends_of
from kizuna.model.errors import Absent

__all__ = ["Covered", "Covering", "Result", "Way", "coverage_of"]


class Result(StrEnum):
    """How what was asked under a control turned out."""

    MET = "met"
    OPEN = "open"
    UNMET = "unmet"

    @staticmethod
    def worst(results: Sequence[Result]) -> Result:
        """The worst of some."""
        order = (Result.UNMET, Result.OPEN, Result.MET)
        return next(r for r in order if r in results)


class Covering(StrEnum):
    """How a control of the catalog stands."""

    COVERED = "covered"
    PROPOSED = "proposed"  # would be covered, by a mapping that nobody here has accepted
    PARTLY = "partly"  # something of it is met
    OPEN = "open"  # asked, and not known
    FAILED = "failed"  # asked, and not met
    NOT_ASKED = "not-asked"  # it is mapped, and the profile asks nothing there
    UNMAPPED = "unmapped"  # neither asked nor mapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way by which a result reaches a control; without a mapping it was asked directly."""

    sources: tuple[str, ...]
    result: Result | None
    """None where the profile asks nothing of a source."""
    mapping: str = ""
    relation: Kinship = Kinship.EQUAL
    confidence: Confidence = Confidence.HIGH
    accepted: bool = True
    family: bool = False
    """True where the tie names a family, of which the control is one."""

    @property
    def meets(self) -> bool:
        """True where meeting the sources surely meets the whole control."""
        return self.relation.whole and not self.family

    @property
    def fails(self) -> bool:
        """True where a source that is not met surely leaves the control unmet."""
        return self.relation.turned.whole and not self.family


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """One control of the catalog and how it stands."""

    control: Control
    state: Covering
    ways: tuple[Way, ...] = ()


def coverage_of(
    catalog: Catalog,
    results: Map[tuple[str, str], Result],
    mappings: Sequence[tuple[Mapping, Catalog]],
) -> list[Covered]:
    """How each control in force stands.

    Args:
        catalog: whose controls are asked about.
        results: by name of catalog and id of control, what the profile's requirements gave.
        mappings: those that lead to the catalog, each with the catalog that it leads from.
    """
    ways: dict[str, list[Way]] = {}
    for mapping, origin in mappings:
        for tie in mapping.ties:
            if tie.relation is Kinship.NONE:
                continue
            try:
                sources, broad = ends_of(origin, tie.sources)
                targets, family = ends_of(catalog, tie.targets)
            except Absent:
                continue  # another version of the catalog: what it names is not here
            found = [results.get((origin.id, s)) for s in sources]
            known = [r for r in found if r is not None]
            result = Result.worst(known) if known and len(known) == len(found) else None
            for target in targets:
                ways.setdefault(target, []).append(
                    Way(
                        sources=sources,
                        result=result,
                        mapping=mapping.name,
                        relation=tie.relation,
                        confidence=tie.confidence,
                        accepted=tie.accepted,
                        family=family or broad,
                    )
                )
    made: dict[str, Covered] = {}
    for control in catalog.controls:
        if control.withdrawn:
            continue
        direct = results.get((catalog.id, control.id))
        if direct is not None:
            way = Way(sources=(control.id,), result=direct)
            made[control.id] = Covered(
                control=control, state=_of_direct(direct), ways=(way, *ways.get(control.id, ()))
            )
        else:
            reached = tuple(ways.get(control.id, ()))
            made[control.id] = Covered(control=control, state=_of_ways(reached), ways=reached)
    _sum_up(catalog, made)
    return list(made.values())


def _of_direct(result: Result) -> Covering:
    return {
        Result.MET: Covering.COVERED,
        Result.OPEN: Covering.OPEN,
        Result.UNMET: Covering.FAILED,
    }[result]


def _of_ways(ways: Sequence[Way]) -> Covering:
    if not ways:
        return Covering.UNMAPPED
    if any(w.result is Result.UNMET and w.fails and w.accepted for w in ways):
        return Covering.FAILED
    if any(w.result is Result.MET and w.meets and w.accepted for w in ways):
        return Covering.COVERED
    if any(w.result is Result.MET and w.meets for w in ways):
        return Covering.PROPOSED
    if any(w.result is Result.MET for w in ways):
        return Covering.PARTLY
    if any(w.result is not None for w in ways):
        return Covering.OPEN
    return Covering.NOT_ASKED


def _sum_up(catalog: Catalog, made: dict[str, Covered]) -> None:
    """A category holds nothing but its subcategories: it stands as they do."""
    for control in catalog.controls:
        if control.kind != "category" or control.id not in made:
            continue
        below = {c.state for c in made.values() if c.control.parent == control.id}
        if below and made[control.id].state in _NOTHING:
            made[control.id] = Covered(control=control, state=_together(below))


_NOTHING: Final = frozenset({Covering.UNMAPPED, Covering.NOT_ASKED})
_SOME: Final = frozenset({Covering.COVERED, Covering.PROPOSED, Covering.PARTLY})


def _together(states: set[Covering]) -> Covering:
    if len(states) == 1:
        return next(iter(states))
    if Covering.FAILED in states:
        return Covering.FAILED
    if states <= _NOTHING:
        return Covering.NOT_ASKED
    if states <= {Covering.COVERED, Covering.PROPOSED}:
        return Covering.PROPOSED
    return Covering.PARTLY if states & _SOME else Covering.OPEN
