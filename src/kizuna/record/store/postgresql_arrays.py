# SPDX-License-Identifier: Apache-2.0
"""Arrays for PostgreSQL in their binary form, made of many small values in one go.

A look-up of thousands of keys costs the driver as long as the server when each is turned by itself.

Keeps: every element has its type's form exactly (numbers: so many bytes, big-endian, signed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from psycopg.adapt import Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    import psycopg

__all__ = ["Byteas", "Int4s", "Int8s", "know_arrays"]

_ONE_DIMENSION: Final = (1).to_bytes(4, "big") + bytes(4)  # and no element is missing
_LOWER: Final = (1).to_bytes(4, "big")


class _Array:
    """Elements of one type, already in their form."""

    element: ClassVar[int]
    array: ClassVar[int]
    __slots__ = ("values",)

    def __init__(self, values: Sequence[bytes]) -> None:
        self.values = values

    def form(self) -> bytes:
        """What is sent."""
        values = self.values
        kind = self.element.to_bytes(4, "big")
        if not values:
            return bytes(8) + kind
        head = _ONE_DIMENSION + kind + len(values).to_bytes(4, "big") + _LOWER
        size = len(values[0])
        if all(len(value) == size for value in values):
            mark = size.to_bytes(4, "big")
            return head + mark + mark.join(values)
        return head + b"".join([len(value).to_bytes(4, "big") + value for value in values])


class Int4s(_Array):
    """``int4[]``; each of four bytes."""

    element, array = 23, 1007
    __slots__ = ()

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Int4s:
        """From numbers."""
        return cls([number.to_bytes(4, "big", signed=True) for number in numbers])


class Int8s(_Array):
    """``int8[]``; each of eight bytes."""

    element, array = 20, 1016
    __slots__ = ()


class Byteas(_Array):
    """``bytea[]``."""

    element, array = 17, 1001
    __slots__ = ()


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Array) -> bytes:
        return obj.form()


def know_arrays(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Let a connection take them as parameters (``%b``)."""
    for kind in (Int4s, Int8s, Byteas):
        dumper = type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.array})
        connection.adapters.register_dumper(kind, dumper)
