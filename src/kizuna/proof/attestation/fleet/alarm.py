# SPDX-License-Identifier: Apache-2.0
"""Alarms: what can be wrong with a device of a fleet, what each does to its standing, whose turn.

Keeps: 1. Every alarm has a stable name. 2. Only what the device's own key vouches for, or what an
enrolled gateway signed, or time itself, changes a standing; an alarm that anybody on the network
could bring about (a flood, old evidence sent again, a wrong key in somebody's name) is told and
changes nothing, or an outsider could make every building untrusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kizuna.model.identifier import SubjectId
from kizuna.proof.attestation.appraisal import Appraisal, Status

__all__ = ["RAISED_BY_ANYONE", "TAMPERING", "Alarm", "Event", "effect_of"]


class Alarm(StrEnum):
    """What was noticed. The names are an interface and never change."""

    SILENCE = "silence"  # nothing was heard within the time allowed
    CLOCK_BACK = "clock-back"  # the device's clock went back without a reset
    COUNTER_BACK = "counter-back"  # a boot or sequence counter went back
    TWO_STREAMS = "two-streams"  # one identity speaks with two voices at the same time
    CHANGED_KEY = "changed-key"  # evidence in its name, under a key that is not the enrolled one
    UNKNOWN_FIRMWARE = "unknown-firmware"  # a measured part is not among the reference values
    MOVED = "moved"  # it speaks from another place than the one it was enrolled at
    SWAP = "swap"  # another thing stands in its place
    CLONE = "clone"  # its key is at work in two places
    TAMPERING = "tampering"  # its own evidence contradicts itself
    STALE = "stale"  # evidence of an epoch that is over
    FLOOD = "flood"  # more evidence than an attester may send
    LYING_GATEWAY = "lying-gateway"  # a gateway affirmed a leaf that does not hold


_EFFECT: Final[dict[Alarm, Status | None]] = {
    Alarm.SILENCE: Status.NONE,
    Alarm.CLOCK_BACK: Status.CONTRAINDICATED,
    Alarm.COUNTER_BACK: Status.CONTRAINDICATED,
    Alarm.TWO_STREAMS: Status.CONTRAINDICATED,
    Alarm.CHANGED_KEY: None,
    Alarm.UNKNOWN_FIRMWARE: Status.CONTRAINDICATED,
    Alarm.MOVED: Status.WARNING,
    Alarm.SWAP: Status.CONTRAINDICATED,
    Alarm.CLONE: Status.CONTRAINDICATED,
    Alarm.TAMPERING: Status.CONTRAINDICATED,
    Alarm.STALE: None,
    Alarm.FLOOD: None,
    Alarm.LYING_GATEWAY: Status.CONTRAINDICATED,
}

RAISED_BY_ANYONE: Final = frozenset(a for a, effect in _EFFECT.items() if effect is None)
"""Alarms that somebody without a key can bring about: they change no standing."""

TAMPERING: Final = frozenset(
    {
        Alarm.TAMPERING,
        Alarm.UNKNOWN_FIRMWARE,
        Alarm.SWAP,
        Alarm.CLONE,
        Alarm.TWO_STREAMS,
        Alarm.COUNTER_BACK,
        Alarm.CLOCK_BACK,
        Alarm.LYING_GATEWAY,
    }
)
"""Alarms that somebody's doing explains best: their notice is of type ``tampering``."""


def effect_of(alarm: Alarm) -> Status | None:
    """The standing that an alarm brings; None where it changes none."""
    return _EFFECT[alarm]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a fleet has to tell: an alarm, a change of standing, or both.

    ``before`` and ``after`` are equal where the standing stays.
    """

    subject: SubjectId
    before: Status
    after: Status
    at: int
    alarm: Alarm | None = None
    source: str = ""
    """Who brought it: a gateway, or the address of a direct device."""
    detail: str = ""
    """The component, counter or place that tells, for the sentence shown to people."""
    appraisal: Appraisal | None = None
    again: bool = False
    """Nothing happened: the standing is only said again before it grows old."""

    @property
    def changed(self) -> bool:
        """Whether the standing changed."""
        return self.before is not self.after
