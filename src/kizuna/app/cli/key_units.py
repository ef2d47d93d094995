# SPDX-License-Identifier: Apache-2.0
"""``kizuna key``: where keys are kept, and what one unit says of a key of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation

__all__ = ["hang_units", "other", "place", "placed_keys"]

_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Thumbprint, or how it begins.")]


def placed_keys(speaker: Organisation) -> list[dict[str, Any]]:
    """The keys of a store's units; a member's folder has one unit and no log to certify in."""
    from kizuna.app.wiring.keys.certifying import UnitKeys
    from kizuna.app.wiring.workspace import Workspace

    return UnitKeys(speaker).keys() if isinstance(speaker, Workspace) else []


def place(door: Door, row: dict[str, Any]) -> str:
    """Where a key is and who certified it, behind its line."""
    said = f"  {row['unit']} ({row['protection']})" if row.get("unit") else ""
    for certified in row.get("certified_by") or ():
        said += "  " + door.text(
            "key.certified-by", by=certified["by"][:16], unit=certified["unit"]
        )
    return said


def other(door: Door, key: dict[str, Any]) -> str:
    """The line of a key that speaks for nobody, or of a unit that does not answer."""
    if "problem" in key:
        return door.text("key.unit-silent", unit=key["unit"], code=key["problem"])
    line = door.text(
        "key.other",
        thumbprint=key["thumbprint"][:16],
        algorithm=key["algorithm"],
        purpose=door.text(f"key.purpose.{key['purpose']}"),
        label=key["label"],
    )
    return line + place(door, key)


def hang_units(app: typer.Typer) -> None:
    """Hang the commands about units into the noun ``key``."""

    @command(app, "units")
    def units(door: Door) -> None:
        """List the units that keep this store's keys, what each protects and what it imitates."""
        from kizuna.app.wiring.keys.certifying import UnitKeys

        rows = UnitKeys(door.workspace(read_only=True)).units()
        door.answer(
            {"units": rows},
            [
                door.text("key.unit-silent", unit=r["name"], code=r["problem"])
                if "problem" in r
                else door.text(
                    "key.unit-row",
                    **{k: r[k] for k in ("name", "kind", "protection")},
                    registers=door.text(f"key.unit.{r['registers']}"),
                    attestation=door.text(f"key.unit.{r['attestation']}"),
                    maker=r["maker"],
                ).rstrip()
                for r in rows
            ],
        )

    @command(app, "attach")
    def attach(
        door: Door,
        name: Annotated[str, typer.Argument(metavar="NAME", help="A short name, e.g. `tpm`.")],
        unit: Annotated[
            str,
            typer.Argument(
                metavar="UNIT", help="process:SOCKET, pkcs11:LIBRARY;TOKEN or tpm:TCTI."
            ),
        ],
    ) -> None:
        """Use a further unit (its PIN comes from the file in KIZUNA_UNIT_PIN_FILE).

        Example: kizuna key attach tpm tpm:device:/dev/tpmrm0
        """
        from kizuna.app.wiring.keys.certifying import UnitKeys

        made = UnitKeys(door.workspace()).attach(name, unit)
        door.answer(made, [door.text("key.unit-attached", name=name, kind=made["kind"])])

    @command(app, "create")
    def create(
        door: Door,
        label: Annotated[str, typer.Option("--label", help="What the key is for.")],
        unit: Annotated[
            str, typer.Option("--unit", help="Short name of the unit (`kizuna key units`).")
        ] = "home",
        purpose: Annotated[
            str, typer.Option("--purpose", help="sign, agree or attest; fixed for its life.")
        ] = "sign",
        algorithm: Annotated[str, typer.Option("--algorithm", help="ES256 or EdDSA.")] = "ES256",
        registers: Annotated[
            str | None,
            typer.Option(
                "--registers",
                metavar="LIST",
                help="Of a TPM: the key works only while these are as they are now, e.g. 0-7,16.",
            ),
        ] = None,
    ) -> None:
        """Make a key in a chosen unit; it speaks for nobody until it is enrolled or certified."""
        from kizuna.app.wiring.devices.quoting import read_selection
        from kizuna.app.wiring.keys.certifying import UnitKeys

        made = UnitKeys(door.workspace()).create(
            label,
            unit=unit,
            purpose=purpose,
            algorithm=algorithm,
            registers=() if registers is None else read_selection(registers),
        )
        door.answer(made, [door.text("key.created", thumbprint=made["thumbprint"], unit=unit)])

    @command(app, "certify")
    def certify(
        door: Door,
        key: _KEY,
        by: Annotated[
            str, typer.Option("--by", metavar="KEY", help="The attesting key that certifies.")
        ],
    ) -> None:
        """Let an attesting key, best of a TPM or token, certify another key; register that."""
        from kizuna.app.wiring.keys.certifying import UnitKeys

        made = UnitKeys(door.workspace()).certify(key, by=by)
        door.answer(made, [door.text("key.certified", **made)])

    @command(app, "retire")
    def retire(
        door: Door,
        key: _KEY,
        reason: Annotated[str | None, typer.Option("--reason")] = None,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """End a key's use and destroy its private part; what it signed keeps counting."""
        from kizuna.app.wiring.keys.certifying import UnitKeys

        workspace = door.workspace()
        if not door.confirmed("key.confirm-retire", yes=yes, key=key):
            return
        made = UnitKeys(workspace).retire(key, reason=reason)
        door.answer(made, [door.text("key.retired", key=made["key"], unit=made["unit"])])

    @command(app, "serve")
    def serve(
        door: Door,
        socket: Annotated[str, typer.Option("--socket", help="Path of the Unix socket.")],
        keys: Annotated[
            str, typer.Option("--keys", help="The key file; made where it is not there.")
        ],
        report: Annotated[
            float | None,
            typer.Option(
                "--report",
                metavar="SECONDS",
                min=0.1,
                help="Tell the organisation's store of refusals, looking this often.",
            ),
        ] = None,
    ) -> None:
        """Serve a key file from a process of its own, to this user's programs only.

        With --report what its gate refuses becomes notices of the organisation of --store; they
        wait in the outbox while its store does not answer.

        Its secret is KIZUNA_PASSPHRASE or the file `KEYS.secret`. Stop it with Ctrl-C.

        Example: kizuna key serve --socket /run/kizuna/unit --keys /var/lib/kizuna/keys
        """
        from kizuna.app.wiring.served.process import serve_unit

        def ready(path: str) -> None:
            door.print(door.text("key.serving", socket=path))

        serve_unit(socket, keys, door.settings, ready, report=report)
