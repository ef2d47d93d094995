# SPDX-License-Identifier: Apache-2.0
"""``kizuna assess``: questions of a profile, answers, gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kizuna.app.cli import assess_away
from kizuna.app.cli.assess_away import plan_lines
from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import mark, tell_beyond
from kizuna.app.cli.times import instant
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.app.wiring.assess.pen import Pen
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.proof.assurance import Questionnaire

__all__ = ["hang", "tell_unusual", "tell_unusual_in"]

_FILE: Final = 16 << 20
_FILES: Final = 500
_WARNED: Final = 10

_Subject = Annotated[str, typer.Argument(metavar="SUBJECT", help="What is assessed.")]
_Profile = Annotated[
    str, typer.Option("--profile", "-p", help="Profile by name, or a YAML or JSON file.")
]
_Profiles = Annotated[
    list[str],
    typer.Option(
        "--profile", "-p", help="Profile by name, or a file; several: what is alike is asked once."
    ),
]
_Element = Annotated[
    str | None,
    typer.Option("--element", metavar="NAME", help="What it is, where nothing says so yet."),
]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""
    assess_away.hang(app)

    @command(app, "questions")
    def questions(
        door: Door,
        subject: _Subject,
        profile: _Profiles,
        out: Annotated[
            str | None, typer.Option("--out", metavar="FILE", help="Write it; `-`: stdout.")
        ] = None,
        form: Annotated[
            str | None,
            typer.Option("--form", metavar="csv|csv-cp932|xlsx", help="Of the file."),
        ] = None,
        element: _Element = None,
    ) -> None:
        """Print what a profile asks, or write it as a table to fill in.

        Also from the folder of a member of a store elsewhere: `kizuna join`.

        Example: kizuna assess questions pkg:generic/fuji/pump@4.2 --profile iot-device --out q.xlsx
        """
        from kizuna.app.wiring.assess.asking import given_answers
        from kizuna.app.wiring.assess.export import question_json, table
        from kizuna.app.wiring.assess.held import held_for

        organisation = door.organisation(read_only=True)
        asked = _asked(organisation, subject, profile, element)
        given, _ = given_answers(organisation, asked)
        held = held_for(organisation, asked, door.lang)
        if out is not None:
            chosen = form or ("xlsx" if out.endswith(".xlsx") else "csv")
            Door.write_file(out, table(asked, chosen, door.lang, given))
        if out != "-":
            rows = [
                question_json(one, door.lang) | {"held": held.get(one.id, [])}
                for one in asked.questions
            ]
            door.answer(
                {"subject": asked.subject, "profile": asked.profile, "questions": rows},
                lambda: _question_lines(door, rows),
            )

    @command(app, "answer")
    def answer(
        door: Door,
        subject: _Subject,
        profile: _Profiles,
        file: Annotated[
            str | None,
            typer.Argument(
                metavar="FILE", help="Filled-in table, OSCAL results or plan; none: be asked."
            ),
        ] = None,
        evidence: Annotated[
            str | None,
            typer.Option("--evidence", metavar="DIR", help="Where the named files are."),
        ] = None,
        element: _Element = None,
        member: Annotated[
            str | None,
            typer.Option("--for", metavar="NAME", help="In the name of a member, by its kept key."),
        ] = None,
        preview: Annotated[
            bool, typer.Option("--preview", help="Show what would be signed; sign nothing.")
        ] = False,
    ) -> None:
        """Sign and register answers; what is planned is never taken for done.

        In the folder of a member of a store elsewhere they are signed here, by the member's own
        key, and registered there.

        Example: kizuna assess answer pkg:generic/fuji/pump@4.2 q.csv --profile iot-device
        --evidence ./evidence
        """
        from kizuna.app.wiring.assess.asking import register_answers
        from kizuna.app.wiring.assess.export import read_answers
        from kizuna.app.wiring.assess.plan import plan_answers

        organisation = door.organisation()
        pen = _pen(organisation, member)
        asked = _asked(organisation, subject, profile, element)
        if file is None:
            answers = _interview(door, asked)
        else:
            answers = read_answers(asked, Door.read(file, limit=_FILE))
        folder = Path(evidence or (Path(file).parent if file not in (None, "-") else "."))
        files = _files(folder, {n for a in answers.answers for n in a.names})
        if preview:
            plan = plan_answers(organisation, asked, answers, files, pen=pen)
            told = {
                "issuer": plan.issuer,
                "seen": plan.seen,
                "statements": [one.told() for one in plan.sayings],
            }
            door.answer(told, lambda: plan_lines(door, told))
            return
        made = register_answers(organisation, asked, answers, files, pen=pen)
        door.answer(
            made,
            [
                door.text(
                    "assess.registered",
                    statements=len(made["statements"]),
                    implemented=made["answers"]["implemented"],
                    planned=made["answers"]["planned"],
                    not_applicable=made["answers"]["not-applicable"],
                    open=made["answers"]["open"],
                    level=door.text(f"level.{made['level']}"),
                ),
                *(
                    [door.text("assess.certificate", which=", ".join(made["certificate_needed"]))]
                    if made["certificate_needed"]
                    else []
                ),
            ],
        )
        tell_beyond(door, made["beyond"])

    @command(app, "gaps")
    def gaps(
        door: Door,
        subject: _Subject,
        profile: _Profiles,
        element: _Element = None,
        at: Annotated[
            str | None, typer.Option("--at", metavar="TIME", help="Valid at this instant.")
        ] = None,
        lists: Annotated[
            list[str] | None,
            typer.Option("--list", metavar="NAME", help="Believe these lists only."),
        ] = None,
        under: Annotated[
            list[str] | None,
            typer.Option("--under", metavar="CATALOG", help="Also measure it by this catalog."),
        ] = None,
    ) -> None:
        """Show what is asked and not shown, with owner and day; and what that says under catalogs.

        Several profiles are told one by one; a control that several ask for is covered where all
        of them are met. The exit code is that of the verdict, as `kizuna verify` gives it.

        Example: kizuna assess gaps pkg:generic/fuji/pump@4.2 --profile iot-device

        Example: kizuna assess gaps did:web:fuji.example --profile supplier --under cpsf-1.0 --under
        csf-2.0 --under sp-800-171r3
        """
        from kizuna.app.wiring.assess.catalogs import gaps_under
        from kizuna.app.wiring.assess.export import element_named
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.model.identifier import canonical

        told = gaps_under(
            door.organisation(read_only=True),
            canonical(subject),
            [find_profile(name, door.settings) for name in profile],
            under or (),
            lang=door.lang,
            element=element_named(element),
            at=None if at is None else instant(at),
            lists=lists,
        )
        door.answer(told, lambda: _gap_lines(door, told))
        if told["exit"]:
            raise Failure(Outcome(told["exit"]))

    @command(app, "export", older={"--as": "--form"})
    def export(
        door: Door,
        subject: _Subject,
        profile: _Profile,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="`-` is stdout.")],
        form: Annotated[
            str,
            typer.Option(
                "--form", metavar="FORM", help="oscal-results, oscal-poam, cyclonedx, csv …"
            ),
        ] = "oscal-results",
        element: _Element = None,
    ) -> None:
        """Write the registered answers in a form of the field.

        Example: kizuna assess export pkg:generic/fuji/pump@4.2 --profile iot-device
        --form oscal-poam --out poam.json
        """
        from kizuna.app.wiring.assess.asking import given_answers
        from kizuna.app.wiring.assess.export import exported

        organisation = door.organisation(read_only=True)
        asked = _asked(organisation, subject, [profile], element)
        answers, by = given_answers(organisation, asked)
        data = exported(organisation, asked, answers, form, door.lang)
        Door.write_file(out, data)
        if out != "-":
            told = {"file": out, "form": form, "bytes": len(data), "answered_by": by}
            door.answer(told, [door.text("file.written", file=out)])

    @command(app, "credential")
    def credential(
        door: Door,
        which: Annotated[
            str, typer.Argument(metavar="INDEX_OR_DIGEST", help="A claim of one's own.")
        ],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="`-` is stdout.")],
        untp: Annotated[
            bool, typer.Option("--untp", help="In the shape of UNTP's conformity credential.")
        ] = False,
    ) -> None:
        """Write a registered claim as a W3C credential (vc+jwt), signed by its issuer.

        Example: kizuna assess credential 12 --out iso-27001.vc.jwt
        """
        from kizuna.app.wiring.certificates_vc import as_credential

        data = as_credential(door.workspace(), which, untp=untp)
        Door.write_file(out, data)
        if out != "-":
            door.answer({"file": out, "bytes": len(data)}, [door.text("file.written", file=out)])

    @command(app, "status")
    def status(
        door: Door,
        file: Annotated[
            str,
            typer.Argument(
                metavar="FILE|URL",
                help="The signed list (vc+jwt, or a Token Status List as JWT or CWT).",
            ),
        ],
        key: Annotated[
            str | None,
            typer.Option("--key", metavar="FILE", help="Its issuer's public key (JWK)."),
        ] = None,
        issuer: Annotated[
            str,
            typer.Option("--issuer", metavar="ID", help="Whose key --key is."),
        ] = "",
    ) -> None:
        """Honour a status list for imported credentials: what it ends, the import ends too.

        The list is kept: credentials that are imported later are held to it as well.

        Example: kizuna assess status list.jwt --key issuer.jwk --issuer did:web:issuer.example

        Example: kizuna assess status https://issuer.example/status/3
        """
        from kizuna.app.wiring.certificates_status import apply_status, fetch_status

        public = None
        if key is not None:
            from kizuna.roots.keys import PublicKey
            from kizuna.roots.strict_json import read_object

            public = PublicKey.from_jwk(read_object(Door.read(key), "key.encoding", 65_536))
        if file.startswith(("https://", "http://")):
            data = fetch_status(file)
        else:
            data = Door.read(file, limit=24 << 20)
        made = apply_status(door.workspace(), data, public, issuer=issuer)
        door.answer(made, [door.text("certificate.status", **made)])

    @command(app, "certificates")
    def certificates(
        door: Door,
        name: Annotated[
            str | None, typer.Argument(metavar="TYPE", help="Show this one whole.")
        ] = None,
    ) -> None:
        """List the types of certificate that are known: who issues them, for how long."""
        from kizuna.app.wiring.certificates import listed, shown

        if name is None:
            rows = listed(door.lang)
            door.answer(
                {"types": rows}, [f"{r['type']:<22} {r['title']}  {r['validity']}" for r in rows]
            )
            return
        one = shown(name, door.lang)
        door.answer(one, lambda: _kind_lines(one))


def _question_lines(door: Door, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"{row['id']}  {row['title']}"
        for held in row["held"]:
            words = "assess.held" if held["way"] == "asked" else "assess.held-mapped"
            yield "    " + door.text(words, **{**held, "until": held["until"] or "–"})


def _kind_lines(one: dict[str, Any]) -> Iterator[str]:
    for name, said in one.items():
        if isinstance(said, dict):
            yield f"{name}:"
            yield from (f"  {key}: {value}" for key, value in said.items())
        elif said:
            yield f"{name}: {', '.join(said) if isinstance(said, list) else said}"


def tell_unusual(door: Door, kind: Any, payload: object) -> None:  # noqa: ANN401 - a Kind
    """Warn about a certificate that is unlike its kind."""
    from kizuna.app.wiring.certificates import unusual

    for one in unusual(kind, payload):
        door.warn(f"certificate.{one.what.value}", type=one.type, about=one.about)


def tell_unusual_in(door: Door, digests: Sequence[str]) -> None:
    """Say which registered certificates are unlike their kind; the first of many are looked at."""
    from kizuna.app.wiring.certificates import unusual
    from kizuna.model.identifier import Digest

    if door.as_json or door.quiet:
        return
    reader = door.workspace().store.reader()
    rows = reader.by_digests([Digest(bytes.fromhex(d)) for d in digests[:_FILES]])
    told: dict[Any, None] = {}
    for row in rows.values():
        told.update(dict.fromkeys(unusual(row.statement.kind, row.statement.payload)))
    for one in list(told)[:_WARNED]:
        door.say(f"certificate.{one.what.value}", type=one.type, about=one.about)


def _asked(
    organisation: Organisation, subject: str, profiles: Sequence[str], element: str | None
) -> Questionnaire:
    from kizuna.app.wiring.assess.asking import questionnaire_of
    from kizuna.app.wiring.assess.export import element_named
    from kizuna.app.wiring.profiles import find_profile
    from kizuna.model.identifier import canonical

    return questionnaire_of(
        organisation,
        canonical(subject),
        [find_profile(name, organisation.settings) for name in profiles],
        element=element_named(element),
    )


def _pen(organisation: Organisation, member: str | None) -> Pen:
    """Who signs: the organisation itself, or one whose key is kept in its store."""
    from kizuna.app.wiring.assess.pen import own_pen
    from kizuna.app.wiring.served.codes import pen_of
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.errors import Malformed

    if member is None:
        return own_pen(organisation)
    if not isinstance(organisation, Workspace):
        raise Malformed(
            "assess.for-elsewhere",
            "keys of others are kept where the store is, not here",
            hint="leave --for out: what is answered here is signed by this folder's own key",
        )
    return pen_of(organisation, member)


def _files(folder: Path, names: set[str]) -> dict[str, bytes]:
    """The evidence files of these names, from below one folder only."""
    found: dict[str, bytes] = {}
    root = folder.resolve()
    for name in sorted(names)[:_FILES]:
        path = (root / name).resolve()
        if path.is_relative_to(root) and path.is_file():
            found[name] = Door.read(str(path), limit=_FILE)
    return found


def _interview(door: Door, asked: Any) -> Any:  # noqa: ANN401 - Answers
    """Ask question by question, on a terminal."""
    import sys

    from kizuna.app.wiring.assess.export import question_json
    from kizuna.model.errors import Malformed
    from kizuna.proof.assurance import Answer, Answers, State
    from kizuna.proof.assurance.rows import fields_of, state_of

    if not (sys.stdin.isatty() and sys.stderr.isatty()) or door.as_json:
        raise Malformed(
            "assess.nobody",
            "nobody is there to answer",
            why="the command is not run on a terminal",
            hint="give a filled-in table: `kizuna assess questions` writes it",
        )
    given = []
    for one in asked.questions:
        told = question_json(one, door.lang)
        typer.echo(f"\n{told['id']}  {told['title']}\n  {told['advice']}", err=True)
        state = state_of(typer.prompt(door.text("assess.ask"), default="", err=True))
        due = owner = reason = ""
        if state is State.PLANNED:
            due = typer.prompt(door.text("assess.ask-due"), err=True)
            owner = typer.prompt(door.text("assess.ask-owner"), err=True)
        if state is State.NOT_APPLICABLE:
            reason = typer.prompt(door.text("assess.ask-reason"), err=True)
        fields: dict[str, Any] = {}
        if state is State.IMPLEMENTED:
            for name in one.fields:
                fields |= fields_of(f"{name}={typer.prompt(f'  {name}', err=True)}")
        if state is not State.OPEN:
            given.append(
                Answer(
                    requirement=one.id,
                    state=state,
                    fields=fields,
                    due=due,
                    owner=owner,
                    reason=reason,
                )
            )
    return Answers(answers=tuple(given))


def _gap_lines(door: Door, told: dict[str, Any]) -> Iterator[str]:
    yield f"{mark(door, told['verdict'])}  {told['subject']}"
    for one in told.get("profiles", (told,)):
        named = f"{one['profile']}: " if "profiles" in told else ""
        yield f"  {named}{door.text('assess.met', met=one['met'], asked=one['asked'])}"
    for one in told.get("under", ()):
        counts = {name.replace("-", "_"): n for name, n in one["counts"].items()}
        yield "  " + door.text("assess.under", catalog=one["catalog"], **counts)
    for gap in told["gaps"]:
        late = "  " + door.text("assess.overdue") if gap["overdue"] else ""
        of = f"  ({gap['profile']})" if "profile" in gap else ""
        yield f"  {gap['requirement']}  {gap['title']}{of}"
        yield (
            "      "
            + door.text(
                "assess.gap",
                answer=door.text(f"assess.{gap['answer']}"),
                owner=gap["owner"] or "–",
                due=gap["due"] or "–",
            )
            + late
        )
        if gap["mend"]:
            yield f"      → {gap['mend']}"
