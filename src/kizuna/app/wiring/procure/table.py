# SPDX-License-Identifier: Apache-2.0
"""The answer to a request as a table for a spreadsheet.

Keeps: one row for each line and candidate; no cell is a formula, whatever a stranger put into a
name; cp932 where it is asked for, with what it cannot write replaced, never lost in silence.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["COLUMNS", "cell", "table_bytes", "table_of"]

COLUMNS: Final = (
    "line",
    "part",
    "name",
    "quantity",
    "decision",
    "supplier",
    "supplier_name",
    "supplier_decision",
    "choose",
    "missing",
    "turn",
    "by",
)

_ACTIVE: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""Beginnings of formulas; those of full width are ones to a spreadsheet in Japanese."""


def table_of(told: Mapping[str, Any], *, encoding: str = "utf-8-sig") -> bytes:
    """The answer (``Answer.told``) as CSV."""
    return table_bytes((COLUMNS, *_rows(told)), encoding)


def table_bytes(rows: Any, encoding: str) -> bytes:  # noqa: ANN401 - rows of cells
    """Rows as CSV bytes that no spreadsheet takes for formulas."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows([cell(c) for c in row] for row in rows)
    return out.getvalue().encode(encoding, "xmlcharrefreplace")


def cell(value: object) -> str:
    """A cell that stays text in a spreadsheet."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_ACTIVE) else text


def _rows(told: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for line in told["lines"]:
        for one in line["suppliers"] or [None]:
            missing = [*line["missing"], *(one["missing"] if one else ())]
            yield (
                line["line"],
                line["part"],
                line["name"],
                line["quantity"],
                line["decision"],
                one["supplier"] if one else "",
                one["name"] if one else "",
                one["decision"] if one else "",
                "x" if one and one["supplier"] == line["choose"] else "",
                " / ".join(dict.fromkeys(m["message"] for m in missing)),
                " / ".join(dict.fromkeys(m["turn_name"] for m in missing)),
                _day(missing[0]["by"] if missing else None),
            )
    if not told["lines"] and told["product"]:
        product = told["product"]
        yield (
            "",
            product["part"],
            product["name"],
            "",
            product["decision"],
            *([""] * 4),
            " / ".join(dict.fromkeys(m["message"] for m in product["missing"])),
            " / ".join(dict.fromkeys(m["turn_name"] for m in product["missing"])),
            _day(product["missing"][0]["by"] if product["missing"] else None),
        )


def _day(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
