# SPDX-License-Identifier: Apache-2.0
"""OSCAL catalogs, JSON and XML.

Keeps: 1. A control counts once: entries that only hold the wording of the requirement around them
(``security_requirement`` in SP 800-171) are part of it. 2. Withdrawn is what the publisher marks
so; the one published file without marks (CSF 2.0 in XML) is told by its identity and read by what
marks its entries instead: a category in force has a statement, a subcategory in force has examples.
Standard: OSCAL 1.1.3 catalog model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from kizuna.criteria.catalogs.catalog import Catalog, Control, Parameter, malformed
from kizuna.criteria.catalogs.names import short_name
from kizuna.criteria.catalogs.oscal_xml import json_shape

__all__ = ["controls_in", "every_control", "oscal_shape", "read_oscal"]

_LIMIT: Final = 64 << 20
_DEPTH: Final = 24
_WORDING: Final = frozenset({"security_requirement"})
_REPLACING: Final = frozenset({"incorporated-into", "moved-to", "addressed-by"})
_CSF_2: Final = "CSF_2_0_0"


def oscal_shape(data: bytes) -> dict[str, Any]:
    """An OSCAL document in its JSON shape, whichever form it came in.

    Raises:
        Malformed: ``catalog.malformed``.
    """
    if len(data) > _LIMIT:
        raise malformed(f"{len(data)} bytes, at most {_LIMIT}")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return json_shape(data)
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as fault:
        raise malformed(str(fault)[:120]) from fault
    if not isinstance(found, dict):
        raise malformed("no JSON object")
    return found


def read_oscal(data: bytes, *, name: str | None = None) -> Catalog:
    """A catalog from an OSCAL file.

    Args:
        data: the file.
        name: what to call it; by default made from its title and version.

    Raises:
        Malformed: ``catalog.malformed``.
    """
    shape = oscal_shape(data).get("catalog")
    if not isinstance(shape, dict):
        raise malformed("not an OSCAL catalog")
    metadata = _map(shape, "metadata")
    title, version = _text(metadata, "title"), _text(metadata, "version")
    if not title or not version:
        raise malformed("it has no title or no version")
    unmarked = _unmarked_csf(shape, metadata)
    return Catalog(
        id=name or short_name(title, version, _identity(metadata)),
        title=title,
        version=version,
        controls=tuple(_control(*found, unmarked=unmarked) for found in controls_in(shape)),
        source=sha256(data).hexdigest(),
    )


def controls_in(
    shape: Mapping[str, Any],
) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...], str | None]]:
    """Every control with the groups above it and the control it stands in, in the file's order."""

    def walk(
        node: Mapping[str, Any], groups: tuple[str, ...], parent: str | None, depth: int
    ) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...], str | None]]:
        if depth > _DEPTH:
            raise malformed(f"deeper than {_DEPTH} levels")
        for control in _maps(node, "controls"):
            if control.get("class") in _WORDING:
                continue
            yield control, groups, parent
            yield from walk(control, groups, _text(control, "id"), depth + 1)
        for group in _maps(node, "groups"):
            title = _text(group, "title") or _text(group, "id")
            yield from walk(group, (*groups, title), parent, depth + 1)

    return walk(shape, (), None, 0)


def every_control(shape: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """As ``controls_in``, with the entries that only hold wording."""
    waiting: list[tuple[Mapping[str, Any], int]] = [(shape, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEPTH:
            raise malformed(f"deeper than {_DEPTH} levels")
        for control in _maps(node, "controls"):
            yield control
            waiting.append((control, depth + 1))
        waiting += [(group, depth + 1) for group in _maps(node, "groups")]


def _control(
    node: Mapping[str, Any], groups: tuple[str, ...], parent: str | None, *, unmarked: bool
) -> Control:
    label = status = ""
    for prop in _maps(node, "props"):
        name, value = prop.get("name"), _text(prop, "value")
        if name == "label" and (not label or not prop.get("class")):
            label = value
        elif name == "status":
            status = value.casefold()
        elif name == "sort-id" and not label and re.fullmatch(r"[0-9.]+", value):
            label = value
    withdrawn = status == "withdrawn" or (unmarked and not _in_force(node))
    return Control(
        id=_text(node, "id"),
        title=_text(node, "title") or _text(node, "id"),
        label=label,
        kind=_text(node, "class"),
        group=groups,
        parent=parent,
        withdrawn=withdrawn,
        replaced_by=tuple(
            _text(link, "href").removeprefix("#")
            for link in _maps(node, "links")
            if withdrawn and _text(link, "rel").replace("_", "-") in _REPLACING
        ),
        parameters=tuple(_parameter(p) for p in _maps(node, "params")),
    )


def _parameter(node: Mapping[str, Any]) -> Parameter:
    choice = _map(node, "select").get("choice", [])
    if not isinstance(choice, list):
        raise malformed("choice is a list")
    return Parameter(
        id=_text(node, "id"),
        label=_text(node, "label"),
        choices=tuple(c for c in choice if isinstance(c, str)),
    )


def _unmarked_csf(shape: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether this is CSF 2.0 in the form that marks nothing as withdrawn."""
    return _identity(metadata) == _CSF_2 and not any(
        p.get("name") == "status" for node, _, _ in controls_in(shape) for p in _maps(node, "props")
    )


def _identity(metadata: Mapping[str, Any]) -> str:
    """The publisher's own name of framework and version, where it gives one."""
    for prop in _maps(metadata, "props"):
        if prop.get("name") == "framework-version-identifier":
            return _text(prop, "value")
    return ""


def _in_force(node: Mapping[str, Any]) -> bool:
    parts = _maps(node, "parts")
    if node.get("class") == "subcategory":
        return any(p.get("name") == "example" for p in parts)
    return any(p.get("name") == "statement" and p.get("prose") for p in parts)


def _map(node: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = node.get(name, {})
    if not isinstance(value, dict):
        raise malformed(f"{name} is a map")
    return value


def _maps(node: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    value = node.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise malformed(f"{name} is a list of maps")
    return value


def _text(node: Mapping[str, Any], name: str) -> str:
    value = node.get(name, "")
    if not isinstance(value, str):
        raise malformed(f"{name} is text")
    return value
