# SPDX-License-Identifier: Apache-2.0
"""``kizuna list take|refresh``: lists of others, followed by a list of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.app.wiring.lists.foreign import ForeignLists, Signer

__all__ = ["age_lines", "change_lines", "hang"]

_SHOWN = 40


def change_lines(door: Door, changes: list[dict[str, Any]]) -> list[str]:
    """The differences, a line each."""
    lines = [
        door.text(
            "list.change",
            what=door.text(f"list.what.{c['what']}"),
            member=c["member"],
            name=c["name"] or "–",
            roles=", ".join(s["type"] for s in c["after"]) or "–",
            reason=c["reason"] or "–",
        )
        for c in changes[:_SHOWN]
    ]
    if len(changes) > _SHOWN:
        lines.append(door.text("lines.more", count=len(changes) - _SHOWN))
    return lines or [door.text("list.no-change")]


def age_lines(door: Door, taken: dict[str, Any] | None) -> list[str]:
    """How old the issue is that a list follows, and what is the matter with it."""
    if taken is None:
        return []
    lines = [
        door.text(
            "list.follows",
            source=taken["source"],
            sequence=taken["sequence"],
            age=_age(door, taken["age"]),
            due=taken["next_update"] or "–",
        )
    ]
    if taken["stale"]:
        lines.append(door.paint(door.text("list.follows-stale"), "red"))
    if taken["failure"]:
        failed = door.text("list.follows-failed", at=taken["failed_at"], failure=taken["failure"])
        lines.append(door.paint(failed, "red"))
    return lines


def _foreign(door: Door, *, read_only: bool = False) -> ForeignLists:
    from kizuna.app.wiring.lists.foreign import ForeignLists

    workspace = door.workspace(read_only=read_only)
    return ForeignLists(workspace, workspace.lists)


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "take", older={"--as": "--name"})
    def take(
        door: Door,
        source: Annotated[str, typer.Argument(metavar="FILE|URL", help="The signed list.")],
        name: Annotated[
            str,
            typer.Option("--name", metavar="NAME", help="Short name of the list to follow it."),
        ],
        key: Annotated[
            list[str] | None,
            typer.Option("--key", metavar="FILE", help="Its operator's public key (JWK or PEM)."),
        ] = None,
        certificate: Annotated[
            list[str] | None,
            typer.Option(
                "--certificate", metavar="FILE", help="Its operator's certificate (PEM or DER)."
            ),
        ] = None,
        pointed_from: Annotated[
            str | None,
            typer.Option(
                "--pointed-from",
                metavar="FILE|URL",
                help="A list that points to this one: --key and --certificate are of *its* signer, "
                "and it says who signs this one.",
            ),
        ] = None,
        mapping: Annotated[
            str | None,
            typer.Option("--mapping", metavar="FILE", help="What its types are worth here (YAML)."),
        ] = None,
        preview: Annotated[
            bool, typer.Option("--preview", help="Show what would change, and stop.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Take in a list of somebody else: ETSI TS 119 602 (JSON) or TS 119 612 (XML).

        Signature, number and date are checked, its types mapped, the difference shown, and only
        then entered. Key and mapping are remembered. Other lists that it points to are printed;
        each is taken by a command of its own.

        Example: kizuna list take https://tl.example/list --name de --certificate tl.pem
        --mapping m.yaml
        """
        from kizuna.app.wiring.lists.foreign import Signer
        from kizuna.app.wiring.lists.reading import load_list, signers

        keys, certificates = signers(
            [Door.read(f, limit=1 << 16) for f in key or ()],
            [Door.read(f, limit=1 << 20) for f in certificate or ()],
        )
        signer = Signer.of(keys, certificates) if keys or certificates else None
        if pointed_from is not None:
            signer = _pointed(door, pointed_from, source, signer)
        rules = None if mapping is None else Door.read(mapping, limit=8 << 20)
        kept: dict[str, bytes] = {}

        def once(address: str) -> bytes:
            """What was shown is what is entered."""
            if address not in kept:
                kept[address] = load_list(address)
            return kept[address]

        if "://" not in source:
            source = str(Path(source).resolve())  # `list refresh` may run in another folder
        foreign = _foreign(door, read_only=preview)
        told_before = not preview and not yes
        if told_before:
            shown = foreign.take(
                source, once, name=name, signer=signer, mapping=rules, preview=True
            )
            for line in [*_lines(door, shown), *change_lines(door, shown["changes"])]:
                door.print(line) if not door.as_json else None
            if shown["changes"] and not door.confirmed(
                "list.take-ask", yes=False, count=len(shown["changes"]), name=name
            ):
                raise typer.Abort
        told = foreign.take(source, once, name=name, signer=signer, mapping=rules, preview=preview)
        lines = [] if told_before else _lines(door, told)
        if preview:
            lines += [*change_lines(door, told["changes"]), door.text("list.preview")]
        else:
            lines.append(door.text("list.taken", name=name, count=len(told["changes"])))
        door.answer(told, lines)

    @command(app, "refresh")
    def refresh(door: Door) -> None:
        """Ask the publishers of all lists that were taken in for their newest issue.

        What fails is told, the last good issue stays in force, and the exit code is not 0.
        """
        from kizuna.app.wiring.lists.reading import load_list

        told = _foreign(door).refresh(load_list)
        lines = []
        worst = Outcome.HOLDS
        for one in told:
            if "problem" in one:
                lines.append(
                    door.text(
                        "list.refresh-failed",
                        name=one["name"],
                        what=_problem_words(door, one["problem"]),
                        age=_age(door, one["taken"]["age"]),
                    )
                )
                worst = worst if worst is not Outcome.HOLDS else Outcome(one["outcome"])
            else:
                lines.append(door.text("list.taken", name=one["name"], count=len(one["changes"])))
        door.answer({"lists": told}, lines or [door.text("list.none-taken")])
        if worst is not Outcome.HOLDS:
            raise Failure(worst)


