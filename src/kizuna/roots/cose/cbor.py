# SPDX-License-Identifier: Apache-2.0
"""CBOR from strangers: one whole item, bounded, without surprises.

Keeps: 1. Depth and size are bounded before anything is built. 2. Indefinite lengths, duplicate map
keys and bytes after the item are refused, because two readers could see two things. 3. Tags mean
nothing by themselves: a date, regular expression or shared reference stays a tag with a value.
4. The time to read is linear in the size: in what is large no list, map or tag is the key of a map,
since their hashes can be foretold, and chosen so that every key falls on the same place.
Standard: RFC 8949, with the deterministic form (section 4.2.1) for what is written here.

Example:
    >>> decode(bytes.fromhex("a10126"))
    {1: -7}
"""

from __future__ import annotations

import os
from typing import Any, Final

import cbor2

from kizuna.model.errors import Malformed

__all__ = ["Tag", "bytes_of", "decode", "encode", "end_of_item", "head", "malformed"]

Tag = cbor2.CBORTag

MAX_DEPTH: Final = 12

_SMALL: Final = 1 << 10
"""Below this size no choice of keys costs anything worth looking for."""

_DEEPEST: Final = 100
"""Deeper than any reader allows."""

_BUILT_IN: Final = (
    *range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
)  # fmt: skip


def _kept(number: int) -> cbor2.SemanticDecoderCallback:
    return lambda value, _immutable: Tag(number, value)


_MARK: Final = os.urandom(16)
"""Unknown outside this process, so that no message can hold it."""
_END: Final = b"\x50" + _MARK
_loads: Final = cbor2.loads
_PLAIN: Final = {number: _kept(number) for number in _BUILT_IN}


def decode(data: bytes, max_depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401 - CBOR holds anything
    """The one item that ``data`` is.

    Raises:
        Malformed: ``envelope.malformed``.
    """
    if len(data) > _SMALL:
        _check_keys(data)
    try:
        # the end mark shows whether the item ended where the bytes do: it is read as a second item
        value, end = _loads(
            b"\x82" + data + _END,
            semantic_decoders=_PLAIN,
            max_depth=max_depth + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, TypeError) as fault:
        raise malformed(f"not CBOR: {str(fault)[:120]}") from fault
    if end != _MARK:
        raise malformed("bytes after the end of the CBOR item")
    return value


def encode(value: Any) -> bytes:  # noqa: ANN401 - CBOR holds anything
    """Deterministic CBOR of ``value``."""
    return cbor2.dumps(value, canonical=True)


def head(major: int, length: int) -> bytes:
    """The shortest head of an item: major type (0 to 7) and length or value."""
    major <<= 5
    if length < 24:
        return bytes((major | length,))
    if length < 0x100:
        return bytes((major | 24, length))
    if length < 0x10000:
        return bytes((major | 25,)) + length.to_bytes(2, "big")
    if length < 0x1_0000_0000:
        return bytes((major | 26,)) + length.to_bytes(4, "big")
    return bytes((major | 27,)) + length.to_bytes(8, "big")


def bytes_of(data: bytes) -> bytes:
    """``data`` as a CBOR byte string."""
    return head(2, len(data)) + data


def end_of_item(data: bytes, at: int, most: int = 1 << 32) -> int:
    """Where the item that begins at ``at`` ends; only definite lengths, no recursion, and no more
    than ``most`` items in it.

    Raises:
        Malformed: ``envelope.malformed``.
    """
    size, open_items, seen = len(data), 1, 0
    while open_items:
        open_items -= 1
        seen += 1
        if seen > most:
            raise malformed(f"more than {most} items")
        if at >= size:
            raise malformed("cut short")
        major, length = data[at] >> 5, data[at] & 31
        at += 1
        if length > 27:
            raise malformed("indefinite length or reserved head")
        if length > 23:
            wide = 1 << (length - 24)
            length = int.from_bytes(data[at : at + wide], "big")
            at += wide
        if major in (2, 3):
            at += length
        elif major == 4:
            open_items += length
        elif major == 5:
            open_items += 2 * length
        elif major == 6:
            open_items += 1
        if open_items > size - at + 1:
            raise malformed("cut short")
    if at > size:
        raise malformed("cut short")
    return at


def _check_keys(data: bytes) -> None:
    """Refuse lists, maps and tags as keys of maps; whatever else is wrong the reader finds."""
    size, at = len(data), 0
    outer: list[tuple[int, bool]] = []
    count, in_map = 1, False  # items that are to come here, and whether they are keys and values
    while True:
        while not count:
            if not outer:
                return
            count, in_map = outer.pop()
        if at >= size:
            return
        first = data[at]
        major, length = first >> 5, first & 31
        at += 1
        if length > 23:
            if length > 27:
                return
            wide = 1 << (length - 24)
            length = int.from_bytes(data[at : at + wide], "big")
            at += wide
        if 4 <= major <= 6:
            if in_map and not count & 1:
                raise malformed("the key of a map is neither a number nor a text")
            if len(outer) > _DEEPEST:
                raise malformed("nested too deeply")
            outer.append((count - 1, in_map))
            count, in_map = (1 if major == 6 else length << (major == 5)), major == 5
            continue
        count -= 1
        if 2 <= major <= 3:
            at += length


def malformed(why: str) -> Malformed:
    """The problem of bytes that are no COSE_Sign1."""
    return Malformed(
        "envelope.malformed",
        f"not a signed statement: {why}",
        why=why,
        hint="send the COSE_Sign1 (CBOR tag 18) as the signer made it",
        fault=why,
    )
