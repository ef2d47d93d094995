# SPDX-License-Identifier: Apache-2.0
"""Counters for the operator, in the text format that Prometheus reads.

Keeps: 1. The number of series is bounded: routes are counted by their template, never by the
address asked for. 2. Nothing that names a subject, a party or a caller is counted.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

__all__ = ["Metrics"]

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts of one server. Only the event loop writes."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, list[int]] = {}
        self._sum: Counter[str] = Counter()
        self.registered = 0
        self.duplicates = 0
        self.refused = 0
        self.faults = 0

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._requests[(method, route, status)] += 1
        buckets = self._seconds.setdefault(route, [0] * (len(_BOUNDS) + 1))
        place = next((i for i, bound in enumerate(_BOUNDS) if seconds <= bound), len(_BOUNDS))
        buckets[place] += 1
        self._sum[route] += int(seconds * 1e6)

    def text(self, gauges: dict[str, int]) -> str:
        """Everything, one line a figure."""
        lines = [
            "# HELP kizuna_http_requests_total Requests answered.",
            "# TYPE kizuna_http_requests_total counter",
        ]
        for (method, route, status), count in sorted(self._requests.items()):
            lines.append(
                f'kizuna_http_requests_total{{method="{method}",route="{route}",'
                f'status="{status}"}} {count}'
            )
        lines += [
            "# HELP kizuna_http_request_seconds Time to answer.",
            "# TYPE kizuna_http_request_seconds histogram",
        ]
        for route, buckets in sorted(self._seconds.items()):
            running = 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                running += count
                lines.append(
                    f'kizuna_http_request_seconds_bucket{{route="{route}",le="{bound}"}} {running}'
                )
            lines.append(f'kizuna_http_request_seconds_count{{route="{route}"}} {running}')
            total = self._sum[route]
            lines.append(
                f'kizuna_http_request_seconds_sum{{route="{route}"}} '
                f"{total // 1_000_000}.{total % 1_000_000:06d}"
            )
        for name, value in (
            ("statements_registered_total", self.registered),
            ("statements_duplicate_total", self.duplicates),
            ("statements_refused_total", self.refused),
            ("faults_total", self.faults),
        ):
            lines += [f"# TYPE kizuna_{name} counter", f"kizuna_{name} {value}"]
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE kizuna_{name} gauge", f"kizuna_{name} {value}"]
        return "\n".join(lines) + "\n"
