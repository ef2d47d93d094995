# SPDX-License-Identifier: Apache-2.0
"""Several questionnaires as one: what two profiles ask alike is asked once.

Keeps: 1. Two questions are one where they have one name and are met by the same claims and fields;
otherwise each keeps its place, under the name of its profile. 2. What was answered together goes
back to each questionnaire under its own names, whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from kizuna.proof.assurance.answers import Answer, Answers
from kizuna.proof.assurance.questions import Question, Questionnaire

__all__ = ["JOINED", "apart", "back_together", "together"]

JOINED: Final = " + "


def together(parts: Sequence[Questionnaire]) -> Questionnaire:
    """One questionnaire of several about one subject."""
    if len(parts) == 1:
        return parts[0]
    asked: dict[str, Question] = {}
    for part in parts:
        for question in part.questions:
            name = _name(asked, part, question)
            if name in asked and question.level.rank > asked[name].level.rank:
                asked[name] = replace(asked[name], level=question.level)
            asked.setdefault(name, replace(question, id=name))
    return Questionnaire(
        profile=JOINED.join(p.profile for p in parts),
        version=JOINED.join(p.version for p in parts),
        digest=JOINED.join(p.digest for p in parts),
        subject=parts[0].subject,
        questions=tuple(asked.values()),
        title={
            lang: JOINED.join(p.title.get(lang) or p.title.get("en") or p.profile for p in parts)
            for lang in ("en", "ja")
        },
        parts=tuple(parts),
    )


def apart(asked: Questionnaire, answers: Answers) -> list[tuple[Questionnaire, Answers]]:
    """Each of the questionnaires with what was answered of it, under its own names."""
    given = {a.requirement: a for a in answers.answers}
    found = []
    for part in asked.each:
        names = _names(asked, part)
        said = [
            replace(given[name], requirement=question.id)
            for question in part.questions
            if (name := names[question.id]) in given
        ]
        found.append((part, Answers(answers=tuple(said))))
    return found


def back_together(asked: Questionnaire, parts: Sequence[Answers]) -> Answers:
    """Answers of each questionnaire, in order, as answers to the one; the first that said goes."""
    made: dict[str, Answer] = {}
    for part, answers in zip(asked.each, parts, strict=True):
        names = _names(asked, part)
        for answer in answers.answers:
            if answer.requirement in names:
                name = names[answer.requirement]
                made.setdefault(name, replace(answer, requirement=name))
    return Answers(answers=tuple(made.values()))


def _names(asked: Questionnaire, part: Questionnaire) -> Mapping[str, str]:
    if not asked.parts:
        return {q.id: q.id for q in part.questions}
    known = {q.id: q for q in asked.questions}
    return {q.id: _name(known, part, q) for q in part.questions}


def _name(asked: Mapping[str, Question], part: Questionnaire, question: Question) -> str:
    before = asked.get(question.id)
    if before is None or _alike(before, question):
        return question.id
    return f"{part.profile}/{question.id}"


def _alike(one: Question, other: Question) -> bool:
    return (one.claims, one.kinds, one.fields, one.condition) == (
        other.claims,
        other.kinds,
        other.fields,
        other.condition,
    )
