# SPDX-License-Identifier: Apache-2.0
"""``kizuna gateway``: what stands before something that cannot guard itself."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "connector")
    def connector(
        door: Door,
        listen: Annotated[
            str, typer.Option("--listen", metavar="HOST:PORT", help="Where to accept.")
        ],
        to: Annotated[
            str, typer.Option("--to", metavar="HOST:PORT", help="The device, or its connector.")
        ],
        peer: Annotated[
            list[str],
            typer.Option("--peer", metavar="SUBJECT", help="Who is admitted. Repeat it."),
        ],
        side: Annotated[
            str,
            typer.Option("--side", help="device: stands before it; client: beside its users."),
        ] = "device",
    ) -> None:
        """Stand before a legacy device (or its users): TLS 1.3 to enrolled peers, nobody else."""
        from kizuna.app.wiring.devices.connector import Running
        from kizuna.model.errors import Malformed

        if side not in ("device", "client"):
            raise Malformed(
                "connector.side",
                f"no side of a connector is called {side[:40]!r}",
                hint="use device or client",
                side=side[:40],
            )
        running = Running(door.workspace(), side, listen, to, peer)
        for subject in running.missing():
            door.warn("connector.peer-missing", subject=subject)

        def ready(address: tuple[str, int]) -> None:
            door.say("connector.ready", host=address[0], port=address[1])

        done = running.run(ready)
        door.answer(done, [door.text("connector.done", **done)])

    @command(app, "key")
    def key(
        door: Door,
        out: Annotated[
            str | None, typer.Option("--out", metavar="FILE", help="Write the public key (PEM).")
        ] = None,
        acts_for: Annotated[
            str | None,
            typer.Option("--acts-for", metavar="DEVICE", help="Say that it stands for a device."),
        ] = None,
    ) -> None:
        """The key of this store's connector: make it, show it, say for which device it stands."""
        from kizuna.app.wiring.devices.connector import connector_key, represent
        from kizuna.roots.identity import did_key

        workspace = door.workspace()
        handle = connector_key(workspace)
        public = workspace.unit.public(handle)
        told = {"key": handle.id, "identity": did_key(public), "jwk": public.to_jwk()}
        if out is not None:
            door.write_file(out, public.to_pem())
        if acts_for is not None:
            told["acts_for"] = represent(workspace, acts_for)
        if out != "-":
            door.answer(told, [door.text("connector.key", **told)])
