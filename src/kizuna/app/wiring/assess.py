# SPDX-License-Identifier: Apache-2.0
"""Assessments of a store: questions out, answers in, gaps told.

Keeps: 1. An answer counts at the level that the lists give its signer, whatever a file says.
2. Answers are registered whole or not at all. 3. Gaps come from the verdict, never from the answers
alone: what somebody calls implemented and nothing shows is still a gap. 4. Evidence files stay
restricted to the organisation, beside the log, named by hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Absent
from kizuna.model.finding import Value
from kizuna.model.identifier import Digest, Element, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Level, Status, Target
from kizuna.proof.assurance import (
    Answer,
    Answers,
    File,
    Question,
    Questionnaire,
    State,
    claims_of,
    summary_of,
)
from kizuna.proof.assurance.answers import SUMMARY, end_of, read_summary, renewed

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict
    from kizuna.record.store import View

__all__ = [
    "gaps",
    "given_answers",
    "level_of",
    "questionnaire",
    "register_answers",
    "with_files",
]

_MEDIA: Final = "application/octet-stream"


def questionnaire(
    workspace: Workspace,
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

    what = element or _element_of(workspace, subject, profile, view)
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
                fields=requirement.present,
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


def level_of(workspace: Workspace, subject: SubjectId) -> Level:
    """The highest level at which the lists believed here let this organisation assess a subject."""
    from kizuna.record.lists import in_scope

    found = Level.SELF
    now = workspace.clock()
    for anchor in workspace.anchors().lists:
        entry = workspace.lists.state(anchor.id).entries.get(workspace.identity)
        if entry is None or not entry.in_force(now):
            continue
        for service in entry.services:
            if Kind.EVIDENCE in service.kinds and in_scope(
                subject, service.scope, workspace.identity
            ):
                found = max(found, service.level, key=lambda level: level.rank)
    return found


def with_files(answers: Answers, files: Mapping[str, bytes]) -> Answers:
    """The answers with the hashes of the evidence files that they name.

    Raises:
        Absent: ``assess.file-absent``.
    """
    made = []
    for answer in answers.answers:
        found = []
        for name in answer.names:
            if name not in files:
                raise Absent(
                    "assess.file-absent",
                    f"{answer.requirement}: no evidence file {name[:120]}",
                    hint="name its folder with --evidence, or correct the table",
                    requirement=answer.requirement,
                    name=name[:120],
                )
            found.append(File(name=name, sha256=sha256(files[name]).hexdigest(), media_type=_MEDIA))
        made.append(replace(answer, files=(*answer.files, *found), names=()))
    return Answers(answers=tuple(made))


def register_answers(
    workspace: Workspace,
    asked: Questionnaire,
    answers: Answers,
    files: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
    """Sign and register answers: one claim for each that is implemented, and the summary.

    Raises:
        Malformed: ``assess.*``. Absent: ``assess.file-absent``.
    """
    earlier, by = given_answers(workspace, asked)
    if by != workspace.identity:
        earlier = Answers(answers=())
    named = _by_question(asked, answers)
    ready = with_files(renewed(earlier, named), files or {}).check(asked)
    level = level_of(workspace, asked.subject)
    statements: list[bytes] = []
    documents: dict[Any, bytes] = {}
    for name in sorted(files or {}):
        signed = workspace.say_document(
            _MEDIA, asked.subject, (files or {})[name], audience=[workspace.identity], by_hash=True
        )
        statements.append(signed.statement)
        documents.update(signed.documents)
    said: dict[str, str] = {}
    claims = claims_of(asked, ready, level=level)
    ended = dict.fromkeys(a.statement for a in earlier.answers if a.statement)
    before = _registered_claims(workspace, list(ended))
    for kind, claim in claims:
        same = next((d for d, old in before.items() if old == claim), "")
        if same:  # what stands already is not said again
            ended.pop(same, None)
            said[claim.type] = same
            continue
        signed = workspace.say(kind, asked.subject, claim)
        statements.append(signed.statement)
        said[claim.type] = signed.digest
    # an earlier claim would come back into force if only the later one were withdrawn one day
    for old in ended:
        status = Status(action=Action.WITHDRAW, target=Target(statement=old))
        statements.append(workspace.sign(Kind.STATUS, asked.subject, status))
    ready = _with_statements(asked, ready, said)
    summary = summary_of(asked, ready, level=level)
    statements.append(workspace.sign(Kind.EVIDENCE, asked.subject, summary))
    results = workspace.register(statements, documents)
    for result in results:
        if (problem := getattr(result, "problem", None)) is not None:
            raise problem
    only = [
        q.id
        for a in ready.answers
        if a.state is State.IMPLEMENTED
        and (q := asked.question(a.requirement)) is not None
        and q.own_kind is None
    ]
    counts = {state.value: len(_list(summary, state)) for state in State}
    return {
        "subject": asked.subject,
        "profile": asked.profile,
        "level": level.value,
        "statements": [r.digest.hex() for r in results if r.digest is not None],
        "answers": counts,
        "claims": [claim.type for _, claim in claims],
        "certificate_needed": only,
        "files": len(files or {}),
        "beyond": list(workspace.beyond(statements)),
    }


def given_answers(
    workspace: Workspace, asked: Questionnaire, view: View | None = None
) -> tuple[Answers, str]:
    """The answers registered last for this profile and subject, and who gave them."""
    from kizuna.record.log.keys import statement_key, subject_key
    from kizuna.record.store import OPERATOR

    reader = workspace.store.reader(view or OPERATOR)
    key = subject_key(asked.subject)
    latest: tuple[Answers, str] = (Answers(answers=()), "")
    rows = sorted(reader.by_keys([key]).get(key, ()), key=lambda r: r.index)
    for row in rows:
        claim = row.statement.payload
        if isinstance(claim, Claim) and claim.type == f"{SUMMARY}/{asked.profile}":
            acts = statement_key(row.statement.digest)
            if not reader.by_keys([acts]).get(acts):
                latest = Answers(answers=read_summary(claim)), row.statement.issuer
    return latest


def gaps(
    workspace: Workspace,
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
    from kizuna.app.wiring.answers import finding_json
    from kizuna.app.wiring.naming import identifiers_in
    from kizuna.app.wiring.showing import names

    verdict = workspace.verify(subject, profile, at=at, lists=lists, view=view)
    asked = questionnaire(workspace, subject, profile, element=element, view=view)
    answers, issuer = given_answers(workspace, asked, view)
    given = {a.requirement: a for a in answers.answers}
    lacking = _lacking(verdict)
    called = names(workspace, identifiers_in(lacking.values()) | {subject}, view)
    now = workspace.clock() if at is None else at
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


def _by_question(asked: Questionnaire, answers: Answers) -> Answers:
    """Answers under the names of the requirements, where a control's was given."""
    return Answers(
        answers=tuple(
            replace(a, requirement=q.id) if (q := asked.question(a.requirement)) else a
            for a in answers.check(asked).answers
        )
    )


def _registered_claims(workspace: Workspace, digests: Sequence[str]) -> dict[str, Claim]:
    """Earlier claims by digest (hex), as far as they are at hand."""
    wanted = [Digest(bytes.fromhex(d)) for d in digests if len(d) == 64]
    found = workspace.store.reader().by_digests(wanted)
    return {
        d.hex(): row.statement.payload
        for d, row in found.items()
        if isinstance(row.statement.payload, Claim)
    }


def _with_statements(asked: Questionnaire, ready: Answers, said: Mapping[str, str]) -> Answers:
    made = []
    for answer in ready.answers:
        question = asked.question(answer.requirement)
        named = answer.claim or (question.claims[0] if question else "")
        done = answer.state is State.IMPLEMENTED
        made.append(replace(answer, statement=said.get(named, "") if done else ""))
    return Answers(answers=tuple(made))


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
    workspace: Workspace, subject: SubjectId, profile: Profile, view: View | None
) -> Element | None:
    tree = workspace.explain(subject, profile, view=view).tree
    try:
        return Element(str(tree.get("element")))
    except ValueError:
        return None


def _list(summary: Claim, state: State) -> list[Any]:
    value = summary.claims.get(state.value.replace("-", "_"))
    return value if isinstance(value, list) else []
