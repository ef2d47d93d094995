# SPDX-License-Identifier: Apache-2.0
"""What people call a subject or a party.

Keeps: a name never decides anything; it stands beside the identifier, and only the statements that
the evidence shows give one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kizuna.model.finding import Finding
from kizuna.model.payload import Links, Membership

if TYPE_CHECKING:
    from kizuna.chain.graph.evidence import Evidence

__all__ = ["identifiers_in", "names_in_tree", "names_of", "unnamed_in_tree"]


def names_of(evidence: Evidence, identifiers: Iterable[str]) -> dict[str, str]:
    """Names by identifier; one without a name is left out."""
    from kizuna.record.log.keys import subject_key

    wanted = {subject_key(i): i for i in identifiers if i}
    entered: dict[str, str] = {}
    described: dict[str, str] = {}
    for key, rows in evidence.by_keys(list(wanted)).items():
        identifier = wanted[key]
        for row in rows:
            payload = row.statement.payload
            if isinstance(payload, Membership) and row.statement.subject == identifier:
                if payload.name:
                    entered[identifier] = payload.name
            elif isinstance(payload, Links):
                for said in payload.described:
                    if said.name and (said.subject or row.statement.subject) == identifier:
                        described[identifier] = said.name
    return described | entered


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
