# SPDX-License-Identifier: Apache-2.0
"""Writing a list as a whole, and by two roles: a confirmation body proposes, the operator enters.

Keeps: 1. A file is the whole list as it should be; what it would change is worked out and shown
before anything is signed. 2. A proposal is a signed statement of its own (a ``norm`` of type
``list-proposal`` about the member); by itself it gives nothing. 3. An entry made from a proposal
cites it, and only a proposal of a body that the list itself names, for somebody else than itself.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from kizuna.app.wiring.entries import entry_named
from kizuna.app.wiring.lists.foreign import step_json
from kizuna.app.wiring.lists.own import TrustLists, member_services
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.owner import Owner
from kizuna.app.wiring.speaking import Organisation
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Norm, Service, Standing
from kizuna.model.trust import Anchors
from kizuna.record.lists.authoring import Step, Wanted, plan
from kizuna.record.lists.foreign import instant_of, iso
from kizuna.record.lists.policy import PROPOSAL
from kizuna.record.lists.state import Entry
from kizuna.roots.identity import genesis_keys
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_yaml import read_as

__all__ = ["PROPOSAL", "Authoring", "list_id_for", "propose", "read_whole_list"]

_MAX: Final = 64 << 20
_COLUMNS: Final = (
    "id",
    "name",
    "roles",
    "scope",
    "level",
    "claims",
    "until",
    "state",
    "reason",
    "logs",
)


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    """One member in a file."""

    id: str
    roles: list[str]
    name: str = ""
    scope: list[str] = []
    level: Level | None = None
    claims: list[str] = field(default_factory=lambda: ["*"])
    until: str = ""
    state: Standing = Standing.GRANTED
    reason: str = ""
    keys: list[dict[str, str]] = []
    logs: list[str] | None = None


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    members: list[_Row]
    said: str = field(default="", name="list")


def read_whole_list(data: bytes, name: str) -> tuple[str, Mapping[SubjectId, Wanted]]:
    """A list in YAML, JSON or CSV: the list it says it is (or nothing), and how it should be.

    Raises:
        Malformed: ``list.written``, ``list.role-unknown``, ``list.scope*``, ``list.level``,
            ``identifier.malformed``, ``key.*``. Refused: ``list.role-own``.
    """
    if name.lower().endswith(".csv"):
        rows, said = _from_csv(data, name), ""
    else:
        file = read_as(data, _File, code="list.written", name=name, limit=_MAX)
        rows, said = file.members, file.said
    wanted: dict[SubjectId, Wanted] = {}
    for row in rows:
        who = canonical(row.id)
        if who in wanted:
            raise _written(name, f"{who} stands there twice")
        if who.startswith(("did:key:", "did:jwk:")):
            genesis_keys(who)  # a name whose key cannot be read would be entered for nothing
        services = member_services(row.roles, row.scope, level=row.level)
        if row.claims != ["*"]:
            services = [msgspec.structs.replace(s, claims=row.claims) for s in services]
        if row.state is not Standing.GRANTED and not row.reason.strip():
            raise _written(name, f"{who} is {row.state.value} without a reason")
        wanted[who] = Wanted(
            services=tuple(services),
            name=row.name,
            state=row.state,
            reason=row.reason,
            valid_until=instant_of(row.until, f"until of {who}") if row.until else None,
            keys=tuple(PublicKey.from_jwk(k).to_jwk() for k in row.keys),
            logs=None if row.logs is None else tuple(row.logs),
        )
    return said, wanted


def list_id_for(organisation: Organisation, name: str) -> str:
    """The identifier of a list that whoever speaks believes, by its short name; an identifier is
    taken as it is.

    Raises:
        Absent: ``list.unknown``.
    """
    if isinstance(organisation, Member):
        try:
            lists = Anchors.from_json(organisation.folder.trust_file.read_bytes()).lists
        except FileNotFoundError:
            lists = []
    elif isinstance(organisation, Workspace):
        lists = organisation.anchors().lists
    else:
        lists = []
    found = next((a.id for a in lists if name in (a.name, a.id)), None)
    if found is None and ":" in name:
        return canonical(name)
    if found is None:
        raise Absent(
            "list.unknown",
            f"no list named {name!r} is believed here",
            why="there are " + (", ".join(a.name for a in lists) or "none"),
            hint="`kizuna trust show` prints them; `kizuna list accept` adds one",
            name=name,
        )
    return found


def propose(
    organisation: Organisation,
    member: str,
    list_id: str,
    *,
    state: str,
    roles: Sequence[str],
    scope: Sequence[str],
    level: str | None,
    name: str | None,
    until: int | None,
    reason: str,
    keys: Sequence[Mapping[str, str]],
    logs: Sequence[str] = (),
) -> dict[str, Any]:
    """Sign and register what a confirmation body proposes to the operator of a list.

    Raises:
        Malformed: ``list.*``, ``identifier.malformed``.
    """
    who, standing = canonical(member), _standing(state)
    if not reason.strip():
        raise Malformed(
            "list.reason-missing",
            "a proposal needs a reason",
            why="the operator, the member and its customers will read it",
            hint="say in a sentence what was looked at, or what is the matter",
        )
    services = member_services(roles, scope, level=Level(level) if level else None)
    document: dict[str, Any] = {
        "list": str(canonical(list_id)),
        "state": standing.value,
        "services": [msgspec.to_builtins(s) for s in services],
        "reason": reason,
    }
    document |= {"name": name} if name else {}
    document |= {"until": iso(until)} if until is not None else {}
    document |= {"keys": [PublicKey.from_jwk(k).to_jwk() for k in keys]} if keys else {}
    document |= {"logs": list(dict.fromkeys(logs))} if logs else {}
    norm = Norm(type=PROPOSAL, name=PROPOSAL, version="1", document=document)
    signed = organisation.say(Kind.NORM, who, norm)
    digest, index = organisation.register_one(signed.statement)
    return {"proposal": digest, "index": index, "member": who, **document}


class Authoring:
    """Writing the lists of one store."""

    def __init__(self, workspace: Owner, lists: TrustLists) -> None:
        self._workspace = workspace
        self._lists = lists

    def preview(
        self, data: bytes, file: str, *, list_name: str | None, reason: str
    ) -> tuple[dict[str, Any], tuple[Step, ...]]:
        """What a file would change, and the entries that would be signed.

        Raises:
            Malformed: ``list.written`` and what ``read_whole_list`` raises. Absent:
            ``list.unknown``. Refused: ``list.not-ours``.
        """
        said, wanted = read_whole_list(data, file)
        anchor = self._own(list_name or said or None)
        if said and said not in (anchor.name, anchor.id):
            raise _written(file, f"it is the list {said}, not {anchor.name}")
        operator = self._workspace.identity
        state = self._lists.state(anchor.name)
        steps = plan(state, wanted, gone=reason, spare=[operator])
        leaving = [s for s in steps if s.entry.state is not Standing.GRANTED]
        if any(not (s.entry.reason or "").strip() for s in leaving):
            raise Malformed(
                "list.reason-missing",
                f"{len(leaving)} members would leave the list without a reason",
                why="they stand on the list and not in the file",
                hint="give --reason, or keep them in the file with state and reason",
            )
        return {
            "list": anchor.name,
            "members": sum(w.state is Standing.GRANTED for w in wanted.values()),
            "changes": [step_json(step) for step in steps],
        }, steps

    def enter_all(self, list_name: str, steps: Sequence[Step]) -> list[dict[str, Any]]:
        """Sign and register what was shown."""
        return self._lists.enter(list_name, steps)

    def draft(self, list_name: str | None) -> bytes:
        """The list as it stands, as a file to edit (JSON, which is YAML)."""
        anchor = self._own(list_name)
        operator = self._workspace.identity
        rows = [
            _row(entry)
            for entry in self._lists.state(anchor.name).entries.values()
            if entry.member != operator and entry.state is not Standing.WITHDRAWN
        ]
        lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
        head = json.dumps(anchor.name, ensure_ascii=False)
        return f'{{"list": {head},\n "members": [\n  {lines}\n]}}\n'.encode()

    def proposals(self, list_name: str | None) -> list[dict[str, Any]]:
        """Proposals for a list that no entry cites yet, the newest first."""
        anchor = self._own(list_name)
        entries = self._lists.state(anchor.name).entries.values()
        cited = {step.ext.get("proposal") for entry in entries for step in entry.history()}
        told: list[dict[str, Any]] = []
        for row in self._workspace.store.reader().latest(1_000, kind=Kind.NORM):
            said = row.statement
            norm = said.payload
            if (
                isinstance(norm, Norm)
                and norm.type == PROPOSAL
                and norm.document.get("list") == anchor.id
                and said.digest.hex() not in cited
            ):
                told.append(
                    {
                        "proposal": said.digest.hex(),
                        "index": row.index,
                        "member": said.subject,
                        "proposed_by": said.issuer,
                        "state": str(norm.document.get("state", ""))[:20],
                        "reason": str(norm.document.get("reason", ""))[:4000],
                    }
                )
        return told

    def enter_proposal(self, which: str) -> dict[str, Any]:
        """Enter what a confirmation body proposed; the entry cites the proposal.

        Raises:
            Absent: ``statement.unknown``, ``list.unknown``. Malformed: ``list.no-proposal``.
            Refused: ``list.proposer``, ``list.not-ours``.
        """
        found = entry_named(self._workspace, which)
        said = found.statement
        norm = said.payload
        if not isinstance(norm, Norm) or norm.type != PROPOSAL:
            raise _no_proposal("it is no proposal for a list")
        try:
            document = norm.document
            anchor = self._own(str(document["list"]))
            services = msgspec.convert(document["services"], list[Service])
            state = Standing(document["state"])
            reason, name = str(document["reason"]), str(document.get("name", ""))
            until = instant_of(document["until"], "until") if "until" in document else None
            keys = tuple(PublicKey.from_jwk(k).to_jwk() for k in document.get("keys", []))
            logs = msgspec.convert(document.get("logs"), tuple[str, ...] | None)
        except (KeyError, ValueError, TypeError) as fault:  # msgspec's errors are of the second
            raise _no_proposal(str(fault)[:200]) from fault
        if any(s.type == "self" for s in services):
            raise _no_proposal("it asks for the role self")
        self._check_proposer(anchor.name, said.issuer, said.subject, found.index)
        wanted = Wanted(
            services=tuple(services),
            name=name,
            state=state,
            reason=reason,
            valid_until=until,
            keys=keys,
            logs=logs,
            ext={"proposal": said.digest.hex(), "proposed-by": said.issuer},
        )
        state_now = self._lists.state(anchor.name)
        steps = [
            step
            for step in plan(
                state_now,
                {said.subject: wanted},
                gone="",
                spare=[m for m in state_now.entries if m != said.subject],
            )
            if step.member == said.subject
        ]
        if not steps:
            return {
                "member": said.subject,
                "list": anchor.name,
                "what": "unchanged",
                "proposal": said.digest.hex(),
                "proposed_by": said.issuer,
            }
        (told,) = self._lists.enter(anchor.name, steps)
        return {**told, "proposal": said.digest.hex(), "proposed_by": said.issuer}

    # --- inside -------------------------------------------------------------------------------

    def _check_proposer(
        self, list_name: str, proposer: SubjectId, member: SubjectId, index: int
    ) -> None:
        """See that whoever proposes was entitled where the proposal stands, and still is."""
        operator = self._workspace.identity
        now = self._workspace.clock()
        for size in (index, None):
            state = self._lists.state(list_name, size=size)
            granted = state.may(proposer, Kind.NORM, member, PROPOSAL, now)
            named = any(s.type != "self" for s in granted)
            if not named or proposer in (operator, member):
                raise Refused(
                    "list.proposer",
                    f"{proposer} may not propose {member} for this list",
                    why="a proposal comes from a confirmation body that the list names, and is "
                    "about somebody else",
                    hint="enter it with --role confirmation-body first, or ask one that is entered",
                    proposer=proposer[:200],
                    member=member[:200],
                )

    def _own(self, name: str | None) -> Any:  # noqa: ANN401 - model.trust.ListAnchor
        anchor = self._lists.anchor(name)
        if anchor.operator != self._workspace.identity or anchor.fresh_until is not None:
            raise Refused(
                "list.not-ours",
                f"{anchor.name} is not written here",
                why="somebody else operates it, or it follows another list",
                hint="only its operator can change it; `kizuna list take` follows another list",
                name=anchor.name,
            )
        return anchor


def _row(entry: Entry) -> dict[str, Any]:
    """An entry as a line of a file. Services of other shapes than roles are told by their roles."""
    first = entry.services[0] if entry.services else None
    row: dict[str, Any] = {"id": entry.member}
    row |= {"name": entry.name} if entry.name else {}
    row["roles"] = [s.type for s in entry.services]
    if first is not None:
        row["scope"] = list(first.scope)
        row["level"] = min((s.level for s in entry.services), key=lambda found: found.rank).value
        row |= {"claims": list(first.claims)} if first.claims != ["*"] else {}
    row |= {"until": iso(entry.valid_until)} if entry.valid_until is not None else {}
    if entry.state is not Standing.GRANTED:
        row |= {"state": entry.state.value, "reason": entry.reason}
    row |= {"keys": [dict(k) for k in entry.keys]} if entry.keys else {}
    row |= {"logs": list(entry.logs)} if entry.logs else {}
    return row


def _from_csv(data: bytes, name: str) -> list[_Row]:
    if len(data) > _MAX:
        raise _written(name, f"{len(data)} bytes, at most {_MAX}")
    try:
        text = data.decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text), strict=True)
        missing = {"id", "roles"} - set(table.fieldnames or ())
        unknown = set(table.fieldnames or ()) - set(_COLUMNS)
        if missing or unknown:
            columns = ", ".join(sorted(missing or unknown))
            raise _written(name, f"columns {'missing' if missing else 'not known'}: {columns}")
        return [_csv_row(row, name, line) for line, row in enumerate(table, 2)]
    except (UnicodeDecodeError, csv.Error) as fault:
        raise _written(name, str(fault)[:200]) from fault


def _csv_row(row: dict[str, Any], name: str, line: int) -> _Row:
    if None in row or any(value is None for value in row.values()):
        raise _written(name, "more or fewer cells than columns", line)
    several = {"roles", "scope", "claims", "logs"}
    words: dict[str, Any] = {
        key: value.split() if key in several else value.strip()
        for key, value in row.items()
        if value.strip()
    }
    try:
        return msgspec.convert(words, _Row)
    except (msgspec.ValidationError, ValueError) as fault:
        raise _written(name, str(fault)[:200], line) from fault


def _standing(state: str) -> Standing:
    try:
        return Standing(state)
    except ValueError as fault:
        raise Malformed(
            "list.state",
            f"no state {state[:40]!r}",
            hint="one of " + ", ".join(Standing),
            state=state[:40],
        ) from fault


def _written(name: str, why: str, line: int = 0) -> Malformed:
    return Malformed(
        "list.written",
        f"{name}{f', line {line}' if line else ''}: {why}",
        why=why,
        hint="compare it with what `kizuna list draft` writes; nothing was changed",
        document=name,
        line=line,
        path="",
        fault=why,
    )


def _no_proposal(why: str) -> Malformed:
    return Malformed(
        "list.no-proposal",
        f"this statement proposes nothing for a list: {why}",
        why=why,
        hint="`kizuna list proposals` prints those that wait",
        fault=why,
    )
