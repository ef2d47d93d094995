# SPDX-License-Identifier: Apache-2.0
"""``kizuna list publish|certificate|status``: lists and status as others read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.times import instant
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.app.wiring.lists.publishing import Publishing

__all__ = ["hang"]

_LIST = Annotated[
    str | None, typer.Option("--list", metavar="NAME", help="Which list; default: the store's own.")
]
_TERRITORY = Annotated[
    str, typer.Option("--territory", metavar="CC", help="Country of the scheme, or EU.")
]


def _publishing(door: Door) -> Publishing:
    from kizuna.app.wiring.lists.publishing import Publishing

    workspace = door.workspace()
    return Publishing(workspace, workspace.lists)


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "publish")
    def publish(
        door: Door,
        out: Annotated[
            str | None, typer.Option("--out", metavar="FILE", help="Write the issue here as well.")
        ] = None,
        form: Annotated[str, typer.Option("--format", help="etsi-602.")] = "etsi-602",
        days: Annotated[int, typer.Option("--days", help="Until the next issue is due.")] = 7,
        until: Annotated[
            str | None,
            typer.Option(
                "--until", metavar="TIME", help="When the next issue is due, instead of --days."
            ),
        ] = None,
        territory: _TERRITORY = "",
        address: Annotated[
            str, typer.Option("--address", metavar="URL", help="Where it will be served.")
        ] = "",
        again: Annotated[
            bool, typer.Option("--again", help="A new issue though nothing changed.")
        ] = False,
        list_name: _LIST = None,
    ) -> None:
        """Publish a list as ETSI TS 119 602: a new issue, registered, then served and written.

        Readers need the operator's key, or its certificate (`kizuna list certificate`).

        Example: kizuna list publish --territory JP --out makers.jose

        Example: kizuna list publish --until 2027-04-01T00:00:00+09:00
        """
        from kizuna.model.errors import Malformed

        if form != "etsi-602":
            raise Malformed(
                "list.format",
                f"lists are not published as {form[:40]!r}",
                hint="etsi-602; a federation's documents come from `kizuna federation`",
                format=form[:40],
            )
        data, told = _publishing(door).publish(
            list_name,
            days=days,
            until=None if until is None else instant(until),
            territory=territory,
            address=address,
            again=again,
        )
        if out is not None:
            Door.write_file(out, data)
        if out == "-":
            return
        told |= {"file": out} if out else {}
        lines = [door.text("list.published", **told)]
        lines += [door.text("file.written", file=out)] if out else []
        door.answer(told, lines)

    @command(app, "certificate")
    def certificate(
        door: Door,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file to write.")] = "-",
        territory: _TERRITORY = "",
    ) -> None:
        """Write the certificate that this organisation's lists carry; hand it to their readers."""
        Door.write_file(out, _publishing(door).certificate_pem(territory))
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])

    branch = typer.Typer(help="Status lists.", no_args_is_help=True, rich_markup_mode=None)
    _hang_status(branch)
    app.add_typer(branch, name="status")


def _hang_status(app: typer.Typer) -> None:
    @command(app, "publish")
    def publish(
        door: Door,
        address: Annotated[
            str, typer.Option("--address", metavar="URL", help="Where it is served; remembered.")
        ] = "",
        bits: Annotated[int, typer.Option("--bits", help="2 knows suspensions, 1 is smaller.")] = 2,
        hours: Annotated[int, typer.Option("--hours", help="Until it says nothing more.")] = 24,
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Write it here too: .cwt or .jwt."),
        ] = None,
        again: Annotated[
            bool, typer.Option("--again", help="A new issue though nothing changed.")
        ] = False,
    ) -> None:
        """Publish what became of every statement (Token Status List; index = place in the log)."""
        from kizuna.app.wiring.lists.status import StatusLists

        lists = StatusLists(door.workspace())
        told = lists.publish(address=address, bits=bits, hours=hours, again=again)
        if out is not None:
            _, jwt, cwt = lists.served()
            Door.write_file(out, cwt if out.endswith(".cwt") else jwt)
        if out != "-":
            door.answer(told, [door.text("list.status-published", **told)])

    @command(app, "check")
    def check(
        door: Door,
        source: Annotated[str, typer.Argument(metavar="FILE|URL", help="The status list.")],
        reference: Annotated[
            str, typer.Argument(metavar="REF", help="An index, or a file with a token.")
        ],
        key: Annotated[
            str, typer.Option("--key", metavar="FILE", help="Its publisher's key (JWK or PEM).")
        ],
    ) -> None:
        """Look up one status: valid, invalid, suspended; undetermined where it is out of date."""
        from kizuna.app.wiring.lists.reading import load_list, signers
        from kizuna.app.wiring.lists.status import check_status, reference_of

        ((public,), _) = signers([Door.read(key, limit=1 << 16)], [])
        digits = reference.isascii() and reference.isdigit() and len(reference) < 12
        asked: Any = int(reference) if digits else reference_of(Door.read(reference, limit=1 << 20))
        told = check_status(load_list(source), public, asked, door.settings.clock())
        door.answer(
            told,
            [
                door.text(
                    "list.status",
                    index=told["index"],
                    status=door.text(f"list.status.{told['status']}")
                    if told["status"] in ("valid", "invalid", "suspended", "undetermined")
                    else told["status"],
                    issued=told["issued"],
                )
            ],
        )
        if told["status"] == "undetermined":
            raise Failure(Outcome.STALE)
        if told["status"] != "valid":
            raise Failure(Outcome.NOT_TRUSTED)
