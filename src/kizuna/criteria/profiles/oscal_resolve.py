# SPDX-License-Identifier: Apache-2.0
"""Resolving an OSCAL profile: the catalog that is left when its choices are made.

Keeps: 1. Every import is found among what the caller hands over, or the whole is refused by name.
2. A profile that imports itself, over however many others, is refused. 3. Same input, same output,
byte for byte. 4. What was handed over stays as it was.
Standard: OSCAL 1.2.1, profile resolution.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from kizuna.criteria.profiles.oscal_modify import modify
from kizuna.criteria.profiles.oscal_select import (
    Shape,
    chosen_ids,
    copy_of,
    kept_tree,
    maps,
    oscal_problem,
)
from kizuna.model.errors import Malformed

__all__ = ["NAMESPACE", "OSCAL_VERSION", "Finder", "Resolved", "made_uuid", "resolve_profile"]

OSCAL_VERSION: Final = "1.2.1"
NAMESPACE: Final = "https://kizuna.example/ns/oscal"
"""Of the properties that OSCAL has no word for."""
_MAX_IMPORTS: Final = 200
_MAX_DEPTH: Final = 12
_LINKED: Final = re.compile(r"#([0-9A-Fa-f-]{36})")

Finder = Callable[[Sequence[str]], Shape | None]
"""Gives the document behind one of some references: ``{"catalog": …}`` or ``{"profile": …}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What came out: the catalog, and the changes that found nothing to change."""

    catalog: Shape
    lost: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the controls that are left, in their order."""
        found: list[str] = []

        def walk(node: Shape) -> None:
            for control in maps(node, "controls"):
                found.append(str(control.get("id")))
                walk(control)
            for group in maps(node, "groups"):
                walk(group)

        walk(self.catalog)
        return tuple(found)


def made_uuid(*words: str) -> str:
    """A UUID (version 5 by shape) that the same words always give."""
    return str(UUID(bytes=sha256("\0".join(words).encode()).digest()[:16], version=5))


def resolve_profile(document: Shape, find: Finder, *, now: int) -> Resolved:
    """Resolve a profile.

    Args:
        document: ``{"profile": …}`` in the JSON shape.
        find: hands over what it imports.
        now: seconds since 1970, for the result's date.

    Raises:
        Malformed: ``profile.oscal``, ``profile.import-unresolved``, ``profile.import-loop``,
            ``profile.control-absent``.
    """
    catalog, lost = _resolve(document, find, ())
    profile = document["profile"]
    metadata = profile["metadata"] if isinstance(profile.get("metadata"), dict) else {}
    title = str(metadata.get("title") or "profile")
    version = str(metadata.get("version") or "1")
    made: Shape = {
        "uuid": made_uuid("resolved", str(profile.get("uuid")), version),
        "metadata": {
            "title": title,
            "last-modified": datetime.fromtimestamp(now, UTC).isoformat(),
            "version": version,
            "oscal-version": OSCAL_VERSION,
            "props": [{"name": "resolution-tool", "value": "kizuna"}],
            "links": [{"href": f"urn:uuid:{profile.get('uuid')}", "rel": "source-profile"}],
        },
    }
    for member in ("params", "controls", "groups", "back-matter"):
        if catalog.get(member):
            made[member] = catalog[member]
    return Resolved(catalog=made, lost=tuple(lost))


def _resolve(document: Shape, find: Finder, above: tuple[str, ...]) -> tuple[Shape, list[str]]:
    profile = document.get("profile")
    if not isinstance(profile, dict):
        raise oscal_problem("no OSCAL profile")
    name = str(profile.get("uuid") or "")
    if name in above or len(above) > _MAX_DEPTH:
        raise Malformed(
            "profile.import-loop",
            "the profile imports itself, or profiles nest too deeply",
            why=" → ".join((*above, name))[:500],
            hint="an import leads to a catalog in the end",
            name=name,
        )
    imports = maps(profile, "imports")
    if not 0 < len(imports) <= _MAX_IMPORTS:
        raise oscal_problem(f"{len(imports)} imports; 1 to {_MAX_IMPORTS} are read")
    parts: list[Shape] = []
    lost: list[str] = []
    for imported in imports:
        source, more = _source(profile, imported, find, (*above, name))
        lost += more
        kept = kept_tree(source, chosen_ids(source, imported, _called(profile), lost))
        if kept is not None:
            parts.append(kept)
    merged = _merged(profile, parts)
    merged = copy_of(merged)
    changes = profile.get("modify", {})
    if not isinstance(changes, dict):
        raise oscal_problem("modify is a map")
    lost += modify(merged, changes)
    _keep_linked(merged, parts, profile)
    return merged, lost


