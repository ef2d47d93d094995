# SPDX-License-Identifier: Apache-2.0
"""Framework documents: YAML or JSON to a ``Framework``, or a problem that names the line.

Keeps: read whole or refused. What would make judgements contradict each other is refused with the
rest: a spot without a category, more harm in a lighter category, a heavier category that asks for
less, a stronger strength that means less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from kizuna.criteria.risk.framework import Asks, Axis, Category, Framework, Step, Viewpoint
from kizuna.criteria.written import Reading, Spot
from kizuna.model.errors import Malformed
from kizuna.model.payload import Level

__all__ = ["framework_of", "read_framework"]

_EXAMPLE: Final = "kizuna risk frameworks iot-ssf --source"
_MOST: Final = 12


def read_framework(data: bytes, name: str = "framework") -> Framework:
    """Read a framework document in YAML (of which JSON is a part).

    Raises:
        Malformed: ``document.*`` and ``risk.table``, each with the line.
    """
    reading = Reading(name, _EXAMPLE)
    return _framework(reading, reading.text(data))


def framework_of(document: dict[str, Any], name: str = "framework") -> Framework:
    """Read the JSON form, as a statement or a store's folder carries it.

    Raises:
        Malformed: as ``read_framework``, with the path of the member instead of a line.
    """
    reading = Reading(name, _EXAMPLE)
    return _framework(reading, reading.document(document))


def _framework(reading: Reading, top: Spot) -> Framework:
    m = reading.members(
        top, "framework version title origin axes strengths viewpoints categories plane"
    )
    axes = [_axis(reading, at) for at in reading.entries(m["axes"])]
    if len(axes) != 2:
        reading.refuse(m["axes"], f"a plane has two axes, not {len(axes)}")
    reading.distinct((a.id, at) for a, at in zip(axes, m["axes"].value, strict=True))
    steps, asks = _strengths(reading, m["strengths"])
    viewpoints = tuple(_viewpoint(reading, at) for at in _few(reading, m["viewpoints"]))
    reading.distinct((v.id, at) for v, at in zip(viewpoints, m["viewpoints"].value, strict=True))
    categories = _categories(reading, m["categories"], viewpoints, steps)
    return Framework(
        name=reading.name(m["framework"]),
        version=reading.name(m["version"]),
        title=reading.words(m["title"]),
        origin=reading.words(m["origin"]),
        axes=(axes[0], axes[1]),
        categories=categories,
        cells=_plane(reading, m["plane"], axes, [c.id for c in categories]),
        viewpoints=viewpoints,
        strengths=steps,
        asks=asks,
    )


def _few(reading: Reading, at: Spot) -> list[Spot]:
    spots = reading.entries(at)
    if len(spots) > _MOST:
        reading.refuse(at, f"{len(spots)} entries, at most {_MOST}")
    return spots


def _steps(reading: Reading, at: Spot) -> tuple[Step, ...]:
    made = []
    for spot in _few(reading, at):
        m = reading.members(spot, "id title", "asks")
        made.append(Step(id=reading.name(m["id"]), title=reading.words(m["title"])))
    reading.distinct((s.id, spot) for s, spot in zip(made, at.value, strict=True))
    return tuple(made)


def _axis(reading: Reading, at: Spot) -> Axis:
    m = reading.members(at, "id title levels")
    for spot in reading.entries(m["levels"]):
        reading.members(spot, "id title")
    return Axis(
        id=reading.name(m["id"]),
        title=reading.words(m["title"]),
        levels=_steps(reading, m["levels"]),
    )


def _strengths(reading: Reading, at: Spot) -> tuple[tuple[Step, ...], Mapping[str, Asks]]:
    steps = _steps(reading, at)
    asks: dict[str, Asks] = {}
    before = Asks()
    for step, spot in zip(steps, at.value, strict=True):
        inner = spot.value.get("asks")
        found = _asks(reading, inner) if inner is not None else Asks()
        if not _as_much(found, before):
            _contradiction(
                reading, inner or spot, f"{step.id} asks for less than the strength before it"
            )
        asks[step.id] = before = found
    return steps, asks


def _as_much(one: Asks, than: Asks) -> bool:
    if one.level.rank < than.level.rank or (than.needed and not one.needed):
        return False
    return than.max_age is None or (one.max_age is not None and one.max_age <= than.max_age)


def _asks(reading: Reading, at: Spot) -> Asks:
    m = reading.members(at, "", "level max_age from needed")
    level = reading.one_of(m["level"], Level) if "level" in m else Level.SELF
    services = reading.each(m, "from", reading.name)
    if level is not Level.SELF and not services:
        reading.refuse(at, f"{level.value} needs `from`: who may confirm it")
    needed = m["needed"].value if "needed" in m else False
    if not isinstance(needed, bool):
        reading.refuse(m["needed"], "neither true nor false")
    return Asks(
        level=level,
        max_age=reading.duration(m["max_age"]) if "max_age" in m else None,
        services=services,
        needed=needed,
    )


def _viewpoint(reading: Reading, at: Spot) -> Viewpoint:
    m = reading.members(at, "id title", "claims")
    return Viewpoint(
        id=reading.name(m["id"]),
        title=reading.words(m["title"]),
        claims=reading.each(m, "claims", reading.name),
    )


def _categories(
    reading: Reading, at: Spot, viewpoints: tuple[Viewpoint, ...], steps: tuple[Step, ...]
) -> tuple[Category, ...]:
    ranks = {step.id: rank for rank, step in enumerate(steps)}
    made: list[Category] = []
    for spot in _few(reading, at):
        m = reading.members(spot, "id title required", "share")
        asked = reading.members(m["required"], " ".join(v.id for v in viewpoints))
        required = {v.id: reading.known(asked[v.id], ranks) for v in viewpoints}
        share = reading.number(m["share"], 0, 100) * 100 if "share" in m else None
        if made:
            lighter = made[-1]
            for viewpoint, strength in required.items():
                if ranks[strength] < ranks[lighter.required[viewpoint]]:
                    _contradiction(
                        reading,
                        asked[viewpoint],
                        f"heavier than {lighter.id}, yet asks for less: {strength}",
                    )
            if (lighter.share or 0) > (share or 0):
                _contradiction(reading, spot, f"heavier than {lighter.id}, yet a smaller share")
        made.append(
            Category(
                id=reading.name(m["id"]),
                title=reading.words(m["title"]),
                required=required,
                share=share,
            )
        )
    reading.distinct((c.id, spot) for c, spot in zip(made, at.value, strict=True))
    return tuple(made)


def _plane(
    reading: Reading, at: Spot, axes: list[Axis], categories: list[str]
) -> tuple[tuple[str, ...], ...]:
    first, second = axes
    rows = reading.entries(at)
    if len(rows) != len(first.levels):
        _contradiction(reading, at, f"one row for each of the {len(first.levels)} levels")
    weight = {name: rank for rank, name in enumerate(categories)}
    made: list[tuple[str, ...]] = []
    for row in rows:
        cells = reading.entries(row)
        if len(cells) != len(second.levels):
            why = f"one category for each of the {len(second.levels)} levels of {second.id}"
            _contradiction(reading, row, why)
        names = tuple(reading.known(cell, categories) for cell in cells)
        for j, cell in enumerate(cells):
            lighter = [names[j - 1]] if j else []
            lighter += [made[-1][j]] if made else []
            if any(weight[names[j]] < weight[name] for name in lighter):
                _contradiction(reading, cell, "more harm, yet a lighter category")
        made.append(names)
    return tuple(made)


def _contradiction(reading: Reading, at: Spot, why: str) -> NoReturn:
    raise Malformed("risk.table", **reading.told(at, why))
