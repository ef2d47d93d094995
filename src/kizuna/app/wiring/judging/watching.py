# SPDX-License-Identifier: Apache-2.0
"""Watches: verdicts that are kept true, in the portfolio and in the stream of changes.

Keeps: 1. A watch outlives the process; what it last said stands in the store. 2. In a live process
every batch that becomes durable renews the watches it touches, and so does time where it is due.
3. Where other stores have a say they are kept by ``far_watches``.

Owner of mutable state: the standings, and the thread that renews them, under the lock of whoever
judges.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kizuna.app.wiring.criteria.measures import marked, measured, stamp_of
from kizuna.app.wiring.judging.evidence import Evidence
from kizuna.app.wiring.judging.far_watches import FarWatches, short_of
from kizuna.app.wiring.judging.judgements import Judgements, Kept
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.owner import Keeper
from kizuna.app.wiring.values import Change, Progress, Standing
from kizuna.model.errors import Absent, Problem
from kizuna.model.finding import Code
from kizuna.model.identifier import SubjectId
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.across import AcrossJudge
    from kizuna.chain.verify import Renewed
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import View

__all__ = ["Watching"]

_log = logging.getLogger(__name__)

_Watched = tuple[SubjectId, str, tuple[str, ...]]
"""Subject, measure (a profile by name, and mappings), lists."""


class Watching:
    """The watches of one store."""

    def __init__(
        self,
        workspace: Keeper,
        lock: threading.RLock,
        evidence: Evidence,
        judgements: Judgements,
        *,
        verify: Callable[[Question], Verdict],
        across: Callable[[], AcrossJudge],
    ) -> None:
        self._workspace = workspace
        self._lock = lock
        self._evidence = evidence
        self._judgements = judgements
        self._verify = verify
        self._across = across
        self._unheard: list[Change] = []
        self._listeners: list[Callable[[Change], None]] = []
        self._watched: dict[_Watched, Standing] = {}
        self._digests: dict[_Watched, str] = {}
        self._stamp: tuple[int, ...] = ()
        self._doubtful: set[_Watched] = set()
        self._woken = threading.Event()
        self._renewer: threading.Thread | None = None
        self._closing = threading.Event()
        self._far: FarWatches | None = None
        judgements.hear = self._hear

    def watch(
        self,
        subject: SubjectId,
        profile: Profile,
        lists: Sequence[str] | None,
        through: Sequence[str] = (),
    ) -> Standing:
        """Keep a verdict true; ``through``: mappings through which the profile is read."""
        from kizuna.record.store.watches import Watch, Watchlist, measure_of

        chosen, far = tuple(sorted(lists or ())), self.far
        measure = measure_of(profile.name, through)
        by = measured(self._workspace, measure) if through else profile
        if far is None:
            verdict = self._verify(Question(subject, by, lists=lists))
        else:
            verdict = far.begin(subject, measure, chosen)
        kept = Watch(
            subject=subject,
            profile=profile.name,
            through=tuple(sorted(set(through))),
            lists=chosen,
            value=verdict.value,
            judged_at=verdict.at,
            next_change=verdict.next_change,
        )
        Watchlist(self._workspace.store.backend).put([kept])
        standing = marked(self._standing(verdict), measure)
        with self._lock:
            if self._evidence.graph is not None:
                self._begin(subject, measure, kept.lists)
        self._woken.set()
        return standing

    def unwatch(
        self, subject: SubjectId, profile: str, through: Sequence[str] | None = None
    ) -> int:
        """Stop keeping verdicts of this subject and profile true; ``through``: only those read
        through these mappings, None: all of them.
        """
        from kizuna.record.store.watches import Watchlist

        watchlist = Watchlist(self._workspace.store.backend)
        ended = [
            w
            for w in watchlist.all()
            if w.subject == subject
            and w.profile == profile
            and (through is None or w.through == tuple(sorted(set(through))))
            and watchlist.remove(w)
        ]
        with self._lock:
            for watch in ended:
                key = (watch.subject, watch.measure, watch.lists)
                self._watched.pop(key, None)
                if self._far is not None:
                    self._far.forget(*key)
                self._let_go(key)
        return len(ended)

    def portfolio(self, *, view: View | None = None) -> list[Standing]:
        """Every watched subject as it stands now, for this reader."""
        from kizuna.record.store.watches import Watchlist

        far = self.far
        if far is not None and (view is None or view.everything):
            return far.portfolio()
        with self._lock:
            self._evidence.take_in()
            local = far is None and self._evidence.serves(view)
            if self._evidence.graph is not None and local and self._watched:
                self._judgements.believe()
                self._look_at_measures()
                return self._settled()
        rows = []
        for watch in Watchlist(self._workspace.store.backend).all():
            try:
                profile = measured(self._workspace, watch.measure)
                verdict = self._verify(
                    Question(watch.subject, profile, lists=watch.lists or None, view=view)
                )
            except Absent:
                continue  # the profile or list is gone: nothing can be judged by it
            if self._shows(verdict, view):
                rows.append(marked(self._standing(verdict, view), watch.measure))
        return rows

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Be told of every change of a watched verdict."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    # --- living -------------------------------------------------------------------------------

    def first(self, progress: Progress) -> None:
        """Judge every watch of the store for the first time."""
        from kizuna.record.store.watches import Watchlist

        watches = Watchlist(self._workspace.store.backend).all()
        for done, watch in enumerate(watches, start=1):
            self._begin(watch.subject, watch.measure, watch.lists)
            progress("phase.judging", done, len(watches))

    def start(self) -> None:
        """Renew from now on."""
        self._renewer = threading.Thread(target=self._renew, name="watches", daemon=True)
        self._renewer.start()
        if self.far is not None:
            self.far.live()

    def close(self) -> None:
        """Stop renewing."""
        self._closing.set()
        if self._far is not None:
            self._far.close()
        self._woken.set()
        if self._renewer is not None:
            self._renewer.join(timeout=5)
            self._renewer = None

    def wake(self) -> None:
        """Something was registered."""
        self._woken.set()
        if self._far is not None:
            self._far.wake()

    def doubt(self) -> None:
        """Whom the verifier believes is another: every standing is to be found anew."""
        with self._lock:
            self._judgements.forget()
            self._doubtful.update(self._watched)
        self._woken.set()
        if self.far is not None:
            self.far.wake()

    @property
    def far(self) -> FarWatches | None:
        """Who keeps watches true across stores; None where the anchors lead to no other store."""
        with self._lock:
            if self._far is None:
                made = FarWatches(self._workspace, self._across, self._standing, self._tell)
                if not made.needed:
                    return None
                self._far = made
                if self._evidence.graph is not None:
                    made.live()
            return self._far if self._far.needed else None

    # --- inside -------------------------------------------------------------------------------

    def _tell(self, change: Change) -> None:
        for listener in tuple(self._listeners):
            listener(change)

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
        now = self._workspace.clock()
        for key in sorted(self._doubtful & self._watched.keys()):
            subject, measure, lists = key
            try:
                profile = measured(self._workspace, measure)
                question = Question(subject, profile, lists=lists or None)
                kept = self._judgements.kept(question, now)
            except Absent:
                continue
            verdict = self._judgements.verdict(kept.judgement, question)
            self._watched[key] = marked(self._standing(verdict), measure)
        self._doubtful.clear()
        return sorted(self._watched.values(), key=lambda s: (s.subject, s.profile, s.through))

    def _hear(self, kept: Kept, renewed: Sequence[Renewed]) -> None:
        """Remember what changed, for those who are told of it."""
        for one in renewed:
            for measure in kept.measures:
                key = (SubjectId(one.subject), measure, kept.lists)
                before = self._watched.get(key)
                if before is None:
                    continue
                self._doubtful.add(key)
                if before.value is not one.after:
                    now = replace(before, value=one.after, at=kept.judgement.at)
                    self._watched[key] = now
                    self._changed(before, now)
                    self._woken.set()

    def _changed(self, before: Standing, now: Standing) -> None:
        """Remember a change for those who are told of it."""
        if before.value is not now.value:
            self._unheard.append(
                Change(
                    subject=now.subject,
                    profile=now.profile,
                    through=now.through,
                    before=before.value,
                    after=now.value,
                    at=now.at,
                )
            )

    def _let_go(self, key: _Watched) -> None:
        """Stop renewing a judgement for a subject that nothing watches under it any more."""
        subject, measure, lists = key
        for kept in self._judgements:
            if measure in kept.measures and kept.lists == lists:
                others = (key in self._watched for key in _under(subject, kept.measures, lists))
                if not any(others):
                    kept.forget(subject)

    def _look_at_measures(self) -> None:
        """Begin anew where a profile, a mapping or a catalog was exchanged; say what differs."""
        stamp = stamp_of(self._workspace.settings)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        for key, before in list(self._watched.items()):
            try:
                digest = measured(self._workspace, key[1]).digest
            except Problem:
                continue  # what cannot be read now is judged as it was, until it can
            if digest != self._digests.get(key):
                del self._watched[key]
                self._let_go(key)
                self._begin(*key)
                self._changed(before, self._watched.setdefault(key, before))

    def _begin(self, subject: SubjectId, measure: str, lists: tuple[str, ...]) -> None:
        """Keep one verdict true in memory; nothing where its profile or list is gone, or where
        other stores have a say in it.
        """
        if self.far is not None:
            self._watched.pop((subject, measure, lists), None)
            return
        try:
            chosen = measured(self._workspace, measure)
            self._judgements.believe()
            question = Question(subject, chosen, lists=lists or None)
            kept = self._judgements.kept(question, self._workspace.clock())
            kept.measures.add(measure)
            kept.watch(subject)
            verdict = self._judgements.verdict(kept.judgement, question)
        except Absent:
            return
        self._digests[subject, measure, lists] = chosen.digest
        self._watched[subject, measure, lists] = marked(self._standing(verdict), measure)

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
                for q in self._judgements
                if q.watches is not None and q.watches.next_change is not None
            ]
        return float(min(max(min(due) - self._workspace.clock(), 1), 60)) if due else 60.0

    def _changes(self) -> list[Change]:
        """Bring every watched verdict up to now; what changed since this was asked last."""
        from kizuna.record.store.watches import Watch, Watchlist

        with self._lock:
            self._evidence.take_in()
            self._judgements.believe()
            if not len(
                self._judgements
            ):  # whom to believe changed: begin anew, and say what differs
                for key, before in list(self._watched.items()):
                    self._begin(*key)
                    self._changed(before, self._watched.get(key, before))
            self._look_at_measures()
            now = self._workspace.clock()
            for kept in self._judgements:
                if kept.watches is not None:
                    self._hear(kept, kept.renew(now))
            changes, self._unheard = self._unheard, []
            renewed = [
                Watch(
                    subject=subject,
                    profile=standing.profile,
                    through=standing.through,
                    lists=lists,
                    value=standing.value,
                    judged_at=standing.at,
                    next_change=standing.next_change,
                )
                for (subject, _, lists), standing in self._watched.items()
                if any(
                    (c.subject, c.profile, c.through)
                    == (subject, standing.profile, standing.through)
                    for c in changes
                )
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
        for row in self._evidence.reader(view).by_keys([key]).get(key, ()):
            payload = row.statement.payload
            if isinstance(payload, Links):
                for described in payload.described:
                    if (described.subject or row.statement.subject) == subject and described.name:
                        name = described.name
        return name


def _under(
    subject: SubjectId, measures: Iterable[str], lists: tuple[str, ...]
) -> Iterable[_Watched]:
    return ((subject, measure, lists) for measure in measures)
