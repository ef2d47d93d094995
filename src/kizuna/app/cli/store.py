# SPDX-License-Identifier: Apache-2.0
"""``kizuna store``: state, repair, backup, hosted organisations."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "status")
    def status(door: Door) -> None:
        """Show what the store holds and whether it writes."""
        from kizuna.app.wiring.upkeep import status as told

        found = told(door.workspace(read_only=True))
        door.answer(found, [door.text(f"store.status.{k}", value=v) for k, v in found.items()])

    @command(app, "rebuild")
    def rebuild(door: Door) -> None:
        """Make every derived table and the map again from log and statement files."""
        from kizuna.app.wiring.upkeep import rebuild as rebuilt

        found = rebuilt(door.workspace(), progress=door.bars)
        door.answer(found, [door.text("store.rebuilt", **found)])
