# SPDX-License-Identifier: Apache-2.0
r"""Bodies that carry statements: one, a CBOR sequence of many, or a CBOR array with documents.

Keeps: 1. A body is split, never decoded, whatever its form: each statement reaches the store as the
very bytes that its sender signed. 2. Reading is linear and bounded in items and depth; what is not
one of the three forms is refused whole, before anything is registered.
Standard: RFC 9052 (``application/cose``), RFC 8742 (``application/cbor-seq``), RFC 8949.

Example:
    >>> split_sequence(b"\xd2\x84\x40\xa0\x40\x40" * 2, limit=10)
    [b'\xd2\x84@\xa0@@', b'\xd2\x84@\xa0@@']
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from kizuna.app.api.problems import TooLarge, UnknownMedia
from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest, digest_of

__all__ = ["Batch", "read_batch", "split_sequence"]

_MEMBERS: Final = (b"statements", b"documents")
_DEPTH: Final = 16
_ITEMS: Final = 512


@dataclass(frozen=True, slots=True)
class Batch:
    """What one body brought. ``single`` where it was one statement by itself."""

    statements: list[bytes]
    documents: dict[Digest, bytes] = field(default_factory=dict)
    single: bool = False


def read_batch(media_type: str, body: bytes, *, limit: int) -> Batch:
    """The statements in a body.

    Args:
        media_type: without parameters, lower case.
        body: as received.
        limit: most statements in one batch.

    Raises:
        UnknownMedia: ``http.media-type``.
        Malformed: ``batch.malformed``, ``batch.empty``.
        TooLarge: ``batch.too-many``.
    """
    match media_type:
        case "application/cose" | 'application/cose; cose-type="cose-sign1"':
            batch = Batch([body] if body else [], single=True)
        case "application/cbor-seq" | "application/cose-seq":
            batch = Batch(split_sequence(body, limit=limit))
        case "application/cbor":
            batch = _array(body, limit)
        case _:
            raise UnknownMedia(
                "http.media-type",
                f"this address does not read {media_type[:80] or 'a body without media type'}",
                hint="send application/cose (one statement), application/cbor-seq (many), or "
                "application/cbor (a map of statements and documents)",
                media_type=media_type[:80],
            )
    if not batch.statements:
        raise Malformed(
            "batch.empty", "the body holds no statement", hint="send at least one statement"
        )
    return batch


def split_sequence(body: bytes, *, limit: int) -> list[bytes]:
    """A CBOR sequence, cut at the borders of its items; a byte string stands for its content.

    Raises:
        Malformed: ``batch.malformed``.
        TooLarge: ``batch.too-many``.
    """
    parts: list[bytes] = []
    position, end = 0, len(body)
    while position < end:
        if len(parts) >= limit:
            raise _too_many(limit)
        after = _skip(body, position)
        part = body[position:after]
        if part[0] >> 5 == 2:
            part = _content(part)
        parts.append(part)
        position = after
    return parts


def _array(body: bytes, limit: int) -> Batch:
    # read by hand: what stands here came from anybody, and a reader of all that CBOR can hold would
    # also compute what its tags ask for
    members: dict[bytes, list[bytes]] = {}
    major, count, position = _head(body, 0)
    if major == 4:
        members[b"statements"], position = _strings(body, 0, limit)
    elif major == 5 and count <= len(_MEMBERS):
        for _ in range(count):
            name, position = _string(body, position, 3)
            if name not in _MEMBERS or name in members:
                raise _malformed("the map has members other than statements and documents")
            members[name], position = _strings(body, position, limit)
    else:
        raise _malformed("neither an array of statements nor a map that holds one")
    if position != len(body):
        raise _malformed("bytes after the end")
    if b"statements" not in members:
        raise _malformed("statements are not an array of byte strings")
    documents = members.get(b"documents", ())
    return Batch(members[b"statements"], {digest_of(document): document for document in documents})


def _strings(body: bytes, position: int, limit: int) -> tuple[list[bytes], int]:
    """An array of byte strings, and the position after it."""
    major, count, position = _head(body, position)
    if major != 4:
        raise _malformed("an array of byte strings is missing")
    if count > limit:
        raise _too_many(limit)
    found: list[bytes] = []
    for _ in range(count):
        one, position = _string(body, position, 2)
        found.append(one)
    return found, position


def _string(body: bytes, position: int, wanted: int) -> tuple[bytes, int]:
    """The content of a definite string of one major type, and the position after it."""
    major, length, position = _head(body, position)
    if major != wanted or length > len(body) - position:
        raise _malformed("a string is missing, or cut short")
    return body[position : position + length], position + length


def _content(item: bytes) -> bytes:
    """The content of a definite byte string."""
    return item[{24: 2, 25: 3, 26: 5, 27: 9}.get(item[0] & 31, 1) :]


def _head(body: bytes, position: int) -> tuple[int, int, int]:
    """Major type, argument, position after the head."""
    try:
        first = body[position]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short, position + 1
        if short == 24:
            return major, body[position + 1], position + 2
        if short == 25:
            return major, struct.unpack_from(">H", body, position + 1)[0], position + 3
        if short == 26:
            return major, struct.unpack_from(">I", body, position + 1)[0], position + 5
        if short == 27:
            return major, struct.unpack_from(">Q", body, position + 1)[0], position + 9
    except (IndexError, struct.error):
        raise _malformed("the sequence ends in the middle of an item") from None
    raise _malformed("items of indefinite length have no place in a statement")


def _skip(body: bytes, position: int) -> int:
    """The position after the item that begins at ``position``; no recursion, bounded."""
    end = len(body)
    open_items = [1]
    seen = 0
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        seen += 1
        if seen > _ITEMS or len(open_items) > _DEPTH:
            raise _malformed("an item is nested or split further than a statement can be")
        major, argument, position = _head(body, position)
        if major in (2, 3):
            position += argument
            if position > end:
                raise _malformed("the sequence ends in the middle of an item")
        elif major == 4:
            open_items.append(_fitting(argument, end))
        elif major == 5:
            open_items.append(_fitting(argument, end) * 2)
        elif major == 6:
            open_items.append(1)
    return position


def _fitting(count: int, end: int) -> int:
    if count > end:
        raise _malformed("an array claims more items than the body has bytes")
    return count


def _malformed(why: str) -> Malformed:
    return Malformed(
        "batch.malformed",
        f"not a batch of statements: {why}",
        why=why,
        hint="send COSE_Sign1 statements one after the other (application/cbor-seq)",
        fault=why,
    )


def _too_many(limit: int) -> TooLarge:
    return TooLarge(
        "batch.too-many",
        f"more than {limit} statements in one batch",
        hint="send several batches",
        limit=limit,
    )
