# SPDX-License-Identifier: Apache-2.0
"""What answers come to before anything is signed: every statement, as it will be said.

Keeps: 1. Whoever signs sees first what would be signed: the plan names each statement with its
payload, and ``seen`` is the digest of all of them together; what is signed is the plan whose digest
was seen, or nothing. 2. One way from answers to statements, whichever door they came by. 3. Who
signs is a pen that the caller holds; a pen signs for one identity and no other.

The digest of a claim exists only once it is signed: where the summary names one, the plan holds its
number in the plan, as ``#1``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.assess.ground import Ground, ground_of
from kizuna.app.wiring.assess.pen import Pen, own_pen
from kizuna.model.errors import Absent, Refused
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Claim, Level, Payload, Status, Target, encode_payload
from kizuna.proof.assurance import (
    Answers,
    File,
    Questionnaire,
    State,
    apart,
    back_together,
    claims_of,
    summary_of,
)
from kizuna.proof.assurance.answers import FILE, STATEMENT, SUMMARY, read_summary, renewed

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.record.store import View

__all__ = [
    "Plan",
    "Saying",
    "given_answers",
    "level_of",
    "plan_answers",
    "register_plan",
    "seen_of",
    "told_of",
    "with_files",
    "written",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One statement as it will be said."""

    kind: Kind | None
    """None: a document, whose bytes stand beside the log."""
    payload: Payload | None = None
    name: str = ""
    document: bytes = b""
    why: str = ""
    """``claim``, ``summary``, ``withdrawal`` or ``document``."""

    def about(self, subject: SubjectId, issuer: SubjectId) -> SubjectId:
        """What its statement is about. A document is a thing of its issuer's: were it said of the
        subject, everybody who may not read it would find something withheld about that subject.
        """
        if self.payload is not None:
            return subject
        return SubjectId(f"{issuer}/evidence/{sha256(self.document).hexdigest()}")

    @property
    def media_type(self) -> str:
        """Of what is signed."""
        return FILE if self.kind is None else media_type_of(self.kind)

    def bytes_with(self, digests: Mapping[str, str]) -> bytes:
        """The payload as it is signed, with the digests of the claims signed before it."""
        if self.payload is None:
            return self.document
        return encode_payload(_filled(self.payload, digests))

    def told(self) -> dict[str, Any]:
        """What a person sees of it."""
        if self.payload is None:
            return {
                "why": self.why,
                "kind": "document",
                "name": self.name,
                "bytes": len(self.document),
                "sha256": sha256(self.document).hexdigest(),
            }
        return {
            "why": self.why,
            "kind": self.kind.value if self.kind else "",
            "payload": json.loads(encode_payload(self.payload)),
        }


