# SPDX-License-Identifier: Apache-2.0
"""What a process judges from: the store as a reader sees it, and its graph once it is live.

Keeps: 1. Everything is read through a view; the graph in memory is the operator's, and serves
others only as long as nothing in it is restricted. 2. ``take_in`` brings the graph up to what is
durable, whoever registered it.

Owner of mutable state: the graph and the batches it awaits, under the lock of whoever judges.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.owner import Owner
from kizuna.app.wiring.values import Progress, quiet

if TYPE_CHECKING:
    from kizuna.chain.graph import Graph
    from kizuna.model.statement import Registered
    from kizuna.record.store import StoreReader, View

__all__ = ["Evidence"]

_OTHERS: Final = 1.0
"""Seconds after which statements that another process registered are looked for."""


class Evidence:
    """The statements of one store, read for judgements."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace
        self._graph: Graph | None = None
        self._restricted = False
        self._refreshed = 0.0
        self._pending: list[list[Registered]] = []
        self._stop: Callable[[], None] | None = None

    @property
    def graph(self) -> Graph | None:
        """The graph in memory of a live process."""
        return self._graph

    def live(self, wake: Callable[[], None], *, progress: Progress = quiet) -> None:
        """Load the graph, and take in what is registered from now on; ``wake`` is told of it."""

        def registered(batch: list[Registered]) -> None:
            """From the store's writer thread: only remember, and wake who renews."""
            self._pending.append(batch)
            wake()

        self._graph = self.whole(None, progress=progress)
        self._stop = self._workspace.store.on_registered(registered)
        self._missed()

    def close(self) -> None:
        """Take in nothing more."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def reader(self, view: View | None) -> StoreReader:
        """The store through a reader's eyes, dated as the verifier's witnesses do."""
        from kizuna.record.store import OPERATOR

        return self._workspace.store.reader(view or OPERATOR, times=self._times())

    def serves(self, view: View | None) -> bool:
        """Whether the graph in memory may answer this reader."""
        return view is None or view.everything or not self._restricted

    def reached(self, question: Question) -> Graph:
        """A graph of only what this question needs."""
        from kizuna.chain.graph.closure import closure

        reader, anchors = self.reader(question.view), self._workspace.anchors(question.lists)
        graph = closure(reader, question.subject, question.profile, anchors).graph(reader)
        graph.quorum = self.quorum()
        return graph

    def quorum(self) -> int:
        """How many of the verifier's witnesses cosigned the store's last checkpoint."""
        workspace = self._workspace
        witnesses = workspace.anchors().witnesses
        if not witnesses:
            return 0
        from kizuna.record.log import read_checkpoint

        log = workspace.log
        return read_checkpoint(log.checkpoint(), log.anchor(), witnesses).quorum

    def whole(self, view: View | None, *, progress: Progress = quiet) -> Graph:
        """A graph of everything that a reader sees."""
        from kizuna.chain.graph import Graph
        from kizuna.chain.graph.loading import uncollected

        reader = self.reader(view)
        graph = Graph(reader.heads(), reader.view)
        graph.quorum = self.quorum()
        done, total = 0, reader.size
        with uncollected():
            for batch in reader.all():
                graph.add(batch)
                self._note(batch)
                done += len(batch)
                progress("phase.loading", done, total)
        return graph

    def take_in(self) -> None:
        """Bring the graph up to what is durable; under the lock."""
        if self._graph is None:
            return
        while self._pending:
            batch = self._pending.pop(0)
            self._graph.add(batch)
            self._note(batch)
        self._missed()

    def _missed(self) -> None:
        """Statements that another process registered in this store."""
        graph = self._graph
        if graph is None:
            return
        store = self._workspace.store
        if time.monotonic() - self._refreshed > _OTHERS:
            store.refresh()
            self._refreshed = time.monotonic()
        head = store.head()
        if len(graph) < head.size:
            for batch in self.reader(None).all(len(graph)):
                graph.add(batch)
                self._note(batch)
        graph.heads = (head,)
        graph.quorum = self.quorum()

    def _note(self, batch: Sequence[Registered]) -> None:
        if not self._restricted and any(r.statement.audience for r in batch):
            self._restricted = True

    def _times(self) -> Callable[[int], Any] | None:
        """Registration by the verifier's witnesses, where a quorum of them is asked for."""
        anchors = self._workspace.anchors()
        if anchors.quorum == 0:
            return None
        return self._workspace.log.intervals(anchors).of
