# SPDX-License-Identifier: Apache-2.0
"""The text of one control, out of the file that the user got from its publisher.

Keeps: 1. Text is only ever read from that file, when somebody asks for it; it enters no statement.
2. Blanks that a tailoring fills in are shown filled in, others in brackets by their label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kizuna.criteria.catalogs.catalog import Catalog
from kizuna.criteria.catalogs.oscal import every_control, oscal_shape

__all__ = ["wording_of"]

_INSERT: Final = re.compile(r"\{\{\s*insert:\s*param\s*,\s*([^\s}]+)\s*\}\}")
_SHOWN: Final = frozenset({"statement", "item", "guidance", "example", "overview"})
_DEEP: Final = 12
_NESTED: Final = 3
_LONGEST: Final = 1 << 16
"""Most characters that are put into the blanks of one part."""


def wording_of(
    catalog: Catalog,
    control: str,
    source: bytes,
    settings: Mapping[str, str] | None = None,
) -> list[str]:
    """The lines of a control's text; nothing where the source has none (a table, for example).

    Raises:
        Absent: ``catalog.no-such-control``. Malformed: ``catalog.malformed``.
    """
    wanted = catalog.find(control).id
    if source.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"<", b"{"):
        return []
    shape = oscal_shape(source).get("catalog")
    if not isinstance(shape, dict):
        return []
    blanks: dict[str, str] = {}
    found: Mapping[str, Any] | None = None
    for node in every_control(shape):
        for param in _maps(node, "params"):
            blanks.setdefault(str(param.get("id")), _blank(param))
        if node.get("id") == wanted:
            found = node
    if found is None:
        return []
    blanks |= settings or {}
    return list(_lines(found, blanks, 0))


def _lines(node: Mapping[str, Any], blanks: Mapping[str, str], depth: int) -> Iterator[str]:
    if depth > _DEEP:
        return
    if node.get("class") == "security_requirement" or "parts" in node:
        for part in _maps(node, "parts"):
            if part.get("name") not in _SHOWN:
                continue
            label = next(
                (str(p.get("value")) for p in _maps(part, "props") if p.get("name") == "label"), ""
            )
            prose = part.get("prose")
            words = _filled(prose, blanks) if isinstance(prose, str) else ""
            if words or label:
                yield "  " * depth + f"{label} {words}".strip()
            yield from _lines(part, blanks, depth + 1)
    for control in _maps(node, "controls"):
        if control.get("class") == "security_requirement":
            yield from _lines(control, blanks, depth)


def _filled(prose: str, blanks: Mapping[str, str]) -> str:
    words, room = prose, _LONGEST

    def fill(blank: re.Match[str]) -> str:
        nonlocal room
        value = blanks.get(blank[1], f"[{blank[1]}]")
        room -= len(value)
        # blanks that hold blanks that hold blanks could come to any length
        return value if room > 0 else f"[{blank[1]}]"

    for _ in range(_NESTED):  # a choice may hold a blank of its own
        words = _INSERT.sub(fill, words)
    return " ".join(words.split())


def _blank(param: Mapping[str, Any]) -> str:
    values = param.get("values")
    if isinstance(values, list) and values:
        return ", ".join(str(v) for v in values)
    select = param.get("select")
    if isinstance(select, dict) and isinstance(select.get("choice"), list):
        return "[" + " | ".join(str(c) for c in select["choice"]) + "]"
    return f"[{param.get('label') or param.get('id')}]"


def _maps(node: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = node.get(name, [])
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
