# SPDX-License-Identifier: Apache-2.0
"""The keeper of a store's fleet: the one call in which every door ends.

Keeps: 1. HTTP, MQTT and the command line hand evidence to ``hear`` and bundles to ``take_bundle``;
nothing is appraised anywhere else. 2. One keeper a store and process; one process a store
(``fleet/writer`` is locked). 3. What was heard is remembered before the process ends; after a crash
no evidence of the epochs that may have been heard already is accepted. 4. Nothing that a device or
gateway sends raises further than its own answer.

Its parts stand beside it: ``hearing`` (evidence), ``bundles`` (gateways), over what is ``kept``.
Owner of the mutable state: the keeper, under one lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from kizuna import __version__
from kizuna.app.wiring.devices.bundles import Bundles
from kizuna.app.wiring.devices.following import Follower
from kizuna.app.wiring.devices.hearing import (
    ENDED_KEY,
    MAX_BATCH,
    MAX_EVIDENCE,
    Answer,
    Hearing,
    Piece,
)
from kizuna.app.wiring.devices.kept import Kept
from kizuna.app.wiring.devices.look import Look, Looked, unknown_device, worst_first
from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.app.wiring.devices.standing import Sayings
from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.proof.attestation.appraiser import Appraiser
from kizuna.proof.attestation.ear import sign_ear, sign_jwt
from kizuna.proof.attestation.fleet import Epochs, Fleet, Rules, Standing
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.roots.cose import encode, sign1

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.proof.attestation.fleet.bundle import Opening
    from kizuna.proof.attestation.reference import Reference
    from kizuna.proof.attestation.scheme import Enrolled

__all__ = [
    "ENDED_KEY",
    "MAX_BATCH",
    "MAX_EVIDENCE",
    "Answer",
    "Keeper",
    "Piece",
    "collector_of",
    "keeper_of",
    "seen",
]

_STATE_EVERY: Final = 300
_SOON: Final = 2
"""Seconds after which a standing that changed is written down."""
_SAID_AGAIN: Final = 7 * 86_400
"""Age at which a standing is said again: profiles ask for one of the last eight days."""
_RENEW_EVERY: Final = 900
_LARGE: Final = 20_000
"""Fleets beyond it are written down every five minutes only."""


class Keeper:
    """The fleet of one store, kept."""

    def __init__(self, workspace: Workspace, *, rules: Rules | None = None) -> None:
        self._workspace = workspace
        self._shelf = Shelf(workspace)
        self._shelf.take()
        with contextlib.ExitStack() as fails:
            fails.callback(self._shelf.give_back)
            with contextlib.suppress(Refused):  # a gate that allows it not: `device reseal` tells
                self._shelf.close_secrets()
            now = workspace.clock()
            fleet, epochs = Fleet(now, rules), self._clock_of_epochs(now)
            self._following = Follower(self._shelf)
            for device in self._shelf.read_devices(self._following.entries()):
                fleet.enrol(device, now)
            held = self._shelf.state()
            if held is not None:
                fleet.restore(held)
            appraiser = Appraiser(self._shelf.references(), SCHEMES)
            self._shelf.mark_open()
            fails.pop_all()
        self.collector = collector_of(workspace.identity)
        self._kept = Kept(workspace, fleet, epochs, appraiser)
        self._hearing = Hearing(self._kept, self.collector)
        self._bundles = Bundles(self._kept)
        self._sayings = Sayings(workspace, self._shelf.notices(), self._shelf.keep_result)
        self._epoch = epochs.number(now)
        self._published: tuple[int, bytes] = (-1, b"")
        self._noted = self._renewed = now
        self._moved = False
        self._closed = False

    def _clock_of_epochs(self, now: int) -> Epochs:
        made = Epochs(self._shelf.secret(keeping=True))
        left = self._shelf.left()
        if left is not None:
            # nobody knows what was heard in the epochs that ran then: none of their evidence counts
            made.first, made.since = left if any(left) else (made.number(now) + 1, now)
        return made

    # --- enrolling ----------------------------------------------------------------------------

    @property
    def fleet(self) -> Fleet:
        """The fleet; ask it under nobody's lock only from tests."""
        return self._kept.fleet

    @property
    def epochs(self) -> Epochs:
        """The clock of epochs."""
        return self._kept.epochs

    @property
    def appraisals(self) -> int:
        """Pieces of evidence that were appraised here or by a gateway that is believed."""
        return self._kept.appraisals

    @property
    def drawn(self) -> int:
        """Leaves that are drawn by chance from each bundle."""
        return self._bundles.drawn

    @drawn.setter
    def drawn(self, number: int) -> None:
        self._bundles.drawn = number

    def enrol(self, devices: Iterable[Enrolled]) -> int:
        """Take devices in, or begin anew with those whose key or place was renewed."""
        now = self._workspace.clock()
        taken = list(devices)
        with self._kept.lock:
            self._read_shelf(now)
            self._shelf.add_devices(taken)
            for device in taken:
                self._kept.note(self._kept.fleet.enrol(device, now))
            self._read_shelf(now, own={device.subject for device in taken})
        return len(taken)

    def accept_references(self, values: Iterable[Reference], *, closed: bool = True) -> None:
        """Accept reference values."""
        with self._kept.lock:
            self._shelf.add_references(values, closed=closed)
            self._following.references_changed()
            self._kept.appraiser = Appraiser(self._shelf.references(), SCHEMES)

    # --- freshness ----------------------------------------------------------------------------

    def epoch(self) -> bytes:
        """The signed epoch of now: ``{1: number, 2: nonce, 3: from, 4: until}`` as COSE_Sign1."""
        number = self._kept.epochs.number(self._workspace.clock())
        with self._kept.lock:
            if self._published[0] != number:
                begin = number * self._kept.epochs.seconds
                claims = {
                    1: number,
                    2: self._kept.epochs.nonce(number),
                    3: begin,
                    4: begin + self._kept.epochs.seconds,
                }
                workspace = self._workspace
                self._published = (
                    number,
                    sign1(workspace.unit, workspace.handle, {}, encode(claims)),
                )
            return self._published[1]

    def challenge(self, subject: str) -> bytes:
        """A nonce for one enrolled device.

        Raises:
            Absent: ``fleet.device-unknown``.
        """
        if self._kept.fleet.register.find(subject) is None:
            raise unknown_device(subject)
        return self._kept.epochs.challenge(subject, self._workspace.clock())

    # --- hearing ------------------------------------------------------------------------------

    def hear(self, pieces: Sequence[Piece], source: str) -> list[Answer]:
        """Appraise evidence of devices that speak for themselves; one answer each, in order."""
        return self._hearing.hear(pieces, source)

    def result(self, answer: Answer, *, as_jwt: bool = False, keep: bool = True) -> bytes | None:
        """The whole result of one answer, signed (EAR) and kept beside the log; None where the
        device's own key vouches for nothing in it: the verifier signs no noise.
        """
        appraisal = answer.appraisal
        if appraisal is None or any(one.code.stops for one in appraisal.findings):
            return None
        workspace, make = self._workspace, sign_jwt if as_jwt else sign_ear
        made = make(
            workspace.unit, workspace.handle, appraisal, version=__version__, name=answer.subject
        )
        if keep:
            self._shelf.keep_result(made)
        return made

    # --- gateways -----------------------------------------------------------------------------

    def take_bundle(self, gateway: str, data: bytes) -> list[int]:
        """Take a gateway's bundle of an epoch in: the places of the leaves it has to open.

        Raises:
            Absent: ``fleet.gateway-unknown``. Malformed: ``fleet.bundle-malformed``.
            Tampered: ``fleet.bundle-signature``. Refused: ``fleet.bundle-stale``,
            ``fleet.bundle-count``.
        """
        return self._bundles.take(gateway, data)

    def take_openings(self, gateway: str, openings: Sequence[Opening]) -> str:
        """Judge the leaves asked for, and then believe the bundle: empty, or what does not hold.

        Anybody can send openings: only what the root that the gateway signed leads to counts
        against it, and only once.

        Raises:
            Refused: ``fleet.not-asked``.
        """
        return self._bundles.take_openings(gateway, openings)

    # --- time ---------------------------------------------------------------------------------

    def tick(self) -> None:
        """What became of time: silence, the root of the direct devices, the minute's history;
        and who was enrolled by another process since.
        """
        now = self._workspace.clock()
        with self._kept.lock:
            self._read_shelf(now)
            self._kept.note(self._kept.fleet.tick(now))
            epoch = self._kept.epochs.number(now)
            if epoch != self._epoch:
                self.close_epoch()
                self._epoch = epoch
                self._shelf.note_counts(now, self._kept.fleet.counts())
                if now - self._renewed >= _RENEW_EVERY:
                    self._renewed = now
                    self._kept.events += self._kept.fleet.grown_old(now, _SAID_AGAIN)
            large = len(self._kept.fleet) > _LARGE
            every = _STATE_EVERY if large else self._kept.epochs.seconds
            if self._moved and not large:
                every = _SOON  # who looks beside this process is to see the same
            if now - self._noted >= every:
                self._noted, self._moved = now, False
                self._shelf.keep_state(self._kept.fleet.snapshot())

    def _read_shelf(self, now: int, own: Collection[SubjectId | None] = ()) -> None:
        """Take in what other processes wrote; cheap where they wrote nothing."""
        if self._following.references_changed():
            self._kept.appraiser = Appraiser(self._shelf.references(), SCHEMES)
        register = self._kept.fleet.register
        for device in self._shelf.read_devices(self._following.entries()):
            index = register.find(device.subject or "")
            known = index is not None and (self._following.anew or device.subject in own)
            if not known or register.device(index or 0) != device:
                self._kept.note(self._kept.fleet.enrol(device, now))

    def close_epoch(self) -> None:
        """One root over the direct devices that were affirmed in the epoch that ended."""
        self._hearing.close_epoch(self._epoch)

    def settle(self) -> int:
        """Register what changed since the last time; how many statements it took."""
        with self._kept.lock:
            events, roots = self._kept.events, self._kept.roots
            self._kept.events, self._kept.roots = [], []
            if not events and not roots:
                return 0
            try:
                count = self._sayings.say(events, roots)
            except Problem:
                kept = self._kept
                kept.events, kept.roots = events + kept.events, roots + kept.roots
                raise
            self._shelf.keep_notices(self._sayings.notices)
            self._moved = self._moved or any(event.changed for event in events)
            return count

    def close(self) -> None:
        """Say what is left to say, and remember the rest."""
        with self._kept.lock:
            if self._closed:
                return
            self.settle()
            self._closed = True
            self._shelf.keep_state(self._kept.fleet.snapshot())
            still = self.epochs.bounded(self._workspace.clock())
            self._shelf.mark_closed((self.epochs.first, self.epochs.since) if still else None)
            self._shelf.give_back()
            _KEEPERS.pop(self._workspace, None)

    # --- asking -------------------------------------------------------------------------------

    def standing(self, subject: str) -> Standing:
        """How one device stands.

        Raises:
            Absent: ``fleet.device-unknown``.
        """
        with self._kept.lock:
            found = self._kept.fleet.standing(subject)
        if found is None:
            raise unknown_device(subject)
        return found

    def standings(self) -> list[Standing]:
        """How every device stands, the worst first, then by name."""
        with self._kept.lock:
            return sorted(self._kept.fleet.standings(), key=worst_first)

    def counts(self) -> dict[str, int]:
        """How many devices stand how."""
        with self._kept.lock:
            return self._kept.fleet.counts()

    def history(self) -> list[dict[str, int]]:
        """How many stood how, minute by minute."""
        return self._shelf.history()

    def alarms(self) -> dict[str, int]:
        """How often each alarm was told since this process began."""
        with self._kept.lock:
            found: dict[str, int] = {}
            for (_, alarm), times in self._kept.alarms.items():
                found[alarm] = found.get(alarm, 0) + times
            return found

    def alarms_of(self) -> dict[str, set[str]]:
        """Which alarms each device raised since this process began."""
        with self._kept.lock:
            found: dict[str, set[str]] = {}
            for subject, alarm in self._kept.alarms:
                found.setdefault(subject, set()).add(alarm)
            return found


_KEEPERS: WeakKeyDictionary[Any, Keeper] = WeakKeyDictionary()
_KEEPERS_LOCK: Final = threading.Lock()


def keeper_of(workspace: Workspace) -> Keeper:
    """The keeper of this workspace's fleet, made when first asked for.

    Raises:
        Unavailable: ``fleet.kept-elsewhere``.
    """
    with _KEEPERS_LOCK:
        found = _KEEPERS.get(workspace)
        if found is None:
            found = _KEEPERS[workspace] = Keeper(workspace)
        return found


def seen(workspace: Workspace) -> Looked:
    """The fleet to be looked at: as it is kept in this process, else as it was written down."""
    found = _KEEPERS.get(workspace)
    return Look(workspace) if found is None else found


def collector_of(identity: SubjectId) -> SubjectId:
    """The name under which a verifier gathers the devices that stand under no gateway."""
    return canonical(f"{identity}/fleet")
