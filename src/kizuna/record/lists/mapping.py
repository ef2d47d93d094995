# SPDX-License-Identifier: Apache-2.0
"""What the types of a foreign list are worth here: the verifier's own mapping.

Keeps: 1. A type that the mapping does not name gives nothing, and is told. 2. Nothing in the list
widens what the mapping gives: it may only name members, their state, their end, and (where the
mapping asks for ``listed``) whose names they speak about.

Example of a file::

    types:
      "http://uri.etsi.org/TrstSvc/Svctype/CA/QC":
        role: certification-body
        claims: [iso-27001]
        level: third-party
    members:
      did:key:zDnae...: {scope: [pkg:generic/fuji]}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct, field

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.payload import Level, Service, Standing
from kizuna.record.lists.authoring import Wanted
from kizuna.record.lists.foreign import ForeignEntry, ForeignList, by_member
from kizuna.record.lists.roles import Role, service_for
from kizuna.roots.strict_yaml import read_as

__all__ = ["LISTED", "Mapped", "TypeMapping", "apply_mapping", "read_mapping"]

_ORDER: Final = {Standing.WITHDRAWN: 0, Standing.SUSPENDED: 1, Standing.GRANTED: 2}
LISTED: Final = "listed"
"""Scope: as the foreign list says for each entry."""


class _Rule(Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    scope: list[str] = []
    claims: list[str] = field(default_factory=lambda: ["*"])
    level: Level | None = None


class _Member(Struct, frozen=True, forbid_unknown_fields=True):
    scope: list[str] = []
    name: str = ""
    id: str = ""


class TypeMapping(Struct, frozen=True, forbid_unknown_fields=True):
    """A verifier's mapping, as its file says it."""

    types: dict[str, _Rule] = {}
    members: dict[str, _Member] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What a foreign list comes to under a mapping."""

    wanted: Mapping[SubjectId, Wanted]
    not_understood: Mapping[str, int]
    """Types without a rule, and how many entries have them."""


def read_mapping(data: bytes, name: str = "mapping") -> TypeMapping:
    """A mapping from YAML or JSON.

    Raises:
        Malformed: ``list.mapping``, ``list.role-unknown``, ``list.scope*``, ``list.level``,
            ``identifier.malformed``.
    """
    found = read_as(data, TypeMapping, code="list.mapping", name=name, limit=8 << 20)
    for kind, rule in found.types.items():
        if rule.role == Role.SELF:
            raise Malformed(
                "list.mapping",
                f"{name}: the role self is for the list's own operator alone",
                why=f"the rule for {kind[:80]} gives it to others",
                hint="name what the members do: certification-body, maker, assessor …",
                document=name,
                line=0,
                path="types",
                fault="the role self is for the list's own operator alone",
            )
        _service(rule, ["*"] if LISTED in rule.scope else rule.scope)
    for member in found.members.values():
        if member.id:
            canonical(member.id)
    return found


def apply_mapping(foreign: ForeignList, mapping: TypeMapping) -> Mapped:
    """The members that a list of one's own should have, by the mapping, as of the list's issue.

    Raises:
        Malformed: ``list.scope``. Tampered: ``list.two-names``, ``list.claimed-twice``.
    """
    unknown: Counter[str] = Counter()
    wanted: dict[SubjectId, Wanted] = {}
    source = {
        "list": foreign.id,
        "sequence": foreign.sequence,
        "document": foreign.document.hex(),
    }
    for member, entries in by_member(foreign.entries).items():
        for entry in entries:
            unknown.update(t for t in entry.types if t not in mapping.types)
            if not entry.types:
                unknown[""] += 1
        own = mapping.members.get(member)
        who = canonical(own.id) if own is not None and own.id else member
        made = _wanted(member, entries, mapping, foreign, source)
        if made is not None:
            wanted[who] = made
    return Mapped(wanted=wanted, not_understood=dict(sorted(unknown.items())))


def _wanted(
    member: SubjectId,
    entries: tuple[ForeignEntry, ...],
    mapping: TypeMapping,
    foreign: ForeignList,
    source: dict[str, Any],
) -> Wanted | None:
    """How a member's entry should be; None where nothing it has is understood."""
    best = None
    granted: list[Service] = []
    own = mapping.members.get(member)
    until: list[int] = []
    for entry in entries:
        rules = [mapping.types[t] for t in entry.types if t in mapping.types]
        if not rules:
            continue
        state = entry.at(foreign.issued) or entry.state
        if best is None or _ORDER[state] > _ORDER[best]:
            best, granted, until = state, [], []
        if state is not best:
            continue
        for rule in rules:
            scope = rule.scope
            if own is not None and own.scope:
                scope = own.scope
            elif LISTED in scope:
                # a list that names no scope lets its member speak about itself alone
                scope = [*(s for s in scope if s != LISTED), *entry.scope] or [member]
            service = _service(rule, scope)
            granted += [] if service in granted else [service]
        until += [entry.until] if entry.until is not None else []
    if best is None:
        return None
    named = member.startswith(("did:key:", "did:jwk:"))
    keys = {k.thumbprint: k for e in entries for k in e.keys}
    return Wanted(
        services=tuple(granted),
        name=(own.name if own is not None and own.name else entries[0].name)[:400],
        state=best,
        reason="" if best is Standing.GRANTED else _reason(best, foreign, entries),
        valid_until=min(until) if until and best is Standing.GRANTED else None,
        keys=() if named else tuple(k.to_jwk() for k in keys.values()),
        ext={"source": source},
    )


def _reason(state: Standing, foreign: ForeignList, entries: tuple[ForeignEntry, ...]) -> str:
    """Why a member is no longer in force: what the list did, and in its own words why."""
    theirs = next((e.reason for e in entries if e.state is state and e.reason), "")
    told = f"{state.value} in {foreign.id}"[:400]
    return f"{told}: {theirs}" if theirs else told


def _service(rule: _Rule, scope: list[str]) -> Service:
    return service_for(rule.role, scope=scope, claims=rule.claims, level=rule.level)
