# SPDX-License-Identifier: Apache-2.0
"""``kizuna device``: a device's keys over its life: transfer, accept, rotate, revoke, retire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.times import clock_face, instant

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.life import Enrolment, Lives

__all__ = ["hang"]

_SUBJECT = Annotated[str, typer.Argument(metavar="SUBJECT", help="The device.")]
_KEY = Annotated[
    str | None, typer.Option("--key", metavar="FILE", help="The device's key: PEM or JWK.")
]
_SCHEME = Annotated[
    str | None, typer.Option("--scheme", metavar="NAME", help="How it attests: tpm, psa, hmac ...")
]


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""

    @command(app, "transfer")
    def transfer(
        door: Door,
        subject: _SUBJECT,
        to: Annotated[str, typer.Option("--to", metavar="ORGANISATION", help="The new owner.")],
        expires: Annotated[
            str | None, typer.Option("--expires", metavar="TIME", help="Until when to accept it.")
        ] = None,
        assertion: Annotated[
            str, typer.Option("--assertion", help="verified, logged or proximity.")
        ] = "verified",
        certificate: Annotated[
            str | None,
            typer.Option(
                "--certificate",
                metavar="FILE",
                help="The new owner's certificate, for a voucher document (RFC 8366).",
            ),
        ] = None,
        serial: Annotated[str | None, typer.Option("--serial", help="Serial number.")] = None,
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Where to write the voucher document."),
        ] = None,
    ) -> None:
        """Give a device to a new owner; your say over it ends when this is registered."""
        done, document = _lives(door).transfer(
            subject,
            to,
            expires=None if expires is None else instant(expires),
            assertion=assertion,
            certificate=None if certificate is None else door.read(certificate, limit=1 << 20),
            serial=serial,
        )
        if document is not None and out is not None:
            door.write_file(out, document)
        door.answer(done, [door.text("device.transferred", **done)])

    @command(app, "accept")
    def accept(
        door: Door,
        subject: _SUBJECT,
        key: _KEY = None,
        scheme: _SCHEME = None,
        gateway: Annotated[
            str | None, typer.Option("--gateway", help="The gateway that measures it.")
        ] = None,
        reference: Annotated[
            str | None, typer.Option("--reference", help="Class of its reference values.")
        ] = None,
    ) -> None:
        """Take a device that was given to you, under a key of its own."""
        said = _said(door, key, scheme=scheme, gateway=gateway, reference=reference)
        done = _lives(door).accept(subject, said)
        door.answer(done, [door.text("device.accepted", **done)])

    @command(app, "rotate")
    def rotate(
        door: Door,
        subject: _SUBJECT,
        key: _KEY = None,
        scheme: _SCHEME = None,
        quote: Annotated[
            str | None,
            typer.Option(
                "--quote", metavar="FILE", help="A TPM's quote: binds its registers and signer."
            ),
        ] = None,
    ) -> None:
        """Let a new key of the device take over; after a loss this is the recovery."""
        done = _lives(door).rotate(
            subject,
            _said(
                door,
                key,
                scheme=scheme,
                quote=None if quote is None else door.read(quote, limit=1 << 20),
            ),
        )
        door.answer(done, [door.text("device.rotated", **done)])

    @command(app, "revoke")
    def revoke(
        door: Door,
        subject: _SUBJECT,
        why: Annotated[str, typer.Option("--why", help="lost, stolen or revoked.")] = "revoked",
        since: Annotated[
            str | None, typer.Option("--since", metavar="TIME", help="Stolen since when.")
        ] = None,
        reason: Annotated[str, typer.Option("--reason")] = "",
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """End the device's operational key; the device stays yours and can get a new one."""
        lives = _lives(door)
        if not door.confirmed("device.confirm-revoke", yes=yes, subject=subject):
            return
        begins = None if since is None else instant(since)
        done = lives.revoke(subject, why, since=begins, reason=reason)
        door.answer(done, [door.text("device.revoked", **done)])

    @command(app, "retire")
    def retire(
        door: Door,
        subject: _SUBJECT,
        reason: Annotated[str, typer.Option("--reason")] = "",
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """End a device's life: no key of it counts any more, and nobody can enrol it again."""
        lives = _lives(door)
        if not door.confirmed("device.confirm-retire", yes=yes, subject=subject):
            return
        done = lives.retire(subject, reason)
        door.answer(done, [door.text("device.retired", **done)])

    @command(app, "history")
    def history(
        door: Door,
        subject: _SUBJECT,
        at: Annotated[
            str | None, typer.Option("--at", metavar="TIME", help="Whose it was, at this moment.")
        ] = None,
        known: Annotated[
            int | None,
            typer.Option("--known", metavar="SIZE", help="As known when the log had SIZE entries."),
        ] = None,
    ) -> None:
        """Whose a device was, and whose key was which, over its life or on one day."""
        moment = None if at is None else instant(at)
        told = _lives(door, read_only=True).history(subject, at=moment, size=known)
        door.answer(told, lambda: _lines(door, told))


def _lives(door: Door, *, read_only: bool = False) -> Lives:
    from kizuna.app.wiring.devices.life import Lives

    return Lives(door.workspace(read_only=read_only))


def _said(door: Door, key: str | None, **members: Any) -> Enrolment:  # noqa: ANN401 - texts
    from kizuna.app.wiring.devices.life import Enrolment

    return Enrolment(key=None if key is None else (key, door.read(key, limit=1 << 16)), **members)


def _lines(door: Door, told: dict[str, Any]) -> list[str]:
    lines = [
        door.text(
            "device.history-at",
            subject=told["subject"],
            at=clock_face(instant(told["at"])),
            owner=told["owner"] or "–",
            maker=told["maker"] or "–",
        )
    ]
    if told["retired"]:
        lines.append(door.text("device.history-retired"))
    if not told["certain"]:
        lines.append(door.text("device.history-uncertain"))
    lines += [
        door.text(
            "device.history-row",
            type=row["type"],
            key=row["key"][:16] or "–",
            holder=row["holder"],
            since=clock_face(instant(row["since"])),
            until=clock_face(instant(row["until"])) if row["until"] else "",
            ending=row["ending"] or "",
        ).rstrip()
        for row in told["life"]
    ]
    lines += [
        door.text("device.history-flag", code=flag["code"], by=flag["by"], index=flag["index"])
        for flag in told["flags"]
    ]
    return lines
