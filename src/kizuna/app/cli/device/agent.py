# SPDX-License-Identifier: Apache-2.0
"""``kizuna device agent|plan``: what goes onto a device."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""

    @command(app, "agent")
    def agent(
        door: Door,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file to write.")],
    ) -> None:
        """Write the device agent: one file for CPython or MicroPython, nothing else needed.

        Example: kizuna device agent --out kizuna_agent.py
        """
        from kizuna.app.wiring.devices.agent import agent_source

        source = agent_source()
        Door.write_file(out, source)
        if out != "-":
            door.answer({"file": out, "bytes": len(source)}, [door.text("file.written", file=out)])

    @command(app, "plan")
    def plan(
        door: Door,
        region: Annotated[
            list[str],
            typer.Option(
                "--region",
                metavar="NAME:BYTES[:THREAT[:EXPOSURE]]",
                help="What to measure; threat and exposure from 1 to 10. Repeat it.",
            ),
        ],
        rate: Annotated[
            int,
            typer.Option("--rate", help="Bytes that the device hashes in a second of work."),
        ] = 1_000_000,
        budget: Annotated[
            float, typer.Option("--budget", help="Percent of the processor that it may take.")
        ] = 1.0,
        shortest: Annotated[
            float, typer.Option("--shortest", help="Seconds; no deadline is shorter.")
        ] = 1.0,
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Write the plan for the device there."),
        ] = None,
    ) -> None:
        """Plan what a device measures how often, and see how soon tampering shows.

        Example: kizuna device plan --region boot:65536:5:2 --region app:2000000 --budget 1
        """
        from kizuna.app.wiring.devices.agent import plan as planned

        promised, written = planned(region, rate=rate, budget=budget, shortest=shortest)
        lines = [door.text("device.plan.region", **found) for found in promised["regions"]]
        lines.append(door.text("device.plan.whole", **promised))
        if out is not None:
            Door.write_file(out, written)
            promised["file"] = out
            lines.append(door.text("file.written", file=out))
        door.answer(promised, lines)
