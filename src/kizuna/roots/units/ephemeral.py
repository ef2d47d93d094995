# SPDX-License-Identifier: Apache-2.0
"""Keys in memory only, for worlds, tests and throw-away identities.

Keeps: with a ``seed`` the same calls give the same keys and signatures.
"""

from __future__ import annotations

import os

from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey
from kizuna.roots.units.problems import checked_label, checked_use, no_such_key
from kizuna.roots.units.registers import Registers
from kizuna.roots.units.soft import Soft
from kizuna.roots.units.unit import Handle, Protection, Purpose, Secret, Traits

__all__ = ["EphemeralUnit"]

_TRAITS = Traits(
    kind="ephemeral",
    protection=Protection.MEMORY,
    durable=False,
    registers="imitation",
    attestation="imitation",
    agreement_inside=False,
    algorithms=(Algorithm.ES256, Algorithm.EDDSA),
    purposes=tuple(Purpose),
)


class EphemeralUnit(Soft):
    """Keys in memory only. With a ``seed`` the same calls give the same keys and signatures."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._seed = seed
        self._made = 0
        self._keys: dict[str, tuple[Handle, PrivateKey]] = {}
        self._secrets: dict[str, tuple[Secret, bytes]] = {}
        self._sealing = os.urandom(32)
        self._bank = Registers()

    @property
    def traits(self) -> Traits:
        """Memory of this process, no more."""
        return _TRAITS

    def generate(self, algorithm: Algorithm, label: str, purpose: Purpose = Purpose.SIGN) -> Handle:
        """Make a key.

        Raises:
            Malformed: ``key.unsupported``.
        """
        checked_label(label)
        checked_use(algorithm, purpose)
        if self._seed is None:
            key = PrivateKey.generate(algorithm)
        else:
            key = PrivateKey.derive(algorithm, b"%b %d" % (self._seed, self._made))
        self._made += 1
        handle = Handle(key.public.thumbprint.hex(), label, algorithm, purpose)
        self._keys[handle.id] = (handle, key)
        return handle

    def adopt(self, key: PrivateKey, label: str) -> Handle:
        """Use a key that was kept elsewhere, for this process: a device's own, from its file."""
        handle = Handle(key.public.thumbprint.hex(), label, key.public.algorithm, Purpose.SIGN)
        self._keys[handle.id] = (handle, key)
        return handle

    def generate_secret(self, label: str) -> Secret:
        """Make an AES key."""
        checked_label(label)
        secret = Secret(os.urandom(32).hex(), label)
        self._secrets[secret.id] = (secret, os.urandom(32))
        return secret

    def handles(self) -> list[Handle]:
        """The key pairs made so far, oldest first."""
        return [handle for handle, _ in self._keys.values()]

    def secrets(self) -> list[Secret]:
        """The AES keys made so far, oldest first."""
        return [secret for secret, _ in self._secrets.values()]

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key.

        Raises:
            Absent: ``unit.no-such-key``.
        """
        return self._private(handle).public

    def destroy(self, key: Handle | Secret) -> None:
        """Forget a key.

        Raises:
            Absent: ``unit.no-such-key``.
        """
        kept: dict[str, tuple[Handle, PrivateKey]] | dict[str, tuple[Secret, bytes]]
        kept = self._keys if isinstance(key, Handle) else self._secrets
        if kept.pop(key.id, None) is None:
            raise no_such_key(key)

    def _private(self, handle: Handle) -> PrivateKey:
        found = self._keys.get(handle.id)
        if found is None:
            raise no_such_key(handle)
        return found[1]

    def _purpose(self, handle: Handle) -> Purpose:
        return self._keys[handle.id][0].purpose

    def _aes(self, secret: Secret) -> bytes:
        found = self._secrets.get(secret.id)
        if found is None:
            raise no_such_key(secret)
        return found[1]

    def _storage(self) -> bytes:
        return self._sealing

    def _registers(self) -> Registers:
        return self._bank
