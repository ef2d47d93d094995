# SPDX-License-Identifier: Apache-2.0
"""The last good copy of each status list, so that a check costs no fetch.

Keeps: 1. A list that fails to load leaves the last good one in place, and its age is told. 2. An
older list never takes the place of a newer one: its publisher cannot be made to forget. 3. An
expired copy answers nothing ("cannot say"), never "valid".
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from kizuna.model.errors import Tampered
from kizuna.record.status.token import Reference, StatusList

__all__ = ["Cache", "Cached"]


@dataclass(frozen=True, slots=True)
class Cached:
    """A status and how old the list is that says so."""

    value: int | None
    """None: no list, or only an expired one, is at hand."""
    age: int | None
    """Seconds since the list was issued; None without a list."""


class Cache:
    """Status lists by address. Owner of the copies; every method may be called from any thread."""

    def __init__(self, *, most: int = 1000) -> None:
        self._most = most
        self._lists: dict[str, tuple[StatusList, int]] = {}
        self._lock = threading.Lock()

    def put(self, found: StatusList, *, now: int) -> None:
        """Take a list that was just read and checked.

        Raises:
            Tampered: ``status.rolled-back`` when a newer one is held.
        """
        with self._lock:
            held = self._lists.get(found.uri)
            if held is not None and found.issued < held[0].issued:
                raise Tampered(
                    "status.rolled-back",
                    f"an older status list was offered for {found.uri}",
                    why=f"issued at {found.issued}, the one held at {held[0].issued}",
                    hint="keep the newer one, and ask the publisher why",
                    uri=found.uri[:200],
                    issued=found.issued,
                    held=held[0].issued,
                )
            if held is None and len(self._lists) >= self._most:
                self._lists.pop(next(iter(self._lists)))
            self._lists[found.uri] = (found, now)

    def due(self, uri: str, now: int) -> bool:
        """Whether the list at ``uri`` should be fetched."""
        held = self._lists.get(uri)
        return held is None or held[0].due(now, held[1])

    def status(self, reference: Reference, now: int) -> Cached:
        """The status of one thing.

        Raises:
            Absent: ``status.beyond``.
        """
        held = self._lists.get(reference.uri)
        if held is None:
            return Cached(None, None)
        found = held[0]
        age = max(0, now - found.issued)
        return Cached(found.bits[reference.index] if found.fresh(now) else None, age)
