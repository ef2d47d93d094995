# SPDX-License-Identifier: Apache-2.0
"""Processes beside the one that measures: nobody waits for them without end.

Whoever ends before it has spoken, or says nothing for ``PATIENCE``, is an error that names it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ["PATIENCE", "Beside", "beside"]

PATIENCE = 300.0
"""Seconds that anything but a whole benchmark may take."""
_STEP = 0.5


@dataclass(slots=True)
class Beside:
    """A process that works for this one, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def tell(self, what: object) -> None:
        self.pipe.send(what)

    def hear(self) -> Any:  # noqa: ANN401 - whatever it says
        """What it says next."""
        waited = 0.0
        while not self.pipe.poll(_STEP):
            waited += _STEP
            if waited > PATIENCE:
                raise TimeoutError(f"{self.process.name} says nothing for {PATIENCE:.0f} s")
        try:
            return self.pipe.recv()
        except EOFError as fault:
            self.process.join(PATIENCE)
            ended = f"{self.process.name} ended with {self.process.exitcode} before it spoke"
            raise RuntimeError(ended) from fault


@contextmanager
def beside(target: Callable[..., None], *arguments: object) -> Iterator[Beside]:
    """Run ``target(pipe, *arguments)`` in a process of its own, until the block ends."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(
        target=target, args=(there, *arguments), daemon=True, name=target.__name__
    )
    process.start()
    there.close()  # so that its end is heard
    try:
        yield Beside(process, here)
    finally:
        here.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join(PATIENCE)
