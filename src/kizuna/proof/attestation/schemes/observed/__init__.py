# SPDX-License-Identifier: Apache-2.0
"""Observed devices: things that can say nothing for themselves, as their gateway sees them.

Keeps: 1. What is signed is the gateway's word about a device, never the device's own; the tier is
the lowest and stays so. 2. A device is compared with what was learnt of it: where it stands, how it
answers, how regularly it speaks. What was not learnt is not asked. 3. Another address, port or
answer tells against it; another rhythm only warns. 4. A device that imitates all of this passes:
that is the limit of looking from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Counters,
    Tier,
    Vector,
)
from kizuna.proof.attestation.judgement import AFFIRMS, judged, opening
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading
from kizuna.proof.attestation.token import broken, check_of, claims_of, read_token, slip

if TYPE_CHECKING:
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.reference import References

__all__ = ["LEARNT", "PROFILE", "Learnt", "Observation", "Observed", "learn", "observed_claims"]

PROFILE: Final = "tag:kizuna.example,2026:eat#observed"
LEARNT: Final = "learnt"
"""Where ``Enrolled.about`` holds the ``Learnt`` profile of the device."""

_NONCE: Final = 10
_UEID: Final = 256
_PROFILE: Final = 265
_EPOCH: Final = -70000
_SEQUENCE: Final = -70001
_DEVICE: Final = -70010
_ADDRESS: Final = -70011
_POSITION: Final = -70012
_BANNER: Final = -70013
_INTERVAL: Final = -70014

_LARGEST: Final = 2**53
_MOST_LEARNT: Final = 100_000
_LEAST_TOLERANCE: Final = 10
_GOOD: Final = Vector(configuration=AFFIRMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a gateway saw of one device."""

    address: str | None = None
    """Hardware or network address."""
    position: str | None = None
    """Where it is attached: a switch port, a bus unit number."""
    banner: bytes | None = None
    """SHA-256 of what it answers when asked who it is."""
    interval: int | None = None
    """Median of the milliseconds between its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a device looks like when all is well. What is None was never the same, or never seen."""

    address: str | None = None
    position: str | None = None
    banner: bytes | None = None
    interval: int | None = None
    tolerance: int = 0
    """How many milliseconds the interval may be off."""


class Observed:
    """The scheme ``observed``."""

    name = "observed"
    tier = Tier.OBSERVED

    def read(self, evidence: bytes) -> Reading:
        """A gateway's signed claim about one device.

        Raises:
            Malformed: ``attestation.malformed``.
        """
        token = read_token(evidence, bare=True)
        claims, faults = claims_of(token, _faults)
        identity = claims.get(_DEVICE)
        if faults:
            return broken(self.name, token, faults, identity=identity)
        get = claims.get
        return Reading(
            scheme=self.name,
            evidence=token.evidence,
            identity=identity,
            nonce=get(_NONCE),
            epoch=get(_EPOCH),
            counters=Counters(sequence=get(_SEQUENCE)),
            claims={name: claims[label] for label, name, _, _ in _RULES if label in claims},
            key_hint=token.key_id,
            uttered=token.uttered,
            body=token,
        )

    def checks(self, reading: Reading, enrolled: Enrolled) -> tuple[Check, ...]:
        """The gateway's signature; ``enrolled.key`` is the gateway's key."""
        return check_of(reading.body, enrolled.key)

    def appraise(
        self,
        reading: Reading,
        *,
        authentic: bool | None,
        enrolled: Enrolled,
        references: References,  # noqa: ARG002 - what counts here was learnt, not published
        freshness: Freshness,
    ) -> Appraisal:
        """Judge by the profile that was learnt."""
        now = freshness.now
        first = opening(reading, authentic=authentic, enrolled=enrolled, freshness=freshness)
        if first is not None:
            return judged(reading, tier=self.tier, enrolled=enrolled, now=now, findings=(first,))
        learnt = enrolled.about.get(LEARNT)
        if not isinstance(learnt, Learnt) or learnt == _NOTHING_LEARNT:
            findings = [AppraisalFinding(AppraisalCode.REFERENCE_MISSING, {"model": "observed"})]
            return judged(reading, tier=self.tier, enrolled=enrolled, now=now, findings=findings)
        findings = list(_differences(reading.claims, learnt))
        return judged(
            reading,
            tier=self.tier,
            enrolled=enrolled,
            now=now,
            vector=_GOOD,
            findings=findings,
        )


