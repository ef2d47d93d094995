# SPDX-License-Identifier: Apache-2.0
"""What other processes write into the fleet's tables while one keeps the fleet.

Keeps: 1. An enrolment, a revocation, a retirement or a reference that another process wrote counts
from the keeper's next beat; a beat without news costs three looks at a file's size. 2. A line that
is still being written is left for the next beat, and never skipped. 3. A table that was replaced
(restored from a backup, sealed anew) is read again as a whole; who stands in it unchanged keeps his
standing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.shelf import Shelf

__all__ = ["Follower"]

_VALUES = ("references", "endorsed")


class Follower:
    """One reader of the tables, and how far it has read."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._file = self._at = -1
        self.anew = False
        """Whether the table was read from its beginning: most of it is known already."""
        self._values: tuple[tuple[int, int], ...] = ()
        self.references_changed()

    def references_changed(self) -> bool:
        """Whether reference values or keys that makers vouch for were added since last asked."""
        found = tuple(self._shelf.mark_of(name) for name in _VALUES)
        changed, self._values = found != self._values, found
        return changed

    def entries(self) -> Iterator[dict[str, Any]]:
        """Lines of devices added since; a line that cannot be read is told once, and passed.

        Raises:
            Malformed: ``fleet.shelf-damaged``; the lines behind it come at the next call.
        """
        file, size = self._shelf.mark_of("devices")
        self.anew = file != self._file or size < self._at
        if self.anew:
            self._file, self._at = file, 0
        if size == self._at:
            return
        for end, entry in self._shelf.lines_after("devices", self._at):
            self._at = end
            if isinstance(entry, Exception):
                raise entry
            yield entry
