# SPDX-License-Identifier: Apache-2.0
"""``kizuna key unit``: what a unit does beside signing."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, command

if TYPE_CHECKING:
    from kizuna.app.wiring.using import UnitUse

__all__ = ["hang"]

_UNIT = Annotated[str, typer.Option("--unit", help="Short name of the unit (`kizuna key units`).")]
_OUT = Annotated[str, typer.Option("--out", metavar="FILE", help="- for stdout.")]
_LABEL = Annotated[str, typer.Option("--label", help="Which AES key; made with its first use.")]
_REGISTERS = Annotated[
    str,
    typer.Option("--registers", metavar="LIST", help="Only while these are as they are now."),
]
_MOST = 1 << 21


def hang(app: typer.Typer) -> None:
    """Hang the branch into the noun ``key``."""
    unit_app = typer.Typer(
        help="What a unit does beside signing: sealing, secrets, registers, random numbers.",
        no_args_is_help=True,
    )
    app.add_typer(unit_app, name="unit")
    _boxes(unit_app)
    _others(unit_app)


def _boxes(app: typer.Typer) -> None:
    @command(app, "seal")
    def seal(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="128 bytes at most: a key.")],
        out: _OUT,
        unit: _UNIT = "home",
        registers: _REGISTERS = "0-7",
    ) -> None:
        """Close a secret so that only this unit opens it, while its registers stay as they are.

        Example: kizuna key unit seal disk.key --unit tpm --registers 0-7 --out disk.box
        """
        from kizuna.app.wiring.devices.quoting import read_selection

        data = door.read(file, limit=1 << 10)
        _written(door, out, _use(door, unit).seal(data, read_selection(registers)))

    @command(app, "unseal")
    def unseal(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="What `seal` wrote.")],
        out: _OUT,
        unit: _UNIT = "home",
    ) -> None:
        """Open what was sealed; refused where the registers changed since."""
        _written(door, out, _use(door, unit).unseal(door.read(file, limit=_MOST)))

    @command(app, "encrypt")
    def encrypt(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="1 MiB at most.")],
        label: _LABEL,
        out: _OUT,
        unit: _UNIT = "home",
    ) -> None:
        """Encrypt a file (AES-256-GCM) under a key that stays in the unit."""
        _written(door, out, _use(door, unit).encrypt(door.read(file, limit=_MOST), label))

    @command(app, "decrypt")
    def decrypt(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="What `encrypt` wrote.")],
        label: _LABEL,
        out: _OUT,
        unit: _UNIT = "home",
    ) -> None:
        """Decrypt what `encrypt` wrote; a changed byte is refused."""
        _written(door, out, _use(door, unit).decrypt(door.read(file, limit=_MOST), label))


def _others(app: typer.Typer) -> None:
    @command(app, "random")
    def random(
        door: Door,
        size: Annotated[int, typer.Option("--size", min=1, max=4096, help="Bytes.")] = 32,
        unit: _UNIT = "home",
    ) -> None:
        """Draw random bytes from the unit's own source."""
        drawn = _use(door, unit).random(size).hex()
        door.answer({"unit": unit, "random": drawn}, [drawn])

    @command(app, "agree")
    def agree(
        door: Door,
        key: Annotated[
            str,
            typer.Argument(metavar="KEY", help="A key made to agree: how its thumbprint begins."),
        ],
        peer: Annotated[str, typer.Option("--with", metavar="FILE", help="The peer's public key.")],
        purpose: Annotated[
            str, typer.Option("--for", help="What the secret is for; both say the same.")
        ],
        out: _OUT,
        unit: _UNIT = "home",
    ) -> None:
        """Agree with a peer on 32 secret bytes (ECDH on P-256, then HKDF).

        Example: kizuna key unit agree 3f9a --with peer.pem --for backups --out shared.key
        """
        from kizuna.app.wiring.devices.appraisal import read_keys
        from kizuna.model.errors import Malformed

        found = read_keys([(peer, door.read(peer, limit=1 << 16))]).public
        if len(found) != 1:
            raise Malformed(
                "key.file-unknown",
                f"{peer} holds no public key",
                hint="give the peer's public key as PEM or JWK",
                name=peer,
            )
        _written(door, out, _use(door, unit).agree(key, found[0], purpose))

    @command(app, "extend")
    def extend(
        door: Door,
        register: Annotated[int, typer.Argument(metavar="REGISTER", min=0, max=23)],
        file: Annotated[str, typer.Argument(metavar="FILE", help="What is measured.")],
        unit: _UNIT = "home",
    ) -> None:
        """Measure a file into a register: keys and boxes bound to it are closed from now on."""
        digest = sha256(door.read(file, limit=1 << 30)).digest()
        _use(door, unit).extend(register, digest, file)
        told = {"unit": unit, "register": register, "digest": digest.hex()}
        door.answer(told, [door.text("key.unit-extended", **told)])

    @command(app, "registers")
    def registers(door: Door, unit: _UNIT = "home") -> None:
        """Show what the unit's registers hold."""
        told = _use(door, unit).registers()
        lines = [f"{number:>2}  {value}" for number, value in told["registers"].items()]
        kept = door.text(f"key.unit.{told['kept']}")
        door.answer({"unit": unit, **told}, [door.text("key.unit-registers", kept=kept), *lines])


def _use(door: Door, unit: str) -> UnitUse:
    from kizuna.app.wiring.using import UnitUse

    return UnitUse(door.workspace(), unit)


def _written(door: Door, out: str, data: bytes) -> None:
    before = os.umask(0o077)  # what comes out of a unit is for its user alone
    try:
        door.write_file(out, data)
    finally:
        os.umask(before)
    if out != "-":
        told = {"file": out, "bytes": len(data)}
        door.answer(told, [door.text("key.unit-written", **told)])
