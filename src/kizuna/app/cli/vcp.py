# SPDX-License-Identifier: Apache-2.0
"""``kizuna vcp``: value creation processes, and what is expected where they cross a border."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any

import typer

from kizuna.app.cli.door import Door, Failure, command

__all__ = ["hang"]

_PROCESS = Annotated[
    str | None, typer.Argument(metavar="PROCESS", help="By name, or a file; else the only one.")
]
_PROFILE = Annotated[
    str, typer.Option("--profile", "-p", help="Profile by name, or a YAML or JSON file.")
]
_POINT = Annotated[
    str | None, typer.Option("--point", metavar="POINT", help="At this interaction point only.")
]
_LISTS = Annotated[
    list[str] | None, typer.Option("--list", metavar="NAME", help="Believe these lists only.")
]
_OFFLINE = Annotated[bool, typer.Option("--offline", help="Ask no store elsewhere.")]
_OF = Annotated[str | None, typer.Option("--process", metavar="PROCESS", help="Of which process.")]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""
    _hang_models(app)
    _hang_expecting(app)
    _hang_agreeing(app)


def _hang_models(app: typer.Typer) -> None:
    @command(app, "import")
    def import_(
        door: Door,
        file: Annotated[
            str | None, typer.Argument(metavar="FILE", help="YAML, JSON or BPMN 2.0.")
        ] = None,
        name: Annotated[
            str | None, typer.Option("--name", help="Name, for a BPMN file that has none.")
        ] = None,
        out: Annotated[
            str | None,
            typer.Option(
                "--out", metavar="FILE", help="Write it as YAML to check first; register nothing."
            ),
        ] = None,
        statement: Annotated[
            str | None,
            typer.Option(
                "--statement", metavar="DIGEST", help="Keep one that somebody else registered here."
            ),
        ] = None,
    ) -> None:
        """Read a process and register it, signed; what a diagram does not say is listed.

        Example: kizuna vcp import assembly.bpmn --out assembly.yaml

        Example: kizuna vcp import assembly.yaml
        """
        from kizuna.app.wiring.vcp.intake import import_process, keep_registered
        from kizuna.app.wiring.vcp.kept import source_of
        from kizuna.model.errors import Malformed

        if (file is None) == (statement is None):
            raise Malformed(
                "vcp.import-what",
                "what shall be taken in?",
                hint="give a FILE or --statement DIGEST, one of them",
            )
        if statement is not None:
            made = keep_registered(door.organisation(), statement)
            door.answer(made, [door.text("vcp.kept", **made)])
            return
        assert file is not None  # noqa: S101 - checked above
        data = Door.read(file, limit=8 << 20)
        if out is not None:
            from kizuna.criteria.process import is_bpmn, read_bpmn, read_process

            stem = name or PurePath(file).stem
            draft = read_bpmn(data, stem) if is_bpmn(data) else None
            process = draft.process if draft else read_process(data, file)
            Door.write_file(out, source_of(None, process).encode())
            told = {
                "file": out,
                "guesses": list(draft.guesses) if draft else [],
                "not_understood": dict(draft.not_understood) if draft else {},
            }
            if out != "-":
                door.answer(told, [door.text("file.written", file=out), *_remarks(door, told)])
            return
        made = import_process(door.organisation(), data, PurePath(file).name, name)
        door.answer(made, [door.text("vcp.imported", **made), *_remarks(door, made)])

    @command(app, "show")
    def show(
        door: Door,
        process: _PROCESS = None,
        source: Annotated[
            bool, typer.Option("--source", help="Print the document, to copy and change.")
        ] = False,
    ) -> None:
        """Show a process: who does what, and where something crosses a border."""
        from kizuna.app.wiring.vcp.kept import find_process, source_of
        from kizuna.app.wiring.vcp.shapes import process_json

        kept = find_process(process, door.settings)
        if source:
            document = kept.process.document()
            door.answer(document, lambda: source_of(process, kept.process).splitlines())
            return
        told = process_json(kept, door.lang)
        door.answer(told, lambda: _shown(door, told))

    @command(app, "draw")
    def draw(
        door: Door,
        process: _PROCESS = None,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="`-` is stdout.")] = "-",
        profile: Annotated[
            str | None,
            typer.Option("--profile", "-p", help="Mark where something is missing under it."),
        ] = None,
        lists: _LISTS = None,
        offline: _OFFLINE = False,
    ) -> None:
        """Draw a process as SVG: lanes are organisations, rows are layers.

        Example: kizuna vcp draw --out process.svg --lang ja
        """
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.app.wiring.vcp.ground import ground_of
        from kizuna.app.wiring.vcp.kept import find_process
        from kizuna.app.wiring.vcp.standing import draw, shown_of

        kept = find_process(process, door.settings)
        shown = None
        if profile is not None:
            chosen = find_profile(profile, door.settings)
            organisation = door.organisation(read_only=True)
            ground = ground_of(organisation, across=True, offline=offline)
            shown = shown_of(organisation, kept, chosen, lists=lists, ground=ground)
        Door.write_file(out, draw(kept, door.lang, shown).encode() + b"\n")
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])


def _hang_expecting(app: typer.Typer) -> None:
    @command(app, "expect")
    def expect(
        door: Door,
        profile: _PROFILE,
        process: _PROCESS = None,
        point: _POINT = None,
        sign: Annotated[
            bool, typer.Option("--sign", help="Register it as this organisation's expectation.")
        ] = False,
    ) -> None:
        """Say who must show what to whom, by a profile; with --sign what we expect of others.

        Example: kizuna vcp expect shiomi-air --profile building-services
        """
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.app.wiring.vcp.kept import find_process
        from kizuna.app.wiring.vcp.saying import expect
        from kizuna.app.wiring.vcp.shapes import expected_json

        kept = find_process(process, door.settings)
        chosen = find_profile(profile, door.settings)
        if sign:
            made = expect(door.organisation(), kept, chosen, point)
            lines = [door.text("vcp.said.expectation", **m) for m in made]
            door.answer({"statements": made}, lines)
            return
        rows = expected_json(kept, chosen, point, door.lang)
        door.answer({"profile": chosen.name, "expects": rows}, lambda: _rows(door, rows))

    @command(app, "gaps")
    def gaps(
        door: Door,
        profile: _PROFILE,
        process: _PROCESS = None,
        point: _POINT = None,
        everything: Annotated[bool, typer.Option("--all", help="What is shown, too.")] = False,
        lists: _LISTS = None,
        offline: _OFFLINE = False,
    ) -> None:
        """Set what is expected against what is there; ends with 13 where something is missing.

        What is there is looked for in the stores elsewhere too, as `kizuna verify` does.

        Example: kizuna vcp gaps shiomi-air --profile building-services
        """
        from kizuna.app.wiring.naming import identifiers_in
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.app.wiring.vcp.ground import ground_of
        from kizuna.app.wiring.vcp.kept import find_process
        from kizuna.app.wiring.vcp.shapes import outcome_of, shown_json
        from kizuna.app.wiring.vcp.standing import shown_of

        kept = find_process(process, door.settings)
        organisation = door.organisation(read_only=True)
        chosen = find_profile(profile, door.settings)
        ground = ground_of(organisation, across=True, offline=offline)
        shown = shown_of(organisation, kept, chosen, point=point, lists=lists, ground=ground)
        names = ground.names(identifiers_in([f for s in shown for f in s.findings]))
        rows = shown_json(kept, shown, chosen, door.lang, names)
        missing = [r for r in rows if r["state"] not in ("shown", "waived")]
        outcome = outcome_of(rows)
        told: dict[str, Any] = {
            "process": kept.process.name,
            "profile": chosen.name,
            "expected": len(rows),
            "missing": len(missing),
            "exit": int(outcome),
            "rows": rows if everything else missing,
        }
        head = [door.text("vcp.gaps", expected=len(rows), missing=len(missing))]
        door.answer(told, lambda: head + _rows(door, told["rows"]))
        if outcome:
            raise Failure(outcome)


def _hang_agreeing(app: typer.Typer) -> None:
    @command(app, "offer")
    def offer(
        door: Door,
        expectation: Annotated[
            str, typer.Argument(metavar="EXPECTATION", help="The statement: index or digest.")
        ],
        profile: _PROFILE,
        process: _OF = None,
        until: Annotated[
            list[str] | None,
            typer.Option(
                "--until", metavar="REQUIREMENT=DATE", help="Promise what is missing by a day."
            ),
        ] = None,
        offline: _OFFLINE = False,
    ) -> None:
        """Answer an expectation: sign what is shown, and what is promised until when.

        Also from the folder of a member of a store elsewhere: `kizuna join`.

        Example: kizuna vcp offer 4711 --profile building-services --until maintained=2027-03-31
        """
        from kizuna.app.cli.pairs import pairs
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.app.wiring.vcp.ground import ground_of
        from kizuna.app.wiring.vcp.kept import find_process
        from kizuna.app.wiring.vcp.saying import offer

        kept = find_process(process, door.settings)
        chosen = find_profile(profile, door.settings)
        organisation = door.organisation()
        made = offer(
            organisation,
            kept,
            chosen,
            expectation,
            pairs(until or (), "--until"),
            ground=ground_of(organisation, across=True, offline=offline),
        )
        lines = [door.text("vcp.said.offer", **{**made, "lacks": len(made["lacks"])})]
        door.answer(made, lines)

    @command(app, "agree")
    def agree(
        door: Door,
        offer: Annotated[
            str, typer.Argument(metavar="OFFER", help="The statement: index or digest.")
        ],
        process: _OF = None,
    ) -> None:
        """Accept an offer. It binds when both organisations have signed the same."""
        from kizuna.app.wiring.vcp.kept import find_process
        from kizuna.app.wiring.vcp.saying import agree

        kept = find_process(process, door.settings)
        made = agree(door.organisation(), kept, offer)
        door.answer(made, [door.text("vcp.said.agreement", **{**made, "open": len(made["open"])})])

    @command(app, "status")
    def status(door: Door, process: _PROCESS = None) -> None:
        """Show how far each interaction point has come, and whose turn it is."""
        from kizuna.app.wiring.vcp.kept import find_process
        from kizuna.app.wiring.vcp.standing import status_of

        kept = find_process(process, door.settings)
        rows = status_of(door.organisation(read_only=True), kept)
        door.answer({"process": kept.process.name, "points": rows}, lambda: _courses(door, rows))


def _courses(door: Door, rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
        waiting = ", ".join(row["waiting"]) or "–"
        state = door.text(f"vcp.state.{row['state']}")
        lines.append(door.text("vcp.course", point=row["point"], state=state, waiting=waiting))
        if row["renewing"]:
            lines.append(door.text("vcp.renewing"))
        lines += [door.text("vcp.overdue", **late) for late in row["overdue"]]
    return lines


def _rows(door: Door, rows: list[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    before = ""
    for row in rows:
        if row["point"] != before:
            before = row["point"]
            lines.append(f"{before}: {row['from_title']} → {row['to_title']}")
        state = f"[{door.text('vcp.is.' + row['state'])}] " if "state" in row else ""
        of = door.text("vcp.of-organization") if row["of"] == "organization" else row["subject"]
        lines.append(f"  {state}{row['title']}  ({row['requirement']}; {of or '–'})")
        lines += [f"      {f['message']}" for f in row.get("findings", ())]
    return lines


def _shown(door: Door, told: dict[str, Any]) -> list[str]:
    parties = {p["id"]: p["title"] for p in told["organizations"]}
    lines = [f"{told['name']}  {told['version']}  {told['title']}"]
    if told["about"]:
        lines.append(told["about"])
    for a in told["activities"]:
        taken, made = ", ".join(a["consumes"]) or "–", ", ".join(a["produces"]) or "–"
        lines.append(
            f"{parties[a['organization']]} · {a['title']} [{a['layer']}]  {taken} → {made}"
        )
    lines.append(door.text("vcp.points", count=len(told["points"])))
    lines += [
        f"  {p['id']}: {p['title']}  {parties[p['from']]} → {parties[p['to']]}"
        for p in told["points"]
    ]
    if told["loose"]:
        lines.append(door.text("vcp.loose", elements=", ".join(told["loose"])))
    return lines


def _remarks(door: Door, told: dict[str, Any]) -> list[str]:
    lines = [door.text("vcp.guess", guess=g) for g in told["guesses"]]
    if told["not_understood"]:
        what = ", ".join(f"{tag} ×{count}" for tag, count in told["not_understood"].items())
        lines.append(door.text("vcp.not-understood", what=what))
    return lines
