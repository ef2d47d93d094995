# SPDX-License-Identifier: Apache-2.0
"""Whoever signs for a log or as a witness: a name and a key in a signing unit.

Keeps: the private key stays in its unit; the name is the one that verifiers know the key by.
"""

from __future__ import annotations

from dataclasses import dataclass

from kizuna.roots.keys import PublicKey
from kizuna.roots.units import Handle, Unit

__all__ = ["Signer"]


@dataclass(frozen=True, slots=True)
class Signer:
    """A key of a unit under a name; for tlog clients the key is Ed25519."""

    name: str
    unit: Unit
    handle: Handle

    @property
    def public(self) -> PublicKey:
        """The public key."""
        return self.unit.public(self.handle)

    def sign(self, message: bytes) -> bytes:
        """The raw signature over ``message``."""
        return self.unit.sign(self.handle, message)
