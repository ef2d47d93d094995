# SPDX-License-Identifier: Apache-2.0
"""Answers, and the claims that they come to.

Keeps: 1. An answer is whole or refused with the name of its requirement. 2. Only ``implemented``
becomes a claim of a type that a requirement reads, and only of a kind that its signer can make: who
is assessed certifies nothing. 3. Every answer, whatever it is, stands in one summary, so that gaps
can be told with owner and day. 4. Evidence is named by the SHA-256 of its bytes or by the digest of
a statement; an address alone is a pointer and shows nothing: nobody hashed what lies there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level, Reference, Scalar
from kizuna.proof.assurance.questions import Question, Questionnaire

__all__ = [
    "DIGEST",
    "FILE",
    "LINKS",
    "STATEMENT",
    "SUMMARY",
    "TEXT",
    "Answer",
    "Answers",
    "File",
    "State",
    "claims_of",
    "day_of",
    "end_of",
    "read_summary",
    "renewed",
    "summary_of",
]

SUMMARY: Final = "assessment"
"""First part of the type of the summary; the profile's name follows it."""

STATEMENT: Final = "application/cose"
"""Media type of evidence that is a registered statement, named by its digest."""

FILE: Final = "application/octet-stream"
"""Media type of evidence that is a file, whatever is in it."""

LINKS: Final = "links"
"""Member of a claim's further members under which addresses of evidence stand."""

_MOST: Final = 2_000
TEXT: Final = 2_000
_LINKS: Final = 20
_LINK: Final = re.compile(r"https://[A-Za-z0-9.\-\[\]:]+(/[^\s\x00-\x1f<>\"]*)?")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class State(StrEnum):
    """How a requirement is answered."""

    IMPLEMENTED = "implemented"
    PLANNED = "planned"
    NOT_APPLICABLE = "not-applicable"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A piece of evidence: its name, its bytes by hash, what it is."""

    name: str
    sha256: str
    media_type: str = FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said of one requirement."""

    requirement: str
    state: State
    claim: str = ""
    """Which of the accepted types of claim; empty: the first."""
    fields: Mapping[str, Scalar | list[Scalar]] = field(default_factory=dict, hash=False)
    due: str = ""
    """Day (``2027-03-31``) by which what is planned will be done."""
    owner: str = ""
    reason: str = ""
    files: tuple[File, ...] = ()
    links: tuple[str, ...] = ()
    """Addresses (https) where more is to be read; they are told, and prove nothing."""
    names: tuple[str, ...] = ()
    """Names of evidence files whose bytes are still to be looked at."""
    note: str = ""
    statement: str = ""
    """Digest (hex) of the claim that the answer came to when it was registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers to one questionnaire."""

    answers: tuple[Answer, ...]

    def check(self, asked: Questionnaire) -> Answers:
        """The same answers, each whole and to a question that was asked.

        Raises:
            Malformed: ``assess.unknown-requirement``, ``assess.twice``, ``assess.no-date``,
                ``assess.no-owner``, ``assess.no-reason``, ``assess.claim-unknown``,
                ``assess.date``, ``assess.link``, ``assess.too-many``.
        """
        if len(self.answers) > _MOST:
            raise _wrong("assess.too-many", "", f"more than {_MOST} answers")
        seen: set[str] = set()
        for answer in self.answers:
            question = asked.question(answer.requirement)
            if question is None:
                raise _wrong(
                    "assess.unknown-requirement",
                    answer.requirement,
                    f"{asked.profile} asks nothing of that name",
                )
            if question.id in seen:
                raise _wrong("assess.twice", answer.requirement, "it is answered twice")
            seen.add(question.id)
            _check(answer, question)
        return self


def claims_of(
    asked: Questionnaire, answers: Answers, *, level: Level
) -> tuple[tuple[Kind, Claim], ...]:
    """What is implemented, as claims about the subject.

    Args:
        asked: the questions.
        answers: checked answers.
        level: the highest level that the signer's word has.
    """
    made: dict[tuple[Kind, str], Claim] = {}
    for answer in answers.answers:
        question = asked.question(answer.requirement)
        if question is None or answer.state is not State.IMPLEMENTED:
            continue
        kind = question.own_kind
        if kind is None:
            continue
        named = answer.claim or question.claims[0]
        before = made.get((kind, named))
        fields = {**(before.claims if before else {}), **answer.fields}
        evidence = [*(before.evidence if before else ()), *_references(answer)]
        links = [*(before.ext.get(LINKS, ()) if before else ()), *answer.links]
        made[kind, named] = Claim(
            type=named,
            level=level,
            claims=fields,
            evidence=list({r.sha256: r for r in evidence}.values()),
            note=answer.note[:TEXT] or None,
            ext={LINKS: list(dict.fromkeys(links))} if links else {},
        )
    return tuple((kind, claim) for (kind, _), claim in made.items())


def summary_of(asked: Questionnaire, answers: Answers, *, level: Level) -> Claim:
    """Every answer in one claim; it meets no requirement, and shows what is open."""
    given = {q.id: a for a in answers.answers if (q := asked.question(a.requirement)) is not None}
    lists: dict[State, list[str]] = {state: [] for state in State}
    told: dict[str, Any] = {}
    evidence: dict[str, Reference] = {}
    for question in asked.questions:
        answer = given.get(question.id)
        state = State.OPEN if answer is None else answer.state
        lists[state].append(question.id)
        if answer is not None:
            told[question.id] = _told(answer)
            evidence.update((r.sha256, r) for r in _references(answer))
    fields: dict[str, Scalar | list[Scalar]] = {
        "profile": asked.profile,
        "profile_version": asked.version,
        "profile_digest": asked.digest,
    }
    for state, identifiers in lists.items():
        fields[state.value.replace("-", "_")] = list(identifiers)
    return Claim(
        type=f"{SUMMARY}/{asked.profile}",
        level=level,
        claims=fields,
        evidence=list(evidence.values()),
        ext={"answers": told},
    )


