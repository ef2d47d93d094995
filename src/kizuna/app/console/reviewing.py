# SPDX-License-Identifier: Apache-2.0
"""What a draft would come to, as values for a page: what is not whole, what would be signed.

Keeps: what is shown of a statement is its payload, word for word, as it is signed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kizuna.app.console.form import PAGE
from kizuna.app.wiring.assess.drafts import as_answers
from kizuna.app.wiring.judging.answers import problem_json
from kizuna.model.errors import Malformed
from kizuna.proof.assurance import Answer, Answers, Questionnaire, State

if TYPE_CHECKING:
    from kizuna.app.wiring.assess.drafts import Draft
    from kizuna.app.wiring.assess.plan import Plan

__all__ = ["differing", "faults_of", "head_of", "plan_told", "says_nothing"]


def head_of(questions: Questionnaire, draft: Draft) -> dict[str, Any]:
    """What every page of one draft says at its head."""
    counted = {state.value: 0 for state in State}
    known = {a.requirement: a.state for a in draft.answers}
    for question in questions.questions:
        counted[known.get(question.id, State.OPEN).value] += 1
    total = len(questions.questions)
    return {
        "subject": questions.subject,
        "profiles": list(draft.profiles),
        "element": draft.element,
        "title": dict(questions.title),
        "version": draft.version,
        "questions": questions.digest,
        "counts": counted,
        "total": total,
        "answered": total - counted[State.OPEN.value],
        "names": {},
    }


def says_nothing(plan: Plan, draft: Draft) -> bool:
    """Whether sending would only say again what stands: no draft was kept, nothing is new."""
    return draft.version == 0 and all(s.why == "summary" for s in plan.sayings)


def plan_told(plan: Plan) -> dict[str, Any]:
    """A plan as a page shows it."""
    return {
        "issuer": plan.issuer,
        "level": plan.level.value,
        "seen": plan.seen,
        "counts": dict(plan.answers),
        "certificate_needed": list(plan.certificate_needed),
        "sayings": [
            one | {"text": json.dumps(one.get("payload"), indent=2, ensure_ascii=False)}
            for one in (s.told() for s in plan.sayings)
        ],
    }


def faults_of(questions: Questionnaire, draft: Draft, lang: str) -> list[dict[str, Any]]:
    """Every answer that is not whole, with the page on which it stands."""
    found = []
    places = {q.id: n for n, q in enumerate(questions.questions)}
    for answer in as_answers(draft).answers:
        try:
            Answers(answers=(answer,)).check(questions)
        except Malformed as problem:
            place = places.get(answer.requirement, 0)
            found.append(
                {
                    "place": place,
                    "page": place // PAGE + 1,
                    "id": answer.requirement,
                    "message": problem_json(problem, lang)["message"],
                }
            )
    return found


def differing(
    questions: Questionnaire, saved: Sequence[Answer], typed: Sequence[Answer], lang: str
) -> list[dict[str, str]]:
    """The questions that were saved with another answer meanwhile."""
    before, now = ({a.requirement: a for a in some} for some in (saved, typed))
    return [
        {
            "id": q.id,
            "title": q.title.get(lang) or q.title.get("en") or q.id,
            "saved": (before[q.id].state if q.id in before else State.OPEN).value,
        }
        for q in questions.questions
        if before.get(q.id) != now.get(q.id)
    ]
