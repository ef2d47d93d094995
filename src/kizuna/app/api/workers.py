# SPDX-License-Identifier: Apache-2.0
"""Threads between the event loop and the blocking rooms below.

Keeps: 1. Nothing that reads a disk or judges a chain runs on the event loop. 2. The number of
threads and of waiting calls is bounded; beyond it the caller is asked to come again. 3. A caller
who gave up frees its place in the queue; work already begun ends by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kizuna.app.api.problems import Busy

__all__ = ["Workers"]

T = TypeVar("T")


class Workers:
    """A bounded pool. Owned by one server; ``close`` it at the end."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._bound = threads + waiting
        self._open = 0
        self.name = name

    @property
    def pending(self) -> int:
        """Calls that wait or run."""
        return self._open

    async def run(self, call: Callable[[], T]) -> T:
        """The result of ``call``, made in a thread.

        Raises:
            Busy: ``http.busy`` when too many calls wait already.
        """
        if self._open >= self._bound:
            raise Busy(
                "http.busy",
                "too many requests wait already",
                hint="try again in a few seconds",
                waiting=self._open,
            )
        self._open += 1
        future = self._pool.submit(call)
        future.add_done_callback(self._ended(asyncio.get_running_loop()))
        return await asyncio.wrap_future(future)

    def _ended(self, loop: asyncio.AbstractEventLoop) -> Callable[[object], None]:
        def note() -> None:
            self._open -= 1

        def done(_: object) -> None:
            try:
                loop.call_soon_threadsafe(note)
            except RuntimeError:  # the loop is gone: so is the count
                return

        return done

    def close(self) -> None:
        """Take no more work; what runs may end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
