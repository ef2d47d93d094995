# SPDX-License-Identifier: Apache-2.0
"""``kizuna device enrol``: bind a device to its key, its owner and its place."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the topic's command into the tree."""

    @command(app, "enrol")
    def enrol(
        door: Door,
        subject: Annotated[
            str, typer.Argument(metavar="SUBJECT", help="The device, e.g. urn:ueid:...")
        ],
        key: Annotated[
            str | None,
            typer.Option("--key", metavar="FILE", help="The device's key: PEM, or a JWK."),
        ] = None,
        idevid: Annotated[
            list[str] | None,
            typer.Option(
                "--idevid", metavar="CERT", help="Its IDevID certificate, then issuers. Repeat it."
            ),
        ] = None,
        anchor: Annotated[
            list[str] | None,
            typer.Option("--anchor", metavar="CERT", help="A maker's root you believe. Repeat it."),
        ] = None,
        scheme: Annotated[
            str | None,
            typer.Option("--scheme", metavar="NAME", help="tpm, psa, dice, hmac, observed ..."),
        ] = None,
        owner: Annotated[
            str | None, typer.Option("--owner", help="Whose it is (else this organisation's).")
        ] = None,
        gateway: Annotated[
            str | None, typer.Option("--gateway", help="The gateway that measures it.")
        ] = None,
        position: Annotated[
            str | None,
            typer.Option("--position", help="Where it stands, without gateway."),
        ] = None,
        reference: Annotated[
            str | None, typer.Option("--reference", help="Class of its reference values.")
        ] = None,
        identity: Annotated[
            str | None,
            typer.Option("--identity", metavar="HEX", help="Instance id that its evidence shows."),
        ] = None,
        registers: Annotated[
            str | None,
            typer.Option("--registers", metavar="0-7", help="Registers a TPM must quote."),
        ] = None,
        quote: Annotated[
            str | None,
            typer.Option(
                "--quote", metavar="FILE", help="A TPM's quote: binds its registers and signer."
            ),
        ] = None,
        activation: Annotated[
            str | None,
            typer.Option("--activation", metavar="ID", help="A chip proved that it holds the key."),
        ] = None,
        learnt: Annotated[
            str | None,
            typer.Option(
                "--learnt", metavar="FILE", help="How it looks, from `kizuna gateway learn`."
            ),
        ] = None,
        voucher: Annotated[
            str | None,
            typer.Option("--voucher", metavar="DIGEST", help="The voucher this accepts."),
        ] = None,
        made: Annotated[
            bool, typer.Option("--made", help="Say it as its maker: it was made with this key.")
        ] = False,
    ) -> None:
        """Bind a device to its key, once: another key later needs a voucher or a rotation."""
        from kizuna.app.wiring.devices.life import Enrolment, Lives

        said = Enrolment(
            key=None if key is None else (key, door.read(key, limit=1 << 16)),
            scheme=scheme,
            owner=owner,
            gateway=gateway,
            position=position,
            reference=reference,
            identity=identity,
            registers=registers,
            quote=None if quote is None else door.read(quote, limit=1 << 20),
            activation=activation,
            learnt=None if learnt is None else door.read(learnt, limit=1 << 16),
            voucher=voucher,
            made=made,
        )
        done = Lives(door.workspace()).enrol(
            subject,
            said,
            chain=[door.read(name, limit=1 << 20) for name in idevid or ()],
            anchors=[door.read(name, limit=1 << 20) for name in anchor or ()],
        )
        door.answer(done, [door.text("device.enrolled", **done)])

    @command(app, "reseal")
    def reseal(door: Door) -> None:
        """Close the shared secrets of devices under a new key of the store; the old one ends.

        Do it after somebody may have read the store's keys, and renew those, too.

        Example: kizuna device reseal
        """
        from kizuna.app.wiring.devices.shelf import Shelf

        count = Shelf(door.workspace()).renew_sealing()
        door.answer({"secrets": count}, [door.text("fleet.resealed", count=count)])
