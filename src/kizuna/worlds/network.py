# SPDX-License-Identifier: Apache-2.0
"""A network between stores: every question takes its time on the way, and some stores are ill.

Keeps: 1. Delay is that of the way alone: what a store does to answer comes on top, and is counted
apart (``busy``). 2. Questions to different stores travel at the same time. 3. A store that is dead
or mute says nothing; nobody is told why.

Example:
    >>> network = Network({"a.example/log": lambda question: b"answer"}, delay=0.0)
    >>> network(LogAnchor(origin="a.example/log", keys=[]), b"question")
    b'answer'
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kizuna.model.errors import Unavailable
from kizuna.model.trust import LogAnchor

__all__ = ["Network", "tiers_of"]


@dataclass(slots=True)
class Network:
    """Stores by the origin of their log, and how long a question and its answer travel."""

    stores: Mapping[str, Callable[[bytes], bytes]]
    delay: float
    slow: Mapping[str, float] = field(default_factory=dict)
    """Seconds that the way to a store takes instead."""
    dead: frozenset[str] = frozenset()
    questions: int = 0
    busy: float = 0.0
    """Seconds of processor time that stores spent on answers."""
    received: int = 0
    """Bytes of all answers."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, log: LogAnchor, question: bytes) -> bytes:
        """A question's way to a store and back."""
        answer = self.stores.get(log.origin)
        if answer is None or log.origin in self.dead:
            raise Unavailable(
                "exchange.unreachable",
                f"cannot reach the store at {log.url}",
                why=f"nobody answers for {log.origin}",
                hint="try again later, or ask its operator",
                url=log.url or log.origin,
            )
        delay = self.slow.get(log.origin, self.delay)
        time.sleep(delay / 2)
        begun = time.thread_time()
        told = answer(question)
        spent = time.thread_time() - begun
        time.sleep(delay / 2)
        with self._lock:
            self.questions += 1
            self.busy += spent
            self.received += len(told)
        return told

    def reset(self) -> None:
        """Begin to count anew."""
        self.questions, self.busy, self.received = 0, 0.0, 0


def tiers_of(stores: int, tiers: int) -> list[list[int]]:
    """Numbers of stores by tier: one at the top, more the further down.

    Example:
        >>> [len(tier) for tier in tiers_of(100, 6)]
        [1, 6, 13, 19, 26, 35]
    """
    total = sum(range(1, tiers))
    rest, found, first = stores - 1, [[0]], 1
    for tier in range(1, tiers):
        count = max(1, rest * tier // total) if tier < tiers - 1 else stores - first
        found.append(list(range(first, first + count)))
        first += count
    return found
