# SPDX-License-Identifier: Apache-2.0
"""The wire: bounds that hold before a request is one.

Keeps: a peer that sends endless headers, or sends them a letter at a time, or connects and says
nothing, is let go; the memory it costs is bounded. What comes after the headers is bounded by
``shell``.
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


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with bounds on size and time of what stands before a body."""

    patience: float = _PATIENCE

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A peer connected: its first request has to come."""
        super().connection_made(transport)
        self._head = 0
        self._in_head = True
        self._deadline: TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self._stop_waiting()
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
        self._wait()

    def on_headers_complete(self) -> None:
        """Its headers are whole."""
        self._in_head = False
        self._head = 0
        self._stop_waiting()
        super().on_headers_complete()

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

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
