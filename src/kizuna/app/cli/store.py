# SPDX-License-Identifier: Apache-2.0
"""``kizuna store``: state, repair, backup, erasure, hosted organisations."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.times import clock_face

__all__ = ["hang"]

_YES = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""
    _upkeep(app)
    _copies(app)
    _hosting(app)


def _upkeep(app: typer.Typer) -> None:
    @command(app, "status")
    def status(door: Door) -> None:
        """Show what the store holds and whether it writes."""
        from kizuna.app.wiring.upkeep import status as told

        found = told(door.workspace(read_only=True))
        door.answer(
            found,
            [
                door.text(f"store.status.{name}", value=found[name])
                for name in ("organization", "name", "origin", "size", "root")
            ]
            + [
                door.text("store.status.published_at", value=clock_face(found["published_at"])),
                door.text("store.status.policy", value=found["policy"]),
                door.text("store.status.database", value=found["database"]),
                door.text("store.status.members", value=found["members"]),
                door.text("store.status.writes", value=found["refusal"] or "✓"),
            ]
            + [f"  {o['id']}  {o['name']}" for o in found["hosted"]],
        )

    @command(app, "rebuild")
    def rebuild(door: Door) -> None:
        """Make every derived table and the map again from log and statement files."""
        from kizuna.app.wiring.upkeep import rebuild as rebuilt

        found = rebuilt(door.workspace(), progress=door.bars)
        door.answer(found, [door.text("store.rebuilt", **found)])

    @command(app, "migrate")
    def migrate(door: Door) -> None:
        """Bring the tables to the form that this version needs."""
        from kizuna.app.wiring.upkeep import migrate as migrated

        found = migrated(door.workspace())
        door.answer(found, [door.text("store.migrated", **found)])

    @command(app, "erase")
    def erase(
        door: Door,
        digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Of the statement.")],
        reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the log.")],
        yes: _YES = False,
    ) -> None:
        """Remove the document of a statement for good; signature and receipt still check."""
        from kizuna.app.wiring.upkeep import erase as erased

        workspace = door.workspace()
        if not door.confirmed("store.confirm-erase", yes=yes, digest=digest):
            return
        found = erased(workspace, digest, reason=reason)
        door.answer(found, [door.text("store.erased", **found)])

    @command(app, "log-key-compromised")
    def log_key_compromised(
        door: Door,
        size: Annotated[
            int | None,
            typer.Option(
                "--size", min=0, help="Last size known to be the log's own; default: now."
            ),
        ] = None,
        yes: _YES = False,
    ) -> None:
        """Close the log's key at a size and sign with a new one: somebody else may have it."""
        from kizuna.app.wiring.upkeep import log_key_compromised as closed

        workspace = door.workspace()
        if not door.confirmed("store.confirm-log-key", yes=yes):
            return
        found = closed(workspace, size=size)
        door.answer(found, [door.text("store.log-key", **found)])


