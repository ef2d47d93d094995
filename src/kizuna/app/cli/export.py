# SPDX-License-Identifier: Apache-2.0
"""``kizuna export``: one file with everything needed to judge again offline."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]

_NAMED: Final = 10
"""How many withheld statements are named; --json names all."""


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
        reader: Annotated[
            str | None,
            typer.Option(
                "--for", metavar="READER", help="For this party: also what only it may read."
            ),
        ] = None,
        everything: Annotated[
            bool,
            typer.Option("--all", help="Everything, for the operator alone."),
        ] = False,
        through: Annotated[
            list[str] | None,
            typer.Option(
                "--through",
                metavar="MAPPING",
                help="Let this mapping travel along, with what it is read with.",
            ),
        ] = None,
    ) -> None:
        """Write a proof bundle: statements, proofs, and the complete list of every key used.

        It holds what anyone may read; what it keeps back is told. With --for it is for one party.

        In the folder of an organisation that joined a store elsewhere, it is fetched from there and
        checked.

        With --through it can be judged by what was shown under another catalog, where the verifier
        believes who said that the mapping holds.

        Example: kizuna export pkg:npm/left-pad@1.3.0 --profile software-product --out proof.kz
        """
        from kizuna.app.wiring.exporting import export_for, view_for
        from kizuna.app.wiring.member.saying import member_of
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.model.errors import Malformed
        from kizuna.model.identifier import canonical

        view = view_for(None if reader is None else canonical(reader), everything=everything)
        if (member := member_of(door.settings)) is not None:
            if reader is not None or everything:
                raise Malformed(
                    "export.elsewhere",
                    "whom a bundle is for is said where the store is",
                    why="the store at the other end gives what this organisation may read",
                    hint="leave --for and --all out, or ask the store's operator",
                )
            chosen = find_profile(profile, door.settings)
            written = member.export_bundle(canonical(subject), chosen, through=through or ())
        else:
            workspace = door.workspace(read_only=True)
            written = export_for(
                workspace,
                canonical(subject),
                workspace.profile(profile),
                view,
                through=through or (),
                progress=door.bars,
            )
        Door.write_file(out, written.data)
        if written.withheld:
            door.warn("export.withheld", count=len(written.withheld))
            for one in written.withheld[:_NAMED]:
                door.warn("export.withheld.one", **one)
            if len(written.withheld) > _NAMED:
                door.say("findings.more", count=len(written.withheld) - _NAMED)
        if written.restricted:
            door.warn("export.restricted", count=written.restricted)
        if out == "-":
            return
        door.answer(
            {
                "bundle": out,
                "statements": written.statements,
                "bytes": len(written.data),
                "subject": written.subject,
                "profile": written.profile,
                "through": through or [],
                "view": "" if member is not None else view.name,
                "restricted": written.restricted,
                "withheld": list(written.withheld),
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
        more = "".join(f" --through {name}" for name in through or ())
        door.say("export.next", file=out, profile=profile + more)
