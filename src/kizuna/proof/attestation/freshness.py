# SPDX-License-Identifier: Apache-2.0
"""Freshness: which nonce, or which epochs, evidence must show to be of now.

Keeps: 1. Evidence is fresh by the nonce asked for, or by an epoch id that is still accepted; where
neither was asked for, nothing is claimed about its age. 2. A nonce is compared whole and in
constant time. 3. Time is an argument; an epoch is a number that every verifier computes alike.
Standard: RFC 9334 section 10.

Example:
    >>> Freshness(now=600, epochs=recent_epochs(600, length=60, accepted=2)).epochs
    range(9, 11)
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from kizuna.proof.attestation.appraisal import AppraisalCode, AppraisalFinding, Counters

__all__ = ["Freshness", "epoch_at", "recent_epochs", "went_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What evidence must show. ``now`` is the moment of the appraisal, seconds since 1970."""

    now: int
    nonce: bytes | None = None
    epochs: range | None = None

    @property
    def asked(self) -> bool:
        """Whether freshness was asked for at all."""
        return self.nonce is not None or self.epochs is not None

    def fault(self, nonce: bytes | None, epoch: int | None) -> AppraisalFinding | None:
        """What is wrong with evidence that shows this nonce and epoch; None where it is fresh."""
        if self.nonce is not None and (nonce is None or not hmac.compare_digest(nonce, self.nonce)):
            return AppraisalFinding(
                AppraisalCode.NONCE_DIFFERS, {"nonce": "" if nonce is None else nonce.hex()[:64]}
            )
        if self.epochs is not None and (epoch is None or epoch not in self.epochs):
            return AppraisalFinding(
                AppraisalCode.STALE, {"epoch": "none" if epoch is None else str(epoch)[:40]}
            )
        return None


def epoch_at(moment: int, length: int) -> int:
    """The number of the epoch of ``length`` seconds in which ``moment`` lies."""
    return moment // length


def recent_epochs(moment: int, *, length: int, accepted: int = 2) -> range:
    """The epoch of ``moment`` and those before it that are still accepted: ``accepted`` in all."""
    last = epoch_at(moment, length)
    return range(last - accepted + 1, last + 1)


def went_back(last: Counters, shown: Counters) -> str:
    """Which counter of a device went back since ``last``, or an empty text.

    ``boot`` orders starts and ``sequence`` what is said after one; a TPM's ``resets`` and
    ``restarts`` order the runs of its ``clock``, which stands still at worst.
    """
    if last.boot is not None and shown.boot is not None and shown.boot != last.boot:
        if shown.boot < last.boot:
            return "boot"
    elif (
        last.sequence is not None and shown.sequence is not None and shown.sequence <= last.sequence
    ):
        return "sequence"
    if last.resets is not None and shown.resets is not None:
        if shown.resets < last.resets:
            return "resets"
        if shown.resets == last.resets:
            if (last.restarts or 0) > (shown.restarts or 0):
                return "restarts"
            if (last.clock or 0) > (shown.clock or 0):
                return "clock"
    return ""
