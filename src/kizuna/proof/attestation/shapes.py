# SPDX-License-Identifier: Apache-2.0
"""Shapes: evidence of one class differs in a few byte strings; the rest is read once for all.

A shape is everything of some CBOR bytes but the *content* of byte strings at named places (nonce,
instance, signature). Heads and lengths belong to the shape, so equal shapes decode alike: what was
found of one holds of every other, but for those contents.

Keeps: 1. Only bytes that were read in full, and kept every rule, are learnt from; a rule about a
content keeps that part of it in the shape. 2. Bounded in number and size; what a stranger sends can
push out what was learnt, and cost time, never change an answer. 3. Found or not, a reading is the
same.
Owner of the mutable state: the scheme that made it; any thread may ask.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Generic, TypeVar

from kizuna.roots.cose.cbor import decode, end_of_item

__all__ = ["Shapes", "Span", "content_of", "spans_in"]

MAX_SIZE: Final = 4096
"""Largest bytes that are learnt from."""
_MOST: Final = 4096
"""Most shapes kept, about as many kilobytes."""
_MOST_PLACES: Final = 8
"""Most sets of places tried for bytes of one length."""
_PATIENCE: Final = 256
"""Misses in a row after which few are learnt from: devices of which each is its own class."""
_SELDOM: Final = 32

Span = tuple[int, int]
"""Begin and end of a content."""

T = TypeVar("T")
_Fixed = tuple[bytes, ...]


class Shapes(Generic[T]):
    """What was found of each shape."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[tuple[Span, ...], ...]] = {}
        self._known: dict[tuple[tuple[Span, ...], _Fixed], T] = {}
        self._missed = 0

    def __len__(self) -> int:
        return len(self._known)

    def find(self, data: bytes) -> T | None:
        """What was found of these bytes' shape; None where it is new."""
        for fixed in self._places.get(len(data), ()):
            found = self._known.get((fixed, tuple([data[a:b] for a, b in fixed])))
            if found is not None:
                self._missed = 0
                return found
        self._missed += 1
        return None

    @property
    def pays(self) -> bool:
        """Whether the bytes that were just not found are worth learning from."""
        return self._missed <= _PATIENCE or self._missed % _SELDOM == 0

    def learn(self, data: bytes, free: Collection[Span], found: T) -> None:
        """Keep what was found of bytes whose contents at ``free`` may be any of the same length."""
        if len(data) > MAX_SIZE:
            return
        fixed: list[Span] = []
        at = 0
        for begin, end in sorted(free):
            fixed.append((at, begin))
            at = end
        fixed.append((at, len(data)))
        places = tuple(fixed)
        if len(self._known) >= _MOST:
            self._known.clear()
            self._places.clear()
        tried = self._places.get(len(data), ())
        if places not in tried:
            self._places[len(data)] = (places, *tried)[:_MOST_PLACES]
        self._known[places, tuple([data[a:b] for a, b in places])] = found

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
        self._known.clear()
        self._missed = 0


def spans_in(data: bytes, wanted: Collection[int | str], at: int = 0) -> Mapping[int | str, Span]:
    """Where the contents of byte strings stand in the map that begins at ``at``, by label.

    The bytes must have been decoded before: nothing is checked again here.
    """
    found: dict[int | str, Span] = {}
    pairs, at = _head(data, at)
    for _ in range(pairs):
        after = end_of_item(data, at)
        label = decode(data[at:after])
        end = end_of_item(data, after)
        if label in wanted and data[after] >> 5 == 2:
            found[label] = (_head(data, after)[1], end)
        at = end
    return found


def content_of(data: bytes, at: int) -> int:
    """Where the content of the string, array or map that begins at ``at`` begins."""
    return _head(data, at)[1]


def _head(data: bytes, at: int) -> tuple[int, int]:
    """The number in the head of an item, and where the head ends."""
    short = data[at] & 31
    if short < 24:
        return short, at + 1
    wide = 1 << (short - 24)
    return int.from_bytes(data[at + 1 : at + 1 + wide], "big"), at + 1 + wide
