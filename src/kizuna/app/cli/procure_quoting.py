# SPDX-License-Identifier: Apache-2.0
"""``kizuna procure request|offer|offers|agree``: asking, offering and agreeing, each signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "request")
    def request(
        door: Door,
        file: Annotated[
            str, typer.Argument(metavar="FILE", help="A request in YAML or JSON; `-`: stdin.")
        ],
        profile: Annotated[
            str | None,
            typer.Option("--profile", "-p", help="By what measure; else as the request says."),
        ] = None,
        to: Annotated[
            list[str] | None,
            typer.Option("--to", metavar="SUPPLIER", help="Who may read it; repeatable."),
        ] = None,
        public: Annotated[bool, typer.Option("--public", help="Everybody may read it.")] = False,
    ) -> None:
        """Sign and register a request for quotation; the suppliers it names can read and answer it.

        Example: kizuna procure request rfq.yaml --to did:web:fuji.example
        """
        from kizuna.app.wiring.procure_quoting import issue
        from kizuna.app.wiring.procure_request import read_request
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.model.errors import Malformed

        wanted = read_request(Door.read(file, limit=8 << 20), file)
        named = profile or wanted.profile
        if named is None:
            raise Malformed(
                "procure.no-profile",
                "by what measure? neither the request nor the call names a profile",
                hint="`kizuna profile list` prints them",
            )
        chosen = find_profile(named, door.settings)
        made = issue(door.organisation(), wanted, chosen, to=to or (), public=public)
        door.answer(made, [door.text("procure.requested", **made, count=len(made["to"]))])

    @command(app, "offer")
    def offer(
        door: Door,
        which: Annotated[str, typer.Argument(metavar="REQUEST", help="Digest of the request.")],
        line: Annotated[
            list[str] | None,
            typer.Option("--line", metavar="LINE", help="What is offered; none: every line."),
        ] = None,
        terms: Annotated[str, typer.Option("--terms", help="Price and terms, in words.")] = "",
        until: Annotated[
            str | None, typer.Option("--until", metavar="DAY", help="How long it holds.")
        ] = None,
    ) -> None:
        """Answer a request with a signed offer that its buyer alone can read.

        Also from the folder of a member of the buyer's store: `kizuna join`.

        Example: kizuna procure offer 5f2c… --terms "12 EUR each, 6 weeks" --until 2027-01-31
        """
        from kizuna.app.wiring.procure_quoting import offer as make

        made = make(door.organisation(), which, lines=line or (), terms=terms, until=until)
        door.answer(made, [door.text("procure.offered", **made)])

    @command(app, "offers")
    def offers(door: Door) -> None:
        """List requests, offers and agreements that you may see.

        Example: kizuna procure offers --json
        """
        told = _shown(door.organisation())
        lines = [
            door.text("procure.quoted.request", request=r["request"], by=r["by"])
            for r in told["requests"]
        ]
        lines += [
            door.text(
                "procure.quoted.agreed" if o["agreed"] else "procure.quoted.offer",
                offer=o["offer"],
                by=o["by"],
                terms=o.get("terms") or "–",
                until=o["until"] or "–",
            )
            for o in told["offers"]
        ]
        door.answer(told, lines or [door.text("procure.quoted.none")])

    @command(app, "agree")
    def agree(
        door: Door,
        which: Annotated[str, typer.Argument(metavar="OFFER", help="Digest of the offer.")],
    ) -> None:
        """Accept an offer that was made for a request of yours; it binds by both signatures.

        Example: kizuna procure agree 91ab…
        """
        from kizuna.app.wiring.procure_quoting import agree as make

        organisation = door.organisation()
        made = make(organisation, which, _shown(organisation))
        door.answer(made, [door.text("procure.agreed", **made)])


def _shown(organisation: Organisation) -> dict[str, Any]:
    from kizuna.app.wiring.member import Member
    from kizuna.app.wiring.procure_quoting import quotations
    from kizuna.app.wiring.workspace import Workspace

    if isinstance(organisation, Member):
        return organisation.quotations()
    assert isinstance(organisation, Workspace)  # noqa: S101 - there is no third
    return quotations(organisation)
