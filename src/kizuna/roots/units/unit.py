# SPDX-License-Identifier: Apache-2.0
"""The one interface of every unit, and the values that cross it.

Keeps: 1. Keys are named by handles; no method hands out a private or secret key. 2. One key, one
purpose: what signs traffic does not attest, what attests signs only what the unit itself composed.
3. A unit says of itself what is native and what it imitates (``Traits``); nobody has to guess.
4. What is too large is refused before it is worked on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Protocol

from kizuna.roots.keys import Algorithm, Check, PublicKey

__all__ = [
    "MAX_ASSOCIATED",
    "MAX_BATCH",
    "MAX_BOX",
    "MAX_EVENT",
    "MAX_EVENTS",
    "MAX_INFO",
    "MAX_LABEL",
    "MAX_MESSAGE",
    "MAX_NONCE",
    "MAX_RANDOM",
    "MAX_SEALED",
    "REGISTERS",
    "Certification",
    "Event",
    "Handle",
    "Protection",
    "Purpose",
    "Quote",
    "Secret",
    "Traits",
    "Unit",
]

REGISTERS: Final = 24
"""Registers of a unit, numbered from 0; SHA-256, as in a TPM."""
MAX_MESSAGE: Final = 20 << 20
MAX_BATCH: Final = 10_000
MAX_BOX: Final = 1 << 20
"""Most bytes that are encrypted in one call."""
MAX_ASSOCIATED: Final = 64 << 10
MAX_RANDOM: Final = 4096
MAX_SEALED: Final = 128
"""Most bytes that are sealed at once, the smallest bound of all units: a key, not a document."""
MAX_NONCE: Final = 32
MAX_INFO: Final = 1024
MAX_LABEL: Final = 200
MAX_EVENT: Final = 1024
MAX_EVENTS: Final = 4096


class Purpose(StrEnum):
    """What a key pair may be used for; fixed when it is made."""

    SIGN = "sign"
    """Signs what its user gives."""
    AGREE = "agree"
    """Agrees on shared secrets (P-256 ECDH)."""
    ATTEST = "attest"
    """Signs only quotes and certifications, which the unit composes itself."""


class Protection(StrEnum):
    """What stands between a private key and the process that uses it."""

    MEMORY = "memory"
    """Nothing: the key is in the memory of the process that uses it."""
    PROCESS = "process"
    """Another process of the same machine; whoever controls that machine has the key."""
    TOKEN = "token"  # noqa: S105 - the name of a kind of device
    """A PKCS#11 token: as strong as its maker built it (SoftHSM2 is software)."""
    CHIP = "chip"
    """A TPM: as strong as its maker built it (swtpm is software)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a unit is, so that nobody takes an imitation for the real thing."""

    kind: Literal["ephemeral", "software", "process", "pkcs11", "tpm"]
    protection: Protection
    durable: bool
    """Whether keys outlive the process."""
    registers: Literal["native", "imitation"]
    """``native``: the unit's user cannot set them back. An imitation only compares."""
    attestation: Literal["native", "imitation"]
    """Whether quotes and certifications come from the protected part itself."""
    agreement_inside: bool
    """Whether the raw ECDH secret stays inside; else it passes through this process on its way
    into HKDF."""
    algorithms: tuple[Algorithm, ...]
    """Signature algorithms that keys can be made for."""
    purposes: tuple[Purpose, ...]
    maker: str = ""
    """What token or chip says of itself."""


@dataclass(frozen=True, slots=True, order=True)
class Handle:
    """The name of a key pair inside a unit: ``id`` is the thumbprint in hexadecimal."""

    id: str
    label: str
    algorithm: Algorithm
    purpose: Purpose = Purpose.SIGN


