# SPDX-License-Identifier: Apache-2.0
"""``kizuna device fleet``: all devices at a glance, the worst first."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kizuna.app.cli.device.status import reason_of, seen_of
from kizuna.app.cli.door import Door, command

__all__ = ["hang"]

_COLORS = {
    "affirming": "green",
    "warning": "yellow",
    "contraindicated": "red",
    "none": "yellow",
}


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "fleet")
    def fleet(
        door: Door,
        status: Annotated[
            str | None,
            typer.Option(
                "--status",
                metavar="STATUS",
                help="Only affirming, warning, contraindicated or none.",
            ),
        ] = None,
        limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 20,
    ) -> None:
        """Show the fleet: how many devices stand how, and the worst of them with the reason.

        Example: kizuna device fleet --status contraindicated
        """
        from kizuna.app.wiring.devices.look import look
        from kizuna.app.wiring.devices.shown import fleet_json

        told = fleet_json(look(door.workspace(read_only=True)), status=status, limit=limit)
        door.answer(told, lambda: _lines(door, told))


def _lines(door: Door, told: dict[str, Any]) -> list[str]:
    if not told["devices"]:
        return [door.text("fleet.empty")]
    lines = [door.text("fleet.counts", devices=told["devices"], **told["counts"])]
    for one in told["standings"]:
        status = door.text(f"appraisal.status.{one['status']}")
        lines.append(
            door.text(
                "fleet.line",
                status=door.paint(status, _COLORS[one["status"]]),
                reason=reason_of(door, one["reason"]) if one["reason"] else "",
                seen=seen_of(door, one),
                subject=one["subject"],
            )
        )
    more = told["total"] - len(told["standings"])
    if more > 0:
        lines.append(door.text("fleet.more", count=more))
    return lines
