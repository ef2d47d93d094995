# SPDX-License-Identifier: Apache-2.0
"""Reading files that people name: whole, bounded, and never waiting for a writer.

Keeps: 1. No more than the limit is held in memory. 2. Only plain files are opened by name: a named
pipe, a device or a socket is refused at once, where opening it could wait for ever or do
something. Pipes that the shell has opened already (``<(command)``, ``/dev/stdin``) are read.
3. Whatever is wrong is a problem that names the file, never a traceback.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from kizuna.model.errors import Absent, Malformed, Unavailable

__all__ = ["read_file", "within"]

_OPENED: Final = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_file(path: str | Path, *, limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        Absent: ``file.absent``. Unavailable: ``file.unreadable``. Malformed: ``file.too-large``.
    """
    name = str(path)
    try:
        with os.fdopen(_opened(name), "rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as fault:
        raise Absent("file.absent", f"no file {name}", hint="check the path", path=name) from fault
    except (OSError, ValueError) as fault:  # a path with a NUL in it is a ValueError
        raise Unavailable(
            "file.unreadable",
            f"cannot read {name}",
            why=str(getattr(fault, "strerror", None) or fault),
            hint="check the path and its permissions",
            path=name,
        ) from fault
    return within(data, name, limit)


def within(data: bytes, name: str, limit: int) -> bytes:
    """The bytes, if they are no more than the limit.

    Raises:
        Malformed: ``file.too-large``.
    """
    if len(data) > limit:
        raise Malformed(
            "file.too-large",
            f"{name} is larger than {limit >> 20} MiB",
            hint="split it, or send the parts one by one",
            path=name,
            limit=limit >> 20,
        )
    return data


def _opened(name: str) -> int:
    """A descriptor of a plain file, or of a pipe that was opened before us."""
    if name.startswith(_OPENED):
        return os.open(name, os.O_RDONLY)
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
