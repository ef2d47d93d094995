# SPDX-License-Identifier: Apache-2.0
"""Judging: the questions that every scheme asks in the same order, and the sum of the answers.

Keeps: 1. Order: could it be checked, is it authentic, is it of now, is it well formed, is it the
enrolled device, are its measurements known. The first that fails badly ends the appraisal: the rest
of forged or replayed evidence says nothing. 2. The status is that of the worst claim; a finding
that leaves something open turns "affirming" into "none", never into a pass. 3. What could not be
checked is never counted against the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import (
    NOTHING,
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Measurement,
    Status,
    Tier,
    Vector,
)
from kizuna.proof.attestation.freshness import went_back

if TYPE_CHECKING:
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.reference import References
    from kizuna.proof.attestation.scheme import Enrolled, Reading

__all__ = ["AFFIRMS", "judged", "measured", "opening", "unread"]

AFFIRMS: Final = 2
"""The AR4SI number for "recognised and not known to be bad" in every claim."""

_MOST_KEPT: Final = 4096
_NO_VECTOR: Final = Vector()
_FORGED: Final = Vector.all(99)


def opening(
    reading: Reading, *, authentic: bool | None, enrolled: Enrolled, freshness: Freshness
) -> AppraisalFinding | None:
    """What ends the appraisal before the claims are looked at; None where nothing does."""
    if authentic is None:
        return AppraisalFinding(
            AppraisalCode.KEY_UNKNOWN,
            {"identity": "" if reading.identity is None else reading.identity.hex()[:80]},
        )
    if not authentic:
        return AppraisalFinding(AppraisalCode.SIGNATURE_WRONG)
    if reading.faults:
        return reading.faults[0]
    fault = freshness.fault(reading.nonce, reading.epoch)
    if fault is not None:
        return fault
    if enrolled.last is not NOTHING and (counter := went_back(enrolled.last, reading.counters)):
        return AppraisalFinding(AppraisalCode.COUNTER_BACK, {"counter": counter})
    if enrolled.identity is not None and reading.identity != enrolled.identity:
        return AppraisalFinding(
            AppraisalCode.IDENTITY_DIFFERS,
            {
                "identity": "" if reading.identity is None else reading.identity.hex()[:80],
                "enrolled": enrolled.identity.hex()[:80],
            },
            vouched=reading.names_itself,
        )
    return None


def measured(
    reading: Reading, *, enrolled: Enrolled, references: References, now: int
) -> tuple[int, list[AppraisalFinding]]:
    """What the measurements come to: a number for the claim ``executables``, and findings.

    The digest decides. Version and signer are what the device or its maker calls the same bytes.
    """
    model, shown = enrolled.reference or reading.model or "", reading.measurements
    if not shown:
        return 0, [AppraisalFinding(AppraisalCode.MEASUREMENTS_MISSING)]
    # devices of a class share one tuple, and its answer for the moment; the tuple is held, so that
    # its place in memory is nobody else's
    place = (id(shown), model, now)
    kept = references.kept.get(place)
    if kept is None or kept[0] is not shown:
        number, findings = _measured(shown, model=model, references=references, now=now)
        if len(references.kept) >= _MOST_KEPT:
            references.kept.clear()
        kept = references.kept[place] = shown, number, tuple(findings)
    return kept[1], list(kept[2])


def _measured(
    shown: tuple[Measurement, ...], *, model: str, references: References, now: int
) -> tuple[int, list[AppraisalFinding]]:
    if not references.knows(model):
        return 0, [AppraisalFinding(AppraisalCode.REFERENCE_MISSING, {"model": model[:80]})]
    findings: list[AppraisalFinding] = []
    find, unsigned = references.find, False
    if left_out := references.left_out(model, {one.component for one in shown}, now):
        # a device may not choose which of its parts are looked at
        about = {"component": left_out[:80]}
        return 0, [AppraisalFinding(AppraisalCode.MEASUREMENTS_MISSING, about)]
    for one in shown:
        found = find(model, one.component, one.digest_alg, one.digest)
        if found is None or not found.counts_at(now):
            # a value whose time is over was the maker's word: it vouches no more, and accuses not
            closed = references.closed(model) and found is None
            findings.append(
                AppraisalFinding(
                    AppraisalCode.FIRMWARE_UNKNOWN if closed else AppraisalCode.FIRMWARE_UNLISTED,
                    {
                        "component": one.component[:80],
                        "digest": one.digest.hex()[:128],
                        "version": (one.version or "")[:40],
                        "model": model[:80],
                    },
                )
            )
        elif not found.signed:
            unsigned = True
    if findings:
        return max(finding.code.number for finding in findings), findings
    if unsigned:
        findings.append(AppraisalFinding(AppraisalCode.REFERENCE_UNSIGNED, {"model": model[:80]}))
    return AFFIRMS, findings


def judged(
    reading: Reading,
    *,
    tier: Tier,
    enrolled: Enrolled,
    now: int,
    vector: Vector = _NO_VECTOR,
    findings: Sequence[AppraisalFinding] = (),
    claims: Mapping[str, object] | None = None,
) -> Appraisal:
    """The appraisal: findings worsen the vector, and the worst decides.

    Args:
        reading: the evidence.
        tier: what it is worth at best.
        enrolled: the device that it should come from.
        now: the moment of the appraisal.
        vector: what the scheme affirms before the findings are counted.
        findings: what was found.
        claims: instead of those of the reading.
    """
    status: Status | None = None
    open_question = False
    for finding in findings:
        code = finding.code
        if code.stops:
            vector = _FORGED if code is AppraisalCode.SIGNATURE_WRONG else _NO_VECTOR
            status = code.status
            break
        if code.claim:
            if code.number:
                vector = vector.worsened(code.claim, code.number)
            if code.status is Status.NONE:
                open_question = True
    if status is None:
        status = vector.status
        if open_question and status is Status.AFFIRMING:
            status = Status.NONE
    return Appraisal(
        status=status,
        vector=vector,
        tier=tier,
        scheme=reading.scheme,
        evidence=reading.evidence,
        at=now,
        subject=enrolled.subject,
        identity=reading.identity,
        claims=reading.claims if claims is None else claims,
        findings=tuple(findings),
        counters=reading.counters,
        measurements=reading.measurements,
        uttered=reading.uttered,
    )


def unread(
    evidence: Digest,
    *,
    scheme: str,
    tier: Tier,
    enrolled: Enrolled | None,
    now: int,
    finding: AppraisalFinding,
) -> Appraisal:
    """The appraisal of evidence that could not even be read: status none, with its reason."""
    return Appraisal(
        status=Status.NONE,
        vector=_NO_VECTOR,
        tier=tier,
        scheme=scheme,
        evidence=evidence,
        at=now,
        subject=None if enrolled is None else enrolled.subject,
        findings=(finding,),
    )
