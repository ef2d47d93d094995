# SPDX-License-Identifier: Apache-2.0
"""Standings as every door shows them: one shape, the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.appraisal import Status

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.look import Looked
    from kizuna.proof.attestation.fleet import Standing

__all__ = ["fleet_json", "standing_json"]


def standing_json(standing: Standing) -> dict[str, Any]:
    """One device."""
    return {
        "subject": standing.subject,
        "scheme": standing.scheme,
        "status": standing.status.value,
        "reason": standing.reason,
        "since": standing.since,
        "seen": standing.seen or None,
        "gateway": standing.gateway or None,
        "source": standing.source or None,
    }


def fleet_json(
    keeper: Looked,
    *,
    status: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> dict[str, Any]:
    """The fleet: counts, alarms, and its devices from the worst on.

    Raises:
        Malformed: ``fleet.status-unknown``.
    """
    known = [s.value for s in Status]
    if status is not None and status not in known:
        raise Malformed(
            "fleet.status-unknown",
            f"no standing is called {status[:40]!r}",
            hint="one of " + ", ".join(known),
            status=status[:40],
        )
    found = [s for s in keeper.standings() if status is None or s.status.value == status]
    start = 0
    if after is not None:
        start = next((i + 1 for i, s in enumerate(found) if s.subject == after), len(found))
    page = found[start : start + limit]
    more = start + limit < len(found)
    return {
        "devices": len(keeper.fleet),
        "counts": keeper.counts(),
        "alarms": keeper.alarms(),
        "standings": [standing_json(s) for s in page],
        "total": len(found),
        "next": page[-1].subject if more and page else None,
    }
