# SPDX-License-Identifier: Apache-2.0
"""``kizuna watch``: verdicts kept true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.show import mark

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["hang"]


def _say_asking(door: Door, workspace: Workspace) -> None:
    from kizuna.app.wiring.judging.across import stores_elsewhere

    if elsewhere := stores_elsewhere(workspace):
        door.say("across.asking", count=len(elsewhere))


def _stores(row: dict[str, Any]) -> list[str]:
    """Which stores did not tell what the verdict needed."""
    return [f"    {one['code']}  {one['origin']}" for one in row["stores"]]


_Through = Annotated[
    list[str] | None,
    typer.Option(
        "--through",
        metavar="MAPPING",
        help="Count claims made under another catalog as far as this mapping carries them.",
    ),
]


def _measure(row: dict[str, Any]) -> str:
    """The profile, and the mappings through which it is read."""
    return " ".join([row["profile"], *(f"--through {name}" for name in row["through"])])


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "add")
    def add(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
        profile: Annotated[str, typer.Option("--profile", "-p")],
        lists: Annotated[list[str] | None, typer.Option("--list", metavar="NAME")] = None,
        through: _Through = None,
    ) -> None:
        """Keep a verdict true: it shows in the portfolio, and the server tells its changes.

        A chain that crosses stores is followed there: the server looks at them now and then
        (KIZUNA_LOOK_EVERY), and the portfolio names those that did not tell.
        """
        from kizuna.app.wiring.judging.answers import standing_json
        from kizuna.model.identifier import canonical

        workspace = door.workspace()
        _say_asking(door, workspace)
        standing = workspace.watch(
            canonical(subject), workspace.profile(profile), lists, through=through or ()
        )
        told = standing_json(standing)
        line = f"{mark(door, told['verdict'])}  {told['subject']}  {_measure(told)}"
        door.answer(told, [line, *_stores(told)])

    @command(app, "list")
    def list_(door: Door) -> None:
        """Show every watched subject and how it stands now."""
        from kizuna.app.wiring.judging.answers import standing_json

        workspace = door.workspace(read_only=True)
        _say_asking(door, workspace)
        rows = [standing_json(s) for s in workspace.portfolio()]
        door.answer(
            {"watches": rows},
            [
                line
                for r in rows
                for line in (
                    f"{mark(door, r['verdict'])}  {r['subject']}  {r['name']}  "
                    f"{_measure(r)}".rstrip(),
                    *_stores(r),
                )
            ]
            or [door.text("watch.none")],
        )

    @command(app, "remove")
    def remove(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
        profile: Annotated[str, typer.Option("--profile", "-p")],
        through: _Through = None,
    ) -> None:
        """Stop keeping a verdict true."""
        from kizuna.model.identifier import canonical

        removed = door.workspace().unwatch(canonical(subject), profile, through=through)
        door.answer({"removed": removed}, [door.text("watch.removed", count=removed)])
