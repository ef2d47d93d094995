# SPDX-License-Identifier: Apache-2.0
"""The workspace's trust lists: entries signed in the organisation's name, lists of others believed.

Keeps: 1. A change of a list is a registered statement, nothing else. 2. What this verifier
believes stands in ``trust.json``; registering an entry never changes it, ``accept`` and ``create``
do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Absent, Malformed, Problem, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Membership, Service
from kizuna.model.trust import ListAnchor

if TYPE_CHECKING:
    from kizuna.chain.graph.evidence import Evidence
    from kizuna.model.statement import Registered
    from kizuna.record.lists import Entry, ListState
    from kizuna.record.lists.authoring import Step
    from kizuna.record.lists.policy import ListPolicy

__all__ = ["TrustLists", "member_services", "policy_of", "rows_of_list"]


def rows_of_list(evidence: Evidence, list_id: str) -> list[Registered]:
    """Every entry of a list that some evidence shows, and what was done to them; each once."""
    from kizuna.record.log.keys import members_key, statement_key

    key = members_key(SubjectId(list_id))
    rows = list(evidence.by_keys([key]).get(key, ()))
    acts = [statement_key(r.statement.digest) for r in rows]
    for found in evidence.by_keys(acts).values():
        rows.extend(found)
    return list({r.statement.digest: r for r in rows}.values())


class TrustLists:
    """Trust lists of one workspace."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace

    def anchor(self, name: str | None) -> ListAnchor:
        """The believed list of that name or identifier; ``None`` is the store's own.

        Raises:
            Absent: ``list.unknown``.
        """
        anchors = self._workspace.anchors().lists
        for found in anchors:
            if name in (found.name, found.id) or (
                name is None and found.id == self._workspace.list_id
            ):
                return found
        raise Absent(
            "list.unknown",
            f"no list named {name!r} is believed here",
            why="there are " + (", ".join(a.name for a in anchors) or "none"),
            hint="`kizuna trust show` prints them; `kizuna list accept` adds one",
            name=name or "",
        )

    def state(
        self,
        name: str | None = None,
        *,
        size: int | None = None,
        after: Sequence[Registered] = (),
    ) -> ListState:
        """The list as registered, optionally as of a log size, or after what is to be registered
        next.
        """
        from kizuna.record.lists import ListState

        anchor = self.anchor(name)
        return ListState.of(
            SubjectId(anchor.id),
            SubjectId(anchor.operator),
            [*rows_of_list(self._workspace.store.reader(), anchor.id), *after],
            below_index=size,
        )

    def create(self, name: str, *, title: str | None = None) -> dict[str, Any]:
        """Begin a further list that this organisation operates, and believe it.

        Raises:
            Refused: ``list.exists``.
        """
        from kizuna.record.lists import list_id_of

        self.check_free(name)
        identifier = list_id_of(self._workspace.identity, name)
        anchor = _checked_anchor(identifier, self._workspace.identity, name, title)
        anchors = self._workspace.anchors()
        self._workspace.set_anchors(
            msgspec.structs.replace(anchors, lists=[*anchors.lists, anchor])
        )
        return {"name": name, "id": identifier, "operator": self._workspace.identity}

    def accept(self, list_id: str, operator: str, name: str) -> dict[str, Any]:
        """Believe a list of somebody else.

        Raises:
            Refused: ``list.exists``. Malformed: ``identifier.malformed``, ``list.name``.
        """
        self.check_free(name)
        anchor = _checked_anchor(canonical(list_id), canonical(operator), name, None)
        anchors = self._workspace.anchors()
        self._workspace.set_anchors(
            msgspec.structs.replace(anchors, lists=[*anchors.lists, anchor])
        )
        return {"name": name, "id": anchor.id, "operator": anchor.operator}

    def add(
        self,
        member: str,
        *,
        roles: Sequence[str] = (),
        services: Sequence[Service] = (),
        scope: Sequence[str] = (),
        level: str | None = None,
        name: str | None = None,
        until: int | None = None,
        keys: Sequence[dict[str, str]] = (),
        logs: Sequence[str] = (),
        list_name: str | None = None,
    ) -> dict[str, Any]:
        """Enter a member, or renew its entry whole.

        ``logs``: origins of the logs in which its statements stand; without any it may be any.

        Raises:
            Malformed: ``list.until-past``, ``list.no-services``, ``identifier.malformed``.
        """
        if until is not None and until <= self._workspace.clock():
            raise Malformed(
                "list.until-past",
                "the entry would have ended before it begins",
                why="whoever is entered so may say nothing, and would look as if it might",
                hint="give a later --until, or end an entry with `kizuna list withdraw`",
            )
        from kizuna.record.lists import grant
        from kizuna.roots.identity import genesis_keys

        anchor = self.anchor(list_name)
        who = canonical(member)
        if who.startswith(("did:key:", "did:jwk:")):
            genesis_keys(who)  # a name whose key cannot be read would be entered for nothing
        granted = [*services, *member_services(roles, scope, level=_level(level))]
        payload = grant(
            SubjectId(anchor.id),
            granted,
            name=name,
            valid_until=None if until is None else datetime.fromtimestamp(until, UTC),
            logs=logs or ([self._workspace.log.origin] if name is None else []),
            keys=keys,
        )
        return self._enter(anchor, who, payload)

    def set_state(
        self, member: str, state: str, *, reason: str, list_name: str | None = None
    ) -> dict[str, Any]:
        """Suspend or withdraw a member.

        Raises:
            Absent: ``list.no-member``.
        """
        from kizuna.record.lists import suspend, withdraw

        anchor = self.anchor(list_name)
        who = canonical(member)
        entry = self.state(list_name).entries.get(who)
        if entry is None:
            raise Absent(
                "list.no-member",
                f"{who} is not on the list {anchor.name}",
                hint="`kizuna list show` prints its members",
                member=who,
                list=anchor.name,
            )
        held = Membership(
            list_id=anchor.id,
            state=entry.state,
            services=list(entry.services),
            name=entry.name or None,
        )
        change = suspend if state == "suspended" else withdraw
        return self._enter(anchor, who, change(held, reason))

    def enter(self, name: str | None, steps: Sequence[Step]) -> list[dict[str, Any]]:
        """Sign and register the entries of a plan, in one batch.

        Raises:
            Problem: what refuses the first of them; the others of its batch may stand.
        """
        anchor = self.anchor(name)
        signed = [self._workspace.sign(Kind.MEMBERSHIP, step.member, step.entry) for step in steps]
        told: list[dict[str, Any]] = []
        for step, result in zip(steps, self._workspace.register_each(signed), strict=True):
            if isinstance(result, Problem):
                raise result
            digest, index = result
            told.append(
                {
                    "member": step.member,
                    "list": anchor.name,
                    "what": step.what.value,
                    "statement": digest,
                    "index": index,
                }
            )
        return told

    def fresh_until(self, name: str, until: int | None) -> None:
        """Remember until when a list that follows another may be relied upon."""
        anchors = self._workspace.anchors()
        lists = [
            msgspec.structs.replace(a, fresh_until=until) if a.name == name else a
            for a in anchors.lists
        ]
        if lists != anchors.lists:
            self._workspace.set_anchors(msgspec.structs.replace(anchors, lists=lists))

    def show(self, name: str | None = None, *, size: int | None = None) -> dict[str, Any]:
        """The members as they stand."""
        anchor = self.anchor(name)
        state = self.state(name, size=size)
        now = self._workspace.clock()
        entries = [{**_entry_json(e), "in_force": e.in_force(now)} for e in state.entries.values()]
        theirs = anchor.operator != self._workspace.identity and anchor.fresh_until is None
        policy = policy_of(self._workspace, anchor.id, anchor.operator)
        return {
            "name": anchor.name,
            "id": anchor.id,
            "operator": anchor.operator,
            "members": sum(e["in_force"] for e in entries),
            "entries": entries,
            "kept_elsewhere": theirs and not entries,
            **self._age(anchor),
            **({"policy": policy.document()["acts"]} if policy and policy.rules else {}),
            "disregarded": [
                {"statement": d.statement, "issuer": d.issuer, "member": d.member, "code": d.code}
                for d in state.disregarded
            ],
        }

    def history(self, member: str | None = None, name: str | None = None) -> dict[str, Any]:
        """Every change, the oldest first."""
        anchor = self.anchor(name)
        state = self.state(name)
        who = None if member is None else canonical(member)
        events = [
            _entry_json(step)
            for entry in state.entries.values()
            if who is None or entry.member == who
            for step in entry.history()
        ]
        events.sort(key=lambda e: e["index"])
        return {"name": anchor.name, "id": anchor.id, "events": events}

    def check_free(self, name: str) -> None:
        """See that no list is believed under this name yet.

        Raises:
            Refused: ``list.exists``.
        """
        if any(a.name == name for a in self._workspace.anchors().lists):
            raise Refused(
                "list.exists",
                f"a list named {name!r} is believed already",
                hint="choose another short name",
                name=name,
            )

    def _age(self, anchor: ListAnchor) -> dict[str, Any]:
        """How old the issue is that a list follows; empty for one that follows no other."""
        if not (self._workspace.path / "lists").is_dir():
            return {}
        from kizuna.app.wiring.lists.taken import taken_lists

        now = self._workspace.clock()
        found = (t for t in taken_lists(self._workspace.path) if t.list_id == anchor.id)
        return next(({"taken": taken.told(now)} for taken in found), {})

    def _enter(self, anchor: ListAnchor, who: SubjectId, payload: Membership) -> dict[str, Any]:
        signed = self._workspace.sign(Kind.MEMBERSHIP, who, payload)
        digest, index = self._workspace.register_one(signed)
        return {
            "member": who,
            "list": anchor.name,
            "state": payload.state.value,
            "roles": ", ".join(s.type for s in payload.services),
            "statement": digest,
            "index": index,
        }