def learn(observations: Iterable[Observation]) -> Learnt:
    """The profile of a device from what was seen while all was well.

    What differed among the observations is not part of it. The interval is the median; its
    tolerance three times the median distance from it, at least a tenth.

    Raises:
        Malformed: ``attestation.nothing-observed``, where there is no observation.
    """
    seen = [one for one, _ in zip(observations, range(_MOST_LEARNT), strict=False)]
    if not seen:
        raise Malformed(
            "attestation.nothing-observed",
            "nothing was observed to learn from",
            hint="watch the device for a while first",
        )

    def same(values: set[Any]) -> Any:  # noqa: ANN401 - text or bytes
        return next(iter(values)) if len(values) == 1 else None

    intervals = sorted(one.interval for one in seen if one.interval is not None)
    middle = intervals[len(intervals) // 2] if intervals else None
    tolerance = 0
    if middle is not None:
        distances = sorted(abs(value - middle) for value in intervals)
        tolerance = max(3 * distances[len(distances) // 2], middle // _LEAST_TOLERANCE, 1)
    return Learnt(
        address=same({one.address for one in seen}),
        position=same({one.position for one in seen}),
        banner=same({one.banner for one in seen}),
        interval=middle,
        tolerance=tolerance,
    )


def observed_claims(
    *,
    gateway: bytes,
    device: bytes,
    sequence: int,
    observation: Observation,
    nonce: bytes | None = None,
    epoch: int | None = None,
) -> dict[int, Any]:
    """The claims that a gateway signs about one device."""
    claims: dict[int, Any] = {
        _PROFILE: PROFILE,
        _UEID: gateway,
        _DEVICE: device,
        _SEQUENCE: sequence,
    }
    beside: dict[int, Any] = {
        _NONCE: nonce,
        _EPOCH: epoch,
        _ADDRESS: observation.address,
        _POSITION: observation.position,
        _BANNER: observation.banner,
        _INTERVAL: observation.interval,
    }
    return claims | {label: value for label, value in beside.items() if value is not None}


def _differences(claims: Mapping[str, object], learnt: Learnt) -> Iterable[AppraisalFinding]:
    for name, wanted in (
        ("address", learnt.address),
        ("position", learnt.position),
        ("banner", learnt.banner),
    ):
        seen = claims.get(name)
        if wanted is not None and seen != wanted:
            yield AppraisalFinding(
                AppraisalCode.OBSERVATION_DIFFERS,
                {"what": name, "seen": _shown(seen), "learnt": _shown(wanted)},
            )
    interval = claims.get("interval")
    if learnt.interval is not None and (
        not isinstance(interval, int) or abs(interval - learnt.interval) > learnt.tolerance
    ):
        yield AppraisalFinding(
            AppraisalCode.OBSERVATION_DRIFTS,
            {"what": "interval", "seen": _shown(interval), "learnt": str(learnt.interval)},
        )


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()[:80]
    return "-" if value is None else str(value)[:80]


def _uint(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _name(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= 200


def _faults(claims: Mapping[Any, Any]) -> tuple[AppraisalFinding, ...]:
    get = claims.get
    if get(_PROFILE) != PROFILE:
        return (slip("eat-profile", f"it is not {PROFILE}"),)
    return tuple(
        slip(name, "it is missing, or has not the form that the profile demands")
        for label, name, holds, needed in _RULES
        if not (holds(value) if (value := get(label)) is not None else not needed)
    )


_NOTHING_LEARNT: Final = Learnt()
_RULES: Final = (
    (_UEID, "gateway", lambda v: type(v) is bytes and 7 <= len(v) <= 33, True),
    (_DEVICE, "device", lambda v: type(v) is bytes and 0 < len(v) <= 64, True),
    (_SEQUENCE, "sequence", _uint, True),
    (_NONCE, "nonce", lambda v: type(v) is bytes and 8 <= len(v) <= 64, False),
    (_EPOCH, "epoch", _uint, False),
    (_ADDRESS, "address", _name, False),
    (_POSITION, "position", _name, False),
    (_BANNER, "banner", lambda v: type(v) is bytes and len(v) == 32, False),
    (_INTERVAL, "interval", _uint, False),
)
