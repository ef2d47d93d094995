# SPDX-License-Identifier: Apache-2.0
"""``kizuna device quote``: on the device, evidence from its TPM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]

_LOG = 8 << 20


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""

    @command(app, "quote")
    def quote(
        door: Door,
        unit: Annotated[
            str, typer.Option("--unit", metavar="tpm:TCTI", help="The TPM, as tpm2-tss names it.")
        ],
        nonce: Annotated[
            str, typer.Option("--nonce", metavar="HEX", help="What the verifier asked with.")
        ],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The evidence to write.")],
        registers: Annotated[
            str, typer.Option("--registers", help="Which registers, for instance 0-7,16.")
        ] = "0-7",
        state: Annotated[
            str,
            typer.Option("--state", metavar="DIR", help="Where the device keeps its wrapped key."),
        ] = ".kizuna-device",
        key_out: Annotated[
            str | None,
            typer.Option("--key-out", metavar="FILE", help="Write the attesting key (PEM)."),
        ] = None,
        values_out: Annotated[
            str | None,
            typer.Option(
                "--values-out", metavar="FILE", help="Write the values, as reference values."
            ),
        ] = None,
        log: Annotated[
            str | None,
            typer.Option("--log", metavar="FILE", help="The firmware's event log (binary)."),
        ] = None,
        ima: Annotated[
            str | None, typer.Option("--ima", metavar="FILE", help="Linux's measurement list.")
        ] = None,
    ) -> None:
        """Let this machine's TPM sign what its registers hold, for a verifier's nonce.

        Example: kizuna device quote --unit tpm:device:/dev/tpmrm0 --nonce 00112233445566778899
        --registers 0-7 --out evidence.cbor --key-out ak.pem
        """
        from kizuna.app.wiring.devices.quoting import quote_device, read_nonce, read_selection

        done = quote_device(
            unit,
            Path(state),
            door.settings,
            nonce=read_nonce(nonce),
            selection=read_selection(registers),
            log=b"" if log is None else Door.read(log, limit=_LOG),
            ima=b"" if ima is None else Door.read(ima, limit=_LOG),
        )
        written = [(out, done.evidence), (key_out, done.key_pem), (values_out, done.values)]
        for name, data in written:
            if name is not None:
                Door.write_file(name, data)
        if "-" in (out, key_out, values_out):
            return
        answer = {
            "file": out,
            "key": done.key,
            "bytes": len(done.evidence),
            "registers": {str(number): value.hex() for number, value in done.registers},
        }
        door.answer(answer, [door.text("device.quoted", **answer)])
