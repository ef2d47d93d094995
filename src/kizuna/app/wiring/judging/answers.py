# SPDX-License-Identifier: Apache-2.0
"""Values turned into the JSON that every door shows: one shape each, the same everywhere.

Keeps: codes stay the same in every language; ``message`` and ``mend`` are the catalogue's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.messages import Names, render_finding, render_problem, text, turn_of
from kizuna.app.wiring.saying import command_for
from kizuna.app.wiring.values import ImportOutcome, Standing
from kizuna.model.errors import Problem
from kizuna.model.finding import Finding, Value
from kizuna.model.outcome import PRECEDENCE
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.criteria.profiles import Profile
    from kizuna.proof.documents import InnerSignature, Remark

__all__ = [
    "finding_json",
    "import_json",
    "problem_json",
    "remark_of",
    "signature_json",
    "standing_json",
    "tree_json",
    "verdict_json",
]


def finding_json(
    finding: Finding,
    lang: str,
    *,
    profile: Profile | None = None,
    names: Names | None = None,
) -> dict[str, Any]:
    """One finding with its words."""
    requirement = None if profile is None else profile.requirement(finding.requirement)
    message, mend = render_finding(
        finding,
        lang,
        title="" if requirement is None else _word(requirement.title, lang),
        advice="" if requirement is None else _word(requirement.mend, lang),
        present="" if requirement is None else ", ".join(requirement.present),
        names=names,
    )
    return {
        "code": finding.code.value,
        "subject": finding.subject,
        "requirement": finding.requirement,
        "message": message,
        "mend": mend,
        "command": command_for(finding, requirement),
        "turn": finding.turn,
        "turn_name": turn_of(finding, lang, names),
        "statements": list(finding.statements),
        "about": dict(finding.about),
        "counts": finding.counts,
        "value": finding.code.value_given.word,
    }


def verdict_json(
    verdict: Verdict,
    lang: str,
    *,
    profile: Profile | None = None,
    names: Names | None = None,
) -> dict[str, Any]:
    """A verdict with its findings in words, those that decide first, and ``counts`` by code.

    ``profile`` gives the titles of requirements; without it those of the shipped profile of that
    digest are used.
    """
    chosen = profile or _shipped(verdict.profile, verdict.profile_digest)
    counts: dict[str, int] = {}
    for finding in verdict.findings:
        counts[finding.code.value] = counts.get(finding.code.value, 0) + 1
    ordered = sorted(
        verdict.findings,
        key=lambda f: (not f.counts, f.code.value_given, _rank(f), f),
    )
    return {
        **verdict.as_value(),
        "exit": int(verdict.outcome),
        "findings": [finding_json(f, lang, profile=chosen, names=names) for f in ordered],
        "counts": counts,
    }


def _rank(finding: Finding) -> int:
    """Where a finding stands among those that weigh the same: as exit codes do."""
    outcome = finding.code.outcome
    return PRECEDENCE.index(outcome) if outcome in PRECEDENCE else len(PRECEDENCE)


def _word(words: Mapping[str, str], lang: str) -> str:
    return " ".join((words.get(lang) or words.get("en") or "").split())


def _shipped(name: str, digest: str) -> Profile | None:
    from kizuna.criteria.profiles import SHIPPED, shipped_profile

    if name not in SHIPPED:
        return None
    profile = shipped_profile(name)
    return profile if profile.digest == digest else None


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


def tree_json(
    node: Mapping[str, Any],
    lang: str,
    *,
    profile: Profile | None = None,
    names: Names | None = None,
) -> dict[str, Any]:
    """A tree of reasons with words: every finding of every node in this language.

    Members of a node: ``subject``, ``name``, ``element``, ``value``, ``own``, ``relation`` (how its
    parent depends on it), ``counts``, ``findings``, ``children``, ``left_out`` (children not
    shown), ``repeated`` (true where the node was opened further up).
    """
    told = {key: value for key, value in node.items() if key not in ("children", "findings")}
    for key in ("value", "own"):
        if isinstance(told.get(key), Value):
            told[key] = told[key].word
    if names and not told.get("name") and (name := names.get(str(node["subject"]))):
        told["name"] = name
    told["findings"] = [
        finding_json(f, lang, profile=profile, names=names) for f in node.get("findings", ())
    ]
    told["children"] = [
        tree_json(child, lang, profile=profile, names=names) for child in node.get("children", ())
    ]
    return told


def import_json(outcome: ImportOutcome, lang: str) -> dict[str, Any]:
    """What an import came to."""
    return {
        "statements": list(outcome.statements),
        "subjects": list(outcome.subjects),
        "root": outcome.root,
        "not_understood": list(outcome.not_understood),
        "remarks": [
            {"place": r.where, "code": r.code, "message": remark_of(r, lang)}
            for r in outcome.remarks
        ],
        "duplicates": outcome.duplicates,
        "unchanged": outcome.unchanged,
        "renewed": outcome.renewed,
        "registered": outcome.registered,
        "beyond": list(outcome.beyond),
        "signatures": [signature_json(f.name, one) for f in outcome.files for one in f.signatures],
        "refused": [problem_json(p, lang) for p in outcome.refused],
        "files": [
            {
                "name": f.name,
                "format": f.format,
                "root": f.root,
                "statements": list(f.statements),
                "not_understood": list(f.not_understood),
            }
            for f in outcome.files
        ],
    }


def remark_of(remark: Remark, lang: str) -> str:
    """Why a place in a document made no statement, or not the one to be expected."""
    return text(f"remark.{remark.code}", lang, about=remark.about)


def signature_json(file: str, signature: InnerSignature) -> dict[str, Any]:
    """A signature inside an imported document, and what checking it came to."""
    told = {
        "file": file,
        "where": signature.where,
        "form": signature.form,
        "result": signature.result.value,
    }
    for member in ("algorithm", "key_id", "thumbprint", "key_from", "reason", "signer", "identity"):
        if value := getattr(signature, member):
            told[member] = value
    return told


def standing_json(standing: Standing) -> dict[str, Any]:
    """One line of the portfolio."""
    return {
        "subject": standing.subject,
        "name": standing.name,
        "profile": standing.profile,
        "through": list(standing.through),
        "verdict": standing.value.word,
        "findings": standing.findings,
        "next_change": standing.next_change,
        "at": standing.at,
        "stores": [{"code": code, "origin": origin} for code, origin in standing.stores],
    }
