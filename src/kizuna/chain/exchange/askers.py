# SPDX-License-Identifier: Apache-2.0
"""Threads that ask stores elsewhere, kept from one question to the next.

Keeps: 1. One question at a time has them. 2. Whoever still waits for a store when its question is
over is left behind with its thread: no later question waits in line behind a mute store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

__all__ = ["Askers"]

AT_ONCE: Final = 128
"""Most stores that are asked at the same moment."""

P = ParamSpec("P")
T = TypeVar("T")


class Askers:
    """Owner of mutable state: threads, made as they are needed. Not for several questions at once.

    Example:
        >>> askers = Askers()
        >>> askers.send(len, b"question").result()
        8
        >>> askers.rest()
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: list[Future[object]] = []

    def send(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it in a thread of its own."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(AT_ONCE, "askers")
        future = self._pool.submit(call, *args, **kwargs)
        self._under_way.append(future)  # type: ignore[arg-type]
        return future

    def each(self, calls: Sequence[Callable[[], None]]) -> None:
        """Do all of them side by side, and wait until they are done."""
        if len(calls) == 1:
            calls[0]()
            return
        for future in [self.send(call) for call in calls]:
            future.result()

    def rest(self) -> None:
        """The question is over: what was not sent never is, and who still waits is let go."""
        late = [future for future in self._under_way if not future.done()]
        self._under_way.clear()
        if late and self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def close(self) -> None:
        """Let all threads end as they come home."""
        self._under_way.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
