# SPDX-License-Identifier: Apache-2.0
"""Scope: about whose names a member of a list may speak.

Keeps: a prefix ends at a border of a name (``/ : @ ? #``) or is the whole identifier, so whoever is
trusted for ``pkg:generic/acme`` is not thereby trusted for ``pkg:generic/acme-evil``; one's own
identifier is always in scope.

Example:
    >>> in_scope("pkg:generic/acme/fan@1", ["pkg:generic/acme"])
    True
    >>> in_scope("pkg:generic/acme-evil/fan@1", ["pkg:generic/acme"])
    False
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from kizuna.model.errors import Malformed

__all__ = ["ANYTHING", "check_scope", "in_scope", "within"]

ANYTHING: Final = "*"
"""Every identifier."""

_BORDERS: Final = frozenset("/:@?#")
_PREFIX: Final = re.compile(r"[a-z][a-z0-9+.-]*:[^\x00-\x20\x7f*]*")


def in_scope(identifier: str, scope: Iterable[str], own: str | None = None) -> bool:
    """True where ``identifier`` is ``own`` or lies under one of the prefixes of ``scope``."""
    if identifier == own:
        return True
    for prefix in scope:
        if prefix == ANYTHING:
            return True
        if identifier.startswith(prefix) and (
            len(identifier) == len(prefix)
            or prefix[-1] in _BORDERS
            or identifier[len(prefix)] in _BORDERS
        ):
            return True
    return False


def within(scope: Iterable[str], held: Collection[str]) -> tuple[str, ...]:
    """What of ``scope`` lies within ``held``: nobody hands on more names than he has.

    Example:
        >>> within(["pkg:generic/acme/fans", "pkg:npm"], ["pkg:generic/acme"])
        ('pkg:generic/acme/fans',)
        >>> within(["*"], ["pkg:generic/acme"])
        ('pkg:generic/acme',)
    """
    asked = tuple(scope)
    if ANYTHING in held:
        return asked
    if ANYTHING in asked:
        asked = tuple(sorted(held))
    reach = {prefix for prefix in asked if in_scope(prefix, held)}
    reach.update(prefix for prefix in held if in_scope(prefix, asked))
    return asked if reach == set(asked) else tuple(sorted(reach))


def check_scope(scope: Sequence[str]) -> tuple[str, ...]:
    """The scope as it should be written: each prefix once, none inside another, sorted.

    Raises:
        Malformed: ``list.scope`` for a prefix that no canonical identifier can begin with.
    """
    if ANYTHING in scope:
        return (ANYTHING,)
    for prefix in scope:
        if len(prefix) > 2_048 or not _PREFIX.fullmatch(prefix):
            raise Malformed(
                "list.scope",
                f"not a prefix of identifiers: {prefix[:80]!r}",
                why="a scope is `*` or begins with a scheme in lower case, as identifiers do",
                hint="for instance pkg:generic/acme or https://acme.example/",
                prefix=prefix[:80],
            )
    kept: list[str] = []
    for prefix in sorted(set(scope)):
        if not in_scope(prefix, kept):
            kept.append(prefix)
    return tuple(kept)
