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
        allowed: Annotated[
            list[str] | None,
            typer.Option(
                "--allowed-host",
                metavar="NAME",
                help="A name it is reached by; needed beyond this machine.",
            ),
        ] = None,
        behind_tls: Annotated[
            bool,
            typer.Option(
                "--behind-tls", help="A proxy with TLS stands in front; needed beyond this machine."
            ),
        ] = False,
        public_origin: Annotated[
            str,
            typer.Option(
                "--public-origin",
                metavar="URL",
                help="How others reach it, where the proxy does not pass on `Host` as it came.",
            ),
        ] = "",
    ) -> None:
        """Serve the store over HTTP, with the console, until interrupted.

        The console shows what the public may see. With the token that is printed at the start its
        operator signs in and sees everything.

        Example: kizuna serve --port 8473

        Example: kizuna serve --host 0.0.0.0 --allowed-host trust.example.jp --behind-tls
        """
        from kizuna.app.wiring.server import serve as run

        def ready(url: str, token: str) -> None:
            door.say("serve.ready", url=url)
            door.say("serve.sign-in", url=url, token=token)

        run(
            door.workspace(),
            host=host,
            port=port,
            hosts=tuple(allowed or ()),
            behind_tls=behind_tls,
            public_origin=public_origin,
            progress=door.bars,
            ready=ready,
        )
