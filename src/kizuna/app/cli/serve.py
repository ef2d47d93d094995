# SPDX-License-Identifier: Apache-2.0
"""``kizuna serve``: the store server with HTTP, console and verdicts kept true."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "serve")
    def serve(
        door: Door,
        port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8473,
        host: Annotated[
            str, typer.Option("--host", help="Address to listen on; 0.0.0.0 is every network.")
        ] = "127.0.0.1",
    ) -> None:
        """Serve the store over HTTP, with the console, until interrupted.

        Example: kizuna serve --port 8473
        """
        from kizuna.app.wiring.server import serve as run

        run(
            door.workspace(),
            host=host,
            port=port,
            progress=door.bars,
            ready=lambda url: door.say("serve.ready", url=url),
        )
