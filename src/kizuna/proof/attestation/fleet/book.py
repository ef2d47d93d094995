# SPDX-License-Identifier: Apache-2.0
"""The book of a fleet: what is known of every device, and the only way in which a standing turns.

Keeps: 1. Every change of standing goes through ``become``: it is told once, and never more often
than the rules allow. 2. A key in doubt stays so, whatever comes later.
Owner of the mutable state: one ``Fleet``, whose parts share it.
"""

from __future__ import annotations

from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.fleet.alarm import Alarm, Event
from kizuna.proof.attestation.fleet.register import Register
from kizuna.proof.attestation.fleet.standing import (
    ALARMS,
    KEY_IN_DOUBT,
    PLACE,
    REASON,
    STATUSES,
    Flag,
    Rules,
)
from kizuna.proof.attestation.fleet.state import State
from kizuna.proof.attestation.fleet.wheel import Wheel

__all__ = ["Book"]


class Book:
    """Register, state, deadlines and troubles of one fleet."""

    def __init__(self, now: int, rules: Rules) -> None:
        self.rules = rules
        self.register = Register()
        self.state = State()
        self.wheel = Wheel(now, rules.width)
        self.excepted: dict[str, set[int]] = {}
        """For each gateway the devices that its last bundle left out."""
        self.unwell: dict[str, set[int]] = {}
        """For each gateway the devices under it that may not be affirming."""

    def key_in_doubt(self, index: int) -> bool:
        """Whether more evidence under the device's key proves nothing any more."""
        reason = self.state.reason[index]
        return bool(reason) and ALARMS[reason - 1] in KEY_IN_DOUBT

    def gateway_is_well(self, index: int) -> bool:
        """Whether who speaks for a device, gateway or observer, is well; true where nobody does."""
        position = self.register.position_of(index) or self.register.observer_of(index)
        if position is None:
            return True
        gateway = self.register.find(position)
        return gateway is not None and (STATUSES[self.state.status[gateway]] is Status.AFFIRMING)

    def standing_of(self, index: int) -> Status:
        """The status of the device at a place, its gateway's troubles included."""
        own = STATUSES[self.state.status[index]]
        if own is Status.AFFIRMING and not self.gateway_is_well(index):
            return Status.NONE
        return own

    def become(
        self,
        index: int,
        after: Status,
        alarm: Alarm | None,
        now: int,
        source: str = "",
        detail: str = "",
        appraisal: Appraisal | None = None,
    ) -> list[Event]:
        """Turn a standing: the event to tell, or nothing where it stands so or may not turn."""
        state = self.state
        before = STATUSES[state.status[index]]
        reason = 0 if alarm is None else REASON[alarm]
        if before is after and state.reason[index] == reason:
            return []
        if self.key_in_doubt(index) and alarm not in KEY_IN_DOUBT:
            return []
        if not self._may_turn(index, before, after, alarm, now):
            return []
        if before is not after:
            state.since[index] = now
        state.status[index], state.reason[index] = PLACE[after], reason
        state.said[index] = now
        position = self.register.position_of(index)
        if position is not None and after is not Status.AFFIRMING:
            self.unwell.setdefault(position, set()).add(index)
        return [
            self.event(
                index,
                before,
                after,
                now,
                alarm=alarm,
                source=source,
                detail=detail,
                appraisal=appraisal,
            )
        ]

    def _may_turn(
        self, index: int, before: Status, after: Status, alarm: Alarm | None, now: int
    ) -> bool:
        """Whether one more change may be told: a device that turns to and fro stays bad for the
        rest of the hour, or one device could fill a log that nobody can shorten.
        """
        state, hour = self.state, now // 3600
        if state.hour[index] != hour:
            state.hour[index], state.turns[index] = hour, 0
        over = state.turns[index] >= self.rules.turns
        state.turns[index] = min(255, state.turns[index] + 1)
        worse = after.rank > before.rank or alarm in KEY_IN_DOUBT
        return worse or not over or after is Status.NONE

    def once(
        self,
        index: int,
        alarm: Alarm,
        epoch: int,
        now: int,
        source: str,
        appraisal: Appraisal | None = None,
    ) -> list[Event]:
        """An alarm that changes no standing, told once an epoch."""
        state = self.state
        if state.told[index] == epoch + 1:
            return []
        state.told[index] = epoch + 1
        status = STATUSES[state.status[index]]
        return [
            self.event(index, status, status, now, alarm=alarm, source=source, appraisal=appraisal)
        ]

    def flood(self, index: int, epoch: int, now: int, source: str) -> list[Event]:
        """More evidence than a device may send: told once until it is calm again."""
        state = self.state
        if state.flags[index] & Flag.FLOODED:
            return []
        state.flags[index] |= Flag.FLOODED
        state.told[index] = 0
        return self.once(index, Alarm.FLOOD, epoch, now, source)

    def event(
        self,
        index: int,
        before: Status,
        after: Status,
        now: int,
        *,
        alarm: Alarm | None = None,
        source: str = "",
        detail: str = "",
        appraisal: Appraisal | None = None,
    ) -> Event:
        """What is to be told of the device at a place."""
        return Event(
            subject=self.register.subjects[index],
            before=before,
            after=after,
            at=now,
            alarm=alarm,
            source=source,
            detail=detail,
            appraisal=appraisal,
        )
