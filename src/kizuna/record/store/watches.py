# SPDX-License-Identifier: Apache-2.0
"""Watches: which verdicts are kept true, and when time alone could next change them.

Keeps: one row a (subject, profile, lists); the row of a watch that is due is found by index.
Does not: judge; whoever judges writes the new value and the next instant here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, and_, delete, insert, select
from sqlalchemy.engine import Row

from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId
from kizuna.record.store.backend import Backend
from kizuna.record.store.schema import watches

__all__ = ["Watch", "Watchlist"]

_LISTS = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Watch:
    """One verdict that is kept true. ``value`` is none before the first judgement."""

    subject: SubjectId
    profile: str
    lists: tuple[str, ...] = ()
    value: Value | None = None
    judged_at: int | None = None
    next_change: int | None = None


class Watchlist:
    """The watches of a store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def put(self, renewed: Iterable[Watch]) -> None:
        """Keep these watches, each in the place of its earlier row."""
        rows = list(renewed)
        if not rows:
            return
        self._backend.execute(
            *(delete(watches).where(_is(row)) for row in rows),
            insert(watches).values(
                [
                    {
                        "subject": row.subject,
                        "profile": row.profile,
                        "lists": _lists(row.lists),
                        "value": None if row.value is None else int(row.value),
                        "judged_at": row.judged_at,
                        "next_change": row.next_change,
                    }
                    for row in rows
                ]
            ),
        )

    def remove(self, watch: Watch) -> bool:
        """End a watch; whether there was one."""
        return bool(
            self._backend.execute(delete(watches).where(_is(watch)).returning(watches.c.subject))
        )

    def all(self) -> list[Watch]:
        """Every watch, in order of subject, profile and lists."""
        return [
            _watch(row)
            for row in self._backend.execute(
                select(watches).order_by(watches.c.subject, watches.c.profile, watches.c.lists)
            )
        ]

    def due(self, now: int) -> list[Watch]:
        """Watches that time may have changed, the longest due first, and those never judged."""
        return [
            _watch(row)
            for row in self._backend.execute(
                select(watches)
                .where((watches.c.next_change <= now) | watches.c.judged_at.is_(None))
                .order_by(watches.c.next_change, watches.c.subject)
            )
        ]


def _is(watch: Watch) -> ColumnElement[bool]:
    return and_(
        watches.c.subject == watch.subject,
        watches.c.profile == watch.profile,
        watches.c.lists == _lists(watch.lists),
    )


def _lists(lists: Sequence[str]) -> str:
    return msgspec.json.encode(sorted(lists)).decode()


def _watch(row: Row[tuple[object, ...]]) -> Watch:
    return Watch(
        subject=SubjectId(row.subject),
        profile=row.profile,
        lists=_LISTS.decode(row.lists),
        value=None if row.value is None else Value(row.value),
        judged_at=row.judged_at,
        next_change=row.next_change,
    )
