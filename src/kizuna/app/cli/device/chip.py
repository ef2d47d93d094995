# SPDX-License-Identifier: Apache-2.0
"""``kizuna device``: proof that an attesting key lives in the chip of a maker that is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]

_UNIT = Annotated[
    str, typer.Option("--unit", metavar="tpm:TCTI", help="The TPM, as tpm2-tss names it.")
]
_STATE = Annotated[
    str, typer.Option("--state", metavar="DIR", help="Where the device keeps its wrapped key.")
]
_OUT = Annotated[str, typer.Option("--out", metavar="FILE", help="What to write.")]


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""

    @command(app, "endorse")
    def endorse(
        door: Door,
        unit: _UNIT,
        out: _OUT,
        state: _STATE = ".kizuna-device",
        key_out: Annotated[
            str | None,
            typer.Option("--key-out", metavar="FILE", help="Write the attesting key (PEM)."),
        ] = None,
    ) -> None:
        """On the device: what its chip's maker says of it, for `kizuna device chip-challenge`.

        Example: kizuna device endorse --unit tpm:device:/dev/tpmrm0 --out request --key-out ak.pem
        """
        from kizuna.app.wiring.devices.endorsing import endorse as endorsed

        request, key = endorsed(unit, Path(state), door.settings)
        Door.write_file(out, request)
        if key_out is not None:
            Door.write_file(key_out, key)
        if "-" not in (out, key_out):
            told = {"file": out, "bytes": len(request)}
            door.answer(told, [door.text("file.written", file=out)])

    @command(app, "chip-challenge")
    def challenge(
        door: Door,
        request: Annotated[
            str, typer.Argument(metavar="REQUEST", help="What `device endorse` wrote.")
        ],
        out: _OUT,
        anchor: Annotated[
            list[str] | None,
            typer.Option("--anchor", metavar="CERT", help="A chip maker's root. Repeat it."),
        ] = None,
        keep: Annotated[
            bool, typer.Option("--keep", help="Believe these roots from now on, also over HTTP.")
        ] = False,
    ) -> None:
        """On the owner's side: a secret that only that chip opens, if the key lives in it.

        Example: kizuna device chip-challenge request --anchor maker-root.pem --out challenge
        """
        from kizuna.app.wiring.devices.activation import Activation

        activation = Activation(door.workspace())
        roots = tuple(Door.read(name, limit=1 << 18) for name in anchor or ())
        if keep:
            for root in roots:
                activation.believe(root)
        made = activation.challenge(Door.read(request, limit=1 << 16), roots)
        Door.write_file(out, made)
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])

    @command(app, "activate")
    def activate(
        door: Door,
        challenge: Annotated[str, typer.Argument(metavar="CHALLENGE", help="What was sent back.")],
        unit: _UNIT,
        out: _OUT,
        state: _STATE = ".kizuna-device",
    ) -> None:
        """On the device: let the chip open the challenge.

        Example: kizuna device activate challenge --unit tpm:device:/dev/tpmrm0 --out answer
        """
        from kizuna.app.wiring.devices.endorsing import activate as activated

        made = activated(unit, Path(state), door.settings, Door.read(challenge, limit=1 << 16))
        Door.write_file(out, made)
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])

    @command(app, "activated")
    def answered(
        door: Door,
        answer: Annotated[
            str, typer.Argument(metavar="ANSWER", help="What `device activate` wrote.")
        ],
    ) -> None:
        """On the owner's side: take the answer; then enrol with `--activation`.

        Example: kizuna device activated answer
        """
        from kizuna.app.wiring.devices.activation import Activation

        told = Activation(door.workspace()).answer(Door.read(answer, limit=1 << 12))
        door.answer(told, [door.text("device.activated", **told)])