def policy_of(workspace: Owner, list_id: str, operator: str) -> ListPolicy | None:
    """The newest policy that the operator of a list signed for it."""
    from kizuna.model.payload import Norm
    from kizuna.record.lists.policy import POLICY, ListPolicy
    from kizuna.record.log.keys import subject_key

    key = subject_key(canonical(list_id))
    found: ListPolicy | None = None
    for row in workspace.store.reader().by_keys([key]).get(key, ()):
        said = row.statement
        if (
            isinstance(said.payload, Norm)
            and said.payload.type == POLICY
            and said.issuer == operator
            and said.subject == list_id
        ):
            try:
                policy = ListPolicy.read(said.payload)
            except Malformed:
                continue  # of a later version: the one before it goes on to count
            found = policy if policy.list_id == list_id else found
    return found


def _checked_anchor(list_id: str, operator: str, name: str, title: str | None) -> ListAnchor:
    try:
        return msgspec.convert(
            {"id": list_id, "operator": operator, "name": name, "title": title}, ListAnchor
        )
    except msgspec.ValidationError as fault:
        raise Malformed(
            "list.name",
            f"not a short name: {name[:60]!r}",
            why=str(fault),
            hint="use letters, digits and . _ : / + -",
            name=name[:60],
        ) from fault


def member_services(
    roles: Sequence[str], scope: Sequence[str], *, level: Level | None = None
) -> list[Service]:
    """What these roles let another organisation say.

    Raises:
        Refused: ``list.role-own`` for the role that only the list's own operator may have.
        Malformed: ``list.*``.
    """
    from kizuna.record.lists import Role, service_for

    if Role.SELF in roles:
        raise Refused(
            "list.role-own",
            "the role self is for the operator of the list alone",
            why="it lets its holder say anything about everything, and enter and end others",
            hint="name what the member does: maker, certification-body, assessor, coordinator …",
        )
    return [service_for(role, scope=[*scope], level=level) for role in roles]


def _level(level: str | None) -> Level | None:
    if level is None:
        return None
    try:
        return Level(level)
    except ValueError as fault:
        raise Malformed(
            "list.level-unknown",
            f"no assurance level {level[:40]!r}",
            hint="one of " + ", ".join(Level),
            level=level[:40],
            known=", ".join(Level),
        ) from fault


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "member": entry.member,
        "name": entry.name,
        "state": entry.state.value,
        "reason": entry.reason,
        "services": [msgspec.to_builtins(s) for s in entry.services],
        "issuer": entry.issuer,
        "statement": entry.statement,
        "index": entry.index,
        "since": datetime.fromtimestamp(entry.since.earliest, UTC).isoformat(),
        "valid_until": entry.valid_until,
        **({"cites": dict(entry.ext)} if entry.ext else {}),
    }
