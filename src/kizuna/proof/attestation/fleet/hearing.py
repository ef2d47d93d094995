# SPDX-License-Identifier: Apache-2.0
"""Hearing: what one piece of evidence, once appraised, does to the standing of its device.

Keeps: 1. Only the enrolled key's own word changes a standing; what anybody on the network could
have sent is told and changes nothing. 2. Evidence that came before changes nothing. 3. What comes
late, behind what was said after it, may worsen a standing and never mends it.
Owner of the mutable state: the book of one ``Fleet``.
"""

from __future__ import annotations

from typing import Final

from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, Status
from kizuna.proof.attestation.fleet import order
from kizuna.proof.attestation.fleet.alarm import Alarm, Event, effect_of
from kizuna.proof.attestation.fleet.book import Book
from kizuna.proof.attestation.fleet.contradiction import (
    alarm_by_findings,
    contradiction,
    only_on_the_way,
    word_of,
)
from kizuna.proof.attestation.fleet.standing import STATUSES, Flag

__all__ = ["Hearing"]

_FOREIGN: Final = frozenset(
    {
        AppraisalCode.SIGNATURE_WRONG,
        AppraisalCode.KEY_CHANGED,
        AppraisalCode.KEY_UNKNOWN,
        AppraisalCode.MALFORMED,
        AppraisalCode.CLAIMS_INVALID,
        AppraisalCode.SCHEME_UNKNOWN,
    }
)
"""Not the enrolled key: anybody could have sent it."""
_OTHER_KEY: Final = frozenset(
    {AppraisalCode.SIGNATURE_WRONG, AppraisalCode.KEY_CHANGED, AppraisalCode.KEY_UNKNOWN}
)
_OLD: Final = frozenset({AppraisalCode.STALE, AppraisalCode.NONCE_DIFFERS})


