# SPDX-License-Identifier: Apache-2.0
"""Messages through the pipes between this process and its helpers: a length, then so many bytes.

Keeps: 1. A message comes whole or not at all (none: the other end is gone). 2. Questions to one
helper are answered in the order asked, and the next lies in its pipe while it works at this one:
it never waits for a process that is busy with something else. 3. A helper ends with its pipe,
however this process ends. 4. A helper that stays silent while something is asked of it (stopped,
stuck, starved) is ended and said to be gone: nobody waits for it for ever.
"""

from __future__ import annotations

import fcntl
import logging
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Final

__all__ = ["Line", "receive", "send", "widen"]

_PREFIX: Final = 4
_ROOM: Final = 1 << 20
_PATIENCE: Final = 60.0
"""Seconds that a helper may be silent while something is asked of it: far more than any piece of
work takes on a busy machine. What it was asked is then done by whoever asked."""

_log = logging.getLogger("kizuna.store")


class Line:
    """One helper process. Any thread may ask.

    Mutable state, guarded by one lock: the questions that wait for an answer, and since when.

    Raises:
        OSError: where the process cannot be started.
    """

    def __init__(self, command: Sequence[str], *, patience: float = _PATIENCE) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program, no input of others
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is for the writer
        )
        self._questions: SimpleQueue[bytes | None] = SimpleQueue()
        self._awaited: deque[Future[bytes | None]] = deque()
        self._gone = False
        self._patience = patience
        self._since = 0.0
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        for work, pipe in ((self._feed, self.process.stdin), (self._hear, self.process.stdout)):
            if pipe is not None:
                widen(pipe)
                thread = threading.Thread(
                    target=work, args=(pipe,), name="helper-pipe", daemon=True
                )
                self._threads.append(thread)
        self._threads.append(threading.Thread(target=self._watch, name="helper-watch", daemon=True))
        for thread in self._threads:
            thread.start()

    def ask(self, question: bytes) -> Future[bytes | None]:
        """Put a question; the answer is none where the helper is gone."""
        future: Future[bytes | None] = Future()
        with self._guard:
            if self._gone:
                future.set_result(None)
            else:
                if not self._awaited:
                    self._since = time.monotonic()
                self._awaited.append(future)
                self._questions.put(question)
        return future

    def close(self) -> None:
        """End the helper; what still waits for an answer gets none."""
        self._questions.put(None)
        self._over.set()
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()

    def _feed(self, sink: IO[bytes]) -> None:
        with suppress(OSError):  # whoever hears notices that it is gone
            while (question := self._questions.get()) is not None:
                send(sink, question)
        with suppress(OSError):
            sink.close()

    def _hear(self, source: IO[bytes]) -> None:
        with suppress(OSError), source:
            while (answer := receive(source)) is not None:
                with self._guard:
                    future = self._awaited.popleft() if self._awaited else None
                    self._since = time.monotonic()
                if future is None:  # it speaks unasked: believe nothing more
                    break
                future.set_result(answer)
        self.process.kill()
        self._over.set()
        with self._guard:
            self._gone = True
            left = list(self._awaited)
            self._awaited.clear()
        for future in left:
            future.set_result(None)

    def _watch(self) -> None:
        while not self._over.wait(self._patience / 4):
            with self._guard:
                waits = time.monotonic() - self._since if self._awaited else 0.0
            if waits > self._patience:
                _log.warning(
                    "helper process %d was silent for %.0f seconds and is ended",
                    self.process.pid,
                    waits,
                )
                self.process.kill()  # whoever hears gives up what waits
                return


def send(sink: IO[bytes], data: bytes) -> None:
    """Write one message."""
    sink.write(len(data).to_bytes(_PREFIX, "big"))
    sink.write(data)
    sink.flush()


def receive(source: IO[bytes]) -> bytes | None:
    """Read one message; none where the other end closed, or broke off."""
    prefix = source.read(_PREFIX)
    if len(prefix) < _PREFIX:
        return None
    size = int.from_bytes(prefix, "big")
    data = source.read(size)
    return data if len(data) == size else None


def widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more, for fewer turns; a system that does not allow it is merely slower."""
    setting = getattr(fcntl, "F_SETPIPE_SZ", None)
    if setting is not None:
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), setting, _ROOM)
