# SPDX-License-Identifier: Apache-2.0
"""The connections of one database: one that writes, any that read, kept while nobody uses them.

Keeps: 1. A connection is with one thread at a time. 2. One that met a fault is closed, never handed
on: nobody finds half of somebody else's transaction. 3. ``close`` waits for the writer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["Connections"]


class _Closing(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closing)


class Connections(Generic[C]):
    """Connections of one back end.

    Args:
        connect: makes one.
        is_open: whether one that waited can still be used.
    """

    def __init__(
        self, connect: Callable[[], C], is_open: Callable[[C], bool] = lambda _: True
    ) -> None:
        self._connect = connect
        self._is_open = is_open
        self._idle: list[C] = []
        self._closed = 0  # how often
        self._guard = threading.Lock()
        self.writer: C | None = None
        """The connection that writes; whoever touches it holds ``writing``."""
        self.writing = threading.Lock()
        self.engine: Engine | None = None
        """SQLAlchemy's door to the same database, where it was needed."""

    @contextmanager
    def reading(self) -> Iterator[C]:
        """A connection to read with, until the block ends."""
        with self._guard:
            connection = self._idle.pop() if self._idle else None
            closed = self._closed
        if connection is None or not self._is_open(connection):
            connection = self._connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._guard:
            if closed == self._closed:
                self._idle.append(connection)
                return
        connection.close()  # what is let go of meanwhile would keep it for ever

    def close(self) -> None:
        """Let go of all of them; idempotent."""
        with self._guard:
            idle, self._idle = self._idle, []
            self._closed += 1
        for connection in idle:
            connection.close()
        with self.writing:
            if self.writer is not None:
                self.writer.close()
                self.writer = None
            if self.engine is not None:
                self.engine.dispose()
                self.engine = None