def read_summary(claim: Claim) -> tuple[Answer, ...]:
    """The answers that a summary holds; what cannot be read is left out."""
    found = []
    answers = claim.ext.get("answers")
    for identifier, told in answers.items() if isinstance(answers, dict) else ():
        if not isinstance(told, dict):
            continue
        try:
            state = State(str(told.get("answer")))
        except ValueError:
            continue
        found.append(
            Answer(
                requirement=str(identifier),
                state=state,
                due=str(told.get("due", "")),
                owner=str(told.get("owner", "")),
                reason=str(told.get("reason", "")),
                note=str(told.get("note", "")),
                claim=str(told.get("claim", "")),
                fields=_fields(told.get("fields")),
                files=_files(told.get("evidence")),
                links=_links(told.get(LINKS)),
                statement=str(told.get("statement", "")),
            )
        )
    return tuple(found)


def renewed(earlier: Answers, later: Answers) -> Answers:
    """Later answers in the place of earlier ones; what they do not speak of stays as it was.

    What is still implemented keeps its fields and evidence where the later answer names none: a
    table or OSCAL document that leaves them out does not take them away.
    """
    before = {a.requirement: a for a in earlier.answers}
    made = dict(before)
    for answer in later.answers:
        old = before.get(answer.requirement)
        if old is not None and old.state is answer.state is State.IMPLEMENTED:
            known = {f.name: f for f in old.files}
            taken = tuple(known[n] for n in answer.names if n in known)
            again = replace(
                answer,
                fields=answer.fields or old.fields,
                claim=answer.claim or old.claim,
                files=answer.files or taken or (() if answer.names else old.files),
                links=answer.links or (() if answer.names or answer.files else old.links),
                names=tuple(n for n in answer.names if n not in known),
            )
            made[answer.requirement] = again
        else:
            made[answer.requirement] = answer
    return Answers(answers=tuple(made.values()))


def _fields(value: object) -> dict[str, Scalar | list[Scalar]]:
    if not isinstance(value, dict):
        return {}
    return {str(k): v for k, v in value.items() if isinstance(v, str | int | bool | list)}


def _files(value: object) -> tuple[File, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        File(
            name=str(one.get("name", "")),
            sha256=str(one["sha256"]),
            media_type=str(one.get("media_type") or FILE),
        )
        for one in value
        if isinstance(one, dict) and DIGEST.fullmatch(str(one.get("sha256")))
    )


def _links(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value[:_LINKS]) if isinstance(value, list) else ()


def day_of(text: str) -> date | None:
    """A day as people write it in tables: ``2027-03-31``, ``2027/3/31``."""
    parts = text.strip().replace("/", "-").replace(".", "-").split("-")
    try:
        year, month, day = (int(p) for p in parts)
        return date(year, month, day)
    except ValueError:
        return None


def end_of(text: str) -> int | None:
    """The last second of a day, UTC."""
    day = day_of(text)
    if day is None:
        return None
    return int(datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC).timestamp())


def _told(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {"answer": answer.state.value}
    for member in ("due", "owner", "reason", "note", "claim"):
        if value := getattr(answer, member):
            told[member] = value[:TEXT]
    if answer.fields:
        told["fields"] = dict(answer.fields)
    if answer.files:
        told["evidence"] = [
            {"sha256": f.sha256, "name": f.name}
            | ({"media_type": f.media_type} if f.media_type == STATEMENT else {})
            for f in answer.files
        ]
    if answer.links:
        told[LINKS] = list(answer.links)
    if answer.statement:
        told["statement"] = answer.statement
    return told


def _references(answer: Answer) -> list[Reference]:
    return [
        Reference(sha256=f.sha256, media_type=f.media_type or None, note=f.name[:200] or None)
        for f in answer.files
    ]


def _check(answer: Answer, question: Question) -> None:
    if answer.claim and answer.claim not in question.claims:
        raise _wrong(
            "assess.claim-unknown",
            question.id,
            f"{answer.claim[:60]} answers it not; one of {', '.join(question.claims)} does",
        )
    if len(answer.links) > _LINKS or any(
        len(one) > TEXT or not _LINK.fullmatch(one) for one in answer.links
    ):
        raise _wrong("assess.link", question.id, f"at most {_LINKS} addresses, each with https://")
    if answer.due and day_of(answer.due) is None:
        raise _wrong("assess.date", question.id, f"not a day: {answer.due[:40]!r}")
    if answer.state is State.PLANNED:
        if not answer.due:
            raise _wrong("assess.no-date", question.id, "planned, and not until when")
        if not answer.owner:
            raise _wrong("assess.no-owner", question.id, "planned, and nobody who does it")
    if answer.state is State.NOT_APPLICABLE and not answer.reason:
        raise _wrong("assess.no-reason", question.id, "not applicable, and not why")


_HINTS: Final = {
    "assess.no-date": "fill in the day, as 2027-03-31",
    "assess.no-owner": "fill in who does it",
    "assess.no-reason": "fill in the reason",
    "assess.date": "write it as 2027-03-31",
    "assess.link": "write the whole address, as https://example.jp/policy.pdf",
}


def _wrong(code: str, requirement: str, why: str) -> Malformed:
    return Malformed(
        code,
        f"{requirement[:80] or 'the answers'}: {why}",
        why=why,
        hint=_HINTS.get(code, "print the questionnaire again and compare"),
        requirement=requirement[:80],
        fault=why,
    )
