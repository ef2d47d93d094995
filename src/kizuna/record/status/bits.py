# SPDX-License-Identifier: Apache-2.0
"""The array inside a status list: one, two, four or eight bits for each thing.

Keeps: 1. An index beyond the end is no status, never "valid". 2. What is unpacked is bounded before
it is unpacked: a small file cannot become a large one. 3. Index 0 lies in the *lowest* bits of the
first byte (Token Status List); the W3C's order is turned round at its own edge.
Standard: draft-ietf-oauth-status-list-21 section 4.

Example:
    >>> found = Bits.of_size(16, width=1)
    >>> found[3] = 1
    >>> found[3], found[4], found.packed()[:1]
    (1, 0, b'x')
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from typing import Final, Self

from kizuna.model.errors import Absent, Malformed

__all__ = ["MAX_ENTRIES", "WIDTHS", "Bits", "Meaning"]

WIDTHS: Final = (1, 2, 4, 8)
MAX_ENTRIES: Final = 100_000_000
_MAX_PACKED: Final = 16 << 20


class Meaning(IntEnum):
    """What the registered values say; others belong to whoever publishes the list."""

    VALID = 0
    INVALID = 1
    """Revoked for good."""
    SUSPENDED = 2


_WAYS: Final = ((zlib.MAX_WBITS, zlib.Z_DEFAULT_STRATEGY), (11, zlib.Z_FILTERED))
"""How an array is packed, to keep the smaller."""


class Bits:
    """An array of small numbers. Owner of its bytes; not shared between threads while written."""

    __slots__ = ("_bytes", "_mask", "_per", "_shift", "width")

    def __init__(self, content: bytes | bytearray, *, width: int) -> None:
        if width not in WIDTHS:
            raise malformed(f"{width} bits for an entry; 1, 2, 4 and 8 exist")
        if len(content) * (8 // width) > MAX_ENTRIES:
            raise malformed(f"more than {MAX_ENTRIES} entries")
        self.width: Final = width
        self._bytes = bytearray(content)
        self._per = 8 // width
        self._shift = {1: 3, 2: 2, 4: 1, 8: 0}[width]
        self._mask = (1 << width) - 1

    @classmethod
    def of_size(cls, entries: int, *, width: int = 1) -> Self:
        """All zero, with room for at least ``entries``."""
        if not 0 < entries <= MAX_ENTRIES or width not in WIDTHS:
            raise malformed(f"{entries} entries of {width} bits")
        return cls(bytes(-(-entries * width // 8)), width=width)

    def __len__(self) -> int:
        return len(self._bytes) * self._per

    def __getitem__(self, index: int) -> int:
        """The status at ``index``.

        Raises:
            Absent: ``status.beyond``.
        """
        if not 0 <= index < len(self):
            raise beyond(index, len(self))
        at = index & (self._per - 1)
        return (self._bytes[index >> self._shift] >> (at * self.width)) & self._mask

    def __setitem__(self, index: int, value: int) -> None:
        if not 0 <= index < len(self):
            raise beyond(index, len(self))
        if not 0 <= value <= self._mask:
            raise malformed(f"{value} does not fit into {self.width} bits")
        byte, at = index >> self._shift, (index & (self._per - 1)) * self.width
        self._bytes[byte] = self._bytes[byte] & ~(self._mask << at) | value << at

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bits) and self.width == other.width and self._bytes == other._bytes

    __hash__ = None  # type: ignore[assignment] # it changes

    def content(self) -> bytes:
        """The array as it lies in memory."""
        return bytes(self._bytes)

    def packed(self) -> bytes:
        """The array under DEFLATE in the ZLIB frame, as small as zlib makes it.

        Where few entries are set, and far apart, a small window and no short matches are better:
        3 % less than the default at one entry in a hundred.
        """
        found = []
        for window, strategy in _WAYS:
            machine = zlib.compressobj(9, zlib.DEFLATED, window, zlib.DEF_MEM_LEVEL, strategy)
            found.append(machine.compress(self._bytes) + machine.flush())
        return min(found, key=len)

    @classmethod
    def unpacked(cls, packed: bytes, *, width: int) -> Self:
        """An array from its packed form.

        Raises:
            Malformed: ``status.malformed``.
        """
        return cls(unpack(packed, zlib.MAX_WBITS), width=width)


def unpack(packed: bytes, window: int, limit: int = MAX_ENTRIES) -> bytes:
    """Unpacked bytes, at most ``limit``; ``window`` as zlib wants it (31 for gzip).

    Raises:
        Malformed: ``status.malformed``.
    """
    if len(packed) > _MAX_PACKED:
        raise malformed(f"{len(packed)} bytes packed, at most {_MAX_PACKED}")
    machine = zlib.decompressobj(window)
    try:
        content = machine.decompress(packed, limit + 1)
    except zlib.error as fault:
        raise malformed("it cannot be unpacked") from fault
    if len(content) > limit or machine.unconsumed_tail:
        raise malformed(f"more than {limit} bytes unpacked")
    if not machine.eof or machine.unused_data:
        raise malformed("it ends too early, or something follows it")
    return content


def malformed(why: str) -> Malformed:
    """The problem of a status list that is not one."""
    return Malformed(
        "status.malformed",
        f"the status list cannot be read: {why}",
        why=why,
        hint="ask its publisher for the list again",
        fault=why[:200],
    )


def beyond(index: int, size: int) -> Absent:
    """The problem of an index that the list does not have."""
    return Absent(
        "status.beyond",
        f"the status list has {size} entries; there is none at {index}",
        why="the reference belongs to another list, or the list was cut",
        hint="ask the issuer which list holds the status",
        index=min(index, 2**53),
        size=size,
    )
