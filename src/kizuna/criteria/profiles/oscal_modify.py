# SPDX-License-Identifier: Apache-2.0
"""What an OSCAL profile changes in the controls that it takes: parameters, additions, removals.

Keeps: 1. Only what is in the result is changed; the catalog it came from is not. 2. A change that
finds nothing to change is told, never passed over.
Standard: OSCAL 1.2.1, profile resolution: modify.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kizuna.criteria.profiles.oscal_select import Shape, maps, oscal_problem

__all__ = ["modify"]

_MEMBER: Final = {"param": "params", "prop": "props", "link": "links", "part": "parts"}
_SET: Final = ("class", "label", "usage", "constraints", "guidelines", "values", "select")
_ADDED: Final = ("params", "props", "links", "parts")
_DEPTH: Final = 24


def modify(catalog: Shape, changes: Shape) -> list[str]:
    """Change a resolved catalog in place; returns what could not be found.

    Raises:
        Malformed: ``profile.oscal``.
    """
    controls = {str(c.get("id")): c for c in _every(catalog, 0)}
    params: dict[str, Shape] = {}
    for control in controls.values():
        for param in maps(control, "params"):
            params.setdefault(str(param.get("id")), param)
    for group in _groups(catalog):
        for param in maps(group, "params"):
            params.setdefault(str(param.get("id")), param)
    lost: list[str] = []
    for wanted in maps(changes, "set-parameters"):
        name = str(wanted.get("param-id"))
        if name in params:
            _set(params[name], wanted)
        else:
            lost.append(name)
    for alter in maps(changes, "alters"):
        name = str(alter.get("control-id"))
        if name not in controls:
            lost.append(name)
            continue
        for remove in maps(alter, "removes"):
            _remove(controls[name], remove, 0)
        lost += [
            f"{name}: {add.get('by-id')}"
            for add in maps(alter, "adds")
            if not _add(controls[name], add)
        ]
    return lost


def _set(param: Shape, wanted: Shape) -> None:
    for member in _SET:
        if member in wanted:
            param[member] = wanted[member]
    if "values" in wanted:
        param.pop("select", None)  # one or the other: a value that is set ends the choice
    for member in ("props", "links"):
        if member in wanted:
            param[member] = [*maps(param, member), *maps(wanted, member)]


def _remove(node: Shape, remove: Shape, depth: int) -> None:
    if depth > _DEPTH:
        raise oscal_problem(f"deeper than {_DEPTH} levels")
    tests = {
        "name": remove.get("by-name"),
        "class": remove.get("by-class"),
        "id": remove.get("by-id"),
        "ns": remove.get("by-ns"),
    }
    wanted = {k: v for k, v in tests.items() if v is not None}
    item = remove.get("by-item-name")
    if not wanted and item is None:
        raise oscal_problem("a removal says by what")
    for kind, member in _MEMBER.items():
        if member not in node:
            continue
        left = [
            one
            for one in maps(node, member)
            if (item is not None and item != kind)
            or any(one.get(test) != value for test, value in wanted.items())
        ]
        for one in left:
            _remove(one, remove, depth + 1)
        if left:
            node[member] = left
        else:
            del node[member]


def _add(control: Shape, add: Shape) -> bool:
    place, name = str(add.get("position") or "ending"), add.get("by-id")
    if place not in ("before", "after", "starting", "ending"):
        raise oscal_problem(f"no position {place[:40]!r}")
    if name is None or name == control.get("id"):
        _put(control, add, at_start=place in ("starting", "before"))
        return True
    return _add_at(control, str(name), place, add, 0)


def _add_at(node: Shape, name: str, place: str, add: Shape, depth: int) -> bool:
    if depth > _DEPTH:
        return False
    for member in ("parts", "params"):
        items = maps(node, member)
        for number, item in enumerate(items):
            if item.get("id") == name:
                if place in ("starting", "ending"):
                    _put(item, add, at_start=place == "starting")
                else:
                    at = number + (place == "after")
                    node[member] = [*items[:at], *maps(add, member), *items[at:]]
                return True
            if _add_at(item, name, place, add, depth + 1):
                return True
    return False


def _put(node: Shape, add: Shape, *, at_start: bool) -> None:
    if isinstance(add.get("title"), str):
        node["title"] = add["title"]
    for member in _ADDED:
        more = maps(add, member)
        if more:
            there = maps(node, member)
            node[member] = [*more, *there] if at_start else [*there, *more]


def _every(node: Shape, depth: int) -> Iterator[Shape]:
    if depth > _DEPTH:
        raise oscal_problem(f"deeper than {_DEPTH} levels")
    for control in maps(node, "controls"):
        yield control
        yield from _every(control, depth + 1)
    for group in maps(node, "groups"):
        yield from _every(group, depth + 1)


def _groups(catalog: Shape) -> Iterator[Shape]:
    waiting: list[Any] = [catalog]
    while waiting:
        at = waiting.pop()
        yield at
        waiting.extend(maps(at, "groups"))
