# SPDX-License-Identifier: Apache-2.0
"""``kizuna device listen``: the verifier of a fleet behind an MQTT broker, and HTTP beside it."""

from __future__ import annotations

import importlib
from contextlib import ExitStack
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "listen")
    def listen(
        door: Door,
        broker: Annotated[str, typer.Option("--broker", metavar="HOST:PORT", help="MQTT broker.")],
        port: Annotated[
            int, typer.Option("--port", min=0, max=65535, help="For HTTP and the console.")
        ] = 8473,
        host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    ) -> None:
        """Hear devices through an MQTT broker, and over HTTP beside it, until interrupted.

        Example: kizuna device listen --broker localhost:1883
        """
        from kizuna.app.wiring.devices.fleet import keeper_of
        from kizuna.app.wiring.server import serve
        from kizuna.model.errors import Misconfigured

        try:
            mqtt = importlib.import_module("kizuna.app.mqtt.door")
            address = importlib.import_module("kizuna.app.mqtt.address")
        except ModuleNotFoundError as fault:
            raise Misconfigured(
                "mqtt.extra-missing",
                f"MQTT needs {fault.name}, which is not installed",
                why="it comes with the extra `mqtt`",
                hint="pip install 'kizuna[mqtt]'",
                module=fault.name or "",
                extra="mqtt",
            ) from fault

        def ready(url: str, token: str) -> None:
            door.say("serve.ready", url=url)
            door.say("serve.sign-in", url=url, token=token)

        workspace = door.workspace()
        keeper = keeper_of(workspace)
        with ExitStack() as open_doors:
            open_doors.callback(keeper.close)
            open_doors.enter_context(mqtt.listening(keeper, address.parse(broker)))
            door.say("listen.ready", broker=broker)
            serve(
                workspace,
                host=host,
                port=port,
                progress=door.bars,
                ready=ready,
            )
