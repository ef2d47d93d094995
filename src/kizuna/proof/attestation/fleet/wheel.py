# SPDX-License-Identifier: Apache-2.0
"""The deadline wheel: who should have been heard by now, without looking at everybody.

Keeps: 1. Each device stands in one slot at a time (four bytes); hearing from it costs nothing here,
because its deadline is read anew when its slot comes round. 2. ``due`` looks only at slots that
have passed since it was last asked.
Owner of the mutable state: one ``Fleet``.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator

__all__ = ["Wheel"]


class Wheel:
    """Slots of ``width`` seconds."""

    def __init__(self, now: int, width: int) -> None:
        self._width = width
        self._passed = now // width
        self._slots: dict[int, array[int]] = {}

    def put(self, index: int, deadline: int) -> None:
        """Look at device ``index`` when ``deadline`` has passed."""
        slot = max(deadline // self._width, self._passed + 1)
        self._slots.setdefault(slot, array("I")).append(index)

    def put_all(self, deadlines: Iterable[tuple[int, int]]) -> None:
        """As ``put`` for many."""
        for index, deadline in deadlines:
            self.put(index, deadline)

    def due(self, now: int, deadline_of: Callable[[int], int]) -> Iterator[int]:
        """Devices whose deadline has passed; each is given once and then stands in no slot."""
        current = now // self._width
        slots = range(self._passed + 1, current + 1)
        if len(slots) > len(self._slots):  # a long sleep: only the slots that hold somebody
            passed = sorted(s for s in self._slots if s <= current)
        else:
            passed = [s for s in slots if s in self._slots]
        self._passed = max(self._passed, current)
        for slot in passed:
            for index in self._slots.pop(slot):
                deadline = deadline_of(index)
                if deadline > now:
                    self.put(index, deadline)
                else:
                    yield index
