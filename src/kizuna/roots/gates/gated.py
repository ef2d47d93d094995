# SPDX-License-Identifier: Apache-2.0
"""A unit behind a gate: itself a unit, for one caller.

Keeps: 1. No use of a key goes past the gate; what needs no key (``verify``, ``random``, public
parts, reading registers) is free. 2. The caller is bound when this is made or asked at every use,
never taken from an argument of the call. 3. What is done to the unit rather than with a key
(``generate``, ``extend``, ``seal``, ``unseal``) passes under the key name ``unit``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from kizuna.roots.gates.caller import Caller
from kizuna.roots.gates.gate import Gate
from kizuna.roots.gates.policy import Operation
from kizuna.roots.gates.purpose import purpose_of
from kizuna.roots.keys import Algorithm, Check, PublicKey
from kizuna.roots.units import (
    Certification,
    Event,
    Handle,
    Purpose,
    Quote,
    Secret,
    Traits,
    Unit,
    generate_bound,
    no_such_key,
)

__all__ = ["UNIT", "Gated"]

UNIT: Final = "unit"
"""Under this name rules speak of the unit itself."""


class Gated:
    """A ``Unit`` whose keys are used only as the gate's policy says.

    Args:
        unit: where the keys are.
        gate: decides.
        caller: who uses this object; a function is asked at every use (a process behind a socket
            may become another program).
    """

    def __init__(self, unit: Unit, gate: Gate, caller: Caller | Callable[[], Caller]) -> None:
        self._unit = unit
        self._gate = gate
        self._caller = caller
        self._labels: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<{self._unit!r} behind gate {self._gate.policy.gate}>"

    @property
    def gate(self) -> Gate:
        """The gate before this unit."""
        return self._gate

    @property
    def traits(self) -> Traits:
        """What the unit behind is."""
        return self._unit.traits

    def refresh(self) -> None:
        """See keys that another process made, where the unit behind can."""
        again = getattr(self._unit, "refresh", None)
        if again is not None:
            again()

    def generate(self, algorithm: Algorithm, label: str, purpose: Purpose = Purpose.SIGN) -> Handle:
        """As ``Unit.generate``; raises ``gate.*``."""
        self._itself(Operation.GENERATE, label)
        return self._unit.generate(algorithm, label, purpose)

    def generate_bound(self, label: str, purpose: Purpose, selection: Sequence[int]) -> Handle:
        """A key bound to registers, where the unit behind can; raises ``gate.*``."""
        self._itself(Operation.GENERATE, label)
        return generate_bound(self._unit, label, purpose, selection)

    def generate_secret(self, label: str) -> Secret:
        """As ``Unit.generate_secret``; raises ``gate.*``."""
        self._itself(Operation.GENERATE, label)
        return self._unit.generate_secret(label)

    def handles(self) -> list[Handle]:
        """The key pairs, oldest first."""
        return self._unit.handles()

    def secrets(self) -> list[Secret]:
        """The AES keys, oldest first."""
        return self._unit.secrets()

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key."""
        return self._unit.public(handle)

    def destroy(self, key: Handle | Secret) -> None:
        """As ``Unit.destroy``; raises ``gate.*``."""
        self._pass(key, Operation.DESTROY, [Operation.DESTROY.value])
        self._unit.destroy(key)

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """As ``Unit.sign``; raises ``gate.*``. The purpose is read off ``message``."""
        self._pass(handle, Operation.SIGN, [purpose_of(message)])
        return self._unit.sign(handle, message)

    def sign_many(self, handle: Handle, messages: Sequence[bytes]) -> list[bytes]:
        """As ``Unit.sign_many``; raises ``gate.*`` where any of the messages may not be signed."""
        self._pass(handle, Operation.SIGN, [purpose_of(message) for message in messages])
        return self._unit.sign_many(handle, messages)

    def verify(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is ``key``'s over ``message``."""
        return self._unit.verify(key, signature, message)

    def verify_many(self, checks: Sequence[Check]) -> list[bool]:
        """The answers of ``verify``, in the order asked."""
        return self._unit.verify_many(checks)

    def ecdh(self, handle: Handle, peer: PublicKey, info: bytes) -> bytes:
        """As ``Unit.ecdh``; raises ``gate.*``. ``info`` is the purpose."""
        words = info.decode("ascii", "replace")
        named = words if words.isprintable() and words.isascii() else info.hex()
        self._pass(handle, Operation.ECDH, [f"ecdh:{named}"[:200]])
        return self._unit.ecdh(handle, peer, info)

    def encrypt(self, secret: Secret, plaintext: bytes, associated: bytes = b"") -> bytes:
        """As ``Unit.encrypt``; raises ``gate.*``."""
        self._pass(secret, Operation.ENCRYPT, [Operation.ENCRYPT.value])
        return self._unit.encrypt(secret, plaintext, associated)

    def decrypt(self, secret: Secret, box: bytes, associated: bytes = b"") -> bytes:
        """As ``Unit.decrypt``; raises ``gate.*``."""
        self._pass(secret, Operation.DECRYPT, [Operation.DECRYPT.value])
        return self._unit.decrypt(secret, box, associated)

    def random(self, size: int) -> bytes:
        """Random bytes."""
        return self._unit.random(size)

    def extend(self, register: int, digest: bytes, data: bytes = b"") -> None:
        """As ``Unit.extend``; raises ``gate.*``."""
        self._itself(Operation.EXTEND, f"register:{register}")
        self._unit.extend(register, digest, data)

    def registers(self) -> tuple[bytes, ...]:
        """The value of every register."""
        return self._unit.registers()

    def events(self) -> tuple[Event, ...]:
        """What was extended through this unit, in order."""
        return self._unit.events()

    def seal(self, data: bytes, selection: Sequence[int]) -> bytes:
        """As ``Unit.seal``; raises ``gate.*``."""
        self._itself(Operation.SEAL, Operation.SEAL.value)
        return self._unit.seal(data, selection)

    def unseal(self, box: bytes) -> bytes:
        """As ``Unit.unseal``; raises ``gate.*``."""
        self._itself(Operation.UNSEAL, Operation.UNSEAL.value)
        return self._unit.unseal(box)

    def quote(self, handle: Handle, nonce: bytes, selection: Sequence[int]) -> Quote:
        """As ``Unit.quote``; raises ``gate.*``."""
        self._pass(handle, Operation.QUOTE, [Operation.QUOTE.value])
        return self._unit.quote(handle, nonce, selection)

    def certify(self, handle: Handle, subject: Handle | PublicKey) -> Certification:
        """As ``Unit.certify``; raises ``gate.*``."""
        self._pass(handle, Operation.CERTIFY, [Operation.CERTIFY.value])
        return self._unit.certify(handle, subject)

    def close(self) -> None:
        """Give back connections."""
        self._unit.close()

    def _pass(self, key: Handle | Secret, operation: Operation, purposes: list[str]) -> None:
        # the label in a handle is the caller's word: rules go by the one that the unit keeps
        label = self._labels.get(key.id)
        if label is None:
            label = next((k.label for k in self._known(key) if k.id == key.id), None)
            if label is None:
                raise no_such_key(key)
            self._labels[key.id] = label  # it never changes
        self._gate.admit(key.id, label, operation, self._who(), purposes)

    def _known(self, key: Handle | Secret) -> Sequence[Handle | Secret]:
        return self._unit.handles() if isinstance(key, Handle) else self._unit.secrets()

    def _itself(self, operation: Operation, purpose: str) -> None:
        self._gate.admit(UNIT, UNIT, operation, self._who(), [purpose[:200]])

    def _who(self) -> Caller:
        return self._caller if isinstance(self._caller, Caller) else self._caller()
