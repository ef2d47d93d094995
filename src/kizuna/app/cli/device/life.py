# SPDX-License-Identifier: Apache-2.0
"""``kizuna device``: a device's keys over its life: rotate, revoke, retire; and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.times import clock_face, instant

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.life import Enrolment, Lives

__all__ = ["KEY", "SCHEME", "SUBJECT", "hang", "lives_of", "said_of"]

SUBJECT = Annotated[str, typer.Argument(metavar="SUBJECT", help="The device.")]
KEY = Annotated[
    str | None, typer.Option("--key", metavar="FILE", help="The device's key: PEM or JWK.")
]
SCHEME = Annotated[
    str | None, typer.Option("--scheme", metavar="NAME", help="How it attests: tpm, psa, hmac ...")
]


def hang(app: typer.Typer) -> None:
    """Hang the topic's commands into the tree."""

    @command(app, "rotate")
    def rotate(
        door: Door,
        subject: SUBJECT,
        key: KEY = None,
        scheme: SCHEME = None,
        quote: Annotated[
            str | None,
            typer.Option(
                "--quote", metavar="FILE", help="A TPM's quote: binds its registers and signer."
            ),
        ] = None,
    ) -> None:
        """Let a new key of the device take over; after a loss this is the recovery."""
        done = lives_of(door).rotate(
            subject,
            said_of(
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
        subject: SUBJECT,
        why: Annotated[str, typer.Option("--why", help="lost, stolen or revoked.")] = "revoked",
        since: Annotated[
            str | None, typer.Option("--since", metavar="TIME", help="Stolen since when.")
        ] = None,
        reason: Annotated[str, typer.Option("--reason")] = "",
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """End the device's operational key; the device stays yours and can get a new one."""
        lives = lives_of(door)
        if not door.confirmed("device.confirm-revoke", yes=yes, subject=subject):
            return
        begins = None if since is None else instant(since)
        done = lives.revoke(subject, why, since=begins, reason=reason)
        door.answer(done, [door.text("device.revoked", **done)])

    @command(app, "retire")
    def retire(
        door: Door,
        subject: SUBJECT,
        reason: Annotated[str, typer.Option("--reason")] = "",
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """End a device's life: no key of it counts any more, and nobody can enrol it again."""
        lives = lives_of(door)
        if not door.confirmed("device.confirm-retire", yes=yes, subject=subject):
            return
        done = lives.retire(subject, reason)
        door.answer(done, [door.text("device.retired", **done)])

    @command(app, "history")
    def history(
        door: Door,
        subject: SUBJECT,
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
        told = lives_of(door, read_only=True).history(subject, at=moment, size=known)
        door.answer(told, lambda: _lines(door, told))


def lives_of(door: Door, *, read_only: bool = False) -> Lives:
    """The lives of devices in this store."""
    from kizuna.app.wiring.devices.life import Lives

    return Lives(door.workspace(read_only=read_only))


def said_of(door: Door, key: str | None, **members: Any) -> Enrolment:  # noqa: ANN401 - texts
    """What is said of a device's new key."""
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
