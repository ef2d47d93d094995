# SPDX-License-Identifier: Apache-2.0
"""The measuring plan of a device: what is measured how often, and how soon tampering shows.

Keeps: 1. The deadline of a region follows from its risk alone (threat times exposure): twice the
risk, half the deadline; one common factor makes the whole fit the share of the processor that
measuring may take. 2. A plan that fits keeps every deadline, because earliest-deadline-first does
so wherever the load is at most the budget (Liu and Layland, 1973). 3. What is promised about
detection is computed from the very schedule that the device will follow, and never better than
that; the worst case is a bound, not an average.

How long a device is scanned follows neither from how often its files are used nor from a
minimisation over their sizes: see the decision record on the measuring plan.

Example:
    >>> plan = make_plan([Region("boot", 4096, threat=3), Region("app", 65536)], rate=100_000,
    ...                  budget=0.02)
    >>> [(e.region.name, e.period_ms) for e in plan.entries]
    [('boot', 12971), ('app', 38912)]
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from kizuna.model.errors import Malformed

__all__ = ["Detection", "Entry", "Plan", "Region", "make_plan"]

CHUNK: Final = 1024
"""Bytes hashed in one go; nothing more urgent waits for longer than this takes."""
_MOST_REGIONS: Final = 64
"""As many as one token carries; a folder of files is one region."""
_MOST_BYTES: Final = 1 << 40
_SHORTEST_MS: Final = 100
_LONGEST_MS: Final = 30 * 24 * 3_600_000
_MOST_STEPS: Final = 200_000
"""Passes that a simulation of the schedule follows at most."""


@dataclass(frozen=True, slots=True)
class Region:
    """One thing to measure: a file, a part of the flash, a block of memory."""

    name: str
    size: int
    """Bytes."""
    threat: int = 1
    """How likely someone wants to change it, 1 to 10."""
    exposure: int = 1
    """How easily it can be reached, 1 to 10."""

    @property
    def risk(self) -> int:
        """Threat times exposure, 1 to 100."""
        return self.threat * self.exposure


@dataclass(frozen=True, slots=True)
class Detection:
    """How long tampering with a region stays unseen; seconds, without the way to the verifier."""

    expected: float
    """Mean over the moment of tampering and the place within the region."""
    worst: float
    """Never more than this as long as the device has its share of the processor."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One region in a plan."""

    region: Region
    period_ms: int
    """Each pass ends at most this long after the previous one's deadline."""
    cost_ms: float
    """Processor time of one pass."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a device measures, and when."""

    entries: tuple[Entry, ...]
    rate: int
    """Bytes that the device hashes in a second of processor time."""
    budget: Fraction
    """Share of the processor that measuring may take."""

    @property
    def load(self) -> Fraction:
        """Share of the processor that the plan takes; at most the budget."""
        return sum(
            (_load(e.region.size, self.rate, e.period_ms) for e in self.entries), Fraction(0)
        )

    def detection(self) -> dict[str, Detection]:
        """What the schedule promises for each region.

        The expected time is taken from the schedule itself: it is followed for many periods, and
        tampering strikes at every moment and every byte with equal chance. The worst is
        two periods and the chunk that may be in the way.
        """
        passes = _passes(self)
        out: dict[str, Detection] = {}
        blocking = CHUNK * 1000 / self.rate / float(self.budget)
        for entry, ended in zip(self.entries, passes, strict=True):
            out[entry.region.name] = Detection(
                expected=_mean_delay(ended) / 1000,
                worst=(2 * entry.period_ms + blocking) / 1000,
            )
        return out

    @property
    def expected(self) -> float:
        """Seconds until tampering shows, averaged over the regions by their risk."""
        found = self.detection()
        total = sum(e.region.risk for e in self.entries)
        return sum(found[e.region.name].expected * e.region.risk for e in self.entries) / total

    def for_device(self) -> str:
        """The plan as the device agent reads it: JSON, whole numbers only."""
        regions = [[e.region.name, e.region.size, e.period_ms] for e in self.entries]
        share = round(self.budget * 10_000)
        return json.dumps({"budget": share, "regions": regions}, separators=(",", ":"))

    def to_json(self) -> dict[str, Any]:
        """The plan and what it promises, for people and programs."""
        found = self.detection()
        return {
            "budget": float(self.budget),
            "load": round(float(self.load), 6),
            "rate": self.rate,
            "expected_seconds": round(self.expected, 3),
            "regions": [
                {
                    "name": e.region.name,
                    "size": e.region.size,
                    "risk": e.region.risk,
                    "period_seconds": e.period_ms / 1000,
                    "expected_seconds": round(found[e.region.name].expected, 3),
                    "worst_seconds": round(found[e.region.name].worst, 3),
                }
                for e in self.entries
            ],
        }


