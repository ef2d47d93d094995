# SPDX-License-Identifier: Apache-2.0
"""The archive: every statement as it was received, one after the other in one file that only grows.

Keeps: 1. The file and the log together are enough to make every table again. 2. Bytes are durable
before a transaction refers to them; what lies beyond the last transaction is a torn write and is
written over. 3. A record says its own length, so the file can be read without the tables.

Layout: a header line, then for each statement its length in four bytes (big-endian) and its bytes.
Where the highest bit of the length is set, the map keys of the statement follow it: their number in
four bytes, 32 bytes each. They stand there for statements whose payload lies in a document that may
be erased; all others tell their keys themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from kizuna.model.errors import Misconfigured

__all__ = ["HEADER", "PREFIX", "Archive", "Record", "framed"]

HEADER: Final = b"kizuna statements 1\n"
PREFIX: Final = 4
"""Bytes before a statement's own."""

_WITH_KEYS: Final = 1 << 31
_BLOCK: Final = 1 << 22
_LARGEST: Final = 4 << 20


class Record(NamedTuple):
    """One statement as the archive holds it."""

    position: int
    raw: bytes
    keys: tuple[bytes, ...] | None
    end: int
    """Where the next record begins."""


class Archive:
    """One archive file, open for reading and for writing at a place the caller names.

    The store's writer alone writes; any thread may read (reads carry their own position).
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make an empty archive; durable when this returns."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(descriptor, HEADER)
        os.fsync(descriptor)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return cls(path, descriptor)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an archive.

        Raises:
            Misconfigured: ``store.damaged`` when it is missing or is none.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError as fault:
            raise _damaged(path, "the file is missing") from fault
        if os.pread(descriptor, len(HEADER), 0) != HEADER:
            os.close(descriptor)
            raise _damaged(path, "the file does not begin like an archive of statements")
        return cls(path, descriptor)

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def length(self) -> int:
        """Bytes in the file, torn writes included."""
        return os.fstat(self._descriptor).st_size

    def write(self, at: int, records: Sequence[bytes]) -> None:
        """Write records (see ``framed``) from ``at`` on; not durable before ``sync``."""
        data = memoryview(b"".join(records))
        written = 0
        while written < len(data):
            written += os.pwrite(self._descriptor, data[written:], at + written)

    def sync(self) -> None:
        """Make everything written so far durable."""
        os.fdatasync(self._descriptor)

    def truncate(self, end: int) -> None:
        """Forget what lies beyond ``end``."""
        os.ftruncate(self._descriptor, end)
        os.fsync(self._descriptor)

    def read(self, position: int, length: int) -> bytes:
        """``length`` bytes from ``position``.

        Raises:
            Misconfigured: ``store.damaged`` when the file ends before.
        """
        parts: list[bytes] = []
        while length > 0:
            part = os.pread(self._descriptor, length, position)
            if not part:
                raise _damaged(self.path, f"it ends at byte {self.length}, {position} is needed")
            parts.append(part)
            position += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def records(self, start: int = len(HEADER), end: int | None = None) -> Iterator[Record]:
        """Every whole record without the tables; stops at a torn one."""
        stop = self.length if end is None else end
        place, buffer, base = start, b"", start

        def at(begin: int, length: int) -> bytes:
            nonlocal buffer, base
            if begin + length > base + len(buffer):
                buffer, base = self.read(begin, min(max(_BLOCK, length), stop - begin)), begin
            return buffer[begin - base : begin - base + length]

        while place + PREFIX <= stop:
            size = int.from_bytes(at(place, PREFIX), "big")
            with_keys, size = bool(size & _WITH_KEYS), size & ~_WITH_KEYS
            position = place + PREFIX
            after = position + size
            if size > _LARGEST or after > stop:
                return
            raw = at(position, size)
            keys: tuple[bytes, ...] | None = None
            if with_keys:
                if after + PREFIX > stop:
                    return
                count = int.from_bytes(at(after, PREFIX), "big")
                after += PREFIX
                if count > _LARGEST or after + 32 * count > stop:
                    return
                data = at(after, 32 * count)
                keys = tuple(data[i : i + 32] for i in range(0, len(data), 32))
                after += len(data)
            yield Record(position, raw, keys, after)
            place = after


def framed(raw: bytes, keys: Sequence[bytes] | None = None) -> bytes:
    """A statement as its record; its bytes begin ``PREFIX`` bytes into it."""
    if keys is None:
        return len(raw).to_bytes(PREFIX, "big") + raw
    return b"".join(
        (
            (len(raw) | _WITH_KEYS).to_bytes(PREFIX, "big"),
            raw,
            len(keys).to_bytes(PREFIX, "big"),
            *keys,
        )
    )


def _damaged(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "store.damaged",
        f"{path.name} is not what the store left there",
        why=why,
        hint="restore a backup, then confirm the last checkpoint: `kizuna store restore`",
        file=path.name,
    )
