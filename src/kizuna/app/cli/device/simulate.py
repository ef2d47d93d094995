# SPDX-License-Identifier: Apache-2.0
"""``kizuna device simulate``: a fleet that never was, against the verifier that is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.model.outcome import Outcome

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "simulate")
    def simulate(
        door: Door,
        devices: Annotated[int, typer.Option("--devices", min=1, help="How many.")] = 200,
        seed: Annotated[int, typer.Option("--seed", help="Same seed, same fleet.")] = 1,
        minutes: Annotated[
            int, typer.Option("--minutes", min=1, help="Simulated, not waited for.")
        ] = 10,
        transport: Annotated[
            str, typer.Option("--transport", metavar="http|mqtt|both", help="How they come in.")
        ] = "http",
        broker: Annotated[
            str | None,
            typer.Option(
                "--broker",
                metavar="HOST:PORT",
                help="MQTT broker; without it one is started on this machine.",
            ),
        ] = None,
        keep: Annotated[
            Path | None,
            typer.Option("--keep", metavar="DIR", help="Leave the simulated store there."),
        ] = None,
    ) -> None:
        """Simulate a fleet with tampering, swaps, clones and silence, and count what was missed.

        The devices come in through the real doors, over sockets, into a store of their own.

        Example: kizuna device simulate --devices 2000 --seed 7 --minutes 10
        """
        from kizuna.app.wiring.devices.simulation import simulate as run

        result = run(
            door.settings,
            devices=devices,
            seed=seed,
            minutes=minutes,
            transport=transport,
            broker=broker,
            keep=keep,
            progress=door.bars,
        )
        told = result.as_json()
        door.answer(told, lambda: _lines(door, told))
        if result.missed or result.false:
            raise Failure(Outcome.NONCONFORMANT)


def _lines(door: Door, told: dict[str, object]) -> list[str]:
    lines = [
        door.text("simulate.result", **{k: str(v) for k, v in told.items() if _plain(v)}),
    ]
    by_event = told["by_event"]
    if isinstance(by_event, dict):
        lines += [
            door.text("simulate.event", kind=kind, events=c["events"], missed=c["missed"])
            for kind, c in sorted(by_event.items())
        ]
    if told["residual"]:
        lines.append(door.text("simulate.residual", count=told["residual"]))
    return lines


def _plain(value: object) -> bool:
    return isinstance(value, int | float | str)
