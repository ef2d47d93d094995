# SPDX-License-Identifier: Apache-2.0
"""Excel workbooks (.xlsx): the first sheet with headings, read and never calculated.

Keeps: 1. Before anything is unpacked, the archive's own table of contents bounds number, size and
ratio of its members; a document type declaration in any of its XML is refused (entities could grow
without end). 2. Formulas are not evaluated: the result that Excel stored is taken and the cell is
listed. 3. Macros, links to other files and pictures have no effect. 4. Rows and columns are
bounded, and a single cell far away costs no more than a full sheet is worth: of a sheet without
headings only its beginning is read, and empty cells are not kept.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from datetime import date, datetime
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.proof.documents.bill import MAX_PARTS
from kizuna.proof.documents.table.headings import SEARCHED, find_headings, template_rows
from kizuna.proof.documents.table.reading import cell_name, read_table
from kizuna.proof.documents.values import Imported, Importer, Remark, Source

__all__ = ["XLSX", "xlsx_template"]

_MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MOST_MEMBERS: Final = 2_000
_MOST_BYTES: Final = 128 << 20
_MOST_RATIO: Final = 300
_MOST_SHEETS: Final = 20
_MOST_COLUMNS: Final = 200
_TIMES: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FREE_RATIO: Final = 1 << 20
"""Members below this size may shrink as much as they like."""


def _matches(source: Source) -> bool:
    if not source.data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            return any(
                name.startswith("xl/workbook") for name in archive.namelist()[:_MOST_MEMBERS]
            )
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return False


def _read(source: Source) -> Imported:
    _check_archive(source.data)
    try:
        rows, remarks = _rows(source.data)
    except Malformed:
        raise
    except Exception as fault:
        raise _broken(f"{type(fault).__name__}: {fault}"[:200]) from fault
    return read_table(source, rows, format_name="XLSX", media_type=_MEDIA_TYPE, remarks=remarks)


def _check_archive(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                raise _bomb(f"{len(members)} members")
            total = 0
            for member in members:
                total += member.file_size
                if total > _MOST_BYTES:
                    raise _bomb(f"more than {_MOST_BYTES >> 20} MiB unpacked")
                if member.file_size > max(_FREE_RATIO, _MOST_RATIO * member.compress_size):
                    raise _bomb(
                        f"{member.filename[:60]!r} unpacks to more than {_MOST_RATIO} times"
                    )
                if member.flag_bits & 0x1:
                    raise Malformed(
                        "document.encrypted",
                        "the workbook is protected by a password",
                        hint="save it without a password",
                    )
            for member in members:
                if member.filename.endswith((".xml", ".rels", ".vml")):
                    head = archive.read(member)
                    if (
                        b"<!DOCTYPE" in head
                        or b"<!ENTITY" in head
                        or head[:2] in (b"\xff\xfe", b"\xfe\xff")
                    ):
                        raise _bomb(f"{member.filename[:60]!r} declares a document type")
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as fault:
        raise _broken(str(fault)[:200]) from fault


def _rows(data: bytes) -> tuple[list[list[str]], list[Remark]]:
    import openpyxl  # noqa: PLC0415 - costs time that most commands need not spend

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of styles and extensions it leaves out
        stored = openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
        try:
            for title in stored.sheetnames[:_MOST_SHEETS]:
                sheet = stored[title]
                if not hasattr(sheet, "iter_rows"):  # a sheet that is a chart
                    continue
                if find_headings(_cells(sheet, SEARCHED)) is not None:
                    rows = _cells(sheet, MAX_PARTS + 100)
                    break
            else:
                return [], []
        finally:
            stored.close()
        written = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        try:
            formulas = [
                Remark(cell_name(number, spot), "formula")
                for number, row in enumerate(_values(written[title], MAX_PARTS + 100))
                for spot, value in enumerate(row[: _extent(row)])
                if isinstance(value, str) and value.startswith("=")
            ]
        finally:
            written.close()
    return rows, formulas


def _values(sheet: Any, most: int) -> Any:  # noqa: ANN401 - of a library without useful types
    sheet.reset_dimensions()
    return sheet.iter_rows(max_row=max(most, 1), max_col=_MOST_COLUMNS, values_only=True)


def _cells(sheet: Any, most: int) -> list[list[str]]:  # noqa: ANN401 - of a library without types
    # a cell far away makes the library fill up everything before it: what is empty stays short
    rows = [[_text(value) for value in row[: _extent(row)]] for row in _values(sheet, most)]
    while rows and not any(rows[-1]):
        rows.pop()
    width = max(map(len, rows), default=0)
    blank = [""] * width
    return [row + blank[len(row) :] if row else blank for row in rows]


def _extent(row: tuple[object, ...]) -> int:
    """How far to the right a row holds anything."""
    width = len(row)
    if row.count(None) == width:
        return 0
    while row[width - 1] is None:
        width -= 1
    return width


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    text = str(value)
    return "" if text.startswith("#") and text.rstrip("!?/A0").isupper() else text


def _bomb(why: str) -> Malformed:
    return Malformed(
        "document.archive-unsafe",
        "the workbook unpacks to something no spreadsheet is",
        why=why,
        hint="save the sheet again as a new workbook, or as CSV",
        fault=why,
    )


def _broken(why: str) -> Malformed:
    return Malformed(
        "document.workbook",
        "not a workbook that can be read",
        why=why,
        hint="open it and save it again as .xlsx, or as CSV",
        fault=why,
    )


def xlsx_template(lang: str = "en") -> bytes:
    """The table to fill in, as a workbook; the same bytes every time."""
    import openpyxl  # noqa: PLC0415 - costs time that most commands need not spend

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("parts")
    for row in template_rows(lang):
        sheet.append(row)
    stamped = io.BytesIO()
    book.save(stamped)
    made = io.BytesIO()
    with (
        zipfile.ZipFile(stamped) as old,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():  # the library stamps the time into the archive and its insides
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _TIMES.sub(b"2026-01-01T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return made.getvalue()


XLSX = Importer(format="XLSX", media_type=_MEDIA_TYPE, matches=_matches, read=_read)
