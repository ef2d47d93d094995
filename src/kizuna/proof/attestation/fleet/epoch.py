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
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from kizuna.proof.attestation.appraisal import AppraisalCode, AppraisalFinding
from kizuna.proof.attestation.freshness import Freshness

__all__ = ["EPOCH", "NONCE_SIZE", "Epochs", "Fresh"]

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
        first: no epoch before this one is accepted: after a restart that lost what was heard last.
        since: no challenge up to this moment is accepted: for the same reason.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        seconds: int = EPOCH,
        behind: int = 1,
        first: int = 0,
        since: int = -1,
    ) -> None:
        self._secret = secret
        self.seconds = seconds
        self.behind = behind
        self.first = first
        self.since = since
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
        return range(max(self.first, current - self.behind), current + 1)

    def bounded(self, now: int) -> bool:
        """Whether ``first`` or ``since`` still keeps out what would be accepted without them."""
        return self.number(now) - self.behind < self.first or now - self.since <= _CHALLENGE_LIFE

    def epoch_of(self, nonce: bytes, now: int) -> int | None:
        """The accepted epoch that has this nonce; None where there is none."""
        for epoch in reversed(self.accepted(now)):
            if hmac.compare_digest(self.nonce(epoch), nonce):
                return epoch
        return None

    def challenge(self, subject: str, now: int) -> bytes:
        """A nonce for one device: eight bytes of time, twenty-four that only we can make."""
        moment = now.to_bytes(8, "big")
        return moment + self._seal(subject, moment)

    def challenged(self, subject: str, nonce: bytes, now: int) -> int | None:
        """When a challenge was given; None where it is not ours, for another device, or too old."""
        if len(nonce) != NONCE_SIZE:
            return None
        moment = int.from_bytes(nonce[:8], "big")
        if moment <= self.since or not 0 <= now - moment <= _CHALLENGE_LIFE:
            return None
        if not hmac.compare_digest(self._seal(subject, nonce[:8]), nonce[8:]):
            return None
        return moment

    def fresh(self, subject: str, now: int, *, bare: bool = True) -> Fresh:
        """What evidence of this device must show now; ``bare``: an epoch's number is enough."""
        return Fresh(now=now, clock=self, subject=subject, bare=bare)

    def _seal(self, subject: str, moment: bytes) -> bytes:
        return hmac.digest(self._secret, b"challenge" + moment + subject.encode(), sha256)[:24]


@dataclass(frozen=True, kw_only=True)
class Fresh(Freshness):
    """Freshness by epoch or by challenge, whichever the evidence answers; tells which it was.

    A bare epoch number, which devices without room for a nonce send, is accepted too: it shows
    that the evidence is of now only as far as its maker could not make it ahead of time. That is
    asked of devices with a shared key alone: whoever had such a device once has its key. A key that
    signs and cannot be taken out would give away a year of evidence in one visit.
    """

    clock: Epochs
    subject: str
    bare: bool = True
    found: dict[str, int] = field(default_factory=dict)
    """``epoch``, and ``challenge`` where one was answered; filled by ``fault``."""

    def fault(self, nonce: bytes | None, epoch: int | None) -> AppraisalFinding | None:
        """What is wrong with evidence that shows this nonce and epoch; None where it is fresh."""
        current = self.clock.number(self.now)
        if nonce is None:
            if self.bare and epoch is not None and epoch in self.clock.accepted(self.now):
                self.found["epoch"] = epoch
                return None
            return AppraisalFinding(
                AppraisalCode.STALE, {"epoch": "none" if epoch is None else str(epoch)[:40]}
            )
        answered = self.clock.epoch_of(nonce, self.now)
        if answered is not None:
            self.found["epoch"] = answered
            return None
        moment = self.clock.challenged(self.subject, nonce, self.now)
        if moment is not None:
            self.found["epoch"], self.found["challenge"] = current, moment
            return None
        return AppraisalFinding(AppraisalCode.NONCE_DIFFERS, {"nonce": nonce.hex()[:64]})
