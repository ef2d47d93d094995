# SPDX-License-Identifier: Apache-2.0
"""``kizuna impact``: whose standing depends on a subject or a statement."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "impact")
    def impact(
        door: Door,
        what: Annotated[
            str,
            typer.Argument(metavar="SUBJECT_OR_STATEMENT", help="Identifier, or a hex digest."),
        ],
        profile: Annotated[
            str | None,
            typer.Option("--profile", "-p", help="Say also who would lose their standing."),
        ] = None,
        limit: Annotated[int, typer.Option("--limit", min=1, help="Lines to print.")] = 50,
    ) -> None:
        """List everything whose standing depends on it, nearest first.

        In the folder of an organisation that joined a store elsewhere, that store answers; no proof
        comes with it.

        Example: kizuna impact pkg:npm/left-pad@1.3.0 --profile software-product
        """
        from kizuna.app.wiring.member.saying import member_of

        if (member := member_of(door.settings)) is not None:
            affected = member.impact(what, profile=profile)
            door.say("impact.elsewhere", url=member.url)
        else:
            workspace = door.workspace(read_only=True)
            affected = workspace.impact(
                what, profile=None if profile is None else workspace.profile(profile)
            )

        def lines() -> list[str]:
            if not affected:
                return [door.text("impact.none", what=what)]
            told = [door.text("impact.count", count=len(affected), what=what)]
            for item in affected[:limit]:
                loss = (
                    door.paint(f"  {door.text('impact.loses')}", "red") if item.get("loses") else ""
                )
                name = f"  {item['name']}" if item.get("name") else ""
                told.append(f"  {item['subject']}{name}{loss}")
            if len(affected) > limit:
                told.append("  " + door.text("findings.more", count=len(affected) - limit))
            return told

        door.answer({"of": what, "affected": affected}, lines)
