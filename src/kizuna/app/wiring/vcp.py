# SPDX-License-Identifier: Apache-2.0
"""Processes of a store: imported, signed, found again; what is expected, shown, offered, agreed.

Keeps: 1. A process is a signed norm; the folder is derived from it. 2. A file that cannot be read
changes nothing: the last good process stays. 3. Who signs is who is named in the process: nobody
expects, offers or agrees for somebody else. 4. What is shown is judged by this store's verifier,
with its own anchors, each time it is asked.

::

    processes/NAME.json    the registered norm's document, its owner and its digest
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.answers import finding_json
from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.question import Question
from kizuna.chain.process import (
    Course,
    Shown,
    State,
    agreement_norm,
    course_of,
    expectation_norm,
    expectations,
    expected_in,
    gaps,
    offer_norm,
    offered_in,
    point_subject,
    process_subject,
    set_against,
)
from kizuna.criteria.process import (
    Point,
    Process,
    draw_process,
    from_norm,
    is_bpmn,
    process_of,
    read_bpmn,
    read_process,
    to_norm,
)
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile, Requirement
    from kizuna.model.statement import Registered
    from kizuna.record.store import View

__all__ = [
    "Kept",
    "agree",
    "draw",
    "expect",
    "expected_json",
    "find_process",
    "import_process",
    "keep_registered",
    "named_process",
    "offer",
    "process_json",
    "processes_of",
    "shown_json",
    "shown_of",
    "source_of",
    "status_of",
]

_READ: Final = 8 << 20
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A process as it can be named here; ``owner`` is empty for a file that nobody signed yet."""

    process: Process
    owner: str
    statement: str


# --- finding -------------------------------------------------------------------------------------


def processes_of(settings: Settings) -> list[Kept]:
    """Every process of the store, by name."""
    return [_kept(path) for path in _files(settings)]


def find_process(name_or_path: str | None, settings: Settings) -> Kept:
    """The process of that name, in that file, or the only one there is.

    Raises:
        Absent: ``vcp.unknown``. Malformed: ``document.*``, ``vcp.which``.
    """
    files = _files(settings)
    if name_or_path is None:
        if len(files) == 1:
            return _kept(files[0])
        if files:
            names = ", ".join(path.stem for path in files)
            raise Malformed(
                "vcp.which",
                "there are several processes here",
                why=f"they are {names}",
                hint="name one",
                names=names,
            )
    else:
        for path in files:
            if path.stem == name_or_path:
                return _kept(path)
        path = Path(name_or_path)
        if path.is_file():
            with path.open("rb") as file:
                data = file.read(_READ + 1)
            found = read_bpmn(data, _stem(path)).process if is_bpmn(data) else None
            return Kept(found or read_process(data, path.name), "", "")
    raise Absent(
        "vcp.unknown",
        f"no process named {(name_or_path or '')[:80]!r}" if name_or_path else "no process here",
        why=f"there are {', '.join(p.stem for p in files) or 'none'}, and no file of that name",
        hint="`kizuna vcp import FILE` takes one in; `kizuna demo` brings one along",
        name=(name_or_path or "")[:80],
    )


def named_process(name: str, settings: Settings) -> Kept:
    """The process of that name; never a file. For those who ask from afar.

    Raises:
        Absent: ``vcp.unknown``.
    """
    for found in processes_of(settings):
        if found.process.name == name:
            return found
    raise Absent(
        "vcp.unknown",
        f"no process named {name[:80]!r}",
        hint="`kizuna vcp import FILE` takes one in",
        name=name[:80],
    )


def source_of(name: str | None, process: Process) -> str:
    """The text in which a process was written, or its document as YAML."""
    path = Path(name) if name else None
    if path is not None and path.is_file():
        data = path.read_bytes()
        if not is_bpmn(data):
            return data.decode("utf-8-sig")
    import yaml

    text: str = yaml.safe_dump(process.document(), allow_unicode=True, sort_keys=False, width=100)
    return text


# --- taking in -----------------------------------------------------------------------------------


