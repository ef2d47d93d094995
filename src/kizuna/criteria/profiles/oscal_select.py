# SPDX-License-Identifier: Apache-2.0
"""Which controls of a catalog an OSCAL profile takes, and in what structure they come out.

Keeps: 1. A control that is named and not there is refused, never passed over: the baseline would be
weaker than it reads. 2. The order is the catalog's. 3. What the profile does not take is not in
what comes out, also not below a control that it takes.
Standard: OSCAL 1.2.1, profile resolution: import and merge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate
from typing import Any, Final

from kizuna.model.errors import Malformed

__all__ = ["Shape", "chosen_ids", "copy_of", "kept_tree", "maps", "oscal_problem"]

Shape = dict[str, Any]
_MAX_PATTERNS: Final = 1_000
_MAX_PATTERN: Final = 200
_DEPTH: Final = 24


def chosen_ids(
    catalog: Shape, imported: Shape, name: str, idle: list[str] | None = None
) -> set[str]:
    """The ids that one import takes; ``idle`` gains the patterns that no control matches.

    Raises:
        Malformed: ``profile.control-absent``, ``profile.oscal``.
    """
    children: dict[str, list[str]] = {}
    order: list[str] = []
    for control, parent in _controls(catalog, None, 0):
        own = str(control.get("id"))
        order.append(own)
        children[own] = []
        if parent is not None:
            children[parent].append(own)
    taken: set[str] = set()
    if "include-all" in imported:
        taken.update(order)
    elif "include-controls" in imported:
        for select in maps(imported, "include-controls"):
            taken |= _selected(select, order, children, name, idle)
    else:
        taken.update(order)  # an import that names nothing takes everything
    for select in maps(imported, "exclude-controls"):
        taken -= _selected(select, order, children, name)
    return taken


def kept_tree(node: Shape, taken: set[str], depth: int = 0) -> Shape | None:
    """A catalog or group with what is taken; None where nothing is left.

    A control whose parent is not taken moves to its parent's place.
    """
    if depth > _DEPTH:
        raise oscal_problem(f"deeper than {_DEPTH} levels")
    made = {k: v for k, v in node.items() if k not in ("controls", "groups")}
    controls = list(_kept_controls(node, taken, depth))
    groups = [g for g in (kept_tree(g, taken, depth + 1) for g in maps(node, "groups")) if g]
    if controls:
        made["controls"] = controls
    if groups:
        made["groups"] = groups
    return made if controls or groups else None


def copy_of(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """A copy that nobody else holds."""
    if isinstance(value, dict):
        return {k: copy_of(v) for k, v in value.items()}
    if isinstance(value, list):
        return [copy_of(v) for v in value]
    return value


def maps(node: Mapping[str, Any], name: str) -> list[Shape]:
    """A member that is a list of maps.

    Raises:
        Malformed: ``profile.oscal``.
    """
    value = node.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise oscal_problem(f"{name} is a list of maps")
    return value


def oscal_problem(why: str) -> Malformed:
    """The problem of an OSCAL profile that cannot be read."""
    return Malformed(
        "profile.oscal",
        f"the OSCAL profile cannot be used: {why}",
        why=why,
        hint="get the file again from its publisher, or mend what is named",
        fault=why[:200],
    )


def _controls(node: Shape, parent: str | None, depth: int) -> Iterator[tuple[Shape, str | None]]:
    if depth > _DEPTH:
        raise oscal_problem(f"deeper than {_DEPTH} levels")
    for control in maps(node, "controls"):
        yield control, parent
        yield from _controls(control, str(control.get("id")), depth + 1)
    for group in maps(node, "groups"):
        yield from _controls(group, parent, depth + 1)


def _kept_controls(node: Shape, taken: set[str], depth: int) -> Iterator[Shape]:
    for control in maps(node, "controls"):
        below = list(_kept_controls(control, taken, depth + 1)) if "controls" in control else []
        if str(control.get("id")) not in taken:
            yield from below
            continue
        made = {k: v for k, v in control.items() if k != "controls"}
        if below:
            made["controls"] = below
        yield made


def _selected(
    select: Shape,
    order: Sequence[str],
    children: Mapping[str, Sequence[str]],
    name: str,
    idle: list[str] | None = None,
) -> set[str]:
    found: set[str] = set()
    for wanted in _texts(select, "with-ids"):
        if wanted not in children:
            raise Malformed(
                "profile.control-absent",
                f"{name} names {wanted[:80]}, which the catalog does not have",
                why="leaving it out would make the profile weaker than it reads",
                hint="give the catalog that the profile was made for",
                control=wanted[:80],
                name=name,
            )
        found.add(wanted)
    patterns = [str(m.get("pattern") or "") for m in maps(select, "matching")]
    if len(patterns) > _MAX_PATTERNS or any(not 0 < len(p) <= _MAX_PATTERN for p in patterns):
        raise oscal_problem("too many patterns, or one that is empty or too long")
    for pattern in patterns:
        # runs of stars mean the same as one, and take exponentially longer
        matches = re.compile(translate(re.sub(r"\*+", "*", pattern))).match
        matched = [i for i in order if matches(i)]
        found.update(matched)
        if not matched and idle is not None:
            idle.append(pattern)
    if select.get("with-child-controls") == "yes":
        waiting = list(found)
        while waiting:
            below = [c for c in children[waiting.pop()] if c not in found]
            found.update(below)
            waiting.extend(below)
    return found


def _texts(node: Shape, name: str) -> list[str]:
    value = node.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise oscal_problem(f"{name} is a list of ids")
    return value
