# SPDX-License-Identifier: Apache-2.0
"""``kizuna gateway``: what stands before something that cannot guard itself."""

from __future__ import annotations

import json
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
        report: Annotated[
            str | None,
            typer.Option(
                "--report", metavar="URL", help="The verifier of the fleet it is enrolled in."
            ),
        ] = None,
        device: Annotated[
            str | None,
            typer.Option("--device", metavar="SUBJECT", help="Who stands behind it: look at it."),
        ] = None,
        ask: Annotated[
            str, typer.Option("--ask", metavar="HOW", help="modbus[:UNIT], banner or hex:BYTES.")
        ] = "modbus",
        machine: Annotated[
            str | None,
            typer.Option("--machine", metavar="SUBJECT", help="The machine it runs on: quote it."),
        ] = None,
        chip: Annotated[
            str | None,
            typer.Option("--chip", metavar="tpm:TCTI", help="That machine's TPM."),
        ] = None,
        registers: Annotated[
            str, typer.Option("--registers", help="Which registers, for instance 0-7,16.")
        ] = "0-7",
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
        if device is not None and (report is None or side != "device"):
            raise Malformed(
                "connector.behind",
                "only a connector that stands before a device, and reports, can look at it",
                hint="give --report URL, and --side device",
            )
        if (machine is None) != (chip is None) or (machine is not None and report is None):
            raise Malformed(
                "connector.machine",
                "a machine is quoted by its chip, for a verifier",
                hint="give --machine SUBJECT, --chip tpm:TCTI and --report URL together",
            )
        running = Running(
            door.workspace(),
            side,
            listen,
            to,
            peer,
            report=report,
            behind=None if device is None else (device, ask),
            machine=None if machine is None or chip is None else (machine, chip, registers),
        )
        for subject in running.missing():
            door.warn("connector.peer-missing", subject=subject)

        def ready(address: tuple[str, int]) -> None:
            door.say("connector.ready", host=address[0], port=address[1])

        def trouble(why: str) -> None:
            door.warn("connector.trouble", why=why)

        done = running.run(ready, trouble)
        door.answer(done, [door.text("connector.done", **done)])

    @command(app, "learn")
    def learn(
        door: Door,
        to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="The device.")],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file to write.")],
        ask: Annotated[
            str, typer.Option("--ask", metavar="HOW", help="modbus[:UNIT], banner or hex:BYTES.")
        ] = "modbus",
        times: Annotated[
            int, typer.Option("--times", min=1, max=1_000, help="How often to look.")
        ] = 10,
    ) -> None:
        """Learn how a device looks that says nothing for itself, while you know it to be good.

        Example: kizuna gateway learn --to 192.168.1.20:502 --out pump.json
        """
        from kizuna.app.wiring.devices.connector import place
        from kizuna.app.wiring.devices.seeing import learn_device
        from kizuna.guard.gateway.connector.sight import read_ask

        learnt = learn_device(place(to), read_ask(ask), times)
        Door.write_file(out, (json.dumps(learnt, indent=2) + "\n").encode())
        if out != "-":
            door.answer(learnt | {"file": out}, [door.text("connector.learnt", file=out, **learnt)])

    @command(app, "measure")
    def measure(
        door: Door,
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Write the list of the program's files."),
        ] = None,
    ) -> None:
        """What this program measures of itself, as a connector tells its verifier.

        Example: kizuna gateway measure --out program.txt
        """
        import sys

        from kizuna.app.wiring.devices.program import manifest, measurements

        digests = {name: digest.hex() for name, digest in measurements().items()}
        if out is not None:
            Door.write_file(out, manifest())
        if out != "-":
            told = {"measurements": digests, "interpreter": sys.executable}
            door.answer(told, [f"{digest}  {name}" for name, digest in digests.items()])

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
