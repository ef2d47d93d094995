# SPDX-License-Identifier: Apache-2.0
"""``kizuna key``: the organisation's keys and what becomes of them, here or where it joined."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli import key_gate, key_hosted, key_unit
from kizuna.app.cli.door import Door, command
from kizuna.app.cli.key_units import hang_units, other, place, placed_keys
from kizuna.app.cli.times import instant

if TYPE_CHECKING:
    from kizuna.app.wiring.values import Spare

__all__ = ["hang", "read_jwk"]

_WITH = Annotated[
    str | None,
    typer.Option("--with", metavar="FOLDER", help="Sign with the spare key that is kept there."),
]
_SECRET = Annotated[
    str | None,
    typer.Option(
        "--secret", metavar="FILE", help="The file that opens the spare key (else a passphrase)."
    ),
]
_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Thumbprint, or how it begins.")]


def read_jwk(file: str) -> dict[str, str]:
    """A public key from a file.

    Raises:
        Malformed: ``key.not-jwk``.
    """
    import msgspec

    from kizuna.model.errors import Malformed

    try:
        return msgspec.json.decode(Door.read(file, limit=1 << 16), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Malformed(
            "key.not-jwk",
            f"{file} holds no JSON Web Key",
            why=str(fault),
            hint="give a file with one public key as a JWK: its owner has `kizuna key public`",
            path=file,
        ) from fault


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""
    hang_units(app)
    key_gate.hang(app)
    key_hosted.hang(app)
    key_unit.hang(app)

    @command(app, "list")
    def list_(door: Door) -> None:
        """List the organisation's keys and what each may still do; where they are, who certifies.

        Keys that speak for nobody (of the log, attesting ones) stand below.
        """
        speaker = door.organisation(read_only=True)
        rows = speaker.keys.states()
        placed = placed_keys(speaker)
        by_name = {key["thumbprint"]: key for key in placed if "thumbprint" in key}
        for row in rows:
            here = by_name.pop(row["thumbprint"], {})
            row |= {name: here.get(name) for name in ("unit", "protection", "certified_by")}
        others = [k for k in placed if k.get("thumbprint") in by_name or "problem" in k]
        door.answer(
            {"keys": rows, "others": others},
            [
                door.text(
                    "key.row",
                    thumbprint=r["thumbprint"][:16],
                    algorithm=r["algorithm"],
                    state=door.text(f"key.state.{r['state']}"),
                    here=door.text("key.here") if r["here"] else "",
                ).rstrip()
                + place(door, r)
                for r in rows
            ]
            + [other(door, k) for k in others],
        )

    @command(app, "public")
    def public(
        door: Door,
        key: Annotated[
            str | None,
            typer.Argument(
                metavar="KEY", help="Thumbprint, or how it begins; else what signs now."
            ),
        ] = None,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="`-` is stdout.")] = "-",
    ) -> None:
        """Write a public key as a JWK, for those who are to know it: nothing secret is in it.

        Example: kizuna key public --out fuji.jwk
        """
        from kizuna.app.wiring.keys.life import the_one

        speaker = door.organisation(read_only=True)
        rows = speaker.keys.states()
        if key is None:
            (row,) = (r for r in rows if r["state"] == "current")
        else:
            others = [k for k in placed_keys(speaker) if "thumbprint" in k and k.get("jwk")]
            every = {r["thumbprint"]: r for r in (*others, *rows)}
            row = every[the_one(every, key)]
        jwk = json.dumps(row["jwk"])
        if out != "-":
            Door.write_file(out, f"{jwk}\n".encode())
        door.answer(row["jwk"], [jwk if out == "-" else door.text("file.written", file=out)])

    @command(app, "rotate")
    def rotate(
        door: Door,
        algorithm: Annotated[
            str, typer.Option("--algorithm", help="ES256 or EdDSA for the new key.")
        ] = "ES256",
        spare: _WITH = None,
        secret: _SECRET = None,
    ) -> None:
        """Make a new key and let it take over; what the old one signed keeps counting.

        Example: kizuna key rotate --with /media/safe/spare
        """
        made = door.organisation().keys.rotate(algorithm, by=_opened(door, spare, secret))
        door.answer(made, [door.text("key.rotated", **made)])

    @command(app, "spare")
    def spare_(
        door: Door,
        folder: Annotated[
            str, typer.Argument(metavar="FOLDER", help="Outside the store; it must be empty.")
        ],
        secret: Annotated[
            str | None,
            typer.Option(
                "--secret",
                metavar="FILE",
                help="Lock it with this file (made where it is absent) instead of a passphrase.",
            ),
        ] = None,
        algorithm: Annotated[
            str, typer.Option("--algorithm", help="ES256 or EdDSA for the new key.")
        ] = "ES256",
    ) -> None:
        """Make a spare key outside the store and enrol it, for the day the daily key is stolen.

        Example: kizuna key spare /media/safe/spare
        """
        from kizuna.app.wiring.keys.spares import make_spare

        made = make_spare(
            door.organisation().keys,
            folder,
            settings=door.settings,
            ask=door.passphrase,
            key_file=secret,
            algorithm=algorithm,
        )
        door.answer(made, [door.text("key.spare", **made)])
        door.say("key.spare-next", **made)

    @command(app, "enrol")
    def enrol(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="JWK_FILE", help="The public key as a JWK.")],
    ) -> None:
        """Let a further key, kept elsewhere, sign in the organisation's name from now on."""
        made = door.organisation().keys.enrol(read_jwk(file))
        door.answer(made, [door.text("key.enrolled", **made)])

    @command(app, "revoke")
    def revoke(
        door: Door,
        key: _KEY,
        reason: Annotated[str | None, typer.Option("--reason")] = None,
        spare: _WITH = None,
        secret: _SECRET = None,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """End a key's use from now on; what it signed before keeps counting."""
        keys = door.organisation().keys
        if not door.confirmed("key.confirm-revoke", yes=yes, key=key):
            return
        made = keys.revoke(key, reason=reason, by=_opened(door, spare, secret))
        door.answer(made, [door.text("key.revoked", **made)])

    @command(app, "compromise")
    def compromise(
        door: Door,
        key: _KEY,
        since: Annotated[
            str, typer.Option("--since", metavar="TIME", help="From when others may have had it.")
        ],
        reason: Annotated[str | None, typer.Option("--reason")] = None,
        spare: _WITH = None,
        secret: _SECRET = None,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Declare that others had a key since TIME: what it signed after that no longer counts.

        With a spare key also the key that signs every day can be declared stolen: a new one comes
        with it, and keys that the thief brought in fall.

        Example: kizuna key compromise 3f9a --since 2026-11-20 --with /media/safe/spare
        """
        keys = door.organisation().keys
        if not door.confirmed("key.confirm-compromise", yes=yes, key=key, since=since):
            return
        by = _opened(door, spare, secret)
        made = keys.compromise(key, since=instant(since), reason=reason, by=by)
        told = [door.text("key.compromised", **made)]
        if made["new"] is not None:
            told.append(door.text("key.new", **made))
        door.answer(made, told)


def _opened(door: Door, folder: str | None, secret: str | None) -> Spare | None:
    """The spare key, where one is to sign."""
    if folder is None:
        return None
    from kizuna.app.wiring.keys.spares import open_spare

    return open_spare(folder, settings=door.settings, ask=door.passphrase, key_file=secret)
