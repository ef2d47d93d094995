# SPDX-License-Identifier: Apache-2.0
"""What people call a subject or a party.

Keeps: 1. A name never decides anything; it stands beside the identifier, and only the statements
that the evidence shows give one. 2. Nobody names another whom no list lets speak: a stranger's
entry in a list of its own, or its description, would put words into people's eyes in somebody
else's place. 3. What was named first by one of several who may only mention it stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.finding import Finding
from kizuna.model.kind import Kind
from kizuna.model.payload import Links, Membership, Service, Standing

if TYPE_CHECKING:
    from kizuna.chain.graph.evidence import Evidence
    from kizuna.model.statement import Registered
    from kizuna.model.trust import Anchors

__all__ = ["identifiers_in", "names_in_tree", "names_of", "unnamed_in_tree"]

_FIRST_COUNTS: Final = 1
"""Rank of descriptions of which the first counts, not the last."""

_MOST: Final = 500
"""Most issuers of whom it is asked what they may say."""

_Listed = Mapping[str, Sequence[Service]]


def names_of(evidence: Evidence, identifiers: Iterable[str], anchors: Anchors) -> dict[str, str]:
    """Names by identifier; one that nobody named who may is left out.

    A list that the verifier accepts goes before whoever it lets speak of the thing, that before
    the operators of such lists, and these before what the thing says of itself and others that are
    listed say of it, of whom the first counts.
    """
    from kizuna.record.log.keys import subject_key

    wanted = {subject_key(i): i for i in identifiers if i}
    entered: list[tuple[str, Registered, Membership]] = []
    described: list[tuple[str, str, str]] = []
    for key, rows in evidence.by_keys(list(wanted)).items():
        identifier = wanted[key]
        for row in rows:
            payload = row.statement.payload
            if isinstance(payload, Membership) and row.statement.subject == identifier:
                if payload.name:
                    entered.append((identifier, row, payload))
            elif isinstance(payload, Links):
                described.extend(
                    (identifier, row.statement.issuer, said.name)
                    for said in payload.described
                    if said.name and (said.subject or row.statement.subject) == identifier
                )
    said_by = [row.statement.issuer for _, row, _ in entered] + [who for _, who, _ in described]
    listed = _listed(evidence, anchors, said_by)
    operators = {one.id: one.operator for one in anchors.lists}
    found: dict[str, tuple[int, str]] = {}
    for identifier, who, name in described:
        rank = _rank(identifier, who, listed, {*operators.values(), anchors.verifier})
        before, _ = found.get(identifier, (0, ""))
        if rank > before or rank == before > _FIRST_COUNTS:
            found[identifier] = rank, name
    names = {identifier: name for identifier, (_, name) in found.items()}
    for identifier, row, payload in entered:
        who, operator = row.statement.issuer, operators.get(payload.list_id)
        if operator is not None and (
            who == operator or _may(identifier, who, listed, (Kind.MEMBERSHIP,))
        ):
            names[identifier] = str(payload.name)
    return names


def _rank(identifier: str, who: str, listed: _Listed, operators: Collection[str | None]) -> int:
    """How much a description counts; 0: it is a stranger's."""
    if _may(identifier, who, listed, (Kind.CAPABILITY, Kind.LINK)):
        return 3
    if who in operators:
        return 2
    return _FIRST_COUNTS if who == identifier or who in listed else 0


def _may(identifier: str, who: str, listed: _Listed, kinds: Collection[Kind]) -> bool:
    from kizuna.record.lists.scope import in_scope

    return any(
        not set(kinds).isdisjoint(service.kinds) and in_scope(identifier, service.scope, own=who)
        for service in listed.get(who, ())
    )


def _listed(evidence: Evidence, anchors: Anchors, issuers: Iterable[str]) -> _Listed:
    """What accepted lists let each of these issuers say."""
    from kizuna.record.log.keys import subject_key

    operators = {one.id: one.operator for one in anchors.lists}
    wanted = {subject_key(one): one for one in list(dict.fromkeys(issuers))[:_MOST]}
    listed: dict[str, tuple[Service, ...]] = {}
    for key, rows in evidence.by_keys(list(wanted)).items():
        latest: dict[str, Membership] = {}
        for row in rows:
            payload = row.statement.payload
            if (
                isinstance(payload, Membership)
                and row.statement.subject == wanted[key]
                and operators.get(payload.list_id) == row.statement.issuer
            ):
                latest[payload.list_id] = payload
        granted = [one for one in latest.values() if one.state is Standing.GRANTED]
        if granted:
            listed[wanted[key]] = tuple(service for one in granted for service in one.services)
    return listed


def identifiers_in(findings: Iterable[Finding]) -> set[str]:
    """Every subject and party that findings speak of."""
    found: set[str] = set()
    for finding in findings:
        found.update((finding.subject, finding.turn))
        found.update(value for member, value in finding.about if member in ("issuer", "by"))
    return found


def unnamed_in_tree(node: Mapping[str, Any]) -> set[str]:
    """The subjects of a tree of reasons that it does not name itself."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if not at.get("name"):
            found.add(str(at["subject"]))
        waiting.extend(at.get("children", ()))
    return found


def names_in_tree(node: Mapping[str, Any]) -> dict[str, str]:
    """The names that a tree of reasons carries itself."""
    names: dict[str, str] = {}
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if at.get("name"):
            names[str(at["subject"])] = str(at["name"])
        waiting.extend(at.get("children", ()))
    return names
