# SPDX-License-Identifier: Apache-2.0
"""``kizuna profile``: what must hold, readable, checked, published."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kizuna.app.cli import profile_oscal, profile_versions
from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "list")
    def list_(door: Door) -> None:
        """List the profiles that can be named."""
        from kizuna.app.wiring.profiles import available

        rows = available(door.settings)
        door.answer(
            {"profiles": rows},
            [f"{r['name']}  {r['version']}  {r['title'].get(door.lang, '')}" for r in rows],
        )

    @command(app, "show")
    def show(
        door: Door,
        name: Annotated[str, typer.Argument(metavar="NAME_OR_FILE")],
    ) -> None:
        """Print a profile: its requirements, relations, and how each part counts."""
        from kizuna.app.wiring.profiles import find_profile, source_of

        found = find_profile(name, door.settings)
        door.answer(
            {"digest": found.digest, "document": found.document()},
            lambda: source_of(name, found).splitlines(),
        )

    @command(app, "check")
    def check(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="`-` is stdin.")],
    ) -> None:
        """Check a profile file; a fault is told with its line."""
        from kizuna.app.wiring.profiles import read_text

        found = read_text(Door.read(file, limit=4 << 20), file, door.settings)
        door.answer(
            {
                "name": found.name,
                "version": found.version,
                "digest": found.digest,
                "requirements": len(found.requirements),
            },
            [
                door.text(
                    "profile.good",
                    name=found.name,
                    version=found.version,
                    requirements=len(found.requirements),
                    digest=found.digest,
                )
            ],
        )

    @command(app, "publish")
    def publish(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="NAME_OR_FILE")],
    ) -> None:
        """Register a profile as a signed statement, so that others can judge by it."""
        workspace = door.workspace()
        made = workspace.publish_profile(workspace.profile(file))
        door.answer(
            made, [door.text("profile.published", **made), json.dumps(made["statement"])[1:-1]]
        )

    profile_oscal.hang(app)
    profile_versions.hang(app)
