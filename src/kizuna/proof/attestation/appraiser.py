# SPDX-License-Identifier: Apache-2.0
"""The appraiser: one piece of evidence, or a batch of many devices' at once.

Keeps: 1. Every piece gets an appraisal: evidence that cannot be read or checked has status none and
says why; nothing that a device sends leaves here as an exception. 2. A batch and its pieces one by
one give the same answers. 3. Signatures are worked out on several threads (the primitives let go
of the interpreter lock); the answers come in the order asked.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec.structs import replace as changed

from kizuna.model.errors import Problem
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Status,
    Tier,
)
from kizuna.proof.attestation.endorsement import Endorsement, findings_of, spoken
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.judgement import unread
from kizuna.proof.attestation.reference import References
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading, Scheme
from kizuna.roots.keys import PublicKey, verify, verify_many

__all__ = ["Appraiser", "Task"]

_BATCH: Final = 4096

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


class _Begun(NamedTuple):
    """A piece of evidence that was read, and whose signatures wait to be checked."""

    task: Task
    scheme: Scheme
    reading: Reading
    enrolled: Enrolled
    checks: tuple[Check, ...]
    vouched: bool = True
    """False where the key comes from a document that nobody signed."""


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
        return self._whole(task)

    def appraise_many(self, tasks: Sequence[Task]) -> list[Appraisal]:
        """The appraisals of many pieces, in the order given.

        Read all, check all signatures together, judge each: Python's part stays on one thread,
        which two would only take from each other.
        """
        answers: list[Appraisal] = []
        for at in range(0, len(tasks), _BATCH):
            with _uncollected():
                answers += self._batch(tasks[at : at + _BATCH])
        return answers

    def _whole(self, task: Task) -> Appraisal:
        begun = self._begin(task)
        if isinstance(begun, Appraisal):
            return begun
        checks = begun.checks
        return self._end(begun, authentic=all(map(_holds, checks)) if checks else None)

    def _batch(self, tasks: Sequence[Task]) -> Iterable[Appraisal]:
        begun = [self._begin(task) for task in tasks]
        signatures: list[tuple[PublicKey, bytes, bytes]] = []
        for one in begun:
            if isinstance(one, _Begun):
                for check in one.checks:
                    key = check.key
                    if isinstance(key, PublicKey):
                        signatures.append((key, check.signature, check.message))
        answers = iter(verify_many(signatures, self._threads))
        for one in begun:
            if isinstance(one, Appraisal):
                yield one
                continue
            authentic: bool | None = None if not one.checks else True
            for check in one.checks:
                key = check.key
                # every answer is taken, so that the next device gets its own
                right = (
                    next(answers)
                    if isinstance(key, PublicKey)
                    else key.holds(check.signature, check.message)
                )
                authentic = authentic and right
            yield self._end(one, authentic=authentic)

    def _begin(self, task: Task) -> _Begun | Appraisal:
        scheme = self._schemes.get(task.scheme)
        enrolled = task.enrolled
        known = enrolled if isinstance(enrolled, Enrolled) else None
        if scheme is None:
            return unread(
                _digest(task.evidence),
                scheme=task.scheme,
                tier=Tier.OBSERVED,
                enrolled=known,
                now=task.freshness.now,
                finding=AppraisalFinding(
                    AppraisalCode.SCHEME_UNKNOWN, {"scheme": task.scheme[:40]}
                ),
            )
        try:
            reading = scheme.read(task.evidence)
            device, vouched = known or _found(task, reading), True
            if device.key is None and not device.roots:
                device, vouched = self._endorsed(reading, device, task.freshness.now)
            return _Begun(task, scheme, reading, device, scheme.checks(reading, device), vouched)
        except Problem as problem:
            return unread(
                _digest(task.evidence),
                scheme=task.scheme,
                tier=scheme.tier,
                enrolled=known,
                now=task.freshness.now,
                finding=AppraisalFinding(
                    AppraisalCode.MALFORMED, {"fault": (problem.why or problem.what)[:200]}
                ),
            )

    def _end(self, begun: _Begun, *, authentic: bool | None) -> Appraisal:
        answer = begun.scheme.appraise(
            begun.reading,
            authentic=authentic,
            enrolled=begun.enrolled,
            references=self._references,
            freshness=begun.task.freshness,
        )
        model = begun.enrolled.reference or begun.reading.model or ""
        if endorsements := self._references.endorsements_of(model):
            answer = _endorse(answer, endorsements)
        if begun.vouched or answer.status is not Status.AFFIRMING:
            return answer
        unsigned = AppraisalFinding(AppraisalCode.REFERENCE_UNSIGNED, {"model": model[:80]})
        return _found_more(answer, (unsigned,))

    def _endorsed(self, reading: Reading, enrolled: Enrolled, now: int) -> tuple[Enrolled, bool]:
        """With the key or the anchors that a maker vouched for, where enrolment brought none, and
        whether a signature stands behind that.
        """
        model = enrolled.reference or reading.model
        identity = enrolled.identity or reading.identity
        found = self._references.key_of(model, identity)
        if found is not None and found.counts_at(now):
            named = enrolled.reference or reading.model or found.model
            return replace(enrolled, key=found.key, reference=named), found.signed
        anchors = self._references.anchors_of(model, identity, now)
        if anchors:
            roots = tuple(anchor.certificates for anchor in anchors)
            return replace(enrolled, roots=roots), all(anchor.signed for anchor in anchors)
        return enrolled, True


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for rings meanwhile: what a batch makes holds none, and is kept."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def _found(task: Task, reading: Reading) -> Enrolled:
    found = None if isinstance(task.enrolled, Enrolled) else task.enrolled(reading)
    return Enrolled(scheme=task.scheme) if found is None else found


def _holds(check: Check) -> bool:
    key = check.key
    if isinstance(key, PublicKey):
        return verify(key, check.signature, check.message)
    return key.holds(check.signature, check.message)


def _endorse(answer: Appraisal, endorsements: Iterable[Endorsement]) -> Appraisal:
    """With what makers say of a device that shows this; only evidence that holds shows anything."""
    if any(finding.code.stops for finding in answer.findings):
        return answer
    heard = [
        (endorsement, spoken(endorsement, answer.identity, answer.measurements, answer.at))
        for endorsement in endorsements
    ]
    said = [(endorsement.signed, one) for endorsement, words in heard for one in words.said]
    left = [words for _, words in heard if words.perhaps]
    claims: dict[str, object] = {}
    if said:
        claims["endorsed"] = [
            {"component": one.component, **one.claims, "signed": signed} for signed, one in said
        ]
    if left:
        claims["endorsed-open"] = [
            {"component": words.perhaps[0].component, "asks": list(words.asks)} for words in left
        ]
    if not claims:
        return answer
    answer = changed(answer, claims={**answer.claims, **claims})
    against = [
        AppraisalFinding(
            AppraisalCode.ENDORSEMENT_OPEN,
            {"component": words.perhaps[0].component[:80], "asks": ", ".join(words.asks)[:200]},
        )
        for words in left
        if any(findings_of(words.perhaps))
    ]
    return _found_more(answer, (*findings_of(one for _, one in said), *against))


def _found_more(answer: Appraisal, findings: tuple[AppraisalFinding, ...]) -> Appraisal:
    """With findings that came after the scheme's own; they make it worse, never better."""
    if not findings:
        return answer
    vector, status = answer.vector, answer.status
    for one in findings:
        vector = vector.worsened(one.code.claim, one.code.number)
        if one.code.status.rank > status.rank:
            status = one.code.status
    if status is Status.AFFIRMING and any(one.code.status is Status.NONE for one in findings):
        status = Status.NONE  # something is left open: that is no pass
    return changed(answer, status=status, vector=vector, findings=(*answer.findings, *findings))


def _digest(evidence: bytes) -> Digest:
    return Digest(sha256(evidence).digest())
