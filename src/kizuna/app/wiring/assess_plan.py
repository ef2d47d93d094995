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
from typing import TYPE_CHECKING, Any, Protocol

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
    from kizuna.app.wiring.values import Signed
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store import View
    from kizuna.roots.units import Handle

__all__ = [
    "HandPen",
    "Pen",
    "Plan",
    "Saying",
    "given_answers",
    "level_of",
    "own_pen",
    "plan_answers",
    "register_plan",
    "with_files",
]


class Pen(Protocol):
    """Somebody who signs, for one identity."""

    @property
    def identity(self) -> SubjectId:
        """In whose name."""
        ...

    def say(
        self,
        media_type: str,
        subject: SubjectId,
        document: bytes,
        *,
        audience: Sequence[SubjectId] = (),
        by_hash: bool = False,
    ) -> Signed:
        """One signed statement."""
        ...


@dataclass(frozen=True, slots=True)
class HandPen:
    """A key of the store's unit that signs for one identity."""

    workspace: Workspace
    handle: Handle | None
    """None: the key that signs for the organisation at that moment."""
    identity: SubjectId

    def say(
        self,
        media_type: str,
        subject: SubjectId,
        document: bytes,
        *,
        audience: Sequence[SubjectId] = (),
        by_hash: bool = False,
    ) -> Signed:
        """One signed statement."""
        from kizuna.app.wiring.importing import seal

        return seal(
            self.workspace.unit,
            self.handle or self.workspace.handle,
            issuer=self.identity,
            subject=subject,
            media_type=media_type,
            payload=document,
            now=self.workspace.clock(),
            audience=audience,
            by_hash=by_hash,
        )


def own_pen(workspace: Workspace) -> Pen:
    """The pen of the store's organisation."""
    return HandPen(workspace, None, workspace.identity)


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
        told = [self.issuer, self.asked.subject, *(s.told() for s in self.sayings)]
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def plan_answers(
    workspace: Workspace,
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
        workspace: the store.
        asked: the questions.
        answers: the answers.
        files: evidence by name.
        pen: who signs; default the store's organisation.
        whole: these are all the answers; otherwise what they do not speak of stays as it was.

    Raises:
        Malformed: ``assess.*``. Absent: ``assess.file-absent``, ``assess.statement-absent``.
    """
    issuer = (pen or own_pen(workspace)).identity
    earlier = [given_answers(workspace, part, by=issuer)[0] for part in asked.each]
    named = _by_question(asked, answers)
    if not whole:
        named = renewed(back_together(asked, earlier), named)
    ready = with_files(named, files or {}).check(asked)
    _statements_there(workspace, ready)
    level = level_of(workspace, asked.subject, issuer)
    sayings = [
        Saying(kind=None, name=name, document=(files or {})[name], why="document")
        for name in sorted(files or {})
    ]
    said: dict[str, str] = {}
    claims = claims_of(asked, ready, level=level)
    ended = dict.fromkeys(a.statement for one in earlier for a in one.answers if a.statement)
    before = _registered_claims(workspace, list(ended))
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
    workspace: Workspace, plan: Plan, *, pen: Pen | None = None, seen: str | None = None
) -> dict[str, Any]:
    """Sign what a plan holds and register it, whole or not at all.

    Args:
        workspace: the store.
        plan: what was planned just now.
        pen: who signs; default the store's organisation.
        seen: digest of the plan that the signer saw; None where nobody looked.

    Raises:
        Refused: ``assess.changed-since``, ``assess.other-pen``.
    """
    hand = pen or own_pen(workspace)
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
    subject = plan.asked.subject
    statements: list[bytes] = []
    documents: dict[Digest, bytes] = {}
    digests: dict[str, str] = {}
    for number, saying in enumerate(plan.sayings, 1):
        if saying.payload is None:
            signed = hand.say(
                FILE, subject, saying.document, audience=[hand.identity], by_hash=True
            )
        else:
            assert saying.kind is not None  # noqa: S101 - a payload has a kind
            document = encode_payload(_filled(saying.payload, digests))
            signed = hand.say(media_type_of(saying.kind), subject, document)
        statements.append(signed.statement)
        documents.update(signed.documents)
        digests[f"#{number}"] = signed.digest
    results = workspace.register(statements, documents)
    for result in results:
        if (problem := getattr(result, "problem", None)) is not None:
            raise problem
    return {
        "subject": subject,
        "profile": plan.asked.profile,
        "issuer": plan.issuer,
        "level": plan.level.value,
        "statements": [r.digest.hex() for r in results if r.digest is not None],
        "answers": dict(plan.answers),
        "claims": list(plan.claims),
        "certificate_needed": list(plan.certificate_needed),
        "files": plan.files,
        "beyond": list(workspace.beyond(statements)),
    }


def given_answers(
    workspace: Workspace,
    asked: Questionnaire,
    view: View | None = None,
    *,
    by: SubjectId | None = None,
) -> tuple[Answers, str]:
    """The answers registered last for this profile and subject, and who gave them; ``by``: only
    those of one issuer.
    """
    if asked.parts:
        found = [given_answers(workspace, part, view, by=by) for part in asked.parts]
        issuer = next((who for _, who in found if who), "")
        return back_together(asked, [answers for answers, _ in found]), issuer
    from kizuna.record.log.keys import statement_key, subject_key
    from kizuna.record.store import OPERATOR

    reader = workspace.store.reader(view or OPERATOR)
    key = subject_key(asked.subject)
    latest: tuple[Answers, str] = (Answers(answers=()), "")
    rows = sorted(reader.by_keys([key]).get(key, ()), key=lambda r: r.index)
    for row in rows:
        claim = row.statement.payload
        if by is not None and row.statement.issuer != by:
            continue
        if isinstance(claim, Claim) and claim.type == f"{SUMMARY}/{asked.profile}":
            acts = statement_key(row.statement.digest)
            if not reader.by_keys([acts]).get(acts):
                latest = Answers(answers=read_summary(claim)), row.statement.issuer
    return latest


def level_of(workspace: Workspace, subject: SubjectId, issuer: SubjectId | None = None) -> Level:
    """The highest level at which the lists believed here let somebody assess a subject; default
    the store's organisation.
    """
    from kizuna.record.lists import in_scope

    who = issuer or workspace.identity
    found = Level.SELF
    now = workspace.clock()
    for anchor in workspace.anchors().lists:
        entry = workspace.lists.state(anchor.id).entries.get(who)
        if entry is None or not entry.in_force(now):
            continue
        for service in entry.services:
            if Kind.EVIDENCE in service.kinds and in_scope(subject, service.scope, who):
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
            found.append(File(name=name, sha256=sha256(files[name]).hexdigest(), media_type=FILE))
        made.append(replace(answer, files=(*answer.files, *found), names=()))
    return Answers(answers=tuple(made))


def _statements_there(workspace: Workspace, ready: Answers) -> None:
    """See that statements named as evidence are registered here."""
    named = {
        f.sha256: a.requirement for a in ready.answers for f in a.files if f.media_type == STATEMENT
    }
    if not named:
        return
    found = workspace.store.reader().by_digests([Digest(bytes.fromhex(d)) for d in named])
    here = {d.hex() for d in found}
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