def seen_of(issuer: str, subject: str, sayings: Sequence[Saying]) -> str:
    """The digest of everything that would be signed, by whom, about what."""
    told = [issuer, subject, *(saying.told() for saying in sayings)]
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that registering some answers would sign."""

    asked: Questionnaire
    issuer: SubjectId
    level: Level
    sayings: tuple[Saying, ...]
    answers: Mapping[str, int]
    claims: tuple[str, ...]
    certificate_needed: tuple[str, ...]
    ready: Answers

    @property
    def files(self) -> int:
        """How many files of evidence go along."""
        return sum(s.payload is None for s in self.sayings)

    @property
    def seen(self) -> str:
        """The digest of all that would be signed, by whom, about what."""
        return seen_of(self.issuer, self.asked.subject, self.sayings)


def plan_answers(
    organisation: Organisation,
    asked: Questionnaire,
    answers: Answers,
    files: Mapping[str, bytes] | None = None,
    *,
    pen: Pen | None = None,
    whole: bool = False,
) -> Plan:
    """What registering answers would sign: one claim for each that is implemented, the summary,
    what ends, and the files of evidence.

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
    issuer = (pen or own_pen(organisation)).identity
    ground = ground_of(organisation)
    earlier = [_given(ground, part, by=issuer)[0] for part in asked.each]
    named = _by_question(asked, answers)
    if not whole:
        named = renewed(back_together(asked, earlier), named)
    ready = with_files(named, files or {}).check(asked)
    _statements_there(ground, ready)
    level = ground.level(asked.subject, issuer)
    sayings = [
        Saying(kind=None, name=name, document=(files or {})[name], why="document")
        for name in sorted(files or {})
    ]
    said: dict[str, str] = {}
    claims = claims_of(asked, ready, level=level)
    ended = dict.fromkeys(a.statement for one in earlier for a in one.answers if a.statement)
    before = ground.claims(asked.subject, list(ended))
    for kind, claim in claims:
        same = next((d for d, old in before.items() if old == claim), "")
        if same:  # what stands already is not said again
            ended.pop(same, None)
            said[claim.type] = same
            continue
        sayings.append(Saying(kind=kind, payload=claim, why="claim"))
        said[claim.type] = f"#{len(sayings)}"
    # an earlier claim would come back into force if only the later one were withdrawn one day
    for old in ended:
        status = Status(action=Action.WITHDRAW, target=Target(statement=old))
        sayings.append(Saying(kind=Kind.STATUS, payload=status, why="withdrawal"))
    ready = _with_statements(asked, ready, said)
    for part, given in apart(asked, ready):
        summary = summary_of(part, given, level=level)
        sayings.append(Saying(kind=Kind.EVIDENCE, payload=summary, why="summary"))
    states = {a.requirement: a.state for a in ready.answers}
    counted = [states.get(q.id, State.OPEN) for q in asked.questions]
    return Plan(
        asked=asked,
        issuer=issuer,
        level=level,
        sayings=tuple(sayings),
        answers={state.value: counted.count(state) for state in State},
        claims=tuple(claim.type for _, claim in claims),
        certificate_needed=tuple(
            q.id
            for q in asked.questions
            if states.get(q.id) is State.IMPLEMENTED and q.own_kind is None
        ),
        ready=ready,
    )


def register_plan(
    organisation: Organisation, plan: Plan, *, pen: Pen | None = None, seen: str | None = None
) -> dict[str, Any]:
    """Sign what a plan holds and register it, whole or not at all.

    Args:
        organisation: a store's owner, or a member of a store elsewhere.
        plan: what was planned just now.
        pen: who signs; default the organisation itself.
        seen: digest of the plan that the signer saw; None where nobody looked.

    Raises:
        Refused: ``assess.changed-since``, ``assess.other-pen``.
    """
    hand = pen or own_pen(organisation)
    if hand.identity != plan.issuer:
        raise Refused(
            "assess.other-pen",
            "the answers were planned for another signer",
            hint="look again at what would be signed",
        )
    if seen is not None and seen != plan.seen:
        raise Refused(
            "assess.changed-since",
            "what would be signed is no longer what was shown",
            why="answers, questions, lists or what is registered changed in between",
            hint="look again at what would be signed, then send it",
        )
    statements, documents = written(plan.sayings, plan.asked.subject, hand)
    registered = ground_of(organisation).register(statements, documents)
    return told_of(plan, registered, organisation.beyond(statements))


def written(
    sayings: Sequence[Saying], subject: SubjectId, pen: Pen
) -> tuple[list[bytes], dict[Digest, bytes]]:
    """What a plan holds, signed: one statement a saying, and the documents beside the log."""
    statements: list[bytes] = []
    documents: dict[Digest, bytes] = {}
    digests: dict[str, str] = {}
    for number, saying in enumerate(sayings, 1):
        about = saying.about(subject, pen.identity)
        if saying.payload is None:
            signed = pen.say(FILE, about, saying.document, audience=[pen.identity], by_hash=True)
        else:
            signed = pen.say(saying.media_type, about, saying.bytes_with(digests))
        statements.append(signed.statement)
        documents.update(signed.documents)
        digests[f"#{number}"] = signed.digest
    return statements, documents


