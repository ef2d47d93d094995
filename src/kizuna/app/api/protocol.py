# SPDX-License-Identifier: Apache-2.0
"""The wire: bounds that hold before a request is one, and after its answer was given.

Keeps: 1. A peer that sends endless headers, or sends them a letter at a time, or connects and says
nothing, is let go; the memory it costs is bounded. What comes after the headers is bounded by
``shell``. 2. Fields behind a body are no headers: they are counted and thrown away, so that nothing
changes a request that was looked at already. 3. Few requests wait on one line for those before
them. 4. A peer that takes nothing of its answers any more is let go: it holds no place for ever.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedProtocol", "options"]

_HEAD: Final = 64 << 10
"""Bytes of request line and headers."""

_PATIENCE: Final = 15.0
"""Seconds for them to arrive."""

_WAITING: Final = 32
"""Requests that one peer may send before the answers to those before them are whole."""

_STALLED: Final = 60.0
"""Seconds in which a peer must have taken something of what waits for it."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with bounds on size and time of what stands before a body."""

    patience: float = _PATIENCE
    stalled: float = _STALLED

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A peer connected: its first request has to come."""
        super().connection_made(transport)
        self._head = 0
        self._in_head = True
        self._behind = 0
        self._deadline: TimerHandle | None = None
        self._untaken = 0
        self._look: TimerHandle = self.loop.call_later(self.stalled, self._look_again)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self._stop_waiting()
        self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came: those of headers that do not end are counted."""
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > _HEAD and not self.transport.is_closing():
            self.send_400_response("Request headers are too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._behind = 0
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; what stands behind a body is counted, and no header."""
        if self._in_head:
            super().on_header(name, value)
            return
        self._behind += len(name) + len(value) + 4
        if self._behind > _HEAD:
            raise ValueError("endless fields behind a body")

    def on_headers_complete(self) -> None:
        """Its headers are whole."""
        self._in_head = False
        self._head = 0
        self._stop_waiting()
        if len(self.pipeline) >= _WAITING:
            self.transport.abort()
            raise ValueError("too many requests wait on one line")
        super().on_headers_complete()

    def resume_writing(self) -> None:
        """The peer took most of what waited for it."""
        self._untaken = 0
        super().resume_writing()

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look_again(self) -> None:
        """Let a peer go that took nothing since the last look, though something waits for it; a
        transport that is closing waits for such a one too, without end.
        """
        waits = self.transport.get_write_buffer_size()
        if waits and self._untaken and waits >= self._untaken:
            self.transport.abort()
            return
        self._untaken = waits
        self._look = self.loop.call_later(self.stalled, self._look_again)

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


def options() -> dict[str, Any]:
    """How a server of this door is set up, as keywords for ``uvicorn.Config``."""
    return {
        "http": BoundedProtocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 15,
        "timeout_graceful_shutdown": 5,
        "limit_concurrency": 2048,
        "backlog": 512,
    }
