# SPDX-License-Identifier: Apache-2.0
"""CSV as spreadsheets write it: UTF-8 with and without byte order mark, UTF-16, and cp932.

Keeps: 1. The encoding is told by the bytes: what is not valid UTF-8 is read as cp932 (what
Japanese Excel writes) or refused. 2. Comma, tab and semicolon separate, whichever gives headings.
"""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import Final

from kizuna.model.errors import Malformed
from kizuna.proof.documents.bill import MAX_PARTS
from kizuna.proof.documents.table.headings import find_headings
from kizuna.proof.documents.table.reading import read_table
from kizuna.proof.documents.values import Imported, Importer, Source

__all__ = ["CSV"]

_MEDIA_TYPE: Final = "text/csv"
_SEPARATORS: Final = (",", "\t", ";")
_HEAD: Final = 64 << 10
_ABOVE: Final = 100
"""Rows beyond the bound that are still read, so that the reading itself says what is too much."""


def _text(source: Source) -> str | None:
    if source.text is not None:
        return source.text
    try:
        return source.data.decode("cp932")
    except UnicodeDecodeError:
        return None


def _separator(text: str) -> str | None:
    """The separator under which the first lines hold headings."""
    head = text[:_HEAD]
    for separator in _SEPARATORS:
        try:
            rows = list(csv.reader(io.StringIO(head, newline=""), delimiter=separator))
        except csv.Error:
            continue
        if find_headings(rows) is not None:
            return separator
    return None


def _matches(source: Source) -> bool:
    if source.value is not None or source.data.startswith(b"PK\x03\x04"):
        return False
    text = _text(source)
    return text is not None and "\x00" not in text[:_HEAD] and _separator(text) is not None


def _read(source: Source) -> Imported:
    text = _text(source) or ""
    separator = _separator(text) or ","
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = list(islice(reader, MAX_PARTS + _ABOVE))
    except csv.Error as fault:
        raise Malformed(
            "document.table",
            f"not a CSV table: {fault}",
            why=str(fault),
            hint="a quotation mark that is not closed makes one cell of all that follows",
            fault=str(fault),
        ) from fault
    return read_table(source, rows, format_name="CSV", media_type=_MEDIA_TYPE)


CSV = Importer(format="CSV", media_type=_MEDIA_TYPE, matches=_matches, read=_read)
