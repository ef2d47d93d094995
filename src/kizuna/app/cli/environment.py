# SPDX-License-Identifier: Apache-2.0
"""``kizuna env``: every variable that is read, and what it says now."""

from __future__ import annotations

import os

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "env")
    def env(door: Door) -> None:
        """List every environment variable that is read (a passphrase is not shown)."""
        from kizuna.app.wiring.settings import VARIABLES

        told = {
            name: {
                "meaning": meaning,
                "value": "***"
                if name == "KIZUNA_PASSPHRASE" and os.environ.get(name)
                else os.environ.get(name),
            }
            for name, meaning in VARIABLES.items()
        }
        door.answer(
            {"variables": told},
            [
                line
                for name, v in told.items()
                for line in (f"{name}={v['value'] or ''}", f"    {v['meaning']}")
            ],
        )
