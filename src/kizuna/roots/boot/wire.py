# SPDX-License-Identifier: Apache-2.0
"""Reading fixed binary layouts from strangers: every length is checked before it is used.

Keeps: a cut or overlong structure is ``boot.malformed``, never an index error or a silent slice.
"""

from __future__ import annotations

from typing import Final, Literal

from kizuna.model.errors import Malformed

__all__ = ["Reader", "malformed"]

MAX_BUFFER: Final = 4096
"""Longest sized buffer (TPM2B) that is read; the specification's own are shorter."""


class Reader:
    """Bytes with a place in them; ``order`` is the byte order of all numbers."""

    __slots__ = ("_order", "at", "data", "what")

    def __init__(
        self, data: bytes, what: str, order: Literal["big", "little"] = "big", at: int = 0
    ) -> None:
        self.data = data
        self.what = what
        self.at = at
        self._order: Literal["big", "little"] = order

    def number(self, size: int) -> int:
        """An unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), self._order)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            Malformed: ``boot.malformed``.
        """
        start, end = self.at, self.at + size
        if end > len(self.data):
            raise malformed(self.what, "cut short")
        self.at = end
        return self.data[start:end]

    def sized(self, limit: int = MAX_BUFFER) -> bytes:
        """A buffer with its 16-bit length before it (TPM2B).

        Raises:
            Malformed: ``boot.malformed``.
        """
        size = self.number(2)
        if size > limit:
            raise malformed(self.what, f"buffer of {size} bytes, at most {limit}")
        return self.take(size)

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.at

    def end(self) -> None:
        """Insist that nothing is left.

        Raises:
            Malformed: ``boot.malformed``.
        """
        if self.left:
            raise malformed(self.what, f"{self.left} bytes after the end")


def malformed(what: str, fault: str) -> Malformed:
    """The problem of bytes that are not ``what`` they should be."""
    return Malformed(
        "boot.malformed",
        f"not a {what}: {fault}",
        why=fault,
        hint="send what the device made, unchanged and whole",
        thing=what,
        fault=fault,
    )
