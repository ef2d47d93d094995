# SPDX-License-Identifier: Apache-2.0
"""What a purchase is judged by: the store's evidence, or that of all stores the lists lead to.

Keeps: 1. Where ``verify`` asks other stores, so does a purchase, by the same questions and under
the same bounds; strangers make nobody ask. 2. What is supposed is never sent anywhere: other stores
are asked for lists of map keys, as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.procure.supposing import Supposed
from kizuna.model.finding import Code
from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.chain.exchange.across import Across
    from kizuna.chain.graph import Graph
    from kizuna.chain.graph.closure import Closure
    from kizuna.chain.verify import Judgement
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Registered
    from kizuna.record.store import View

__all__ = ["Bought", "elsewhere"]


def elsewhere(workspace: Workspace, view: View | None) -> bool:
    """Whether other stores are asked for this reader's purchases."""
    from kizuna.app.wiring.judging.across import stores_elsewhere

    return (view is None or view.everything) and bool(stores_elsewhere(workspace))


class Bought:
    """The evidence of one purchase, with what is supposed beside it. For one thread."""

    def __init__(
        self,
        workspace: Workspace,
        roots: Sequence[SubjectId],
        profile: Profile,
        *,
        at: int,
        lists: Sequence[str] | None,
        view: View | None,
        offline: bool = False,
    ) -> None:
        """Args:
        workspace: whose store and anchors.
        roots: what is bought, and from whom it could come.
        profile: by what measure, with supposed ties looked at.
        at: the instant asked about.
        lists: believe only these.
        view: whose eyes; other stores are asked for the operator's alone.
        offline: ask nobody.
        """
        self._workspace = workspace
        self._profile = profile
        self._roots = tuple(dict.fromkeys(roots))
        self._anchors = workspace.anchors(lists)
        self._lists = lists
        self._at = at
        self._far: Across | None = None
        if elsewhere(workspace, view):
            question = Question(self._roots[0], profile, at=at, lists=lists, view=view)
            self._far = workspace.judge.across.evidence(question, offline=offline)
            self._gather(self._search(self._far))
            self.supposed = Supposed(self._far, now=at)
        else:
            self.supposed = Supposed(
                workspace.judge.reader(view), now=at, quorum=workspace.judge.quorum()
            )

    def judgement(self, roots: Sequence[SubjectId]) -> Judgement:
        """One judgement over what all the roots rest on, supposed ties among it."""
        from kizuna.chain.graph import Graph
        from kizuna.chain.verify import judgement

        self._roots = tuple(dict.fromkeys(roots))
        search = self._search(self.supposed)
        reached = search() if self._far is None else self._gather(search)
        far = self._far
        graph: Graph = Graph(self.supposed.heads() if far is None else far.heads(), self.view)
        graph.quorum = self.supposed.quorum
        if far is not None:
            graph.quorum = self._workspace.judge.across.quorum(far)
            graph.as_of = far.as_of
            graph.gaps = far.gaps
        graph.add(reached.statements)
        anchors = self._workspace.anchors()
        return judgement(graph, self._profile, anchors, at=self._at, lists=self._lists)

    @property
    def view(self) -> str:
        """Whose eyes."""
        return self.supposed.view

    @property
    def shortfalls(self) -> dict[Code, str]:
        """What entries of the lists themselves are short of."""
        return {} if self._far is None else self._far.shortfalls

    def _search(self, evidence: Supposed | Across) -> Callable[[], Closure]:
        from kizuna.chain.graph.closure import Closure, closure

        def search() -> Closure:
            found: dict[bytes, Registered] = {}
            for root in self._roots:
                for item in closure(evidence, root, self._profile, self._anchors).statements:
                    found.setdefault(bytes(item.statement.digest), item)
            ordered = sorted(found.values(), key=lambda r: (r.origin, r.index))
            return Closure(ordered, [], len(self._roots))

        return search

    def _gather(self, search: Callable[[], Closure]) -> Closure:
        from kizuna.chain.exchange.across import gather

        if self._far is None:
            return search()
        return gather(self._far, self._roots[0], self._profile, search=search)
