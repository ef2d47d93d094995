# SPDX-License-Identifier: Apache-2.0
"""The form of a questionnaire: what is on one page of it, and what comes back.

Keeps: 1. A page holds a bounded number of questions; what is not on it stays as the draft has it.
2. What comes back is text and files, bounded; nothing of it is markup, a path or a command. 3. A
half-filled answer is kept as it is: only sending asks for the whole.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.proof.assurance import Answer, File, Question, Questionnaire, State
from kizuna.proof.assurance.answers import FILE, STATEMENT, day_of
from kizuna.proof.assurance.rows import evidence_of, scalar_of

__all__ = ["PAGE", "Sent", "answers_in", "pages_of", "question_rows"]

PAGE: Final = 20
"""Questions on one page."""

_LINE: Final = 400
_TEXT: Final = 2_000
_PIECES: Final = 20
_FILES: Final = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """What a browser sent: texts and files by the name of their field."""

    texts: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[tuple[str, bytes]]] = field(default_factory=dict)

    def text(self, name: str, longest: int = _LINE) -> str:
        """The first text of a field, without control characters."""
        found = self.texts.get(name, ("",))
        return _clean(found[0] if found else "", longest)


def pages_of(asked: Questionnaire) -> int:
    """On how many pages the questions stand."""
    return max(1, -(-len(asked.questions) // PAGE))


def answers_in(
    sent: Sent, asked: Questionnaire, before: Sequence[Answer], page: int
) -> tuple[list[Answer], dict[str, bytes]]:
    """All answers after one page came back, and the new files by their SHA-256.

    Raises:
        Malformed: ``assess.form``, ``assess.files-many``.
    """
    known = {a.requirement: a for a in before}
    evidence: dict[str, bytes] = {}
    for place in range((page - 1) * PAGE, min(page * PAGE, len(asked.questions))):
        question = asked.questions[place]
        answer = _answer(sent, f"q{place}", question, known.get(question.id), evidence)
        if answer is None:
            known.pop(question.id, None)
        else:
            known[question.id] = answer
    return [known[q.id] for q in asked.questions if q.id in known], evidence


def question_rows(
    asked: Questionnaire, answers: Sequence[Answer], page: int, lang: str
) -> list[dict[str, Any]]:
    """The questions of one page with what is answered so far, as values."""
    known = {a.requirement: a for a in answers}
    rows = []
    for place in range((page - 1) * PAGE, min(page * PAGE, len(asked.questions))):
        question = asked.questions[place]
        answer = known.get(question.id) or Answer(requirement=question.id, state=State.OPEN)
        statements = [f.sha256 for f in answer.files if f.media_type == STATEMENT]
        rows.append(
            {
                "place": place,
                "id": question.id,
                "title": _word(question.title, lang) or question.id,
                "advice": _word(question.advice, lang),
                "control": question.control,
                "level": question.level.value,
                "claims": list(question.claims),
                "from": list(question.services),
                "certificate": question.own_kind is None,
                "state": answer.state.value,
                "claim": answer.claim or (question.claims[0] if question.claims else ""),
                "fields": [
                    {"name": name, "value": _shown(answer.fields.get(name, ""))}
                    for name in dict.fromkeys((*question.fields, *answer.fields))
                ],
                "due": answer.due,
                "owner": answer.owner,
                "reason": answer.reason,
                "note": answer.note,
                "evidence": "\n".join([*answer.links, *statements]),
                "files": [
                    {"name": f.name, "sha256": f.sha256}
                    for f in answer.files
                    if f.media_type == FILE
                ],
            }
        )
    return rows


def _answer(
    sent: Sent, name: str, question: Question, before: Answer | None, evidence: dict[str, bytes]
) -> Answer | None:
    """One answer as it came back; None where nothing is said."""
    try:
        state = State(sent.text(f"{name}-state") or State.OPEN)
    except ValueError as fault:
        raise _wrong(f"{question.id}: no such answer") from fault
    dropped = set(sent.texts.get(f"{name}-drop", ()))
    files = [
        f
        for f in (before.files if before else ())
        if f.media_type == FILE and f.sha256 not in dropped
    ]
    for label, data in sent.files.get(f"{name}-file", ()):
        if not data:
            continue  # the browser sends an empty one where none was chosen
        digest = sha256(data).hexdigest()
        evidence[digest] = data
        if all(f.sha256 != digest for f in files):
            files.append(File(name=_file_name(label), sha256=digest, media_type=FILE))
    if len(files) > _FILES:
        raise Malformed(
            "assess.files-many",
            f"{len(files)} files for one answer",
            hint=f"at most {_FILES}; take some away",
            count=len(files),
            limit=_FILES,
        )
    pieces = sent.text(f"{name}-evidence", _PIECES * _TEXT).split()[: _PIECES + 1]
    others, links, statements = evidence_of(pieces)
    if others:
        # neither an address with a scheme nor a digest: kept, so that sending can name it
        links = (*links, *others)
    claim = sent.text(f"{name}-claim")
    due = sent.text(f"{name}-due")
    names = dict.fromkeys((*question.fields, *(before.fields if before else {})))
    fields: dict[str, Any] = {}
    for number, one in enumerate(names):
        old = before.fields.get(one) if before else None
        if value := sent.text(f"{name}-f{number}", _TEXT):
            fields[one] = old if old is not None and value == _shown(old) else scalar_of(value)
    made = Answer(
        requirement=question.id,
        state=state,
        claim=claim if claim in question.claims[1:] else "",
        fields=fields,
        due=str(day_of(due) or due) if due else "",
        owner=sent.text(f"{name}-owner"),
        reason=sent.text(f"{name}-reason", _TEXT),
        note=sent.text(f"{name}-note", _TEXT),
        files=(*files, *statements),
        links=links,
    )
    empty = replace(made, requirement="", state=State.OPEN)
    if state is State.OPEN and empty == Answer(requirement="", state=State.OPEN):
        return None
    return made


def _file_name(label: str) -> str:
    """The last part of a file's name, as text that shows as what it is."""
    last = label.replace("\\", "/").rpartition("/")[2]
    return _clean(last, 120).replace(";", "_") or "file"


def _clean(text: str, longest: int) -> str:
    kept = "".join(
        c for c in text.replace("\r\n", "\n") if c == "\n" or unicodedata.category(c)[0] != "C"
    )
    return kept.strip()[:longest]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _word(words: Mapping[str, str], lang: str) -> str:
    return " ".join((words.get(lang) or words.get("en") or "").split())


def _wrong(why: str) -> Malformed:
    return Malformed(
        "assess.form",
        f"the form came back as something else: {why}",
        why=why,
        hint="open the page again and fill it in",
        fault=why[:200],
    )
