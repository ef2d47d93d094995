# SPDX-License-Identifier: Apache-2.0
"""A device in one use, placed on the plane; and what placements say when they lie side by side.

Keeps: 1. What is placed is a device *in a use at a place*: the same device may stand elsewhere on
the plane in another use. 2. The category follows from the levels and the framework, never from
whoever places. 3. A comparison only names what contradicts the framework's own order: weaker
measures in the same category or in a heavier one, and measures below what the category asks for.
What nobody stated is unstated, not weak.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kizuna.criteria.risk.framework import Framework
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Claim, Level

__all__ = [
    "CLAIM",
    "Difference",
    "Placement",
    "Unlike",
    "claim_of",
    "compare",
    "is_placement",
    "place",
    "placement_of",
    "shortfalls",
]

CLAIM: Final = "risk-placement"
"""First word of the claim type; the use stands behind a colon, so that each use has its own."""

_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where something stands on the plane, and which measures are in place there."""

    device: SubjectId
    use: str
    framework: str
    framework_digest: str
    levels: tuple[str, str]
    category: str
    in_place: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Strength of the measures taken, by viewpoint; a viewpoint left out is unstated."""
    site: str = ""
    reason: str = ""
    issuer: str = ""
    statement: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """By which placements are told apart and ordered."""
        stated = (word for pair in self.in_place.items() for word in pair)
        return (self.device, self.use, self.statement, *self.levels, *stated)


class Unlike(StrEnum):
    """What is inconsistent about a placement."""

    SHORT = "short"  # weaker than the category asks for
    UNSTATED = "unstated"  # nobody said which measures are in place
    SAME_CATEGORY = "same-category"  # weaker than another of the same category
    HEAVIER = "heavier"  # weaker than another of a lighter category


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing said about one placement from one viewpoint."""

    what: Unlike
    placement: Placement
    viewpoint: str
    has: str
    """The strength in place; empty where unstated."""
    asked: str
    """The strength asked for, or the one that the other placement has."""
    other: Placement | None = None


def place(
    framework: Framework,
    device: SubjectId,
    use: str,
    levels: tuple[str, str],
    *,
    in_place: Mapping[str, str] | None = None,
    site: str = "",
    reason: str = "",
) -> Placement:
    """Place a device in a use.

    Raises:
        Malformed: ``risk.level-unknown``, ``risk.viewpoint-unknown``, ``risk.strength-unknown``,
            ``risk.words-too-long``.
    """
    if len(site) + len(reason) > _LONGEST:
        raise Malformed(
            "risk.words-too-long",
            f"more than {_LONGEST} characters of words",
            hint="say it shortly; a document can be cited as evidence",
            limit=_LONGEST,
        )
    stated = dict(sorted((in_place or {}).items()))
    for viewpoint, strength in stated.items():
        framework.viewpoint(viewpoint)
        framework.strength_rank(strength)
    return Placement(
        device=device,
        use=use,
        framework=framework.name,
        framework_digest=framework.digest,
        levels=levels,
        category=framework.category_at(*levels).id,
        in_place=stated,
        site=site,
        reason=reason,
    )


def claim_of(placement: Placement, framework: Framework, level: Level = Level.SELF) -> Claim:
    """The claim that states a placement; its subject is the device."""
    said: dict[str, Any] = {
        "framework": framework.name,
        "framework_version": framework.version,
        "framework_digest": framework.digest,
        "use": placement.use,
        "category": placement.category,
    }
    for axis, step in zip(framework.axes, placement.levels, strict=True):
        said[f"axis.{axis.id}"] = step
    said |= {f"in_place.{viewpoint}": s for viewpoint, s in placement.in_place.items()}
    said |= {k: v for k, v in (("site", placement.site), ("reason", placement.reason)) if v}
    return Claim(type=f"{CLAIM}:{placement.use}", level=level, claims=said)


def is_placement(claim: Claim) -> bool:
    """True for claims that place something."""
    return claim.type.startswith(f"{CLAIM}:")


