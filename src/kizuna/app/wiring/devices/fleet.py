# SPDX-License-Identifier: Apache-2.0
"""The keeper of a store's fleet: the one call in which every door ends.

Keeps: 1. HTTP, MQTT and the command line hand evidence to ``hear`` and bundles to ``take_bundle``;
nothing is appraised anywhere else. 2. One keeper a store and process; one process a store
(``fleet/writer`` is locked). 3. What was heard is remembered before the process ends; after a crash
no evidence of the epochs that may have been heard already is accepted. 4. Nothing that a device or
gateway sends raises further than its own answer.

Owner of the mutable state: the keeper, under one lock.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from kizuna import __version__
from kizuna.app.wiring.devices.following import Follower
from kizuna.app.wiring.devices.look import Look, Looked, unknown_device, worst_first
from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.app.wiring.devices.standing import EpochRoot, Sayings
from kizuna.model.errors import Absent, Problem, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.ear import sign_ear, sign_jwt
from kizuna.proof.attestation.fleet import (
    ENDED,
    GATEWAY,
    Alarm,
    Epochs,
    Event,
    Fleet,
    Rules,
    Standing,
)
from kizuna.proof.attestation.fleet.alarm import RAISED_BY_ANYONE
from kizuna.proof.attestation.fleet.bundle import Bundle, Leaf, Opening, read_bundle
from kizuna.proof.attestation.fleet.spot import (
    DRAWN,
    Checked,
    check_opening,
    covered_by,
    draw,
    expected,
    places_of,
)
from kizuna.proof.attestation.fleet.tree import root_of
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
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

MAX_BATCH: Final = 4096
MAX_EVIDENCE: Final = 256 << 10
"""Largest single piece of evidence in bytes: a quote with a long event log."""
ENDED_KEY: Final = "ended"
"""Why nothing of a device is looked at whose key was revoked, or which was retired."""
_MAX_SOURCES: Final = 65_536
_PER_SOURCE: Final = 100_000
"""Pieces of evidence from one address in one epoch."""
_MOST_OWED: Final = 48
"""Most leaves of earlier bundles that are asked for again at once."""
_STATE_EVERY: Final = 300
_SAID_AGAIN: Final = 7 * 86_400
"""Age at which a standing is said again: profiles ask for one of the last eight days."""
_RENEW_EVERY: Final = 900
_LARGE: Final = 20_000
"""Fleets beyond it are written down every five minutes only."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Evidence as it was handed in: whose it says to be, and the bytes."""

    subject: str
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one piece."""

    subject: str
    status: str
    """The status of the appraisal; ``refused`` where nothing was appraised."""
    standing: str
    """How the device stands now; empty where it is not enrolled."""
    reason: str
    appraisal: Appraisal | None = None
    """What was made of it, for whoever wants the whole result."""

    def as_json(self) -> dict[str, str]:
        """As every door shows it."""
        return {
            "subject": self.subject,
            "status": self.status,
            "standing": self.standing,
            "reason": self.reason,
        }


@dataclass(slots=True)
class _Asked:
    """A bundle, and the leaves of it that were asked for."""

    bundle: Bundle
    places: list[int]
    subjects: list[str]
    answered: bool = False


class Keeper:
    """The fleet of one store, kept."""

    def __init__(self, workspace: Workspace, *, rules: Rules | None = None) -> None:
        self._workspace = workspace
        self._shelf = Shelf(workspace)
        self._lock = threading.RLock()
        self._shelf.take()
        with contextlib.suppress(Refused):  # a gate that allows it not: `device reseal` tells
            self._shelf.close_secrets()
        now = workspace.clock()
        held = self._shelf.state()
        self._fleet = Fleet(now, rules)
        self.collector = collector_of(workspace.identity)
        self._following = Follower(self._shelf)
        for device in self._shelf.read_devices(self._following.entries()):
            self._fleet.enrol(device, now)
        if held is not None:
            self._fleet.restore(held)
        self._epochs = Epochs(self._shelf.secret())
        if self._shelf.open:
            # nobody knows what was heard in the epochs that run: none of their evidence may count
            self._epochs.first, self._epochs.since = self._epochs.number(now) + 1, now
        self._shelf.mark(opened=True)
        self._appraiser = Appraiser(self._shelf.references(), SCHEMES)
        self._sayings = Sayings(workspace, self._shelf.notices(), self._shelf.keep_result)
        self._events: list[Event] = []
        self._roots: list[EpochRoot] = []
        self._alarms: dict[tuple[str, str], int] = {}
        self._asked: dict[str, _Asked] = {}
        self._owed: dict[str, set[str]] = {}
        self._leaves: dict[str, Leaf] = {}
        self._leaves_epoch = self._epochs.number(now)
        self._published: tuple[int, bytes] = (-1, b"")
        self._sources: dict[str, int] = {}
        self._sources_epoch = -1
        self._noted = self._renewed = now
        self._closed = False
        self.appraisals = 0
        self.drawn = DRAWN

    # --- enrolling ----------------------------------------------------------------------------

    @property
    def fleet(self) -> Fleet:
        """The fleet; ask it under nobody's lock only from tests."""
        return self._fleet

    @property
    def epochs(self) -> Epochs:
        """The clock of epochs."""
        return self._epochs

    def enrol(self, devices: Iterable[Enrolled]) -> int:
        """Take devices in, or begin anew with those whose key or place was renewed."""
        now = self._workspace.clock()
        taken = list(devices)
        with self._lock:
            self._read_shelf(now)
            self._shelf.add_devices(taken)
            for device in taken:
                self._note(self._fleet.enrol(device, now))
            self._read_shelf(now, own={device.subject for device in taken})
        return len(taken)

    def accept_references(self, values: Iterable[Reference], *, closed: bool = True) -> None:
        """Accept reference values."""
        with self._lock:
            self._shelf.add_references(values, closed=closed)
            self._following.references_changed()
            self._appraiser = Appraiser(self._shelf.references(), SCHEMES)

    # --- freshness ----------------------------------------------------------------------------

    def epoch(self) -> bytes:
        """The signed epoch of now: ``{1: number, 2: nonce, 3: from, 4: until}`` as COSE_Sign1."""
        number = self._epochs.number(self._workspace.clock())
        with self._lock:
            if self._published[0] != number:
                begin = number * self._epochs.seconds
                claims = {
                    1: number,
                    2: self._epochs.nonce(number),
                    3: begin,
                    4: begin + self._epochs.seconds,
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
        if self._fleet.register.find(subject) is None:
            raise unknown_device(subject)
        return self._epochs.challenge(subject, self._workspace.clock())

    # --- hearing ------------------------------------------------------------------------------

    def hear(self, pieces: Sequence[Piece], source: str) -> list[Answer]:
        """Appraise evidence of devices that speak for themselves; one answer each, in order."""
        now = self._workspace.clock()
        current = self._epochs.number(now)
        answers: list[Answer | None] = [None] * len(pieces)
        tasks: list[tuple[int, Piece, Task]] = []
        with self._lock:
            room = self._room(source, current, len(pieces))
            for at, piece in enumerate(pieces):
                refused = self._refusal(piece, current, now, source) if at < room else "flood"
                if refused:
                    answers[at] = self._answer(piece.subject, "refused", refused)
                    continue
                index = self._fleet.register.find(piece.subject)
                device = self._fleet.register.device(index or 0)
                bare = isinstance(device.key, SharedKey)
                fresh = self._epochs.fresh(piece.subject, now, bare=bare)
                tasks.append((at, piece, Task(piece.evidence, device.scheme, fresh, device)))
        appraisals = self._appraiser.appraise_many([task for _, _, task in tasks])
        with self._lock:
            for (at, piece, task), appraisal in zip(tasks, appraisals, strict=True):
                found = getattr(task.freshness, "found", {})
                epoch = found.get("epoch", current)
                events = self._fleet.observe(
                    piece.subject,
                    appraisal,
                    epoch=epoch,
                    now=now,
                    source=source,
                    challenge=found.get("challenge"),
                )
                self._note(events)
                self.appraisals += 1
                if appraisal.status is Status.AFFIRMING:
                    self._leaf(piece.subject, appraisal, epoch)
                told = self._answer(piece.subject, appraisal.status.value, "")
                answers[at] = replace(told, appraisal=appraisal)
        return [answer for answer in answers if answer is not None]

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

    def _refusal(self, piece: Piece, epoch: int, now: int, source: str) -> str:
        """Why a piece is not looked at; empty where it is."""
        index = self._fleet.register.find(piece.subject)
        if index is None:
            self._fleet.strangers += 1
            return "not-enrolled"
        if len(piece.evidence) > MAX_EVIDENCE:
            return "too-large"
        if self._fleet.register.scheme_of(index) == GATEWAY:
            return "not-enrolled"
        if self._fleet.register.scheme_of(index) == ENDED:
            return ENDED_KEY
        copied = self._fleet.copied(
            piece.subject,
            sha256(piece.evidence).digest(),
            epoch=epoch,
            now=now,
            source=source,
        )
        if copied is not None:
            self._note(copied)
            return "heard-before"
        if not self._fleet.admits(piece.subject, epoch):
            return "flood"
        return ""

    def _room(self, source: str, epoch: int, wanted: int) -> int:
        """How many of the pieces from this source are looked at in this epoch."""
        if self._sources_epoch != epoch or len(self._sources) > _MAX_SOURCES:
            self._sources.clear()
            self._sources_epoch = epoch
        used = self._sources.get(source, 0)
        self._sources[source] = used + wanted
        return max(0, _PER_SOURCE - used)

    def _answer(self, subject: str, status: str, reason: str) -> Answer:
        standing = self._fleet.standing(subject)
        if standing is None:
            return Answer(subject[:200], status, "", reason or "not-enrolled")
        return Answer(subject, status, standing.status.value, reason or standing.reason)

    def _leaf(self, subject: str, appraisal: Appraisal, epoch: int) -> None:
        if self._fleet.register.position_of(self._fleet.register.find(subject) or 0) is None:
            self._leaves[subject] = Leaf(subject, appraisal.scheme, appraisal.evidence, epoch)

    # --- gateways -----------------------------------------------------------------------------

    def take_bundle(self, gateway: str, data: bytes) -> list[int]:
        """Take a gateway's bundle of an epoch in: the places of the leaves it has to open.

        Raises:
            Absent: ``fleet.gateway-unknown``. Malformed: ``fleet.bundle-malformed``.
            Tampered: ``fleet.bundle-signature``. Refused: ``fleet.bundle-stale``,
            ``fleet.bundle-count``.
        """
        now = self._workspace.clock()
        with self._lock:
            register = self._fleet.register
            index = register.find(gateway)
            device = None if index is None else register.device(index)
            if device is None or device.scheme != GATEWAY or not isinstance(device.key, PublicKey):
                raise unknown_gateway(gateway)
            bundle = read_bundle(data, device.key, gateway)
            if self._epochs.epoch_of(bundle.nonce, now) != bundle.epoch:
                raise _stale(gateway, bundle.epoch)
            held = self._asked.get(gateway)
            if held is not None and held.bundle.epoch >= bundle.epoch:
                if held.bundle == bundle:
                    return held.places  # sent again: the same leaves are asked for
                raise _stale(gateway, bundle.epoch)
            if covered_by(register, bundle) != bundle.affirming:
                # no lie: who was enrolled a moment ago is not yet known at the gateway
                raise Refused(
                    "fleet.bundle-count",
                    "the bundle does not speak of every device of this gateway",
                    why="leaves and exceptions together are not the devices enrolled under it",
                    hint="enrol or retire devices at the verifier and the gateway alike",
                    gateway=gateway[:200],
                )
            owed = self._owed.setdefault(gateway, set())
            if held is not None and not held.answered:
                owed.update(held.subjects)
            places = draw(bundle.affirming, self.drawn, secrets.token_bytes(32))
            # a leaf that was asked for and never shown is asked for again until it is: else a
            # gateway that lies would keep back just the answers that show it
            still = places_of(register, bundle, owed)[:_MOST_OWED]
            places = sorted({*places, *still})
            self._asked[gateway] = _Asked(bundle, places, expected(register, bundle, places))
            if not places:
                self._believe(gateway, bundle, now, 0)
            return places

    def take_openings(self, gateway: str, openings: Sequence[Opening]) -> str:
        """Judge the leaves asked for, and then believe the bundle: empty, or what does not hold.

        Anybody can send openings: only what the root that the gateway signed leads to counts
        against it, and only once.

        Raises:
            Refused: ``fleet.not-asked``.
        """
        now = self._workspace.clock()
        with self._lock:
            asked = self._asked.get(gateway)
            if asked is None:
                raise Refused(
                    "fleet.not-asked",
                    "no leaves of this gateway were asked for",
                    hint="send the bundle first",
                    gateway=gateway[:200],
                )
            if asked.answered:
                return ""
            bundle, places, subjects = asked.bundle, asked.places, asked.subjects
            by_place = {opening.index: opening for opening in openings}
            for place, subject in zip(places, subjects, strict=True):
                opening = by_place.get(place)
                found = (
                    Checked("it does not show a leaf that was asked for")
                    if opening is None
                    else check_opening(bundle, opening, subject, self._appraise_leaf)
                )
                if found.lie:
                    self._note(self._fleet.lied(gateway, now, found.wrong))
                if found.wrong:
                    return found.wrong
            asked.answered = True
            self._owed.get(gateway, set()).difference_update(subjects)
            self._believe(gateway, bundle, now, len(places))
            return ""

    def _appraise_leaf(self, subject: str, evidence: bytes, epoch: int) -> Appraisal:
        register = self._fleet.register
        device = register.device(register.find(subject) or 0)
        # as of the bundle's own epoch: a network that delays the leaves makes nobody a liar
        moment = (epoch + 1) * self._epochs.seconds - 1
        fresh = self._epochs.fresh(subject, moment, bare=isinstance(device.key, SharedKey))
        self.appraisals += 1
        appraisal = self._appraiser.appraise(Task(evidence, device.scheme, fresh, device))
        if fresh.found.get("epoch") != epoch:
            return replace(appraisal, status=Status.NONE)
        return appraisal

    def _believe(self, gateway: str, bundle: Bundle, now: int, checked: int) -> None:
        fleet, register = self._fleet, self._fleet.register
        exceptions: dict[str, tuple[Alarm | None, Status | None]] = {}
        for name, found in bundle.exceptions.items():
            index = register.find(name)
            if index is None:
                continue
            device = register.device(index)
            home = device.position == gateway
            if home:
                exceptions[name] = (found.alarm, found.status)
            elif found.evidence is not None and self._is_new(name, found.evidence, bundle, now):
                bare = isinstance(device.key, SharedKey)
                fresh = self._epochs.fresh(name, now, bare=bare)
                appraisal = self._appraiser.appraise(
                    Task(found.evidence[:MAX_EVIDENCE], device.scheme, fresh, device)
                )
                self.appraisals += 1
                self._note(
                    fleet.observe(name, appraisal, epoch=bundle.epoch, now=now, source=gateway)
                )
        self.appraisals += bundle.affirming
        self._note(fleet.affirm(gateway, epoch=bundle.epoch, exceptions=exceptions, now=now))
        self._roots.append(
            EpochRoot(
                gateway=canonical(gateway),
                epoch=bundle.epoch,
                devices=len(register.children_of(gateway)),
                affirming=bundle.affirming,
                root=bundle.root,
                checked=checked,
            )
        )

    def _is_new(self, name: str, evidence: bytes, bundle: Bundle, now: int) -> bool:
        """Whether evidence that a gateway heard of a stranger was not heard before."""
        copied = self._fleet.copied(
            name, sha256(evidence).digest(), epoch=bundle.epoch, now=now, source=bundle.gateway
        )
        self._note(copied or [])
        return copied is None

    # --- time ---------------------------------------------------------------------------------

    def tick(self) -> None:
        """What became of time: silence, the root of the direct devices, the minute's history;
        and who was enrolled by another process since.
        """
        now = self._workspace.clock()
        with self._lock:
            self._read_shelf(now)
            self._note(self._fleet.tick(now))
            epoch = self._epochs.number(now)
            if epoch != self._leaves_epoch:
                self.close_epoch()
                self._leaves_epoch = epoch
                self._shelf.note_counts(now, self._fleet.counts())
                if now - self._renewed >= _RENEW_EVERY:
                    self._renewed = now
                    self._events += self._fleet.grown_old(now, _SAID_AGAIN)
            every = _STATE_EVERY if len(self._fleet) > _LARGE else self._epochs.seconds
            if now - self._noted >= every:
                self._noted = now
                self._shelf.keep_state(self._fleet.snapshot())

    def _read_shelf(self, now: int, own: Collection[SubjectId | None] = ()) -> None:
        """Take in what other processes wrote; cheap where they wrote nothing."""
        if self._following.references_changed():
            self._appraiser = Appraiser(self._shelf.references(), SCHEMES)
        register = self._fleet.register
        for device in self._shelf.read_devices(self._following.entries()):
            index = register.find(device.subject or "")
            known = index is not None and (self._following.anew or device.subject in own)
            if not known or register.device(index or 0) != device:
                self._note(self._fleet.enrol(device, now))

    def close_epoch(self) -> None:
        """One root over the direct devices that were affirmed in the epoch that ended."""
        leaves = [self._leaves[name] for name in sorted(self._leaves)]
        self._leaves.clear()
        if leaves:
            self._roots.append(
                EpochRoot(
                    gateway=self.collector,
                    epoch=self._leaves_epoch,
                    devices=len(leaves),
                    affirming=len(leaves),
                    root=root_of([leaf.entry() for leaf in leaves]),
                    checked=len(leaves),
                )
            )

    def settle(self) -> int:
        """Register what changed since the last time; how many statements it took."""
        with self._lock:
            events, roots = self._events, self._roots
            self._events, self._roots = [], []
            if not events and not roots:
                return 0
            try:
                count = self._sayings.say(events, roots)
            except Problem:
                self._events, self._roots = events + self._events, roots + self._roots
                raise
            self._shelf.keep_notices(self._sayings.notices)
            return count

    def close(self) -> None:
        """Say what is left to say, and remember the rest."""
        with self._lock:
            if self._closed:
                return
            self.settle()
            self._closed = True
            self._shelf.keep_state(self._fleet.snapshot())
            self._shelf.mark(opened=False)
            self._shelf.give_back()
            _KEEPERS.pop(self._workspace, None)

    # --- asking -------------------------------------------------------------------------------

    def standing(self, subject: str) -> Standing:
        """How one device stands.

        Raises:
            Absent: ``fleet.device-unknown``.
        """
        with self._lock:
            found = self._fleet.standing(subject)
        if found is None:
            raise unknown_device(subject)
        return found

    def standings(self) -> list[Standing]:
        """How every device stands, the worst first, then by name."""
        with self._lock:
            return sorted(self._fleet.standings(), key=worst_first)

    def counts(self) -> dict[str, int]:
        """How many devices stand how."""
        with self._lock:
            return self._fleet.counts()

    def history(self) -> list[dict[str, int]]:
        """How many stood how, minute by minute."""
        return self._shelf.history()

    def alarms(self) -> dict[str, int]:
        """How often each alarm was told since this process began."""
        with self._lock:
            found: dict[str, int] = {}
            for (_, alarm), times in self._alarms.items():
                found[alarm] = found.get(alarm, 0) + times
            return found

    def alarms_of(self) -> dict[str, set[str]]:
        """Which alarms each device raised since this process began."""
        with self._lock:
            found: dict[str, set[str]] = {}
            for subject, alarm in self._alarms:
                found.setdefault(subject, set()).add(alarm)
            return found

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.changed or event.alarm not in RAISED_BY_ANYONE:
                self._events.append(event)  # the rest is counted, and waits for nobody
            if event.alarm is not None:
                key = (event.subject, event.alarm.value)
                self._alarms[key] = self._alarms.get(key, 0) + 1


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


def unknown_gateway(gateway: str) -> Absent:
    """The problem of a gateway that nobody enrolled."""
    return Absent(
        "fleet.gateway-unknown",
        f"no gateway named {gateway[:200]} is enrolled here",
        hint="enrol it with its public key under the scheme `gateway`",
        gateway=gateway[:200],
    )


def _stale(gateway: str, epoch: int) -> Refused:
    return Refused(
        "fleet.bundle-stale",
        f"the bundle of epoch {epoch} is of no epoch that is still open",
        why="it came too late, was sent again, or a second one was made for the same epoch",
        hint="fetch the current epoch and make a bundle for it",
        gateway=gateway[:200],
        epoch=epoch,
    )
