# SPDX-License-Identifier: Apache-2.0
"""What befalls simulated devices, and which alarms an observant verifier must raise for it.

Keeps: 1. Every event knows what counts as having noticed it (``told_by``) and what may be told
beside (``beside``); any other alarm about the device is a false one. 2. An event is scheduled only
where there is time left to notice it. 3. ``relay`` is named and never counted: evidence carried to
the genuine device and back within the time of an epoch looks like the genuine device, by design.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kizuna.proof.attestation.fleet import Alarm

__all__ = ["EVENTS", "RESIDUAL", "Happening", "Kind"]

_A = Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One sort of event."""

    name: str
    kinds: frozenset[str]
    """The kinds of device it can befall."""
    told_by: frozenset[Alarm]
    beside: frozenset[Alarm] = frozenset()
    minutes: int = 1
    """How long it may take to notice, at most."""
    gateways: bool | None = None
    """Only devices under a gateway (True), only those without (False), or any (None)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event that was scheduled: the truth that alarms are held against."""

    kind: str
    subject: str
    minute: int


_SIGNING: Final = frozenset({"psa", "dice", "tpm"})
_ALL: Final = frozenset({"psa", "hmac", "dice", "tpm"})
_COPIED: Final = frozenset({_A.CLONE, _A.TWO_STREAMS, _A.COUNTER_BACK})

EVENTS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                name="tampering",
                kinds=_ALL,
                told_by=frozenset({_A.UNKNOWN_FIRMWARE, _A.TAMPERING}),
            ),
            Kind(
                name="swapping",
                kinds=_ALL,
                told_by=frozenset({_A.SWAP}),
                beside=frozenset({_A.CHANGED_KEY, _A.SILENCE}),
                minutes=4,
            ),
            Kind(
                name="swapping-observed",
                kinds=frozenset({"observed"}),
                told_by=frozenset({_A.SWAP}),
            ),
            Kind(
                name="cloning",
                kinds=frozenset({"psa", "hmac"}),
                told_by=_COPIED,
                beside=frozenset({_A.MOVED}),
                minutes=4,
            ),
            Kind(
                name="silence",
                kinds=_ALL | {"observed"},
                told_by=frozenset({_A.SILENCE}),
                minutes=5,
            ),
            Kind(
                name="clock-back",
                kinds=frozenset({"hmac", "tpm"}),
                told_by=frozenset({_A.CLOCK_BACK}),
            ),
            Kind(
                name="counter-back",
                kinds=frozenset({"hmac", "tpm"}),
                told_by=frozenset({_A.COUNTER_BACK}),
                beside=frozenset({_A.TWO_STREAMS}),
            ),
            Kind(
                name="moving",
                kinds=frozenset({"psa", "hmac"}),
                told_by=frozenset({_A.MOVED}),
                beside=frozenset({_A.SILENCE}),
                minutes=2,
                gateways=True,
            ),
            Kind(
                name="replaying",
                kinds=_ALL,
                told_by=frozenset({_A.STALE}),
                minutes=4,
                gateways=False,
            ),
            Kind(
                name="flooding",
                kinds=frozenset({"psa", "hmac"}),
                told_by=frozenset({_A.FLOOD}),
                beside=frozenset({_A.TWO_STREAMS}),
                gateways=False,
            ),
            Kind(
                name="lying",
                kinds=frozenset({"gateway"}),
                told_by=frozenset({_A.LYING_GATEWAY}),
                minutes=2,
            ),
            Kind(name="relay", kinds=_SIGNING, told_by=frozenset(), gateways=False),
        )
    }
)

RESIDUAL: Final = frozenset({"relay"})
"""Events that cannot be noticed by design; reported, never counted."""
