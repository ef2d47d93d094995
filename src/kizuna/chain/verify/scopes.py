# SPDX-License-Identifier: Apache-2.0
"""Scopes of services as prefixes and ranges: which names a grant covers.

Keeps: 1. A scope covers here exactly what ``record.lists.in_scope`` says it covers. 2. Nobody hands
on more than he has.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from kizuna.model.payload import Service
from kizuna.record.lists import in_scope

__all__ = ["EVERYTHING", "bounded", "places", "prefixes_of"]

EVERYTHING: Final = "*"
_BORDERS: Final = "/:@?#"
_AFTER_BORDERS: Final = chr(ord(max(_BORDERS)) + 1)


def bounded(service: Service, names: frozenset[str]) -> Service:
    """The service as somebody may give it whose own power over the list covers these names: nobody
    hands on more than he has, so it reaches only what lies within them, whatever its own scope says
    (its holder's own name always lies in his scope).
    """
    if EVERYTHING in names:
        return service
    scope = [*service.scope]
    if EVERYTHING in scope:
        scope = sorted(names)
    within = {prefix for prefix in scope if in_scope(prefix, names)}
    within.update(name for name in names if in_scope(name, scope))
    return service if within == {*service.scope} else replace(service, scope=sorted(within))


def prefixes_of(scope: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]] | None:
    """What a name must begin with or be, so that ``in_scope`` holds; None for everything."""
    if EVERYTHING in scope:
        return None
    starts: list[str] = []
    for prefix in scope:
        if prefix[-1] in _BORDERS:
            starts.append(prefix)
        else:
            starts.extend(prefix + border for border in _BORDERS)
    return tuple(starts), frozenset(scope)


def places(names: list[str], exact: Iterable[str]) -> list[tuple[int, int]]:
    """The ranges of sorted names that the prefixes of a scope cover (see ``prefixes_of``)."""
    ranges: list[tuple[int, int]] = []
    total = len(names)
    for prefix in exact:
        low = bisect_left(names, prefix)
        if low < total and names[low] == prefix:
            ranges.append((low, low + 1))
        if prefix[-1] in _BORDERS:
            end = bisect_left(names, prefix[:-1] + chr(ord(prefix[-1]) + 1), low)
            ranges.append((low, end))
            continue
        # what follows a border at the end of the prefix: few names, so the rest is quick
        high = bisect_left(names, prefix + _AFTER_BORDERS, low)
        for border in _BORDERS if low < high else "":
            first = bisect_left(names, prefix + border, low, high)
            ranges.append((first, bisect_left(names, prefix + chr(ord(border) + 1), first, high)))
    return [r for r in ranges if r[0] < r[1]]
