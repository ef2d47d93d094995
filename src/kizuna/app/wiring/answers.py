# SPDX-License-Identifier: Apache-2.0
"""Values turned into the JSON that every door shows: one shape each, the same everywhere.

Keeps: codes stay the same in every language; ``message`` and ``mend`` are the catalogue's words.
"""

from __future__ import annotations

from typing import Any

from kizuna.app.wiring.messages import render_finding, render_problem
from kizuna.model.errors import Problem
from kizuna.model.finding import Finding
from kizuna.model.verdict import Verdict

__all__ = ["finding_json", "problem_json", "verdict_json"]


def finding_json(finding: Finding, lang: str) -> dict[str, Any]:
    """One finding with its words."""
    message, mend = render_finding(finding, lang)
    return {
        "code": finding.code.value,
        "subject": finding.subject,
        "requirement": finding.requirement,
        "message": message,
        "mend": mend,
        "turn": finding.turn,
        "statements": list(finding.statements),
        "about": dict(finding.about),
        "counts": finding.counts,
        "value": finding.code.value_given.word,
    }


def verdict_json(verdict: Verdict, lang: str) -> dict[str, Any]:
    """A verdict with its findings in words, those that decide first, and ``counts`` by code."""
    counts: dict[str, int] = {}
    for finding in verdict.findings:
        counts[finding.code.value] = counts.get(finding.code.value, 0) + 1
    ordered = sorted(
        verdict.findings,
        key=lambda f: (not f.counts, f.code.value_given, f.code.outcome, f),
    )
    return {
        **verdict.as_value(),
        "exit": int(verdict.outcome),
        "findings": [finding_json(f, lang) for f in ordered],
        "counts": counts,
    }


def problem_json(problem: Problem, lang: str) -> dict[str, Any]:
    """A failure: ``{code, message, hint, findings}`` and the cause."""
    message, hint = render_problem(problem, lang)
    return {
        "code": problem.code,
        "message": message,
        "why": problem.why,
        "hint": hint,
        "about": problem.about,
        "findings": [],
    }