def import_process(
    workspace: Workspace, data: bytes, stem: str, name: str | None
) -> dict[str, Any]:
    """Read a process (YAML, JSON, BPMN), sign and register it, keep it under its name.

    Raises:
        Malformed: ``document.*``, ``vcp.bpmn``, ``vcp.point-nowhere``.
    """
    guesses: Sequence[str] = ()
    unknown: Mapping[str, int] = {}
    if is_bpmn(data):
        draft = read_bpmn(data, name or _stem(Path(stem)))
        process, guesses, unknown = draft.process, draft.guesses, draft.not_understood
    else:
        process = read_process(data, stem)
    told: dict[str, Any] = {
        "name": process.name,
        "version": process.version,
        "digest": process.digest,
        "activities": len(process.activities),
        "points": len(process.points),
        "loose": list(process.loose),
        "guesses": list(guesses),
        "not_understood": dict(unknown),
    }
    path = _folder(workspace.settings) / f"{process.name}.json"
    if path.is_file():
        before = _kept(path)
        if before.process.digest == process.digest and before.owner == workspace.identity:
            return told | {"statement": before.statement, "unchanged": True}
    _own_name(workspace.settings, process.name, workspace.identity)
    subject = process_subject(workspace.identity, process.name)
    statement = workspace.sign(Kind.NORM, subject, to_norm(process))
    digest, index = workspace.register_one(statement)
    _keep(workspace.settings, process, workspace.identity, digest)
    return told | {"statement": digest, "index": index, "subject": subject, "unchanged": False}


def keep_registered(workspace: Workspace, which: str) -> dict[str, Any]:
    """Keep a process that somebody else registered here, by the statement's index or digest.

    Raises:
        Absent: ``statement.unknown``. Malformed: ``vcp.norm``. Refused: ``vcp.foreign-name``.
    """
    from kizuna.app.wiring.entries import entry_named

    statement = entry_named(workspace, which).statement
    if not isinstance(statement.payload, Norm):
        raise Malformed(
            "vcp.norm",
            f"the statement {which[:16]} carries no process",
            hint="name a statement of kind norm and type vcp",
            name=which[:64],
        )
    process = from_norm(statement.payload)
    if statement.subject != process_subject(statement.issuer, process.name):
        raise Refused(
            "vcp.foreign-name",
            f"the process {process.name} is not named by its own author",
            why="its subject lies in somebody else's name space",
            hint="take the process from whoever owns it",
            name=process.name,
        )
    _keep(workspace.settings, process, statement.issuer, statement.digest.hex())
    return {
        "name": process.name,
        "version": process.version,
        "digest": process.digest,
        "owner": statement.issuer,
        "statement": statement.digest.hex(),
    }


# --- expecting and showing -----------------------------------------------------------------------


def shown_of(
    workspace: Workspace,
    kept: Kept,
    profile: Profile,
    *,
    point: str | None = None,
    view: View | None = None,
) -> tuple[Shown, ...]:
    """Everything expected beside what is there, at one point or at all."""
    points = None if point is None else [kept.process.point(point)]
    expected = expectations(kept.process, profile, points)
    now = workspace.clock()
    return set_against(
        profile,
        expected,
        lambda subject, asked: workspace.verify(Question(subject, asked, at=now, view=view)),
    )


def draw(kept: Kept, lang: str, shown: Sequence[Shown] | None = None) -> str:
    """The picture; with ``shown`` each interaction point says whether all of it is there."""
    marks: dict[str, bool] = {}
    for found in shown or ():
        point = found.expectation.point
        good = found.state in (State.SHOWN, State.WAIVED)
        marks[point] = marks.get(point, True) and good
    return draw_process(kept.process, lang, marks)


# --- saying --------------------------------------------------------------------------------------


def expect(
    workspace: Workspace, kept: Kept, profile: Profile, point: str | None
) -> list[dict[str, Any]]:
    """Sign and register what this organisation expects, at one point or wherever it takes in.

    Raises:
        Refused: ``vcp.not-party``, ``vcp.not-registered``. Malformed: ``vcp.unnamed``.
    """
    process = kept.process
    mine = _own_points(workspace, process, "taker", point)
    made = []
    for found in mine:
        expected = expectations(process, profile, [found])
        norm = expectation_norm(process, found, profile, expected)
        made.append(_say(workspace, kept, found, norm) | {"expects": len(expected)})
    return made