def _pointed(door: Door, source: str, location: str, signer: Signer | None) -> Signer:
    """Who signs the list at ``location``, as the list at ``source`` says."""
    from kizuna.app.wiring.lists.foreign import Signer as Known
    from kizuna.app.wiring.lists.foreign import named_signer
    from kizuna.app.wiring.lists.reading import load_list
    from kizuna.model.errors import Malformed

    if signer is None:
        raise Malformed(
            "list.signer-missing",
            "by whose signature is the list to be known?",
            why="a key or certificate inside the list is never believed",
            hint="give --key or --certificate, as its operator handed it to you",
        )
    now = door.settings.clock()
    found = named_signer(load_list(source), source, signer, location, now=now)
    return Known.of((), found)


def _lines(door: Door, told: dict[str, Any]) -> list[str]:
    lines = [
        door.text(
            "list.issue",
            source=told["source"],
            operator=told["operator"],
            standard=told["standard"],
            sequence=told["sequence"],
            issued=told["issued"],
            due=told["next_update"] or "–",
        ),
        door.text("list.mapped", entries=told["entries"], members=told["members"]),
    ]
    lines += [
        door.text("list.not-understood", type=kind or "–", count=count)
        for kind, count in list(told["not_understood"].items())[:_SHOWN]
    ]
    if told["passed_over"]:
        lines.append(door.text("list.passed-over", count=len(told["passed_over"])))
    lines += [
        door.text(
            "list.pointer",
            location=one["location"],
            note=one["note"] or "–",
            signers=", ".join(found[:16] for found in one["signers"]) or "–",
        )
        for one in told["pointers"][:_SHOWN]
    ]
    return lines


def _problem_words(door: Door, problem: dict[str, Any]) -> str:
    return f"{problem['message']} [{problem['code']}]" if door.lang == "en" else problem["code"]


def _age(door: Door, seconds: int) -> str:
    days, hours = divmod(seconds // 3600, 24)
    return door.text("list.age", days=days, hours=hours)
