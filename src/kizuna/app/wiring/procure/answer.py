# SPDX-License-Identifier: Apache-2.0
"""What came of judging a purchase, before and in words.

Keeps: the same answer for a command, a page and a product system; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.judging.answers import finding_json
from kizuna.app.wiring.procure.deciding import DECISIONS, Decision, Suppliers, decide
from kizuna.app.wiring.procure.request import Line, Request, when
from kizuna.model.finding import Value
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict
    from kizuna.record.store import View

__all__ = ["Answer", "names_in", "outcome_of"]

_MISSING: Final = 20
"""Findings told of one line or candidate; how many more there are is said."""


@dataclass(slots=True)
class Answer:
    """What was judged, before words: kept so that every door words it alike."""

    request: Request
    profile: Profile
    verdict: Verdict | None
    at: int
    value: Value
    lines: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    able: Suppliers | None = None

    def told(self, lang: str) -> dict[str, Any]:
        """The answer as every door shows it."""
        end = when(self.request.deadline)
        verdict = self.verdict
        counts = dict.fromkeys(DECISIONS.values(), 0)
        lines = [self._line(line, lang, end) for line in self.lines]
        for line in lines:
            counts[line["decision"]] += 1
        return {
            "request": self.request.request,
            "title": self.request.title or "",
            "profile": self.profile.name,
            "profile_digest": self.profile.digest,
            "at": self.at,
            "deadline": self.request.deadline,
            "decision": DECISIONS[self.value],
            "counts": counts,
            "product": None
            if verdict is None
            else {
                "part": verdict.subject,
                "name": self.names.get(verdict.subject, ""),
                "verdict": verdict.value.word,
                "decision": DECISIONS[verdict.value],
                "next_change": verdict.next_change,
                "known": [
                    {"origin": k.origin, "size": k.size, "root": k.root} for k in verdict.known
                ],
                **self._missing(decide(verdict), lang, end),
            },
            "lines": lines,
        }

    def _line(self, line: Mapping[str, Any], lang: str, end: int | None) -> dict[str, Any]:
        asked: Line = line["line"]
        by = when(asked.deadline) or end
        return {
            "line": asked.line,
            "part": asked.part,
            "name": self.names.get(asked.part, ""),
            "quantity": asked.quantity,
            "deadline": asked.deadline or self.request.deadline,
            "decision": DECISIONS[line["value"]],
            "choose": line["choose"],
            "part_decision": DECISIONS[line["own"].value],
            **self._missing(line["own"], lang, by),
            "suppliers": [self._one("supplier", s, lang, by) for s in line["suppliers"]],
            "substitutes": [self._one("part", s, lang, by) for s in line["substitutes"]],
        }

    def _one(self, member: str, found: Any, lang: str, by: int | None) -> dict[str, Any]:  # noqa: ANN401
        identifier, decision = found
        return {
            member: identifier,
            "name": self.names.get(identifier, ""),
            "decision": DECISIONS[decision.value],
            **self._missing(decision, lang, by),
        }

    def _missing(self, decision: Decision, lang: str, by: int | None) -> dict[str, Any]:
        ordered = sorted(decision.findings, key=lambda f: (f.code.value_given, f))
        told = []
        for finding in ordered[:_MISSING]:
            words = finding_json(finding, lang, profile=self.profile, names=self.names)
            able = [] if self.able is None else self.able.of(finding)
            told.append(
                {
                    member: words[member]
                    for member in (
                        "code",
                        "subject",
                        "requirement",
                        "message",
                        "mend",
                        "turn",
                        "turn_name",
                        "value",
                    )
                }
                | {"by": by, "can_supply": able}
            )
        return {"missing": told, "more": max(0, len(ordered) - _MISSING)}


def outcome_of(answer: Answer) -> Outcome:
    """The exit code: 0 for go; else what weighs most among what is missing."""
    from kizuna.model.outcome import worst as first

    if answer.value is Value.TRUSTED:
        return Outcome.HOLDS
    findings = (
        [] if answer.verdict is None or answer.lines else list(decide(answer.verdict).findings)
    )
    for line in answer.lines:
        decisions = [line["own"], *(d for _, d in line["suppliers"])]
        if line["value"] is not Value.TRUSTED:
            findings += [f for d in decisions for f in d.findings]
    if answer.value is Value.UNTRUSTED:
        findings = [f for f in findings if f.code.value_given is Value.UNTRUSTED]
        return first(f.code.outcome for f in findings) or Outcome.NOT_TRUSTED
    findings = [f for f in findings if f.code.value_given is Value.UNDETERMINED]
    return first(f.code.outcome for f in findings) or Outcome.EVIDENCE_MISSING


def names_in(workspace: Workspace, answer: Answer, view: View | None) -> dict[str, str]:
    """What people call everything that an answer speaks of."""
    from kizuna.app.wiring.naming import identifiers_in
    from kizuna.app.wiring.showing import names

    wanted: set[str] = set()
    if answer.verdict is not None:
        wanted.add(answer.verdict.subject)
        wanted |= identifiers_in(answer.verdict.findings)
    for line in answer.lines:
        wanted.add(line["line"].part)
        for identifier, decision in (*line["suppliers"], *line["substitutes"]):
            wanted.add(identifier)
            wanted |= identifiers_in(decision.findings)
        wanted |= identifiers_in(line["own"].findings)
    return names(workspace, wanted, view)