def _copies(app: typer.Typer) -> None:
    @command(app, "backup")
    def backup(
        door: Door,
        folder: Annotated[str, typer.Argument(metavar="FOLDER", help="It must not exist yet.")],
    ) -> None:
        """Copy the store as it is at one checkpoint, while it serves; the secret is left out.

        Example: kizuna store backup /backups/2026-11-22
        """
        from kizuna.app.wiring.upkeep import backup as copied

        found = copied(door.workspace(), folder)
        door.answer(found, [door.text("store.backed-up", **found)])

    @command(app, "restore")
    def restore(
        door: Door,
        folder: Annotated[str, typer.Argument(metavar="FOLDER", help="What `backup` made.")],
        secret: Annotated[
            str | None,
            typer.Option("--secret", metavar="FILE", help="The secret file, kept elsewhere."),
        ] = None,
    ) -> None:
        """Make the store again in an empty folder; it reads at once and writes after `resume`.

        Example: kizuna store restore /backups/2026-11-22 --store ./again --secret ./secret
        """
        from kizuna.app.wiring.upkeep import restore as brought_back

        found = brought_back(
            folder,
            door.settings,
            secret=None if secret is None else Door.read(secret, limit=4096),
        )
        door.answer(found, [door.text("store.brought-back", **found)])
        door.say("store.brought-back.next")

    @command(app, "resume")
    def resume(
        door: Door,
        checkpoint: Annotated[
            str | None,
            typer.Option("--checkpoint", metavar="FILE", help="The newest one that anyone has."),
        ] = None,
        lost: Annotated[
            bool,
            typer.Option(
                "--lost", help="What came after the backup is gone: close the log's key here."
            ),
        ] = False,
        yes: _YES = False,
    ) -> None:
        """Let a restored store write again, once it is sure that its log does not fork."""
        from kizuna.app.wiring.upkeep import resume as resumed

        workspace = door.workspace()
        if lost and not door.confirmed("store.confirm-log-key", yes=yes):
            return
        newest = None if checkpoint is None else Door.read(checkpoint, limit=1 << 20)
        found = resumed(workspace, newest, lost=lost)
        door.answer(found, [door.text("store.resumed", size=found["size"])])

    @command(app, "complete")
    def complete(
        door: Door,
        where: Annotated[
            str,
            typer.Option(
                "--from", metavar="FOLDER_OR_URL", help="A newer backup, a store, or a server."
            ),
        ],
    ) -> None:
        """Bring what was published after the backup back from a copy, and let the store write.

        Everything is held against a checkpoint that this log's own key has signed.

        Example: kizuna store complete --from https://trust.example.jp
        """
        from kizuna.app.wiring.upkeep import complete as completed

        found = completed(door.workspace(), where, progress=door.bars)
        lines = [door.text("store.completed", **found)]
        if found["documents"] or found["erased"] or found["missing"]:
            lines.append(door.text("store.completed.documents", **found))
        door.answer(found, lines)


def _hosting(app: typer.Typer) -> None:
    @command(app, "invite")
    def invite(
        door: Door,
        name: Annotated[str, typer.Option("--name", help="For whom it is meant.")],
        role: Annotated[
            list[str] | None,
            typer.Option("--role", help="What it may say once it joined, as `list add`."),
        ] = None,
        scope: Annotated[
            list[str] | None, typer.Option("--scope", metavar="PREFIX", help="About whose names.")
        ] = None,
        days: Annotated[int, typer.Option("--days", min=1, max=365)] = 14,
        uses: Annotated[int, typer.Option("--uses", min=1, max=10_000)] = 1,
    ) -> None:
        """Make an invitation; the code is shown once and kept nowhere.

        Example: kizuna store invite --name "Sato Bearings" --role maker --scope pkg:generic/sato
        """
        from kizuna.app.wiring.upkeep import invite as invited

        found = invited(
            door.workspace(),
            note=name,
            roles=role or (),
            scope=scope or (),
            days=days,
            uses=uses,
        )
        door.answer(
            found,
            [
                found["invite"],
                door.text("store.invited", name=name, until=clock_face(found["expires_at"])),
                "  " + door.text("store.invited-how", name=name, code=found["invite"]),
            ],
        )

    @command(app, "invites")
    def invites(door: Door) -> None:
        """List invitations; their codes are kept nowhere."""
        from kizuna.app.wiring.upkeep import invites as listed

        rows = listed(door.workspace(read_only=True))
        door.answer(
            {"invites": rows},
            [
                f"{r['reference']}  {r['uses_left']}  {clock_face(r['expires_at'])}  {r['name']}"
                for r in rows
            ],
        )

    @command(app, "withdraw-invite")
    def withdraw_invite(
        door: Door,
        reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="As `invites` prints.")],
    ) -> None:
        """End an invitation that was not used yet."""
        from kizuna.app.wiring.upkeep import withdraw_invite as withdrawn

        found = withdrawn(door.workspace(), reference)
        door.answer(found, [door.text("store.invite-withdrawn", reference=reference)])