def make_plan(
    regions: Iterable[Region],
    *,
    rate: int,
    budget: float | Fraction,
    shortest: float = 1.0,
) -> Plan:
    """The plan with the shortest deadlines that the budget allows, in the ratio of the risks.

    Args:
        regions: What to measure.
        rate: Bytes that the device hashes in a second of processor time.
        budget: Share of the processor, above 0 and at most 0.5.
        shortest: No deadline is shorter than this many seconds; what that leaves over stays unused.

    Raises:
        Malformed: ``plan.empty``, ``plan.region``, ``plan.budget``, ``plan.too-slow``.
    """
    chosen = tuple(regions)
    share = Fraction(budget).limit_denominator(10_000)
    _check(chosen, rate, share, shortest)
    # deadline = factor / risk; the factor at which the load equals the budget
    factor = sum((_cost(r.size, rate) * r.risk for r in chosen), Fraction(0)) / share
    least = max(_SHORTEST_MS, math.ceil(shortest * 1000))
    entries = tuple(
        Entry(
            region=r,
            period_ms=max(least, math.ceil(factor / r.risk)),
            cost_ms=float(_cost(r.size, rate)),
        )
        for r in chosen
    )
    longest = max(entries, key=lambda e: e.period_ms)
    if longest.period_ms > _LONGEST_MS:
        raise Malformed(
            "plan.too-slow",
            f"{longest.region.name} would be measured every {longest.period_ms // 86_400_000} days",
            why=f"{float(share):.2%} of the processor is too little for that many bytes",
            hint="allow more of the processor, or leave regions out",
            region=longest.region.name,
        )
    return Plan(entries, rate, share)


def _check(regions: Sequence[Region], rate: int, share: Fraction, shortest: float) -> None:
    if not regions or len(regions) > _MOST_REGIONS:
        raise Malformed(
            "plan.empty",
            f"a plan measures 1 to {_MOST_REGIONS} regions, not {len(regions)}",
            hint="name what is to be measured",
            regions=len(regions),
        )
    if not 0 < share <= Fraction(1, 2) or rate < 1 or not 0 <= shortest <= _LONGEST_MS / 1000:
        raise Malformed(
            "plan.budget",
            "the share of the processor lies above 0 and is at most 0.5, the rate is at least 1",
            hint="0.01 is a good beginning: one hundredth of the processor",
            budget=str(float(share)),
            rate=rate,
        )
    names = set()
    for r in regions:
        fits = 1 <= r.threat <= 10 and 1 <= r.exposure <= 10 and 0 < r.size <= _MOST_BYTES
        if not fits or not r.name or len(r.name) > 80 or r.name in names:
            raise Malformed(
                "plan.region",
                f"the region {r.name[:80]!r} cannot be planned",
                why="it needs a name of its own, bytes, and threat and exposure from 1 to 10",
                hint="correct it in the list of regions",
                region=r.name[:80],
            )
        names.add(r.name)


def _cost(size: int, rate: int) -> Fraction:
    """Processor time of one pass, milliseconds."""
    return Fraction(size * 1000, rate)


def _load(size: int, rate: int, period_ms: int) -> Fraction:
    return _cost(size, rate) / period_ms


def _passes(plan: Plan) -> list[list[tuple[float, float]]]:
    """The schedule followed as the device follows it: for each region (start, end) of its passes.

    The processor is seen through the budget: a chunk takes ``1 / budget`` times its own time.
    A region is released at its previous deadline; of those released the earliest deadline goes
    first, and a more urgent one interrupts between chunks.
    """
    slow = 1000 / plan.rate / float(plan.budget)
    longest = float(max(e.period_ms for e in plan.entries))
    count = sum(longest / e.period_ms for e in plan.entries)
    horizon = longest * min(24.0, max(4.0, _MOST_STEPS / count))
    waiting = [(0.0, i) for i in range(len(plan.entries))]
    heapq.heapify(waiting)
    ready: list[tuple[float, int]] = []
    left = [float(e.region.size) for e in plan.entries]
    begun: list[float | None] = [None] * len(plan.entries)
    out: list[list[tuple[float, float]]] = [[] for _ in plan.entries]
    now = 0.0
    while now < horizon:
        while waiting and waiting[0][0] <= now:
            released, i = heapq.heappop(waiting)
            heapq.heappush(ready, (released + plan.entries[i].period_ms, i))
        if not ready:
            now = waiting[0][0]
            continue
        deadline, i = ready[0]
        if begun[i] is None:
            begun[i] = now
        # whole chunks until it is done or something new is released
        until = waiting[0][0] if waiting else math.inf
        need = left[i] * slow
        run = need if now + need <= until else _whole_chunks(until - now, slow)
        run = min(need, run)
        now += run
        left[i] -= run / slow
        if left[i] <= 1e-6:
            heapq.heappop(ready)
            out[i].append((begun[i] or 0.0, now))
            begun[i], left[i] = None, float(plan.entries[i].region.size)
            heapq.heappush(waiting, (deadline, i))
    return out


def _whole_chunks(span: float, slow: float) -> float:
    chunk = CHUNK * slow
    return chunk * math.ceil(span / chunk)


def _mean_delay(passes: Sequence[tuple[float, float]]) -> float:
    """Mean time from a change at a random moment and byte to the end of the pass that reads it."""
    if len(passes) < 2:
        start, end = passes[0]
        return end - start
    total = span = 0.0
    for (start, end), (after, finish) in itertools.pairwise(passes):
        # A byte at fraction f is read at start + f (end - start), then again at
        # after + f (finish - after); the pass that reads it shows it at its end.
        for f in (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95):
            read, again = start + f * (end - start), after + f * (finish - after)
            gap = again - read
            total += gap * (gap / 2 + finish - again)
            span += gap
    return total / span
