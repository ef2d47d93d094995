# SPDX-License-Identifier: Apache-2.0
"""``kizuna device firmware``: signed by its maker, checked and installed by the device's owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.firmware import Update
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["hang"]

_MANIFEST = Annotated[str, typer.Argument(metavar="MANIFEST", help="The signed manifest.")]
_IMAGE = Annotated[str, typer.Argument(metavar="IMAGE", help="The firmware image.")]
_DEVICE = Annotated[str, typer.Option("--device", metavar="SUBJECT", help="The device.")]
_VENDOR = Annotated[
    str | None,
    typer.Option("--vendor", metavar="DOMAIN", help="The device's vendor, the first time."),
]
_CLASS = Annotated[
    str | None, typer.Option("--class", metavar="NAME", help="The device's class, the first time.")
]
_KEY = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="FILE", help="What opens an encrypted image (repeatable)."),
]
_PART = Annotated[
    list[str] | None,
    typer.Option("--part", metavar="URI=FILE", help="What else the manifest fetches (repeatable)."),
]
_LIMIT = 256 << 20


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""
    firmware = typer.Typer(help="Firmware: sign, check, install.", no_args_is_help=True)
    app.add_typer(firmware, name="firmware")

    @command(firmware, "sign")
    def sign(
        door: Door,
        image: _IMAGE,
        vendor: Annotated[
            str, typer.Option("--vendor", metavar="DOMAIN", help="Domain or UUID of the vendor.")
        ],
        model: Annotated[
            str, typer.Option("--class", metavar="NAME", help="Class of devices it is for.")
        ],
        sequence: Annotated[
            int, typer.Option("--sequence", help="Counts releases; devices never go back.")
        ],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The manifest to write.")],
        version: Annotated[
            str | None, typer.Option("--version", help="What people call this release.")
        ] = None,
        subject: Annotated[
            str | None, typer.Option("--subject", help="Identifier of the firmware.")
        ] = None,
        uri: Annotated[
            str | None, typer.Option("--uri", help="Where devices fetch the image.")
        ] = None,
        encrypt_for: Annotated[
            list[str] | None,
            typer.Option(
                "--encrypt-for",
                metavar="KEY_FILE",
                help="Encrypt for this public key, or shared key (repeatable).",
            ),
        ] = None,
        encrypted: Annotated[
            str | None,
            typer.Option("--encrypted", metavar="FILE", help="Where the encrypted image goes."),
        ] = None,
        needs: Annotated[
            list[str] | None,
            typer.Option(
                "--needs", metavar="MANIFEST", help="A manifest it depends on (repeatable)."
            ),
        ] = None,
        text: Annotated[
            str | None, typer.Option("--text", help="What the update is about, for people.")
        ] = None,
    ) -> None:
        """Sign a firmware image for a class of devices (SUIT) and register it.

        Example: kizuna device firmware sign fan.bin --vendor fans.example --class fan-2
        --sequence 7 --version 2.1 --out fan.suit
        """
        from kizuna.app.wiring.devices.firmware import sign_firmware
        from kizuna.app.wiring.devices.payload_keys import recipient

        if bool(encrypt_for) != (encrypted is not None):
            raise Malformed(
                "firmware.where",
                "for whom to encrypt, and where the encrypted image goes, are said together",
                hint="give --encrypt-for KEY_FILE and --encrypted FILE",
            )
        manifest, travels, done = sign_firmware(
            door.workspace(),
            Door.read(image, limit=_LIMIT),
            vendor=vendor,
            model=model,
            sequence=sequence,
            version=version,
            subject=subject,
            uri=uri,
            encrypt_for=[recipient(one, Door.read(one)) for one in encrypt_for or ()],
            needs=[Door.read(one, limit=1 << 20) for one in needs or ()],
            text=text,
        )
        if encrypted is not None:
            Door.write_file(encrypted, travels)
        Door.write_file(out, manifest)
        if out != "-":
            done["file"] = out
            lines = [door.text("device.firmware.signed", **done)]
            if encrypted is not None:
                done["image"] = encrypted
                lines.append(door.text("file.written", file=encrypted))
            door.answer(done, [*lines, door.text("file.written", file=out)])

    @command(firmware, "check")
    def check(
        door: Door,
        manifest: _MANIFEST,
        image: _IMAGE,
        device: _DEVICE,
        vendor: _VENDOR = None,
        model: _CLASS = None,
        key: _KEY = None,
        part: _PART = None,
    ) -> None:
        """Check whether an image may be put on a device: signer, class, digest, newer than before.

        Example: kizuna device firmware check fan.suit fan.bin --device urn:dev:ser:fan-0042
        """
        workspace = door.workspace(read_only=True)
        update = _checked(workspace, manifest, image, device, vendor, model, key, part)
        found = update.as_json()
        door.answer(found, [door.text("device.firmware.fits", **found), *_more(door, update)])

    @command(firmware, "install")
    def install(
        door: Door,
        manifest: _MANIFEST,
        image: _IMAGE,
        device: _DEVICE,
        vendor: _VENDOR = None,
        model: _CLASS = None,
        key: _KEY = None,
        part: _PART = None,
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Write the checked image there."),
        ] = None,
    ) -> None:
        """Check an image, then record that the device runs it from now on.

        Example: kizuna device firmware install fan.suit fan.bin --device urn:dev:ser:fan-0042
        """
        from kizuna.app.wiring.devices.firmware import install_firmware

        workspace = door.workspace()
        update = _checked(workspace, manifest, image, device, vendor, model, key, part)
        if out is not None:
            Door.write_file(out, update.image)
        done = install_firmware(workspace, update)
        door.answer(done, [door.text("device.firmware.installed", **done), *_more(door, update)])


def _checked(
    workspace: Workspace,
    manifest: str,
    image: str,
    device: str,
    vendor: str | None,
    model: str | None,
    key: list[str] | None,
    part: list[str] | None,
) -> Update:
    from kizuna.app.wiring.devices.firmware import check_firmware
    from kizuna.app.wiring.devices.payload_keys import opener

    parts = {}
    for one in part or ():
        uri, sign, file = one.rpartition("=")
        if not sign or not uri:
            raise Malformed(
                "firmware.part",
                f"{one[:200]} is not URI=FILE",
                hint="name what the manifest fetches, and the file that holds it",
                part=one[:200],
            )
        parts[uri] = Door.read(file, limit=_LIMIT)
    return check_firmware(
        workspace,
        Door.read(manifest, limit=1 << 20),
        Door.read(image, limit=_LIMIT),
        device=device,
        vendor=vendor,
        model=model,
        parts=parts,
        keys=[opener(one, Door.read(one)) for one in key or ()],
    )


def _more(door: Door, update: Update) -> list[str]:
    """What the maker says, what it needs, and what is left for the device's start."""
    lines = [door.text("device.firmware.needs", part=part) for part in update.parts]
    lines += [door.text("device.firmware.says", text=text) for text in update.texts]
    if update.left:
        lines.append(door.text("device.firmware.left", left=", ".join(update.left)))
    return lines
