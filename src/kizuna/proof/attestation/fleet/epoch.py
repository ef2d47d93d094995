# SPDX-License-Identifier: Apache-2.0
"""Epochs and challenges: freshness without remembering a nonce for every device.

Keeps: 1. The nonce of an epoch cannot be told before it is published: it is an HMAC of the
verifier's secret. 2. A challenge names device and moment and authenticates itself, so that nothing
is kept per challenge; the device's state remembers the moment of the last one answered, and an
older or equal one counts as used. 3. Only the current epoch and the ones allowed before it are
accepted.
Standard: the three ways to freshness of RFC 9334 section 10 (nonces and epoch identifiers here).

Example:
    >>> clock = Epochs(b"s" * 32)
    >>> clock.number(1_800_000_030)
    30000000
    >>> clock.nonce(30_000_000) == clock.nonce(30_000_001)
    False
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from kizuna.model.identifier import SubjectId

__all__ = ["EPOCH", "NONCE_SIZE", "Epochs"]

EPOCH: Final = 60
"""Seconds of one epoch."""

NONCE_SIZE: Final = 32

_CHALLENGE_LIFE: Final = 120
"""Seconds for which a challenge may be answered."""

_KEPT: Final = 64


class Epochs:
    """Nonces of epochs and challenges, from one secret of the verifier.

    Args:
        secret: 32 random bytes that no one else has; a restart needs the same.
        seconds: length of an epoch.
        behind: how many epochs before the current one are still accepted.
    """

    def __init__(self, secret: bytes, *, seconds: int = EPOCH, behind: int = 1) -> None:
        self._secret = secret
        self.seconds = seconds
        self.behind = behind
        self._nonces: dict[int, bytes] = {}

    def number(self, now: int) -> int:
        """The epoch of an instant."""
        return now // self.seconds

    def nonce(self, epoch: int) -> bytes:
        """The 32 bytes that evidence of this epoch must hold."""
        found = self._nonces.get(epoch)
        if found is None:
            found = hmac.digest(self._secret, b"epoch" + epoch.to_bytes(8, "big"), sha256)
            if len(self._nonces) >= _KEPT:
                self._nonces.clear()
            self._nonces[epoch] = found
        return found

    def accepted(self, now: int) -> range:
        """The epochs whose evidence is fresh enough."""
        current = self.number(now)
        return range(max(0, current - self.behind), current + 1)

    def epoch_of(self, nonce: bytes, now: int) -> int | None:
        """The accepted epoch that has this nonce; None where there is none."""
        for epoch in reversed(self.accepted(now)):
            if hmac.compare_digest(self.nonce(epoch), nonce):
                return epoch
        return None

    def challenge(self, subject: SubjectId, now: int) -> bytes:
        """A nonce for one device: eight bytes of time, twenty-four that only we can make."""
        moment = now.to_bytes(8, "big")
        return moment + self._seal(subject, moment)

    def challenged(self, subject: SubjectId, nonce: bytes, now: int) -> int | None:
        """When a challenge was given; None where it is not ours, for another device, or too old."""
        if len(nonce) != NONCE_SIZE:
            return None
        moment = int.from_bytes(nonce[:8], "big")
        if not 0 <= now - moment <= _CHALLENGE_LIFE:
            return None
        if not hmac.compare_digest(self._seal(subject, nonce[:8]), nonce[8:]):
            return None
        return moment

    def _seal(self, subject: SubjectId, moment: bytes) -> bytes:
        return hmac.digest(self._secret, b"challenge" + moment + subject.encode(), sha256)[:24]
