# SPDX-License-Identifier: Apache-2.0
"""Schemes: how one class of device speaks, in three steps that never mix.

Keeps: 1. ``read`` parses and bounds, and believes nothing. 2. ``checks`` names the signatures that
must hold, so that those of many devices are verified together. 3. ``appraise`` judges a reading
whose authenticity is known by then. No step reads a file, asks the time or looks up an anchor.
A scheme is one folder in ``schemes`` and one line in its registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec import field as struct_field

from kizuna.model.identifier import Digest, SubjectId
from kizuna.proof.attestation.appraisal import (
    NOTHING,
    Appraisal,
    AppraisalFinding,
    Counters,
    Measurement,
    Tier,
)
from kizuna.roots.cose import SharedKey
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.reference import References

__all__ = ["Check", "Checker", "Enrolled", "Reading", "Scheme"]


class Checker(Protocol):
    """Anything that answers for one signature by itself (a shared key, a chip's own form)."""

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is right for ``message``. Never raises."""
        ...


class Check(Struct, frozen=True):
    """One signature or MAC that must hold. Those of public keys are verified together."""

    key: PublicKey | Checker
    signature: bytes
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What is known beforehand of the device that the evidence should come from."""

    scheme: str
    subject: SubjectId | None = None
    key: PublicKey | SharedKey | None = None
    roots: tuple[Any, ...] = ()
    """Trust anchors of a chain of certificates (DICE, an endorsement key)."""
    reference: str | None = None
    """The class of its reference values; None: the class that the evidence names."""
    identity: bytes | None = None
    """The instance id bound at enrolment; None: any that the key vouches for."""
    position: str | None = None
    """Where it stands (a gateway, an address), for those who watch for moves."""
    last: Counters = NOTHING
    """The counters it showed last; evidence that shows lesser ones is old."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What only this scheme asks for (an observed device's learnt profile)."""


class Reading(Struct, frozen=True, kw_only=True):
    """Evidence as it was read: nothing in it is believed yet."""

    scheme: str
    evidence: Digest
    """SHA-256 of the evidence as received."""
    identity: bytes | None = None
    names_itself: bool = True
    """Whether the identity stands under the signature."""
    model: str | None = None
    """The class that the evidence names (for PSA the implementation id in hexadecimal)."""
    nonce: bytes | None = None
    epoch: int | None = None
    counters: Counters = NOTHING
    measurements: tuple[Measurement, ...] = ()
    claims: Mapping[str, object] = struct_field(default_factory=dict)
    key_hint: bytes | None = None
    """Key id of the header; it chooses among known keys and proves nothing."""
    faults: tuple[AppraisalFinding, ...] = ()
    """What the claims break of their profile. It counts once the signature holds, so that a
    changed byte is told as tampering and not as a slip of the device."""
    uttered: tuple[bytes, bytes] | None = None
    """The bytes that its key signed, and of the signature what nobody else can change: of ECDSA
    only ``r``, since anybody makes of a signature (r, s) the other one that is right, (r, -s). Two
    pieces of evidence with the same are the same word."""
    body: Any = None
    """What this scheme alone needs later (a COSE frame, a quote)."""


class Scheme(Protocol):
    """One class of evidence."""

    @property
    def name(self) -> str:
        """The name by which it is chosen: ``psa``, ``hmac``, ``tpm``."""
        ...

    @property
    def tier(self) -> Tier:
        """What its evidence is worth at best."""
        ...

    def read(self, evidence: bytes) -> Reading:
        """Parse, within bounds of size, depth and count.

        Raises:
            Malformed: ``attestation.malformed``.
        """
        ...

    def checks(self, reading: Reading, enrolled: Enrolled) -> tuple[Check, ...]:
        """The signatures that must all hold; none where no key to check with is known."""
        ...

    def appraise(
        self,
        reading: Reading,
        *,
        authentic: bool | None,
        enrolled: Enrolled,
        references: References,
        freshness: Freshness,
    ) -> Appraisal:
        """Judge. ``authentic`` is None where nothing could be checked."""
        ...
