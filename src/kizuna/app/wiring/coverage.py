# SPDX-License-Identifier: Apache-2.0
"""What a verdict says under another catalog: which of its controls are covered, and which are not.

Keeps: coverage is ``trusted`` only where the chain is, and every control in force is covered by
what was asked directly or follows by an accepted mapping.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.criteria.catalogs import CERTIFICATES, catalogs_of, find_catalog
from kizuna.app.wiring.criteria.mappings import find_mapping, mapping_json, mappings_of
from kizuna.app.wiring.judging.question import Question
from kizuna.criteria.catalogs import (
    Catalog,
    Covered,
    Covering,
    Mapping,
    Result,
    coverage_of,
)
from kizuna.model.errors import Refused
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.outcome import Outcome, worst

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict
    from kizuna.record.store import View

__all__ = ["coverage", "results_of"]


def results_of(
    workspace: Workspace,
    subject: SubjectId,
    profile: Profile,
    *,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
) -> tuple[Verdict, dict[str, Result | None]]:
    """The verdict, and how each requirement of the profile turned out (None: nothing had to)."""
    from kizuna.chain.verify import how_requirements_stand

    verdict, asked = workspace.judge.ask(
        Question(subject, profile, at=at, lists=lists, view=view),
        lambda judged: how_requirements_stand(judged, subject),
    )
    found: dict[str, Result | None] = {}
    for name, stand in asked.items():
        if not stand.asked:
            found[name] = None
        elif stand.unmet:
            found[name] = Result.UNMET
        else:  # a waiver forgives a finding; it shows nothing to be met
            found[name] = Result.OPEN if stand.open or stand.waived else Result.MET
    return verdict, found


def coverage(
    workspace: Workspace,
    subject: str,
    profile: Profile,
    catalog: str,
    *,
    beside: Sequence[Profile] = (),
    mappings: Sequence[str] = (),
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
    lang: str = "en",
) -> tuple[dict[str, Any], Outcome]:
    """What the verdict about a subject says under a catalog, and the exit code.

    Args:
        workspace: the store.
        subject: what is judged.
        profile: by what it is judged.
        catalog: what the verdict is carried to.
        beside: further profiles whose results count as well; a control that several ask for is
            met where all of them are.
        mappings: only these; none: all at hand.
        at: valid at this instant.
        lists: believe these alone.
        view: for whose eyes.
        lang: of titles.

    Raises:
        Absent: ``catalog.unknown``, ``mapping.unknown``. Refused: ``mapping.elsewhere``.
    """
    settings = workspace.settings
    goal = find_catalog(catalog, settings)
    verdicts, judged = [], []
    for each in (profile, *beside):
        one, found = results_of(workspace, canonical(subject), each, at=at, lists=lists, view=view)
        verdicts.append(one)
        judged.append((each, found))
    verdict, chain = verdicts[0], min(v.value for v in verdicts)
    catalogs = {c.id: c for c, _ in catalogs_of(settings)}
    results, unknown = _by_control(judged, catalogs)
    used, left_out = _leading_to(goal, mappings, catalogs, settings)
    rows = coverage_of(goal, results, [(m, catalogs[m.origin]) for m in used])
    counts = {s.value: sum(r.state is s for r in rows) for s in Covering}
    whole = counts[Covering.COVERED.value] == len(rows)
    value = chain if whole else min(chain, Value.UNDETERMINED)
    if counts[Covering.FAILED.value]:
        value = Value.UNTRUSTED
    outcome = Outcome.HOLDS
    if value is not Value.TRUSTED:
        outcome = worst(v.outcome for v in verdicts) or (
            Outcome.NONCONFORMANT if value is Value.UNTRUSTED else Outcome.EVIDENCE_MISSING
        )
    told = {
        "subject": verdict.subject,
        "profile": verdict.profile,
        "catalog": goal.id,
        "at": verdict.at,
        "chain": chain.word,
        "verdict": value.word,
        "counts": counts,
        "controls": [_row(r, lang) for r in rows],
        "mappings": [mapping_json(m, "", lang) for m in used],
        "mappings_left_out": left_out,
        "controls_unknown": unknown,
    }
    return told, outcome


def _by_control(
    judged: Sequence[tuple[Profile, dict[str, Result | None]]], catalogs: dict[str, Catalog]
) -> tuple[dict[tuple[str, str], Result], list[str]]:
    """Results by catalog and control; and the controls that no catalog at hand has."""
    met: dict[tuple[str, str], list[Result]] = {}
    unknown: list[str] = []
    asked = [(r, found.get(r.id)) for profile, found in judged for r in profile.requirements]
    for requirement, result in asked:
        for named, control in requirement.controls:
            holders = [c for c in catalogs.values() if named in ("", c.id) and control in c]
            if not holders:
                unknown.append(f"{named}#{control}" if named else control)
            if result is not None:
                for holder in holders:
                    met.setdefault((holder.id, holder.find(control).id), []).append(result)
    return {key: Result.worst(all_) for key, all_ in met.items()}, sorted(set(unknown))


def _leading_to(
    goal: Catalog, names: Sequence[str], catalogs: dict[str, Catalog], settings: Settings
) -> tuple[list[Mapping], list[str]]:
    """The mappings that lead to a catalog, turned round where needed; and those left out."""
    every = [m for m, _ in mappings_of(settings)]
    asked = [find_mapping(n, settings) for n in names] if names else every
    used: list[Mapping] = []
    left_out: list[str] = []
    for mapping in asked:
        if mapping.origin == CERTIFICATES and not names:
            continue  # what is held is shown beside the questions, and proves nothing by itself
        turned = mapping if mapping.goal == goal.id else mapping.turned()
        if turned.goal != goal.id:
            if names:
                raise Refused(
                    "mapping.elsewhere",
                    f"{mapping.name} does not lead to {goal.id}",
                    why=f"it relates {mapping.origin} and {mapping.goal}",
                    hint="`kizuna catalog mappings` shows what each relates",
                    name=mapping.name,
                    catalog=goal.id,
                )
            continue
        if turned.origin in catalogs:
            used.append(turned)
        else:
            left_out.append(mapping.name)
    return used, left_out


def _row(covered: Covered, lang: str) -> dict[str, Any]:
    return {
        "control": covered.control.id,
        "short": covered.control.short,
        "title": covered.control.named(lang),
        "state": covered.state.value,
        "ways": [
            {
                "sources": list(way.sources),
                "result": None if way.result is None else way.result.value,
                "mapping": way.mapping or None,
                "relation": way.relation.value,
                "confidence": way.confidence.value,
                "status": "accepted" if way.accepted else "proposed",
                "whole": way.meets,
            }
            for way in covered.ways
        ],
    }