def placement_of(
    claim: Claim, framework: Framework, device: SubjectId, *, issuer: str = "", statement: str = ""
) -> Placement:
    """The placement that a claim states, checked against the framework it names.

    Raises:
        Malformed: ``risk.placement-foreign`` where it names another framework or version;
            ``risk.placement-wrong`` where its category is not what its levels give; otherwise
            as ``place``.
    """
    said = claim.claims
    if said.get("framework") != framework.name or said.get("framework_digest") != framework.digest:
        raise Malformed(
            "risk.placement-foreign",
            f"the placement of {device} was made by another framework",
            why=f"it names {str(said.get('framework'))[:60]}, not {framework.name} as it is here",
            hint="place it anew, or give the framework document it was made by",
            device=device,
            framework=framework.name,
        )
    one, other = (str(said.get(f"axis.{axis.id}", "")) for axis in framework.axes)
    prefix = "in_place."
    made = place(
        framework,
        device,
        claim.type[len(CLAIM) + 1 :],
        (one, other),
        in_place={k[len(prefix) :]: str(v) for k, v in said.items() if k.startswith(prefix)},
        site=str(said.get("site", "")),
        reason=str(said.get("reason", "")),
    )
    if said.get("category") != made.category:
        raise Malformed(
            "risk.placement-wrong",
            f"the placement of {device} names a category that its levels do not give",
            why=f"{one} and {other} give {made.category}",
            hint="place it anew",
            device=device,
            category=made.category,
        )
    return Placement(
        device=made.device,
        use=made.use,
        framework=made.framework,
        framework_digest=made.framework_digest,
        levels=made.levels,
        category=made.category,
        in_place=made.in_place,
        site=made.site,
        reason=made.reason,
        issuer=issuer,
        statement=statement,
    )


def shortfalls(framework: Framework, placement: Placement) -> list[Difference]:
    """What is in place below what the category asks for, or is not stated."""
    required = framework.category(placement.category).required
    found = []
    for viewpoint in framework.viewpoints:
        asked = required[viewpoint.id]
        has = placement.in_place.get(viewpoint.id, "")
        if has and framework.strength_rank(has) >= framework.strength_rank(asked):
            continue
        if not has and framework.strength_rank(asked) == 0:
            continue
        found.append(
            Difference(
                what=Unlike.SHORT if has else Unlike.UNSTATED,
                placement=placement,
                viewpoint=viewpoint.id,
                has=has,
                asked=asked,
            )
        )
    return found


def compare(framework: Framework, placements: Iterable[Placement]) -> list[Difference]:
    """Every shortfall, and every placement that has weaker measures than one it should equal.

    For each placement and viewpoint at most one counterpart is named: the strongest of its own
    category, else the strongest of a lighter one.
    """
    ordered = sorted(placements, key=lambda p: p.key)
    found = [short for placement in ordered for short in shortfalls(framework, placement)]
    for viewpoint in framework.viewpoints:
        found += _weaker(framework, ordered, viewpoint.id)
    return found


def _weaker(
    framework: Framework, placements: Sequence[Placement], viewpoint: str
) -> list[Difference]:
    strongest: dict[int, tuple[int, Placement]] = {}
    for placement in placements:
        has = placement.in_place.get(viewpoint)
        if has is not None:
            weight, rank = framework.weight(placement.category), framework.strength_rank(has)
            if weight not in strongest or rank > strongest[weight][0]:
                strongest[weight] = (rank, placement)
    found = []
    for placement in placements:
        has = placement.in_place.get(viewpoint)
        if has is None:
            continue
        weight, rank = framework.weight(placement.category), framework.strength_rank(has)
        best = strongest[weight]
        what = Unlike.SAME_CATEGORY
        if best[0] <= rank:
            lighter = [strongest[w] for w in sorted(strongest) if w < weight]
            if not lighter:
                continue
            best, what = max(lighter, key=lambda pair: pair[0]), Unlike.HEAVIER
        if best[0] > rank:
            found.append(
                Difference(
                    what=what,
                    placement=placement,
                    viewpoint=viewpoint,
                    has=has,
                    asked=best[1].in_place[viewpoint],
                    other=best[1],
                )
            )
    return found
