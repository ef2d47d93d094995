# SPDX-License-Identifier: Apache-2.0
"""One chain by several measures at once: a verdict for each, and what makes them differ.

Keeps: 1. Each verdict is the one that asking for it alone would give: under its lists and its
profile only, so that what one list accepts never helps under another. 2. Nothing is summed up:
there is no verdict over verdicts, only the worst exit code of them. 3. A difference is told with
its cause: who spoke about that subject, and how each list stands to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.judging.answers import finding_json, verdict_json
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.naming import identifiers_in
from kizuna.model.errors import Malformed
from kizuna.model.finding import Finding
from kizuna.model.identifier import SubjectId
from kizuna.model.outcome import Outcome, worst
from kizuna.model.verdict import Known, Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.criteria.through import Reading
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.chain.graph.evidence import Evidence
    from kizuna.criteria.profiles import Profile
    from kizuna.model.identifier import Digest
    from kizuna.model.statement import Registered
    from kizuna.model.trust import Anchors
    from kizuna.record.lists import Entry, ListState
    from kizuna.record.store import View

__all__ = ["MOST", "Measure", "judge_each", "list_sets", "measures_of"]

MOST: Final = 12
"""Most measures in one question."""

_TOLD: Final = 200
"""Differences that are told with their cause; the rest is counted."""

_PARTIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One profile under one set of lists (names; None: all that are believed)."""

    profile: Profile
    lists: tuple[str, ...] | None
    reading: Reading | None = None
    """The profile read through mappings, where some are named."""

    @property
    def by(self) -> Profile:
        """The profile that is judged by."""
        return self.profile if self.reading is None else self.reading.profile

    def title(self, *, profiles: bool) -> str:
        """What people call it."""
        lists = "*" if self.lists is None else ",".join(self.lists)
        return f"{self.profile.name} · {lists}" if profiles else lists


def list_sets(
    named: Sequence[str] | None, believed: Sequence[str], *, each: bool
) -> list[tuple[str, ...] | None]:
    """The sets of lists to judge under.

    Args:
        named: as asked for; ``a,b`` is one set of two lists. None: nothing was named.
        believed: every list that the verifier believes, by name.
        each: one verdict for every set; else all that are named are one set.
    """
    sets = [tuple(part for part in name.split(",") if part) for name in named or ()]
    if not each:
        flat = tuple(dict.fromkeys(name for one in sets for name in one))
        return [flat if named else None]
    return [*dict.fromkeys(one for one in (sets or [(name,) for name in believed]) if one)]


def measures_of(
    workspace: Workspace,
    profiles: Sequence[Profile],
    named: Sequence[str] | None,
    *,
    each: bool,
    through: Sequence[str] = (),
) -> list[Measure]:
    """Every profile under every set of lists; ``through``: mappings by which each is read.

    Raises:
        Absent: ``mapping.unknown``, ``catalog.unknown``. Refused: ``mapping.too-many``.
    """
    from kizuna.app.wiring.criteria.through import reading_through

    believed = [anchor.name for anchor in workspace.anchors().lists]
    sets = list_sets(named, believed, each=each)
    settings = workspace.settings
    readings = {
        p.digest: reading_through(settings, p, through) if through else None for p in profiles
    }
    return [
        Measure(profile=profile, lists=lists, reading=readings[profile.digest])
        for profile in profiles
        for lists in sets
    ]


def judge_each(
    workspace: Workspace,
    subject: SubjectId,
    measures: Sequence[Measure],
    lang: str,
    *,
    at: int | None = None,
    known: tuple[Known, ...] | None = None,
    view: View | None = None,
    verify: Callable[[Question], Verdict] | None = None,
    heard: Sequence[Evidence] = (),
) -> tuple[dict[str, Any], Outcome]:
    """The answer of every door, and the exit code that is the worst of all verdicts.

    ``verify`` draws up each verdict; None: the workspace, from its own store. ``heard``: the
    evidence that it went by, where other stores proved some of it; ``verify`` may fill it.

    Returns:
        ``subject``; ``verdicts``: as ``kizuna verify`` gives each, with ``measure``, ``judged_by``;
        ``differences``: of each finding that not every verdict has, under which measures it stands
        and which parties the lists see differently.

    Raises:
        Malformed: ``verify.too-many``, ``verify.nothing-to-compare``. Absent: ``list.unknown``.
    """
    if len(measures) > MOST:
        raise Malformed(
            "verify.too-many",
            f"{len(measures)} verdicts in one question, at most {MOST}",
            hint="ask in parts",
            limit=MOST,
        )
    if not measures:
        raise Malformed(
            "verify.nothing-to-compare",
            "no list is believed here",
            hint="`kizuna list accept` adds one",
        )
    when = workspace.clock() if at is None else at
    several = len({m.profile.digest for m in measures}) > 1
    titles = [m.title(profiles=several) for m in measures]
    ask = verify or workspace.verify

    def drawn_up(measure: Measure) -> Verdict:
        def put(by: Profile) -> Verdict:
            return ask(Question(subject, by, at=when, known=known, lists=measure.lists, view=view))

        return put(measure.profile) if measure.reading is None else measure.reading.judge(put)

    verdicts = [drawn_up(measure) for measure in measures]
    told = {f for v in verdicts for f in v.findings}
    evidence = [_own(workspace, view), *heard]
    names = _names(evidence, identifiers_in(told), workspace.anchors())
    answer = {
        "subject": subject,
        "at": when,
        "verdicts": [
            {
                "measure": title,
                "judged_by": {
                    "profile": measure.profile.name,
                    "lists": None if measure.lists is None else list(measure.lists),
                },
                **verdict_json(verdict, lang, profile=measure.by, names=names),
                **({} if measure.reading is None else {"through": measure.reading.told(lang)}),
            }
            for title, measure, verdict in zip(titles, measures, verdicts, strict=True)
        ],
        **_differences(workspace, measures, titles, verdicts, lang, names, evidence),
    }
    return answer, worst(v.outcome for v in verdicts)


