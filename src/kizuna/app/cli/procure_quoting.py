# SPDX-License-Identifier: Apache-2.0
"""``kizuna procure request|offer|offers|agree``: asking, offering, what came in, agreeing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace

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
        from kizuna.app.wiring.procure.quoting import issue
        from kizuna.app.wiring.procure.request import read_request
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
        from kizuna.app.wiring.procure.quoting import offer as make

        made = make(door.organisation(), which, lines=line or (), terms=terms, until=until)
        door.answer(made, [door.text("procure.offered", **made)])

    @command(app, "offers")
    def offers(
        door: Door,
        check: Annotated[
            bool,
            typer.Option("--check", help="Also judge each open offer by its supplier's evidence."),
        ] = False,
        seen: Annotated[
            bool, typer.Option("--seen", help="Mark what is shown as seen: it is new no more.")
        ] = False,
    ) -> None:
        """Show what came in: offers under the requests they answer, and what each still lacks.

        A supplier sees the requests meant for it, and what became of its offers. Also from the
        folder of a member of a store elsewhere: `kizuna join`.

        Example: kizuna procure offers --check --seen
        """
        from kizuna.app.wiring.procure.inbox import Seen, inbox, with_decisions

        organisation = door.organisation(read_only=not seen)
        mark = Seen(organisation.settings.store)
        told = inbox(
            _shown(organisation), organisation.identity, organisation.clock(), seen=mark.last()
        )
        if check:
            told = with_decisions(_owner(organisation), told, door.lang)
        door.answer(told, lambda: _inbox_lines(door, told))
        if seen:
            mark.mark(told["last"])

    @command(app, "agree")
    def agree(
        door: Door,
        which: Annotated[str, typer.Argument(metavar="OFFER", help="Digest of the offer.")],
    ) -> None:
        """Accept an offer that was made for a request of yours; it binds by both signatures.

        Example: kizuna procure agree 91ab…
        """
        from kizuna.app.wiring.procure.quoting import agree as make

        organisation = door.organisation()
        made = make(organisation, which, _shown(organisation))
        door.answer(made, [door.text("procure.agreed", **made)])


def _shown(organisation: Organisation) -> dict[str, Any]:
    from kizuna.app.wiring.member.saying import Member
    from kizuna.app.wiring.procure.quoting import quotations
    from kizuna.app.wiring.workspace import Workspace

    if isinstance(organisation, Member):
        return organisation.quotations()
    assert isinstance(organisation, Workspace)  # noqa: S101 - there is no third
    return quotations(organisation)


def _owner(organisation: Organisation) -> Workspace:
    """Whoever has the evidence: offers are judged over all of it."""
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.errors import Malformed

    if not isinstance(organisation, Workspace):
        raise Malformed(
            "procure.check-elsewhere",
            "offers are judged where the store is",
            why="a judgement reads all evidence about a chain",
            hint="leave --check out; `kizuna verify` judges one part by the proof of that store",
        )
    return organisation


def _inbox_lines(door: Door, told: dict[str, Any]) -> Iterator[str]:
    if not told["requests"]:
        yield door.text("procure.quoted.none")
    for asked in told["requests"]:
        yield _marked(door, asked) + door.text(
            "procure.quoted.request",
            request=asked["request"],
            name=asked["name"],
            by=asked["by"],
            state=door.text(f"procure.state.{asked['state']}"),
            deadline=asked["deadline"] or "–",
        )
        for one in told["offers"]:
            if one["request"] == asked["request"]:
                yield from _offer_lines(door, one)


def _offer_lines(door: Door, one: dict[str, Any]) -> Iterator[str]:
    yield (
        "  "
        + _marked(door, one)
        + door.text(
            "procure.quoted.offer",
            offer=one["offer"],
            by=one["by"],
            terms=one["terms"] or "–",
            until=one["until"] or "–",
            state=door.text(f"procure.state.{one['state']}"),
        )
    )
    for lack in one["missing"]:
        yield "      " + door.text(f"procure.lacks.{lack['what']}", line=lack["line"])
    if one["lacking"] > len(one["missing"]):
        yield "      " + door.text("procure.more", count=one["lacking"] - len(one["missing"]))
    if one.get("decision"):
        yield "      " + door.text(f"procure.{one['decision']}")
        for line in one["lacks"]:
            yield from (f"        {line['line']}  {message}" for message in line["messages"])
    if one.get("why_not"):
        yield "      " + door.text("procure.not-judged", why=one["why_not"])


def _marked(door: Door, one: dict[str, Any]) -> str:
    return door.text("procure.new") + " " if one["new"] else ""
