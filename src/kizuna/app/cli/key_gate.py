# SPDX-License-Identifier: Apache-2.0
"""``kizuna key gate``: who may use the keys, and who tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.times import clock_face, instant

if TYPE_CHECKING:
    from kizuna.app.wiring.keys.gating import KeyGate
    from kizuna.app.wiring.served.gate import ServedGate

__all__ = ["hang"]

_SERVED = Annotated[
    str | None,
    typer.Option("--keys", metavar="FILE", help="Of a key file that `kizuna key serve` serves."),
]
_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Label or thumbprint.")]


def hang(app: typer.Typer) -> None:
    """Hang the branch into the noun ``key``."""
    gate = typer.Typer(
        help="The gate before the keys: who, for what, how often, when.", no_args_is_help=True
    )
    app.add_typer(gate, name="gate")

    @command(gate, "show")
    def show(door: Door, keys: _SERVED = None) -> None:
        """Show the policy in force, locked keys and consents that wait."""
        told = (_gate(door) if keys is None else _served(door, keys)).show()
        policy = told["policy"]
        lines = [door.text("gate.head", gate=policy["gate"], version=policy["version"])]
        lines += [
            door.text(
                "gate.rule",
                id=rule["id"],
                key=rule["key"],
                operations=", ".join(rule["operations"]),
                purposes=", ".join(rule.get("purposes", [])) or "*",
            )
            for rule in policy["rules"]
        ]
        lines += [door.text("gate.lock-row", **row) for row in told["locked"]]
        lines += [door.text("gate.consent-row", **row) for row in told["consents"]]
        door.answer(told, lines)

    @command(gate, "set")
    def set_(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="A policy, YAML or JSON.")],
        publish: Annotated[
            bool, typer.Option("--publish", help="Register it as a statement too.")
        ] = False,
        keys: Annotated[
            str | None,
            typer.Option(
                "--keys", metavar="FILE", help="Before a key file that `kizuna key serve` serves."
            ),
        ] = None,
    ) -> None:
        """Put a policy before the keys of this store."""
        data = door.read(file, limit=1 << 20)
        if keys is not None:
            from pathlib import Path

            from kizuna.app.wiring.keys.gating import set_beside

            made = set_beside(Path(keys), data, file, door.settings.clock)
        else:
            made = _gate(door).set(data, file, publish=publish)
        for what in made["shut_out"]:
            door.warn("gate.shut-out", what=what)
        door.answer(made, [door.text("gate.set", **made)])

    @command(gate, "log")
    def log(
        door: Door,
        limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 50,
        report: Annotated[
            bool, typer.Option("--report", help="Register notices of what was refused.")
        ] = False,
        keys: _SERVED = None,
    ) -> None:
        """Show the record of refusals, locks and consents, its chain checked."""
        if keys is None:
            gate_of = _gate(door)
            told = gate_of.log(limit)
            told |= gate_of.report() if report else {}
        else:
            served = _served(door, keys)
            told = served.log(limit)
            told |= served.report(door.settings) if report else {}
        lines = [
            door.text(
                "gate.log-row",
                at=clock_face(row["at"]),
                event=row["event"],
                label=row.get("label", ""),
                operation=row.get("operation", ""),
                code=row.get("code", ""),
                caller=row.get("caller", ""),
                count=row.get("count", 1),
            )
            for row in (*told["events"], *told["since"])
        ]
        door.answer(told, lines)

    @command(gate, "consent")
    def consent(
        door: Door,
        key: _KEY,
        until: Annotated[
            str, typer.Option("--until", metavar="TIME", help="When it ends, 31 days at most.")
        ],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="- for stdout.")],
        operation: Annotated[
            str, typer.Option("--for", metavar="OPERATION", help="sign, unlock, certify ...")
        ] = "sign",
        purpose: Annotated[
            list[str] | None,
            typer.Option("--purpose", help="Only what is this. Repeat it; default anything."),
        ] = None,
        uses: Annotated[int, typer.Option("--uses", min=1, max=1_000)] = 1,
    ) -> None:
        """Consent to the use of a key, here or in another store, signed by this organisation."""
        data = _gate(door).consent(
            key, operation=operation, purposes=purpose or [], uses=uses, until=instant(until)
        )
        door.write_file(out, data)
        if out != "-":
            told = {"file": out, "operation": operation, "uses": uses}
            door.answer(told, [door.text("gate.consented", **told)])

    @command(gate, "admit")
    def admit(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="A consent.")],
        keys: _SERVED = None,
    ) -> None:
        """Hand in a consent that somebody else signed."""
        gate_of = _gate(door) if keys is None else _served(door, keys)
        done = gate_of.admit(door.read(file, limit=1 << 16))
        door.answer(done, [door.text("gate.admitted", **done)])

    @command(gate, "unlock")
    def unlock(
        door: Door,
        key: _KEY,
        consent: Annotated[
            str, typer.Option("--consent", metavar="FILE", help="An operator's consent to unlock.")
        ],
        keys: _SERVED = None,
    ) -> None:
        """End the lock of a key, with an operator's signed consent."""
        gate_of = _gate(door) if keys is None else _served(door, keys)
        done = gate_of.unlock(key, door.read(consent, limit=1 << 16))
        door.answer(done, [door.text("gate.unlocked", **done)])


def _gate(door: Door) -> KeyGate:
    from kizuna.app.wiring.keys.gating import KeyGate

    return KeyGate(door.workspace())


def _served(door: Door, keys: str) -> ServedGate:
    from kizuna.app.wiring.served.gate import ServedGate

    return ServedGate(keys, door.settings.clock)
