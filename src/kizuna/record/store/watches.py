# SPDX-License-Identifier: Apache-2.0
"""Watches: which verdicts are kept true, and when time alone could next change them.

Keeps: one row a (subject, measure, lists); the row of a watch that is due is found by index. A
measure is a profile by name, and the mappings through which it is read; the two stand in one
column, so that rows of before stay what they were.
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

__all__ = ["Watch", "Watchlist", "measure_of", "measure_parts"]

_THROUGH = " through "
"""Between a profile's name and those of mappings; no name has a space in it."""

_LISTS = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Watch:
    """One verdict that is kept true. ``value`` is none before the first judgement."""

    subject: SubjectId
    profile: str
    lists: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    """Names of mappings through which the profile is read."""
    value: Value | None = None
    judged_at: int | None = None
    next_change: int | None = None

    @property
    def measure(self) -> str:
        """Profile and mappings in one word."""
        return measure_of(self.profile, self.through)


def measure_of(profile: str, through: Iterable[str] = ()) -> str:
    """A profile and the mappings through which it is read, in one word."""
    names = sorted(set(through))
    return f"{profile}{_THROUGH}{','.join(names)}" if names else profile


def measure_parts(measure: str) -> tuple[str, tuple[str, ...]]:
    """The profile's name, and those of the mappings."""
    profile, _, through = measure.partition(_THROUGH)
    return profile, tuple(name for name in through.split(",") if name)


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
                        "profile": row.measure,
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
        watches.c.profile == watch.measure,
        watches.c.lists == _lists(watch.lists),
    )


def _lists(lists: Sequence[str]) -> str:
    return msgspec.json.encode(sorted(lists)).decode()


def _watch(row: Row[tuple[object, ...]]) -> Watch:
    profile, through = measure_parts(str(row.profile))
    return Watch(
        subject=SubjectId(row.subject),
        profile=profile,
        through=through,
        lists=_LISTS.decode(row.lists),
        value=None if row.value is None else Value(row.value),
        judged_at=row.judged_at,
        next_change=row.next_change,
    )