def _source(
    profile: Shape, imported: Shape, find: Finder, above: tuple[str, ...]
) -> tuple[Shape, list[str]]:
    href = str(imported.get("href") or "")
    names = [href]
    matter = profile.get("back-matter", {})
    for resource in maps(matter, "resources") if isinstance(matter, dict) else ():
        if href == f"#{resource.get('uuid')}":
            names += [str(link.get("href") or "") for link in maps(resource, "rlinks")]
            names += [str(resource.get("title") or ""), str(resource.get("description") or "")]
    found = find([n for n in names if n])
    if found is None:
        raise Malformed(
            "profile.import-unresolved",
            f"nothing at hand stands for {(names[1] if names[1:] else href)[:160]!r}",
            why="it refers to " + ", ".join(n[:120] for n in names[1:4]) if names[1:] else "",
            hint="import that catalog, or name the one to use with --catalog",
            href=(names[1] if names[1:] else href)[:160],
        )
    if isinstance(found.get("catalog"), dict):
        return found["catalog"], []
    return _resolve(found, find, above)


def _called(profile: Shape) -> str:
    metadata = profile.get("metadata")
    title = metadata.get("title") if isinstance(metadata, dict) else None
    return str(title or "the profile")[:120]


def _merged(profile: Shape, parts: Sequence[Shape]) -> Shape:
    merge = profile.get("merge", {})
    if not isinstance(merge, dict):
        raise oscal_problem("merge is a map")
    combine = merge.get("combine", {})
    method = combine.get("method", "use-first") if isinstance(combine, dict) else "use-first"
    together = _together(parts, first_only=method != "keep")
    if merge.get("as-is") is True:
        return together
    controls = [c for group in _in_order(together) for c in maps(group, "controls")]
    if isinstance(merge.get("custom"), dict):
        return _custom(merge["custom"], controls)
    return {"controls": controls}


def _in_order(node: Shape) -> list[Shape]:
    """A catalog and its groups in the order of the file."""
    found = [node]
    for group in maps(node, "groups"):
        found += _in_order(group)
    return found


def _together(parts: Sequence[Shape], *, first_only: bool) -> Shape:
    """Several catalogs as one: groups of one id become one, of two controls the first stays."""
    if len(parts) == 1:
        return parts[0]
    made: Shape = {}
    for part in parts:
        _join(made, part)
    if first_only:
        seen: set[str] = set()
        for group in _in_order(made):
            if "controls" in group:
                group["controls"] = _once(group, seen)
    return made


def _join(into: Shape, part: Shape) -> None:
    for member in ("params", "controls"):
        if member in part:
            into[member] = [*maps(into, member), *maps(part, member)]
    groups = {str(g.get("id")): g for g in maps(into, "groups") if "id" in g}
    for group in maps(part, "groups"):
        there = groups.get(str(group.get("id")))
        if there is None:
            fresh = {k: v for k, v in group.items() if k not in ("groups", "controls", "params")}
            _join(fresh, group)
            into.setdefault("groups", []).append(fresh)
        else:
            _join(there, group)


def _once(node: Shape, seen: set[str]) -> list[Shape]:
    kept = []
    for control in maps(node, "controls"):
        name = str(control.get("id"))
        if name in seen:
            continue
        seen.add(name)
        made = dict(control)
        if "controls" in made:
            made["controls"] = _once(made, seen)
        kept.append(made)
    return kept


def _custom(custom: Shape, controls: Sequence[Shape], depth: int = 0) -> Shape:
    """The structure that the profile itself draws up."""
    if depth > _MAX_DEPTH:
        raise oscal_problem("custom groups nest too deeply")
    made: Shape = {k: v for k, v in custom.items() if k not in ("groups", "insert-controls")}
    for insert in maps(custom, "insert-controls"):
        flat = {"controls": list(controls)}
        order = insert.get("order", "keep")
        taken = chosen_ids(flat, insert, "a custom group")
        kept = list((kept_tree(flat, taken) or {}).get("controls", ()))
        if order in ("ascending", "descending"):
            kept.sort(key=lambda c: str(c.get("id")), reverse=order == "descending")
        made.setdefault("controls", []).extend(kept)
    groups = [_custom(g, controls, depth + 1) for g in maps(custom, "groups")]
    if groups:
        made["groups"] = groups
    return made


def _keep_linked(catalog: Shape, parts: Sequence[Shape], profile: Shape) -> None:
    """Of the references, those that something left refers to."""
    wanted: set[str] = set()
    waiting: list[Any] = [catalog.get("controls"), catalog.get("groups")]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            href = at.get("href")
            if isinstance(href, str) and href.startswith("#"):
                wanted.add(href[1:])
            prose = at.get("prose")
            if isinstance(prose, str) and "(#" in prose:
                wanted.update(_LINKED.findall(prose))
            waiting.extend(v for v in at.values() if isinstance(v, dict | list))
        elif isinstance(at, list):
            waiting.extend(at)
    resources: dict[str, Shape] = {}
    for holder in (*parts, profile):
        matter = holder.get("back-matter", {})
        for resource in maps(matter, "resources") if isinstance(matter, dict) else ():
            if str(resource.get("uuid")) in wanted:
                resources.setdefault(str(resource.get("uuid")), resource)
    catalog.pop("back-matter", None)
    if resources:
        catalog["back-matter"] = {"resources": list(resources.values())}
