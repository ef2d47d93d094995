# SPDX-License-Identifier: Apache-2.0
"""The stream of verdict changes: what was trusted and is no longer, as it happens.

Keeps: 1. An event has one number for ever; a client that was away catches up by that number, and is
told plainly (``gap``) when the server no longer has what it missed. 2. A slow client fills its own
bounded queue and nobody else's; when it is full the client is let go, and resumes by number.
3. A stream belongs to one view; see ``streams``.
Standard: WHATWG HTML, server-sent events.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from kizuna.app.api.limits import Limits
from kizuna.app.api.problems import Busy
from kizuna.app.wiring.values import Change

__all__ = ["Event", "Hub", "as_text", "number_of"]

_KEEP_ALIVE: Final = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One change at its place in the stream."""

    number: int
    change: Change


class _Client:
    def __init__(self, backlog: int) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue(backlog + 1)

    def offer(self, event: Event) -> bool:
        if self.queue.qsize() >= self.queue.maxsize - 1:
            self.queue.put_nowait(None)
            return False
        self.queue.put_nowait(event)
        return True


class Hub:
    """All clients of one server. Everything but ``publish`` runs on the event loop.

    ``epoch`` marks this run of the server: numbers of another run are another stream.
    """

    def __init__(self, limits: Limits, epoch: int) -> None:
        self.epoch = epoch
        self._limits = limits
        self._history: deque[Event] = deque(maxlen=limits.history)
        self._clients: set[_Client] = set()
        self._last = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop on which clients are served."""
        self._loop = loop

    def publish(self, change: Change) -> None:
        """Take one change, from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # a loop that has ended has no clients
                self._loop.call_soon_threadsafe(self._spread, change)

    def _spread(self, change: Change) -> None:
        self._last += 1
        event = Event(self._last, change)
        self._history.append(event)
        self._clients -= {client for client in self._clients if not client.offer(event)}

    @property
    def clients(self) -> int:
        """Clients that listen now."""
        return len(self._clients)

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._last

    def close(self) -> None:
        """Let every client go."""
        self._closing = True
        for client in self._clients:
            with contextlib.suppress(asyncio.QueueFull):
                client.queue.put_nowait(None)
        self._clients.clear()

    async def listen(
        self,
        after: int | None,
        *,
        pause: float = 15.0,
        wanted: Callable[[Change], bool] = lambda _: True,
    ) -> AsyncGenerator[bytes, None]:
        """The stream for one client, as bytes to send.

        Args:
            after: the last number the client has; ``None`` for "from now on"; a negative number
                for one from another run of the server.
            pause: seconds between signs of life.
            wanted: the client's own filter.
        """
        if len(self._clients) >= self._limits.listeners:
            raise Busy(
                "events.full",
                "too many clients listen already",
                hint="try again later, or ask for the portfolio instead",
                limit=self._limits.listeners,
            )
        client = _Client(self._limits.backlog)
        missed, gap = self._since(after)
        self._clients.add(client)
        try:
            yield b"retry: 3000\nid: %d-%d\n\n" % (self.epoch, self._last if gap else after or 0)
            if gap:
                yield _gap(self.epoch, missed[0].number if missed else self._last + 1)
            for event in missed:
                if wanted(event.change):
                    yield as_text(self.epoch, event.number, event.change)
            while not self._closing:
                try:
                    async with asyncio.timeout(pause):
                        waiting = await client.queue.get()
                except TimeoutError:
                    yield _KEEP_ALIVE
                    continue
                if waiting is None:
                    yield b"event: bye\ndata: {}\n\n"
                    return
                if wanted(waiting.change):
                    yield as_text(self.epoch, waiting.number, waiting.change)
        finally:
            self._clients.discard(client)

    def _since(self, after: int | None) -> tuple[list[Event], bool]:
        if after is None:
            return [], False
        if after < 0 or after > self._last:
            return list(self._history), True
        missed = [event for event in self._history if event.number > after]
        return missed, len(missed) < self._last - after


def number_of(epoch: int, identifier: str) -> int | None:
    """The number in ``Last-Event-ID``; -1 where it is of another run of the server."""
    if not identifier:
        return None
    run, _, number = identifier.partition("-")
    if not (run.isascii() and run.isdigit() and number.isascii() and number.isdigit()):
        return -1
    return int(number) if run == str(epoch) and len(number) < 16 else -1


def as_text(epoch: int, number: int, change: Change) -> bytes:
    """One event as it travels."""
    data = msgspec.json.encode(
        {
            "subject": change.subject,
            "profile": change.profile,
            "through": list(change.through),
            "before": None if change.before is None else change.before.word,
            "after": change.after.word,
            "at": change.at,
        }
    )
    return b"id: %d-%d\nevent: verdict\ndata: %b\n\n" % (epoch, number, data)


def _gap(epoch: int, first: int) -> bytes:
    return b'id: %d-%d\nevent: gap\ndata: {"first":%d}\n\n' % (epoch, first - 1, first)
