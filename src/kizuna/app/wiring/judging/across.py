# SPDX-License-Identifier: Apache-2.0
"""Judging a chain that crosses stores of several operators.

Keeps: 1. No store is asked that the verifier's anchors do not name with an address, and none where
it was asked to stay at home. 2. The judgement is the one there is, over one body of evidence; the
verdict names the checkpoint of every log. 3. An answer stays in memory as long as every store still
shows the checkpoint that it rests on.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.owner import Keeper
from kizuna.app.wiring.values import Explained
from kizuna.model.finding import Code, Finding
from kizuna.model.identifier import SubjectId
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Known, Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.question import Question
    from kizuna.app.wiring.remote import Shown, StoreMemory
    from kizuna.chain.exchange.across import Across
    from kizuna.chain.exchange.askers import Askers
    from kizuna.chain.exchange.asking import Transport
    from kizuna.chain.graph.evidence import Evidence
    from kizuna.chain.verify import Judgement
    from kizuna.criteria.profiles import Profile

__all__ = ["AcrossJudge", "stores_elsewhere"]

PATIENCE: Final = 10.0
"""Seconds that one store may take for one answer."""

_WHOLE: Final = 30.0
_KEPT: Final = 8
_MEMORIES: Final = 4


def stores_elsewhere(workspace: Keeper, anchors: Anchors | None = None) -> list[str]:
    """Origins of the logs that the anchors give an address for, one's own aside."""
    chosen = workspace.anchors() if anchors is None else anchors
    return [g.origin for g in chosen.logs if g.url is not None and g.origin != workspace.log.origin]


@dataclass(slots=True)
class _Session:
    """One answer, as long as it stays true."""

    evidence: Across
    judgement: Judgement
    heads: tuple[Known, ...]
    gaps: bool


