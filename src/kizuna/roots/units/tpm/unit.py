# SPDX-License-Identifier: Apache-2.0
"""The unit over one TPM.

Keeps: 1. One chip, one queue, a limit on every wait: a chip that goes away, also in the middle of a
call, is ``unit.gone`` and the next call connects anew. 2. ECDSA signatures leave with the smaller
s, as from every unit. 3. A key bound to registers (``generate_bound``) has no password beside: a
program that is not the measured one gets a refusal from the chip, not from us.
Does not: sign traffic. A chip gives some signatures a second; let it certify a software key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

import cbor2

from kizuna.model.errors import Problem, Refused
from kizuna.roots.keys import Algorithm, Check, PublicKey, verify, verify_many
from kizuna.roots.keys.private import low_s
from kizuna.roots.units.attested import presented_digest
from kizuna.roots.units.problems import (
    bounded,
    box_broken,
    checked_associated,
    checked_batch,
    checked_box,
    checked_info,
    checked_label,
    checked_message,
    checked_nonce,
    checked_plain,
    checked_random,
    checked_sealed,
    checked_selection,
    checked_use,
    gone,
    no_such_key,
    not_agreeable,
    not_offered,
    wrong_purpose,
)
from kizuna.roots.units.registers import Registers, checked_event, composite
from kizuna.roots.units.soft import close_box, derived, open_box
from kizuna.roots.units.tpm.chip import Chip
from kizuna.roots.units.tpm.serial import Serial
from kizuna.roots.units.tpm.wrapped import Kept, KeptFile
from kizuna.roots.units.unit import (
    REGISTERS,
    Certification,
    Event,
    Handle,
    Protection,
    Purpose,
    Quote,
    Secret,
    Traits,
)

__all__ = ["TpmUnit"]

_R = TypeVar("_R")
_ALL: Final = tuple(range(REGISTERS))
_TIMEOUT: Final = 30.0
_TRIES: Final = 4


class TpmUnit:
    """A unit in a TPM 2.0.

    Args:
        tcti: how to reach the chip, as tpm2-tss writes it.
        path: the file of the keys, wrapped by the chip.
        pin: opens the keys made here; may be empty.
        timeout: seconds that one call may take.
    """

    def __init__(
        self, tcti: str, path: Path | str, *, pin: bytes = b"", timeout: float = _TIMEOUT
    ) -> None:
        self._tcti = tcti
        self._file = KeptFile(Path(path))
        self._pin = pin
        self._serial = Serial("tpm", timeout)
        self._chip: Chip | None = None
        self._lock = threading.Lock()
        self._maker = ""
        self._resets = -1
        self._log = Registers()
        self._call(lambda chip: chip.maker)

    def __repr__(self) -> str:
        return f"<TPM unit {self._tcti}>"

    @property
    def traits(self) -> Traits:
        """What the chip does itself, and what passes through this process."""
        return Traits(
            kind="tpm",
            protection=Protection.CHIP,
            durable=True,
            registers="native",
            attestation="native",
            agreement_inside=False,
            algorithms=(Algorithm.ES256,),
            purposes=tuple(Purpose),
            maker=self._maker,
        )

    # --- keys ---------------------------------------------------------------------------------

    def generate(self, algorithm: Algorithm, label: str, purpose: Purpose = Purpose.SIGN) -> Handle:
        """Make a key in the chip.

        Raises:
            Refused: ``unit.not-offered`` for Ed25519, which no TPM has.
        """
        return self._make(algorithm, label, purpose, ())

    def generate_bound(self, label: str, purpose: Purpose, selection: Sequence[int]) -> Handle:
        """Make a key that works only while the selected registers are as they are now."""
        return self._make(Algorithm.ES256, label, purpose, checked_selection(selection))

    def generate_secret(self, label: str) -> Secret:
        """Make an AES key, sealed by the chip."""
        checked_label(label)

        def make(chip: Chip) -> Secret:
            public, private = chip.seal(chip.random(32), ())
            secret = Secret(chip.random(32).hex(), label)
            self._file.add(Kept(secret.id, label, public, private))
            return secret

        return self._call(make)

    def handles(self) -> list[Handle]:
        """The key pairs, oldest first."""
        return [
            Handle(kept.id, kept.label, Algorithm.ES256, kept.purpose)
            for kept in self._file.read()
            if kept.purpose is not None
        ]

    def secrets(self) -> list[Secret]:
        """The AES keys, oldest first."""
        return [Secret(kept.id, kept.label) for kept in self._file.read() if kept.purpose is None]

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key."""
        return _public(self._find(handle))

    def destroy(self, key: Handle | Secret) -> None:
        """Forget a key. Copies of the key file made before still hold it, wrapped by the chip."""
        self._find(key)
        if not self._file.remove(key.id):
            raise no_such_key(key)

    # --- work ---------------------------------------------------------------------------------

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """The raw signature over ``message``."""
        return self.sign_many(handle, [message])[0]

    def sign_many(self, handle: Handle, messages: Sequence[bytes]) -> list[bytes]:
        """The signatures over many messages: one by one, a chip knows no other way."""
        checked_batch(messages)
        for message in messages:
            checked_message(message)
        kept = self._find(handle, Purpose.SIGN)
        digests = [sha256(message).digest() for message in messages]

        def one(digest: bytes) -> bytes:
            return low_s(self._call(lambda c: c.sign(_wrapped(kept), digest, kept.selection)))

        return [one(digest) for digest in digests]

    def verify(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """Whether the signature holds: public work, done here and not in the chip."""
        return verify(key, signature, message)

    def verify_many(self, checks: Sequence[Check]) -> list[bool]:
        """Whether each signature holds."""
        checked_batch(checks)
        return verify_many(checks)

    def ecdh(self, handle: Handle, peer: PublicKey, info: bytes) -> bytes:
        """A secret shared with the peer, after HKDF."""
        checked_info(info)
        kept = self._find(handle, Purpose.AGREE)
        if peer.algorithm is not Algorithm.ES256:
            raise not_agreeable()
        point = peer.to_raw()[1:]
        shared = self._call(lambda chip: chip.agree(_wrapped(kept), point, kept.selection))
        return derived(shared, info)

    def encrypt(self, secret: Secret, plaintext: bytes, associated: bytes = b"") -> bytes:
        """AES-GCM in this process under a key that the chip unseals for it."""
        checked_plain(plaintext)
        checked_associated(associated)
        return close_box(self._aes(secret), plaintext, associated)

    def decrypt(self, secret: Secret, box: bytes, associated: bytes = b"") -> bytes:
        """What was encrypted."""
        checked_box(box)
        checked_associated(associated)
        return open_box(self._aes(secret), box, associated)

    def random(self, size: int) -> bytes:
        """Random bytes of the chip."""
        checked_random(size)
        return self._call(lambda chip: chip.random(size))

    # --- registers ----------------------------------------------------------------------------

    def extend(self, register: int, digest: bytes, data: bytes = b"") -> None:
        """Extend a PCR.

        Raises:
            Refused: ``unit.register-locked`` for those that the chip keeps for firmware.
        """
        checked_event(register, digest, data)

        def extend(chip: Chip) -> None:
            chip.extend(register, digest)
            self._log.extend(register, digest, data)

        self._call(extend)

    def registers(self) -> tuple[bytes, ...]:
        """Every PCR of the SHA-256 bank."""
        values = self._call(lambda chip: chip.read(_ALL))
        return tuple(values[number] for number in _ALL)

    def events(self) -> tuple[Event, ...]:
        """What was extended through this object since the chip's last reset; what firmware and
        system measured stands in their own logs.
        """
        return self._log.events()

    def seal(self, data: bytes, selection: Sequence[int]) -> bytes:
        """A box under PolicyPCR: the chip compares."""
        checked_sealed(data)
        chosen = checked_selection(selection)
        public, private = self._call(lambda chip: chip.seal(data, chosen))
        return cbor2.dumps([list(chosen), public, private])

    def unseal(self, box: bytes) -> bytes:
        """What was sealed."""
        bounded("box", len(box), 2048, 29)
        try:
            numbers, public, private = cbor2.loads(box, max_depth=2, allow_indefinite=False)
            chosen = checked_selection(numbers)
            if not (isinstance(public, bytes) and isinstance(private, bytes)):
                raise box_broken()
        except (cbor2.CBORError, ValueError, TypeError, OverflowError) as fault:
            raise box_broken() from fault
        try:
            return self._call(lambda chip: chip.unseal((public, private), chosen))
        except Refused as fault:
            if fault.code == "unit.chip-refused":  # the chip did not load it: not its own
                raise box_broken() from fault
            raise

    def quote(self, handle: Handle, nonce: bytes, selection: Sequence[int]) -> Quote:
        """TPM2_Quote; values are read until they fit what was quoted."""
        checked_nonce(nonce)
        chosen = checked_selection(selection)
        kept = self._find(handle, Purpose.ATTEST)

        def quote(chip: Chip) -> Quote:
            for _ in range(_TRIES):  # another program may extend in between
                message, signature = chip.quote(_wrapped(kept), nonce, chosen, kept.selection)
                values = chip.read(chosen)
                if message.endswith(composite(values)):
                    break
            else:
                raise gone("tpm", "its registers change faster than they can be read")
            return Quote(
                format="tpm2",
                key=_public(kept),
                message=message,
                signature=signature,
                registers=tuple(values.items()),
                events=self._log.events(),
            )

        return self._call(quote)

    def certify(self, handle: Handle, subject: Handle | PublicKey) -> Certification:
        """TPM2_Certify for a key of this chip; for another a quote over its hash."""
        kept = self._find(handle, Purpose.ATTEST)
        by = _public(kept)
        if isinstance(subject, Handle):
            other = self._find(subject)
            message, signature, area = self._call(
                lambda chip: chip.certify(
                    _wrapped(kept), _wrapped(other), kept.selection, other.selection
                )
            )
            return Certification(
                format="tpm2",
                claim="lives-here",
                by=by,
                subject=_public(other),
                message=message,
                signature=signature,
                area=area,
            )
        over = presented_digest(by, subject)
        message, signature = self._call(
            lambda chip: chip.quote(_wrapped(kept), over, (0,), kept.selection)
        )
        return Certification(
            format="tpm2",
            claim="presented",
            by=by,
            subject=subject,
            message=message,
            signature=signature,
        )

    def close(self) -> None:
        """Flush what is loaded and let go of the chip."""
        with self._lock:
            chip, self._chip = self._chip, None
        if chip is not None:
            self._serial.call(chip.close)
        self._serial.close()

    # --- inside -------------------------------------------------------------------------------

    def _make(
        self, algorithm: Algorithm, label: str, purpose: Purpose, selection: Sequence[int]
    ) -> Handle:
        checked_label(label)
        checked_use(algorithm, purpose)
        if algorithm is not Algorithm.ES256:
            raise not_offered("tpm", f"keys for {algorithm.jose_name}")

        def make(chip: Chip) -> Handle:
            (public, private), point = chip.make(purpose.value, selection)
            name = PublicKey.from_raw(algorithm, b"\x04" + point).thumbprint.hex()
            self._file.add(Kept(name, label, public, private, purpose, point, tuple(selection)))
            return Handle(name, label, algorithm, purpose)

        return self._call(make)

    def _find(self, key: Handle | Secret, purpose: Purpose | None = None) -> Kept:
        pair = isinstance(key, Handle)
        for kept in self._file.read():
            if kept.id == key.id and (kept.purpose is not None) == pair:
                if isinstance(key, Handle) and purpose not in (None, kept.purpose):
                    raise wrong_purpose(key, purpose or Purpose.SIGN)
                return kept
        raise no_such_key(key)

    def _aes(self, secret: Secret) -> bytes:
        kept = self._find(secret)
        return self._call(lambda chip: chip.unseal(_wrapped(kept), ()))

    def _call(self, task: Callable[[Chip], _R]) -> _R:
        """Run on the chip's thread; connect first where no connection is open."""

        def run() -> _R:
            chip = self._chip
            if chip is None:
                chip = Chip(self._tcti, self._pin)
                self._maker = chip.maker
                resets = chip.resets()
                if resets != self._resets:  # registers began anew, so does their log
                    self._resets, self._log = resets, Registers()
                self._chip = chip
            return task(chip)

        try:
            return self._serial.call(run)
        except Problem as fault:
            if fault.code == "unit.gone":
                self._chip = None
            raise


def _wrapped(kept: Kept) -> tuple[bytes, bytes]:
    return kept.public, kept.private


def _public(kept: Kept) -> PublicKey:
    """The public key as it stands in the area that the chip authenticates."""
    return PublicKey.from_raw(Algorithm.ES256, b"\x04" + kept.point)
