# SPDX-License-Identifier: Apache-2.0
"""``kizuna procure``: may this be bought, from whom, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from kizuna.app.cli import procure_quoting
from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import mark
from kizuna.app.cli.times import instant
from kizuna.model.outcome import Outcome

__all__ = ["hang"]

_COLOR: Final = {"go": "green", "hold": "yellow", "no-go": "red"}
_SHOWN: Final = 3
_LINES: Final = 200

_Profile = Annotated[
    str | None,
    typer.Option("--profile", "-p", help="By what measure; else as the request says."),
]
_At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="Valid at this instant.")]
_Lists = Annotated[
    list[str] | None, typer.Option("--list", metavar="NAME", help="Believe these lists only.")
]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""
    _hang_kept(app)
    procure_quoting.hang(app)

    @command(app, "check")
    def check(
        door: Door,
        file: Annotated[
            str,
            typer.Argument(
                metavar="FILE",
                help="A bill of materials, or a request in YAML or JSON; `-`: stdin.",
            ),
        ],
        profile: _Profile = None,
        suppliers: Annotated[
            list[str] | None,
            typer.Option("--supplier", metavar="ID", help="A candidate for lines without one."),
        ] = None,
        bom: Annotated[
            str | None,
            typer.Option("--bom", metavar="FILE", help="The bill of materials beside a request."),
        ] = None,
        deadline: Annotated[
            str | None, typer.Option("--deadline", metavar="DAY", help="When it must be settled.")
        ] = None,
        csv: Annotated[
            str | None,
            typer.Option("--csv", metavar="FILE", help="Also write a table; `-`: stdout."),
        ] = None,
        encoding: Annotated[
            str, typer.Option("--encoding", metavar="utf-8|cp932", help="Of the table.")
        ] = "utf-8",
        at: _At = None,
        lists: _Lists = None,
        offline: Annotated[bool, typer.Option("--offline", help="Ask no store elsewhere.")] = False,
    ) -> None:
        """Judge every line and every candidate: go, hold (could not verify) or no-go.

        Nothing is registered. The exit code is 0 only where every line is go. Where the anchors
        give the address of other stores, those are asked as by `verify`.

        Example: kizuna procure check parts.cdx.json --profile software-product

        Example: kizuna procure check request.yaml --csv answer.csv --encoding cp932
        """
        from kizuna.app.wiring.procure.answer import outcome_of
        from kizuna.app.wiring.procure.opening import ask, opened

        workspace = door.workspace(read_only=True)
        asked = opened(
            workspace,
            Door.read(file, limit=64 << 20),
            file,
            suppliers=suppliers or (),
            deadline=deadline,
            bill=None if bom is None else (Door.read(bom, limit=64 << 20), bom),
        )
        answer = ask(
            workspace,
            asked,
            profile,
            workspace.profile,
            at=None if at is None else instant(at),
            lists=lists,
            offline=offline,
        )
        told = answer.told(door.lang)
        if csv is not None:
            from kizuna.app.wiring.procure.table import table_of

            Door.write_file(csv, table_of(told, encoding=_encoding(encoding)))
        if csv != "-":
            door.answer(told, lambda: answer_lines(door, told))
        if outcome := outcome_of(answer):
            raise Failure(outcome)

    @command(app, "substitute")
    def substitute(
        door: Door,
        line: Annotated[str, typer.Argument(metavar="LINE", help="The part that is at risk.")],
        product: Annotated[
            str, typer.Option("--product", metavar="ID", help="What it is part of.")
        ],
        supplier: Annotated[
            str, typer.Option("--with", metavar="SUPPLIER", help="Who would supply it.")
        ],
        profile: Annotated[str, typer.Option("--profile", "-p", help="By what measure.")],
        part: Annotated[
            str | None,
            typer.Option("--part", metavar="ID", help="Another part in the place of this one."),
        ] = None,
        at: _At = None,
        lists: _Lists = None,
    ) -> None:
        """Judge a substitute before switching to it: what would become of the product.

        Nothing is registered; the exit code is that of the product as it would be.

        Example: kizuna procure substitute pkg:generic/fuji/valve@1 --product
        pkg:generic/fuji/pump@4.2 --with did:web:other.example --profile iot-device
        """
        from kizuna.app.wiring.procure.answer import outcome_of
        from kizuna.app.wiring.procure.substitute import substitute as judge
        from kizuna.model.identifier import canonical

        workspace = door.workspace(read_only=True)
        found = judge(
            workspace,
            canonical(product),
            canonical(line),
            canonical(supplier),
            workspace.profile(profile),
            other=None if part is None else canonical(part),
            at=None if at is None else instant(at),
            lists=lists,
        )
        answer = found["answer"]
        told = answer.told(door.lang) | {
            "before": found["before"].value.word,
            "after": found["after"].value.word,
            "changed": found["changed"],
        }

        def lines() -> Iterator[str]:
            yield door.text(
                "procure.swapped",
                before=door.text(f"verdict.{told['before']}"),
                after=door.text(f"verdict.{told['after']}"),
            )
            yield f"  {mark(door, told['after'])}  {product}"
            yield from answer_lines(door, told)

        door.answer(told, lines)
        if outcome := outcome_of(answer) or found["after"].outcome:
            raise Failure(Outcome(outcome))


def _hang_kept(app: typer.Typer) -> None:
    """Requests that are kept true, and who is told."""

    @command(app, "watch")
    def watch(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="A request; `-` is stdin.")],
        profile: _Profile = None,
    ) -> None:
        """Keep the answer to a request true; hooks are told when it changes.

        A server renews it as statements arrive; `kizuna procure renew` does so at once.

        Example: kizuna procure watch request.yaml --profile iot-device
        """
        from kizuna.app.wiring.procure.request import read_request
        from kizuna.app.wiring.procure.watch import keep
        from kizuna.model.errors import Malformed

        request = read_request(Door.read(file, limit=8 << 20), file)
        named = profile or request.profile
        if named is None:
            raise Malformed(
                "procure.no-profile",
                "by what measure? neither the request nor the call names a profile",
                hint="`kizuna profile list` prints them",
            )
        made = keep(door.workspace(), request, named)
        told = {"request": request.request, **made}
        door.answer(told, [f"{decision(door, made['decision'])}  {request.request}"])

    @command(app, "watched")
    def watched(
        door: Door,
        forget: Annotated[
            str | None, typer.Option("--forget", metavar="NAME", help="Keep this one no more.")
        ] = None,
    ) -> None:
        """List the requests that are kept true.

        Example: kizuna procure watched --forget RFQ-1
        """
        from kizuna.app.wiring.procure import watch as procure_watch

        workspace = door.workspace(read_only=forget is None)
        if forget is not None:
            procure_watch.forget(workspace, forget)
        rows = procure_watch.kept(workspace)
        door.answer(
            {"requests": rows}, [f"{decision(door, r['decision'])}  {r['request']}" for r in rows]
        )

    @command(app, "renew")
    def renew(door: Door) -> None:
        """Judge the kept requests again now, and tell the hooks what changed.

        Example: kizuna procure renew --json
        """
        from kizuna.app.wiring.procure import watch as procure_watch

        changes = procure_watch.renew(door.workspace())
        door.answer(
            {"changes": changes},
            [
                f"{c['request']}  {decision(door, c['before'])} → {decision(door, c['after'])}"
                for c in changes
            ],
        )

    @command(app, "hook")
    def hook(
        door: Door,
        url: Annotated[
            str | None, typer.Argument(metavar="URL", help="Tell this address from now on.")
        ] = None,
        inside: Annotated[
            bool, typer.Option("--inside", help="It may be a private address, and plain http.")
        ] = False,
        remove: Annotated[bool, typer.Option("--remove", help="Tell it no more.")] = False,
    ) -> None:
        """List, add or remove addresses that are told when an answer changes.

        Example: kizuna procure hook https://erp.example/kizuna
        """
        from kizuna.app.wiring.procure import hook as procure_hook

        workspace = door.workspace(read_only=url is None)
        if url is None:
            have = procure_hook.hooks(workspace)
        elif remove:
            have = procure_hook.remove_hook(workspace, url)
        else:
            have = procure_hook.add_hook(workspace, url, inside=inside)
        door.answer(
            {"hooks": [{"url": h.url, "inside": h.inside} for h in have]},
            [h.url + ("  (inside)" if h.inside else "") for h in have],
        )


def answer_lines(door: Door, told: Mapping[str, Any]) -> Iterator[str]:
    """The answer for a person: the decision, then each line with what is missing."""
    yield f"{decision(door, told['decision'])}  " + door.text(
        "procure.by",
        profile=told["profile"],
        **{k.replace("-", "_"): v for k, v in told["counts"].items()},
    )
    for line in told["lines"][:_LINES]:
        called = line["name"] or line["part"]
        yield f"  {line['line']:>4}  {decision(door, line['decision'])}  {called}"
        if line["decision"] != "go":
            yield from _missing(door, line)
        for one in line["suppliers"]:
            chosen = "*" if one["supplier"] == line["choose"] else " "
            called = one["name"] or one["supplier"]
            yield f"      {chosen} {decision(door, one['decision'])}  {called}"
            if one["decision"] != "go":
                yield from _missing(door, one)
        for one in line["substitutes"]:
            yield f"      ~ {decision(door, one['decision'])}  {one['name'] or one['part']}"
            if one["decision"] != "go":
                yield from _missing(door, one)
    if len(told["lines"]) > _LINES:
        yield "  " + door.text("procure.more-lines", count=len(told["lines"]) - _LINES)
    if (whole := told["product"]) is not None:
        called = whole["name"] or whole["part"]
        yield "  " + door.text(
            "procure.whole", decision=decision(door, whole["decision"]), product=called
        )
        if not told["lines"] and told["decision"] != "go":
            yield from _missing(door, whole)


def decision(door: Door, word: str) -> str:
    """The decision in this language, coloured."""
    return door.paint(door.text(f"procure.{word}"), _COLOR[word], bold=True)


def _missing(door: Door, found: Mapping[str, Any]) -> Iterator[str]:
    from kizuna.app.cli.times import clock_face

    for one in found["missing"][:_SHOWN]:
        yield f"          {one['message']}"
        if one["mend"]:
            yield f"            → {one['mend']}"
        if one["by"] is not None:
            yield "            " + door.text(
                "procure.until", turn=one["turn_name"], by=clock_face(one["by"])
            )
        if one["can_supply"]:
            able = ", ".join(a["name"] or a["id"] for a in one["can_supply"])
            yield "            " + door.text("procure.able", able=able)
    left = len(found["missing"]) + found["more"] - _SHOWN
    if left > 0:
        yield "          " + door.text("procure.more", count=left)


def _encoding(name: str) -> str:
    from kizuna.model.errors import Malformed

    known = {"utf-8": "utf-8-sig", "utf8": "utf-8-sig", "cp932": "cp932", "shift_jis": "cp932"}
    if name.lower() not in known:
        raise Malformed(
            "file.encoding",
            f"no table in {name[:40]!r}",
            hint="use utf-8 or cp932",
            encoding=name[:40],
        )
    return known[name.lower()]
