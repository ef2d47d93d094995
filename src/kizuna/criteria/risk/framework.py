# SPDX-License-Identifier: Apache-2.0
"""A risk framework: two axes of harm, categories on the plane they span, and what each asks.

The pattern is that of METI's IoT Security Safety Framework (IoT-SSF): how hard a harm is to undo,
how much it costs, and from four viewpoints how strongly something is asked for. How likely a harm
is, is no axis, on purpose.

Keeps: 1. Names and numbers of levels, categories, viewpoints and strengths are the document's and
never ours. 2. Every spot of the plane has exactly one category. 3. More harm never lands in a
lighter category, and a heavier category never asks for less: the reader refuses any other table.
4. ``document`` is canonical, so equal frameworks have equal digests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.payload import Level

__all__ = ["Asks", "Axis", "Category", "Framework", "Step", "Viewpoint", "in_language"]

WHOLE: Final = 10_000


def in_language(words: Mapping[str, str], lang: str) -> str:
    """Words in a language, in English where there are none."""
    return words.get(lang) or words.get("en", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One level of an axis, or one strength."""

    id: str
    title: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One of the two axes, its levels from the least harm to the worst."""

    id: str
    title: Mapping[str, str] = field(hash=False)
    levels: tuple[Step, ...]

    def rank(self, level: str) -> int:
        """Where a level stands, the least harm first.

        Raises:
            Malformed: ``risk.level-unknown``.
        """
        return _place(
            self.levels,
            level,
            lambda known: Malformed(
                "risk.level-unknown",
                f"{self.id} has no level {level[:60]!r}",
                why=f"its levels are {known}",
                hint="give one of these",
                axis=self.id,
                level=level[:60],
                known=known,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A region of the plane; ``share`` (basis points) is how many of its parts must be in order,
    where a profile lets parts count by share; None leaves a profile's shares as they are.
    """

    id: str
    title: Mapping[str, str] = field(hash=False)
    required: Mapping[str, str] = field(hash=False)
    """The strength asked for, by viewpoint."""
    share: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewpoint:
    """From where measures are looked at; ``claims`` are the claim types that speak to it, and
    requirements of profiles whose ``risk`` is the viewpoint's id belong to it as well.
    """

    id: str
    title: Mapping[str, str] = field(hash=False)
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """What a strength means in a profile: assurance at least, age at most, and who may confirm
    where the requirement itself only names the supplier's word.
    """

    level: Level = Level.SELF
    max_age: int | None = None
    services: tuple[str, ...] = ()
    needed: bool = False
    """Whether silence about it is no answer any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """The whole; see the module. ``cells[i][j]`` is the category where the first axis stands at its
    level i and the second at its level j; categories are ordered from the lightest.
    """

    name: str
    version: str
    title: Mapping[str, str] = field(hash=False)
    origin: Mapping[str, str] = field(hash=False)
    """Where names and tables come from, said openly."""
    axes: tuple[Axis, Axis]
    categories: tuple[Category, ...]
    cells: tuple[tuple[str, ...], ...]
    viewpoints: tuple[Viewpoint, ...]
    strengths: tuple[Step, ...]
    asks: Mapping[str, Asks] = field(default_factory=dict, hash=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical document, in hexadecimal."""
        return sha256(self.canonical_bytes()).hexdigest()

    def canonical_bytes(self) -> bytes:
        """The document in the one spelling that is hashed (RFC 8785 form)."""
        return json.dumps(
            self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()

    def category(self, name: str) -> Category:
        """A category by its id.

        Raises:
            Absent: ``risk.category-unknown``.
        """
        return self.categories[self.weight(name)]

    def category_at(self, first: str, second: str) -> Category:
        """The category of a spot of the plane.

        Raises:
            Malformed: ``risk.level-unknown``.
        """
        one, other = self.axes
        return self.category(self.cells[one.rank(first)][other.rank(second)])

    def weight(self, category: str) -> int:
        """How heavy a category is, the lightest 0.

        Raises:
            Absent: ``risk.category-unknown``.
        """
        return _place(
            self.categories,
            category,
            lambda known: Absent(
                "risk.category-unknown",
                f"{self.name} has no category {category[:60]!r}",
                why=f"it has {known}",
                hint="`kizuna risk frameworks NAME` shows them",
                category=category[:60],
                known=known,
            ),
        )

    def strength_rank(self, strength: str) -> int:
        """How strong a strength is, the weakest 0.

        Raises:
            Malformed: ``risk.strength-unknown``.
        """
        return _place(
            self.strengths,
            strength,
            lambda known: Malformed(
                "risk.strength-unknown",
                f"{self.name} has no strength {strength[:60]!r}",
                why=f"its strengths are {known}",
                hint="give one of these",
                strength=strength[:60],
                known=known,
            ),
        )

    def viewpoint(self, name: str) -> Viewpoint:
        """A viewpoint by its id.

        Raises:
            Malformed: ``risk.viewpoint-unknown``.
        """
        place = _place(
            self.viewpoints,
            name,
            lambda known: Malformed(
                "risk.viewpoint-unknown",
                f"{self.name} has no viewpoint {name[:60]!r}",
                why=f"it has {known}",
                hint="give one of these",
                viewpoint=name[:60],
                known=known,
            ),
        )
        return self.viewpoints[place]

    def link_category(self, category: str) -> str:
        """What a link to something placed in this category carries as its risk category."""
        return f"{self.name}:{self.category(category).id}"

    def document(self) -> dict[str, Any]:
        """The framework as plain members, those at their default left out."""
        made: dict[str, Any] = {
            "framework": self.name,
            "version": self.version,
            "title": dict(self.title),
            "origin": dict(self.origin),
            "axes": [
                {"id": a.id, "title": dict(a.title), "levels": [_step(s) for s in a.levels]}
                for a in self.axes
            ],
            "strengths": [_strength(s, self.asks.get(s.id)) for s in self.strengths],
            "viewpoints": [
                {"id": v.id, "title": dict(v.title)}
                | ({"claims": list(v.claims)} if v.claims else {})
                for v in self.viewpoints
            ],
            "categories": [_category(c) for c in self.categories],
            "plane": [list(row) for row in self.cells],
        }
        return made


def _place(
    named: Sequence[Step | Category | Viewpoint],
    wanted: str,
    unknown: Callable[[str], Problem],
) -> int:
    """Where the one of this id stands; ``unknown`` is given the ids that there are."""
    for place, one in enumerate(named):
        if one.id == wanted:
            return place
    raise unknown(", ".join(one.id for one in named))


def _step(step: Step) -> dict[str, Any]:
    return {"id": step.id, "title": dict(step.title)}


def _strength(step: Step, asks: Asks | None) -> dict[str, Any]:
    made = _step(step)
    if asks is None or asks == Asks():
        return made
    inner: dict[str, Any] = {}
    if asks.level is not Level.SELF:
        inner["level"] = asks.level.value
    if asks.max_age is not None:
        inner["max_age"] = f"{asks.max_age} seconds"
    if asks.services:
        inner["from"] = list(asks.services)
    if asks.needed:
        inner["needed"] = True
    return made | {"asks": inner}


def _category(category: Category) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": category.id,
        "title": dict(category.title),
        "required": dict(category.required),
    }
    if category.share is not None:
        made["share"] = category.share // 100
    return made
