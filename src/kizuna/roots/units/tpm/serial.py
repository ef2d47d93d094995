# SPDX-License-Identifier: Apache-2.0
"""One thread for one chip: a TPM takes one command at a time, and its library is not thread-safe.

Keeps: 1. Calls run one after the other in the order they came. 2. Nobody waits longer than the
limit: a chip that hangs is given up together with its thread, and the next call begins anew. 3. The
queue is bounded; who comes too late is told so.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from kizuna.model.errors import Unavailable
from kizuna.roots.units.problems import gone

__all__ = ["Serial"]

_R = TypeVar("_R")
_WAITING: Final = 256

_Task = tuple[Callable[[], Any], "Future[Any]"]


class Serial:
    """A queue with one worker thread, made when first needed."""

    def __init__(self, kind: str, timeout: float) -> None:
        self._kind = kind
        self._timeout = timeout
        self._lock = threading.Lock()
        self._tasks: queue.Queue[_Task | None] | None = None

    def call(self, task: Callable[[], _R]) -> _R:
        """Run a task on the worker and wait for its answer.

        Raises:
            Unavailable: ``unit.gone`` where it does not come in time, ``unit.busy`` where too many
                wait already; and whatever the task raises.
        """
        future: Future[_R] = Future()
        with self._lock:
            if self._tasks is None:
                self._tasks = queue.Queue(_WAITING)
                threading.Thread(
                    target=_work, args=(self._tasks,), name=f"{self._kind} unit", daemon=True
                ).start()
            tasks = self._tasks
            try:
                tasks.put_nowait((task, future))
            except queue.Full as fault:
                raise Unavailable(
                    "unit.busy",
                    f"{_WAITING} calls wait for the {self._kind} unit already",
                    why="it does one thing after the other",
                    hint="ask less often, or let it certify a software key that signs the traffic",
                    kind=self._kind,
                    limit=_WAITING,
                ) from fault
        try:
            return future.result(self._timeout)
        except TimeoutError as fault:
            self._give_up(tasks)
            raise gone(self._kind, f"no answer within {self._timeout:g} seconds") from fault

    def close(self) -> None:
        """Let the worker end after what waits."""
        with self._lock:
            if self._tasks is not None:
                self._tasks.put(None)
                self._tasks = None

    @property
    def fresh(self) -> bool:
        """Whether no worker runs: what a former one had open is not to be touched any more."""
        with self._lock:
            return self._tasks is None

    def _give_up(self, tasks: queue.Queue[_Task | None]) -> None:
        """Leave a thread that hangs, and answer those who wait behind it."""
        with self._lock:
            if self._tasks is tasks:
                self._tasks = None
        while True:
            try:
                waiting = tasks.get_nowait()
            except queue.Empty:
                break
            if waiting is not None and waiting[1].set_running_or_notify_cancel():
                waiting[1].set_exception(gone(self._kind, "the call before this one hung"))
        tasks.put(None)


def _work(tasks: queue.Queue[_Task | None]) -> None:
    while (found := tasks.get()) is not None:
        task, future = found
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(task())
        except BaseException as fault:  # noqa: BLE001 - handed to who waits
            future.set_exception(fault)
        del found, task, future
