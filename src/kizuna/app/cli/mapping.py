# SPDX-License-Identifier: Apache-2.0
"""``kizuna catalog map|mappings|coverage``: from one measure to another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import mark
from kizuna.app.cli.times import instant

__all__ = ["hang"]

_SHOWN = 40


def hang(app: typer.Typer) -> None:
    """Hang the commands into the noun."""

    @command(app, "map")
    def map_(
        door: Door,
        file: Annotated[
            str, typer.Argument(metavar="FILE_OR_NAME", help="YAML, OSCAL JSON, or a name.")
        ],
        accept: Annotated[
            bool, typer.Option("--accept", help="Say that your organisation accepts it.")
        ] = False,
    ) -> None:
        """Register a mapping between two catalogs; it is a proposal until you accept it.

        Example: kizuna catalog map cpsf-1.0-to-csf-2.0 --accept
        """
        from kizuna.app.wiring.criteria.mappings import find_mapping, register_mappings

        data: bytes | str
        if file != "-" and not Path(file).exists():
            data = find_mapping(file, door.settings).name
        else:
            data = Door.read(file, limit=16 << 20)
        made = register_mappings(door.workspace(), data, accept=accept)
        door.answer(
            {"mappings": made},
            [
                door.text(
                    "mapping.registered",
                    **{"from": m["from"]},
                    name=m["name"],
                    to=m["to"],
                    ties=m["ties"],
                    accepted=m["accepted"],
                )
                for m in made
            ],
        )

        for one in (w for m in made for w in m["withdrawn"]):
            instead = ", ".join(one["replaced_by"]) or "–"
            door.say(
                "mapping.withdrawn",
                control=one["control"],
                catalog=one["catalog"],
                instead=instead,
            )

    @command(app, "mappings")
    def mappings(
        door: Door,
        name: Annotated[str | None, typer.Argument(metavar="NAME")] = None,
        oscal: Annotated[
            str | None,
            typer.Option(
                "--oscal", metavar="FILE", help="Write it as OSCAL (JSON); `-` is stdout."
            ),
        ] = None,
    ) -> None:
        """List the mappings at hand, or show one with its ties."""
        from kizuna.app.wiring.criteria.mappings import (
            find_mapping,
            mapping_json,
            mappings_of,
            oscal_of,
        )

        if name is None:
            rows = [mapping_json(m, origin, door.lang) for m, origin in mappings_of(door.settings)]
            door.answer(
                {"mappings": rows},
                [f"{r['name']}  {r['from']} → {r['to']}  {r['ties']}  {r['status']}" for r in rows],
            )
            return
        found = find_mapping(name, door.settings)
        if oscal is not None:
            data = oscal_of(found, door.settings)
            door.write_file(oscal, data)
            if oscal != "-":
                door.answer(
                    {"file": oscal, "bytes": len(data)}, [door.text("file.written", file=oscal)]
                )
            return
        document = found.document()
        door.answer(
            mapping_json(found, "", door.lang) | {"document": document},
            lambda: (
                [f"{found.name} {found.version}: {found.source}"]
                + [
                    f"{', '.join(t.sources)}  {t.relation.value}  {', '.join(t.targets)}"
                    f"  ({t.confidence.value}, {'accepted' if t.accepted else 'proposed'})"
                    for t in found.ties
                ]
            ),
        )

    @command(app, "coverage")
    def coverage(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
        profile: Annotated[str, typer.Option("--profile", "-p", metavar="NAME_OR_FILE")],
        catalog: Annotated[str, typer.Option("--catalog", "-c", metavar="CATALOG")],
        mapping: Annotated[
            list[str] | None,
            typer.Option(
                "--mapping", metavar="NAME", help="Only these; default: all that lead there."
            ),
        ] = None,
        at: Annotated[str | None, typer.Option("--at", metavar="TIME")] = None,
        lists: Annotated[list[str] | None, typer.Option("--list", metavar="NAME")] = None,
        all_rows: Annotated[bool, typer.Option("--all", help="Show every control.")] = False,
    ) -> None:
        """Say what a verdict shows under a catalog, and what it does not.

        Example: kizuna catalog coverage pkg:generic/fuji/pump@4.2 -p building-services -c csf-2.0
        """
        from kizuna.app.wiring.coverage import coverage as covered

        workspace = door.workspace(read_only=True)
        told, outcome = covered(
            workspace,
            subject,
            workspace.profile(profile),
            catalog,
            mappings=mapping or (),
            at=None if at is None else instant(at),
            lists=lists,
            lang=door.lang,
        )

        def lines() -> list[str]:
            counts = {k: v for k, v in told["counts"].items() if v}
            shown = [
                f"{mark(door, told['verdict'])}  {told['subject']}  {told['catalog']}",
                "  ".join(f"{door.text(f'covering.{k}')}: {v}" for k, v in counts.items()),
            ]
            rows = told["controls"]
            if not all_rows:
                rows = [r for r in rows if r["state"] not in ("unmapped", "not-asked")][:_SHOWN]
            shown += [
                f"  {door.text('covering.' + r['state'])}  {r['short']}  {r['title']}  {_ways(r)}"
                for r in rows
            ]
            left = len(told["controls"]) - len(rows)
            if left:
                shown.append(door.text("findings.more", count=left))
            if told["controls_unknown"]:
                shown.append(
                    door.text("coverage.unknown", controls=", ".join(told["controls_unknown"]))
                )
            return shown

        door.answer(told, lines)
        for name in told["mappings_left_out"]:
            door.say("coverage.left-out", name=name)
        if outcome:
            raise Failure(outcome)


def _ways(row: dict[str, object]) -> str:
    ways = json.loads(json.dumps(row["ways"]))
    return "; ".join(
        f"{', '.join(w['sources'])} {w['relation']} ({w['confidence']}, {w['status']})"
        for w in ways
        if w["mapping"]
    )
