# SPDX-License-Identifier: Apache-2.0
"""``kizuna risk``: where a device in a use stands, and how much more is then asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.pairs import pairs
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.criteria.risk import Framework

__all__ = ["hang"]

_FRAMEWORK = Annotated[
    str, typer.Option("--framework", metavar="NAME_OR_FILE", help="By which table.")
]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""
    _hang_frameworks(app)
    _hang_placing(app)
    _hang_tailoring(app)


def _hang_frameworks(app: typer.Typer) -> None:
    @command(app, "frameworks")
    def frameworks(
        door: Door,
        name: Annotated[str | None, typer.Argument(metavar="NAME_OR_FILE")] = None,
        source: Annotated[
            bool, typer.Option("--source", help="Print the document, to copy and change.")
        ] = False,
        keep: Annotated[
            bool, typer.Option("--keep", help="Register it, so that things can be placed by it.")
        ] = False,
    ) -> None:
        """List the tables of risk, show one, or register one of your own.

        Example: kizuna risk frameworks iot-ssf --source > ours.yaml
        """
        from kizuna.app.wiring.risk import frameworks, telling

        if name is None:
            rows = [
                telling.framework_json(f, door.lang) | {"from": origin}
                for f, origin in frameworks.frameworks_of(door.settings)
            ]
            door.answer(
                {"frameworks": rows},
                [f"{r['name']}  {r['version']}  {r['title']}" for r in rows],
            )
            return
        found = frameworks.find_framework(name, door.settings)
        if keep:
            made = frameworks.keep_framework(door.workspace(), found)
            door.answer(made, [door.text("risk.kept", **made)])
            return
        told = telling.framework_json(found, door.lang)
        if source:
            door.answer(found.document(), lambda: frameworks.source_of(name, found).splitlines())
            return
        door.answer(told, lambda: _table(told))


def _table(told: dict[str, Any]) -> list[str]:
    lines = [f"{told['name']}  {told['version']}  {told['title']}", told["origin"]]
    for axis in told["axes"]:
        steps = " < ".join(f"{s['id']} ({s['title']})" for s in axis["levels"])
        lines.append(f"{axis['title']} [{axis['id']}]: {steps}")
    for category in told["categories"]:
        asked = ", ".join(f"{v}: {s}" for v, s in category["required"].items())
        lines.append(f"{category['id']}  {category['title']}  {asked}")
    return lines


def _hang_placing(app: typer.Typer) -> None:
    @command(app, "place")
    def place(
        door: Door,
        device: Annotated[str, typer.Argument(metavar="DEVICE", help="Identifier.")],
        use: Annotated[
            str, typer.Option("--use", help="What it is used for, e.g. `hvac-operating-theatre`.")
        ],
        level: Annotated[
            list[str],
            typer.Option("--level", metavar="AXIS=LEVEL", help="Where it stands on an axis."),
        ],
        in_place: Annotated[
            list[str] | None,
            typer.Option(
                "--in-place",
                metavar="VIEWPOINT=STRENGTH",
                help="How strong the measures already are.",
            ),
        ] = None,
        site: Annotated[str, typer.Option("--site", help="Where it is used; words.")] = "",
        reason: Annotated[str, typer.Option("--reason", help="Why it stands there.")] = "",
        framework: _FRAMEWORK = "iot-ssf",
        whole: Annotated[
            str | None,
            typer.Option(
                "--part-of",
                metavar="WHOLE",
                help="Sign that it is part of this in its category, by which verdicts count it.",
            ),
        ] = None,
        preview: Annotated[
            bool, typer.Option("--preview", help="Show where it would stand; sign nothing.")
        ] = False,
    ) -> None:
        """Place a device in a use on the plane of risk, as a signed statement.

        Example: kizuna risk place pkg:generic/aoba-air/ac-9@2.3 --use hvac-operating-theatre
        --level recovery=critical --level economic=serious --in-place before-operation=confirmed
        """
        from kizuna.app.wiring.risk import frameworks, placing, telling
        from kizuna.model.identifier import canonical

        table = frameworks.find_framework(framework, door.settings)
        made = placing.planned(
            table,
            device,
            use,
            pairs(level, "--level"),
            in_place=pairs(in_place or (), "--in-place"),
            site=site,
            reason=reason,
        )
        told = telling.placement_json(table, made, door.lang)
        if not preview:
            told |= placing.place_device(
                door.organisation(),
                table,
                made,
                door.settings,
                whole=None if whole is None else canonical(whole),
            )
        door.answer(told, _placed(door, told))

    @command(app, "show")
    def show(
        door: Door,
        device: Annotated[str | None, typer.Argument(metavar="DEVICE")] = None,
        framework: _FRAMEWORK = "iot-ssf",
    ) -> None:
        """Show where a device stands, in each of its uses; without one, everything placed here."""
        from kizuna.app.wiring.risk import frameworks, placing, telling
        from kizuna.model.identifier import canonical

        table = frameworks.find_framework(framework, door.settings)
        workspace = door.workspace(read_only=True)
        found = (
            placing.all_placements(workspace, table)
            if device is None
            else placing.placements_of(workspace, canonical(device), table)
        )
        rows = [telling.placement_json(table, p, door.lang) for p in found]
        nothing = [door.text("risk.nothing-placed")]
        door.answer({"placements": rows}, [w for r in rows for w in _placed(door, r)] or nothing)

    @command(app, "compare")
    def compare(door: Door, framework: _FRAMEWORK = "iot-ssf") -> None:
        """Name what is inconsistent: same category, weaker measures; heavier category, weaker.

        Ends with 15 where something is.
        """
        from kizuna.app.wiring.risk import frameworks, telling

        table = frameworks.find_framework(framework, door.settings)
        workspace = door.workspace(read_only=True)
        told = telling.shown_placements(workspace, table, door.lang)
        rows = told["differences"]
        answer = {"placements": len(told["placements"]), "differences": rows}
        lines = [difference_line(door, r) for r in rows]
        good = [door.text("risk.consistent", count=answer["placements"])]
        door.answer(answer, lines or good)
        if rows:
            raise Failure(Outcome.NONCONFORMANT)

    @command(app, "plane")
    def plane(
        door: Door,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="`-` is stdout.")] = "-",
        framework: _FRAMEWORK = "iot-ssf",
    ) -> None:
        """Draw the plane with everything placed here, as SVG.

        Example: kizuna risk plane --out plane.svg --lang ja
        """
        from kizuna.app.wiring.risk import frameworks, telling

        table = frameworks.find_framework(framework, door.settings)
        drawn = telling.plane_of(door.workspace(read_only=True), table, door.lang)
        Door.write_file(out, drawn.encode() + b"\n")
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])


def _hang_tailoring(app: typer.Typer) -> None:
    @command(app, "tailor")
    def tailor(
        door: Door,
        profile: Annotated[str, typer.Argument(metavar="PROFILE", help="By name, or a file.")],
        placement: Annotated[
            str | None,
            typer.Option("--placement", metavar="DEVICE", help="As strict as where it stands."),
        ] = None,
        use: Annotated[
            str | None, typer.Option("--use", help="In which use, where it has several.")
        ] = None,
        category: Annotated[
            str | None, typer.Option("--category", help="As strict as a category.")
        ] = None,
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Write the tailored profile there."),
        ] = None,
        framework: _FRAMEWORK = "iot-ssf",
    ) -> None:
        """Make a profile as strict as a placement asks for, and say what that changes.

        Example: kizuna risk tailor building-services --category D --out strict.json
        """
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.app.wiring.risk import frameworks, placing, telling
        from kizuna.model.errors import Malformed
        from kizuna.model.identifier import canonical

        table: Framework = frameworks.find_framework(framework, door.settings)
        if (placement is None) == (category is None):
            raise Malformed(
                "risk.tailor-by",
                "by what shall the profile be tailored?",
                hint="give --placement DEVICE or --category CATEGORY, one of them",
            )
        if category is None:
            assert placement is not None  # noqa: S101 - checked above
            device = canonical(placement)
            found = placing.placements_of(door.workspace(read_only=True), device, table)
            category = placing.only_placement(found, device, use).category
        told = telling.tailored(find_profile(profile, door.settings), table, category)
        if out is not None:
            document = json.dumps(told["document"], ensure_ascii=False, indent=2) + "\n"
            Door.write_file(out, document.encode())
            if out == "-":
                return
        door.answer(told, lambda: _changes(door, told, out))


def _changes(door: Door, told: dict[str, Any], out: str | None) -> list[str]:
    lines = [
        door.text(
            f"risk.change.{c['what']}",
            where=c["where"],
            before=_level(door, c, "before"),
            after=_level(door, c, "after"),
        )
        for c in told["changes"]
    ]
    head = door.text("risk.tailored", count=len(lines), **{k: told[k] for k in ("category",)})
    tail = [door.text("risk.untouched", viewpoints=", ".join(told["untouched"]))]
    lines = [head, *lines, *(tail if told["untouched"] else [])]
    return [*lines, door.text("file.written", file=out)] if out else lines


def _placed(door: Door, told: dict[str, Any]) -> list[str]:
    lines = [
        door.text(
            "risk.placed",
            device=told["device"],
            use=told["use"],
            category=told["category"],
            title=told["category_title"],
        )
    ]
    lines += [door.text(f"risk.is.{s['what']}", **s) for s in told["short"]]
    if told.get("link"):
        lines.append(door.text("risk.linked", whole=told["whole"], category=told["link_category"]))
    else:
        lines.append(door.text("risk.unlinked", category=told["link_category"]))
    return lines


def difference_line(door: Door, row: dict[str, Any]) -> str:
    """One line about what is inconsistent."""
    other = row["other"] or {}
    known = {
        "viewpoint": row["viewpoint"],
        "has": row["has"],
        "asked": row["asked"],
        "other": other.get("use", ""),
        "category": other.get("category", ""),
    }
    words = door.text(f"risk.is.{row['what']}", **known)
    return f"{row['device']} · {row['use']}: {words.strip()}"


def _level(door: Door, change: dict[str, Any], side: str) -> str:
    """What stood there or stands now, in words where it is a level of assurance."""
    value = str(change[side])
    if value and change["what"] in ("level", "added"):
        return door.text(f"level.{value}")
    return value or "–"
