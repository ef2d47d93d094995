# SPDX-License-Identifier: Apache-2.0
"""One store elsewhere, as a question meets it: what it proved, and what it did not tell.

Keeps: 1. Every list is of one checkpoint: where the log grew in between, all are asked for again.
2. A checkpoint continues the one remembered, or there is evidence of a fork, which is kept.
3. A store that shows less than it has shown is not heard; what it proved before stays known.
4. What went wrong with one store is its own: it never ends the question.

States: ``fault`` None (it answers), or a code of a finding with the reason. What was proven
earlier is used under a fault too, as far as its age allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from kizuna.chain.exchange.asking import MOST_KEYS, Answer, Question, Transport
from kizuna.chain.exchange.bundle import Bundle
from kizuna.chain.exchange.opening import BundleEvidence, opened
from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.finding import Code
from kizuna.model.identifier import Digest
from kizuna.model.statement import Registered
from kizuna.model.trust import Anchors, LogAnchor
from kizuna.model.verdict import Known
from kizuna.record.log import verify_consistency

__all__ = ["Fault", "Memory", "Proven", "RemoteStore", "Reply", "fetch"]

_ROUNDS: Final = 64
_REGROWN: Final = 6


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a store counts as not telling: a finding's code, and words for whoever mends it."""

    code: Code
    reason: str


@dataclass(slots=True, kw_only=True)
class Proven:
    """What a store proved at one checkpoint."""

    head: Known
    note: bytes
    quorum: int
    as_of: int | None
    lists: dict[bytes, Sequence[tuple[int, Digest]]] = field(default_factory=dict)
    items: dict[Digest, Registered] = field(default_factory=dict)
    documents: dict[Digest, bytes | None] = field(default_factory=dict)
    bundles: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    """As they came, to be kept (whoever reads them again opens them again), each with the keys,
    statements and documents that it shows. One that another outdoes is not kept.
    """
    short: set[Code] = field(default_factory=set)
    before: Proven | None = None
    """What it proved at an earlier checkpoint: for what is known already, under a fault."""

    def take(self, bundle: bytes, note: bytes, evidence: BundleEvidence) -> bool:
        """Add what a bundle of the same checkpoint proves; who cosigned it since makes it young.

        Returns:
            Whether it proves, or lacks, anything that those before it did not.
        """
        before = (self.as_of, self.quorum, frozenset(self.short))
        if self.as_of is None or (evidence.as_of is not None and evidence.as_of >= self.as_of):
            self.as_of, self.note = evidence.as_of, note
        self.quorum = max(self.quorum, evidence.quorum)
        self.lists.update(evidence.lists())
        items = [item for page in evidence.all() for item in page]
        self.items.update((item.statement.digest, item) for item in items)
        documents = evidence.documents(
            [i.statement.document for i in items if i.statement.document]
        )
        self.documents.update(documents)
        self.short.update(evidence.shortfalls)
        shown = frozenset((*evidence.lists(), *(i.statement.digest for i in items), *documents))
        fresh = not any(shown <= held for held in self.bundles.values())
        if not fresh and before == (self.as_of, self.quorum, frozenset(self.short)):
            return False
        if (evidence.as_of, evidence.quorum) == (self.as_of, self.quorum):
            for outdone in [old for old, held in self.bundles.items() if held <= shown]:
                del self.bundles[outdone]
        self.bundles[bundle] = shown
        return True


class Memory(Protocol):
    """What is remembered of stores elsewhere, between questions."""

    def recall(self, log: LogAnchor) -> Proven | None:
        """What the store proved at its last good checkpoint."""
        ...

    def keep(self, log: LogAnchor, proven: Proven) -> None:
        """Remember this in its place."""
        ...

    def contradiction(self, log: LogAnchor, before: bytes, after: bytes, reason: str) -> None:
        """Keep two checkpoints that cannot both be true."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one question: an opened answer, or what went wrong, or nothing new."""

    keys: tuple[bytes, ...]
    answer: Answer | None = None
    bundle: Bundle | None = None
    evidence: BundleEvidence | None = None
    problem: Problem | None = None
    same: bool = False
    """Nothing was asked but the checkpoint, and it is byte for byte the one that was seen."""


