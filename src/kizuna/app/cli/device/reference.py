# SPDX-License-Identifier: Apache-2.0
"""``kizuna device reference``: what devices should measure, as their makers sign it."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""
    branch = typer.Typer(
        help="Reference values: what devices should measure.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.add_typer(branch, name="reference")

    @command(branch, "import")
    def import_(
        door: Door,
        file: Annotated[list[str], typer.Argument(metavar="FILE...", help="Signed CoRIM.")],
        signer: Annotated[
            list[str] | None,
            typer.Option("--signer", metavar="FILE", help="Key of the maker: PEM or JWK."),
        ] = None,
        subject: Annotated[
            str | None, typer.Option("--subject", help="The product that they are about.")
        ] = None,
        closed: Annotated[
            bool,
            typer.Option("--closed", help="The values are whole: no other digest is good."),
        ] = False,
    ) -> None:
        """Take in a maker's signed reference values, and register that they were.

        Example: kizuna device reference import fan.corim --signer maker.pem --subject pkg:x/fan@2
        """
        from kizuna.app.wiring.devices.appraisal import read_keys
        from kizuna.app.wiring.devices.reference import import_references

        keys = read_keys([(name, Door.read(name, limit=1 << 16)) for name in signer or ()])
        files = [(name, Door.read(name, limit=16 << 20)) for name in file]
        made = import_references(
            door.workspace(), files, signers=keys.public, subject=subject, closed=closed
        )
        door.answer(
            made,
            [
                door.text(
                    "reference.imported",
                    values=made["values"],
                    keys=made["keys"],
                    anchors=made["anchors"],
                    endorsements=made["endorsements"],
                    models=", ".join(made["models"]) or "–",
                ),
                *(
                    [door.text("reference.not-understood", left=", ".join(made["not_understood"]))]
                    if made["not_understood"]
                    else []
                ),
            ],
        )

    @command(branch, "list")
    def list_(door: Door) -> None:
        """List the reference values that count in this store, by class of device."""
        from kizuna.app.wiring.devices.reference import list_references

        rows = list_references(door.workspace(read_only=True))
        door.answer(
            {"models": rows},
            [
                door.text(
                    "reference.row",
                    model=row["model"],
                    values=len(row["values"]),
                    closed=door.text("reference.whole" if row["closed"] else "reference.open"),
                )
                for row in rows
            ],
        )

    @command(branch, "make")
    def make(
        door: Door,
        part: Annotated[
            list[str] | None,
            typer.Argument(metavar="NAME=FILE...", help="Component and its firmware file."),
        ] = None,
        *,
        model: Annotated[
            str,
            typer.Option("--model", help="The class of device: VENDOR/MODEL or an id in hex."),
        ],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file to write.")],
        version: Annotated[
            str | None, typer.Option("--version", help="Version of the firmware.")
        ] = None,
        days: Annotated[
            int | None, typer.Option("--days", min=1, max=36_500, help="How long it is valid.")
        ] = None,
        values: Annotated[
            list[str] | None,
            typer.Option(
                "--values", metavar="FILE", help="Digests and names, as a device wrote them."
            ),
        ] = None,
    ) -> None:
        """Make signed reference values (CoRIM) from firmware files.

        Example: kizuna device reference make fw=fan.bin --model acme/fan --out fan.corim

        Example: kizuna device reference make --values values.txt --model server --out server.corim
        """
        from kizuna.app.wiring.devices.reference import make_references

        parts = []
        for one in part or ():
            name, _, file = one.partition("=")
            parts.append((name, Door.read(file or name)))
        signed, made = make_references(
            door.workspace(),
            parts,
            model=model,
            version=version,
            days=days,
            lists=[(name, Door.read(name, limit=16 << 20)) for name in values or ()],
        )
        Door.write_file(out, signed)
        if out != "-":
            door.answer(
                {"file": out, **made},
                [door.text("reference.made", file=out, values=made["values"], model=model)],
            )
