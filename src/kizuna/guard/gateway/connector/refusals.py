# SPDX-License-Identifier: Apache-2.0
"""What a connector refused, counted: so that it can be told without anybody filling a log.

Keeps: 1. One count for each reason and peer, bounded in number: many peers become "others". 2. Each
is told at once when it first happens and then at most once in a period, with the count since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Refusal", "Refusals"]

_SERIES: Final = 64
_OTHERS: Final = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Refusals of one reason and peer since they were last told."""

    reason: str
    """``unknown-peer``, ``not-tls``, ``handshake-slow``, ``handshake-failed``, ``too-many``,
    ``key-ended``, ``certificate-ended``, ``device-unreachable``.
    """
    peer: str
    count: int
    first: int
    last: int


class Refusals:
    """The counts of one connector."""

    def __init__(self, period: int = 3_600) -> None:
        self._period = period
        self._open: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._told: dict[tuple[str, str], int] = {}
        self.total = 0

    def count(self, reason: str, peer: str, now: int) -> None:
        """One more."""
        self.total += 1
        name = (reason, peer)
        if name not in self._open and len(self._open) >= _SERIES:
            name = (reason, _OTHERS)
        number, first, _ = self._open.get(name, (0, now, now))
        self._open[name] = (number + 1, first, now)

    def due(self, now: int) -> list[Refusal]:
        """What is to be told now; what is given here is not given again."""
        self._told = {n: at for n, at in self._told.items() if now - at < self._period}
        found = []
        for name in [n for n in self._open if n not in self._told]:
            if len(self._told) >= _SERIES:
                break
            number, first, last = self._open.pop(name)
            found.append(
                Refusal(reason=name[0], peer=name[1], count=number, first=first, last=last)
            )
            self._told[name] = now
        return found
