# SPDX-License-Identifier: Apache-2.0
"""The questionnaire as a table: CSV in UTF-8 or cp932, and Excel workbooks.

Keeps: 1. What goes out comes back: the same headings are read in English and Japanese, in any
order. 2. Reading is bounded before anything is unpacked, formulas are text, and a document type
declaration in a workbook is refused. 3. No cell that goes out is a formula.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.proof.assurance.answers import STATEMENT, Answer, Answers
from kizuna.proof.assurance.questions import Question, Questionnaire
from kizuna.proof.assurance.rows import from_rows

__all__ = ["HEADINGS", "read_sheet", "to_csv", "to_xlsx"]

HEADINGS: Final[dict[str, tuple[str, str]]] = {
    "id": ("requirement", "要件"),
    "title": ("question", "設問"),
    "control": ("control", "管理策"),
    "advice": ("what would meet it", "満たすには"),
    "accepted": ("accepted from", "認められる者"),
    "claim": ("claim", "証明の種別"),
    "fields": ("fields", "項目"),
    "answer": ("answer", "回答"),
    "due": ("due", "期限"),
    "owner": ("owner", "担当"),
    "reason": ("reason", "理由"),
    "evidence": ("evidence", "証跡ファイル"),
    "note": ("note", "備考"),
}
"""Columns by what is in them: the headings in English and Japanese."""

_ACTIVE: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""Beginnings of formulas; those of full width are ones to a spreadsheet in Japanese."""
_ROWS: Final = 5_000
_COLUMNS: Final = 60
_CELL: Final = 4_000
_FILE: Final = 8 << 20
_UNPACKED: Final = 64 << 20
_MEMBERS: Final = 500


def to_csv(
    asked: Questionnaire, lang: str = "en", given: Answers | None = None, *, encoding: str
) -> bytes:
    """The questionnaire as CSV; with ``given``, the answers that are there already."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(_rows(asked, lang, given))
    return out.getvalue().encode(encoding, "replace" if encoding == "cp932" else "strict")


def to_xlsx(asked: Questionnaire, lang: str = "en", given: Answers | None = None) -> bytes:
    """The questionnaire as a workbook."""
    import openpyxl  # noqa: PLC0415 - costs time that most commands need not spend

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("questions")
    for row in _rows(asked, lang, given):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read_sheet(data: bytes) -> Answers:
    """The answers in a table.

    Raises:
        Malformed: ``assess.sheet``, ``assess.answer-unknown``.
    """
    if len(data) > _FILE:
        raise _wrong(f"{len(data)} bytes, at most {_FILE}")
    rows = _workbook(data) if data.startswith(b"PK\x03\x04") else _text(data)
    for top, row in enumerate(rows[:20]):
        columns = _columns(row)
        if "id" in columns.values() and "answer" in columns.values():
            return from_rows(
                [
                    {name: _cell(one, spot) for spot, name in columns.items()}
                    for one in rows[top + 1 :]
                ]
            )
    raise _wrong("no row with the headings requirement and answer")


def _rows(asked: Questionnaire, lang: str, given: Answers | None) -> Iterable[list[str]]:
    which = 1 if lang == "ja" else 0
    yield [heading[which] for heading in HEADINGS.values()]
    answers = {a.requirement: a for a in given.answers} if given else {}
    for question in asked.questions:
        answer = answers.get(question.id)
        cells = {
            "id": question.id,
            "title": _word(question.title, lang),
            "control": question.control,
            "advice": _word(question.advice, lang),
            "accepted": ", ".join(question.services),
            "claim": answer.claim if answer and answer.claim else _first(question),
            "fields": "; ".join(f"{name}=" for name in question.fields),
        }
        if answer is not None:
            cells |= {
                "answer": answer.state.value,
                "fields": "; ".join(
                    f"{name}={_plain(answer.fields.get(name, ''))}"
                    for name in dict.fromkeys((*question.fields, *answer.fields))
                ),
                "due": answer.due,
                "owner": answer.owner,
                "reason": answer.reason,
                "evidence": "; ".join(_evidence(answer)),
                "note": answer.note,
            }
        yield [_safe(cells.get(name, "")) for name in HEADINGS]


def _evidence(answer: Answer) -> list[str]:
    """Files by name, statements by digest, addresses as they are."""
    files = [f.sha256 if f.media_type == STATEMENT else f.name for f in answer.files]
    return [*(answer.names or files), *answer.links]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace(";", ",")


def _first(question: Question) -> str:
    return question.claims[0] if question.claims else ""


def _word(words: Any, lang: str) -> str:  # noqa: ANN401 - words by language
    return " ".join(str(words.get(lang) or words.get("en") or "").split())


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_ACTIVE) else text


def _cell(row: Sequence[str], spot: int) -> str:
    text = row[spot][:_CELL] if spot < len(row) else ""
    return text[1:] if text[:1] == "'" and text[1:2] in _ACTIVE else text


def _columns(row: Sequence[str]) -> dict[int, str]:
    known = {word.casefold(): name for name, words in HEADINGS.items() for word in words}
    found: dict[int, str] = {}
    for spot, heading in enumerate(row[:_COLUMNS]):
        name = known.get(heading.strip().casefold())
        if name is not None and name not in found.values():
            found[spot] = name
    return found


def _text(data: bytes) -> list[list[str]]:
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise _wrong("neither UTF-8 nor cp932")
    if "\x00" in text:
        raise _wrong("no text")
    separator = max(",\t;", key=text[:4_000].count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return list(islice(reader, _ROWS))
    except csv.Error as fault:
        raise _wrong(str(fault)) from fault


def _workbook(data: bytes) -> list[list[str]]:
    import openpyxl  # noqa: PLC0415 - as above

    try:
        why = _unsafe(data)
        if why:
            raise _wrong(why)  # noqa: TRY301 - told apart from what the library throws
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            return [
                [_shown(value) for value in row]
                for row in islice(
                    sheet.iter_rows(max_row=_ROWS, max_col=_COLUMNS, values_only=True), _ROWS
                )
            ]
        finally:
            book.close()
    except Malformed:
        raise
    except Exception as fault:
        raise _wrong(f"{type(fault).__name__}: {fault}"[:200]) from fault


def _unsafe(data: bytes) -> str:
    """Why a workbook is not opened; empty where it may be."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) > _MEMBERS or sum(m.file_size for m in members) > _UNPACKED:
            return "it unpacks to more than a questionnaire can be"
        for member in members:
            with archive.open(member) as file:
                inside = file.read(_UNPACKED + 1)
            if len(inside) > member.file_size or b"<!DOCTYPE" in inside or b"<!ENTITY" in inside:
                return "a document type declaration, or a size that is not true"
    return ""


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _wrong(why: str) -> Malformed:
    return Malformed(
        "assess.sheet",
        f"not a questionnaire that can be read: {why}",
        why=why,
        hint="print it again with `kizuna assess questions` and fill in its columns",
        fault=why,
    )