def fetch(
    log: LogAnchor,
    question: Question,
    transport: Transport,
    anchors: Anchors,
    seen: bytes | None = None,
) -> Reply:
    """Ask, and open the answer with the verifier's anchors; for a thread of its own.

    Args:
        log: whose store is asked.
        question: what.
        transport: how.
        anchors: whom the verifier believes.
        seen: the checkpoint that was opened with these anchors before, cosignatures included. Where
            only a checkpoint was asked for and it is this one, the rest of the answer is not read:
            nothing of it would be used.
    """
    try:
        answer = Answer.from_bytes(transport(log, question.to_bytes()))
        bundle = Bundle.from_bytes(answer.bundle)
        if bundle.origin != log.origin:
            raise Tampered(
                "exchange.other-log",
                f"the store answers with evidence of {bundle.origin[:120]!r}",
                why=f"it was asked as the keeper of {log.origin}",
                hint="check the address that the anchors give for this log",
                origin=log.origin,
                found=bundle.origin[:120],
            )
        if not question.keys and bundle.checkpoint == seen:
            return Reply((), same=True)
        evidence = opened(bundle, anchors)
    except Problem as problem:
        return Reply(question.keys, problem=problem)
    return Reply(question.keys, answer, bundle, evidence)


class RemoteStore:
    """The state of one store over one question (and what is remembered of it from before)."""

    def __init__(self, log: LogAnchor, memory: Memory) -> None:
        self.log = log
        self.fault: Fault | None = None
        self.contacted = False
        self.changed = False
        self.proven: Proven | None = memory.recall(log)
        self._memory = memory
        # of the checkpoint before the log grew
        self._before = None if self.proven is None else self.proven.before
        self._wanted: dict[bytes, None] = {}
        self._asked: set[bytes] = set()
        self._rounds = 0
        self._regrown = 0
        self.busy = False

    # --- asking -------------------------------------------------------------------------------

    @property
    def seen(self) -> bytes | None:
        """The newest checkpoint that it proved, with its cosignatures."""
        return None if self.proven is None else self.proven.note

    def rows(self, key: bytes) -> Sequence[tuple[int, Digest]] | None:
        """The proven list of a key; None where the store has not told (yet)."""
        self._asked.add(key)
        rows = None if self.proven is None else self.proven.lists.get(key)
        if rows is None:
            if self.fault is None:
                self._wanted[key] = None
            elif self._before is not None:
                rows = self._before.lists.get(key)
        return rows

    def probe(self) -> None:
        """Let it be asked for its checkpoint alone."""
        if self.proven is not None:
            self._asked.update(list(self.proven.lists)[:1])

    def glance(self) -> Question:
        """The question for its checkpoint alone, to be put whether anything was proved or not."""
        self.contacted = self.busy = True
        return Question(keys=(), since=0 if self.proven is None else self.proven.head.size)

    def item(self, digest: Digest) -> Registered | None:
        """A statement that it proved."""
        for proven in (self.proven, self._before):
            if proven is not None and digest in proven.items:
                return proven.items[digest]
        return None

    def next_question(self) -> Question | None:
        """What should be asked now; None where nothing is, or an answer is under way."""
        if self.busy or self.fault is not None:
            return None
        known = () if self.proven is None else self.proven.lists.keys()
        keys = [key for key in self._wanted if key not in known][:MOST_KEYS]
        if not keys and (self.contacted or not self._asked):
            return None  # nobody needs it, or it told already
        if self._rounds >= _ROUNDS:
            self.fail(Code.STORE_UNREACHABLE, "it was asked too often for one verdict")
            return None
        self._rounds += 1
        self.contacted = True
        self.busy = True
        return Question(keys=tuple(keys), since=0 if self.proven is None else self.proven.head.size)

    # --- hearing ------------------------------------------------------------------------------

    def hear(self, reply: Reply) -> None:
        """Take in what came of a question."""
        self.busy = False
        for key in reply.keys:
            self._wanted.pop(key, None)
        if reply.problem is not None:
            self._refused(reply.problem)
            return
        if reply.same:
            return
        answer, bundle, evidence = reply.answer, reply.bundle, reply.evidence
        if answer is None or bundle is None or evidence is None or not evidence.heads():
            self.fail(Code.STORE_UNREACHABLE, "its log is not among the anchors")
            return
        (head,) = evidence.heads()
        if not self._continues(head, bundle.checkpoint, answer.grown):
            return
        if not set(reply.keys) <= evidence.lists().keys():
            self.fail(Code.PROOF_INCOMPLETE, "it answers other keys than it was asked for")
            return
        dated = evidence.as_of is not None
        if self.proven is None or self.proven.head != head or (dated and self.proven.as_of is None):
            if self.proven is not None:
                self._grew()
            self.proven = Proven(
                head=head,
                note=bundle.checkpoint,
                quorum=evidence.quorum,
                as_of=evidence.as_of,
            )
        if self.proven.take(answer.bundle, bundle.checkpoint, evidence):
            self.changed = True
        if self.fault is None and self._regrown > _REGROWN:
            self.fail(Code.STORE_UNREACHABLE, "its log grew faster than it could be read")

    def _grew(self) -> None:
        """All lists are asked for again at the new checkpoint."""
        self._before = self.proven
        self._regrown += 1
        for key in sorted(self._asked):
            self._wanted[key] = None

    def _continues(self, head: Known, note: bytes, grown: Sequence[bytes]) -> bool:
        before = self.proven
        if before is None or before.head == head:
            return True
        old, new = before.head, head
        if new.size < old.size:
            self._memory.contradiction(self.log, before.note, note, "rolled-back")
            self.fail(Code.STORE_STALE, f"it shows {new.size} entries and has shown {old.size}")
            return False
        if new.size == old.size or not verify_consistency(
            old.size, new.size, grown, bytes.fromhex(old.root), bytes.fromhex(new.root)
        ):
            self._memory.contradiction(self.log, before.note, note, "forked")
            self.fail(
                Code.LOG_FORKED,
                f"its checkpoint of {new.size} entries does not continue that of {old.size}",
            )
            return False
        return True

    def _refused(self, problem: Problem) -> None:
        if isinstance(problem, Tampered | Malformed):
            self.fail(Code.PROOF_INCOMPLETE, f"{problem.code}: {problem.what}")
        else:
            self.fail(Code.STORE_UNREACHABLE, f"{problem.what} {problem.why}".strip())

    def fail(self, code: Code, reason: str) -> None:
        """It is not asked again for this question."""
        self.fault = Fault(code, reason[:300])
        self._wanted.clear()

    # --- at the end ---------------------------------------------------------------------------

    def lacks(self, key: bytes, at: int, max_age: int | None) -> Code | None:
        """What a question that needed this key lacks of this store; None: it told everything."""
        proven = self.proven
        if self.fault is not None and self.fault.code is not Code.STORE_UNREACHABLE:
            return self.fault.code  # it spoke, and what it said does not fit
        told = proven is not None and key in proven.lists
        if proven is None or not told:
            return Code.STORE_UNREACHABLE if self.fault is None else self.fault.code
        if max_age is not None and (proven.as_of is None or at > proven.as_of + max_age):
            return Code.STORE_STALE
        if self.fault is not None and max_age is None:
            return self.fault.code  # nobody said how old is young enough
        if Code.PROOF_INCOMPLETE in proven.short:
            return Code.PROOF_INCOMPLETE
        if any(digest not in proven.items for _, digest in proven.lists[key]):
            return Code.PROOF_WITHHELD
        return None

    def remember(self) -> None:
        """Keep what it proved for the next question."""
        if self.changed and self.proven is not None:
            self.changed = False
            self._memory.keep(self.log, self.proven)
