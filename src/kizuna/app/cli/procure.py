# SPDX-License-Identifier: Apache-2.0
"""``kizuna procure``: may this be bought, from whom, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import typer

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
    ) -> None:
        """Judge every line and every candidate: go, hold (could not verify) or no-go.

        Nothing is registered. The exit code is 0 only where every line is go.

        Example: kizuna procure check parts.cdx.json --profile software-product

        Example: kizuna procure check request.yaml --csv answer.csv --encoding cp932
        """
        from kizuna.app.wiring.procure import outcome_of
        from kizuna.app.wiring.procure_opening import ask, opened

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
        )
        told = answer.told(door.lang)
        if csv is not None:
            from kizuna.app.wiring.procure_table import table_of

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
        from kizuna.app.wiring.procure import outcome_of
        from kizuna.app.wiring.procure import substitute as judge
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
