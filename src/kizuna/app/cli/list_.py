# SPDX-License-Identifier: Apache-2.0
"""``kizuna list``: trust lists, the only source of authority."""

from __future__ import annotations

from typing import Annotated

import typer

from kizuna.app.cli import list_authoring, list_publishing, list_taking
from kizuna.app.cli.door import Door, command
from kizuna.app.cli.key import read_jwk
from kizuna.app.cli.times import instant

__all__ = ["hang"]

_LIST = Annotated[
    str | None, typer.Option("--list", metavar="NAME", help="Which list; default: the store's own.")
]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "create")
    def create(
        door: Door,
        name: Annotated[str, typer.Argument(metavar="NAME", help="Short name, e.g. `suppliers`.")],
        title: Annotated[str | None, typer.Option("--title", help="Words for people.")] = None,
    ) -> None:
        """Begin a further trust list that this organisation operates, and believe it."""
        made = door.workspace().lists.create(name, title=title)
        door.answer(made, [door.text("list.created", name=made["name"], id=made["id"])])

    @command(app, "add")
    def add(
        door: Door,
        member: Annotated[str, typer.Argument(metavar="MEMBER", help="Identifier (DID).")],
        role: Annotated[
            list[str],
            typer.Option(
                "--role",
                help="What it may say: maker, certification-body, assessor, coordinator, "
                "facility-operator, list-operator ...",
            ),
        ],
        scope: Annotated[
            list[str] | None,
            typer.Option("--scope", metavar="PREFIX", help="About whose names; `*` is everything."),
        ] = None,
        level: Annotated[
            str | None,
            typer.Option(
                "--level", help="Highest assurance: self-declared, second-party, third-party."
            ),
        ] = None,
        name: Annotated[str | None, typer.Option("--name", help="Its name, for people.")] = None,
        until: Annotated[str | None, typer.Option("--until", metavar="TIME")] = None,
        key: Annotated[
            list[str] | None,
            typer.Option("--key", metavar="JWK_FILE", help="Pin a public key (did:web)."),
        ] = None,
        log: Annotated[
            list[str] | None,
            typer.Option(
                "--log", metavar="ORIGIN", help="The log in which its statements stand; repeatable."
            ),
        ] = None,
        list_name: _LIST = None,
    ) -> None:
        """Enter a member, or renew its entry: from now on it may say what its roles allow.

        Example: kizuna list add did:key:z... --role maker --scope pkg:generic/fuji --name Fuji
        """
        keys = [read_jwk(file) for file in key or ()]
        made = door.workspace().lists.add(
            member,
            roles=role,
            scope=scope or (),
            level=level,
            name=name,
            until=None if until is None else instant(until),
            keys=keys,
            logs=log or (),
            list_name=list_name,
        )
        door.answer(made, [door.text("list.added", **made)])
        if not keys and not member.startswith(("did:key:", "did:jwk:")):
            door.warn("list.no-key", member=member)

    @command(app, "suspend")
    def suspend(
        door: Door,
        member: Annotated[str, typer.Argument(metavar="MEMBER")],
        reason: Annotated[str, typer.Option("--reason", help="Why; everybody can read it.")],
        list_name: _LIST = None,
    ) -> None:
        """Take a member's authority away for a time; `list add` gives it back."""
        made = door.workspace().lists.set_state(
            member, "suspended", reason=reason, list_name=list_name
        )
        door.answer(made, [door.text("list.suspended", **made)])

    @command(app, "withdraw")
    def withdraw(
        door: Door,
        member: Annotated[str, typer.Argument(metavar="MEMBER")],
        reason: Annotated[str, typer.Option("--reason", help="Why; everybody can read it.")],
        list_name: _LIST = None,
    ) -> None:
        """End a member's authority; what it said before keeps counting."""
        made = door.workspace().lists.set_state(
            member, "withdrawn", reason=reason, list_name=list_name
        )
        door.answer(made, [door.text("list.withdrawn", **made)])

    @command(app, "show")
    def show(door: Door, list_name: _LIST = None) -> None:
        """Show the members of a list as they stand now."""
        told = door.workspace(read_only=True).lists.show(list_name)
        door.answer(
            told,
            [door.text("list.title", **{k: v for k, v in told.items() if k != "taken"})]
            + list_taking.age_lines(door, told.get("taken"))
            + ([door.text("list.kept-elsewhere")] if told["kept_elsewhere"] else [])
            + [
                door.text(
                    "list.entry",
                    member=e["member"],
                    name=e["name"] or "–",
                    state=door.text(
                        "state.expired"
                        if e["state"] == "granted" and not e["in_force"]
                        else f"state.{e['state']}"
                    ),
                    roles=", ".join(s["type"] for s in e["services"]) or "–",
                )
                for e in told["entries"]
            ],
        )

    @command(app, "history")
    def history(
        door: Door,
        member: Annotated[str | None, typer.Argument(metavar="MEMBER")] = None,
        list_name: _LIST = None,
    ) -> None:
        """Show every change of a list, or of one member, the oldest first."""
        told = door.workspace(read_only=True).lists.history(member, list_name)
        door.answer(
            told,
            [
                door.text(
                    "list.event",
                    at=e["since"],
                    member=e["member"],
                    state=door.text(f"state.{e['state']}"),
                    reason=e["reason"] or "–",
                )
                for e in told["events"]
            ],
        )

    @command(app, "accept")
    def accept(
        door: Door,
        list_id: Annotated[str, typer.Argument(metavar="LIST_ID")],
        operator: Annotated[
            str, typer.Option("--operator", metavar="DID", help="Who operates it.")
        ],
        name: Annotated[str, typer.Option("--name", help="Short name here.")],
    ) -> None:
        """Believe a list of somebody else: its entries give authority in your verdicts."""
        made = door.workspace().lists.accept(list_id, operator, name)
        door.answer(made, [door.text("list.accepted", **made)])

    for more in (list_authoring, list_publishing, list_taking):
        more.hang(app)
