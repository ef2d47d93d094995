# SPDX-License-Identifier: Apache-2.0
"""``kizuna log``: the evidence log: checkpoints, proofs, mirrors, witnesses, checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import entry_line
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.model.trust import Anchors

__all__ = ["hang"]

_TRUST = Annotated[
    str | None,
    typer.Option("--trust", metavar="FILE", help="Whom to believe; default: the store's own."),
]


def _anchors(door: Door, trust: str | None) -> Anchors:
    from kizuna.model.trust import Anchors

    if trust is None:
        from kizuna.app.wiring.member.saying import member_of

        member = member_of(door.settings)
        return member.believed() if member else door.workspace(read_only=True).anchors()
    return Anchors.from_json(Door.read(trust, limit=4 << 20))


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "checkpoint")
    def checkpoint(door: Door) -> None:
        """Print the signed checkpoint: how large the log is, and its root.

        Example: kizuna log checkpoint > now.checkpoint
        """
        from kizuna.app.wiring.logs import checkpoint as told

        found = told(door.workspace(read_only=True))
        door.answer(found, found["checkpoint"].rstrip("\n").split("\n"))

    @command(app, "prove")
    def prove(
        door: Door,
        which: Annotated[str, typer.Argument(metavar="INDEX_OR_DIGEST")],
        out: Annotated[
            str | None, typer.Option("--out", metavar="FILE", help="Write the proof there.")
        ] = None,
    ) -> None:
        """Prove that an entry is in the log (C2SP tlog-proof, and a COSE receipt with --json).

        Example: kizuna log prove 7 --out 7.tlog-proof
        """
        from kizuna.app.wiring.logs import prove as proven

        found = proven(door.workspace(read_only=True), which)
        if out is not None:
            Door.write_file(out, found["proof"].encode())
        door.answer(found, found["proof"].rstrip("\n").split("\n"))

    @command(app, "check")
    def check(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="`-` is stdin.")],
        entry: Annotated[
            str | None, typer.Option("--entry", metavar="DIGEST", help="What a proof is to show.")
        ] = None,
        trust: _TRUST = None,
    ) -> None:
        """Check a checkpoint, a proof, or a statement with its receipt, with your own anchors."""
        from kizuna.app.wiring.proofs import check as checked

        found = checked(Door.read(file, limit=4 << 20), _anchors(door, trust), entry=entry)
        door.answer(found, [door.text(f"log.check.{found['what']}", **found)])
        if found.get("quorum", 0) < found.get("quorum_asked", 0):
            door.warn("log.quorum", have=found["quorum"], need=found["quorum_asked"])
            raise Failure(Outcome.EVIDENCE_MISSING)

    @command(app, "fsck")
    def fsck(door: Door) -> None:
        """Compute the whole log and map again from their entries; every fault is listed."""
        from kizuna.app.wiring.logs import fsck as checked

        found = checked(door.workspace(read_only=True), progress=door.bars)
        door.answer(
            found,
            [door.text("log.fsck", **{**found, "problems": len(found["problems"])})]
            + [f"  {p['code']}  {p['where']}: {p['what']}" for p in found["problems"]],
        )
        if found["problems"]:
            raise Failure(Outcome.TAMPERED)
        if found["awaits"]:
            door.say("log.fsck.awaits")

    @command(app, "audit-map")
    def audit_map(
        door: Door,
        auditor: Annotated[
            str | None,
            typer.Option(
                "--auditor", metavar="FOLDER", help="Cosign it; the auditor's own folder."
            ),
        ] = None,
        name: Annotated[
            str | None, typer.Option("--name", help="Name of a new auditor, e.g. its domain.")
        ] = None,
        out: Annotated[
            str | None, typer.Option("--out", metavar="FILE", help="Write the cosignature there.")
        ] = None,
        trust: _TRUST = None,
    ) -> None:
        """Replay every statement against every logged map head: no list was ever shortened.

        Whoever audits somebody else does it over a copy of the store (a backup, restored), by a
        trust file of their own, and cosigns the checkpoint under a name and key of their own.

        Example: kizuna log audit-map

        Example: kizuna log audit-map --store ./copy --trust trust.json --auditor ./auditor
        --name auditor.example --out cosignature
        """
        from kizuna.app.wiring.logs import audit
        from kizuna.app.wiring.observers import audit_for

        workspace = door.workspace(read_only=True)
        if auditor is None:
            found = audit(workspace, progress=door.bars)
        else:
            anchors = _anchors(door, trust)
            found = audit_for(
                workspace, auditor, anchors, door.settings, name=name, progress=door.bars
            )
        lines = [door.text("log.audit", **{**found, "problems": len(found["problems"])})]
        lines += [f"  {p['code']}  {p['where']}: {p['what']}" for p in found["problems"]]
        if "cosignature" in found:
            if out is not None:
                Door.write_file(out, found["cosignature"].encode())
            lines += found["cosignature"].rstrip("\n").split("\n")
            lines.append(door.text("log.auditor", **found))
        door.answer(found, lines)
        if not found["holds"]:
            raise Failure(Outcome.TAMPERED)

    @command(app, "mirror")
    def mirror(
        door: Door,
        where: Annotated[str, typer.Argument(metavar="LOG", help="Address or folder of a log.")],
        into: Annotated[str, typer.Argument(metavar="FOLDER", help="Where the mirror lies.")],
        trust: _TRUST = None,
    ) -> None:
        """Copy a log and check every hash on the way; repeat it to bring the copy up to date."""
        from kizuna.app.wiring.logs import make_mirror

        found = make_mirror(where, into, _anchors(door, trust), progress=door.bars)
        door.answer(found, [door.text("log.mirrored", **found)])

    @command(app, "witness")
    def witness(
        door: Door,
        folder: Annotated[
            str, typer.Argument(metavar="FOLDER", help="The witness's own folder and memory.")
        ],
        where: Annotated[str, typer.Argument(metavar="LOG", help="Address or folder of a log.")],
        name: Annotated[
            str | None, typer.Option("--name", help="Name of a new witness, e.g. its domain.")
        ] = None,
        out: Annotated[
            str | None, typer.Option("--out", metavar="FILE", help="Write the cosignature there.")
        ] = None,
        trust: _TRUST = None,
    ) -> None:
        """See that a log only grew since last time, and cosign its checkpoint.

        Example: kizuna log witness ./witness https://trust.example --name witness.example
        --trust trust.json --out cosignature
        """
        from kizuna.app.wiring.observers import witness as observed

        found = observed(folder, where, _anchors(door, trust), door.settings, name=name)
        if out is not None:
            Door.write_file(out, found["cosignature"].encode())
        door.answer(
            found,
            [*found["cosignature"].rstrip("\n").split("\n"), door.text("log.witness", **found)],
        )

    @command(app, "cosign")
    def cosign(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="What the witness wrote.")],
    ) -> None:
        """Keep a witness's cosignature beside this store's checkpoint."""
        from kizuna.app.wiring.logs import add_cosignature

        found = add_cosignature(door.workspace(), Door.read(file, limit=1 << 20))
        door.answer(found, [door.text("log.cosigned", **found)])

    @command(app, "list")
    def list_(
        door: Door,
        limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 20,
        before: Annotated[int | None, typer.Option("--before", metavar="INDEX")] = None,
    ) -> None:
        """List entries of the log, the newest first."""
        from kizuna.app.wiring.showing import latest_entries

        rows, following = latest_entries(door.workspace(read_only=True), before, limit, None)
        door.answer(
            {"entries": rows, "next": following},
            [entry_line(row) for row in rows],
        )

    @command(app, "rotate-key")
    def rotate_key(
        door: Door,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Sign the log with a new key from now on; verifiers need the anchor that is printed."""
        from kizuna.app.wiring.upkeep import rotate_log_key as rotated

        workspace = door.workspace()
        if not door.confirmed("store.confirm-log-key", yes=yes):
            return
        found = rotated(workspace)
        door.answer(found, [door.text("store.log-key", **found)])
