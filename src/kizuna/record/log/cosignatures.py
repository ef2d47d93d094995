# SPDX-License-Identifier: Apache-2.0
"""What witnesses said of a log: signature lines, kept with the size that they are about.

Keeps: 1. A line is on disk before anybody is told that it is kept, and is never taken away. 2. A
last line that a crash cut short is left out, and ended before the next one is written.
Does not: check a signature: that is done before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kizuna.model.errors import Malformed
from kizuna.record.log.disk import append_durably, unreadable
from kizuna.record.log.note import Signature, parse_signature_lines

__all__ = ["Cosignatures"]


class Cosignatures:
    """The file of a log's cosignatures. What another process adds to it is seen at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._length = -1
        self._lines: dict[int, tuple[Signature, ...]] = {}

    def at(self, size: int) -> tuple[Signature, ...]:
        """The lines over one size, in the order they came."""
        return self.read().get(size, ())

    def read(self) -> Mapping[int, tuple[Signature, ...]]:
        """Every line, by size.

        Raises:
            Unavailable: ``log.unreadable``.
        """
        try:
            length = self.path.stat().st_size
            if length == self._length:
                return self._lines
            text = self.path.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return {}
        except OSError as fault:
            raise unreadable(self.path, fault) from fault
        found: dict[int, list[Signature]] = {}
        for line in text.splitlines(keepends=True):
            digits, _, rest = line.partition(" ")
            if not digits.isdigit() or not rest.endswith("\n"):
                continue
            try:
                found.setdefault(int(digits), []).extend(parse_signature_lines(rest))
            except Malformed:
                continue
        self._lines = {size: tuple(lines) for size, lines in found.items()}
        self._length = length
        return self._lines

    def keep(self, size: int, lines: Sequence[Signature]) -> None:
        """Add lines over one size.

        Raises:
            Unavailable: ``log.not-written``.
        """
        append_durably(self.path, "".join(f"{size} {line.line()}" for line in lines))