def offer(
    workspace: Workspace,
    kept: Kept,
    profile: Profile,
    which: str,
    until: Mapping[str, str],
) -> dict[str, Any]:
    """Answer an expectation with what this organisation shows, and promises for the rest.

    Raises:
        Refused: ``vcp.not-party``, ``vcp.not-expected``. Malformed: ``vcp.until``,
            ``vcp.statement``, ``vcp.other-profile``.
    """
    row, found = _cited(workspace, kept, which)
    expectation = row.statement.payload
    assert isinstance(expectation, Norm)  # noqa: S101 - _cited looked
    _must_be(workspace, kept.process, found.giver, found)
    taker = kept.process.party_of[found.taker].identifier
    if row.statement.issuer != taker:
        raise Refused(
            "vcp.not-expected",
            "that expectation is not by the organisation that takes in there",
            why=f"at {found.id} that is {taker or found.taker}",
            hint="answer the expectation of the organisation itself",
            point=found.id,
        )
    asked = expected_in(expectation)
    cited = expectation.document.get("profile")
    if not isinstance(cited, dict) or cited.get("sha256") != profile.digest:
        named = str(cited.get("name")) if isinstance(cited, dict) else "?"
        raise Malformed(
            "vcp.other-profile",
            f"what is expected follows another profile than {profile.name} {profile.version}",
            why=f"it names {named[:80]} by its digest",
            hint="give the profile that the expectation names with --profile",
            profile=profile.name,
        )
    shown = shown_of(workspace, kept, profile, point=found.id)
    wanted = set(asked)
    shown = tuple(
        s for s in shown if (s.expectation.subject or "", s.expectation.requirement.id) in wanted
    )
    lacking = {s.expectation.requirement.id for s in gaps(shown)}
    for requirement, day in until.items():
        if requirement not in lacking or not _is_day(day):
            raise Malformed(
                "vcp.until",
                f"{requirement[:80]}={day[:20]} promises nothing that is missing",
                why="what is promised is a requirement that is not shown, by a day",
                hint="write --until REQUIREMENT=2027-03-31 for one that `kizuna vcp gaps` lists",
                requirement=requirement[:80],
            )
    norm = offer_norm(kept.process, found, row.statement.digest.hex(), shown, until)
    told = _say(workspace, kept, found, norm)
    return told | {"shows": len(norm.document["shows"]), "lacks": norm.document["lacks"]}


def agree(workspace: Workspace, kept: Kept, which: str) -> dict[str, Any]:
    """Accept an offer, and with it the expectation that it answers.

    Raises:
        Refused: ``vcp.not-party``, ``vcp.not-expected``. Malformed: ``vcp.statement``.
    """
    from kizuna.app.wiring.entries import entry_named

    row, found = _cited(workspace, kept, which)
    payload = row.statement.payload
    assert isinstance(payload, Norm)  # noqa: S101 - _cited looked
    offered = offered_in(payload)
    giver = kept.process.party_of[found.giver].identifier
    parties = (found.giver, found.taker)
    me = next(
        (p for p in parties if kept.process.party_of[p].identifier == workspace.identity), None
    )
    if me is None:
        _must_be(workspace, kept.process, found.taker, found)
    expectation = entry_named(workspace, offered.answers)
    if row.statement.issuer != giver or expectation.statement.subject != row.statement.subject:
        raise Refused(
            "vcp.not-expected",
            "that offer is not by the organisation that gives there",
            why=f"at {found.id} that is {giver or found.giver}",
            hint="agree to the offer of the organisation itself",
            point=found.id,
        )
    norm = agreement_norm(kept.process, found, offered.answers, row.statement.digest.hex(), offered)
    return _say(workspace, kept, found, norm) | {"open": norm.document["open"]}


