# SPDX-License-Identifier: Apache-2.0
"""The fleet: appraisals in, changes of standing and alarms out.

Keeps: 1. A standing changes only by what the enrolled key, an enrolled gateway or time itself says;
what anybody on the network could bring about is told and changes nothing. 2. Evidence that came
before changes nothing, also after a restart (``snapshot``). 3. A device that is not heard is
``none``, never affirming; one whose gateway is silent or lied is so at once, without a word about
each. 4. A standing that casts doubt on the key itself ends only by enrolling anew.
Does not: read evidence (the schemes do), sign, keep time: ``now`` is an argument.

Owner of the mutable state: whoever holds the ``Fleet``; one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntFlag
from hashlib import sha256
from typing import Final

from kizuna.model.identifier import SubjectId
from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, Counters, Status
from kizuna.proof.attestation.fleet.alarm import Alarm, Event, effect_of
from kizuna.proof.attestation.fleet.register import ENDED, Register
from kizuna.proof.attestation.fleet.state import State
from kizuna.proof.attestation.fleet.wheel import Wheel
from kizuna.proof.attestation.scheme import Enrolled

__all__ = ["Fleet", "Rules", "Standing"]

_STATUS: Final = tuple(Status)
_ALARM: Final = tuple(Alarm)
_PLACE: Final = {status: place for place, status in enumerate(_STATUS)}
_REASON: Final = {alarm: place + 1 for place, alarm in enumerate(_ALARM)}

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
_BY_FINDING: Final = {
    AppraisalCode.FIRMWARE_UNKNOWN: Alarm.UNKNOWN_FIRMWARE,
    AppraisalCode.LOG_DIFFERS: Alarm.TAMPERING,
    AppraisalCode.REGISTERS_DIFFER: Alarm.TAMPERING,
    AppraisalCode.DEVICE_OPEN: Alarm.TAMPERING,
    AppraisalCode.IDENTITY_DIFFERS: Alarm.TAMPERING,
    AppraisalCode.OBSERVATION_DIFFERS: Alarm.SWAP,
}
_KEY_IN_DOUBT: Final = frozenset(
    {
        Alarm.CLONE,
        Alarm.TWO_STREAMS,
        Alarm.COUNTER_BACK,
        Alarm.CLOCK_BACK,
        Alarm.LYING_GATEWAY,
    }
)
"""More evidence under the same key does not mend these."""


class _Flag(IntFlag):
    HEARD = 1  # at least once
    EXCEPTED = 2  # left out by its gateway's last bundle
    FLOODED = 4  # told in this epoch
    GATEWAY = 8


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


class Fleet:
    """The standing of every enrolled device."""

    def __init__(self, now: int, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.register = Register()
        self._state = State()
        self._wheel = Wheel(now, self.rules.width)
        self._excepted: dict[str, set[int]] = {}
        self._unwell: dict[str, set[int]] = {}
        self.copies = 0
        """Pieces of evidence that had come before."""
        self.strangers = 0
        """Pieces of evidence of devices that nobody enrolled."""

    def __len__(self) -> int:
        return len(self.register)

    # --- enrolling ----------------------------------------------------------------------------

    def enrol(self, device: Enrolled, now: int) -> list[Event]:
        """Take a device in, or begin anew with one whose key or place was renewed."""
        index, new = self.register.put(device)
        state = self._state
        events: list[Event] = []
        if new:
            state.grow(now)
        else:
            before = _STATUS[state.status[index]]
            reason = state.reason[index]
            state.forget(index, now)
            if before is not Status.NONE or reason:
                events.append(self._event(index, before, Status.NONE, now))
        if device.scheme == "gateway":
            state.flags[index] |= _Flag.GATEWAY
        position = self.register.position_of(index)
        if position is None:
            self._wheel.put(index, now + self.rules.patience)
        else:
            self._unwell.setdefault(position, set()).add(index)
        return events

    # --- hearing ------------------------------------------------------------------------------

    def admits(self, subject: str, epoch: int) -> bool:
        """Whether there is room for more evidence of this device in this epoch: asked before its
        signature is checked, so that nobody makes us check one thing without end.

        Only what came under the right key counts here: others cannot use up a device's room.
        """
        index = self.register.find(subject)
        if index is None:
            return False
        state = self._state
        return state.epoch[index] != epoch or state.count[index] <= self.rules.rate

    def copied(
        self, subject: str, digest: bytes, *, epoch: int, now: int, source: str = ""
    ) -> list[Event] | None:
        """Whether this evidence came before: then its signature need not be checked again.

        None where it is new. The last one again is a network's doing; an older one was recorded.
        """
        index = self.register.find(subject)
        if index is None or not self._state.is_copy(index, digest):
            return None
        self.copies += 1
        if self._state.is_last(index, digest):
            repeats = min(255, self._state.repeats[index] + 1)
            self._state.repeats[index] = repeats
            return self._flood(index, epoch, now, source) if repeats > self.rules.rate else []
        return self._once(index, Alarm.STALE, epoch, now, source)

    def observe(
        self,
        subject: str,
        appraisal: Appraisal,
        *,
        epoch: int,
        now: int,
        source: str = "",
        vouched: bool = False,
        challenge: int | None = None,
    ) -> list[Event]:
        """Take in one appraisal.

        Args:
            subject: whose evidence it says to be.
            appraisal: what its scheme made of it.
            epoch: the epoch that its nonce belongs to (of now, where it answers a challenge).
            now: seconds since 1970.
            source: the gateway that brought it, or the address of a direct device.
            vouched: whether an enrolled gateway signed that it stands at its place.
            challenge: the moment of the challenge it answers.
        """
        index = self.register.find(subject)
        if index is None:
            self.strangers += 1
            return []
        codes = {finding.code for finding in appraisal.findings}
        if codes & _FOREIGN or (
            AppraisalCode.IDENTITY_DIFFERS in codes and self.register.device(index).key is None
        ):
            return self._foreign(index, codes, epoch, now, source, vouched=vouched)
        if codes & _OLD:
            return self._once(index, Alarm.STALE, epoch, now, source, appraisal)
        if _only_on_the_way(appraisal):
            # what no signature covers anybody may have changed: it is told, and changes nothing
            return self._once(index, Alarm.TAMPERING, epoch, now, source, appraisal)
        state = self._state
        if state.is_copy(index, appraisal.evidence):
            self.copies += 1
            return []
        word = _word(appraisal)
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
        state = self._state
        place = state.knows_source(source)
        last_epoch = state.epoch[index]
        same = last_epoch == epoch and bool(state.flags[index] & _Flag.HEARD)
        if same:
            state.count[index] = min(255, state.count[index] + 1)
            if state.count[index] > self.rules.rate:
                return self._flood(index, epoch, now, source)
        else:
            doubled = 1 < state.count[index] <= self.rules.rate and last_epoch == epoch - 1
            state.doubles[index] = min(255, state.doubles[index] + 1) if doubled else 0
            state.count[index], state.repeats[index] = 1, 0
            state.flags[index] &= ~_Flag.FLOODED
        alarm, detail = self._contradiction(index, appraisal, place, epoch)
        if appraisal.uttered is not None:
            state.remember(index, _word(appraisal))
        state.remember(index, appraisal.evidence)
        if alarm not in (Alarm.COUNTER_BACK, Alarm.CLOCK_BACK, Alarm.CLONE):
            self._advance(index, appraisal.counters)
        state.epoch[index] = epoch
        state.source[index] = place
        state.seen[index] = now
        state.suspect[index] = 0
        state.flags[index] |= _Flag.HEARD
        if challenge is not None:
            state.answered[index] = challenge
        if alarm is None:
            alarm, detail = _by_findings(appraisal, codes)
        position = self.register.position_of(index)
        if alarm is None and position is not None and source and source != position:
            alarm, detail = Alarm.MOVED, source
        if alarm is None:
            return self._settle(index, appraisal, now, source)
        effect = effect_of(alarm) or Status.NONE
        return self._become(index, effect, alarm, now, source, detail, appraisal)

    def _settle(self, index: int, appraisal: Appraisal, now: int, source: str) -> list[Event]:
        """Evidence without an alarm: its own status, unless the key itself is in doubt."""
        reason = self._state.reason[index]
        if reason and _ALARM[reason - 1] in _KEY_IN_DOUBT:
            return []
        return self._become(index, appraisal.status, None, now, source, "", appraisal)

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
        state = self._state
        state.suspect[index] = now
        heard = state.epoch[index] == epoch and state.flags[index] & _Flag.HEARD
        if vouched and not heard:
            return self._become(index, Status.CONTRAINDICATED, Alarm.SWAP, now, source)
        return self._once(index, Alarm.CHANGED_KEY, epoch, now, source)

    def _contradiction(
        self,
        index: int,
        appraisal: Appraisal,
        place: int,
        epoch: int,
    ) -> tuple[Alarm | None, str]:
        """What the evidence contradicts of what the same key said before."""
        state = self._state
        if not state.flags[index] & _Flag.HEARD:
            state.voice[index] = _voice(appraisal)
            return None, ""
        elsewhere = place != state.source[index] and epoch - state.epoch[index] <= 1
        counters = appraisal.counters
        back = _went_back(state, index, counters)
        if back == "clock":
            return (Alarm.CLONE, back) if elsewhere else (Alarm.CLOCK_BACK, back)
        if back:
            if elsewhere:
                return Alarm.CLONE, back
            again = counters.sequence is not None and state.sequence[index] == counters.sequence + 1
            return (Alarm.TWO_STREAMS if again else Alarm.COUNTER_BACK), back
        position = self.register.position_of(index)
        foreign = position is not None and state.sources[place] != position
        if position is not None and foreign and self._affirmed_at(index, position, epoch):
            return Alarm.TWO_STREAMS, position
        voice = _voice(appraisal)
        if voice:
            alternates = voice == state.former[index] and voice != state.voice[index]
            if voice != state.voice[index]:
                state.former[index], state.voice[index] = state.voice[index], voice
            if alternates:
                return Alarm.TWO_STREAMS, "boot session"
        # an address proves nothing: a device that roams, or whose network changes, has many. Two
        # things with one key are told by their counters, which cross; by their boot sessions, which
        # alternate; and where evidence has neither, by coming twice an epoch again and again
        forward = counters.clock is not None and counters.clock > state.clock[index] - 1
        if counters.sequence is not None or forward or voice:
            return None, ""
        beside = elsewhere and state.epoch[index] == epoch
        if state.doubles[index] >= (1 if beside else 2):
            return Alarm.TWO_STREAMS, "evidence twice an epoch"
        return None, ""

    def _affirmed_at(self, index: int, position: str, epoch: int) -> bool:
        """Whether its own gateway affirmed it in this very epoch."""
        if self._state.flags[index] & _Flag.EXCEPTED:
            return False
        gateway = self.register.find(position)
        return (
            gateway is not None
            and bool(self._state.flags[gateway] & _Flag.HEARD)
            and self._state.epoch[gateway] == epoch
        )

    def _advance(self, index: int, counters: Counters) -> None:
        state = self._state
        for name in ("boot", "sequence", "clock", "resets", "restarts"):
            value = getattr(counters, name)
            if value is not None:
                getattr(state, name)[index] = value + 1 if 0 <= value < _TOP else 0

    def _flood(self, index: int, epoch: int, now: int, source: str) -> list[Event]:
        state = self._state
        if state.flags[index] & _Flag.FLOODED:
            return []
        state.flags[index] |= _Flag.FLOODED
        state.told[index] = 0
        return self._once(index, Alarm.FLOOD, epoch, now, source)

    # --- gateways -----------------------------------------------------------------------------

    def affirm(
        self,
        gateway: str,
        *,
        epoch: int,
        exceptions: Mapping[str, tuple[Alarm | None, Status | None]],
        now: int,
    ) -> list[Event]:
        """A gateway's bundle that was checked: all its devices but the exceptions are well.

        Args:
            gateway: whose bundle it is.
            epoch: of the bundle.
            exceptions: devices of this gateway that are not affirmed: alarm and status; no status
                where it was only not heard in this epoch.
            now: seconds since 1970.
        """
        own = self.register.find(gateway)
        if own is None:
            self.strangers += 1
            return []
        state = self._state
        if epoch <= state.epoch[own] and state.flags[own] & _Flag.HEARD:
            return []
        before_seen = state.seen[own] if state.flags[own] & _Flag.HEARD else 0
        state.epoch[own], state.seen[own] = epoch, now
        state.flags[own] |= _Flag.HEARD
        events = self._settle_gateway(own, now)
        left_out = self._except(gateway, exceptions, before_seen, now, events)
        unwell, place = self._unwell.setdefault(gateway, set()), state.knows_source(gateway)
        for index in [i for i in unwell if i not in left_out]:
            unwell.discard(index)
            reason = state.reason[index]
            if reason and _ALARM[reason - 1] in _KEY_IN_DOUBT:
                continue
            if self.register.scheme_of(index) == ENDED:
                unwell.add(index)  # nobody speaks for it any more, its gateway neither
                continue
            heard = bool(state.flags[index] & _Flag.HEARD)
            if heard and state.epoch[index] == epoch and state.source[index] != place:
                events += self._become(
                    index, Status.CONTRAINDICATED, Alarm.TWO_STREAMS, now, gateway
                )
                unwell.add(index)
                continue
            state.flags[index] |= _Flag.HEARD
            state.source[index] = place
            events += self._become(index, Status.AFFIRMING, None, now, gateway)
        unwell |= left_out
        return events

    def _settle_gateway(self, own: int, now: int) -> list[Event]:
        reason = self._state.reason[own]
        if reason and _ALARM[reason - 1] in _KEY_IN_DOUBT:
            return []
        return self._become(own, Status.AFFIRMING, None, now, self.register.subjects[own])

    def _except(
        self,
        gateway: str,
        exceptions: Mapping[str, tuple[Alarm | None, Status | None]],
        before_seen: int,
        now: int,
        events: list[Event],
    ) -> set[int]:
        state = self._state
        left_out: set[int] = set()
        for subject, (alarm, status) in exceptions.items():
            index = self.register.find(subject)
            if index is None or self.register.position_of(index) != gateway:
                continue
            left_out.add(index)
            if not state.flags[index] & _Flag.EXCEPTED:
                state.flags[index] |= _Flag.EXCEPTED
                state.seen[index] = max(state.seen[index], before_seen)
                self._wheel.put(index, state.seen[index] + self.rules.patience)
            if alarm is Alarm.SILENCE and now - state.seen[index] < self.rules.patience:
                continue  # silent there, but heard elsewhere
            effect = status if alarm is None else (effect_of(alarm) or status)
            if effect is not None:
                events += self._become(index, effect, alarm, now, gateway)
        for index in self._excepted.get(gateway, set()) - left_out:
            state.flags[index] &= ~_Flag.EXCEPTED
        self._excepted[gateway] = left_out
        return left_out

    def lied(self, gateway: str, now: int, detail: str = "") -> list[Event]:
        """A leaf that the gateway affirmed does not hold."""
        own = self.register.find(gateway)
        if own is None:
            return []
        return self._become(own, Status.CONTRAINDICATED, Alarm.LYING_GATEWAY, now, gateway, detail)

    # --- time ---------------------------------------------------------------------------------

    def tick(self, now: int) -> list[Event]:
        """What became of time: who was not heard by now."""
        state, patience = self._state, self.rules.patience
        events: list[Event] = []
        for index in self._wheel.due(now, lambda i: state.seen[i] + patience):
            if self.register.position_of(index) is None:
                events += self._lapse(index, now)
                self._wheel.put(index, now + patience)
            elif state.flags[index] & _Flag.EXCEPTED:
                if self._gateway_is_well(index):
                    events += self._lapse(index, now)
                else:
                    self._wheel.put(index, now + patience)
        return events

    def grown_old(self, now: int, age: int, most: int = 10_000) -> list[Event]:
        """Standings told longer than ``age`` seconds ago, to be said again; the rest next time."""
        state = self._state
        none, events = _PLACE[Status.NONE], []
        for index in range(len(self.register)):
            if state.said[index] + age <= now and state.status[index] != none:
                state.said[index] = now
                status = _STATUS[state.status[index]]
                reason = state.reason[index]
                alarm = _ALARM[reason - 1] if reason else None
                event = self._event(index, status, status, now, alarm=alarm)
                events.append(replace(event, again=True))
                if len(events) == most:
                    break
        return events

    def sweep(self, now: int) -> list[Event]:
        """As ``tick``, looking at everybody: for a fleet that was just restored to be looked at."""
        events: list[Event] = []
        for index in range(len(self.register)):
            direct = self.register.position_of(index) is None
            if direct and self._state.seen[index] + self.rules.patience <= now:
                events += self._lapse(index, now)
        return events

    def _lapse(self, index: int, now: int) -> list[Event]:
        state = self._state
        reason = state.reason[index]
        if reason and _ALARM[reason - 1] in _KEY_IN_DOUBT:
            return []
        if reason and state.status[index] == _PLACE[Status.CONTRAINDICATED]:
            return []  # silence does not make it better
        if state.suspect[index] and state.suspect[index] >= state.seen[index]:
            # anybody can send a wrong key in the name of a device that is silent: it explains
            # the silence, and is no more than that
            return self._become(index, Status.NONE, Alarm.SWAP, now)
        return self._become(index, Status.NONE, Alarm.SILENCE, now)

    # --- asking -------------------------------------------------------------------------------

    def standing(self, subject: str) -> Standing | None:
        """How a device stands; None where it is not enrolled."""
        index = self.register.find(subject)
        return None if index is None else self._standing(index)

    def standings(self) -> Iterable[Standing]:
        """How every device stands."""
        return map(self._standing, range(len(self.register)))

    def counts(self) -> dict[str, int]:
        """How many devices stand how."""
        found = dict.fromkeys((s.value for s in Status), 0)
        for standing in self.standings():
            found[standing.status.value] += 1
        return found

    def standing_of(self, index: int) -> Status:
        """The status of the device at a place, its gateway's troubles included."""
        own = _STATUS[self._state.status[index]]
        if own is Status.AFFIRMING and not self._gateway_is_well(index):
            return Status.NONE
        return own

    def _gateway_is_well(self, index: int) -> bool:
        position = self.register.position_of(index)
        if position is None:
            return True
        gateway = self.register.find(position)
        return gateway is not None and (_STATUS[self._state.status[gateway]] is Status.AFFIRMING)

    def _standing(self, index: int) -> Standing:
        state = self._state
        status = self.standing_of(index)
        reason = state.reason[index]
        position = self.register.position_of(index) or ""
        word = _ALARM[reason - 1].value if reason else ""
        if not word and status is Status.NONE and position:
            gateway = self.register.find(position)
            place = 0 if gateway is None else state.reason[gateway]
            word = _ALARM[place - 1].value if place else ""
        return Standing(
            subject=self.register.subjects[index],
            scheme=self.register.scheme_of(index),
            status=status,
            reason=word,
            since=state.since[index],
            seen=self._seen(index),
            gateway=position,
            source=state.sources[state.source[index]],
        )

    def _seen(self, index: int) -> int:
        """When it was last heard: itself, or by its gateway's word; 0 never."""
        state = self._state
        own = state.seen[index] if state.flags[index] & _Flag.HEARD else 0
        position = self.register.position_of(index)
        if position is None or state.flags[index] & _Flag.EXCEPTED or not own:
            return own
        gateway = self.register.find(position)
        if gateway is None or not state.flags[gateway] & _Flag.HEARD:
            return own
        return max(own, state.seen[gateway])

    @property
    def bytes_each(self) -> int:
        """Bytes of state per device, the register left out."""
        return self._state.bytes_each

    # --- over a restart -----------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything that a restart must not forget."""
        names = self.register.subjects
        excepted = {g: [names[i] for i in found] for g, found in self._excepted.items() if found}
        return self._state.snapshot(names, {"excepted": excepted})

    def restore(self, data: bytes) -> None:
        """Go on where a snapshot of the same devices ended.

        Raises:
            Malformed: ``fleet.snapshot-damaged``; nothing was changed.
        """
        names = self.register.subjects
        more = self._state.restore(data, {name: place for place, name in enumerate(names)})
        held = more.get("excepted", {}) if isinstance(more, dict) else {}
        for gateway, subjects in held.items():
            places = {self.register.find(s) for s in subjects}
            self._excepted[gateway] = {p for p in places if p is not None}
        affirming = _PLACE[Status.AFFIRMING]
        for gateway, unwell in self._unwell.items():
            unwell.clear()
            for index in self.register.children_of(gateway):
                if self._state.status[index] != affirming:
                    unwell.add(index)

    # --- telling ------------------------------------------------------------------------------

    def _become(
        self,
        index: int,
        after: Status,
        alarm: Alarm | None,
        now: int,
        source: str = "",
        detail: str = "",
        appraisal: Appraisal | None = None,
    ) -> list[Event]:
        state = self._state
        before = _STATUS[state.status[index]]
        reason = 0 if alarm is None else _REASON[alarm]
        if before is after and state.reason[index] == reason:
            return []
        held = state.reason[index]
        if held and _ALARM[held - 1] in _KEY_IN_DOUBT and alarm not in _KEY_IN_DOUBT:
            return []
        if not self._may_turn(index, before, after, alarm, now):
            return []
        if before is not after:
            state.since[index] = now
        state.status[index], state.reason[index] = _PLACE[after], reason
        state.said[index] = now
        position = self.register.position_of(index)
        if position is not None and after is not Status.AFFIRMING:
            self._unwell.setdefault(position, set()).add(index)
        return [
            self._event(
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
        state, hour = self._state, now // 3600
        if state.hour[index] != hour:
            state.hour[index], state.turns[index] = hour, 0
        over = state.turns[index] >= self.rules.turns
        state.turns[index] = min(255, state.turns[index] + 1)
        worse = after.rank > before.rank or alarm in _KEY_IN_DOUBT
        return worse or not over or after is Status.NONE

    def _once(
        self,
        index: int,
        alarm: Alarm,
        epoch: int,
        now: int,
        source: str,
        appraisal: Appraisal | None = None,
    ) -> list[Event]:
        """An alarm that changes no standing, told once an epoch."""
        state = self._state
        if state.told[index] == epoch + 1:
            return []
        state.told[index] = epoch + 1
        status = _STATUS[state.status[index]]
        return [
            self._event(index, status, status, now, alarm=alarm, source=source, appraisal=appraisal)
        ]

    def _event(
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


_TOP: Final = 2**64 - 2


def _word(appraisal: Appraisal) -> bytes:
    """What the device's key said, whatever stands around it."""
    if appraisal.uttered is None:
        return appraisal.evidence
    return sha256(b"".join(appraisal.uttered)).digest()


def _only_on_the_way(appraisal: Appraisal) -> bool:
    """Whether all that tells against the device lies outside what its key signed."""
    against = [one for one in appraisal.findings if one.code.status is Status.CONTRAINDICATED]
    return bool(against) and not any(one.vouched for one in against)


def _by_findings(appraisal: Appraisal, codes: set[AppraisalCode]) -> tuple[Alarm | None, str]:
    """The alarm that an authentic appraisal's findings call for."""
    if appraisal.status is not Status.CONTRAINDICATED:
        return None, ""
    for code, alarm in _BY_FINDING.items():
        if code in codes:
            about = next(f.about for f in appraisal.findings if f.code is code)
            what = str(about.get("component", about.get("what", "")))[:200]
            return (Alarm.MOVED if what == "position" else alarm), what
    return Alarm.TAMPERING, ""


def _went_back(state: State, index: int, counters: Counters) -> str:
    """The counter that went back, by name; empty where none did."""
    newer = False
    for name in ("boot", "resets", "restarts"):
        value, last = getattr(counters, name), getattr(state, name)[index] - 1
        if value is None or last < 0:
            continue
        if value < last:
            return name
        newer = newer or value > last
    if newer:
        return ""  # it began anew since: clock and sequence may have, too
    if counters.sequence is not None and 0 <= counters.sequence <= state.sequence[index] - 1:
        return "sequence"
    if counters.clock is not None and 0 <= counters.clock < state.clock[index] - 1:
        return "clock"
    return ""


def _voice(appraisal: Appraisal) -> int:
    """The boot session that the evidence names, as a number; 0 where it names none."""
    seed = appraisal.claims.get("psa-boot-seed")
    return int.from_bytes(seed[:8], "big") if isinstance(seed, bytes) else 0
