# SPDX-License-Identifier: Apache-2.0
"""Remembering how far a key file had come, so that an older copy of it is noticed.

Keeps: 1. The remembered version only grows. 2. Nobody without the file's secret can write a lower
one that passes (HMAC). 3. The witness is written after the file: a fall between the two leaves a
file newer than its witness, which is no roll-back.
"""

from __future__ import annotations

import os
from hmac import compare_digest, digest
from pathlib import Path
from typing import Final

from kizuna.model.errors import Tampered, Unavailable

__all__ = ["Witness", "rolled_back"]

_SIZE: Final = 8 + 32


def rolled_back(path: Path, found: int, seen: int) -> Tampered:
    """The problem of a file older than one that was seen."""
    return Tampered(
        "unit.rolled-back",
        f"an older copy of the key file {path} was put back: version {found}, seen was {seen}",
        why="keys that were made since are missing, and keys that were destroyed are there again",
        hint="restore the newest backup; where this one is the newest, remove the witness file",
        path=str(path),
        found=found,
        seen=seen,
    )


class Witness:
    """The newest version of one key file, in a small file of its own."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._key = key

    def check(self, file: Path, version: int) -> None:
        """Compare a file's version with what was seen; the newer one is remembered.

        Raises:
            Tampered: ``unit.rolled-back``, ``unit.witness``. Unavailable: ``unit.unwritable``.
        """
        seen = self._seen()
        if version < seen:
            raise rolled_back(file, version, seen)
        if version > seen:
            self.remember(version)

    def remember(self, version: int) -> None:
        """Write the version down, durably.

        Raises:
            Unavailable: ``unit.unwritable``.
        """
        number = version.to_bytes(8, "big")
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(number + self._tag(number))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            raise Unavailable(
                "unit.unwritable",
                f"the witness {self._path} cannot be written",
                why=fault.strerror or "",
                hint="make room on the disk, and let the user who runs kizuna write there",
                path=str(self._path),
            ) from fault

    def _seen(self) -> int:
        try:
            with self._path.open("rb") as file:
                data = file.read(_SIZE + 1)
        except OSError:
            return 0
        number = data[:8]
        if len(data) != _SIZE or not compare_digest(data[8:], self._tag(number)):
            raise Tampered(
                "unit.witness",
                f"the witness {self._path} was changed by somebody without the secret",
                hint="find out who can write it; where it belongs to another file, remove it",
                path=str(self._path),
            )
        return int.from_bytes(number, "big")

    def _tag(self, number: bytes) -> bytes:
        return digest(self._key, b"kizuna key file version" + number, "sha256")