@dataclass(frozen=True, slots=True, order=True)
class Secret:
    """The name of an AES-256 key inside a unit: ``id`` is random, 32 bytes in hexadecimal."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the event log: what was extended into which register, and why."""

    register: int
    digest: bytes
    data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an attesting key says of the registers.

    ``format`` is ``tpm2`` (``message`` is a TPMS_ATTEST) or ``kizuna`` (deterministic CBOR, an
    imitation). ``signature`` is raw (r and s, or Ed25519).
    """

    format: Literal["tpm2", "kizuna"]
    key: PublicKey
    message: bytes
    signature: bytes
    registers: tuple[tuple[int, bytes], ...]
    """Number and value, in the order of the numbers."""
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certification:
    """What an attesting key says of another key; check it with ``check_certification``.

    ``lives-here``: the unit has the private part. ``presented``: the unit's user presented the
    key to it; the unit vouches for that and no more (so a TPM lends its name to a short-lived
    software key). ``message`` is what was signed; ``area`` the TPMT_PUBLIC that a TPM's ``name``
    is the hash of.
    """

    format: Literal["tpm2", "kizuna"]
    claim: Literal["lives-here", "presented"]
    by: PublicKey
    subject: PublicKey
    message: bytes
    signature: bytes
    area: bytes = b""


class Unit(Protocol):
    """Keeps keys and works with them. All methods may be called from several threads.

    Every method may raise ``Unavailable`` ``unit.gone`` where the unit went away (a process that
    was killed, a TPM that was pulled); nothing was done then, or its answer was lost.
    """

    @property
    def traits(self) -> Traits:
        """What this unit is."""
        ...

    # --- keys ---------------------------------------------------------------------------------

    def generate(self, algorithm: Algorithm, label: str, purpose: Purpose = Purpose.SIGN) -> Handle:
        """Make a key pair and keep it, durably where the unit is durable."""
        ...

    def generate_secret(self, label: str) -> Secret:
        """Make an AES-256 key and keep it."""
        ...

    def handles(self) -> list[Handle]:
        """The key pairs in this unit, oldest first."""
        ...

    def secrets(self) -> list[Secret]:
        """The AES keys in this unit, oldest first."""
        ...

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key."""
        ...

    def destroy(self, key: Handle | Secret) -> None:
        """Forget a key for good."""
        ...

    # --- work ---------------------------------------------------------------------------------

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """The signature over ``message`` in COSE and JOSE form (r and s, not DER)."""
        ...

    def sign_many(self, handle: Handle, messages: Sequence[bytes]) -> list[bytes]:
        """The signatures over many messages, in their order, in as few calls as can be."""
        ...

    def verify(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is ``key``'s over ``message``."""
        ...

    def verify_many(self, checks: Sequence[Check]) -> list[bool]:
        """The answers of ``verify``, in the order asked."""
        ...

    def ecdh(self, handle: Handle, peer: PublicKey, info: bytes) -> bytes:
        """32 bytes that only this key and the peer's can make, for this ``info``.

        They are HKDF-SHA256 without salt over the x coordinate of the shared point, with the info
        ``"kizuna ecdh 1" || info``. The shared point itself is never returned.
        """
        ...

    def encrypt(self, secret: Secret, plaintext: bytes, associated: bytes = b"") -> bytes:
        """AES-256-GCM: nonce (12 bytes, random), ciphertext, tag (16)."""
        ...

    def decrypt(self, secret: Secret, box: bytes, associated: bytes = b"") -> bytes:
        """What was encrypted; ``Tampered`` ``unit.box`` where it does not open."""
        ...

    def random(self, size: int) -> bytes:
        """Random bytes."""
        ...

    # --- registers ----------------------------------------------------------------------------

    def extend(self, register: int, digest: bytes, data: bytes = b"") -> None:
        """Register := SHA-256(register || digest); ``data`` says why, in the event log."""
        ...

    def registers(self) -> tuple[bytes, ...]:
        """The value of every register."""
        ...

    def events(self) -> tuple[Event, ...]:
        """What was extended through this unit, in order."""
        ...

    def seal(self, data: bytes, selection: Sequence[int]) -> bytes:
        """A box that opens here only while the selected registers are as they are now."""
        ...

    def unseal(self, box: bytes) -> bytes:
        """What was sealed; ``Refused`` ``unit.registers-changed`` where they changed since."""
        ...

    def quote(self, handle: Handle, nonce: bytes, selection: Sequence[int]) -> Quote:
        """The selected registers, said freshly by an attesting key."""
        ...

    def certify(self, handle: Handle, subject: Handle | PublicKey) -> Certification:
        """An attesting key's word: a handle lives here, a public key was presented."""
        ...

    def close(self) -> None:
        """Give back connections; a durable unit's keys stay."""
        ...
