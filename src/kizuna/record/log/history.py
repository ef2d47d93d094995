# SPDX-License-Identifier: Apache-2.0
"""What a log has published: every size, root and time it ever signed, in one file that only grows.

Keeps: 1. A record is on disk before its checkpoint is shown to anyone, so a log always knows the
largest tree it has signed. 2. A record that a crash cut short at the end was never published and is
dropped; any other damage is a problem, never silence. 3. From a record the checkpoint and all
receipts of its size can be made again, byte for byte.
"""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from kizuna.model.errors import Tampered
from kizuna.record.log.disk import flush_folder, not_written, unreadable

__all__ = ["History", "Published"]

_BODY: Final = struct.Struct(">QQ32s32s4s64s64s")
_CHECK: Final = 8
_SIZE: Final = _BODY.size + _CHECK


@dataclass(frozen=True, slots=True)
class Published:
    """One published checkpoint: ``key`` is the thumbprint of the log key that signed it."""

    size: int
    time: int
    root: bytes
    key: bytes
    key_id: bytes
    note: bytes
    """Signature over the checkpoint's text."""
    receipt: bytes
    """Signature over the root, for receipts."""


class History:
    """The file of published checkpoints. Only the log's writer adds to it."""

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one.

        Raises:
            Tampered: ``log.history-damaged``.
            Unavailable: ``log.unreadable``.
        """
        self.path = path
        self.sizes = array("Q")
        self.times = array("Q")
        self._data = bytearray()
        self.refresh()

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def length(self) -> int:
        """Bytes read so far."""
        return len(self._data)

    def length_on_disk(self) -> int:
        """Bytes of the file now: more than ``length`` when another process has published."""
        try:
            found = self.path.stat().st_size
        except FileNotFoundError:
            return 0
        return found - found % _SIZE

    def refresh(self) -> None:
        """Read again what another process may have added."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as fault:
            raise unreadable(self.path, fault) from fault
        whole = len(data) - len(data) % _SIZE
        if whole and not _intact(data[whole - _SIZE : whole]):
            if whole == len(data):
                whole -= _SIZE
            else:
                raise self._damaged(whole // _SIZE - 1)
        data = data[:whole]
        sizes, times = array("Q"), array("Q")
        last = (-1, -1)
        for number in range(whole // _SIZE):
            size, time = struct.unpack_from(">QQ", data, number * _SIZE)
            if size < last[0] or time < last[1]:
                raise self._damaged(number)
            last = (size, time)
            sizes.append(size)
            times.append(time)
        if whole and not _intact(data[whole - _SIZE :]):
            raise self._damaged(whole // _SIZE - 1)
        self._data, self.sizes, self.times = bytearray(data), sizes, times

    def __getitem__(self, number: int) -> Published:
        """One record; the last is number -1.

        Raises:
            Tampered: ``log.history-damaged``.
        """
        number = range(len(self))[number]
        record = bytes(self._data[number * _SIZE : (number + 1) * _SIZE])
        if not _intact(record):
            raise self._damaged(number)
        return Published(*_BODY.unpack_from(record))

    def at_size(self, size: int) -> Published | None:
        """The newest record of exactly this size."""
        number = bisect_left(self.sizes, size + 1) - 1
        return self[number] if number >= 0 and self.sizes[number] == size else None

    def growth(self, size: int) -> tuple[int, int]:
        """The published size before ``size`` (0 where there is none), and ``size``."""
        number = bisect_left(self.sizes, size)
        return (self.sizes[number - 1] if number else 0, size)

    def covering(self, index: int) -> Published | None:
        """The first record whose tree holds the leaf ``index``."""
        number = bisect_left(self.sizes, index + 1)
        return self[number] if number < len(self) else None

    def add(self, record: Published) -> None:
        """Append a record, durable when this returns.

        Raises:
            Unavailable: ``log.not-written``; the file is as before then.
        """
        body = _BODY.pack(
            record.size,
            record.time,
            record.root,
            record.key,
            record.key_id,
            record.note,
            record.receipt,
        )
        data = body + sha256(body).digest()[:_CHECK]
        fresh = not self.path.exists()
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.ftruncate(descriptor, len(self._data))
                if os.pwrite(descriptor, data, len(self._data)) != len(data):
                    os.ftruncate(descriptor, len(self._data))
                    raise OSError(28, "no space left on device")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if fresh:
                flush_folder(self.path.parent)
        except OSError as fault:
            raise not_written(self.path, fault) from fault
        self._data += data
        self.sizes.append(record.size)
        self.times.append(record.time)

    def _damaged(self, number: int) -> Tampered:
        return Tampered(
            "log.history-damaged",
            f"record {number} of the log's history is damaged",
            why="sizes and times only grow, and every record carries its own check",
            hint="restore the file from a backup or a mirror; do not let the log sign before",
            path=str(self.path),
            number=number,
        )


def _intact(record: bytes) -> bool:
    return (
        len(record) == _SIZE
        and sha256(record[: _BODY.size]).digest()[:_CHECK] == record[_BODY.size :]
    )
