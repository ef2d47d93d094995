# SPDX-License-Identifier: Apache-2.0
"""``kizuna device status`` and ``attest``: one device, how it stands, and evidence by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.times import clock_face
from kizuna.model.outcome import Outcome

__all__ = ["hang", "reason_of", "seen_of"]

_OUTCOME = {
    "affirming": Outcome.HOLDS,
    "warning": Outcome.NOT_TRUSTED,
    "contraindicated": Outcome.TAMPERED,
    "none": Outcome.EVIDENCE_MISSING,
}


def hang(app: typer.Typer) -> None:
    """Hang the commands into the tree."""

    @command(app, "status")
    def status(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The device.")],
    ) -> None:
        """Tell how a device stands, since when, and why.

        Example: kizuna device status urn:dev:ops:000000-sensor-17
        """
        from kizuna.app.wiring.devices.look import look
        from kizuna.app.wiring.devices.shown import standing_json

        told = standing_json(look(door.workspace(read_only=True)).standing(subject))
        door.answer(told, lambda: _lines(door, told))
        if told["status"] != "affirming":
            raise Failure(_OUTCOME[told["status"]])

    @command(app, "attest")
    def attest(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Whose evidence it is.")],
        file: Annotated[str, typer.Argument(metavar="FILE", help="The evidence, - for stdin.")],
        ear: Annotated[
            str | None,
            typer.Option(
                "--ear",
                metavar="FILE",
                help="Write the result as an EAR signed by the store; .jwt for a JWT.",
            ),
        ] = None,
    ) -> None:
        """Hand in a device's evidence from a file; what it changes is registered.

        The evidence must answer the current epoch or a challenge: `kizuna device challenge`.

        Example: kizuna device attest urn:dev:ops:000000-sensor-17 evidence.cbor
        """
        from kizuna.app.wiring.devices.attesting import attest as heard
        from kizuna.app.wiring.devices.fleet import MAX_EVIDENCE

        told, result = heard(
            door.workspace(),
            subject,
            door.read(file, limit=MAX_EVIDENCE),
            as_jwt=ear is not None and ear.endswith(".jwt"),
        )
        if ear is not None and result is not None:
            Door.write_file(ear, result)
        if ear is not None:
            told["ear"] = ear if result is not None else None
        door.answer(told, lambda: _attested(door, told))
        if told["standing"] != "affirming":
            raise Failure(_OUTCOME.get(str(told["standing"]), Outcome.EVIDENCE_MISSING))

    @command(app, "challenge")
    def challenge(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Who shall answer.")],
    ) -> None:
        """Make a nonce for a device; evidence that holds it counts for two minutes.

        Example: kizuna device challenge urn:dev:ops:000000-sensor-17
        """
        from kizuna.app.wiring.devices.look import look

        nonce = look(door.workspace(read_only=True)).challenge(subject).hex()
        door.answer({"subject": subject, "nonce": nonce}, [nonce])


def _lines(door: Door, told: dict[str, Any]) -> list[str]:
    lines = [
        door.text(
            "fleet.status.line",
            subject=told["subject"],
            status=door.text(f"appraisal.status.{told['status']}"),
            since=clock_face(told["since"]),
            seen=seen_of(door, told),
        )
    ]
    if told["reason"]:
        lines.append("  " + reason_of(door, told["reason"]))
    if told["gateway"]:
        seen = told["scheme"] == "observed"
        words = "fleet.status.observer" if seen else "fleet.status.gateway"
        lines.append(door.text(words, gateway=told["gateway"]))
    return lines


def _attested(door: Door, told: dict[str, Any]) -> list[str]:
    lines = [
        door.text(
            "fleet.attested",
            subject=told["subject"],
            status=_word(door, told["status"]),
            standing=_word(door, told["standing"] or "none"),
        )
    ]
    if told["reason"] and not told["reason"].startswith("attestation."):
        lines.append("  " + reason_of(door, told["reason"]))
    for one in told["findings"]:
        about = {name: str(value) or "–" for name, value in one["about"].items()}
        lines.append("  - " + door.text(f"appraisal.{one['code']}.message", **about))
    if not told["findings"] and not told["reason"] and told["status"] in ("none", "refused"):
        lines.append("  " + door.text("fleet.attested-why"))
    if told.get("ear"):
        lines.append("  " + door.text("fleet.ear-written", file=told["ear"]))
    elif "ear" in told:
        lines.append("  " + door.text("fleet.ear-absent"))
    return lines


def _word(door: Door, status: str) -> str:
    known = status in _OUTCOME
    return door.text(f"appraisal.status.{status}" if known else "fleet.attested-refused")


def seen_of(door: Door, told: dict[str, Any]) -> str:
    """When it was last heard, in words."""
    return clock_face(told["seen"]) if told["seen"] else door.text("fleet.never")


def reason_of(door: Door, reason: str) -> str:
    """The words of an alarm or refusal; its name where there are none."""
    words = door.text(f"fleet.reason.{reason}")
    return words if words != f"fleet.reason.{reason}" else reason
