# SPDX-License-Identifier: Apache-2.0
"""Judging for every door: by closure in a one-shot process, from memory in a server.

Keeps: 1. Whoever asks the same gets the same, cold or live. 2. In a live process every batch that
becomes durable is taken in before the next question is answered, and watches are renewed by whoever
is told of the batch.

Owner of mutable state: evidence, judgements and watches, all under one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kizuna.app.wiring.judging.evidence import Evidence
from kizuna.app.wiring.judging.judgements import Judgements
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.judging.watching import Watching
from kizuna.app.wiring.owner import Keeper
from kizuna.app.wiring.values import Explained, Progress, WrittenBundle, quiet
from kizuna.model.errors import Unavailable
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.across import AcrossJudge
    from kizuna.chain.graph import Graph
    from kizuna.chain.verify import Judgement
    from kizuna.chain.verify.authority import Authority
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import StoreReader, View

__all__ = ["Judge"]

_Answer = TypeVar("_Answer")

_TRIES: Final = 8
"""How often a bundle is made anew where the store grew meanwhile."""


class Judge:
    """Who judges in this process."""

    def __init__(self, workspace: Keeper) -> None:
        self._workspace = workspace
        self._lock = threading.RLock()
        self._evidence = Evidence(workspace)
        self._judgements = Judgements(workspace, self._evidence)
        self.watching = Watching(
            workspace,
            self._lock,
            self._evidence,
            self._judgements,
            verify=self.verify,
            across=lambda: self.across,
        )
        """Verdicts that are kept true."""
        self._across: AcrossJudge | None = None

    @property
    def graph(self) -> Graph | None:
        """The graph in memory of a live process."""
        return self._evidence.graph

    def verify(self, question: Question) -> Verdict:
        """The verdict."""
        with self._lock:
            return self._judgements.verdict(self._judgements.judgement(question), question)

    def explain(self, question: Question) -> Explained:
        """The verdict with its tree."""
        from kizuna.chain.verify import explain

        with self._lock:
            asked = self._judgements.judgement(question)
            verdict = self._judgements.verdict(asked, question)
            return Explained(verdict=verdict, tree=explain(asked, question.subject))

    def ask(
        self, question: Question, further: Callable[[Judgement], _Answer]
    ) -> tuple[Verdict, _Answer]:
        """The verdict, with what else the same judgement tells."""
        with self._lock:
            asked = self._judgements.judgement(question)
            return self._judgements.verdict(asked, question), further(asked)

    def ask_everything(
        self, further: Callable[[Authority], _Answer], *, lists: Sequence[str] | None = None
    ) -> _Answer:
        """What is to be told about everything registered, by whom the verifier believes."""
        from kizuna.chain.verify.authority import Authority

        with self._lock:
            self._evidence.take_in()
            graph = (
                self._evidence.whole(None) if self._evidence.graph is None else self._evidence.graph
            )
            return further(Authority(graph, self._workspace.anchors(), lists, None))

    def impact(
        self, what: str, *, profile: Profile | None = None, view: View | None = None
    ) -> list[dict[str, Any]]:
        """Everything whose standing depends on a subject or statement."""
        from kizuna.chain.verify import impact, judgement

        named = what if _is_digest(what) else canonical(what)
        with self._lock:
            self._evidence.take_in()
            if self._evidence.graph is not None and self._evidence.serves(view):
                graph = self._evidence.graph
            else:
                graph = self._evidence.whole(view)
            chosen = profile or _any_profile()
            asked = judgement(graph, chosen, self._workspace.anchors(), at=self._workspace.clock())
            found = impact(asked, named, losses=profile is not None)
            return [
                {k: v.word if isinstance(v, Value) else v for k, v in item.items()}
                for item in found
            ]

    def export(
        self,
        subject: SubjectId,
        profile: Profile,
        *,
        view: View | None = None,
        through: Sequence[str] = (),
        progress: Progress = quiet,
    ) -> WrittenBundle:
        """A proof bundle for one subject and profile; ``through``: mappings that travel along.

        Where the store grows meanwhile it is made anew, at the checkpoint that stands then.

        Raises:
            Unavailable: ``bundle.moved-on`` where the store grew all the time.
        """
        progress("phase.bundling", 0, None)
        for again in range(_TRIES):
            if again:
                self._workspace.store.refresh()
            try:
                return self._export(subject, profile, view, through)
            except Unavailable as fault:
                if fault.code != "bundle.moved-on" or again == _TRIES - 1:
                    raise
        raise AssertionError  # the loop ends by returning or raising

    def _export(
        self, subject: SubjectId, profile: Profile, view: View | None, through: Sequence[str]
    ) -> WrittenBundle:
        from kizuna.chain.exchange import pack_bundle
        from kizuna.chain.graph.closure import closure

        workspace = self._workspace
        anchors = workspace.anchors()
        reader = self._evidence.reader(view)
        reached = closure(reader, subject, profile, anchors)
        norms: list[bytes] = []
        if through:
            from kizuna.app.wiring.criteria.travelling import keys_of_norms

            norms = keys_of_norms(workspace, profile, through)
        bundle = pack_bundle(
            reader,
            workspace.log,
            workspace.store.map,
            subject=subject,
            profile=profile.name,
            keys=[*reached.keys, *norms],
            anchors=anchors,
        )
        return WrittenBundle(
            data=bundle.to_bytes(),
            statements=len(bundle.statements),
            subject=subject,
            profile=profile.name,
        )

    def live(self, *, progress: Progress = quiet) -> None:
        """Load the graph, judge the watches, and renew both as statements arrive."""
        with self._lock:
            if self._evidence.graph is not None:
                return
            self._evidence.live(self.watching.wake, progress=progress)
            self.watching.first(progress)
        self.watching.start()

    def close(self) -> None:
        """Stop taking in and renewing."""
        self._evidence.close()
        self.watching.close()

    def anchors_changed(self) -> None:
        """Judge anew: whom the verifier believes is another."""
        self.watching.doubt()

    @property
    def across(self) -> AcrossJudge:
        """Who judges over this store and those elsewhere, for everybody in this process."""
        from kizuna.app.wiring.judging.across import AcrossJudge

        with self._lock:
            if self._across is None:
                self._across = AcrossJudge(self._workspace)
            return self._across

    def reader(self, view: View | None) -> StoreReader:
        """The store through a reader's eyes, dated as the verifier's witnesses do."""
        return self._evidence.reader(view)

    def quorum(self) -> int:
        """How many of the verifier's witnesses cosigned the store's last checkpoint."""
        return self._evidence.quorum()


def _any_profile() -> Profile:
    """A profile that follows every relation, for questions that name none."""
    from kizuna.criteria.profiles import shipped_profile

    return shipped_profile("building-services")


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
