# SPDX-License-Identifier: Apache-2.0
"""Endorsements: what a maker says of its devices beyond what they measure, always or on conditions.

Keeps: 1. An endorsement counts where the evidence is authentic and fresh and shows everything that
its condition asks; of a series the first selection that fits counts, and no other. 2. It adds
claims and may tell against a device; it never makes good what its measurements leave open. 3. What
an endorser does not ask, it does not restrict; what cannot be judged here was left out when the
document was read, and said so.
Standard: draft-ietf-rats-corim-10 (endorsed values, conditional endorsements and their series).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import AppraisalCode, AppraisalFinding, Measurement

__all__ = ["Endorsement", "Option", "Said", "Wanted", "findings_of", "first_fitting"]

_TELLING: Final = (
    ("is-debug", True, AppraisalCode.DEVICE_OPEN, "debug"),
    ("is-secure", False, AppraisalCode.DEVICE_OPEN, "not-secure"),
    ("is-recovery", True, AppraisalCode.DEBUG_OPEN, "recovery"),
)
"""Flags by which a maker tells against what a device runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One measurement that must be shown; what is None or empty is not asked."""

    component: str = ""
    digests: tuple[tuple[str, bytes], ...] = ()
    version: str | None = None
    signer: bytes | None = None

    def is_shown(self, measurements: Iterable[Measurement]) -> bool:
        """Whether one of the measurements is this."""
        return any(self._fits(one) for one in measurements)

    def _fits(self, one: Measurement) -> bool:
        if self.component and one.component != self.component:
            return False
        if self.digests and (one.digest_alg, one.digest) not in self.digests:
            return False
        if self.version is not None and one.version != self.version:
            return False
        return self.signer is None or one.signer == self.signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is said of one component: claims by readable name."""

    component: str
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One selection of a series, and what is said where it fits."""

    selection: tuple[Wanted, ...] = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """What a maker says of a class or one instance of it; without condition, always."""

    model: str
    identity: bytes | None = None
    condition: tuple[Wanted, ...] = ()
    options: tuple[Option, ...] = ()
    source: Digest | None = None
    signed: bool = False
    since: int | None = None
    until: int | None = None

    def counts_at(self, now: int) -> bool:
        """Whether ``now`` lies in its validity."""
        return (self.since is None or now >= self.since) and (
            self.until is None or now <= self.until
        )


def first_fitting(
    endorsement: Endorsement, identity: bytes | None, measurements: Sequence[Measurement], now: int
) -> tuple[Said, ...]:
    """What an endorsement says of a device that shows these measurements."""
    if not endorsement.counts_at(now):
        return ()
    if endorsement.identity is not None and endorsement.identity != identity:
        return ()
    if not all(one.is_shown(measurements) for one in endorsement.condition):
        return ()
    for option in endorsement.options:
        if all(one.is_shown(measurements) for one in option.selection):
            return option.said
    return ()


def findings_of(said: Iterable[Said]) -> Iterator[AppraisalFinding]:
    """What the maker's own word tells against the device."""
    for one in said:
        flags = one.claims.get("flags")
        if isinstance(flags, Mapping):
            for flag, value, code, state in _TELLING:
                if flags.get(flag) is value:
                    yield AppraisalFinding(code, {"state": state, "component": one.component[:80]})
