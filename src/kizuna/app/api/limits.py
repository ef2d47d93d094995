# SPDX-License-Identifier: Apache-2.0
"""How much one caller may ask for: size, time and number, in one place.

Keeps: every bound of the HTTP door stands here, is handed down as a value, and is shown to callers
at ``/api/limits``. A bound that is reached gives a problem that names it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one server."""

    body: int = 1 << 20
    """Bytes of an ordinary request body."""
    intake_body: int = 32 << 20
    """Bytes of a batch of statements, or of a document to import."""
    header: int = 32 << 10
    """Bytes of all request headers and the target together."""
    batch: int = 10_000
    """Statements in one batch."""
    page: int = 500
    """Items in one page of a list."""
    seconds: float = 30.0
    """A request that asks a question."""
    intake_seconds: float = 120.0
    """A request that registers something."""
    body_pause: float = 20.0
    """Longest silence while a body is being sent."""
    drain: int = 64 << 20
    """Bytes of a refused body that are read and thrown away, so that its sender sees the answer."""
    readers: int = 6
    """Threads that answer questions."""
    writers: int = 4
    """Threads that hand batches to the store; the store itself writes with one."""
    waiting: int = 256
    """Requests that may wait for such a thread; more are asked to come again."""
    listeners: int = 512
    """Clients of the stream of events."""
    backlog: int = 256
    """Events that wait for one slow client before it is let go."""
    history: int = 10_000
    """Events that a client can catch up on."""
    remembered: int = 1024
    """Answers kept for ``Idempotency-Key``."""
