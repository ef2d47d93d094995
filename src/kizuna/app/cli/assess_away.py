# SPDX-License-Identifier: Apache-2.0
"""``kizuna assess code|sign``: answering in the form of the store that one joined, with one's own
key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.show import tell_beyond

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["hang", "plan_lines"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "code")
    def code(door: Door) -> None:
        """Print a code by which you sign in to the web form of the store that you joined.

        It is asked for with your own key, opens your answers for half a day, and signs nothing.

        Example: kizuna assess code
        """
        from kizuna.app.cli.times import clock_face
        from kizuna.app.wiring.member.saying import member_of
        from kizuna.model.errors import Malformed

        member = member_of(door.settings)
        if member is None:
            raise Malformed(
                "assess.no-member",
                "this folder is no member's of a store elsewhere",
                hint="`kizuna join` makes one; who runs a store signs in with the token that "
                "`kizuna serve` prints",
            )
        told = member.code()
        until = clock_face(told["until"])
        door.answer(told, [door.text("assess.code", url=told["url"], until=until), told["code"]])

    @command(app, "sign")
    def sign(
        door: Door,
        file: Annotated[
            str, typer.Argument(metavar="FILE", help="As downloaded from the form; `-`: stdin.")
        ],
        out: Annotated[
            str | None,
            typer.Option(
                "--out", metavar="FILE", help="Write what was signed, to bring it; send nothing."
            ),
        ] = None,
        preview: Annotated[
            bool, typer.Option("--preview", help="Show what would be signed; sign nothing.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Sign answers that were prepared in the form of the store that you joined, and send them.

        Every statement is shown first, word for word, with the digest that the form shows. Your key
        stays here; the store takes exactly what it showed, or nothing.

        Example: kizuna assess sign answers-5f2c91ab.json

        Example: kizuna assess sign answers-5f2c91ab.json --out answers-5f2c91ab.signed
        """
        from kizuna.app.wiring.assess.away import MOST, read_sheet
        from kizuna.app.wiring.assess.pen import own_pen
        from kizuna.app.wiring.member.saying import Member
        from kizuna.model.errors import Malformed, Refused

        sheet = read_sheet(Door.read(file, limit=MOST))
        shown = {
            "issuer": sheet.issuer,
            "subject": sheet.subject,
            "store": sheet.store,
            "seen": sheet.seen,
            "statements": [one.told() for one in sheet.sayings],
        }
        if preview:
            door.answer(shown, lambda: plan_lines(door, shown))
            return
        organisation = door.organisation(read_only=True)
        if out is None and not isinstance(organisation, Member):
            raise Malformed(
                "assess.sign-nowhere",
                "from here nothing can be sent to another store",
                hint="write what is signed to a file with --out, and bring it in the form",
            )
        if out is None and isinstance(organisation, Member) and sheet.store != organisation.origin:
            raise Refused(
                "assess.sheet-store",
                f"the sheet is for {sheet.store}",
                why=f"this folder joined {organisation.origin}",
                hint="sign it in the folder that joined that store, or with --out",
                store=sheet.store,
                origin=organisation.origin,
            )
        if sheet.issuer == organisation.identity and not door.as_json:
            for line in plan_lines(door, shown):
                door.print(line)
        count = len(sheet.sayings)
        if not door.confirmed("assess.confirm-sign", yes=yes, count=count, seen=sheet.seen[:8]):
            return
        signed = sheet.signed_by(own_pen(organisation))
        data = signed.to_json()
        if out is not None:
            Door.write_file(out, data)
            if out != "-":
                told = {"file": out, "seen": sheet.seen, "signed": count}
                door.answer(told, [door.text("assess.signed-file", file=out, count=count)])
            return
        assert isinstance(organisation, Member)  # noqa: S101 - looked at above
        made = organisation.hand_in(data)
        sent = door.text("assess.signed-sent", count=len(made["statements"]), url=organisation.url)
        door.answer(made, [sent])
        tell_beyond(door, made.get("beyond", []))


def plan_lines(door: Door, told: Mapping[str, Any]) -> Iterator[str]:
    """What would be signed, statement by statement."""
    yield door.text("assess.plan", issuer=told["issuer"])
    for number, one in enumerate(told["statements"], 1):
        yield f"#{number} " + door.text(f"page.answer.why.{one['why']}")
        shown = one.get("payload") or {k: v for k, v in one.items() if k != "why"}
        yield from json.dumps(shown, indent=2, ensure_ascii=False).splitlines()
    yield door.text("assess.seen", seen=told["seen"])