def status_of(
    workspace: Workspace, kept: Kept, *, view: View | None = None
) -> list[dict[str, Any]]:
    """How far every interaction point has come."""
    from kizuna.app.wiring.in_force import in_force
    from kizuna.record.log.keys import subject_key

    if not kept.owner:
        raise _not_registered(kept.process)
    reader = workspace.store.reader() if view is None else workspace.store.reader(view)
    owner = SubjectId(kept.owner)
    process = kept.process
    keys = {p.id: subject_key(point_subject(owner, process.name, p.id)) for p in process.points}
    found = reader.by_keys(list(keys.values())) if keys else {}
    day = datetime.fromtimestamp(workspace.clock(), UTC).strftime("%Y-%m-%d")
    return [
        _course_json(
            process,
            point,
            course_of(process, point, in_force(reader, found.get(keys[point.id], ())), day),
        )
        for point in process.points
    ]


# --- shapes --------------------------------------------------------------------------------------


def process_json(kept: Kept, lang: str) -> dict[str, Any]:
    """A process, in the one shape that every door shows."""
    process = kept.process

    def word(words: Mapping[str, str]) -> str:
        return words.get(lang) or words.get("en", "")

    return {
        "name": process.name,
        "version": process.version,
        "digest": process.digest,
        "title": word(process.title),
        "about": word(process.about),
        "owner": kept.owner,
        "statement": kept.statement,
        "organizations": [
            {"id": p.id, "title": word(p.title), "identifier": p.identifier, "domain": p.domain}
            for p in process.parties
        ],
        "elements": [
            {
                "id": t.id,
                "element": t.element.value,
                "title": word(t.title),
                "identifier": t.identifier,
                "organization": t.owner or None,
                "whole": process.as_whole(t.id),
            }
            for t in process.things
        ],
        "activities": [
            {
                "id": a.id,
                "title": word(a.title),
                "organization": a.party,
                "layer": a.layer,
                "consumes": list(a.consumes),
                "produces": list(a.produces),
            }
            for a in process.activities
        ],
        "points": [
            {
                "id": p.id,
                "title": word(p.title) or word(process.thing_of[p.thing].title),
                "element": p.thing,
                "from": p.giver,
                "to": p.taker,
                "layers": list(p.layers),
                "between_domains": p.foreign,
            }
            for p in process.points
        ],
        "loose": list(process.loose),
    }


def expected_json(
    kept: Kept, profile: Profile, point: str | None, lang: str
) -> list[dict[str, Any]]:
    """Who must show what to whom."""
    points = None if point is None else [kept.process.point(point)]
    return [
        _row(kept.process, e.point, e.giver, e.taker, e.subject, e.requirement, lang)
        | {"of": "organization" if e.of_party else "element"}
        for e in expectations(kept.process, profile, points)
    ]


