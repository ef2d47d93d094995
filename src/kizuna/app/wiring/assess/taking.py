# SPDX-License-Identifier: Apache-2.0
"""Taking back answers that were signed elsewhere: bound to the draft from which they were drawn up.

Keeps: 1. What is registered is what was shown: the draft is planned again, and every statement that
came back must be, byte for byte, what that plan says, signed by its author with a key in force;
one that is not refuses them all, before anything is registered. 2. What was drawn up once and
changed since (answers, questions, lists, what is registered) is refused. 3. Sending twice registers
once. 4. Drafts are kept for those who may register here, and for nobody else.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.assess.away import Sheet, Signed, sheet_of
from kizuna.app.wiring.assess.drafts import Draft, Drafts, as_answers
from kizuna.app.wiring.assess.ground import ground_of
from kizuna.app.wiring.assess.pen import AwayPen
from kizuna.app.wiring.assess.plan import Plan, plan_answers, told_of, with_files
from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import Digest, SubjectId
from kizuna.proof.assurance import Answers, Questionnaire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kizuna.app.wiring.workspace import Workspace

__all__ = ["admitted", "drawn_up", "keep_answers", "take_signed"]


def admitted(workspace: Workspace, identity: SubjectId) -> None:
    """Go on only for somebody whose answers the store would take.

    Raises:
        Refused: ``policy.*``.
    """
    from kizuna.record.store.policy import RegistrationPolicy

    if identity == workspace.identity:
        return
    # drafts cost room before anything is signed: they are for members, whatever else is open
    now = workspace.clock()
    problem = workspace.store.members.admits(RegistrationPolicy.MEMBERS, identity, now)
    if problem is not None:
        raise problem


def keep_answers(
    workspace: Workspace,
    author: SubjectId,
    asked: Questionnaire,
    answers: Answers,
    files: Mapping[str, bytes],
    *,
    element: str = "",
    whole: bool = False,
) -> Draft:
    """Answers kept as their author's draft, to be signed elsewhere.

    Raises:
        Malformed: ``assess.*``. Refused: ``assess.draft-stale``, ``assess.drafts-many``.
    """
    drafts = Drafts(workspace, author)
    draft = drafts.open(asked, element)
    named = {q.id for q in asked.questions}
    given = {}
    for answer in with_files(answers, files).check(asked).answers:
        found = asked.question(answer.requirement)
        assert found is not None  # noqa: S101 - checked above
        given[found.id] = replace(answer, requirement=found.id)
    before = {} if whole else {a.requirement: a for a in draft.answers if a.requirement in named}
    evidence = {sha256(data).hexdigest(): data for data in files.values()}
    merged = before | given
    ordered = [merged[q.id] for q in asked.questions if q.id in merged]
    return drafts.keep(draft, ordered, evidence, version=draft.version)


def drawn_up(
    workspace: Workspace, author: SubjectId, asked: Questionnaire, *, element: str = ""
) -> tuple[Plan, Sheet]:
    """What the author of a draft would sign, and the sheet to take away.

    Raises:
        Malformed, Absent: ``assess.*``.
    """
    drafts = Drafts(workspace, author)
    draft = drafts.open(asked, element)
    files = drafts.evidence(draft, asked)
    plan = plan_answers(workspace, asked, as_answers(draft), files, pen=AwayPen(author), whole=True)
    return plan, sheet_of(plan, store=workspace.log.origin, element=element)


def take_signed(
    workspace: Workspace,
    author: SubjectId,
    asked: Questionnaire,
    signed: Signed,
) -> dict[str, Any]:
    """Register what came back signed, whole or not at all.

    Args:
        workspace: the store.
        author: in whose name it is; who sent it may be anybody.
        asked: the questions.
        signed: what came back.

    Raises:
        Refused: ``assess.changed-since``, ``assess.signed-differs``, ``assess.signed-key``.
    """
    drafts = Drafts(workspace, author)
    draft = drafts.open(asked, signed.element)
    with drafts.sending():
        before = drafts.sent_as(draft)
        if before.get("seen") == signed.seen and before.get("told"):
            return dict(before["told"])  # sent already: the same answer again
        plan, sheet = drawn_up(workspace, author, asked, element=signed.element)
        if signed.seen != plan.seen or signed.store != sheet.store:
            raise Refused(
                "assess.changed-since",
                "what would be signed is no longer what was shown",
                why="answers, questions, lists or what is registered changed in between",
                hint="look again at what would be signed, then send it",
            )
        documents = _fitting(plan, signed)
        _in_force(workspace, author, signed)
        registered = ground_of(workspace).register(list(signed.statements), documents)
        told = told_of(plan, registered, workspace.beyond(signed.statements))
        drafts.sent(draft, plan.seen, told)
    return told


def _fitting(plan: Plan, signed: Signed) -> dict[Digest, bytes]:
    """See that what came back is what was drawn up, and no more: the documents beside the log.

    Raises:
        Refused: ``assess.signed-differs``.
    """
    from kizuna.model.identifier import digest_of
    from kizuna.roots.cose import parse_sign1, salted

    salts = iter(signed.salts)
    documents: dict[Digest, bytes] = {}
    digests: dict[str, str] = {}
    if len(signed.statements) != len(plan.sayings):
        raise _differs(0)
    if len(signed.salts) != plan.files:
        raise _differs(0)
    for number, (saying, raw) in enumerate(zip(plan.sayings, signed.statements, strict=True), 1):
        try:
            envelope = parse_sign1(raw)
            if saying.payload is None:
                kept = salted(saying.document, next(salts))
                wanted = sha256(kept).digest()
                documents[digest_of(kept)] = kept
            else:
                wanted = saying.bytes_with(digests)
        except Problem as fault:
            raise _differs(number) from fault
        away = saying.payload is None
        same = (
            envelope.issuer == plan.issuer
            and envelope.subject == saying.about(plan.asked.subject, plan.issuer)
            and envelope.media_type == saying.media_type
            and (envelope.by_hash, envelope.salted) == (away, away)
            and envelope.audience == ((plan.issuer,) if away else ())
            and envelope.payload == wanted
        )
        if not same:
            raise _differs(number)
        digests[f"#{number}"] = envelope.digest.hex()
    return documents


def _in_force(workspace: Workspace, author: SubjectId, signed: Signed) -> None:
    """See that every statement is signed with a key of its author's that is in force.

    Raises:
        Refused: ``assess.signed-key``.
    """
    from kizuna.roots.cose import check_signature, parse_sign1

    for number, raw in enumerate(signed.statements, 1):
        envelope = parse_sign1(raw)
        key = workspace.store.find_key(author, envelope.key_id)
        if key is None or not check_signature(envelope, key):
            raise Refused(
                "assess.signed-key",
                f"statement {number} is not signed with a key of {author} that is in force",
                hint="sign it with the key of the folder that joined this store",
                number=number,
                identity=author,
            )


def _differs(number: int) -> Refused:
    return Refused(
        "assess.signed-differs",
        "what came back is not what was to be signed" + (f": statement {number}" if number else ""),
        why="nothing of it was registered",
        hint="download what is to be signed again, and sign that",
        number=number,
    )