class AcrossJudge:
    """Who judges across stores in this process.

    Owner of mutable state: what stores proved, the last answers and the threads that ask, under one
    lock.
    """

    def __init__(
        self,
        workspace: Keeper,
        *,
        transport: Transport | None = None,
        patience: float = PATIENCE,
    ) -> None:
        from kizuna.app.wiring.asking_as_oneself import Oneself
        from kizuna.chain.exchange.askers import Askers

        self._workspace = workspace
        self._transport = transport
        self._patience = patience
        self._whole = max(_WHOLE, patience)
        self._lock = threading.Lock()
        self._oneself = Oneself(workspace)
        self._askers = Askers()
        self._memories: dict[tuple[bytes, frozenset[str]], StoreMemory] = {}
        self._shown: Shown = {}
        self._sessions: dict[tuple[Any, ...], _Session] = {}

    def verify(
        self, question: Question, *, offline: bool = False, heard: list[Evidence] | None = None
    ) -> Verdict:
        """The verdict over one's own store and all that the lists lead to; ``heard`` gains the
        evidence that it rests on, for whoever explains it.
        """
        with self._lock:
            session = self._session(question, offline=offline)
            if heard is not None:
                heard.append(session.evidence)
            return self._verdict(session, question)

    def explain(self, question: Question, *, offline: bool = False) -> Explained:
        """As ``verify``, with the tree of reasons."""
        from kizuna.chain.verify import explain

        with self._lock:
            session = self._session(question, offline=offline)
            verdict = self._verdict(session, question)
            return Explained(verdict=verdict, tree=explain(session.judgement, question.subject))

    def evidence(self, question: Question, *, offline: bool = False) -> Across:
        """Evidence over one's own store and all that the lists lead to, for whoever judges by it
        what is only supposed; nothing was asked yet (``chain.exchange.across.gather`` asks).
        """
        anchors = self._workspace.anchors(question.lists)
        moment = self._workspace.clock() if question.at is None else question.at
        with self._lock:
            return self._evidence(question, anchors, moment, offline=offline)

    def quorum(self, evidence: Across) -> int:
        """The fewest of the verifier's witnesses that any log of the evidence has."""
        return self._quorum(evidence, evidence.anchors)

    def glance(self) -> tuple[tuple[str, str], ...]:
        """The checkpoint that every store elsewhere shows now, or what is the matter with it.

        Each store is asked one question, without a key; nothing is judged.
        """
        from kizuna.chain.exchange.across import glance

        with self._lock:
            anchors = self._workspace.anchors()
            signed = self._oneself.known_in(anchors, None)
            return glance(
                anchors,
                own=self._workspace.log.origin,
                transport=self._sender(signed),
                memory=self._remembered(anchors, signed),
                patience=self._whole,
                askers=self._askers,
            )

    def names(self, subject: SubjectId, identifiers: set[str]) -> dict[str, str]:
        """What people call these, as the evidence of the last answer about a subject says."""
        from kizuna.app.wiring.naming import names_of

        found = self._workspace.names(identifiers)
        with self._lock:  # reading evidence changes what it remembers
            for key, session in self._sessions.items():
                if key[0] == subject:
                    evidence = session.evidence
                    found = names_of(evidence, identifiers, self._workspace.anchors()) | found
        return found

    def stores(self, subject: SubjectId, profile: Profile) -> list[dict[str, Any]]:
        """What the last answer about a subject had of each store elsewhere."""
        with self._lock:
            for key, session in self._sessions.items():
                if key[0] == subject and key[1] == profile.digest:
                    return [_told(store) for store in session.evidence.stores.values()]
        return []

    # --- inside -------------------------------------------------------------------------------

    def _session(self, question: Question, *, offline: bool) -> _Session:
        from kizuna.chain.exchange.across import gather, unchanged
        from kizuna.chain.verify import judgement

        workspace = self._workspace
        anchors = workspace.anchors(question.lists)
        moment = workspace.clock() if question.at is None else question.at
        key = (question.subject, question.profile.digest, anchors.to_json(), question.reader)
        kept = self._sessions.pop(key, None)
        if kept is not None and question.of_now and not kept.gaps and not offline:
            fresh = self._evidence(question, anchors, moment, offline=offline, askers=self._askers)
            own, elsewhere = _parted(kept.heads, workspace.log.origin)
            same = own == _parted(fresh.heads_at_hand(), workspace.log.origin)[0]
            if same and unchanged(fresh, elsewhere):
                # witnesses may have looked at the same checkpoints again: that makes them younger
                graph = kept.judgement.graph
                graph.as_of, graph.quorum = fresh.as_of, self._quorum(fresh, anchors)
                kept.evidence.at = fresh.at
                kept.judgement.advance(max(moment, kept.judgement.at))
                self._sessions[key] = kept
                return kept
        evidence = self._evidence(question, anchors, moment, offline=offline, askers=self._askers)
        reached = gather(evidence, question.subject, question.profile)
        graph = reached.graph(evidence)
        graph.quorum = self._quorum(evidence, anchors)
        asked = judgement(graph, question.profile, anchors, at=moment, known=question.known)
        made = _Session(evidence, asked, evidence.heads(), bool(graph.gaps or evidence.shortfalls))
        if question.of_now:
            self._sessions[key] = made
            for old in list(self._sessions)[: max(0, len(self._sessions) - _KEPT)]:
                del self._sessions[old]
        return made

    def _evidence(
        self,
        question: Question,
        anchors: Anchors,
        moment: int,
        *,
        offline: bool,
        askers: Askers | None = None,
    ) -> Across:
        from kizuna.chain.exchange.across import Across

        signed = self._oneself.known_in(anchors, question.view)
        return Across(
            self._workspace.judge.reader(question.view),
            anchors,
            subject=question.subject,
            profile=question.profile,
            at=moment,
            transport=self._sender(signed),
            memory=self._remembered(anchors, signed),
            offline=offline,
            patience=self._whole,
            askers=askers,
        )

    def _sender(self, signed: frozenset[str]) -> Transport:
        from kizuna.app.wiring.remote import transport_within

        if self._transport is not None:
            return self._transport
        made: Transport = transport_within(
            self._patience, signed=signed, sign=self._oneself.signature
        )
        return made

    def _verdict(self, session: _Session, question: Question) -> Verdict:
        verdict = session.judgement.verdict(
            question.subject,
            known=question.known,
            shortfalls=session.evidence.shortfalls,
        )
        reasons = {
            origin: store.fault.reason
            for origin, store in session.evidence.stores.items()
            if store.fault is not None
        }
        findings = tuple(sorted(_reasoned(finding, reasons) for finding in verdict.findings))
        return replace(verdict, view=question.reader, findings=findings)

    def _quorum(self, evidence: Across, anchors: Anchors) -> int:
        if not anchors.witnesses:
            return 0
        return min(
            self._workspace.judge.quorum(),
            *(s.proven.quorum for s in evidence.stores.values() if s.proven is not None),
        )

    def _remembered(self, anchors: Anchors, signed: frozenset[str]) -> StoreMemory:
        from kizuna.app.wiring.remote import StoreMemory

        whose = (anchors.to_json(), signed)
        known = self._memories.pop(whose, None)
        if known is None:
            known = StoreMemory(self._workspace.path / "remote", anchors, signed, self._shown)
        self._memories[whose] = known
        for old in list(self._memories)[:-_MEMORIES]:
            del self._memories[old]
        return known


def _parted(heads: Sequence[Known], own: str) -> tuple[list[Known], list[Known]]:
    return [h for h in heads if h.origin == own], [h for h in heads if h.origin != own]


_ABOUT_STORES: Final = frozenset(
    {
        Code.STORE_UNREACHABLE,
        Code.STORE_STALE,
        Code.LOG_FORKED,
        Code.PROOF_INCOMPLETE,
        Code.PROOF_WITHHELD,
    }
)


def _reasoned(finding: Finding, reasons: dict[str, str]) -> Finding:
    """The finding with what went wrong with the store it names."""
    what = dict(finding.about).get("what", "")
    if finding.code not in _ABOUT_STORES or what not in reasons:
        return finding
    return replace(finding, about=tuple(sorted((*finding.about, ("reason", reasons[what])))))


def _told(store: Any) -> dict[str, Any]:  # noqa: ANN401 - RemoteStore, imported late
    proven = store.proven
    return {
        "origin": store.log.origin,
        "url": store.log.url,
        "size": None if proven is None else proven.head.size,
        "as_of": None if proven is None else proven.as_of,
        "quorum": 0 if proven is None else proven.quorum,
        "fault": None if store.fault is None else store.fault.code.value,
        "reason": "" if store.fault is None else store.fault.reason,
    }
