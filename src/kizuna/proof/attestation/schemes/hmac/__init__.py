# SPDX-License-Identifier: Apache-2.0
"""Tiny tokens: devices that can hash, and keep a secret with their verifier.

Keeps: 1. The format is fixed to the byte (see docs/reference/device-token.md), so that a device
needs no CBOR library and two programs make the same token. 2. The tier says that the verifier
holds the secret too: such evidence convinces its verifier and nobody else. The same claims signed
with a key of the device (COSE_Sign1) are worth more, and say so. 3. Freshness comes by nonce or by
epoch id; boot counter and sequence order what one device says.
Standard: RFC 9711 (EAT), RFC 9052 (COSE_Mac0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalFinding,
    Counters,
    Measurement,
    Tier,
    Vector,
)
from kizuna.proof.attestation.judgement import AFFIRMS, judged, measured, opening
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading
from kizuna.proof.attestation.token import (
    Token,
    broken,
    check_of,
    claims_of,
    read_token,
    slip,
)
from kizuna.roots.cose import SharedKey, encode, mac0

if TYPE_CHECKING:
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.reference import References

__all__ = [
    "BOOT",
    "EPOCH",
    "MEASUREMENTS",
    "MODEL",
    "NONCE",
    "PROFILE",
    "SEQUENCE",
    "UEID",
    "UPTIME",
    "Hmac",
    "make_token",
    "tiny_claims",
]

PROFILE: Final = "tag:kizuna.example,2026:eat#tiny"

NONCE: Final = 10
UEID: Final = 256
UPTIME: Final = 261
_PROFILE: Final = 265
BOOT: Final = 267
EPOCH: Final = -70000
SEQUENCE: Final = -70001
MEASUREMENTS: Final = -70002
MODEL: Final = -70003

MAX_MEASUREMENTS: Final = 64
_LARGEST: Final = 2**53
_GOOD: Final = Vector(instance_identity=AFFIRMS)


class Hmac:
    """The scheme ``hmac``."""

    name = "hmac"
    tier = Tier.SHARED_KEY

    def read(self, evidence: bytes) -> Reading:
        """A tiny token, with a MAC or signed.

        Raises:
            Malformed: ``attestation.malformed``.
        """
        token = read_token(evidence, bare=True)
        claims, faults = claims_of(token, _faults)
        identity = claims.get(UEID)
        if faults:
            return broken(self.name, token, faults, identity=identity)
        get = claims.get
        boot, sequence, uptime = get(BOOT), get(SEQUENCE), get(UPTIME)
        return Reading(
            scheme=self.name,
            evidence=token.evidence,
            identity=identity,
            model=get(MODEL),
            nonce=get(NONCE),
            epoch=get(EPOCH),
            counters=Counters(boot=boot, sequence=sequence, clock=uptime),
            measurements=_measured(claims[MEASUREMENTS]) or (),
            claims={name: claims[label] for label, name in _NAMES if label in claims},
            key_hint=token.key_id,
            uttered=token.uttered,
            body=token,
        )

    def checks(self, reading: Reading, enrolled: Enrolled) -> tuple[Check, ...]:
        """The token's tag or signature."""
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
        """Judge by what was measured."""
        token: Token = reading.body
        tier = Tier.SHARED_KEY if token.maced else Tier.DEVICE_KEY
        now = freshness.now
        first = opening(reading, authentic=authentic, enrolled=enrolled, freshness=freshness)
        if first is not None:
            return judged(reading, tier=tier, enrolled=enrolled, now=now, findings=(first,))
        executables, findings = measured(reading, enrolled=enrolled, references=references, now=now)
        vector = _AFFIRMED if executables == AFFIRMS else _GOOD
        return judged(
            reading,
            tier=tier,
            enrolled=enrolled,
            now=now,
            vector=vector,
            findings=findings,
        )


def tiny_claims(
    *,
    identity: bytes,
    boot: int,
    sequence: int,
    measurements: Mapping[str, bytes],
    nonce: bytes | None = None,
    epoch: int | None = None,
    uptime: int | None = None,
    model: str | None = None,
) -> dict[int, Any]:
    """The claims of a tiny token, measurements in the order of their names."""
    claims: dict[int, Any] = {
        _PROFILE: PROFILE,
        UEID: identity,
        BOOT: boot,
        SEQUENCE: sequence,
        MEASUREMENTS: [[name, measurements[name]] for name in sorted(measurements)],
    }
    beside = {NONCE: nonce, EPOCH: epoch, UPTIME: uptime, MODEL: model}
    return claims | {label: value for label, value in beside.items() if value is not None}


def make_token(key: SharedKey, claims: Mapping[int, Any]) -> bytes:
    """The token that a device with this secret would send: for simulators and tests."""
    return mac0(key, {}, encode(dict(claims)))


def _uint(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _faults(claims: Mapping[Any, Any]) -> tuple[AppraisalFinding, ...]:
    get = claims.get
    if get(_PROFILE) != PROFILE:
        return (slip("eat-profile", f"it is not {PROFILE}"),)
    return tuple(
        [
            slip(name, "it is missing, or has not the form that the profile demands")
            for label, name, holds, needed in _RULES
            if (needed if (value := get(label)) is None else not holds(value))
        ]
    )


def _measurements(value: object) -> bool:
    return isinstance(value, list | tuple) and _measured(value) is not None


def _measured(value: Sequence[Any]) -> tuple[Measurement, ...] | None:
    """The measurements of a token; None where they break a rule."""
    if len(value) > MAX_MEASUREMENTS:
        return None
    try:
        return _parsed(tuple([(name, digest) for name, digest in value]))
    except (TypeError, ValueError):
        return None  # no pairs, or of something that is no plain value


@lru_cache(maxsize=4096, typed=True)
def _parsed(pairs: tuple[tuple[Any, Any], ...]) -> tuple[Measurement, ...] | None:
    """Devices of a class measure the same, so the answer is kept."""
    for name, digest in pairs:
        if type(name) is not str or not 0 < len(name) <= 80:
            return None
        if type(digest) is not bytes or len(digest) != 32:
            return None
    if len({name for name, _ in pairs}) != len(pairs):
        return None
    return tuple(
        Measurement(component=name, digest_alg="sha-256", digest=digest) for name, digest in pairs
    )


_AFFIRMED: Final = Vector(instance_identity=AFFIRMS, executables=AFFIRMS)
_RULES: Final = (
    (UEID, "ueid", lambda v: type(v) is bytes and 7 <= len(v) <= 33, True),
    (BOOT, "boot-count", _uint, True),
    (SEQUENCE, "sequence", _uint, True),
    (MEASUREMENTS, "measurements", _measurements, True),
    (NONCE, "nonce", lambda v: type(v) is bytes and 8 <= len(v) <= 64, False),
    (EPOCH, "epoch", _uint, False),
    (UPTIME, "uptime", _uint, False),
    (MODEL, "model", lambda v: type(v) is str and 0 < len(v) <= 200, False),
)
_NAMES: Final = (
    (_PROFILE, "eat-profile"),
    (UEID, "ueid"),
    (BOOT, "boot-count"),
    (SEQUENCE, "sequence"),
    (NONCE, "nonce"),
    (EPOCH, "epoch"),
    (UPTIME, "uptime"),
    (MODEL, "model"),
)
