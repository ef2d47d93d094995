# SPDX-License-Identifier: Apache-2.0
"""``kizuna profile import|export|resolve``: profiles in OSCAL, in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]

_CATALOGS = Annotated[
    list[str] | None,
    typer.Option(
        "--catalog",
        metavar="NAME_OR_FILE",
        help="What it imports; one alone stands for everything. Repeat it.",
    ),
]
_OUT = Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write the result there.")]
_LIMIT = 64 << 20


def _tell(door: Door, used: Mapping[str, str], lost: Sequence[str]) -> None:
    """What stood for each import, and what named nothing."""
    for reference, name in used.items():
        if name not in reference:
            door.say("profile.stands-for", name=name, reference=reference)
    for name in lost:
        door.say("profile.nothing-to-change", what=name)


def hang(app: typer.Typer) -> None:
    """Hang the commands into the noun."""

    @command(app, "resolve")
    def resolve(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="`-` is stdin.")],
        catalog: _CATALOGS = None,
        out: _OUT = None,
    ) -> None:
        """Resolve an OSCAL profile, or a tailoring in YAML, to the catalog that is left.

        Example: kizuna profile resolve LOW_profile.json --catalog sp-800-53r5-high --out low.json
        """
        from kizuna.app.wiring.criteria.oscal import as_file, resolve_oscal

        resolved, used = resolve_oscal(
            Door.read(file, limit=_LIMIT), door.settings, sources_of(catalog)
        )
        if out is not None:
            door.write_file(out, as_file({"catalog": resolved.catalog}))
            if out == "-":
                return
        door.answer(
            {
                "title": resolved.catalog["metadata"]["title"],
                "controls": len(resolved.ids),
                "ids": list(resolved.ids),
                "imports": used,
                "not_found": list(resolved.lost),
                "file": out,
            },
            [door.text("profile.resolved", controls=len(resolved.ids)), *resolved.ids],
        )
        _tell(door, used, resolved.lost)

    @command(app, "import")
    def import_(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="`-` is stdin.")],
        catalog: _CATALOGS = None,
        out: _OUT = None,
        like: Annotated[
            list[str] | None,
            typer.Option(
                "--like",
                metavar="PROFILE",
                help="Ask for a control as this profile does, where it does. Repeat it.",
            ),
        ] = None,
    ) -> None:
        """Turn an OSCAL profile, or a tailoring in YAML, into a profile to judge by.

        A profile of others becomes one requirement a control, with the labels of what an assessor
        determines where the catalog has them; with --like a control is asked as a profile at hand
        asks for it. Say who must show what, then publish.

        Example: kizuna profile import LOW_profile.json --catalog sp-800-53r5-high --out low.yaml
        """
        from kizuna.app.wiring.criteria.oscal import import_oscal, to_yaml

        made, used, lost = import_oscal(
            Door.read(file, limit=_LIMIT), door.settings, sources_of(catalog), like or ()
        )
        text = to_yaml(made)
        if out is not None:
            door.write_file(out, text)
            if out == "-":
                return
        told = {
            "name": made.name,
            "version": made.version,
            "digest": made.digest,
            "requirements": len(made.requirements),
            "imports": used,
            "not_found": list(lost),
            "file": out,
        }
        door.answer(
            told if out is not None else told | {"document": made.document()},
            text.decode().splitlines() if out is None else [door.text("profile.good", **told)],
        )
        _tell(door, used, lost)

    @command(app, "export")
    def export(
        door: Door,
        name: Annotated[str, typer.Argument(metavar="NAME_OR_FILE")],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="`-` is stdout.")],
    ) -> None:
        """Write a profile as OSCAL (JSON); reading it again gives the same profile.

        Example: kizuna profile export building-services --out building-services.json
        """
        from kizuna.app.wiring.criteria.oscal import export_oscal
        from kizuna.app.wiring.profiles import find_profile

        found = find_profile(name, door.settings)
        data = export_oscal(found, door.settings)
        door.write_file(out, data)
        if out != "-":
            door.answer(
                {"name": found.name, "file": out, "bytes": len(data)},
                [door.text("file.written", file=out)],
            )


def sources_of(names: list[str] | None) -> list[tuple[str, bytes | None]]:
    """Catalogs by name, or files with their bytes."""
    return [
        (name, Door.read(name, limit=_LIMIT) if Path(name).is_file() else None)
        for name in names or ()
    ]
