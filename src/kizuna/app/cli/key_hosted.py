# SPDX-License-Identifier: Apache-2.0
"""``kizuna key hosted``: keys that an association keeps for members who cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.show import tell_beyond

if TYPE_CHECKING:
    from kizuna.app.wiring.served.hosted import Hosted

__all__ = ["hang"]

_NAME = Annotated[str, typer.Argument(metavar="NAME", help="Short name of the member.")]


def hang(app: typer.Typer) -> None:
    """Hang the branch into the noun ``key``."""
    hosted = typer.Typer(help="Keys kept for members who cannot keep one.", no_args_is_help=True)
    app.add_typer(hosted, name="hosted")

    @command(hosted, "add")
    def add(
        door: Door,
        name: _NAME,
        paper: Annotated[
            str,
            typer.Option(
                "--paper",
                metavar="FILE",
                help="The member's signed consent; its digest is registered.",
            ),
        ],
        title: Annotated[
            str | None, typer.Option("--title", help="The member's full name.")
        ] = None,
        scope: Annotated[
            list[str] | None,
            typer.Option("--scope", help="Names that it makes things under. Repeat it."),
        ] = None,
    ) -> None:
        """Take a member on: make a key for it here and enter it in the list."""
        done = _hosted(door).add(name, door.read(paper), title=title, scope=tuple(scope or ()))
        door.answer(done, [door.text("hosted.added", **done)])

    @command(hosted, "list")
    def list_(door: Door) -> None:
        """List the members whose keys are kept here."""
        rows = _hosted(door, read_only=True).members()
        door.answer({"members": rows}, [door.text("hosted.row", **row) for row in rows])

    @command(hosted, "sign")
    def sign(
        door: Door,
        name: _NAME,
        kind: Annotated[str, typer.Option("--kind", help="Kind of statement.")],
        subject: Annotated[str, typer.Option("--subject", help="What it is about.")],
        payload: Annotated[str, typer.Option("--payload", metavar="FILE")],
    ) -> None:
        """Sign in a member's name and register it."""
        from kizuna.model.errors import Malformed
        from kizuna.model.kind import Kind
        from kizuna.model.payload import decode_payload

        known = [k.value for k in Kind]
        if kind not in known:
            raise Malformed(
                "hosted.kind",
                f"no kind of statement is called {kind[:40]!r}",
                hint="one of " + ", ".join(known),
                kind=kind[:40],
                known=", ".join(known),
            )
        content = decode_payload(Kind(kind), door.read(payload, limit=1 << 20))
        done = _hosted(door).sign(name, Kind(kind), subject, content)
        tell_beyond(door, done["beyond"])
        door.answer(done, [door.text("hosted.signed", **done)])

    @command(hosted, "code")
    def code(
        door: Door,
        name: _NAME,
        end: Annotated[bool, typer.Option("--end", help="End it; make no new one.")] = False,
    ) -> None:
        """Make the code by which a member signs in to the console, and signs; shown once.

        Example: kizuna key hosted code fuji-pumps
        """
        from kizuna.app.wiring.served.codes import Codes

        codes = Codes(door.workspace())
        done = codes.end(name) if end else codes.make(name)
        door.answer(done, [door.text("hosted.code-ended" if end else "hosted.code", **done)])

    @command(hosted, "who")
    def who(
        door: Door, digest: Annotated[str, typer.Argument(metavar="DIGEST", help="A statement.")]
    ) -> None:
        """Say who signed a statement: its issuer, or an association for it."""
        told = _hosted(door, read_only=True).who(digest)
        words = "hosted.by-association" if told["hosted"] else "hosted.by-itself"
        door.answer(told, [door.text(words, by=told["by"], whose=told["for"])])


def _hosted(door: Door, *, read_only: bool = False) -> Hosted:
    from kizuna.app.wiring.served.hosted import Hosted

    return Hosted(door.workspace(read_only=read_only))
