# SPDX-License-Identifier: Apache-2.0
"""``kizuna federation``: the store as an entity: its address, its superiors, its members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.key import read_jwk
from kizuna.app.cli.times import clock_face, instant

if TYPE_CHECKING:
    from kizuna.app.wiring.federation.sources import Network

__all__ = ["Authority", "Loopback", "hang", "network_of"]

Loopback = Annotated[bool, typer.Option("--loopback", help="Ask also addresses of this machine.")]
Authority = Annotated[
    str | None,
    typer.Option("--ca", metavar="FILE", help="Certificates of a further authority (PEM)."),
]
_ADDRESS = Annotated[str, typer.Argument(metavar="ADDRESS", help="An https address.")]


def network_of(*, loopback: bool, ca: str | None) -> Network:
    """The network, as these options let it be asked."""
    from kizuna.app.wiring.federation.sources import Network

    return Network(loopback=loopback, authority=ca)


def hang(app: typer.Typer) -> None:
    """Hang these commands beside those that read."""

    @command(app, "address")
    def address(door: Door, address: _ADDRESS) -> None:
        """Say under which address this store is an entity when it serves.

        Example: kizuna federation address https://trust.example.jp
        """
        from kizuna.app.wiring.federation.book import BookKeeper

        book = BookKeeper(door.workspace().path).stand(address)
        told = {"address": book.address, "superiors": list(book.superiors)}
        door.answer(told, [door.text("federation.address", address=book.address)])

    @command(app, "superior")
    def superior(
        door: Door,
        address: _ADDRESS,
        remove: Annotated[bool, typer.Option("--remove", help="Name it no longer.")] = False,
    ) -> None:
        """Name an entity above this store; it must name this store too.

        Example: kizuna federation superior https://guild.example
        """
        from kizuna.app.wiring.federation.book import BookKeeper

        book = BookKeeper(door.workspace().path).superior(address, remove=remove)
        told = {"address": book.address, "superiors": list(book.superiors)}
        door.answer(
            told,
            [door.text("federation.superiors", superiors=", ".join(book.superiors) or "–")],
        )

    @command(app, "invite")
    def invite(
        door: Door,
        address: _ADDRESS,
        role: Annotated[list[str], typer.Option("--role", help="What it may say.")],
        key: Annotated[
            list[str],
            typer.Option("--key", metavar="JWK_FILE", help="Its key, had from it by another way."),
        ],
        scope: Annotated[
            list[str] | None,
            typer.Option("--scope", metavar="PREFIX", help="About whose names; `*` is everything."),
        ] = None,
        name: Annotated[str | None, typer.Option("--name", help="Its name, for people.")] = None,
        until: Annotated[str | None, typer.Option("--until", metavar="TIME")] = None,
    ) -> None:
        """Take an entity in as a subordinate: an entry on the own list, with a mark for each role.

        `kizuna list suspend` and `kizuna list withdraw` take statement and marks away again.

        Example: kizuna federation invite https://maker.example --key maker.jwk --role maker
        --scope pkg:generic/maker
        """
        from kizuna.app.wiring.federation.joining import invite as take_in

        made = take_in(
            door.workspace(),
            address,
            keys=[read_jwk(file) for file in key],
            roles=role,
            scope=scope or (),
            name=name,
            until=None if until is None else instant(until),
        )
        door.answer(
            made,
            [
                door.text("federation.invited", **made),
                door.text("federation.invited-next", superior=made["superior"]),
            ],
        )

    @command(app, "policy")
    def policy(
        door: Door,
        file: Annotated[
            str, typer.Argument(metavar="FILE", help="JSON: metadata_policy, constraints.")
        ],
    ) -> None:
        """Hold every subordinate to a metadata policy and to constraints.

        Example: kizuna federation policy rules.json
        """
        from kizuna.app.wiring.federation.book import BookKeeper, checked_policy

        rules, constraints = checked_policy(Door.read(file, limit=64 << 10))
        BookKeeper(door.workspace().path).rule(rules, constraints)
        door.answer(
            {"policy": rules, "constraints": constraints},
            [door.text("federation.ruled", kinds=", ".join(sorted(rules)) or "–")],
        )

    @command(app, "renew")
    def renew(door: Door, loopback: Loopback = False, ca: Authority = None) -> None:
        """Fetch the trust marks that the superiors grant to this store, and show them."""
        from kizuna.app.wiring.federation.joining import renew_marks

        told = renew_marks(door.workspace(), network_of(loopback=loopback, ca=ca))
        door.answer(told, _marks(door, told["marks"]))

    @command(app, "publish")
    def publish(
        door: Door,
        days: Annotated[
            int, typer.Option("--days", min=1, max=397, help="How long it is valid.")
        ] = 90,
    ) -> None:
        """Publish a configuration for a member without a server, in the store that it joined.

        It is signed with the member's own key; repeat it before it expires and after a new mark.
        """
        from kizuna.app.wiring.federation.joining import host_member
        from kizuna.app.wiring.member.saying import member_of
        from kizuna.model.errors import Refused

        member = member_of(door.settings)
        if member is None:
            raise Refused(
                "federation.publishes-itself",
                "a store publishes itself when it serves",
                hint="give it an address with `kizuna federation address`, then `kizuna serve`",
            )
        told = host_member(member, days=days)
        door.answer(
            told,
            [
                door.text(
                    "federation.published",
                    entity=told["entity"],
                    until=clock_face(told["expires"]),
                ),
                *_marks(door, told["marks"]),
            ],
        )

    @command(app, "self")
    def self_(door: Door) -> None:
        """Show where this store stands: address, superiors, marks, members."""
        from kizuna.app.wiring.federation.joining import own_standing

        told = own_standing(door.workspace(read_only=True))
        door.answer(
            told,
            [
                door.text("federation.address", address=told["address"]),
                door.text("federation.superiors", superiors=", ".join(told["superiors"]) or "–"),
                *_marks(door, told["marks"]),
                *(door.text("federation.member", entity=entity) for entity in told["members"]),
            ],
        )


def _marks(door: Door, marks: list[dict[str, object]]) -> list[str]:
    return [
        door.text(
            "federation.mark",
            type=mark["type"],
            issuer=mark["issuer"],
            until=clock_face(mark["expires"]) if isinstance(mark["expires"], int) else "–",
        )
        for mark in marks
    ] or [door.text("federation.no-marks")]
