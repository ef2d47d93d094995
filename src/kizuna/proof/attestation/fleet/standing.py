# SPDX-License-Identifier: Apache-2.0
"""How a device can stand, the bounds of a fleet, and how both are written in columns of numbers.

Keeps: 1. The number of a status, an alarm or a flag never changes while a snapshot may hold it:
names are only added at the end. 2. A standing that casts doubt on the key itself ends only by
enrolling anew (``KEY_IN_DOUBT``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from kizuna.model.identifier import SubjectId
from kizuna.proof.attestation.appraisal import Status
from kizuna.proof.attestation.fleet.alarm import Alarm

__all__ = ["ALARMS", "KEY_IN_DOUBT", "PLACE", "REASON", "STATUSES", "Flag", "Rules", "Standing"]

STATUSES: Final = tuple(Status)
ALARMS: Final = tuple(Alarm)
PLACE: Final = {status: place for place, status in enumerate(STATUSES)}
REASON: Final = {alarm: place + 1 for place, alarm in enumerate(ALARMS)}

KEY_IN_DOUBT: Final = frozenset(
    {
        Alarm.CLONE,
        Alarm.TWO_STREAMS,
        Alarm.COUNTER_BACK,
        Alarm.CLOCK_BACK,
        Alarm.LYING_GATEWAY,
    }
)
"""More evidence under the same key does not mend these."""


class Flag(IntFlag):
    """What is true or not of one device."""

    HEARD = 1  # at least once
    EXCEPTED = 2  # left out by its gateway's last bundle
    FLOODED = 4  # told in this epoch
    GATEWAY = 8
    TURNED = 16  # its boot session changed in the epoch heard last
    MIXED = 32  # and both sessions were heard in it, so that the next epoch says which is the later


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Bounds of one fleet."""

    patience: int = 200
    """Seconds without fresh evidence after which a device counts as silent."""
    rate: int = 4
    """Pieces of evidence that one device may send in one epoch."""
    turns: int = 24
    """Changes of standing of one device that are told in one hour; then it only gets worse."""
    width: int = 10
    """Seconds of one slot of the deadline wheel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one device stands."""

    subject: SubjectId
    scheme: str
    status: Status
    reason: str
    """The alarm that explains it; empty where all is well."""
    since: int
    seen: int
    """When it was last heard; 0 never."""
    gateway: str
    source: str
