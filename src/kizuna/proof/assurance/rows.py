# SPDX-License-Identifier: Apache-2.0
"""Answers from rows of a table or fields of a form, as people write them.

Keeps: 1. Words for an answer are few and known, in English and Japanese; anything else is refused,
never guessed. 2. A field is a word, a whole number, or true or false, as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kizuna.model.errors import Malformed
from kizuna.model.payload import Scalar
from kizuna.proof.assurance.answers import (
    DIGEST,
    STATEMENT,
    TEXT,
    Answer,
    Answers,
    File,
    State,
    day_of,
)

__all__ = ["evidence_of", "fields_of", "from_rows", "scalar_of", "state_of"]


def from_rows(rows: Sequence[Mapping[str, str]]) -> Answers:
    """Answers from rows of a table; rows without an answer are left out."""
    made = []
    for row in rows:
        state = state_of(row.get("answer", ""))
        identifier = row.get("id", "").strip()
        if not identifier or state is State.OPEN:
            continue
        pieces = [n.strip() for n in row.get("evidence", "").replace("\n", ";").split(";")]
        names, links, statements = evidence_of(pieces)
        made.append(
            Answer(
                requirement=identifier,
                state=state,
                claim=row.get("claim", "").strip(),
                fields=fields_of(row.get("fields", "")),
                due=str(day_of(row["due"]) or row["due"].strip()) if row.get("due") else "",
                owner=row.get("owner", "").strip()[:TEXT],
                reason=row.get("reason", "").strip()[:TEXT],
                names=names,
                links=links,
                files=statements,
                note=row.get("note", "").strip()[:TEXT],
            )
        )
    return Answers(answers=tuple(made))


_WORDS: Final = {
    "implemented": State.IMPLEMENTED,
    "yes": State.IMPLEMENTED,
    "done": State.IMPLEMENTED,
    "実施済": State.IMPLEMENTED,
    "実施済み": State.IMPLEMENTED,
    "はい": State.IMPLEMENTED,
    "planned": State.PLANNED,
    "計画中": State.PLANNED,
    "予定": State.PLANNED,
    "not applicable": State.NOT_APPLICABLE,
    "not-applicable": State.NOT_APPLICABLE,
    "n/a": State.NOT_APPLICABLE,
    "対象外": State.NOT_APPLICABLE,
    "該当なし": State.NOT_APPLICABLE,
    "": State.OPEN,
    "open": State.OPEN,
    "未実施": State.OPEN,
    "no": State.OPEN,
    "いいえ": State.OPEN,
}


def state_of(text: str) -> State:
    """The answer that a cell gives.

    Raises:
        Malformed: ``assess.answer-unknown``.
    """
    found = _WORDS.get(text.strip().casefold())
    if found is None:
        raise Malformed(
            "assess.answer-unknown",
            f"not an answer: {text.strip()[:60]!r}",
            hint="write implemented, planned or not applicable, or leave it empty",
            value=text.strip()[:60],
        )
    return found


def fields_of(text: str) -> dict[str, Scalar | list[Scalar]]:
    """``name=value; name=value`` as fields: true, false and whole numbers are what they are."""
    made: dict[str, Scalar | list[Scalar]] = {}
    for piece in text.replace("\n", ";").split(";"):
        name, equals, value = piece.partition("=")
        name, value = name.strip(), value.strip()
        if not (equals and name and value) or len(name) > 200:
            continue
        made[name] = scalar_of(value)
    return made


def scalar_of(text: str) -> Scalar:
    """A field as it was written: true, false, a whole number, or a word."""
    if text in ("true", "false"):
        return text == "true"
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 15 and str(int(text)) == text:
        return int(text)
    return text[:4000]


def evidence_of(pieces: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[File, ...]]:
    """Evidence as people write it, told apart: names of files, addresses, statements by digest."""
    names, links, files = [], [], []
    for piece in pieces:
        if DIGEST.fullmatch(piece):
            files.append(File(name="statement", sha256=piece, media_type=STATEMENT))
        elif piece.lower().startswith(("https://", "http://")):
            links.append(piece)
        elif piece:
            names.append(piece)
    return tuple(names), tuple(links), tuple(files)
