# SPDX-License-Identifier: Apache-2.0
"""JSON as it may come from anyone: decoded within bounds, or refused with the place of its fault.

Keeps: 1. Size, depth and the length of numbers are bounded; no input ends in a recursion fault.
2. A member that stands twice in one object is refused: two readers would read two documents.
3. NaN, infinities and halves of surrogate pairs are refused: they are no JSON text.
4. Places are RFC 6901 JSON pointers.
Standard: RFC 8259, RFC 6901, RFC 7493.

Example:
    >>> decode_json(b'{"a": [1, 2]}')
    {'a': [1, 2]}
    >>> pointer(["components", 0, "a/b"])
    '/components/0/a~1b'
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from kizuna.model.errors import Malformed

__all__ = [
    "MAX_DEPTH",
    "MAX_DOCUMENT",
    "decode_json",
    "decode_text",
    "pointer",
    "too_large",
    "walk",
]

MAX_DOCUMENT: Final = 32 << 20
"""Largest document in bytes."""

MAX_DEPTH: Final = 250
"""Deepest nesting of arrays and objects: 120 components inside each other."""

_MAX_DIGITS: Final = 400
_HALF_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_UNPAIRED: Final = re.compile("[\ud800-\udfff]")


def pointer(path: Iterable[str | int]) -> str:
    """The JSON pointer of a path of member names and array places."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def decode_text(data: bytes) -> str | None:
    """Text in UTF-8 (with or without byte order mark) or in UTF-16 with one; else ``None``."""
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def decode_json(data: bytes | str) -> Any:  # noqa: ANN401 - JSON is what it is
    """The value of one JSON text.

    Raises:
        Malformed: ``document.too-large``, ``document.encoding``, ``document.not-json``,
            ``document.too-deep``, ``document.duplicate-member``, ``document.number``.
    """
    if len(data) > MAX_DOCUMENT:
        raise too_large(len(data))
    text = decode_text(data) if isinstance(data, bytes) else data
    if text is None:
        raise Malformed(
            "document.encoding",
            "JSON text that is not in UTF-8",
            hint="save the document as UTF-8",
        )
    odd = _Odd()
    try:
        value = json.loads(
            text,
            object_pairs_hook=odd.members,
            parse_constant=odd.constant,
            parse_int=odd.integer,
            parse_float=odd.fraction,
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError as fault:
        place = f"line {fault.lineno}" if isinstance(fault, json.JSONDecodeError) else ""
        raise Malformed(
            "document.not-json",
            f"not JSON: {fault}",
            why=str(fault),
            hint="check that the file is complete and was not edited by hand",
            place=place,
            fault=str(fault),
        ) from fault
    _check_depth(value)
    if odd.objects or odd.numbers:
        odd.complain(value)
    if _HALF_SURROGATE.search(data if isinstance(data, bytes) else data.encode("utf-8", "ignore")):
        _check_pairs(value)
    return value


def too_large(size: int) -> Malformed:
    """The problem of a document beyond ``MAX_DOCUMENT``."""
    return Malformed(
        "document.too-large",
        f"document of {size} bytes, at most {MAX_DOCUMENT}",
        hint="split it: one bill of materials for each assembly, linked to each other",
        size=size,
        limit=MAX_DOCUMENT,
    )


def walk(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:  # noqa: ANN401 - any JSON
    """Every value inside ``value`` with its path, depth first, without recursion."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while stack:
        path, here = stack.pop()
        yield path, here
        if isinstance(here, dict):
            stack.extend(((*path, name), member) for name, member in here.items())
        elif isinstance(here, list):
            stack.extend(((*path, place), member) for place, member in enumerate(here))


class _Odd:
    """Remembers what the JSON parser let through and this reader will not; names it afterwards,
    because the parser does not know the path while it parses.
    """

    def __init__(self) -> None:
        self.objects: dict[int, str] = {}
        self.numbers: list[float] = []

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            counted = Counter(name for name, _ in pairs)
            self.objects[id(made)] = counted.most_common(1)[0][0]
        return made

    def constant(self, _: str) -> float:
        self.numbers.append(math.nan)
        return math.nan

    def integer(self, digits: str) -> int | float:
        if len(digits) <= _MAX_DIGITS:
            return int(digits)
        self.numbers.append(math.inf)
        return math.inf

    def fraction(self, digits: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            self.numbers.append(number)
        return number

    def complain(self, value: Any) -> None:  # noqa: ANN401 - any JSON
        for path, here in walk(value):
            if isinstance(here, dict) and id(here) in self.objects:
                where, name = pointer(path), self.objects[id(here)][:80]
                raise Malformed(
                    "document.duplicate-member",
                    f"member {name!r} stands twice in the object at {where or '/'}",
                    why="programs differ in which of the two they read",
                    hint="keep the one that is meant",
                    where=where or "/",
                    member=name,
                )
            if isinstance(here, float) and not math.isfinite(here):
                raise Malformed(
                    "document.number",
                    f"no number that JSON knows, at {pointer(path)}",
                    why="NaN, infinities and numbers beyond 400 digits have no meaning here",
                    hint="write it as text, or leave it out",
                    where=pointer(path),
                )


def _check_depth(value: Any) -> None:  # noqa: ANN401 - any JSON
    level = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = [
            member
            for here in level
            for member in (here.values() if isinstance(here, dict) else here)
            if isinstance(member, dict | list)
        ]


def _too_deep() -> Malformed:
    return Malformed(
        "document.too-deep",
        f"document nested deeper than {MAX_DEPTH}",
        hint="describe deep assemblies by dependencies between flat entries",
        limit=MAX_DEPTH,
    )


def _check_pairs(value: Any) -> None:  # noqa: ANN401 - any JSON
    for path, here in walk(value):
        texts = here.keys() if isinstance(here, dict) else (here,) if isinstance(here, str) else ()
        if any(_UNPAIRED.search(text) for text in texts):
            raise Malformed(
                "document.text",
                f"half of a surrogate pair in the text at {pointer(path) or '/'}",
                why="it stands for no character",
                hint="write the character itself, in UTF-8",
                where=pointer(path) or "/",
            )
