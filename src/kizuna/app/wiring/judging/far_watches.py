# SPDX-License-Identifier: Apache-2.0
"""Watches over chains that cross stores: kept true by looking at the other stores now and then.

Keeps: 1. Only stores that the operator gave an address for are asked, and only while something is
watched; ``KIZUNA_LOOK_EVERY`` says how often, or never. 2. A look asks each store for its
checkpoint alone; only where one grew, failed, or time is due are the watches judged again, by the
very judgement that ``kizuna verify`` uses. 3. Who asks for the portfolio of a server makes it ask
nobody: it is shown what the last look found, and which stores did not tell, by name.

Owner of mutable state: the standings that were found last, under one lock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.criteria.measures import marked, measured, stamp_of
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.owner import Keeper
from kizuna.app.wiring.values import Change, Standing
from kizuna.model.errors import Absent, Problem
from kizuna.model.finding import Code
from kizuna.model.identifier import SubjectId
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.across import AcrossJudge
    from kizuna.record.store.watches import Watch

__all__ = ["MOST", "FarWatches", "short_of"]

MOST: Final = 1_000
"""Most watches that are judged in one look."""

_ABOUT: Final = frozenset(
    {
        Code.STORE_UNREACHABLE,
        Code.STORE_STALE,
        Code.LOG_FORKED,
        Code.PROOF_INCOMPLETE,
        Code.PROOF_WITHHELD,
    }
)

_log = logging.getLogger(__name__)

_Watched = tuple[SubjectId, str, tuple[str, ...]]


def short_of(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """Which stores a verdict lacked something of: (finding, origin), each once."""
    found = {
        (finding.code.value, dict(finding.about).get("what", ""))
        for finding in verdict.findings
        if finding.code in _ABOUT and finding.requirement == "store"
    }
    return tuple(sorted(pair for pair in found if pair[1]))


class FarWatches:
    """The watches of one store whose anchors lead to others. Not used where they lead nowhere."""

    def __init__(
        self,
        workspace: Keeper,
        across: Callable[[], AcrossJudge],
        standing: Callable[[Verdict], Standing],
        tell: Callable[[Change], None],
    ) -> None:
        self._workspace = workspace
        self._across = across
        self._standing = standing
        self._tell = tell
        self._lock = threading.RLock()
        self._found: dict[_Watched, Standing] = {}
        self._seen: object = None
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._looker: threading.Thread | None = None

    @property
    def needed(self) -> bool:
        """Whether the anchors give an address of any store elsewhere."""
        own = self._workspace.log.origin
        return any(g.url is not None and g.origin != own for g in self._workspace.anchors().logs)

    def begin(self, subject: SubjectId, measure: str, lists: tuple[str, ...]) -> Verdict:
        """The verdict that is watched from now on."""
        verdict = self._verdict((subject, measure, lists))
        with self._lock:
            self._found[subject, measure, lists] = marked(self._standing(verdict), measure)
        return verdict

    def forget(self, subject: SubjectId, measure: str, lists: tuple[str, ...]) -> None:
        """Watch it no longer."""
        with self._lock:
            self._found.pop((subject, measure, lists), None)

    def portfolio(self) -> list[Standing]:
        """How everything watched stood at the last look; what was never looked at is, now."""
        for watch in self._watches():
            key = (watch.subject, watch.measure, watch.lists)
            if key not in self._found:
                self._look_at(key)
        with self._lock:
            return sorted(self._found.values(), key=lambda s: (s.subject, s.profile, s.through))

    def look(self) -> list[Change]:
        """Judge again what may have changed; tell and give what did."""
        from kizuna.record.store.watches import Watch, Watchlist

        watches = self._watches()
        with self._lock:
            keys = {(w.subject, w.measure, w.lists) for w in watches}
            for gone in self._found.keys() - keys:
                del self._found[gone]
        if not watches or not self.needed:
            return []
        seen = (
            self._across().glance(),
            self._workspace.head(),
            self._workspace.anchors().to_json(),
            stamp_of(self._workspace.settings),
        )
        now = self._workspace.clock()
        renewed, changes = [], []
        for watch in watches:
            key = (watch.subject, watch.measure, watch.lists)
            before = self._found.get(key)
            due = before is None or (before.next_change or now + 1) <= now or bool(before.stores)
            if seen == self._seen and not due:
                continue
            after = self._look_at(key)
            if after is None:
                continue
            value = watch.value if before is None else before.value
            if value is not None and value is not after.value:
                changes.append(
                    Change(
                        subject=after.subject,
                        profile=after.profile,
                        through=after.through,
                        before=value,
                        after=after.value,
                        at=after.at,
                    )
                )
                renewed.append(
                    Watch(
                        subject=watch.subject,
                        profile=watch.profile,
                        through=watch.through,
                        lists=watch.lists,
                        value=after.value,
                        judged_at=after.at,
                        next_change=after.next_change,
                    )
                )
        self._seen = seen
        Watchlist(self._workspace.store.backend).put(renewed)
        for change in changes:
            self._tell(change)
        return changes

    # --- living -------------------------------------------------------------------------------

    def live(self) -> None:
        """Look now and then, in a thread of its own, until closed."""
        if self._looker is None and self._workspace.settings.look_every is not None:
            self._looker = threading.Thread(target=self._go_on, name="far-watches", daemon=True)
            self._looker.start()

    def wake(self) -> None:
        """Something changed here: look soon."""
        self._woken.set()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        self._woken.set()
        if self._looker is not None:
            self._looker.join(timeout=5)
            self._looker = None

    def _go_on(self) -> None:
        every = self._workspace.settings.look_every
        while not self._closing.is_set():
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the next look is another chance
                if not self._closing.is_set():
                    _log.exception("watches across stores could not be renewed")
            self._woken.wait(every)
            self._woken.clear()
            self._closing.wait(_AT_MOST)  # a busy store is not looked around for at every batch

    # --- inside -------------------------------------------------------------------------------

    def _watches(self) -> list[Watch]:
        from kizuna.record.store.watches import Watchlist

        return Watchlist(self._workspace.store.backend).all()[:MOST]

    def _verdict(self, key: _Watched) -> Verdict:
        subject, measure, lists = key
        chosen = measured(self._workspace, measure)
        return self._across().verify(Question(subject, chosen, lists=lists or None))

    def _look_at(self, key: _Watched) -> Standing | None:
        """How it stands now; None where its profile or list is gone."""
        try:
            found = marked(self._standing(self._verdict(key)), key[1])
        except Absent:
            return None
        except Problem as problem:
            _log.warning("%s cannot be judged across stores: %s", key[0], problem)
            return None
        with self._lock:
            self._found[key] = found
        return found


_AT_MOST: Final = 1.0
"""Seconds between two looks, whatever happens here."""
