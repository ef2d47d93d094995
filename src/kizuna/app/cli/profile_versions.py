# SPDX-License-Identifier: Apache-2.0
"""``kizuna profile diff|switch``: from one version to the next."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.times import instant

__all__ = ["hang"]

_SHOWN = 20


def hang(app: typer.Typer) -> None:
    """Hang the commands into the noun."""

    @command(app, "diff")
    def diff(
        door: Door,
        before: Annotated[str, typer.Argument(metavar="OLD", help="NAME, NAME@VERSION or file.")],
        after: Annotated[str, typer.Argument(metavar="NEW", help="NAME, NAME@VERSION or file.")],
    ) -> None:
        """Show in what two profiles differ, and where the second asks less.

        Example: kizuna profile diff plant@1 plant-2.yaml
        """
        from kizuna.app.wiring.comparing.switching import difference_json
        from kizuna.app.wiring.profiles import find_profile

        told = difference_json(
            find_profile(before, door.settings), find_profile(after, door.settings)
        )

        def lines() -> list[str]:
            shown = [
                f"{door.text('direction.' + one['direction'])}  {one['name']}: "
                + door.text("change." + one["change"])
                + "".join(
                    f"; {member}: {_short(values['before'])} → {_short(values['after'])}"
                    for member, values in one["members"].items()
                    if member and one["change"] == "changed"
                )
                for one in told["differences"]
            ]
            return shown or [door.text("profile.same")]

        door.answer(told, lines)

    @command(app, "switch")
    def switch(
        door: Door,
        before: Annotated[str, typer.Argument(metavar="OLD", help="NAME, NAME@VERSION or file.")],
        after: Annotated[str, typer.Argument(metavar="NEW", help="NAME, NAME@VERSION or file.")],
        on: Annotated[
            str | None,
            typer.Option("--on", metavar="TIME", help="The day it takes effect; default: now."),
        ] = None,
        everything: Annotated[
            bool,
            typer.Option("--all", help="All products of the store, not only those watched."),
        ] = False,
        lists: Annotated[list[str] | None, typer.Option("--list", metavar="NAME")] = None,
    ) -> None:
        """Tell whose standing changes on the day a new version takes effect; nothing is changed.

        Example: kizuna profile switch plant@1 plant-2.yaml --on 2027-04-01 --all
        """
        from kizuna.app.wiring.comparing.switching import switch_json

        workspace = door.workspace(read_only=True)
        told = switch_json(
            workspace,
            workspace.profile(before),
            workspace.profile(after),
            on=None if on is None else instant(on),
            everything=everything,
            lists=lists,
            lang=door.lang,
        )

        def lines() -> list[str]:
            shown = [
                door.text(
                    "profile.switch",
                    judged=told["judged"],
                    falls=told["falls"],
                    rises=told["rises"],
                )
            ]
            for row in told["moved"][:_SHOWN]:
                shown.append(
                    f"{door.text('verdict.' + row['before'])} → "
                    f"{door.text('verdict.' + row['after'])}  {row['subject']}  {row['name']}"
                )
                shown += [f"    {f['message']}" for f in row["findings"][:3]]
            if len(told["moved"]) > _SHOWN:
                shown.append(door.text("lines.more", count=len(told["moved"]) - _SHOWN))
            return shown

        door.answer(told, lines)
        if not told["judged"] and not everything:
            door.say("profile.no-watches", name=told["before"]["name"])


def _short(value: object) -> str:
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words if len(words) <= 60 else f"{words[:57]}..."
