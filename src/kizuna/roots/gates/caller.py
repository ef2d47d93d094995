# SPDX-License-Identifier: Apache-2.0
"""Who asks: the process behind a socket, measured; or code in this process, by its own word.

Keeps: 1. Process and user come from the kernel (peer credentials), the program from its file as
the kernel runs it (``/proc/PID/exe``), never from what the caller says. 2. A measurement counts
only if process and file were the same before and after: a process that ended, that became another,
or whose file changed while it was read, is a caller without a program. 3. Reading is bounded, and
remembered by device, inode, size and times.
Does not: see through an interpreter (a script's program is the interpreter), nor a caller that was
taken over from inside after it began.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

__all__ = ["Caller", "Strength", "declared", "following", "measure", "peer_of"]

_MAX_PROGRAM: Final = 1 << 30
_CHUNK: Final = 1 << 20
_REMEMBERED: Final = 1_024
_SO_PEERCRED: Final = getattr(socket, "SO_PEERCRED", 17)


class Strength(StrEnum):
    """What is known of a caller, strongest first."""

    MEASURED = "measured"  # process, user and program
    USER = "user"  # process and user; the program could not be measured
    DECLARED = "declared"  # its own word
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One caller. ``name`` is what records and notices call it."""

    strength: Strength
    pid: int | None = None
    uid: int | None = None
    executable: str | None = None
    """SHA-256 (hex) of the program's file."""
    declared: str | None = None

    @property
    def name(self) -> str:
        """A short name that stays the same over processes of one program and user."""
        if self.strength is Strength.MEASURED:
            return f"sha256:{(self.executable or '')[:16]}/uid:{self.uid}"
        if self.strength is Strength.USER:
            return f"uid:{self.uid}"
        if self.strength is Strength.DECLARED:
            return f"declared:{self.declared}"
        return "unknown"


def declared(name: str) -> Caller:
    """Code in this process, by its own word. Weak: any code in the process can say the same."""
    return Caller(strength=Strength.DECLARED, declared=name)


def peer_of(connection: socket.socket) -> Caller:
    """The process at the other end of a Unix socket, as it is now.

    Ask again for each request: a process may have become another program since it connected.
    """
    try:
        pid, uid, _ = struct.unpack(
            "3i", connection.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, struct.calcsize("3i"))
        )
    except OSError:
        return Caller(strength=Strength.UNKNOWN)
    if pid <= 0:
        return Caller(strength=Strength.UNKNOWN)
    return measure(pid, uid & 0xFFFFFFFF)


def measure(pid: int, uid: int) -> Caller:
    """The process ``pid`` of user ``uid``, with the program it runs where that can be told."""
    weak = Caller(strength=Strength.USER, pid=pid, uid=uid)
    try:
        folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return weak
    try:
        # the folder stays that of this very process: a number that is used again opens nothing
        began = _began(folder)
        if began is None or os.fstat(folder).st_uid != uid:
            return weak
        digest = _program(folder)
        if digest is None or _began(folder) != began:
            return weak
    except OSError:
        return weak
    finally:
        os.close(folder)
    return Caller(strength=Strength.MEASURED, pid=pid, uid=uid, executable=digest)


def following(pid: int, uid: int) -> Callable[[], Caller]:
    """The process that connected, measured anew at every call; once its number belongs to another
    process it is a caller without a program.
    """
    first = _started(pid)

    def ask() -> Caller:
        caller = measure(pid, uid)
        if first is None or _started(pid) != first:
            return Caller(strength=Strength.USER, pid=pid, uid=uid)
        return caller

    return ask


def _started(pid: int) -> bytes | None:
    try:
        folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _began(folder)
    except OSError:
        return None
    finally:
        os.close(folder)


def _began(folder: int) -> bytes | None:
    """When the process began, in the kernel's ticks; None where it is no more."""
    file = os.open("stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        text = os.read(file, 4_096)
    finally:
        os.close(file)
    after = text.rpartition(b")")[2].split()  # the name in brackets may hold anything
    return after[19] if len(after) > 19 and after[0] not in (b"Z", b"X") else None


_Shape = tuple[int, int, int, int, int]
_seen: OrderedDict[_Shape, str] = OrderedDict()
_lock: Final = threading.Lock()


def _program(folder: int) -> str | None:
    file = os.open("exe", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        before = _shape(file)
        with _lock:
            known = _seen.get(before)
        if known is None:
            if before[2] > _MAX_PROGRAM:
                return None
            hashed = sha256()
            while chunk := os.read(file, _CHUNK):
                hashed.update(chunk)
            if _shape(file) != before:
                return None  # written while it was read
            known = hashed.hexdigest()
            with _lock:
                _seen[before] = known
                while len(_seen) > _REMEMBERED:
                    _seen.popitem(last=False)
    finally:
        os.close(file)
    again = os.open("exe", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return known if _shape(again) == before else None  # it became another program meanwhile
    finally:
        os.close(again)


def _shape(file: int) -> _Shape:
    status = os.fstat(file)
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
