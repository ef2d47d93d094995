# SPDX-License-Identifier: Apache-2.0
"""Lapsing: what time alone does to standings.

Keeps: 1. A device that is not heard by its deadline is ``none``, never affirming. 2. A beat costs
what is due, not the whole fleet. 3. Silence makes nothing better.
Owner of the mutable state: the book of one ``Fleet``.
"""

from __future__ import annotations

from dataclasses import replace

from kizuna.proof.attestation.appraisal import Status
from kizuna.proof.attestation.fleet.alarm import Alarm, Event
from kizuna.proof.attestation.fleet.book import Book
from kizuna.proof.attestation.fleet.standing import ALARMS, PLACE, STATUSES, Flag

__all__ = ["Lapsing"]


class Lapsing:
    """The deadlines of one fleet."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def tick(self, now: int) -> list[Event]:
        """What became of time: who was not heard by now."""
        state, patience = self._book.state, self._book.rules.patience
        events: list[Event] = []
        for index in self._book.wheel.due(now, lambda i: state.seen[i] + patience):
            if self._book.register.position_of(index) is None:
                events += self._lapse(index, now)
                self._book.wheel.put(index, now + patience)
            elif state.flags[index] & Flag.EXCEPTED:
                if self._book.gateway_is_well(index):
                    events += self._lapse(index, now)
                else:
                    self._book.wheel.put(index, now + patience)
        return events

    def grown_old(self, now: int, age: int, most: int = 10_000) -> list[Event]:
        """Standings told longer than ``age`` seconds ago, to be said again; the rest next time."""
        state = self._book.state
        none, events = PLACE[Status.NONE], []
        for index in range(len(self._book.register)):
            if state.said[index] + age <= now and state.status[index] != none:
                state.said[index] = now
                status = STATUSES[state.status[index]]
                reason = state.reason[index]
                alarm = ALARMS[reason - 1] if reason else None
                event = self._book.event(index, status, status, now, alarm=alarm)
                events.append(replace(event, again=True))
                if len(events) == most:
                    break
        return events

    def sweep(self, now: int) -> list[Event]:
        """As ``tick``, looking at everybody: for a fleet that was just restored to be looked at."""
        events: list[Event] = []
        for index in range(len(self._book.register)):
            direct = self._book.register.position_of(index) is None
            if direct and self._book.state.seen[index] + self._book.rules.patience <= now:
                events += self._lapse(index, now)
        return events

    def _lapse(self, index: int, now: int) -> list[Event]:
        state = self._book.state
        if self._book.key_in_doubt(index):
            return []
        if state.reason[index] and state.status[index] == PLACE[Status.CONTRAINDICATED]:
            return []  # silence does not make it better
        if state.suspect[index] and state.suspect[index] >= state.seen[index]:
            # anybody can send a wrong key in the name of a device that is silent: it explains
            # the silence, and is no more than that
            return self._book.become(index, Status.NONE, Alarm.SWAP, now)
        return self._book.become(index, Status.NONE, Alarm.SILENCE, now)
