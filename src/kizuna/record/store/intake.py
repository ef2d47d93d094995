# SPDX-License-Identifier: Apache-2.0
"""The way in: what many callers send becomes few batches, each written once.

Keeps: 1. Everybody gets one outcome a statement, in order, and only when what was accepted is
durable and published. 2. What many callers send within a few milliseconds becomes one batch (group
commit), and a large batch is cut: while one part is written, the signatures of the next are checked
on other processors. 3. A fault of one batch is told to those who sent it, and the next one is
written all the same.

Owner of the mutable state: one thread, started with the first ``submit``.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import Final

from kizuna.model.errors import Problem, Unavailable
from kizuna.model.identifier import Digest
from kizuna.model.statement import Registered
from kizuna.record.store.arriving import Accepted, Item, Outcome, Refusal, find_keys, parse
from kizuna.record.store.checking import Checkers, Looked
from kizuna.record.store.writer import Writer

__all__ = ["Intake"]

_GROUP: Final = 4096
"""Most statements of several callers in one transaction, and of one that is not cut."""

_LARGEST: Final = 8192
"""Most statements of one transaction where one caller sent more than ``_GROUP``: pages of the
tables that are changed again and again are then written half as often."""

_LAST: Final = 1024
"""About as many the last part of what was cut holds: while it is written, nothing is left that
could be checked beside it."""

_AHEAD: Final = 2
"""Groups that helpers look at while one is written."""

_log = logging.getLogger(__name__)


class _Ticket:
    """What one caller waits for."""

    __slots__ = ("documents", "done", "now", "outcomes", "part", "statements")

    def __init__(
        self,
        statements: Sequence[bytes],
        documents: Mapping[Digest, bytes],
        now: int | None,
        *,
        part: bool,
    ) -> None:
        self.statements = statements
        self.documents = documents
        self.now = now
        self.part = part
        """Whether it was cut from a larger one: then it is not joined with another again."""
        self.done: Future[list[Outcome]] = Future()


class _Group:
    """Tickets that become durable together, on their way: looked at, parsed, checked."""

    __slots__ = ("examined", "items", "now", "ready", "tickets", "verified")

    def __init__(self, tickets: list[_Ticket], examined: Looked) -> None:
        self.tickets = tickets
        self.now = tickets[0].now
        self.examined = examined
        self.items: list[list[Item]] = []
        self.ready: list[Item] = []
        self.verified: Future[list[bool]] | None = None

    def everything(self) -> list[Item]:
        return [item for items in self.items for item in items]

    def parse(self) -> None:
        """Make items of what arrived and of what helpers saw in it."""
        seen = iter(self.examined.result())
        self.items = [
            parse(t.statements, t.documents, list(islice(seen, len(t.statements))))
            for t in self.tickets
        ]


class Intake:
    """The queue before one writer, and the thread that empties it."""

    def __init__(
        self, writer: Writer, clock: Callable[[], int], *, threads: int, helpers: bool
    ) -> None:
        """Begin with nothing queued.

        Args:
            writer: who decides and writes.
            clock: the instant of registration where a caller names none.
            threads: how many signatures are checked at once.
            helpers: whether helper processes may be started for bulk.
        """
        self.listeners: list[Callable[[list[Registered]], None]] = []
        """Called by the thread with what a batch registered, before its senders are answered."""
        self._writer = writer
        self._clock = clock
        self._queue: deque[_Ticket] = deque()
        self._waiting = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._checkers = Checkers(threads, helpers=helpers)

    def submit(
        self, statements: Sequence[bytes], documents: Mapping[Digest, bytes], now: int | None
    ) -> list[Accepted | Refusal]:
        """As ``Store.submit``.

        Raises:
            Unavailable: ``store.closed``. And what the writer raised for a whole batch.
        """
        if not statements:
            return []
        tickets = [
            _Ticket(statements[first:end], documents, now, part=len(statements) > _GROUP)
            for first, end in pairwise(_cuts(len(statements)))
        ]
        with self._waiting:
            if self._closing:
                raise Unavailable("store.closed", "the store is closing", hint="try again later")
            self._queue.extend(tickets)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
                self._thread.start()
            self._waiting.notify_all()
        return [outcome for ticket in tickets for outcome in ticket.done.result()]

    def settle(self) -> None:
        """Wait until nothing is queued; the folder's lock keeps later batches waiting."""
        with self._waiting:
            while self._queue:
                self._waiting.wait(0.01)

    def close(self) -> None:
        """Finish what was submitted; idempotent."""
        with self._waiting:
            self._closing = True
            self._waiting.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._checkers.close()

    def _run(self) -> None:
        ahead: deque[_Group] = deque()
        while True:
            while len(ahead) <= _AHEAD:
                following = self._take(block=not ahead)
                if following is None:
                    break
                ahead.append(following)
            if not ahead:
                return
            current = ahead.popleft()
            if current.verified is None:
                self._begin(current)
            if ahead and ahead[0].verified is None and ahead[0].examined.done():
                self._begin(ahead[0])
            self._write(current)

    def _take(self, *, block: bool) -> _Group | None:
        """The next tickets that can share one transaction; none when closing, or nothing waits."""
        with self._waiting:
            while not self._queue:
                if self._closing or not block:
                    return None
                self._waiting.wait()
            tickets = [self._queue.popleft()]
            count = len(tickets[0].statements)
            while self._queue:
                following = self._queue[0]
                count += len(following.statements)
                apart = following.part or tickets[0].part
                if apart or count > _GROUP or following.now != tickets[0].now:
                    break
                tickets.append(self._queue.popleft())
        return _Group(
            tickets, self._checkers.examine([raw for t in tickets for raw in t.statements])
        )

    def _begin(self, group: _Group) -> None:
        """Parse a group; have what helpers could not settle checked beside whatever comes next."""
        try:
            group.parse()
            self._writer.keyring.trim()
            ready, checks = find_keys(group.everything(), self._writer.keyring)
        except Problem as problem:
            group.verified = Future()
            group.verified.set_exception(problem)
            return
        group.ready = ready
        group.verified = self._checkers.submit(checks)

    def _write(self, group: _Group) -> None:
        try:
            if group.verified is not None:
                for item, holds in zip(group.ready, group.verified.result(), strict=True):
                    item.checked = holds
            now = group.now
            with _uncollected():
                registered = self._writer.write(
                    group.everything(),
                    self._clock if now is None else lambda: now,
                    told=bool(self.listeners),
                )
        except BaseException as fault:  # noqa: BLE001 - handed to those who wait for it
            for ticket in group.tickets:
                ticket.done.set_exception(fault)
            return
        if registered:
            for listener in tuple(self.listeners):
                try:
                    listener(registered)
                except Exception:  # noqa: BLE001 - what listens must not stop the intake
                    _log.exception("a listener failed; the batch is registered")
        for ticket, items in zip(group.tickets, group.items, strict=True):
            ticket.done.set_result([item.outcome for item in items if item.outcome is not None])


def _cuts(count: int) -> list[int]:
    """Where what one caller sent is cut: large parts first, then half of what is left."""
    if count <= _GROUP:
        return [0, count]
    cuts = [0]
    while (left := count - cuts[-1]) > 0:
        cuts.append(cuts[-1] + (left if left <= _LAST else min(_LARGEST, -(-left // 2))))
    return cuts


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector of cycles away from the thousands of rows of one batch: there are no
    cycles among them, and looking costs a tenth of the batch.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
