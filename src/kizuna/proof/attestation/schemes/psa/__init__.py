# SPDX-License-Identifier: Apache-2.0
"""PSA tokens: microcontrollers whose firmware measures itself and signs with a key of the device.

Keeps: 1. All three profiles are read, each by its own rules. 2. A token in COSE_Mac0 form is
evidence of a shared key, whatever the chip. 3. A device whose root of trust may be debugged, or is
not provisioned yet, is never affirmed.
Standard: RFC 9783.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Tier,
    Vector,
)
from kizuna.proof.attestation.judgement import AFFIRMS, judged, measured, opening
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading
from kizuna.proof.attestation.schemes.psa.claims import (
    Lifecycle,
    faults_of,
    measurements_of,
    rules_of,
)
from kizuna.proof.attestation.token import Token, check_of, claims_of, read_token, slip

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
        claims = claims_of(token)
        if isinstance(claims, AppraisalFinding):
            return _broken(token, claims)
        rules = rules_of(claims)
        if rules is None:
            return _broken(token, slip("eat-profile", "it is missing, or no PSA profile"))
        faults = faults_of(claims, rules)
        named: dict[str, Any] = {
            name: claims[label]
            for label, name, _, _ in rules.claims
            if label in claims and label != rules.components
        }
        instance = named.get("psa-instance-id")
        implementation = named.get("psa-implementation-id")
        if faults:
            return Reading(
                scheme=self.name,
                evidence=token.evidence,
                identity=instance if type(instance) is bytes else None,
                model=implementation.hex() if type(implementation) is bytes else None,
                key_hint=token.key_id,
                faults=faults,
                body=token,
            )
        return Reading(
            scheme=self.name,
            evidence=token.evidence,
            identity=instance,
            model=named["psa-implementation-id"].hex(),
            nonce=named["psa-nonce"],
            measurements=measurements_of(claims.get(rules.components) or ()) or (),
            claims=named,
            key_hint=token.key_id,
            body=token,
        )

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


def _broken(token: Token, fault: AppraisalFinding) -> Reading:
    return Reading(
        scheme=Psa.name,
        evidence=token.evidence,
        key_hint=token.key_id,
        faults=(fault,),
        body=token,
    )
