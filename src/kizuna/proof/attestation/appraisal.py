# SPDX-License-Identifier: Apache-2.0
"""Appraisals: what a verifier makes of one piece of evidence.

Keeps: 1. Status and vector mean what EAR and AR4SI say: a claim that says nothing is 0, and the
status is that of the worst claim. 2. The code of a finding decides what it does to the status, the
claim it moves and the outcome (exit code); words come from the message catalogue. 3. The tier
stands in every appraisal: a shared key or a gateway's word never looks like hardware.
Standard: draft-ietf-rats-ear, draft-ietf-rats-ar4si; roles as in RFC 9334.

Example:
    >>> Vector(instance_identity=2, executables=33).status.value
    'warning'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct
from msgspec import field as struct_field

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.outcome import Outcome

__all__ = [
    "NOTHING",
    "Appraisal",
    "AppraisalCode",
    "AppraisalFinding",
    "Counters",
    "Measurement",
    "Status",
    "Tier",
    "Vector",
]


class Status(StrEnum):
    """EAR's four answers, from "no answer" to "bad"."""

    NONE = "none"
    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"

    @property
    def rank(self) -> int:
        """0 (none) to 3 (contraindicated): of several, the highest decides."""
        return _STATUS_RANK[self]


_STATUS_RANK: Final = {status: rank for rank, status in enumerate(Status)}


class Tier(StrEnum):
    """What evidence of a class is worth at best."""

    HARDWARE = "hardware"
    """A key that a chip keeps (TPM, DICE) speaks about what the chip measured."""
    DEVICE_KEY = "device-key"
    """A key of the device alone speaks (PSA token)."""
    SHARED_KEY = "shared-key"
    """The verifier holds the same secret and could have made the evidence."""
    OBSERVED = "observed"
    """Another party tells what it saw; the device itself said nothing."""

    @property
    def rank(self) -> int:
        """0 (observed) to 3 (hardware)."""
        return _TIER_RANK[self]


_TIER_RANK: Final = {tier: 3 - place for place, tier in enumerate(Tier)}


class AppraisalCode(StrEnum):
    """Every kind of finding of an appraisal. The names are an interface and never change."""

    # positively wrong: forged, altered, someone else
    SIGNATURE_WRONG = "attestation.signature-wrong"
    IDENTITY_DIFFERS = "attestation.identity-differs"
    KEY_CHANGED = "attestation.key-changed"
    LOG_DIFFERS = "attestation.log-differs"
    REGISTERS_DIFFER = "attestation.registers-differ"
    FIRMWARE_UNKNOWN = "attestation.firmware-unknown"
    OBSERVATION_DIFFERS = "attestation.observation-differs"
    DEVICE_OPEN = "attestation.device-open"
    # worth a look
    DEBUG_OPEN = "attestation.debug-open"
    FIRMWARE_UNLISTED = "attestation.firmware-unlisted"
    OBSERVATION_DRIFTS = "attestation.observation-drifts"
    REFERENCE_UNSIGNED = "attestation.reference-unsigned"
    # too old, or replayed
    STALE = "attestation.stale"
    NONCE_DIFFERS = "attestation.nonce-differs"
    COUNTER_BACK = "attestation.counter-back"
    # nothing can be said
    MALFORMED = "attestation.malformed"
    CLAIMS_INVALID = "attestation.claims-invalid"
    SCHEME_UNKNOWN = "attestation.scheme-unknown"
    KEY_UNKNOWN = "attestation.key-unknown"
    REFERENCE_MISSING = "attestation.reference-missing"
    MEASUREMENTS_MISSING = "attestation.measurements-missing"
    SELECTION_UNBOUND = "attestation.selection-unbound"
    ENDORSEMENT_OPEN = "attestation.endorsement-open"

    @property
    def status(self) -> Status:
        """What an appraisal with this finding is at best."""
        return _EFFECT[self][0]

    @property
    def claim(self) -> str:
        """The member of ``Vector`` that it moves; empty where it stops the appraisal."""
        return _EFFECT[self][1]

    @property
    def number(self) -> int:
        """The AR4SI number that it gives the claim."""
        return _EFFECT[self][2]

    @property
    def outcome(self) -> Outcome:
        """The outcome (and exit code) it stands for."""
        return _EFFECT[self][3]

    @property
    def stops(self) -> bool:
        """Whether nothing else of the evidence counts any more."""
        return self in _STOPS


