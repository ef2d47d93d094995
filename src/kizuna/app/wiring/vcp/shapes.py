# SPDX-License-Identifier: Apache-2.0
"""Processes and what is expected in them, in the one shape that every door shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.judging.answers import finding_json
from kizuna.app.wiring.vcp.kept import Kept
from kizuna.chain.process import Course, Shown, expectations
from kizuna.criteria.process import Point, Process
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.criteria.profiles import Profile, Requirement
    from kizuna.model.statement import Registered

__all__ = ["course_json", "expected_json", "outcome_of", "process_json", "shown_json"]


def process_json(kept: Kept, lang: str) -> dict[str, Any]:
    """A process, in the one shape that every door shows."""
    process = kept.process

    return {
        "name": process.name,
        "version": process.version,
        "digest": process.digest,
        "title": _in(lang, process.title),
        "about": _in(lang, process.about),
        "owner": kept.owner,
        "statement": kept.statement,
        "organizations": [
            {
                "id": p.id,
                "title": _in(lang, p.title),
                "identifier": p.identifier,
                "domain": p.domain,
            }
            for p in process.parties
        ],
        "elements": [
            {
                "id": t.id,
                "element": t.element.value,
                "title": _in(lang, t.title),
                "identifier": t.identifier,
                "organization": t.owner or None,
                "whole": process.as_whole(t.id),
            }
            for t in process.things
        ],
        "activities": [
            {
                "id": a.id,
                "title": _in(lang, a.title),
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
                "title": _in(lang, p.title) or _in(lang, process.thing_of[p.thing].title),
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


def course_json(process: Process, point: Point, course: Course) -> dict[str, Any]:
    """How far one interaction point has come."""

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


def _row(
    process: Process,
    point: str,
    giver: str,
    taker: str,
    subject: str | None,
    requirement: Requirement,
    lang: str,
) -> dict[str, Any]:
    return {
        "point": point,
        "from": giver,
        "from_title": _in(lang, process.party_of[giver].title),
        "to": taker,
        "to_title": _in(lang, process.party_of[taker].title),
        "subject": subject,
        "requirement": requirement.id,
        "title": _in(lang, requirement.title),
        "claim": list(requirement.claim),
        "level": requirement.level.value,
    }


def _in(lang: str, words: Mapping[str, str]) -> str:
    return words.get(lang) or words.get("en", "")


def outcome_of(rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """What borders come to together: nonconformant where something shown does not do, else whether
    anything is missing.
    """
    states = {row["state"] for row in rows} - {"shown", "waived"}
    if "lacking" in states:
        return Outcome.NONCONFORMANT
    return Outcome.EVIDENCE_MISSING if states else Outcome.HOLDS
