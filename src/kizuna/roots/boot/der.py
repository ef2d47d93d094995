# SPDX-License-Identifier: Apache-2.0
"""A small reader of DER, for extensions that the primitives library does not read or refuses.

Keeps: definite lengths in their shortest form only, one level at a time, bounded in count.
Standard: ITU-T X.690, as far as certificates need it.

Example:
    >>> [(hex(tag), value.hex()) for tag, value in items(bytes.fromhex("0201050401ff"))]
    [('0x2', '05'), ('0x4', 'ff')]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kizuna.model.errors import Malformed
from kizuna.roots.boot.wire import malformed

__all__ = ["Extension", "extensions_of", "item", "items", "number", "object_id"]

MAX_ITEMS = 256

SEQUENCE, SET, INTEGER, BIT_STRING, OCTETS, OBJECT, BOOLEAN, UTF8 = (
    0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x01, 0x0C,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension of a certificate, unread."""

    name: str
    """Object identifier, dotted."""
    critical: bool
    value: bytes


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The items that stand one after the other in ``data``: tag and content.

    Raises:
        Malformed: ``boot.malformed``.
    """
    at, count = 0, 0
    while at < len(data):
        count += 1
        if count > MAX_ITEMS:
            raise _bad(f"more than {MAX_ITEMS} items")
        tag, start, end = _place(data, at)
        yield tag, data[start:end]
        at = end


def item(data: bytes, tag: int) -> bytes:
    """The content of the one item that ``data`` is, which must have this tag.

    Raises:
        Malformed: ``boot.malformed``.
    """
    found, start, end = _place(data, 0)
    if found != tag or end != len(data):
        raise _bad(f"expected one item with tag {tag:#04x}")
    return data[start:end]


def number(data: bytes) -> int:
    """The content of an INTEGER or ENUMERATED.

    Raises:
        Malformed: ``boot.malformed``.
    """
    if not 0 < len(data) <= 32:
        raise _bad("number")
    return int.from_bytes(data, "big", signed=True)


def object_id(data: bytes) -> str:
    """The content of an OBJECT IDENTIFIER, dotted.

    Raises:
        Malformed: ``boot.malformed``.
    """
    if not 0 < len(data) <= 64 or data[-1] & 0x80:
        raise _bad("object identifier")
    arcs: list[int] = []
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def extensions_of(to_be_signed: bytes) -> tuple[Extension, ...]:
    """The extensions of a TBSCertificate, in their order.

    Raises:
        Malformed: ``boot.malformed``; also where one stands twice.
    """
    found: list[Extension] = []
    for tag, value in items(item(to_be_signed, SEQUENCE)):
        if tag != 0xA3:
            continue
        for _, one in items(item(value, SEQUENCE)):
            parts = list(items(one))
            if len(parts) not in (2, 3) or parts[0][0] != OBJECT or parts[-1][0] != OCTETS:
                raise _bad("extension")
            critical = len(parts) == 3 and parts[1] == (BOOLEAN, b"\xff")
            found.append(Extension(object_id(parts[0][1]), critical, parts[-1][1]))
    if len({extension.name for extension in found}) != len(found):
        raise _bad("an extension twice")
    return tuple(found)


def _place(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag of the item at ``at``, start and end of its content."""
    if at + 2 > len(data):
        raise _bad("cut short")
    tag, size = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise _bad("long tag")
    start = at + 2
    if size & 0x80:
        width = size & 0x7F
        if not 0 < width <= 3 or start + width > len(data):
            raise _bad("length")
        size = int.from_bytes(data[start : start + width], "big")
        if size < 0x80 or size >> (8 * (width - 1)) == 0:
            raise _bad("length not in its shortest form")
        start += width
    if start + size > len(data):
        raise _bad("cut short")
    return tag, start, start + size


def _bad(fault: str) -> Malformed:
    return malformed("certificate", f"DER: {fault}")
