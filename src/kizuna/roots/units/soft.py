# SPDX-License-Identifier: Apache-2.0
"""The work of a unit whose keys are in this process's memory.

Keeps: 1. Whoever has key objects works with them here, so that all software units do the same. 2.
Registers are an imitation, and the quotes made of them say so by their format.
Does not: protect anything from somebody who reads this process's memory.
Standard: NIST SP 800-38D (GCM), RFC 5869 (HKDF), SP 800-56A (ECDH).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Literal

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kizuna.roots.keys import Check, PrivateKey, PublicKey, verify, verify_many
from kizuna.roots.units.attested import certification_message, quote_message
from kizuna.roots.units.problems import (
    bounded,
    box_broken,
    checked_associated,
    checked_batch,
    checked_box,
    checked_info,
    checked_message,
    checked_nonce,
    checked_plain,
    checked_random,
    checked_sealed,
    checked_selection,
    not_agreeable,
    registers_changed,
    wrong_purpose,
)
from kizuna.roots.units.registers import Registers, composite
from kizuna.roots.units.unit import (
    Certification,
    Event,
    Handle,
    Purpose,
    Quote,
    Secret,
    Traits,
)

__all__ = ["Soft", "close_box", "derived", "open_box"]

_INFO: Final = b"kizuna ecdh 1"
_SEALED: Final = b"kizuna sealed 1"
_P256: Final = 65


class Soft(ABC):
    """Base of units with key objects at hand: they find the keys, this does the work."""

    @property
    @abstractmethod
    def traits(self) -> Traits:
        """What this unit is."""

    @abstractmethod
    def _private(self, handle: Handle) -> PrivateKey:
        """The key object of a handle; ``Absent`` ``unit.no-such-key``."""

    @abstractmethod
    def _purpose(self, handle: Handle) -> Purpose:
        """What the unit, not the handle, says the key was made for."""

    @abstractmethod
    def _aes(self, secret: Secret) -> bytes:
        """The 32 bytes of a secret key; ``Absent`` ``unit.no-such-key``."""

    @abstractmethod
    def _storage(self) -> bytes:
        """The 32 bytes under which this unit seals."""

    @abstractmethod
    def _registers(self) -> Registers:
        """The registers of this unit."""

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """The raw signature over ``message``."""
        checked_message(message)
        return self._key_to(handle, Purpose.SIGN).sign(message)

    def sign_many(self, handle: Handle, messages: Sequence[bytes]) -> list[bytes]:
        """The signatures over many messages."""
        checked_batch(messages)
        for message in messages:
            checked_message(message)
        sign = self._key_to(handle, Purpose.SIGN).sign
        return [sign(message) for message in messages]

    def verify(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """Whether the signature holds."""
        return verify(key, signature, message)

    def verify_many(self, checks: Sequence[Check]) -> list[bool]:
        """Whether each signature holds."""
        checked_batch(checks)
        return verify_many(checks)

    def ecdh(self, handle: Handle, peer: PublicKey, info: bytes) -> bytes:
        """A secret shared with the peer, after HKDF."""
        checked_info(info)
        key = self._key_to(handle, Purpose.AGREE)
        if len(peer.to_raw()) != _P256 or peer.algorithm is not handle.algorithm:
            raise not_agreeable()
        return derived(key.exchange(peer), info)

    def encrypt(self, secret: Secret, plaintext: bytes, associated: bytes = b"") -> bytes:
        """Nonce, ciphertext and tag."""
        checked_plain(plaintext)
        checked_associated(associated)
        return close_box(self._aes(secret), plaintext, associated)

    def decrypt(self, secret: Secret, box: bytes, associated: bytes = b"") -> bytes:
        """What was encrypted."""
        checked_box(box)
        checked_associated(associated)
        return open_box(self._aes(secret), box, associated)

    def random(self, size: int) -> bytes:
        """Random bytes of the system."""
        checked_random(size)
        return os.urandom(size)

    def extend(self, register: int, digest: bytes, data: bytes = b"") -> None:
        """Move a register on."""
        self._registers().extend(register, digest, data)

    def registers(self) -> tuple[bytes, ...]:
        """Every register."""
        return self._registers().values()

    def events(self) -> tuple[Event, ...]:
        """The event log."""
        return self._registers().events()

    def seal(self, data: bytes, selection: Sequence[int]) -> bytes:
        """A box bound to the selected registers; the unit compares, no chip enforces."""
        checked_sealed(data)
        chosen = checked_selection(selection)
        bound = cbor2.dumps([list(chosen), composite(self._registers().selected(chosen))])
        return cbor2.dumps([bound, close_box(self._storage(), data, _SEALED + bound)])

    def unseal(self, box: bytes) -> bytes:
        """What was sealed, while the registers are as they were."""
        bounded("box", len(box), 1024, 29)
        try:
            bound, inner = cbor2.loads(box, max_depth=2, allow_indefinite=False)
            chosen, digest = cbor2.loads(bound, max_depth=2, allow_indefinite=False)
            data = open_box(self._storage(), inner, _SEALED + bound)
        except (cbor2.CBORError, ValueError, TypeError, OverflowError) as fault:
            raise box_broken() from fault
        if composite(self._registers().selected(chosen)) != digest:
            raise registers_changed()
        return data

    def quote(self, handle: Handle, nonce: bytes, selection: Sequence[int]) -> Quote:
        """The selected registers, signed: an imitation, and it says so."""
        checked_nonce(nonce)
        chosen = checked_selection(selection)
        key = self._key_to(handle, Purpose.ATTEST)
        every, events = self._registers().state()
        values = {number: every[number] for number in chosen}
        message = quote_message(key.public, self.traits.kind, nonce, values)
        return Quote(
            format="kizuna",
            key=key.public,
            message=message,
            signature=key.sign(message),
            registers=tuple(sorted(values.items())),
            events=events,
        )

    def certify(self, handle: Handle, subject: Handle | PublicKey) -> Certification:
        """The attesting key's word on another key."""
        key = self._key_to(handle, Purpose.ATTEST)
        claim: Literal["lives-here", "presented"] = "presented"
        if isinstance(subject, Handle):
            claim, about = "lives-here", self._private(subject).public
        else:
            about = subject
        message = certification_message(key.public, self.traits.kind, claim, about)
        return Certification(
            format="kizuna",
            claim=claim,
            by=key.public,
            subject=about,
            message=message,
            signature=key.sign(message),
        )

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Nothing to give back."""

    def _key_to(self, handle: Handle, purpose: Purpose) -> PrivateKey:
        key = self._private(handle)
        if self._purpose(handle) is not purpose:
            raise wrong_purpose(handle, purpose)
        return key


def derived(shared: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 over the x coordinate of a shared point, as ``Unit.ecdh`` gives it out."""
    return HKDF(hashes.SHA256(), 32, None, _INFO + info).derive(shared)


def close_box(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """AES-256-GCM under a random nonce, which stands first."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def open_box(key: bytes, box: bytes, associated: bytes) -> bytes:
    """What ``close_box`` closed.

    Raises:
        Tampered: ``unit.box``.
    """
    try:
        return AESGCM(key).decrypt(box[:12], box[12:], associated)
    except (InvalidTag, ValueError) as fault:
        raise box_broken() from fault
