# SPDX-License-Identifier: Apache-2.0
"""``kizuna publish``: import, sign and register in the store that was joined."""

from __future__ import annotations

import base64
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.import_ import read_files, tell_remarks

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "publish")
    def publish(
        door: Door,
        files: Annotated[list[str], typer.Argument(metavar="FILE...", help="`-` is stdin.")],
    ) -> None:
        """Read documents, sign what they say with this organisation's key, register it there.

        Example: kizuna publish parts.csv
        """
        from kizuna.app.wiring.answers import import_json
        from kizuna.app.wiring.member import publisher

        with publisher(door.settings) as organisation:
            outcome = organisation.publish(read_files(files), progress=door.bars)
        told = {
            "registered": list(outcome.statements),
            "receipts": [base64.b64encode(r).decode() for r in outcome.receipts],
            "root": outcome.root,
            "subjects": list(outcome.subjects),
            "not_understood": list(outcome.not_understood),
            "remarks": import_json(outcome, door.lang)["remarks"],
            "duplicates": outcome.duplicates,
            "beyond": list(outcome.beyond),
        }
        door.answer(
            told,
            [
                door.text(
                    "publish.done",
                    registered=outcome.registered,
                    unchanged=outcome.unchanged + outcome.duplicates,
                    renewed=outcome.renewed,
                    root=outcome.root or "–",
                )
            ],
        )
        tell_remarks(door, outcome)
        for problem in outcome.refused:
            door.say("import.refused", code=problem.code, what=problem.what)
        if outcome.refused:
            raise Failure(outcome.refused[0].outcome)
