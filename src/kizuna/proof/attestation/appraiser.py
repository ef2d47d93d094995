# SPDX-License-Identifier: Apache-2.0
"""The appraiser: one piece of evidence, or a batch of many devices' at once.

Keeps: 1. Every piece gets an appraisal: evidence that cannot be read or checked has status none and
says why; nothing that a device sends leaves here as an exception. 2. A batch and its pieces one by
one give the same answers. 3. Signatures are worked out on several threads (the primitives let go
of the interpreter lock); the answers come in the order asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from kizuna.model.errors import Problem
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, AppraisalFinding, Tier
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.judgement import unread
from kizuna.proof.attestation.reference import References
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading, Scheme
from kizuna.roots.keys import PublicKey, verify

__all__ = ["Appraiser", "Task"]

_CHUNK: Final = 64

Finder = Callable[[Reading], Enrolled | None]


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of evidence to appraise.

    ``enrolled`` is the device it should come from, or a function that finds it by what the
    evidence calls itself.
    """

    evidence: bytes
    scheme: str
    freshness: Freshness
    enrolled: Enrolled | Finder


class Appraiser:
    """Appraises evidence of the schemes given, by the reference values given."""

    def __init__(
        self, references: References, schemes: Iterable[Scheme], *, threads: int = 2
    ) -> None:
        self._references = references
        self._schemes: Mapping[str, Scheme] = {scheme.name: scheme for scheme in schemes}
        self._threads = threads

    @property
    def schemes(self) -> tuple[str, ...]:
        """The names of the schemes, sorted."""
        return tuple(sorted(self._schemes))

    def appraise(self, task: Task) -> Appraisal:
        """The appraisal of one piece of evidence. Never raises for what the evidence holds."""
        scheme = self._schemes.get(task.scheme)
        now = task.freshness.now
        known = task.enrolled if isinstance(task.enrolled, Enrolled) else None
        if scheme is None:
            return unread(
                _digest(task.evidence),
                scheme=task.scheme,
                tier=Tier.OBSERVED,
                enrolled=known,
                now=now,
                finding=AppraisalFinding(
                    AppraisalCode.SCHEME_UNKNOWN, {"scheme": task.scheme[:40]}
                ),
            )
        try:
            reading = scheme.read(task.evidence)
            enrolled = known or _found(task, reading)
            if enrolled.key is None and not enrolled.roots:
                enrolled = self._endorsed(reading, enrolled, now)
            checks = scheme.checks(reading, enrolled)
            authentic = all(map(_holds, checks)) if checks else None
            return scheme.appraise(
                reading,
                authentic=authentic,
                enrolled=enrolled,
                references=self._references,
                freshness=task.freshness,
            )
        except Problem as problem:
            return unread(
                _digest(task.evidence),
                scheme=task.scheme,
                tier=scheme.tier,
                enrolled=known,
                now=now,
                finding=AppraisalFinding(
                    AppraisalCode.MALFORMED, {"fault": (problem.why or problem.what)[:200]}
                ),
            )

    def appraise_many(self, tasks: Sequence[Task]) -> list[Appraisal]:
        """The appraisals of many pieces, in the order given."""
        chunks = [tasks[at : at + _CHUNK] for at in range(0, len(tasks), _CHUNK)]
        if self._threads < 2 or len(chunks) < 2:
            return [self.appraise(task) for task in tasks]
        with ThreadPoolExecutor(min(self._threads, len(chunks)), "appraise") as pool:
            return [one for answers in pool.map(self._chunk, chunks) for one in answers]

    def _chunk(self, tasks: Sequence[Task]) -> list[Appraisal]:
        # whole pieces, not phases: one thread parses while another's signature is worked out
        return [self.appraise(task) for task in tasks]

    def _endorsed(self, reading: Reading, enrolled: Enrolled, now: int) -> Enrolled:
        """With the key that a maker vouched for, where enrolment brought none."""
        found = self._references.key_of(
            enrolled.reference or reading.model, enrolled.identity or reading.identity
        )
        if found is None or not found.counts_at(now):
            return enrolled
        return replace(enrolled, key=found.key)


def _found(task: Task, reading: Reading) -> Enrolled:
    found = None if isinstance(task.enrolled, Enrolled) else task.enrolled(reading)
    return Enrolled(scheme=task.scheme) if found is None else found


def _holds(check: Check) -> bool:
    key = check.key
    if isinstance(key, PublicKey):
        return verify(key, check.signature, check.message)
    return key.holds(check.signature, check.message)


def _digest(evidence: bytes) -> Digest:
    return Digest(sha256(evidence).digest())
