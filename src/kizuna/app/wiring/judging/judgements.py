# SPDX-License-Identifier: Apache-2.0
"""Judgements, drawn up when a question is put, or kept in memory and brought up to date.

Keeps: 1. Whoever asks the same gets the same, cold or live. 2. Whoever brings a kept judgement up
to date does it here, so that no watch on it misses a change.

Owner of mutable state: the judgements that are kept, under the lock of whoever judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.judging.evidence import Evidence
from kizuna.app.wiring.judging.question import MeasureKey, Question
from kizuna.app.wiring.owner import Owner
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.chain.graph import Graph
    from kizuna.chain.verify import Judgement, Renewed, Watches

__all__ = ["Judgements", "Kept"]

_KEPT: Final = 8
"""Judgements kept in memory: one a profile and choice of lists."""


class Kept:
    """One profile and choice of lists, judged in memory; the watches under it, if any.

    Whoever brings the judgement up to date does it here, so that no watch misses a change.
    """

    def __init__(self, judgement: Judgement, profile: str, lists: tuple[str, ...]) -> None:
        self.judgement = judgement
        self.measures = {profile}
        """The words under which it is watched: a profile that mappings carry nothing to is the same
        measure with them and without."""
        self.lists = lists
        self.watches: Watches | None = None

    def watch(self, subject: str) -> None:
        """Keep the verdict about a subject true."""
        from kizuna.chain.verify import Watches

        if self.watches is None:
            self.watches = Watches(self.judgement)
        self.watches.add(subject)

    def forget(self, subject: str) -> None:
        """Stop keeping it true."""
        if self.watches is not None:
            self.watches.remove(subject)
            if not len(self.watches):
                self.watches = None

    def renew(self, now: int) -> list[Renewed]:
        """Take in what the graph has gained and the time that passed."""
        moment = max(now, self.judgement.at)
        if self.watches is None:
            self.judgement.update()
            self.judgement.advance(moment)
            return []
        return [*self.watches.update(), *self.watches.advance(moment)]


class Judgements:
    """The judgements of this process."""

    def __init__(self, workspace: Owner, evidence: Evidence) -> None:
        self._workspace = workspace
        self._evidence = evidence
        self._believed: Anchors | None = None
        self._kept: dict[MeasureKey, Kept] = {}
        self.hear: Callable[[Kept, Sequence[Renewed]], None] = lambda _, __: None
        """Told of what changed in a judgement that is watched."""

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept.values())

    def forget(self) -> None:
        """Begin anew with the next question."""
        self._kept.clear()

    def judgement(self, question: Question) -> Judgement:
        """The judgement that a question is answered from."""
        when = self._workspace.clock() if question.at is None else question.at
        self._evidence.take_in()  # before asking whether something in the graph is restricted
        graph = self._evidence.graph
        if graph is None or not self._evidence.serves(question.view):
            return self._fresh(self._evidence.reached(question), question, when)
        self.believe()
        if not question.of_now:
            return self._fresh(graph, question, when)
        return self.kept(question, when).judgement

    def verdict(self, judgement: Judgement, question: Question) -> Verdict:
        """What the judgement says to this question."""
        from kizuna.app.wiring.seen import with_fault

        verdict = judgement.verdict(question.subject, known=question.known)
        verdict = with_fault(verdict, self._workspace.log, self._workspace.anchors())
        reader = question.reader
        return verdict if verdict.view == reader else replace(verdict, view=reader)

    def kept(self, question: Question, now: int) -> Kept:
        """The judgement kept for a profile and choice of lists, up to date; under the lock."""
        key = question.measure_key
        kept = self._kept.pop(key, None)
        if kept is None:
            graph = self._evidence.graph
            if graph is None:
                raise RuntimeError  # only asked in a live process
            judgement = self._fresh(graph, question, now)
            kept = Kept(judgement, question.profile.name, tuple(sorted(question.lists or ())))
        else:
            self.hear(kept, kept.renew(now))
        self._kept[key] = kept
        spare = [k for k, q in self._kept.items() if q.watches is None]
        for old in spare[: max(0, len(spare) - _KEPT)]:
            del self._kept[old]
        return kept

    def believe(self) -> None:
        """Begin anew where anchors were changed, here or by another process."""
        anchors = self._workspace.anchors()
        if anchors is not self._believed:
            self._believed = anchors
            self._kept.clear()

    def _fresh(self, graph: Graph, question: Question, at: int) -> Judgement:
        from kizuna.chain.verify import judgement

        return judgement(
            graph,
            question.profile,
            self._workspace.anchors(),
            at=at,
            known=question.known,
            lists=question.lists,
        )
