# SPDX-License-Identifier: Apache-2.0
"""Affirming: what a gateway's checked bundle does to the standing of the devices under it.

Keeps: 1. Only devices enrolled under a gateway are touched by its word. 2. A bundle costs what is
not well, never one step for each device that is. 3. A device heard elsewhere in the epoch in which
its gateway affirms it speaks with two voices.
Owner of the mutable state: the book of one ``Fleet``.
"""

from __future__ import annotations

from collections.abc import Mapping

from kizuna.proof.attestation.appraisal import Status
from kizuna.proof.attestation.fleet.alarm import Alarm, Event, effect_of
from kizuna.proof.attestation.fleet.book import Book
from kizuna.proof.attestation.fleet.register import ENDED
from kizuna.proof.attestation.fleet.standing import Flag

__all__ = ["Affirming"]


class Affirming:
    """The word of the gateways of one fleet."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def affirm(
        self,
        own: int,
        *,
        epoch: int,
        exceptions: Mapping[str, tuple[Alarm | None, Status | None]],
        now: int,
    ) -> list[Event]:
        """Take in the bundle of the gateway at a place, as ``Fleet.affirm`` describes it."""
        gateway, state = self._book.register.subjects[own], self._book.state
        if epoch <= state.epoch[own] and state.flags[own] & Flag.HEARD:
            return []
        before_seen = state.seen[own] if state.flags[own] & Flag.HEARD else 0
        state.epoch[own], state.seen[own] = epoch, now
        state.flags[own] |= Flag.HEARD
        events = self._settle_gateway(own, now)
        left_out = self._except(gateway, exceptions, before_seen, now, events)
        unwell, place = self._book.unwell.setdefault(gateway, set()), state.knows_source(gateway)
        for index in [i for i in unwell if i not in left_out]:
            unwell.discard(index)
            if self._book.key_in_doubt(index):
                continue
            if self._book.register.scheme_of(index) == ENDED:
                unwell.add(index)  # nobody speaks for it any more, its gateway neither
                continue
            heard = bool(state.flags[index] & Flag.HEARD)
            if heard and state.epoch[index] == epoch and state.source[index] != place:
                events += self._book.become(
                    index, Status.CONTRAINDICATED, Alarm.TWO_STREAMS, now, gateway
                )
                unwell.add(index)
                continue
            state.flags[index] |= Flag.HEARD
            state.source[index] = place
            events += self._book.become(index, Status.AFFIRMING, None, now, gateway)
        unwell |= left_out
        return events

    def lied(self, gateway: str, now: int, detail: str = "") -> list[Event]:
        """A leaf that the gateway affirmed does not hold."""
        own = self._book.register.find(gateway)
        if own is None:
            return []
        return self._book.become(
            own, Status.CONTRAINDICATED, Alarm.LYING_GATEWAY, now, gateway, detail
        )

    def _settle_gateway(self, own: int, now: int) -> list[Event]:
        if self._book.key_in_doubt(own):
            return []
        return self._book.become(
            own, Status.AFFIRMING, None, now, self._book.register.subjects[own]
        )

    def _except(
        self,
        gateway: str,
        exceptions: Mapping[str, tuple[Alarm | None, Status | None]],
        before_seen: int,
        now: int,
        events: list[Event],
    ) -> set[int]:
        state = self._book.state
        left_out: set[int] = set()
        for subject, (alarm, status) in exceptions.items():
            index = self._book.register.find(subject)
            if index is None or self._book.register.position_of(index) != gateway:
                continue
            left_out.add(index)
            if not state.flags[index] & Flag.EXCEPTED:
                state.flags[index] |= Flag.EXCEPTED
                state.seen[index] = max(state.seen[index], before_seen)
                self._book.wheel.put(index, state.seen[index] + self._book.rules.patience)
            if alarm is Alarm.SILENCE and now - state.seen[index] < self._book.rules.patience:
                continue  # silent there, but heard elsewhere
            effect = status if alarm is None else (effect_of(alarm) or status)
            if effect is not None:
                events += self._book.become(index, effect, alarm, now, gateway)
        for index in self._book.excepted.get(gateway, set()) - left_out:
            state.flags[index] &= ~Flag.EXCEPTED
        self._book.excepted[gateway] = left_out
        return left_out
