# SPDX-License-Identifier: Apache-2.0
"""One stream of verdict changes for each view: what changed in that reader's own eyes.

Keeps: 1. A view's stream is made of that view's own verdicts. Neither the operator's changes nor
their times nor their number show in it: it is judged anew whenever something was registered and
when a verdict falls due, and tells what differs from its own judgement before. 2. Judging waits
several times as long as it took, so that a busy store is not kept busier by its listeners.
3. Views are bounded, and nobody is put out by those who come and name themselves: the operator's
places are its own, a part of the others is for members of the store's list, and a view that is
listened to makes room only for a member's, whose clients are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.api.events import Hub
from kizuna.app.api.limits import Limits
from kizuna.app.api.problems import Busy
from kizuna.app.api.workers import Workers
from kizuna.app.wiring.values import Change, Standing
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Problem

if TYPE_CHECKING:
    from kizuna.record.store.view import View

__all__ = ["Streams"]

_VIEWS: Final = 32
_OPEN: Final = 0.75
"""The part of the listeners' places that those may take who are no members."""
_PUBLIC: Final = "public"
_PAUSE: Final = 0.2
_PATIENCE: Final = 4
_LONGEST: Final = 60.0

_Key = tuple[str, str, int]
"""Subject, profile, and which of several watches of these two."""


class Streams:
    """All streams of one server. Everything but ``_poke`` runs on the event loop."""

    def __init__(self, workspace: Workspace, workers: Workers, limits: Limits) -> None:
        self._workspace = workspace
        self._workers = workers
        self._limits = limits
        self._epoch = workspace.clock() * 1000
        self._made = 0
        self._all = self._hub()
        self._followed: OrderedDict[str, _Followed] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stops: list[Callable[[], None]] = []

    @property
    def clients(self) -> int:
        """Clients that listen now."""
        return self._all.clients + sum(f.hub.clients for f in self._followed.values())

    @property
    def last(self) -> int:
        """The number of the newest event of the operator's stream."""
        return self._all.last

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to hear of changes, on this loop."""
        self._loop = loop
        self._all.attach(loop)
        self._stops = [
            self._workspace.subscribe(self._changed),
            self._workspace.store.on_registered(lambda _: self._poke()),
        ]

    def close(self) -> None:
        """Let every client go."""
        for stop in self._stops:
            stop()
        self._all.close()
        for followed in self._followed.values():
            followed.close()
        self._followed.clear()

    async def of(self, view: View) -> Hub:
        """The stream of one view.

        Raises:
            Busy: ``events.full``.
        """
        if view.everything:
            return self._all  # which bounds its own clients
        member = self._is_member(view.name)
        others = [f.hub.clients for name, f in self._followed.items() if not self._is_member(name)]
        places = self._limits.listeners
        if self.clients - self._all.clients >= places or (
            not member and sum(others) >= int(places * _OPEN)
        ):
            raise self._full()
        followed = self._followed.get(view.name)
        if followed is None:
            if len(self._followed) >= _VIEWS:
                self._make_room(member=member)
            followed = self._followed[view.name] = _Followed(self._hub(), self._judge(view))
        self._followed.move_to_end(view.name)
        await followed.ready()
        return followed.hub

    def _make_room(self, *, member: bool) -> None:
        """Let a view go: one that nobody listens to, or for a member's that of somebody else."""
        idle = (name for name, f in self._followed.items() if not f.hub.clients)
        stranger = (
            name for name in self._followed if name != _PUBLIC and not self._is_member(name)
        )
        found = next(idle, None) or (next(stranger, None) if member else None)
        if found is None:
            raise self._full()
        self._followed.pop(found).close()

    def _is_member(self, name: str) -> bool:
        workspace = self._workspace
        return workspace.store.members.is_member(name, workspace.clock())

    def _full(self) -> Busy:
        return Busy(
            "events.full",
            "too many clients listen already",
            hint="try again later, or ask for the portfolio instead",
            limit=self._limits.listeners,
        )

    def _hub(self) -> Hub:
        self._made += 1
        made = Hub(self._limits, self._epoch + self._made)
        if self._made > 1 and self._loop is not None:
            made.attach(self._loop)
        return made

    def _judge(self, view: View) -> Callable[[], Any]:
        return lambda: self._workers.run(lambda: self._workspace.portfolio(view=view))

    def _changed(self, change: Change) -> None:
        self._all.publish(change)
        self._poke()

    def _poke(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # a loop that has ended has no clients
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for followed in self._followed.values():
            followed.stale.set()


class _Followed:
    """One view's verdicts, judged anew when something happened."""

    def __init__(self, hub: Hub, judge: Callable[[], Any]) -> None:
        self.hub = hub
        self.stale = asyncio.Event()
        self._judge = judge
        self._known: dict[_Key, Standing] = {}
        self._begun = asyncio.Event()
        self._task = asyncio.ensure_future(self._follow())

    async def ready(self) -> None:
        """Wait until the view was judged once: what comes later is a change."""
        await self._begun.wait()

    def close(self) -> None:
        """End it; who waits for its beginning waits no longer."""
        self._task.cancel()
        self._begun.set()
        self.hub.close()

    async def _follow(self) -> None:
        while True:
            self.stale.clear()
            began = time.perf_counter()
            # what cannot be judged now is judged at the next occasion
            with contextlib.suppress(Problem):
                self._take(_by_key(await self._judge()))
            self._begun.set()
            await asyncio.sleep(max(_PAUSE, _PATIENCE * (time.perf_counter() - began)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_due()):
                    await self.stale.wait()

    def _take(self, found: dict[_Key, Standing]) -> None:
        if self._begun.is_set():
            for key, now in found.items():
                before = self._known.get(key)
                if before is not None and before.value is not now.value:
                    self.hub.publish(
                        Change(
                            subject=now.subject,
                            profile=now.profile,
                            through=now.through,
                            before=before.value,
                            after=now.value,
                            at=now.at,
                        )
                    )
        self._known = found

    def _until_due(self) -> float:
        due = [s.next_change - s.at for s in self._known.values() if s.next_change is not None]
        return float(min(max(min(due, default=_LONGEST), 1.0), _LONGEST))


def _by_key(standings: list[Standing]) -> dict[_Key, Standing]:
    found: dict[_Key, Standing] = {}
    for standing in standings:
        place = 0
        measure = " ".join((standing.profile, *standing.through))
        while (standing.subject, measure, place) in found:
            place += 1
        found[standing.subject, measure, place] = standing
    return found
