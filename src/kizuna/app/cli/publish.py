# SPDX-License-Identifier: Apache-2.0
"""``kizuna publish``: import, sign and register in the store that was joined."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.import_ import KEYS, read_files, tell_remarks, tell_signatures
from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from kizuna.app.wiring.member.outbox import Sent

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "publish")
    def publish(
        door: Door,
        files: Annotated[
            list[str] | None, typer.Argument(metavar="FILE...", help="`-` is stdin.")
        ] = None,
        waiting: Annotated[
            bool, typer.Option("--waiting", help="Send what waits in the outbox; files may follow.")
        ] = False,
        key: KEYS = None,
    ) -> None:
        """Read documents, sign what they say with this organisation's key, register it there.

        What waits in the outbox (notices of refused key uses) goes first.

        Example: kizuna publish parts.csv
        """
        from kizuna.app.wiring.inner_keys import handed_in
        from kizuna.app.wiring.judging.answers import import_json, problem_json
        from kizuna.app.wiring.member.saying import publisher
        from kizuna.app.wiring.messages import render_problem

        sent = _waiting(door)
        if waiting and not files:
            door.answer(
                {"registered": sent.registered, "waiting": sent.waiting, "refused": sent.refused},
                [door.text("publish.waiting", registered=sent.registered, waiting=sent.waiting)],
            )
            if sent.problem is not None:
                raise sent.problem
            return
        if not files:
            raise Malformed(
                "publish.nothing",
                "no file to publish was named",
                hint="name files, or send what waits with --waiting",
            )
        with publisher(door.settings) as organisation:
            keys = handed_in(read_files(key or []))
            outcome = organisation.publish(read_files(files), keys=keys, progress=door.bars)
        told = {
            "registered": list(outcome.statements),
            "receipts": [base64.b64encode(r).decode() for r in outcome.receipts],
            "root": outcome.root,
            "subjects": list(outcome.subjects),
            "not_understood": list(outcome.not_understood),
            "remarks": import_json(outcome, door.lang)["remarks"],
            "duplicates": outcome.duplicates,
            "unchanged": outcome.unchanged,
            "kept": outcome.kept,
            "unproven": outcome.unproven and problem_json(outcome.unproven, door.lang),
            "signatures": import_json(outcome, door.lang)["signatures"],
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
        tell_signatures(door, outcome)
        for problem in outcome.refused:
            door.say("import.refused", code=problem.code, what=problem.what)
        if outcome.kept:
            door.say("publish.receipts", count=outcome.kept, folder=door.settings.store)
        if outcome.unproven is not None:
            what, hint = render_problem(outcome.unproven, door.lang)
            door.warn("publish.unproven", what=what, hint=hint)
            raise Failure(outcome.unproven.outcome)
        if outcome.refused:
            raise Failure(outcome.refused[0].outcome)
        if outcome.root:
            door.say("import.next", root=outcome.root)


def _waiting(door: Door) -> Sent:
    """Send what waits in the outbox of this folder."""
    from kizuna.app.wiring.member.outbox import Outbox, Sent
    from kizuna.app.wiring.served.gate import speaking_for

    box = Outbox(door.settings.store)
    if not box.waiting():
        return Sent()
    with speaking_for(door.settings) as speaker:
        return box.send(speaker.register_one)
