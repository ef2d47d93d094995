# SPDX-License-Identifier: Apache-2.0
"""Messages through the pipes between this process and its helpers: a length, then so many bytes.

Keeps: a message comes whole or not at all (none: the other end is gone).
"""

from __future__ import annotations

import fcntl
from contextlib import suppress
from typing import IO, Final

__all__ = ["receive", "send", "widen"]

_PREFIX: Final = 4
_ROOM: Final = 1 << 20


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