def shown_json(
    kept: Kept,
    shown: Sequence[Shown],
    profile: Profile,
    lang: str,
    names: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """What is expected beside what is there."""
    made = []
    for s in shown:
        e = s.expectation
        findings = [finding_json(f, lang, profile=profile, names=names or {}) for f in s.findings]
        made.append(
            _row(kept.process, e.point, e.giver, e.taker, e.subject, e.requirement, lang)
            | {
                "of": "organization" if e.of_party else "element",
                "state": s.state.value,
                "findings": findings,
            }
        )
    return made


def _row(
    process: Process,
    point: str,
    giver: str,
    taker: str,
    subject: str | None,
    requirement: Requirement,
    lang: str,
) -> dict[str, Any]:
    def word(words: Mapping[str, str]) -> str:
        return words.get(lang) or words.get("en", "")

    return {
        "point": point,
        "from": giver,
        "from_title": word(process.party_of[giver].title),
        "to": taker,
        "to_title": word(process.party_of[taker].title),
        "subject": subject,
        "requirement": requirement.id,
        "title": word(requirement.title),
        "claim": list(requirement.claim),
        "level": requirement.level.value,
    }


def _course_json(process: Process, point: Point, course: Course) -> dict[str, Any]:
    def digest(row: Registered | None) -> str | None:
        return None if row is None else row.statement.digest.hex()

    return {
        "point": point.id,
        "element": point.thing,
        "from": point.giver,
        "to": point.taker,
        "state": course.state,
        "expectation": digest(course.expectation),
        "offer": digest(course.offer),
        "agreed": [{"party": r.statement.issuer, "statement": digest(r)} for r in course.agreed],
        "waiting": [
            next((p.id for p in process.parties if p.identifier == who), who)
            for who in course.waiting
        ],
        "renewing": course.renewing,
        "overdue": [
            {"subject": k.subject, "requirement": k.requirement, "until": k.until}
            for k in course.overdue
        ],
    }


# --- inside --------------------------------------------------------------------------------------


def _own_points(
    workspace: Workspace, process: Process, side: str, point: str | None
) -> list[Point]:
    if point is not None:
        found = process.point(point)
        _must_be(workspace, process, getattr(found, side), found)
        return [found]
    mine = [
        p
        for p in process.points
        if process.party_of[getattr(p, side)].identifier == workspace.identity
    ]
    if not mine:
        raise Refused(
            "vcp.not-party",
            f"{workspace.name} takes nothing in across a border of {process.name}",
            why="none of its organisations that take something in has this store's identity",
            hint="each organisation signs for itself, with its own key",
            name=process.name,
            party=workspace.identity,
        )
    return mine


def _must_be(workspace: Workspace, process: Process, party: str, point: Point) -> None:
    identifier = process.party_of[party].identifier
    if identifier != workspace.identity:
        raise Refused(
            "vcp.not-party",
            f"at {point.id} that is for {party} to say",
            why=f"{party} is {identifier or 'not named by an identifier'}, not this organisation",
            hint="each organisation signs for itself, with its own key",
            name=process.name,
            party=party,
        )


def _cited(workspace: Workspace, kept: Kept, which: str) -> tuple[Registered, Point]:
    """A registered norm about a point of the process, and the point."""
    from kizuna.app.wiring.entries import entry_named

    if not kept.owner:
        raise _not_registered(kept.process)
    row = entry_named(workspace, which)
    for point in kept.process.points:
        if row.statement.subject == point_subject(
            SubjectId(kept.owner), kept.process.name, point.id
        ) and isinstance(row.statement.payload, Norm):
            return row, point
    raise Malformed(
        "vcp.statement",
        f"the statement {which[:16]} is about no interaction point of {kept.process.name}",
        hint=f"`kizuna vcp status {kept.process.name}` names those that are",
        name=kept.process.name,
        type=row.statement.kind.value,
    )


def _say(workspace: Workspace, kept: Kept, point: Point, norm: Norm) -> dict[str, Any]:
    if not kept.owner:
        raise _not_registered(kept.process)
    subject = point_subject(SubjectId(kept.owner), kept.process.name, point.id)
    digest, index = workspace.register_one(workspace.sign(Kind.NORM, subject, norm))
    return {
        "point": point.id,
        "type": norm.type,
        "from": point.giver,
        "to": point.taker,
        "subject": subject,
        "statement": digest,
        "index": index,
    }


def _not_registered(process: Process) -> Refused:
    return Refused(
        "vcp.not-registered",
        f"the process {process.name} was not registered",
        why="what is expected at its points must be about a process that everybody can read",
        hint="`kizuna vcp import FILE` registers it",
        name=process.name,
    )


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _stem(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:60] or "process"


def _folder(settings: Settings) -> Path:
    return settings.store / "processes"


def _files(settings: Settings) -> list[Path]:
    folder = _folder(settings)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _keep(settings: Settings, process: Process, owner: str, statement: str) -> None:
    folder = _folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _own_name(settings, process.name, owner)
    row = {"document": process.document(), "owner": owner, "statement": statement}
    write_whole(folder / f"{process.name}.json", msgspec.json.encode(row, order="sorted"))


def _own_name(settings: Settings, name: str, owner: str) -> None:
    """One organisation's process never takes the place of another's of the same name.

    Raises:
        Refused: ``vcp.name-taken``.
    """
    path = _folder(settings) / f"{name}.json"
    if path.is_file() and _kept(path).owner != owner:
        raise Refused(
            "vcp.name-taken",
            f"{name} is the name of another organisation's process here",
            why=f"it belongs to {_kept(path).owner}",
            hint="give yours another name",
            name=name,
        )


def _kept(path: Path) -> Kept:
    with path.open("rb") as file:
        row = msgspec.json.decode(file.read(_READ))
    return Kept(process_of(row["document"], path.stem), row["owner"], row["statement"])
