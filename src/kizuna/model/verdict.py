# SPDX-License-Identifier: Apache-2.0
"""Verdicts: the answer to "is this trusted, under this profile, as of then", with its reasons.

Keeps: 1. A verdict names everything it depends on: subject, profile and its digest, both times,
lists, quorum, view and engine version. 2. Same statements, same instant, same bytes
(``canonical_bytes``): findings are sorted, words are left out. 3. The outcome follows from value
and findings alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.finding import Finding, Value
from kizuna.model.identifier import SubjectId
from kizuna.model.outcome import Outcome, worst

__all__ = ["ENGINE", "Coverage", "Known", "Verdict"]

ENGINE: Final = "kizuna-1"
"""Version of the meaning of a verdict: it changes when the same evidence may judge otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Known:
    """What had been registered: one checkpoint of one log. ``root`` in hexadecimal."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the chain the verdict rests on, counted in subjects.

    ``subjects`` = ``known`` + ``silent``; ``proven`` of the known have every requirement met;
    ``sealed`` are judged by somebody else's seal (concealment).
    """

    subjects: int
    known: int
    proven: int
    silent: int
    sealed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One judgement. ``at`` in seconds since 1970; ``next_change`` is the earliest instant at which
    time alone could change it.
    """

    value: Value
    subject: SubjectId
    profile: str
    profile_digest: str
    at: int
    known: tuple[Known, ...]
    lists: tuple[str, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    next_change: int | None = None
    quorum: int = 0
    view: str = "public"
    engine: str = ENGINE

    @property
    def outcome(self) -> Outcome:
        """The exit code: ``HOLDS`` for trusted, else the worst of the findings that count."""
        if self.value is Value.TRUSTED:
            return Outcome.HOLDS
        decided = worst(f.code.outcome for f in self.findings if f.counts)
        return decided if decided is not Outcome.HOLDS else Outcome.EVIDENCE_MISSING

    def as_value(self) -> dict[str, Any]:
        """Plain members, without words for people."""
        return {
            "verdict": self.value.word,
            "subject": self.subject,
            "profile": self.profile,
            "profile_digest": self.profile_digest,
            "at": self.at,
            "known": [{"origin": k.origin, "size": k.size, "root": k.root} for k in self.known],
            "lists": list(self.lists),
            "quorum": self.quorum,
            "view": self.view,
            "engine": self.engine,
            "coverage": {
                "subjects": self.coverage.subjects,
                "known": self.coverage.known,
                "proven": self.coverage.proven,
                "silent": self.coverage.silent,
                "sealed": self.coverage.sealed,
            },
            "next_change": self.next_change,
            "findings": [
                {
                    "code": f.code.value,
                    "subject": f.subject,
                    "requirement": f.requirement,
                    "turn": f.turn,
                    "statements": list(f.statements),
                    "about": dict(f.about),
                    "counts": f.counts,
                }
                for f in self.findings
            ],
        }

    def canonical_bytes(self) -> bytes:
        """The same bytes for the same verdict, everywhere (RFC 8785 form: no floats inside)."""
        return json.dumps(
            self.as_value(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
