# SPDX-License-Identifier: Apache-2.0
"""Judging for every door: by closure in a one-shot process, from memory in a server.

Keeps: 1. Whoever asks the same gets the same, cold or live. 2. Everything goes through the reader's
view; a graph in memory is kept for the operator's eyes, and serves others only as long as nothing
in it is restricted. 3. In a live process every batch that becomes durable is taken in before the
next question is answered, and watches are renewed by whoever is told of the batch.

Owner of mutable state: graph, judgements and watches, all under one lock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kizuna.app.wiring.far_watches import FarWatches, short_of
from kizuna.app.wiring.owner import Keeper
from kizuna.app.wiring.question import MeasureKey, Question
from kizuna.app.wiring.values import (
    Change,
    Explained,
    Progress,
    Standing,
    WrittenBundle,
    quiet,
)
from kizuna.model.errors import Absent, Unavailable
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.across import AcrossJudge
    from kizuna.chain.graph import Graph
    from kizuna.chain.verify import Judgement, Renewed, Watches
    from kizuna.chain.verify.authority import Authority
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Registered
    from kizuna.record.store import StoreReader, View

__all__ = ["Judge"]

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")

_KEPT: Final = 8
"""Judgements kept in memory: one a profile and choice of lists."""


_TRIES: Final = 8
"""How often a bundle is made anew where the store grew meanwhile."""

_OTHERS: Final = 1.0
"""Seconds after which statements that another process registered are looked for."""

_Watched = tuple[SubjectId, str, tuple[str, ...]]
"""Subject, profile by name, lists."""


class _Kept:
    """One profile and choice of lists, judged in memory; the watches under it, if any.

    Whoever brings the judgement up to date does it here, so that no watch misses a change.
    """

    def __init__(self, judgement: Judgement, profile: str, lists: tuple[str, ...]) -> None:
        self.judgement = judgement
        self.profile = profile
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


class Judge:
    """Who judges in this process."""

    def __init__(self, workspace: Keeper) -> None:
        self._workspace = workspace
        self._lock = threading.RLock()
        self._graph: Graph | None = None
        self._restricted = False
        self._believed: Anchors | None = None
        self._measures: dict[MeasureKey, _Kept] = {}
        self._unheard: list[Change] = []
        self._refreshed = 0.0
        self._pending: list[list[Registered]] = []
        self._listeners: list[Callable[[Change], None]] = []
        self._stop: Callable[[], None] | None = None
        self._watched: dict[_Watched, Standing] = {}
        self._doubtful: set[_Watched] = set()
        self._woken = threading.Event()
        self._renewer: threading.Thread | None = None
        self._closing = threading.Event()
        self._far: FarWatches | None = None
        self._across: AcrossJudge | None = None

    @property
    def graph(self) -> Graph | None:
        """The graph in memory of a live process."""
        return self._graph

    # --- questions ----------------------------------------------------------------------------

    def verify(self, question: Question) -> Verdict:
        """The verdict."""
        with self._lock:
            return self._verdict(self._judgement(question), question)

    def explain(self, question: Question) -> Explained:
        """The verdict with its tree."""
        from kizuna.chain.verify import explain

        with self._lock:
            asked = self._judgement(question)
            verdict = self._verdict(asked, question)
            return Explained(verdict=verdict, tree=explain(asked, question.subject))

    def ask(
        self, question: Question, further: Callable[[Judgement], _Answer]
    ) -> tuple[Verdict, _Answer]:
        """The verdict, with what else the same judgement tells."""
        with self._lock:
            asked = self._judgement(question)
            return self._verdict(asked, question), further(asked)

    def ask_everything(
        self, further: Callable[[Authority], _Answer], *, lists: Sequence[str] | None = None
    ) -> _Answer:
        """What is to be told about everything registered, by whom the verifier believes."""
        from kizuna.chain.verify.authority import Authority

        with self._lock:
            self._take_in()
            graph = self._loaded(None) if self._graph is None else self._graph
            return further(Authority(graph, self._workspace.anchors(), lists, None))

    def impact(
        self, what: str, *, profile: Profile | None = None, view: View | None = None
    ) -> list[dict[str, Any]]:
        """Everything whose standing depends on a subject or statement."""
        from kizuna.chain.verify import impact, judgement

        named = what if _is_digest(what) else canonical(what)
        with self._lock:
            self._take_in()
            if self._graph is not None and self._serves(view):
                graph = self._graph
            else:
                graph = self._loaded(view)
            chosen = profile or self._any_profile()
            asked = judgement(graph, chosen, self._workspace.anchors(), at=self._now())
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
        progress: Progress = quiet,
    ) -> WrittenBundle:
        """A proof bundle for one subject and profile.

        Where the store grows meanwhile it is made anew, at the checkpoint that stands then.

        Raises:
            Unavailable: ``bundle.moved-on`` where the store grew all the time.
        """
        progress("phase.bundling", 0, None)
        for again in range(_TRIES):
            if again:
                self._workspace.store.refresh()
            try:
                return self._export(subject, profile, view)
            except Unavailable as fault:
                if fault.code != "bundle.moved-on" or again == _TRIES - 1:
                    raise
        raise AssertionError  # the loop ends by returning or raising

    def _export(self, subject: SubjectId, profile: Profile, view: View | None) -> WrittenBundle:
        from kizuna.chain.exchange import pack_bundle
        from kizuna.chain.graph.closure import closure

        workspace = self._workspace
        anchors = workspace.anchors()
        reader = self._reader(view)
        reached = closure(reader, subject, profile, anchors)
        bundle = pack_bundle(
            reader,
            workspace.log,
            workspace.store.map,
            subject=subject,
            profile=profile.name,
            keys=reached.keys,
            anchors=anchors,
        )
        return WrittenBundle(
            data=bundle.to_bytes(),
            statements=len(bundle.statements),
            subject=subject,
            profile=profile.name,
        )

    # --- watches ------------------------------------------------------------------------------

    def watch(self, subject: SubjectId, profile: Profile, lists: Sequence[str] | None) -> Standing:
        """Keep a verdict true."""
        from kizuna.record.store.watches import Watch, Watchlist

        chosen, far = tuple(sorted(lists or ())), self.far
        if far is None:
            verdict = self.verify(Question(subject, profile, lists=lists))
        else:
            verdict = far.begin(subject, profile.name, chosen)
        kept = Watch(
            subject=subject,
            profile=profile.name,
            lists=chosen,
            value=verdict.value,
            judged_at=verdict.at,
            next_change=verdict.next_change,
        )
        Watchlist(self._workspace.store.backend).put([kept])
        standing = self._standing(verdict)
        with self._lock:
            if self._graph is not None:
                self._begin(subject, profile.name, kept.lists)
        self._woken.set()
        return standing

    def unwatch(self, subject: SubjectId, profile: str) -> int:
        """Stop keeping verdicts of this subject and profile true."""
        from kizuna.record.store.watches import Watchlist

        watchlist = Watchlist(self._workspace.store.backend)
        ended = [
            w
            for w in watchlist.all()
            if w.subject == subject and w.profile == profile and watchlist.remove(w)
        ]
        with self._lock:
            for watch in ended:
                self._watched.pop((watch.subject, watch.profile, watch.lists), None)
                if self._far is not None:
                    self._far.forget(watch.subject, watch.profile, watch.lists)
                for kept in self._measures.values():
                    if (kept.profile, kept.lists) == (watch.profile, watch.lists):
                        kept.forget(watch.subject)
        return len(ended)

    def portfolio(self, *, view: View | None = None) -> list[Standing]:
        """Every watched subject as it stands now, for this reader."""
        from kizuna.record.store.watches import Watchlist

        far = self.far
        if far is not None and (view is None or view.everything):
            return far.portfolio()
        with self._lock:
            self._take_in()
            local = far is None and self._serves(view)
            if self._graph is not None and local and self._watched:
                self._believe()
                return self._settled()
        rows = []
        for watch in Watchlist(self._workspace.store.backend).all():
            try:
                profile = self._workspace.profile(watch.profile)
                verdict = self.verify(
                    Question(watch.subject, profile, lists=watch.lists or None, view=view)
                )
            except Absent:
                continue  # the profile or list is gone: nothing can be judged by it
            if self._shows(verdict, view):
                rows.append(self._standing(verdict, view))
        return rows

    def _shows(self, verdict: Verdict, view: View | None) -> bool:
        """Whether a reader knows of a watched subject at all."""
        return (
            view is None
            or view.everything
            or not any(
                f.code is Code.SUBJECT_UNKNOWN and f.subject == verdict.subject
                for f in verdict.findings
            )
        )

    def _settled(self) -> list[Standing]:
        """Every watched standing, with the findings of those that changed drawn up anew."""
        now = self._now()
        for key in sorted(self._doubtful & self._watched.keys()):
            subject, name, lists = key
            try:
                profile = self._workspace.profile(name)
                kept = self._kept(Question(subject, profile, lists=lists or None), now)
            except Absent:
                continue
            verdict = self._seen(kept.judgement.verdict(subject))
            self._watched[key] = self._standing(verdict)
        self._doubtful.clear()
        return sorted(self._watched.values(), key=lambda s: (s.subject, s.profile))

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Be told of every change of a watched verdict."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    # --- living -------------------------------------------------------------------------------

    def live(self, *, progress: Progress = quiet) -> None:
        """Load the graph, judge the watches, and renew both as statements arrive."""
        with self._lock:
            if self._graph is not None:
                return
            self._graph = self._loaded(None, progress=progress)
            self._stop = self._workspace.store.on_registered(self._registered)
            self._missed()
            self._first_judgement(progress)
        self._renewer = threading.Thread(target=self._renew, name="watches", daemon=True)
        self._renewer.start()
        if self.far is not None:
            self.far.live()

    def close(self) -> None:
        """Stop renewing."""
        self._closing.set()
        if self._far is not None:
            self._far.close()
        if self._stop is not None:
            self._stop()
            self._stop = None
        self._woken.set()
        if self._renewer is not None:
            self._renewer.join(timeout=5)
            self._renewer = None

    def anchors_changed(self) -> None:
        """Judge anew: whom the verifier believes is another."""
        with self._lock:
            self._measures.clear()
            self._doubtful.update(self._watched)
        self._woken.set()
        if self.far is not None:
            self.far.wake()

    @property
    def across(self) -> AcrossJudge:
        """Who judges over this store and those elsewhere, for everybody in this process."""
        from kizuna.app.wiring.across import AcrossJudge

        with self._lock:
            if self._across is None:
                self._across = AcrossJudge(self._workspace)
            return self._across

    @property
    def far(self) -> FarWatches | None:
        """Who keeps watches true across stores; None where the anchors lead to no other store."""
        with self._lock:
            if self._far is None:
                made = FarWatches(self._workspace, lambda: self.across, self._standing, self._tell)
                if not made.needed:
                    return None
                self._far = made
                if self._graph is not None:
                    made.live()
            return self._far if self._far.needed else None

    def _tell(self, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(change)

    def reader(self, view: View | None) -> StoreReader:
        """The store through a reader's eyes, dated as the verifier's witnesses do."""
        return self._reader(view)

    def quorum(self) -> int:
        """How many of the verifier's witnesses cosigned the store's last checkpoint."""
        return self._quorum()

    # --- inside -------------------------------------------------------------------------------

    def _now(self) -> int:
        return self._workspace.clock()

    def _reader(self, view: View | None) -> StoreReader:
        from kizuna.record.store import OPERATOR

        return self._workspace.store.reader(view or OPERATOR, times=self._times())

    def _times(self) -> Callable[[int], Any] | None:
        """Registration by the verifier's witnesses, where a quorum of them is asked for."""
        anchors = self._workspace.anchors()
        if anchors.quorum == 0:
            return None
        return self._workspace.log.intervals(anchors).of

    def _serves(self, view: View | None) -> bool:
        """Whether the graph in memory may answer this reader."""
        return view is None or view.everything or not self._restricted

    def _seen(self, verdict: Verdict, reader: str = "operator") -> Verdict:
        """The verdict under the name of the view it was asked for."""
        from kizuna.app.wiring.seen import with_fault

        verdict = with_fault(verdict, self._workspace.log, self._workspace.anchors())
        return verdict if verdict.view == reader else replace(verdict, view=reader)

    def _verdict(self, judgement: Judgement, question: Question) -> Verdict:
        """What the judgement says to this question."""
        verdict = judgement.verdict(question.subject, known=question.known)
        return self._seen(verdict, question.reader)

    def _judgement(self, question: Question) -> Judgement:
        when = self._now() if question.at is None else question.at
        self._take_in()  # before asking whether something in the graph is restricted
        if self._graph is None or not self._serves(question.view):
            return self._fresh(self._reached(question), question, when)
        self._believe()
        if not question.of_now:
            return self._fresh(self._graph, question, when)
        return self._kept(question, when).judgement

    def _believe(self) -> None:
        """Begin anew where anchors were changed, here or by another process."""
        anchors = self._workspace.anchors()
        if anchors is not self._believed:
            self._believed = anchors
            self._measures.clear()

    def _kept(self, question: Question, now: int) -> _Kept:
        """The judgement kept for a profile and choice of lists, up to date; under the lock."""
        key = question.measure_key
        kept = self._measures.pop(key, None)
        if kept is None:
            graph = self._graph
            if graph is None:
                raise RuntimeError  # only asked in a live process
            judgement = self._fresh(graph, question, now)
            kept = _Kept(judgement, question.profile.name, tuple(sorted(question.lists or ())))
        else:
            self._hear(kept, kept.renew(now))
        self._measures[key] = kept
        spare = [k for k, q in self._measures.items() if q.watches is None]
        for old in spare[: max(0, len(spare) - _KEPT)]:
            del self._measures[old]
        return kept

    def _hear(self, kept: _Kept, renewed: Sequence[Renewed]) -> None:
        """Remember what changed, for those who are told of it."""
        for one in renewed:
            key = (SubjectId(one.subject), kept.profile, kept.lists)
            before = self._watched.get(key)
            self._doubtful.add(key)
            if before is None or before.value is one.after:
                continue
            now = replace(before, value=one.after, at=kept.judgement.at)
            self._watched[key] = now
            self._unheard.append(
                Change(
                    subject=now.subject,
                    profile=now.profile,
                    before=before.value,
                    after=now.value,
                    at=now.at,
                )
            )
            self._woken.set()

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

    def _any_profile(self) -> Profile:
        """A profile that follows every relation, for questions that name none."""
        from kizuna.criteria.profiles import shipped_profile

        return shipped_profile("building-services")

    def _reached(self, question: Question) -> Graph:
        """A graph of only what this question needs."""
        from kizuna.chain.graph.closure import closure

        reader, anchors = self._reader(question.view), self._workspace.anchors(question.lists)
        graph = closure(reader, question.subject, question.profile, anchors).graph(reader)
        graph.quorum = self._quorum()
        return graph

    def _quorum(self) -> int:
        """How many of the verifier's witnesses cosigned the store's last checkpoint."""
        workspace = self._workspace
        witnesses = workspace.anchors().witnesses
        if not witnesses:
            return 0
        from kizuna.record.log import read_checkpoint

        log = workspace.log
        return read_checkpoint(log.checkpoint(), log.anchor(), witnesses).quorum

    def _loaded(self, view: View | None, *, progress: Progress = quiet) -> Graph:
        from kizuna.chain.graph import Graph

        reader = self._reader(view)
        graph = Graph(reader.heads(), reader.view)
        graph.quorum = self._quorum()
        done, total = 0, reader.size
        for batch in reader.all():
            graph.add(batch)
            self._note(batch)
            done += len(batch)
            progress("phase.loading", done, total)
        return graph

    def _note(self, batch: Sequence[Registered]) -> None:
        if not self._restricted and any(r.statement.audience for r in batch):
            self._restricted = True

    def _registered(self, batch: list[Registered]) -> None:
        """From the store's writer thread: only remember, and wake who renews."""
        self._pending.append(batch)
        self._woken.set()
        if self._far is not None:
            self._far.wake()

    def _take_in(self) -> None:
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
            for batch in self._reader(None).all(len(graph)):
                graph.add(batch)
                self._note(batch)
        graph.heads = (head,)
        graph.quorum = self._quorum()

    def _first_judgement(self, progress: Progress) -> None:
        from kizuna.record.store.watches import Watchlist

        watches = Watchlist(self._workspace.store.backend).all()
        for done, watch in enumerate(watches, start=1):
            self._begin(watch.subject, watch.profile, watch.lists)
            progress("phase.judging", done, len(watches))

    def _begin(self, subject: SubjectId, profile: str, lists: tuple[str, ...]) -> None:
        """Keep one verdict true in memory; nothing where its profile or list is gone, or where
        other stores have a say in it.
        """
        if self.far is not None:
            self._watched.pop((subject, profile, lists), None)
            return
        try:
            chosen = self._workspace.profile(profile)
            self._believe()
            kept = self._kept(Question(subject, chosen, lists=lists or None), self._now())
            kept.watch(subject)
            verdict = kept.judgement.verdict(subject)
        except Absent:
            return
        self._watched[(subject, profile, lists)] = self._standing(self._seen(verdict))

    def _renew(self) -> None:
        """The thread that keeps watches true: after each batch, and when time alone is due."""
        while not self._closing.is_set():
            self._woken.wait(timeout=self._patience())
            self._woken.clear()
            if self._closing.is_set():
                return
            try:
                for change in self._changes():
                    self._tell(change)
            except Exception:  # noqa: BLE001 - the next batch is another chance; the log has it
                _log.exception("watches could not be renewed; they will be with the next batch")

    def _patience(self) -> float:
        """Seconds until time alone could change something, at most a minute."""
        with self._lock:
            due = [
                q.watches.next_change
                for q in self._measures.values()
                if q.watches is not None and q.watches.next_change is not None
            ]
        return float(min(max(min(due) - self._now(), 1), 60)) if due else 60.0

    def _changes(self) -> list[Change]:
        """Bring every watched verdict up to now; what changed since this was asked last."""
        from kizuna.record.store.watches import Watch, Watchlist

        with self._lock:
            self._take_in()
            self._believe()
            if not self._measures:  # whom to believe changed: begin anew, and say what differs
                for key, before in list(self._watched.items()):
                    self._begin(*key)
                    after = self._watched.get(key, before)
                    if after.value is not before.value:
                        self._unheard.append(
                            Change(
                                subject=after.subject,
                                profile=after.profile,
                                before=before.value,
                                after=after.value,
                                at=after.at,
                            )
                        )
            now = self._now()
            for kept in self._measures.values():
                if kept.watches is not None:
                    self._hear(kept, kept.renew(now))
            changes, self._unheard = self._unheard, []
            renewed = [
                Watch(
                    subject=subject,
                    profile=profile,
                    lists=lists,
                    value=standing.value,
                    judged_at=standing.at,
                    next_change=standing.next_change,
                )
                for (subject, profile, lists), standing in self._watched.items()
                if any(c.subject == subject and c.profile == profile for c in changes)
            ]
        Watchlist(self._workspace.store.backend).put(renewed)
        return changes

    def _standing(self, verdict: Verdict, view: View | None = None) -> Standing:
        return Standing(
            subject=verdict.subject,
            name=self._name_of(verdict.subject, view),
            profile=verdict.profile,
            value=verdict.value,
            findings=sum(f.counts for f in verdict.findings),
            next_change=verdict.next_change,
            at=verdict.at,
            stores=short_of(verdict),
        )

    def _name_of(self, subject: SubjectId, view: View | None = None) -> str:
        """What the product's own description, as this reader sees it, calls it."""
        from kizuna.model.payload import Links
        from kizuna.record.log.keys import subject_key

        key = subject_key(subject)
        name = ""
        for row in self._reader(view).by_keys([key]).get(key, ()):
            payload = row.statement.payload
            if isinstance(payload, Links):
                for described in payload.described:
                    if (described.subject or row.statement.subject) == subject and described.name:
                        name = described.name
        return name


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
