# SPDX-License-Identifier: Apache-2.0
"""Progress of long work on stderr: a bar a phase with count, rate and time left.

Keeps: nothing is shown before two seconds have passed, off a terminal, with ``--json`` or
``--quiet``; what was shown is wiped when the answer comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Bars"]

_PATIENCE: Final = 2.0
"""Seconds a person waits without asking what is going on."""


class Bars:
    """Progress bars; called as ``bars(phase, done, total)``."""

    def __init__(self, *, show: bool, words: Callable[[str], str]) -> None:
        self._show = show
        self._words = words
        self._began = time.monotonic()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Say how far ``phase`` (a message key) has come."""
        if not self._show:
            return
        if self._bars is None:
            if time.monotonic() - self._began < _PATIENCE:
                return
            self._bars = _begin()
        task = self._tasks.get(phase)
        if task is None:
            for earlier in self._tasks.values():
                self._bars.stop_task(earlier)
            task = self._tasks[phase] = self._bars.add_task(self._words(phase), total=total)
        self._bars.update(task, completed=done, total=total)

    def close(self) -> None:
        """Wipe the bars."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()


def _begin() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bars.start()
    return bars
