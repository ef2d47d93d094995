# SPDX-License-Identifier: Apache-2.0
"""Catalogs from a table (CSV): for standards that their publisher gives as a document only.

Keeps: 1. Identifiers are taken as they are written; nothing is made up and nothing is repaired.
2. Read whole or refused with the row that is wrong. 3. A column that is not known is refused, so
that no column is believed to say what it does not.

Columns: ``id`` and ``title`` are needed; ``title:ja`` and the like, ``label``, ``group``,
``parent``, ``class``, ``withdrawn`` (yes or nothing) and ``replaced_by`` (ids, with blanks
between) may be there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from kizuna.criteria.catalogs.catalog import MAX_CONTROLS, Catalog, Control, malformed
from kizuna.criteria.catalogs.names import checked_version, short_name

__all__ = ["read_table", "rows_of"]

_LIMIT: Final = 16 << 20
_FIELD: Final = 10_000
_KNOWN: Final = frozenset(
    {"id", "title", "label", "group", "parent", "class", "withdrawn", "replaced_by"}
)
_IN_LANGUAGE: Final = re.compile(r"title:([a-z]{2,3})")
_YES: Final = frozenset({"yes", "true", "1", "x", "withdrawn"})
_NO: Final = frozenset({"", "no", "false", "0", "active"})


def read_table(
    data: bytes, *, name: str | None = None, title: str | None = None, version: str = "1"
) -> Catalog:
    """A catalog from a CSV file.

    Raises:
        Malformed: ``catalog.malformed``, with the row.
    """
    controls = tuple(_control(line, row) for line, row in rows_of(data))
    called = title or name or "catalog"
    return Catalog(
        id=name or short_name(called, version),
        title=called,
        version=checked_version(version),
        controls=controls,
        source=sha256(data).hexdigest(),
    )


def rows_of(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the table by column, each with its line."""
    if len(data) > _LIMIT:
        raise malformed(f"{len(data)} bytes, at most {_LIMIT}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise malformed("not UTF-8 text; save the table as CSV UTF-8") from fault
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [column.strip().casefold() for column in next(lines, [])]
        _check_head(head)
        for row in lines:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(head):
                raise malformed(f"line {lines.line_num}: {len(row)} cells, {len(head)} columns")
            if lines.line_num > 4 * MAX_CONTROLS or any(len(cell) > _FIELD for cell in row):
                raise malformed(f"line {lines.line_num}: too many lines, or too long a cell")
            yield lines.line_num, {k: v.strip() for k, v in zip(head, row, strict=True)}
    except csv.Error as fault:
        raise malformed(f"line {lines.line_num}: {fault}") from fault


def _check_head(head: list[str]) -> None:
    if not {"id", "title"} <= set(head):
        raise malformed("neither OSCAL nor a table with the columns id and title")
    if len(set(head)) != len(head):
        raise malformed("a column stands there twice")
    strange = [c for c in head if c not in _KNOWN and not _IN_LANGUAGE.fullmatch(c)]
    if strange:
        raise malformed(
            f"unknown column {strange[0][:40]!r}; known are {', '.join(sorted(_KNOWN))}"
        )


def _control(line: int, row: dict[str, str]) -> Control:
    if not row["id"] or not row["title"]:
        raise malformed(f"line {line}: no id, or no title")
    gone = row.get("withdrawn", "").casefold()
    if gone not in _YES | _NO:
        raise malformed(f"line {line}: withdrawn is yes or empty, not {gone[:20]!r}")
    group = row.get("group", "")
    return Control(
        id=row["id"],
        title=row["title"],
        label=row.get("label", ""),
        kind=row.get("class", ""),
        group=(group,) if group else (),
        parent=row.get("parent") or None,
        withdrawn=gone in _YES,
        replaced_by=tuple(row.get("replaced_by", "").split()),
        titles={
            found[1]: value
            for column, value in row.items()
            if value and (found := _IN_LANGUAGE.fullmatch(column))
        },
    )
