# SPDX-License-Identifier: Apache-2.0
"""The fleet: appraisals in, changes of standing and alarms out.

Keeps: 1. A standing changes only by what the enrolled key, an enrolled gateway or time itself says;
what anybody on the network could bring about is told and changes nothing. 2. Evidence that came
before changes nothing, also after a restart (``snapshot``). 3. A device that is not heard is
``none``, never affirming; one whose gateway is silent or lied is so at once, without a word about
each. 4. A standing that casts doubt on the key itself ends only by enrolling anew.
Does not: read evidence (the schemes do), sign, keep time: ``now`` is an argument.

Its parts stand beside it: ``hearing`` (evidence), ``affirming`` (bundles), ``lapsing`` (time), over
one ``book``.
Owner of the mutable state: whoever holds the ``Fleet``; one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.fleet.affirming import Affirming
from kizuna.proof.attestation.fleet.alarm import Alarm, Event
from kizuna.proof.attestation.fleet.book import Book
from kizuna.proof.attestation.fleet.hearing import Hearing
from kizuna.proof.attestation.fleet.lapsing import Lapsing
from kizuna.proof.attestation.fleet.standing import (
    ALARMS,
    PLACE,
    STATUSES,
    Flag,
    Rules,
    Standing,
)
from kizuna.proof.attestation.scheme import Enrolled

__all__ = ["Fleet", "Rules", "Standing"]


class Fleet:
    """The standing of every enrolled device."""

    def __init__(self, now: int, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self._book = Book(now, self.rules)
        self.register = self._book.register
        self._state = self._book.state
        self._hearing = Hearing(self._book)
        self._affirming = Affirming(self._book)
        self._lapsing = Lapsing(self._book)
        self.strangers = 0
        """Pieces of evidence of devices that nobody enrolled."""

    def __len__(self) -> int:
        return len(self.register)

    @property
    def copies(self) -> int:
        """Pieces of evidence that had come before."""
        return self._hearing.copies

    # --- enrolling ----------------------------------------------------------------------------

    def enrol(self, device: Enrolled, now: int) -> list[Event]:
        """Take a device in, or begin anew with one whose key or place was renewed."""
        index, new = self.register.put(device)
        state = self._state
        events: list[Event] = []
        if new:
            state.grow(now)
        else:
            before = STATUSES[state.status[index]]
            reason = state.reason[index]
            state.forget(index, now)
            if before is not Status.NONE or reason:
                events.append(self._book.event(index, before, Status.NONE, now))
        if device.scheme == "gateway":
            state.flags[index] |= Flag.GATEWAY
        position = self.register.position_of(index)
        if position is None:
            self._book.wheel.put(index, now + self.rules.patience)
        else:
            self._book.unwell.setdefault(position, set()).add(index)
        return events

    # --- hearing ------------------------------------------------------------------------------

    def admits(self, subject: str, epoch: int) -> bool:
        """Whether there is room for more evidence of this device in this epoch: asked before its
        signature is checked, so that nobody makes us check one thing without end.

        Only what came under the right key counts here: others cannot use up a device's room.
        """
        return self._hearing.admits(subject, epoch)

    def copied(
        self, subject: str, digest: bytes, *, epoch: int, now: int, source: str = ""
    ) -> list[Event] | None:
        """Whether this evidence came before: then its signature need not be checked again.

        None where it is new. The last one again is a network's doing; an older one was recorded.
        """
        return self._hearing.copied(subject, digest, epoch=epoch, now=now, source=source)

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
        return self._hearing.observe(
            index,
            appraisal,
            epoch=epoch,
            now=now,
            source=source,
            vouched=vouched,
            challenge=challenge,
        )

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
        return self._affirming.affirm(own, epoch=epoch, exceptions=exceptions, now=now)

    def lied(self, gateway: str, now: int, detail: str = "") -> list[Event]:
        """A leaf that the gateway affirmed does not hold."""
        return self._affirming.lied(gateway, now, detail)

    # --- time ---------------------------------------------------------------------------------

    def tick(self, now: int) -> list[Event]:
        """What became of time: who was not heard by now."""
        return self._lapsing.tick(now)

    def grown_old(self, now: int, age: int, most: int = 10_000) -> list[Event]:
        """Standings told longer than ``age`` seconds ago, to be said again; the rest next time."""
        return self._lapsing.grown_old(now, age, most)

    def sweep(self, now: int) -> list[Event]:
        """As ``tick``, looking at everybody: for a fleet that was just restored to be looked at."""
        return self._lapsing.sweep(now)

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
        return self._book.standing_of(index)

    def _standing(self, index: int) -> Standing:
        state = self._state
        status = self.standing_of(index)
        reason = state.reason[index]
        position = self.register.position_of(index) or self.register.observer_of(index) or ""
        word = ALARMS[reason - 1].value if reason else ""
        if not word and status is Status.NONE and position:
            gateway = self.register.find(position)
            place = 0 if gateway is None else state.reason[gateway]
            word = ALARMS[place - 1].value if place else ""
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
        own = state.seen[index] if state.flags[index] & Flag.HEARD else 0
        position = self.register.position_of(index)
        if position is None or state.flags[index] & Flag.EXCEPTED or not own:
            return own
        gateway = self.register.find(position)
        if gateway is None or not state.flags[gateway] & Flag.HEARD:
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
        excepted = {
            g: [names[i] for i in found] for g, found in self._book.excepted.items() if found
        }
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
            self._book.excepted[gateway] = {p for p in places if p is not None}
        affirming = PLACE[Status.AFFIRMING]
        for gateway, unwell in self._book.unwell.items():
            unwell.clear()
            for index in self.register.children_of(gateway):
                if self._state.status[index] != affirming:
                    unwell.add(index)
