# SPDX-License-Identifier: Apache-2.0
"""``kizuna catalog``: what standards ask, by their own identifiers."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

import typer

from kizuna.app.cli import mapping
from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "import")
    def import_(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="`-` is stdin.")],
        name: Annotated[
            str | None, typer.Option("--name", help="Short name; default: made from its title.")
        ] = None,
        title: Annotated[str | None, typer.Option("--title", help="Words for people.")] = None,
        version: Annotated[
            str, typer.Option("--catalog-version", help="Version, where the file states none.")
        ] = "1",
    ) -> None:
        """Read a catalog (OSCAL JSON or XML, CSV) and register its identifiers and titles.

        The text of the controls stays in the file, which is kept beside by its hash.

        Example: kizuna catalog import NIST_CSF_v2.0_catalog.xml
        """
        from kizuna.app.wiring.criteria.catalogs import import_catalog

        data = Door.read(file)
        stem = None if file == "-" else PurePath(file).stem
        made = import_catalog(
            door.workspace(), data, name=name, title=title, version=version, stem=stem
        )
        door.answer(made, [door.text("catalog.imported", **made)])

    @command(app, "list")
    def list_(door: Door) -> None:
        """List the catalogs that can be named."""
        from kizuna.app.wiring.criteria.catalogs import catalogs_of

        rows = [
            {
                "name": c.id,
                "title": c.title,
                "version": c.version,
                "controls": len(c.controls),
                "active": c.active,
                "withdrawn": c.withdrawn,
                "origin": origin,
            }
            for c, origin in catalogs_of(door.settings)
        ]
        door.answer(
            {"catalogs": rows},
            [
                f"{r['name']}  {r['version']}  {r['active']}+{r['withdrawn']}  {r['title']}"
                for r in rows
            ],
        )

    @command(app, "show")
    def show(
        door: Door,
        catalog: Annotated[str, typer.Argument(metavar="CATALOG")],
        control: Annotated[str | None, typer.Argument(metavar="CONTROL")] = None,
    ) -> None:
        """Show a catalog's controls, or one control with the text from your own file."""
        from kizuna.app.wiring.criteria.catalogs import catalog_text, control_json, find_catalog

        found = find_catalog(catalog, door.settings)
        if control is not None:
            one = found.find(control)
            text = catalog_text(found, control, door.settings)
            told = control_json(one, door.lang) | {"catalog": found.id, "text": text}
            lines = [f"{one.short}  {one.named(door.lang)}"]
            if one.withdrawn:
                by = ", ".join(one.replaced_by) or "–"
                lines.append(door.text("catalog.withdrawn-to", by=by))
            door.answer(told, lines + (text or [door.text("catalog.no-text")]))
            return
        rows = [control_json(c, door.lang) for c in found.controls]
        door.answer(
            {
                "name": found.id,
                "title": found.title,
                "version": found.version,
                "note": found.note,
                "active": found.active,
                "withdrawn": found.withdrawn,
                "controls": rows,
            },
            lambda: (
                [f"{found.id}  {found.title}  {found.version}"]
                + ([found.note] if found.note else [])
                + [
                    f"{r['short']}  {r['title']}"
                    + (f"  ({door.text('state.withdrawn')})" if r["withdrawn"] else "")
                    for r in rows
                ]
            ),
        )

    mapping.hang(app)
