# SPDX-License-Identifier: Apache-2.0
"""``kizuna export``: one file with everything needed to judge again offline."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "export")
    def export(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
        profile: Annotated[
            str, typer.Option("--profile", "-p", help="Profile by name, or a YAML or JSON file.")
        ],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The bundle to write.")],
    ) -> None:
        """Write a proof bundle: statements, proofs, and the complete list of every key used.

        In the folder of an organisation that joined a store elsewhere, it is fetched from there and
        checked.

        Example: kizuna export pkg:npm/left-pad@1.3.0 --profile software-product --out proof.kz
        """
        from kizuna.app.wiring.member import member_of
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.model.identifier import canonical

        if (member := member_of(door.settings)) is not None:
            chosen = find_profile(profile, door.settings)
            written = member.export_bundle(canonical(subject), chosen)
        else:
            workspace = door.workspace(read_only=True)
            written = workspace.export_bundle(
                canonical(subject), workspace.profile(profile), progress=door.bars
            )
        Door.write_file(out, written.data)
        if out == "-":
            return
        door.answer(
            {
                "bundle": out,
                "statements": written.statements,
                "bytes": len(written.data),
                "subject": written.subject,
                "profile": written.profile,
            },
            [
                door.text(
                    "export.written",
                    file=out,
                    statements=written.statements,
                    bytes=len(written.data),
                )
            ],
        )
        door.say("export.next", file=out, profile=profile)