def told_of(plan: Plan, registered: Sequence[str], beyond: Sequence[SubjectId]) -> dict[str, Any]:
    """What registering a plan came to, as every door tells it."""
    return {
        "subject": plan.asked.subject,
        "profile": plan.asked.profile,
        "issuer": plan.issuer,
        "level": plan.level.value,
        "statements": list(registered),
        "answers": dict(plan.answers),
        "claims": list(plan.claims),
        "certificate_needed": list(plan.certificate_needed),
        "files": plan.files,
        "beyond": list(beyond),
    }


def given_answers(
    organisation: Organisation,
    asked: Questionnaire,
    view: View | None = None,
    *,
    by: SubjectId | None = None,
) -> tuple[Answers, str]:
    """The answers registered last for this profile and subject, and who gave them; ``by``: only
    those of one issuer.
    """
    return _given(ground_of(organisation), asked, view, by=by)


def _given(
    ground: Ground,
    asked: Questionnaire,
    view: View | None = None,
    *,
    by: SubjectId | None = None,
) -> tuple[Answers, str]:
    if asked.parts:
        found = [_given(ground, part, view, by=by) for part in asked.parts]
        issuer = next((who for _, who in found if who), "")
        return back_together(asked, [answers for answers, _ in found]), issuer
    rows = [
        (row.statement, row.statement.payload)
        for row in ground.about(asked.subject, view)
        if (by is None or row.statement.issuer == by)
        and isinstance(row.statement.payload, Claim)
        and row.statement.payload.type == f"{SUMMARY}/{asked.profile}"
    ]
    ended = ground.ended([said.digest for said, _ in rows])
    for said, claim in reversed(rows):
        if said.digest not in ended and isinstance(claim, Claim):
            return Answers(answers=read_summary(claim)), said.issuer
    return Answers(answers=()), ""


def level_of(
    organisation: Organisation, subject: SubjectId, issuer: SubjectId | None = None
) -> Level:
    """The highest level at which the lists believed here let somebody assess a subject; default
    the organisation itself.
    """
    return ground_of(organisation).level(subject, issuer or organisation.identity)


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
            found.append(File(name=name, sha256=sha256(files[name]).hexdigest(), media_type=FILE))
        made.append(replace(answer, files=(*answer.files, *found), names=()))
    return Answers(answers=tuple(made))


def _statements_there(ground: Ground, ready: Answers) -> None:
    """See that statements named as evidence are registered here."""
    named = {
        f.sha256: a.requirement for a in ready.answers for f in a.files if f.media_type == STATEMENT
    }
    if not named:
        return
    here = ground.there(named)
    for digest, requirement in named.items():
        if digest not in here:
            raise Absent(
                "assess.statement-absent",
                f"{requirement}: no statement {digest[:16]}… is registered here",
                hint="copy the digest as it was printed when the statement was registered",
                requirement=requirement,
                digest=digest,
            )


def _by_question(asked: Questionnaire, answers: Answers) -> Answers:
    """Answers under the names of the requirements, where a control's was given; the claim that a
    question names first is not said, so that every door says the same.
    """
    made = []
    for answer in answers.check(asked).answers:
        question = asked.question(answer.requirement)
        if question is None:
            continue  # the check refused it
        named = "" if answer.claim == next(iter(question.claims), "") else answer.claim
        made.append(replace(answer, requirement=question.id, claim=named))
    return Answers(answers=tuple(made))


def _with_statements(asked: Questionnaire, ready: Answers, said: Mapping[str, str]) -> Answers:
    made = []
    for answer in ready.answers:
        question = asked.question(answer.requirement)
        named = answer.claim or (question.claims[0] if question and question.claims else "")
        done = answer.state is State.IMPLEMENTED
        made.append(replace(answer, statement=said.get(named, "") if done else ""))
    return Answers(answers=tuple(made))


def _filled(payload: Payload, digests: Mapping[str, str]) -> Payload:
    """A summary with the digests of the claims that were signed before it."""
    if not isinstance(payload, Claim) or "answers" not in payload.ext:
        return payload
    import msgspec

    told = {
        name: one | {"statement": digests.get(one["statement"], one["statement"])}
        if "statement" in one
        else one
        for name, one in payload.ext["answers"].items()
    }
    return msgspec.structs.replace(payload, ext={**payload.ext, "answers": told})
