# SPDX-License-Identifier: Apache-2.0
"""Signing units: where private keys live, and the one interface that all of them share.

Keeps: 1. A unit signs; it never hands out a private key. 2. A handle names a key and is worth
nothing without its unit. 3. ``EphemeralUnit`` keeps keys in memory only, for worlds, tests and
throw-away identities; every kept key lives in another unit, one file a kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kizuna.model.errors import Absent
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey

__all__ = ["EphemeralUnit", "Handle", "Unit", "no_such_key"]


@dataclass(frozen=True, slots=True, order=True)
class Handle:
    """The name of a key inside a unit: ``id`` is the thumbprint in hexadecimal."""

    id: str
    label: str
    algorithm: Algorithm


class Unit(Protocol):
    """Keeps private keys and signs with them. All methods may be called from several threads."""

    def generate(self, algorithm: Algorithm, label: str) -> Handle:
        """Make a key and keep it, durably where the unit is durable."""
        ...

    def handles(self) -> list[Handle]:
        """The keys in this unit, oldest first."""
        ...

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key."""
        ...

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """The signature over ``message`` in COSE and JOSE form (r and s, not DER)."""
        ...

    def destroy(self, handle: Handle) -> None:
        """Forget a key for good."""
        ...


class EphemeralUnit:
    """Keys in memory only. With a ``seed`` the same calls give the same keys and signatures."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._seed = seed
        self._made = 0
        self._keys: dict[str, tuple[Handle, PrivateKey]] = {}

    def generate(self, algorithm: Algorithm, label: str) -> Handle:
        """Make a key."""
        if self._seed is None:
            key = PrivateKey.generate(algorithm)
        else:
            key = PrivateKey.derive(algorithm, b"%b %d" % (self._seed, self._made))
        self._made += 1
        handle = Handle(key.public.thumbprint.hex(), label, algorithm)
        self._keys[handle.id] = (handle, key)
        return handle

    def handles(self) -> list[Handle]:
        """The keys made so far, oldest first."""
        return [handle for handle, _ in self._keys.values()]

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key.

        Raises:
            Absent: ``unit.no-such-key``.
        """
        return self._key(handle).public

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """The raw signature over ``message``.

        Raises:
            Absent: ``unit.no-such-key``.
        """
        return self._key(handle).sign(message)

    def destroy(self, handle: Handle) -> None:
        """Forget a key.

        Raises:
            Absent: ``unit.no-such-key``.
        """
        self._key(handle)
        del self._keys[handle.id]

    def _key(self, handle: Handle) -> PrivateKey:
        found = self._keys.get(handle.id)
        if found is None:
            raise no_such_key(handle)
        return found[1]


def no_such_key(handle: Handle) -> Absent:
    """The problem of a handle that names no key of this unit."""
    return Absent(
        "unit.no-such-key",
        f"no key {handle.id[:16]} ({handle.label}) in this unit",
        why="it was destroyed, or lives in another unit",
        hint="list the keys with `kizuna key list`",
        key=handle.id,
        label=handle.label,
    )
