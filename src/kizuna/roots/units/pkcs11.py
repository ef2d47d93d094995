# SPDX-License-Identifier: Apache-2.0
"""The PKCS#11 unit: keys in a token, reached through its maker's library.

Keeps: 1. Private and secret keys are SENSITIVE and not EXTRACTABLE, made inside. 2. Hashing is done
here, signing there; signatures leave as r and s with the smaller s. 3. One session, one lock: a
session is for one thread at a time. A session copy of a key is used where the token makes one,
which is faster. 4. Only keys that this unit made are seen: their ID holds thumbprint, purpose and
number. 5. Registers are an imitation, kept beside, closed with a key of the token.
Does not: derive inside. Tokens seldom have HKDF, so the shared point passes through this process.
Standard: PKCS#11 v2.40 and v3.0 (EdDSA).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import cbor2
from pkcs11 import KDF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as refusals

from kizuna.model.errors import Problem
from kizuna.roots.keys import Algorithm, Check, PublicKey, verify, verify_many
from kizuna.roots.keys.private import low_s
from kizuna.roots.units.attested import certification_message, quote_message
from kizuna.roots.units.kept import KeptRegisters, boot_id
from kizuna.roots.units.pkcs11_session import (
    CURVE,
    EDWARDS,
    INSIDE,
    OF_PURPOSE,
    PURPOSE_OF,
    SECRET,
    Session,
    serial,
)
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
    not_agreeable,
    registers_changed,
    wrong_purpose,
)
from kizuna.roots.units.registers import composite
from kizuna.roots.units.soft import derived
from kizuna.roots.units.token import close_in, open_in, quickened
from kizuna.roots.units.unit import (
    Certification,
    Event,
    Handle,
    Protection,
    Purpose,
    Quote,
    Secret,
    Traits,
)

__all__ = ["Pkcs11Unit"]

_SEALED: Final = b"kizuna sealed 1"


class Pkcs11Unit(Session):
    """A unit in one token.

    Args:
        module: path of the maker's library.
        token: label of the token.
        pin: of the user; never on a command line.
        registers: file of the imitated registers.

    Raises:
        Misconfigured: ``unit.module``, ``unit.no-token``, ``unit.pin-wrong``, ``unit.locked``.
    """

    def __init__(self, module: str, token: str, pin: str, registers: Path | str) -> None:
        super().__init__(module, token, pin)
        self._file = Path(registers)
        self._quick: dict[str, tuple[Any, Purpose]] = {}
        self._bank: KeptRegisters | None = None
        self._connect()

    def __repr__(self) -> str:
        return f"<PKCS#11 unit {self._token}>"

    @property
    def traits(self) -> Traits:
        """A token; how strong it is, its maker knows."""
        return Traits(
            kind="pkcs11",
            protection=Protection.TOKEN,
            durable=True,
            registers="imitation",
            attestation="imitation",
            agreement_inside=False,
            algorithms=(Algorithm.ES256, Algorithm.EDDSA),
            purposes=tuple(Purpose),
            maker=self._maker,
        )

    # --- keys ---------------------------------------------------------------------------------

    @serial
    def generate(self, algorithm: Algorithm, label: str, purpose: Purpose = Purpose.SIGN) -> Handle:
        """Make a key pair in the token."""
        checked_label(label)
        checked_use(algorithm, purpose)
        session = self._open()
        signs = purpose is not Purpose.AGREE
        uses = {Attribute.SIGN: signs, Attribute.DERIVE: not signs}
        if algorithm is Algorithm.EDDSA:
            kind, curve, how = KeyType.EC_EDWARDS, EDWARDS, Mechanism.EC_EDWARDS_KEY_PAIR_GEN
        else:
            kind, curve, how = KeyType.EC, CURVE, Mechanism.EC_KEY_PAIR_GEN
        public, private = session.create_domain_parameters(
            kind, {Attribute.EC_PARAMS: curve}, local=True
        ).generate_keypair(
            store=True,
            label=label,
            id=os.urandom(37),
            mechanism=how,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY if signs else 0,
            public_template={Attribute.VERIFY: signs},
            private_template={**INSIDE, **uses},
        )
        try:
            key = PublicKey.from_raw(algorithm, bytes(public[Attribute.EC_POINT])[2:])
            name = key.thumbprint + OF_PURPOSE[purpose] + self._number()
            public[Attribute.ID] = name
            private[Attribute.ID] = name
        except (Problem, refusals.PKCS11Error):
            private.destroy()
            public.destroy()
            raise
        return Handle(key.thumbprint.hex(), label, algorithm, purpose)

    @serial
    def generate_secret(self, label: str) -> Secret:
        """Make an AES key in the token."""
        checked_label(label)
        name = os.urandom(32)
        self._make_secret(label, name + SECRET + self._number())
        return Secret(name.hex(), label)

    @serial
    def handles(self) -> list[Handle]:
        """The key pairs that this unit made, oldest first."""
        found = []
        for each in self._open().get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY}):
            name = bytes(each[Attribute.ID])
            purpose = PURPOSE_OF.get(name[32:33])
            if len(name) == 37 and purpose is not None:
                edwards = each.key_type is KeyType.EC_EDWARDS
                algorithm = Algorithm.EDDSA if edwards else Algorithm.ES256
                found.append((name[33:], Handle(name[:32].hex(), each.label, algorithm, purpose)))
        return [handle for _, handle in sorted(found)]

    @serial
    def secrets(self) -> list[Secret]:
        """The AES keys that this unit made, oldest first."""
        found = []
        for each in self._open().get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}):
            name = bytes(each[Attribute.ID])
            if len(name) == 37 and name[32:33] == SECRET:
                found.append((name[33:], Secret(name[:32].hex(), each.label)))
        return [secret for _, secret in sorted(found)]

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key."""
        return self._public(handle)[1]

    @serial
    def destroy(self, key: Handle | Secret) -> None:
        """Take a key out of the token."""
        if isinstance(key, Secret):
            self._secret(key).destroy()
            return
        private, _ = self._private(key)
        public, _ = self._public(key)
        quick = self._quick.pop(key.id, None)
        if quick is not None and quick[0][Attribute.TOKEN] is False:
            quick[0].destroy()
        private.destroy()
        public.destroy()

    # --- work ---------------------------------------------------------------------------------

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """The raw signature over ``message``."""
        return self.sign_many(handle, [message])[0]

    @serial
    def sign_many(self, handle: Handle, messages: Sequence[bytes]) -> list[bytes]:
        """The signatures over many messages."""
        checked_batch(messages)
        for message in messages:
            checked_message(message)
        return self._sign(handle, Purpose.SIGN, messages)

    def verify(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """Whether the signature holds: public work, done here and not in the token."""
        return verify(key, signature, message)

    def verify_many(self, checks: Sequence[Check]) -> list[bool]:
        """Whether each signature holds."""
        checked_batch(checks)
        return verify_many(checks)

    @serial
    def ecdh(self, handle: Handle, peer: PublicKey, info: bytes) -> bytes:
        """A secret shared with the peer, after HKDF."""
        checked_info(info)
        private, purpose = self._private(handle)
        if purpose is not Purpose.AGREE:
            raise wrong_purpose(handle, Purpose.AGREE)
        if peer.algorithm is not Algorithm.ES256:
            raise not_agreeable()
        shared = private.derive_key(
            KeyType.GENERIC_SECRET,
            256,
            mechanism_param=(KDF.NULL, None, peer.to_raw()),
            store=False,
            capabilities=0,
            template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True},
        )
        try:
            return derived(bytes(shared[Attribute.VALUE]), info)
        finally:
            shared.destroy()

    @serial
    def encrypt(self, secret: Secret, plaintext: bytes, associated: bytes = b"") -> bytes:
        """AES-256-GCM in the token."""
        checked_plain(plaintext)
        checked_associated(associated)
        return close_in(self._secret(secret), plaintext, associated)

    @serial
    def decrypt(self, secret: Secret, box: bytes, associated: bytes = b"") -> bytes:
        """What was encrypted."""
        checked_box(box)
        checked_associated(associated)
        return open_in(self._secret(secret), box, associated)

    @serial
    def random(self, size: int) -> bytes:
        """Random bytes of the token."""
        checked_random(size)
        return bytes(self._open().generate_random(8 * size))

    # --- registers ----------------------------------------------------------------------------

    @serial
    def extend(self, register: int, digest: bytes, data: bytes = b"") -> None:
        """Move an imitated register on."""
        self._registers().extend(register, digest, data)

    @serial
    def registers(self) -> tuple[bytes, ...]:
        """Every register."""
        return self._registers().values()

    @serial
    def events(self) -> tuple[Event, ...]:
        """The event log since the machine started."""
        return self._registers().events()

    @serial
    def seal(self, data: bytes, selection: Sequence[int]) -> bytes:
        """A box of the token; that the registers fit is compared here, not there."""
        checked_sealed(data)
        chosen = checked_selection(selection)
        bound = cbor2.dumps([list(chosen), composite(self._registers().selected(chosen))])
        return cbor2.dumps([bound, close_in(self._storage(), data, _SEALED + bound)])

    @serial
    def unseal(self, box: bytes) -> bytes:
        """What was sealed."""
        bounded("box", len(box), 1024, 29)
        try:
            bound, inner = cbor2.loads(box, max_depth=2, allow_indefinite=False)
            chosen, digest = cbor2.loads(bound, max_depth=2, allow_indefinite=False)
            data = open_in(self._storage(), inner, _SEALED + bound)
        except (cbor2.CBORError, ValueError, TypeError, OverflowError) as fault:
            raise box_broken() from fault
        if not hmac.compare_digest(composite(self._registers().selected(chosen)), digest):
            raise registers_changed()
        return data

    @serial
    def quote(self, handle: Handle, nonce: bytes, selection: Sequence[int]) -> Quote:
        """The imitated registers, signed by a key of the token."""
        checked_nonce(nonce)
        chosen = checked_selection(selection)
        key = self.public(handle)
        every, events = self._registers().state()
        values = {number: every[number] for number in chosen}
        message = quote_message(key, "pkcs11", nonce, values)
        return Quote(
            format="kizuna",
            key=key,
            message=message,
            signature=self._sign(handle, Purpose.ATTEST, [message])[0],
            registers=tuple(sorted(values.items())),
            events=events,
        )

    @serial
    def certify(self, handle: Handle, subject: Handle | PublicKey) -> Certification:
        """A key of the token speaks for another key."""
        by = self.public(handle)
        here = isinstance(subject, Handle)
        about = self.public(subject) if isinstance(subject, Handle) else subject
        message = certification_message(by, "pkcs11", "lives-here" if here else "presented", about)
        return Certification(
            format="kizuna",
            claim="lives-here" if here else "presented",
            by=by,
            subject=about,
            message=message,
            signature=self._sign(handle, Purpose.ATTEST, [message])[0],
        )

    def close(self) -> None:
        """Log out and give back the session."""
        with self._lock:
            self._lose()

    # --- inside -------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._quick.clear()
        self._bank = None

    def _sign(self, handle: Handle, wanted: Purpose, messages: Sequence[bytes]) -> list[bytes]:
        found = self._quick.get(handle.id)
        if found is None:
            private, made_to = self._private(handle)
            found = self._quick[handle.id] = (quickened(private), made_to)
        key, purpose = found
        if purpose is not wanted:
            raise wrong_purpose(handle, wanted)
        if handle.algorithm is Algorithm.EDDSA:
            return [bytes(key.sign(m, mechanism=Mechanism.EDDSA)) for m in messages]
        return [
            low_s(bytes(key.sign(sha256(m).digest(), mechanism=Mechanism.ECDSA))) for m in messages
        ]

    def _registers(self) -> KeptRegisters:
        if self._bank is None:
            self._bank = KeptRegisters(
                self._file,
                boot_id(),
                lambda data, bound: close_in(self._storage(), data, bound),
                lambda box, bound: open_in(self._storage(), box, bound),
            )
        return self._bank