_W, _C, _N = Status.WARNING, Status.CONTRAINDICATED, Status.NONE
_EFFECT: Final[dict[AppraisalCode, tuple[Status, str, int, Outcome]]] = {
    AppraisalCode.SIGNATURE_WRONG: (_C, "", 99, Outcome.TAMPERED),
    AppraisalCode.IDENTITY_DIFFERS: (_C, "instance_identity", 97, Outcome.TAMPERED),
    AppraisalCode.KEY_CHANGED: (_C, "instance_identity", 97, Outcome.TAMPERED),
    AppraisalCode.LOG_DIFFERS: (_C, "executables", 99, Outcome.TAMPERED),
    AppraisalCode.REGISTERS_DIFFER: (_C, "executables", 99, Outcome.TAMPERED),
    AppraisalCode.FIRMWARE_UNKNOWN: (_C, "executables", 96, Outcome.TAMPERED),
    AppraisalCode.OBSERVATION_DIFFERS: (_C, "configuration", 96, Outcome.TAMPERED),
    AppraisalCode.DEVICE_OPEN: (_C, "configuration", 96, Outcome.TAMPERED),
    AppraisalCode.DEBUG_OPEN: (_W, "configuration", 33, Outcome.NOT_TRUSTED),
    AppraisalCode.FIRMWARE_UNLISTED: (_W, "executables", 33, Outcome.NOT_TRUSTED),
    AppraisalCode.OBSERVATION_DRIFTS: (_W, "configuration", 33, Outcome.NOT_TRUSTED),
    AppraisalCode.REFERENCE_UNSIGNED: (_W, "sourced_data", 33, Outcome.NOT_TRUSTED),
    AppraisalCode.STALE: (_N, "", 0, Outcome.STALE),
    AppraisalCode.NONCE_DIFFERS: (_N, "", 0, Outcome.STALE),
    AppraisalCode.COUNTER_BACK: (_N, "", 0, Outcome.STALE),
    AppraisalCode.MALFORMED: (_N, "", 1, Outcome.EVIDENCE_MISSING),
    AppraisalCode.CLAIMS_INVALID: (_N, "", 1, Outcome.EVIDENCE_MISSING),
    AppraisalCode.SCHEME_UNKNOWN: (_N, "", 0, Outcome.EVIDENCE_MISSING),
    AppraisalCode.KEY_UNKNOWN: (_N, "", 0, Outcome.EVIDENCE_MISSING),
    AppraisalCode.REFERENCE_MISSING: (_N, "executables", 0, Outcome.EVIDENCE_MISSING),
    AppraisalCode.MEASUREMENTS_MISSING: (_N, "executables", 0, Outcome.EVIDENCE_MISSING),
    AppraisalCode.SELECTION_UNBOUND: (_N, "executables", 0, Outcome.EVIDENCE_MISSING),
    AppraisalCode.ENDORSEMENT_OPEN: (_N, "configuration", 0, Outcome.EVIDENCE_MISSING),
}
_STOPS: Final = frozenset(
    {
        AppraisalCode.SIGNATURE_WRONG,
        AppraisalCode.STALE,
        AppraisalCode.NONCE_DIFFERS,
        AppraisalCode.COUNTER_BACK,
        AppraisalCode.MALFORMED,
        AppraisalCode.CLAIMS_INVALID,
        AppraisalCode.SCHEME_UNKNOWN,
        AppraisalCode.KEY_UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class AppraisalFinding:
    """One thing that was found; ``about`` holds what the catalogue's sentence needs."""

    code: AppraisalCode
    about: Mapping[str, str | int] = field(default_factory=dict)
    vouched: bool = True
    """Whether the device's key vouches for what it is about; False where it lies in a part of the
    evidence that no signature covers, which anybody on the way may have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """The eight AR4SI claims; 0 says nothing, 2 affirms, from 32 on it warns, from 96 on it tells
    against (the negative numbers mirror them).
    """

    instance_identity: int = 0
    configuration: int = 0
    executables: int = 0
    file_system: int = 0
    hardware: int = 0
    runtime_opaque: int = 0
    storage_opaque: int = 0
    sourced_data: int = 0

    @staticmethod
    def all(number: int) -> Vector:
        """The same number everywhere, as for evidence whose signature is wrong (99)."""
        return Vector(**dict.fromkeys(CLAIMS, number))

    @property
    def status(self) -> Status:
        """The status that the worst claim gives."""
        return _worst(self.numbers)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The eight numbers in AR4SI's order."""
        return (
            self.instance_identity,
            self.configuration,
            self.executables,
            self.file_system,
            self.hardware,
            self.runtime_opaque,
            self.storage_opaque,
            self.sourced_data,
        )

    def worsened(self, claim: str, number: int) -> Vector:
        """With ``claim`` at ``number``, unless it is worse already."""
        if status_of(getattr(self, claim)).rank > status_of(number).rank:
            return self
        return replace(self, **{claim: number})


CLAIMS: Final = tuple(member.name for member in fields(Vector))


@lru_cache(maxsize=1024)
def _worst(numbers: tuple[int, ...]) -> Status:
    return max(map(status_of, numbers), key=_STATUS_RANK.__getitem__)


def status_of(number: int) -> Status:
    """The status that AR4SI gives one number."""
    if -1 <= number <= 1:
        return Status.NONE
    if -32 <= number <= 31:
        return Status.AFFIRMING
    return Status.WARNING if -96 <= number <= 95 else Status.CONTRAINDICATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured part of a device."""

    component: str
    digest_alg: str
    """Name in the IANA hash registry, e.g. ``sha-256``."""
    digest: bytes
    version: str | None = None
    signer: bytes | None = None
    svn: int | None = None
    """Its security version, where the evidence says it."""
    flags: tuple[tuple[str, bool], ...] = ()
    """What the evidence says of its state, by CoMID's names (``is-debug``); the rest is open."""


class Counters(Struct, frozen=True, kw_only=True):
    """What only goes forward on an honest device; None where the evidence has no such counter."""

    boot: int | None = None
    sequence: int | None = None
    clock: int | None = None
    resets: int | None = None
    restarts: int | None = None


NOTHING: Final = Counters()


class Appraisal(Struct, frozen=True, kw_only=True):
    """What one piece of evidence came to. Make it with ``judged`` of ``judgement``."""

    status: Status
    vector: Vector
    tier: Tier
    scheme: str
    evidence: Digest
    """SHA-256 of the evidence as received."""
    at: int
    """When it was appraised; seconds since 1970."""
    subject: SubjectId | None = None
    identity: bytes | None = None
    """What the evidence calls its device (an instance id or UEID)."""
    claims: Mapping[str, object] = struct_field(default_factory=dict)
    """What the evidence says, by readable name; bytes, text, numbers and lists of them."""
    findings: tuple[AppraisalFinding, ...] = ()
    counters: Counters = NOTHING
    measurements: tuple[Measurement, ...] = ()
    uttered: tuple[bytes, bytes] | None = None
    """What its key said (see ``Reading.uttered``)."""

    @property
    def outcome(self) -> Outcome:
        """The exit code of the whole. The status alone decides: contraindicated is 11, a warning
        10, none is 13, or 12 where the evidence is authentic and old.
        """
        if self.status is Status.NONE:
            stale = any(one.code.outcome is Outcome.STALE for one in self.findings)
            return Outcome.STALE if stale else Outcome.EVIDENCE_MISSING
        return _OUTCOME[self.status]


_OUTCOME: Final = {
    Status.AFFIRMING: Outcome.HOLDS,
    Status.WARNING: Outcome.NOT_TRUSTED,
    Status.CONTRAINDICATED: Outcome.TAMPERED,
}
