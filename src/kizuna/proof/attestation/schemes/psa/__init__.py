# SPDX-License-Identifier: Apache-2.0
"""PSA tokens: microcontrollers whose firmware measures itself and signs with a key of the device.

Keeps: 1. All three profiles are read, each by its own rules. 2. A token in COSE_Mac0 form is
evidence of a shared key, whatever the chip. 3. A device whose root of trust may be debugged, or is
not provisioned yet, is never affirmed.
Standard: RFC 9783.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Measurement,
    Tier,
    Vector,
)
from kizuna.proof.attestation.judgement import AFFIRMS, judged, measured, opening
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading
from kizuna.proof.attestation.schemes.psa.claims import (
    Lifecycle,
    Rules,
    faults_of,
    measurements_of,
    rules_of,
)
from kizuna.proof.attestation.shapes import Shapes, Span, spans_in
from kizuna.proof.attestation.token import (
    Token,
    broken,
    check_of,
    claims_of,
    read_token,
    slip,
)

if TYPE_CHECKING:
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.reference import References

__all__ = ["Psa"]

_GOOD: Final = Vector(
    instance_identity=AFFIRMS,
    hardware=AFFIRMS,
    runtime_opaque=AFFIRMS,
    storage_opaque=AFFIRMS,
)
_AFFIRMED: Final = replace(_GOOD, executables=AFFIRMS)
_GENUINE: Final = Vector(hardware=AFFIRMS)

_OWN: Final = ("psa-nonce", "psa-instance-id", "psa-boot-seed")
"""Claims in which tokens of one class differ."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all tokens of one shape say alike, and where each says its own."""

    claims: Mapping[str, Any]
    model: str
    measurements: tuple[Measurement, ...]
    nonce: Span
    instance: Span
    seed: Span | None


_shapes: Final[Shapes[_Shared]] = Shapes()


class Psa:
    """The scheme ``psa``."""

    name = "psa"
    tier = Tier.DEVICE_KEY

    def read(self, evidence: bytes) -> Reading:
        """A PSA token, signed or with a MAC.

        Raises:
            Malformed: ``attestation.malformed``.
        """
        token = read_token(evidence)
        shared = _shapes.find(token.payload)
        if shared is not None:
            return _same(token, shared)
        claims, faults = claims_of(token, _faults)
        rules = rules_of(claims)
        if rules is None:
            return broken(self.name, token, faults)
        named: dict[str, Any] = {
            name: claims[label]
            for label, name, _, _ in rules.claims
            if label in claims and label != rules.components
        }
        instance = named.get("psa-instance-id")
        if faults:
            model = named.get("psa-implementation-id")
            return broken(self.name, token, faults, identity=instance, model=model)
        reading = Reading(
            scheme=self.name,
            evidence=token.evidence,
            identity=instance,
            model=named["psa-implementation-id"].hex(),
            nonce=named["psa-nonce"],
            measurements=measurements_of(claims.get(rules.components) or ()) or (),
            claims=named,
            key_hint=token.key_id,
            uttered=token.uttered,
            body=token,
        )
        if _shapes.pays:
            _learn(token, reading, rules)
        return reading

    def checks(self, reading: Reading, enrolled: Enrolled) -> tuple[Check, ...]:
        """The token's signature or tag."""
        return check_of(reading.body, enrolled.key)

    def appraise(
        self,
        reading: Reading,
        *,
        authentic: bool | None,
        enrolled: Enrolled,
        references: References,
        freshness: Freshness,
    ) -> Appraisal:
        """Judge by lifecycle and measured software."""
        token: Token = reading.body
        tier = Tier.SHARED_KEY if token.maced else Tier.DEVICE_KEY
        now = freshness.now
        first = opening(reading, authentic=authentic, enrolled=enrolled, freshness=freshness)
        if first is not None:
            return judged(reading, tier=tier, enrolled=enrolled, now=now, findings=(first,))
        number = reading.claims["psa-security-lifecycle"]
        state = Lifecycle.of(number) if isinstance(number, int) else None
        executables, findings = measured(reading, enrolled=enrolled, references=references, now=now)
        vector = _AFFIRMED if executables == AFFIRMS else _GOOD
        if state is not Lifecycle.SECURED:
            lesser = state is Lifecycle.NON_PSA_DEBUG
            code = AppraisalCode.DEBUG_OPEN if lesser else AppraisalCode.DEVICE_OPEN
            if not lesser:
                vector = _GENUINE
            findings.append(AppraisalFinding(code, {"state": str(state)}))
        return judged(
            reading,
            tier=tier,
            enrolled=enrolled,
            now=now,
            vector=vector,
            findings=findings,
        )


def _same(token: Token, shared: _Shared) -> Reading:
    """The reading of a token whose shape is known."""
    payload = token.payload
    claims = dict(shared.claims)
    begin, end = shared.nonce
    nonce = claims["psa-nonce"] = payload[begin:end]
    begin, end = shared.instance
    instance = claims["psa-instance-id"] = payload[begin:end]
    if shared.seed is not None:
        begin, end = shared.seed
        claims["psa-boot-seed"] = payload[begin:end]
    return Reading(
        scheme=Psa.name,
        evidence=token.evidence,
        identity=instance,
        model=shared.model,
        nonce=nonce,
        measurements=shared.measurements,
        claims=claims,
        key_hint=token.key_id,
        uttered=token.uttered,
        body=token,
    )


def _learn(token: Token, reading: Reading, rules: Rules) -> None:
    """Know tokens again that differ from this one in nonce, instance and boot seed alone."""
    labels = [rules.labels[name] for name in _OWN]
    places = spans_in(token.payload, labels)
    nonce, instance, seed = (places.get(label) for label in labels)
    if nonce is None or instance is None:
        return
    begin, end = instance
    free = [nonce, (begin + 1, end)]  # its first byte is bound by a rule
    if seed is not None:
        free.append(seed)
    model = reading.model or ""
    shared = _Shared(reading.claims, model, reading.measurements, nonce, instance, seed)
    _shapes.learn(token.payload, free, shared)


def _faults(claims: Mapping[Any, Any]) -> tuple[AppraisalFinding, ...]:
    rules = rules_of(claims)
    if rules is None:
        return (slip("eat-profile", "it is missing, or no PSA profile"),)
    return faults_of(claims, rules)
