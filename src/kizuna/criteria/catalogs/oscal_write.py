# SPDX-License-Identifier: Apache-2.0
"""A catalog in OSCAL's shape, for those whose publisher gave none (tables, and what we ship).

Keeps: identifiers, titles and order as they are; there is no text, because there was none.
"""

from __future__ import annotations

from typing import Any

from kizuna.criteria.catalogs.catalog import Catalog, Control

__all__ = ["shape_of"]


def shape_of(catalog: Catalog) -> dict[str, Any]:
    """``{"catalog": …}`` with the groups that its controls name."""
    made: dict[str, Any] = {
        "metadata": {
            "title": catalog.title,
            "version": catalog.version,
        }
    }
    placed: dict[str, dict[str, Any]] = {}
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for control in catalog.controls:
        row = _row(control)
        placed[control.id] = row
        parent = placed.get(control.parent) if control.parent else None
        if parent is not None:
            parent.setdefault("controls", []).append(row)
        else:
            _group(made, groups, control.group).setdefault("controls", []).append(row)
    return {"catalog": made}


def _group(
    top: dict[str, Any], groups: dict[tuple[str, ...], dict[str, Any]], path: tuple[str, ...]
) -> dict[str, Any]:
    if not path:
        return top
    if path not in groups:
        group: dict[str, Any] = {"title": path[-1]}
        _group(top, groups, path[:-1]).setdefault("groups", []).append(group)
        groups[path] = group
    return groups[path]


def _row(control: Control) -> dict[str, Any]:
    row: dict[str, Any] = {"id": control.id, "title": control.title}
    if control.kind:
        row["class"] = control.kind
    if control.label:
        row["props"] = [{"name": "label", "value": control.label}]
    if control.withdrawn:
        row.setdefault("props", []).append({"name": "status", "value": "withdrawn"})
        row["links"] = [{"href": f"#{r}", "rel": "moved-to"} for r in control.replaced_by] or []
        if not row["links"]:
            del row["links"]
    if control.parameters:
        row["params"] = [
            {"id": p.id}
            | ({"label": p.label} if p.label else {})
            | ({"select": {"choice": list(p.choices)}} if p.choices else {})
            for p in control.parameters
        ]
    return row