def _differences(
    workspace: Workspace,
    measures: Sequence[Measure],
    titles: Sequence[str],
    verdicts: Sequence[Verdict],
    lang: str,
    names: dict[str, str],
    evidence: Sequence[Evidence],
) -> dict[str, Any]:
    """What some of the verdicts have and others have not, with the cause."""
    has: dict[tuple[SubjectId, str, str], dict[int, Finding]] = {}
    for place, verdict in enumerate(verdicts):
        for finding in verdict.findings:
            key = (finding.subject, finding.requirement or "", finding.code.value)
            has.setdefault(key, {}).setdefault(place, finding)
    differ = sorted(
        (key for key, found in has.items() if len(found) < len(verdicts)),
        key=lambda key: (not any(f.counts for f in has[key].values()), key),
    )
    why = _Why(workspace, measures, names, evidence)
    rows = []
    for key in differ[:_TOLD]:
        found = has[key]
        place, finding = next(iter(found.items()))
        words = finding_json(finding, lang, profile=measures[place].by, names=names)
        rows.append(
            {
                "subject": finding.subject,
                "name": names.get(finding.subject),
                "requirement": finding.requirement,
                "code": finding.code.value,
                "value": words["value"],
                "message": words["message"],
                "mend": words["mend"],
                "counts": any(f.counts for f in found.values()),
                "under": [titles[p] for p in sorted(found)],
                "not_under": [t for p, t in enumerate(titles) if p not in found],
                "because": why.of(finding.subject),
            }
        )
    return {
        "agree": not differ and len({v.value for v in verdicts}) == 1,
        "differences": rows,
        "differences_left_out": max(0, len(differ) - _TOLD),
    }


class _Why:
    """Who spoke about a subject, and how each of the lists judged by stands to them."""

    def __init__(
        self,
        workspace: Workspace,
        measures: Sequence[Measure],
        names: dict[str, str],
        evidence: Sequence[Evidence],
    ) -> None:
        self._workspace = workspace
        self._names = names
        self._evidence = evidence
        believed = [a.name for a in workspace.anchors().lists]
        used = [believed if m.lists is None else m.lists for m in measures]
        self._lists = list(dict.fromkeys(name for some in used for name in some))
        self._states: dict[str, list[ListState]] = {}
        self._known: dict[str, list[dict[str, Any]]] = {}

    def of(self, subject: str) -> list[dict[str, Any]]:
        """The parties who spoke of it to whom the lists stand differently."""
        found = self._known.get(subject)
        if found is None:
            found = self._known[subject] = self._find(subject)
        return found

    def _find(self, subject: str) -> list[dict[str, Any]]:
        from kizuna.record.log.keys import subject_key

        if len(self._lists) < 2:
            return []  # only profiles differ: who may speak is the same
        key = subject_key(subject)
        rows = [row for some in self._evidence for row in some.by_keys([key]).get(key, ())]
        issuers = dict.fromkeys([*(row.statement.issuer for row in rows), SubjectId(subject)])
        told = []
        for issuer in issuers:
            stands = {name: _stands(self._state(name), issuer) for name in self._lists}
            if len({str(one) for one in stands.values()}) > 1:
                told.append({"party": issuer, "name": self._called(issuer), "lists": stands})
            if len(told) >= _PARTIES:
                break
        return told

    def _state(self, name: str) -> list[ListState]:
        """The list as each log shows it in which any of its entries stand, the fullest first."""
        from kizuna.app.wiring.lists.own import rows_of_list
        from kizuna.record.lists import ListState

        found = self._states.get(name)
        if found is None:
            anchor = self._workspace.lists.anchor(name)
            by_log: dict[str, dict[Digest, Registered]] = {}
            for some in self._evidence:
                for row in rows_of_list(some, anchor.id):
                    by_log.setdefault(row.origin, {})[row.statement.digest] = row
            fullest = sorted(by_log.values(), key=len, reverse=True) or [{}]
            found = self._states[name] = [
                ListState.of(SubjectId(anchor.id), SubjectId(anchor.operator), rows.values())
                for rows in fullest
            ]
        return found

    def _called(self, party: SubjectId) -> str | None:
        for state in (one for states in self._states.values() for one in states):
            entry = state.entries.get(party)
            if entry is not None and entry.name:
                return entry.name
        return self._names.get(party)


def _stands(states: Sequence[ListState], party: SubjectId) -> dict[str, Any] | None:
    """How a list stands to somebody; None where it does not know them."""
    entry: Entry | None = next((s.entries[party] for s in states if party in s.entries), None)
    if entry is None:
        operates = states[0].operator == party
        return {"state": "operator", "roles": [], "reason": ""} if operates else None
    return {
        "state": entry.state.value,
        "roles": sorted({service.type.rpartition("/")[2] for service in entry.services}),
        "reason": entry.reason,
    }


def _own(workspace: Workspace, view: View | None) -> Evidence:
    return workspace.store.reader() if view is None else workspace.store.reader(view)


def _names(evidence: Sequence[Evidence], identifiers: set[str], anchors: Anchors) -> dict[str, str]:
    from kizuna.app.wiring.naming import names_of

    names: dict[str, str] = {}
    for some in reversed(evidence):  # what one's own store says stands above what others say
        names |= names_of(some, identifiers, anchors)
    return names
