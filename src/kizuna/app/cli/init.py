# SPDX-License-Identifier: Apache-2.0
"""``kizuna init``: a store with its log and one organisation identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "init")
    def init(
        door: Door,
        name: Annotated[str, typer.Option("--name", help="Name of the organisation.")],
        origin: Annotated[
            str | None,
            typer.Option(
                "--origin",
                help="Name of the log, e.g. `example.co.jp/log`; default: made from the key.",
            ),
        ] = None,
        policy: Annotated[
            str,
            typer.Option(
                "--policy", help="Whose statements are taken: own, members (of its list) or open."
            ),
        ] = "members",
        database: Annotated[
            str | None,
            typer.Option("--database", help="PostgreSQL address; default: SQLite in the folder."),
        ] = None,
        unit: Annotated[
            str | None,
            typer.Option(
                "--unit",
                help="Where the keys go: software, process:SOCKET, pkcs11:LIBRARY;TOKEN; or "
                "tpm:TCTI, which certifies keys kept in software.",
            ),
        ] = None,
    ) -> None:
        """Make a store with its log and one organisation identity; refuses to overwrite.

        Example: kizuna init --name "Fuji Pumps"
        """
        from kizuna.app.wiring.workspace import Workspace

        settings = door.settings
        if unit is not None:
            settings = replace(settings, unit=unit)
        with Workspace.init(
            settings.store,
            name,
            now=settings.clock(),
            database=database,
            origin=origin,
            policy=policy,
            settings=settings,
        ) as workspace:
            known = workspace.head()
            door.answer(
                {
                    "organization": {
                        "id": workspace.identity,
                        "name": workspace.name,
                        "list": workspace.list_id,
                    },
                    "log": {"origin": known.origin, "size": known.size, "root": known.root},
                    "store": str(settings.store),
                },
                [
                    door.text("init.organization", name=workspace.name, id=workspace.identity),
                    door.text("init.log", origin=known.origin),
                    door.text("init.store", path=settings.store),
                ],
            )
            door.say("init.next")