class Hearing:
    """The ear of one fleet."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.copies = 0
        """Pieces of evidence that had come before."""

    def admits(self, subject: str, epoch: int) -> bool:
        """Whether there is room for more evidence of this device in this epoch: asked before its
        signature is checked, so that nobody makes us check one thing without end.

        Only what came under the right key counts here: others cannot use up a device's room.
        """
        index = self._book.register.find(subject)
        if index is None:
            return False
        state = self._book.state
        return state.epoch[index] != epoch or state.count[index] <= self._book.rules.rate

    def copied(
        self, subject: str, digest: bytes, *, epoch: int, now: int, source: str = ""
    ) -> list[Event] | None:
        """Whether this evidence came before: then its signature need not be checked again.

        None where it is new. The last one again is a network's doing; an older one was recorded.
        """
        index = self._book.register.find(subject)
        if index is None or not self._book.state.is_copy(index, digest):
            return None
        self.copies += 1
        if self._book.state.is_last(index, digest):
            repeats = min(255, self._book.state.repeats[index] + 1)
            self._book.state.repeats[index] = repeats
            return (
                self._book.flood(index, epoch, now, source)
                if repeats > self._book.rules.rate
                else []
            )
        return self._book.once(index, Alarm.STALE, epoch, now, source)

    def observe(
        self,
        index: int,
        appraisal: Appraisal,
        *,
        epoch: int,
        now: int,
        source: str = "",
        vouched: bool = False,
        challenge: int | None = None,
    ) -> list[Event]:
        """Take in one appraisal of the device at a place, as ``Fleet.observe`` describes it."""
        codes = {finding.code for finding in appraisal.findings}
        if codes & _FOREIGN or (
            AppraisalCode.IDENTITY_DIFFERS in codes
            and self._book.register.device(index).key is None
        ):
            return self._foreign(index, codes, epoch, now, source, vouched=vouched)
        if codes & _OLD:
            return self._book.once(index, Alarm.STALE, epoch, now, source, appraisal)
        if only_on_the_way(appraisal):
            # what no signature covers anybody may have changed: it is told, and changes nothing
            return self._book.once(index, Alarm.TAMPERING, epoch, now, source, appraisal)
        state = self._book.state
        if state.is_copy(index, appraisal.evidence):
            self.copies += 1
            return []
        word = word_of(appraisal)
        if state.is_copy(index, word):
            # the same word in other clothes: somebody changed what no signature covers. Where the
            # last one came in worse ones first, the better count
            self.copies += 1
            better = appraisal.status is Status.AFFIRMING and state.is_last(index, word, back=2)
            return self._settle(index, appraisal, now, source) if better else []
        if epoch < state.epoch[index] or (challenge and challenge <= state.answered[index]):
            return []  # late on its way, or a challenge answered before: nothing new
        return self._authentic(index, appraisal, codes, epoch, now, source, challenge)

    def _authentic(
        self,
        index: int,
        appraisal: Appraisal,
        codes: set[AppraisalCode],
        epoch: int,
        now: int,
        source: str,
        challenge: int | None,
    ) -> list[Event]:
        state = self._book.state
        place = state.knows_source(source)
        last_epoch = state.epoch[index]
        same = last_epoch == epoch and bool(state.flags[index] & Flag.HEARD)
        if same:
            state.count[index] = min(255, state.count[index] + 1)
            if state.count[index] > self._book.rules.rate:
                return self._book.flood(index, epoch, now, source)
        else:
            doubled = 1 < state.count[index] <= self._book.rules.rate and last_epoch == epoch - 1
            state.doubles[index] = min(255, state.doubles[index] + 1) if doubled else 0
            state.count[index], state.repeats[index] = 1, 0
            state.flags[index] &= ~(Flag.FLOODED | Flag.TURNED)
            order.close_epoch(state, index)
        counters = appraisal.counters
        back = order.went_back(state, index, counters)
        turned = same or challenge is not None
        late = bool(back) and turned and order.came_late(state, index, counters, back, challenge)
        if late:
            order.note_late(state, index, counters)
            alarm, detail = None, ""
        else:
            alarm, detail = contradiction(self._book, index, appraisal, place, epoch, back)
        if appraisal.uttered is not None:
            state.remember(index, word_of(appraisal))
        state.remember(index, appraisal.evidence)
        if not late and alarm not in (Alarm.COUNTER_BACK, Alarm.CLOCK_BACK, Alarm.CLONE):
            order.advance(state, index, counters)
        state.epoch[index] = epoch
        state.source[index] = place
        state.seen[index] = now
        state.suspect[index] = 0
        state.flags[index] |= Flag.HEARD
        if challenge is not None:
            state.answered[index] = challenge
        if alarm is None:
            alarm, detail = alarm_by_findings(appraisal, codes)
        position = self._book.register.position_of(index)
        if alarm is None and position is not None and source and source != position:
            alarm, detail = Alarm.MOVED, source
        if alarm is None:
            held = max(STATUSES[state.status[index]].rank, Status.AFFIRMING.rank)
            if late and appraisal.status.rank <= held:
                return []
            return self._settle(index, appraisal, now, source)
        effect = effect_of(alarm) or Status.NONE
        return self._book.become(index, effect, alarm, now, source, detail, appraisal)

    def _settle(self, index: int, appraisal: Appraisal, now: int, source: str) -> list[Event]:
        """Evidence without an alarm: its own status, unless the key itself is in doubt."""
        if self._book.key_in_doubt(index):
            return []
        return self._book.become(index, appraisal.status, None, now, source, "", appraisal)

    def _foreign(
        self,
        index: int,
        codes: set[AppraisalCode],
        epoch: int,
        now: int,
        source: str,
        *,
        vouched: bool,
    ) -> list[Event]:
        """Evidence under another key, or that cannot be read: not the device's own word."""
        if not codes & _OTHER_KEY and AppraisalCode.IDENTITY_DIFFERS not in codes:
            return []
        state = self._book.state
        state.suspect[index] = now
        heard = state.epoch[index] == epoch and state.flags[index] & Flag.HEARD
        if vouched and not heard:
            return self._book.become(index, Status.CONTRAINDICATED, Alarm.SWAP, now, source)
        return self._book.once(index, Alarm.CHANGED_KEY, epoch, now, source)
