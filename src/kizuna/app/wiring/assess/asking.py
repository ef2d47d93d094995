# SPDX-License-Identifier: Apache-2.0
"""Assessments: questions out, answers in, gaps told.

Keeps: 1. An answer counts at the level that the lists give its signer, whatever a file says.
2. Answers are registered whole or not at all. 3. Gaps come from the verdict, never from the answers
alone: what somebody calls implemented and nothing shows is still a gap. 4. Evidence files stay
restricted to the organisation, beside the log, named by hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.assess.ground import Ground, ground_of
from kizuna.app.wiring.assess.pen import Pen
from kizuna.app.wiring.assess.plan import (
    given_answers,
    level_of,
    plan_answers,
    register_plan,
    with_files,
)
from kizuna.app.wiring.judging import question as judged
from kizuna.model.errors import Malformed
from kizuna.model.finding import Value
from kizuna.model.identifier import Element, SubjectId
from kizuna.proof.assurance import Answer, Answers, Question, Questionnaire, State, together
from kizuna.proof.assurance.answers import end_of

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.criteria.profiles import Profile, Requirement
    from kizuna.model.verdict import Verdict
    from kizuna.record.store import View

__all__ = [
    "gaps",
    "given_answers",
    "level_of",
    "questionnaire",
    "questionnaire_of",
    "register_answers",
    "with_files",
]


def questionnaire(
    organisation: Organisation,
    subject: SubjectId,
    profile: Profile,
    *,
    element: Element | None = None,
    view: View | None = None,
) -> Questionnaire:
    """What a profile asks of a subject as the thing that is assessed.

    ``element`` is what it is; None takes it from what is registered, and where nothing is, every
    question of the profile is asked.
    """
    from kizuna.criteria.profiles import Place

    what = element or _element_of(ground_of(organisation), subject, profile, view)
    asked = []
    for requirement in profile.requirements:
        if requirement.place is Place.PARTS:
            continue
        if what is not None and not requirement.applies(what, is_root=True):
            continue
        asked.append(
            Question(
                id=requirement.id,
                title=requirement.title,
                advice=requirement.mend,
                claims=requirement.claim,
                kinds=requirement.kinds,
                services=requirement.services,
                fields=_fields(requirement),
                condition=requirement.condition or "",
                level=requirement.level,
                control=requirement.control or "",
            )
        )
    return Questionnaire(
        profile=profile.name,
        version=profile.version,
        digest=profile.digest,
        subject=subject,
        questions=tuple(asked),
        title=profile.title,
    )


def register_answers(
    organisation: Organisation,
    asked: Questionnaire,
    answers: Answers,
    files: Mapping[str, bytes] | None = None,
    *,
    pen: Pen | None = None,
    whole: bool = False,
) -> dict[str, Any]:
    """Sign and register answers: one claim for each that is implemented, and the summary.

    Args:
        organisation: a store's owner, or a member of a store elsewhere.
        asked: the questions.
        answers: the answers.
        files: evidence by name.
        pen: who signs; default the organisation itself.
        whole: these are all the answers; otherwise what they do not speak of stays as it was.

    Raises:
        Malformed: ``assess.*``. Absent: ``assess.file-absent``, ``assess.statement-absent``.
    """
    plan = plan_answers(organisation, asked, answers, files, pen=pen, whole=whole)
    return register_plan(organisation, plan, pen=pen)


def questionnaire_of(
    organisation: Organisation,
    subject: SubjectId,
    profiles: Sequence[Profile],
    *,
    element: Element | None = None,
    view: View | None = None,
) -> Questionnaire:
    """What several profiles ask of a subject, as one questionnaire: what is alike is asked once.

    Raises:
        Malformed: ``assess.no-profile``.
    """
    if not profiles:
        raise Malformed(
            "assess.no-profile",
            "no profile is named: nothing is asked",
            hint="name one or more profiles; `kizuna profile list` shows them",
        )
    once = {profile.name: profile for profile in profiles}
    return together(
        [questionnaire(organisation, subject, p, element=element, view=view) for p in once.values()]
    )


def gaps(
    organisation: Organisation,
    subject: SubjectId,
    profile: Profile,
    *,
    lang: str,
    element: Element | None = None,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
) -> dict[str, Any]:
    """What a profile asks of a subject and is not shown, each with its owner and day."""
    from kizuna.app.wiring.judging.answers import finding_json
    from kizuna.app.wiring.naming import identifiers_in

    ground = ground_of(organisation)
    verdict = ground.verdict(judged.Question(subject, profile, at=at, lists=lists, view=view))
    asked = questionnaire(organisation, subject, profile, element=element, view=view)
    answers, issuer = given_answers(organisation, asked, view)
    given = {a.requirement: a for a in answers.answers}
    lacking = _lacking(verdict)
    called = ground.names(identifiers_in(lacking.values()) | {subject}, view)
    now = organisation.clock() if at is None else at
    rows = []
    met = 0
    for question in asked.questions:
        finding = lacking.get(question.id)
        answer = given.get(question.id) or Answer(requirement=question.id, state=State.OPEN)
        if finding is None and verdict.coverage.known:
            met += 1
            continue
        words = (
            None if finding is None else finding_json(finding, lang, profile=profile, names=called)
        )
        end = end_of(answer.due)
        rows.append(
            {
                "requirement": question.id,
                "title": " ".join(
                    (question.title.get(lang) or question.title.get("en") or "").split()
                ),
                "control": question.control,
                "answer": answer.state.value,
                "owner": answer.owner or (words["turn_name"] if words else ""),
                "due": answer.due,
                "overdue": end is not None and end < now,
                "reason": answer.reason,
                "code": words["code"] if words else "",
                "message": words["message"] if words else "",
                "mend": words["mend"] if words else "",
                "value": words["value"] if words else Value.UNDETERMINED.word,
            }
        )
    return {
        "subject": subject,
        "name": called.get(subject, ""),
        "profile": profile.name,
        "profile_digest": profile.digest,
        "verdict": verdict.value.word,
        "exit": int(verdict.outcome),
        "at": verdict.at,
        "asked": len(asked.questions),
        "met": met,
        "answered_by": issuer,
        "gaps": rows,
    }


def _fields(requirement: Requirement) -> tuple[str, ...]:
    """The fields that an answer needs: those that must be there, and those a condition looks at."""
    from kizuna.criteria.profiles import Condition

    named: tuple[str, ...] = ()
    if requirement.condition:
        named = Condition.compile(requirement.condition).fields
    return tuple(dict.fromkeys((*requirement.present, *named)))


def _lacking(verdict: Verdict) -> dict[str, Any]:
    """The finding of each requirement that the subject itself does not meet."""
    found: dict[str, Any] = {}
    for finding in verdict.findings:
        if (
            finding.subject == verdict.subject
            and finding.requirement
            and finding.code.value_given < Value.TRUSTED
        ):
            found.setdefault(finding.requirement, finding)
    return found


def _element_of(
    ground: Ground, subject: SubjectId, profile: Profile, view: View | None
) -> Element | None:
    tree = ground.tree(judged.Question(subject, profile, view=view))
    try:
        return Element(str(tree.get("element")))
    except ValueError:
        return None
