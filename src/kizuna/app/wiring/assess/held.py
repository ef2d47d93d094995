# SPDX-License-Identifier: Apache-2.0
"""Certificates that are held already, beside the questions that they speak to.

Keeps: 1. A certificate is shown beside a question because the question accepts it, or because a
mapping relates its kind to the question's control; which of the two is said. 2. A proposed mapping
is shown as a proposal. 3. Nothing is answered by being shown: whoever answers says so, and the
verdict is judged by its own rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.assess.ground import ground_of
from kizuna.app.wiring.criteria.catalogs import CERTIFICATES, catalogs_of, find_catalog
from kizuna.app.wiring.criteria.mappings import mappings_of
from kizuna.criteria.catalogs import Catalog, Kinship, Mapping
from kizuna.criteria.catalogs.mapping import ends_of
from kizuna.criteria.certificates import type_of
from kizuna.model.errors import Absent
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, seconds

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.model.identifier import SubjectId
    from kizuna.model.statement import Registered
    from kizuna.proof.assurance import Question, Questionnaire
    from kizuna.record.store import View

__all__ = ["held_for", "held_of"]


def held_of(
    organisation: Organisation, subject: SubjectId, view: View | None = None
) -> list[tuple[Registered, Claim]]:
    """The certificates of known kinds about a subject that are in force today, oldest first."""
    ground, now = ground_of(organisation), organisation.clock()
    found = []
    for row in ground.about(subject, view):
        claim = row.statement.payload
        if not isinstance(claim, Claim) or type_of(claim.type) is None:
            continue
        if row.statement.kind not in (Kind.CERTIFICATE, Kind.CAPABILITY):
            continue
        if claim.valid_until is not None and seconds(claim.valid_until) < now:
            continue
        found.append((row, claim))
    ended = ground.ended([row.statement.digest for row, _ in found])
    return [(row, claim) for row, claim in found if row.statement.digest not in ended]


def held_for(
    organisation: Organisation, asked: Questionnaire, lang: str, view: View | None = None
) -> dict[str, list[dict[str, Any]]]:
    """By question: the certificates held that speak to it, and by what they do."""
    held = held_of(organisation, asked.subject, view)
    if not held:
        return {}
    catalogs = {c.id: c for c, _ in catalogs_of(organisation.settings)}
    mappings = [m for m, _ in mappings_of(organisation.settings) if m.origin == CERTIFICATES]
    kinds = find_catalog(CERTIFICATES, organisation.settings)
    made: dict[str, list[dict[str, Any]]] = {}
    for question in asked.questions:
        rows = []
        for row, claim in held:
            told = {
                "type": claim.type,
                "title": kinds.find(claim.type).named(lang),
                "issuer": row.statement.issuer,
                "until": claim.valid_until or "",
                "statement": row.statement.digest.hex(),
            }
            if claim.type in question.claims:
                rows.append(told | {"way": "asked", "status": "accepted", "mapping": ""})
                continue
            rows += [told | way for way in _ways(question, claim.type, mappings, kinds, catalogs)]
        if rows:
            made[question.id] = rows
    return made


def _ways(
    question: Question,
    kind: str,
    mappings: Iterable[Mapping],
    kinds: Catalog,
    catalogs: dict[str, Catalog],
) -> list[dict[str, Any]]:
    """The ties that lead from a kind of certificate to a question's control."""
    found = []
    for mapping in mappings:
        goal = catalogs.get(mapping.goal)
        wanted = set() if goal is None else _controls(question, goal)
        if goal is None or not wanted:
            continue
        for tie in mapping.ties:
            try:
                sources, _ = ends_of(kinds, tie.sources)
                targets, _ = ends_of(goal, tie.targets)
            except Absent:
                continue
            if tie.relation is not Kinship.NONE and kind in sources and wanted & set(targets):
                found.append(
                    {
                        "way": "mapping",
                        "mapping": mapping.name,
                        "relation": tie.relation.value,
                        "confidence": tie.confidence.value,
                        "status": "accepted" if tie.accepted else "proposed",
                    }
                )
    return found


def _controls(question: Question, catalog: Catalog) -> set[str]:
    """The controls of one catalog that a question stands for."""
    found = set()
    for piece in question.control.split(","):
        name, marked, control = piece.strip().rpartition("#")
        if control and (not marked or name == catalog.id) and control in catalog:
            found.add(catalog.find(control).id)
    return found
