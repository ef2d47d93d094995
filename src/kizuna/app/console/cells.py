# SPDX-License-Identifier: Apache-2.0
"""Values as pages, tables and command lines show them.

Keeps: 1. No cell of a table is taken for a formula. 2. A command that is shown can be pasted: every
value in it is quoted. 3. An instant says that it is UTC.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from kizuna.app.console.drawing import mark
from kizuna.model.finding import Value

__all__ = ["clock", "quoted", "table", "verdict_mark"]

_ACTIVE: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""Beginnings of formulas; those of full width are ones to a spreadsheet in Japanese."""


@lru_cache(maxsize=4096)
def clock(moment: int | str) -> str:
    """An instant as people read it, in UTC and saying so."""
    if isinstance(moment, str):
        try:
            when = datetime.fromisoformat(moment).astimezone(UTC)
        except ValueError:
            return moment
    else:
        try:
            when = datetime.fromtimestamp(moment, UTC)
        except (ValueError, OverflowError, OSError):
            return str(moment)
    return when.strftime("%Y-%m-%d %H:%M UTC")


def table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A table for a spreadsheet: UTF-8 with its mark; no cell is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    columns = ("subject", "name", "profile", "verdict", "findings", "next_change", "at")
    writer.writerow(columns)
    for row in rows:
        cells = ["" if row[c] is None else str(row[c]) for c in columns]
        writer.writerow([f"'{cell}" if cell.startswith(_ACTIVE) else cell for cell in cells])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def quoted(text: str) -> str:
    """A word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def verdict_mark(value: str) -> object:
    """The mark of a verdict, by its word."""
    return mark(Value[value.upper()])
