# SPDX-License-Identifier: Apache-2.0
"""``kizuna watch``: verdicts kept true."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.show import mark

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "add")
    def add(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
        profile: Annotated[str, typer.Option("--profile", "-p")],
        lists: Annotated[list[str] | None, typer.Option("--list", metavar="NAME")] = None,
    ) -> None:
        """Keep a verdict true: it shows in the portfolio, and the server tells its changes."""
        from kizuna.app.wiring.answers import standing_json
        from kizuna.model.identifier import canonical

        workspace = door.workspace()
        standing = workspace.watch(canonical(subject), workspace.profile(profile), lists)
        told = standing_json(standing)
        door.answer(told, [f"{mark(door, told['verdict'])}  {told['subject']}  {told['profile']}"])

    @command(app, "list")
    def list_(door: Door) -> None:
        """Show every watched subject and how it stands now."""
        from kizuna.app.wiring.answers import standing_json

        rows = [standing_json(s) for s in door.workspace(read_only=True).portfolio()]
        door.answer(
            {"watches": rows},
            [
                f"{mark(door, r['verdict'])}  {r['subject']}  {r['name']}  {r['profile']}".rstrip()
                for r in rows
            ]
            or [door.text("watch.none")],
        )

    @command(app, "remove")
    def remove(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
        profile: Annotated[str, typer.Option("--profile", "-p")],
    ) -> None:
        """Stop keeping a verdict true."""
        from kizuna.model.identifier import canonical

        removed = door.workspace().unwatch(canonical(subject), profile)
        door.answer({"removed": removed}, [door.text("watch.removed", count=removed)])
