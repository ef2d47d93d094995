# SPDX-License-Identifier: Apache-2.0
"""``kizuna join``: a small business joins a hosted or remote store."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "join")
    def join(
        door: Door,
        url: Annotated[str, typer.Argument(metavar="URL", help="Address of the store.")],
        invite: Annotated[
            str, typer.Option("--invite", metavar="CODE", help="The code you were sent.")
        ],
        name: Annotated[str, typer.Option("--name", help="Name of your organisation.")],
    ) -> None:
        """Make an identity for your organisation here and enter it in a store elsewhere.

        Example: kizuna join https://store.example --invite K7Q2-... --name "Sato Bearings"
        """
        from kizuna.app.wiring.member.saying import Member

        settings = door.settings
        member = Member.join(settings.store, url, invite, name, settings=settings)
        door.answer(
            {
                "organization": {"id": member.identity, "name": member.name},
                "store": {"url": member.url, "origin": member.origin},
            },
            [
                door.text("init.organization", name=member.name, id=member.identity),
                door.text("join.store", url=member.url, origin=member.origin),
            ],
        )
        door.say("join.next")
