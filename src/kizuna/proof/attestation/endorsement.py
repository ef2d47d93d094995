# SPDX-License-Identifier: Apache-2.0
"""Endorsements: what a maker says of its devices beyond what they measure, always or on conditions.

Keeps: 1. An endorsement counts where the evidence is authentic and fresh and shows everything that
its condition asks; of a series the first selection that fits counts, and no other. 2. It adds
claims and may tell against a device; it never makes good what its measurements leave open. 3. What
an endorser does not ask, it does not restrict; what cannot be judged here was left out when the
document was read, and said so. 4. A condition on a security version or on flags that the evidence
does not tell is open: neither met nor unmet. What then might be said against a device is told as
open, and never passed over.
Standard: draft-ietf-rats-corim-10 (endorsed values, conditional endorsements and their series).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import AppraisalCode, AppraisalFinding, Measurement

__all__ = ["Endorsement", "Option", "Said", "Spoken", "Wanted", "findings_of", "spoken"]

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

    svn: int | None = None
    """The security version that it must have, exactly."""
    min_svn: int | None = None
    """The least security version that it may have."""
    flags: tuple[tuple[str, bool], ...] = ()

    @property
    def asks(self) -> tuple[str, ...]:
        """What it asks for that evidence may be silent about."""
        numbered = self.svn is not None or self.min_svn is not None
        return (*(("svn",) if numbered else ()), *(name for name, _ in self.flags))

    def is_shown(self, measurements: Iterable[Measurement]) -> bool | None:
        """Whether one of the measurements is this; None where one may be, and does not tell."""
        return _any(self._fits(one) for one in measurements)

    def _fits(self, one: Measurement) -> bool | None:
        if self.component and one.component != self.component:
            return False
        if self.digests and (one.digest_alg, one.digest) not in self.digests:
            return False
        if self.version is not None and one.version != self.version:
            return False
        if self.signer is not None and one.signer != self.signer:
            return False
        told = dict(one.flags)
        return _all((self._fits_number(one.svn), *(_same(told, f, v) for f, v in self.flags)))

    def _fits_number(self, svn: int | None) -> bool | None:
        if self.svn is None and self.min_svn is None:
            return True
        if svn is None:
            return None
        return self.svn in (None, svn) and (self.min_svn is None or svn >= self.min_svn)


def _same(told: Mapping[str, bool], flag: str, value: bool) -> bool | None:  # noqa: FBT001
    return None if flag not in told else told[flag] is value


def _any(answers: Iterable[bool | None]) -> bool | None:
    """Whether one holds; None where none does for certain and one is open."""
    found: bool | None = False
    for answer in answers:
        if answer:
            return True
        found = None if answer is None else found
    return found


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold; None where none fails and one is open."""
    found: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        found = None if answer is None else found
    return found


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


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an endorsement says of one device, and what it might say: its condition is open."""

    said: tuple[Said, ...] = ()
    perhaps: tuple[Said, ...] = ()
    asks: tuple[str, ...] = ()
    """What the evidence does not tell, on which it depends."""


_SILENT: Final = Spoken()


def spoken(
    endorsement: Endorsement, identity: bytes | None, measurements: Sequence[Measurement], now: int
) -> Spoken:
    """What an endorsement says of a device that shows these measurements."""
    if not endorsement.counts_at(now):
        return _SILENT
    if endorsement.identity is not None and endorsement.identity != identity:
        return _SILENT
    met = _all(one.is_shown(measurements) for one in endorsement.condition)
    if met is False:
        return _SILENT
    asked = list(endorsement.condition) if met is None else []
    perhaps: list[Said] = []
    for option in endorsement.options:
        fits = _all(one.is_shown(measurements) for one in option.selection)
        if fits is False:
            continue
        if fits and not asked:
            return Spoken(said=option.said)
        perhaps += option.said
        if fits:
            break
        asked += option.selection
    asks = dict.fromkeys(word for one in asked for word in one.asks)
    return Spoken(perhaps=tuple(perhaps), asks=tuple(asks)) if perhaps else _SILENT


def findings_of(said: Iterable[Said]) -> Iterator[AppraisalFinding]:
    """What the maker's own word tells against the device."""
    for one in said:
        flags = one.claims.get("flags")
        if isinstance(flags, Mapping):
            for flag, value, code, state in _TELLING:
                if flags.get(flag) is value:
                    yield AppraisalFinding(code, {"state": state, "component": one.component[:80]})
