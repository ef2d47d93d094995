# SPDX-License-Identifier: Apache-2.0
"""Bundles of gateways: taken in, spot-checked by leaves drawn by chance, and then believed.

Keeps: 1. A bundle counts for nothing before every leaf that was asked for is shown. 2. What was
asked for and never shown is asked for again. 3. Only what the root that a gateway signed leads to
counts against it.
Owner of the mutable state: one keeper, under its lock.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from kizuna.app.wiring.devices.hearing import MAX_EVIDENCE
from kizuna.app.wiring.devices.standing import EpochRoot
from kizuna.model.errors import Absent, Refused
from kizuna.model.identifier import canonical
from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.appraiser import Task
from kizuna.proof.attestation.fleet import GATEWAY, Alarm
from kizuna.proof.attestation.fleet.bundle import Bundle, Opening, read_bundle
from kizuna.proof.attestation.fleet.spot import (
    DRAWN,
    Checked,
    check_opening,
    covered_by,
    draw,
    expected,
    places_of,
)
from kizuna.roots.cose import SharedKey
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.kept import Kept

__all__ = ["Bundles", "unknown_gateway"]

_MOST_OWED: Final = 48
"""Most leaves of earlier bundles that are asked for again at once."""


@dataclass(slots=True)
class _Asked:
    """A bundle, and the leaves of it that were asked for."""

    bundle: Bundle
    places: list[int]
    subjects: list[str]
    answered: bool = False


class Bundles:
    """The gateways' side of one keeper."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._asked: dict[str, _Asked] = {}
        self._owed: dict[str, set[str]] = {}
        self.drawn = DRAWN
        """Leaves that are drawn from each bundle."""

    def take(self, gateway: str, data: bytes) -> list[int]:
        """As ``Keeper.take_bundle``."""
        now = self._kept.workspace.clock()
        with self._kept.lock:
            register = self._kept.fleet.register
            index = register.find(gateway)
            device = None if index is None else register.device(index)
            if device is None or device.scheme != GATEWAY or not isinstance(device.key, PublicKey):
                raise unknown_gateway(gateway)
            bundle = read_bundle(data, device.key, gateway)
            if self._kept.epochs.epoch_of(bundle.nonce, now) != bundle.epoch:
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
        """As ``Keeper.take_openings``."""
        now = self._kept.workspace.clock()
        with self._kept.lock:
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
                    self._kept.note(self._kept.fleet.lied(gateway, now, found.wrong))
                if found.wrong:
                    return found.wrong
            asked.answered = True
            self._owed.get(gateway, set()).difference_update(subjects)
            self._believe(gateway, bundle, now, len(places))
            return ""

    def _appraise_leaf(self, subject: str, evidence: bytes, epoch: int) -> Appraisal:
        register = self._kept.fleet.register
        device = register.device(register.find(subject) or 0)
        # as of the bundle's own epoch: a network that delays the leaves makes nobody a liar
        moment = (epoch + 1) * self._kept.epochs.seconds - 1
        fresh = self._kept.epochs.fresh(subject, moment, bare=isinstance(device.key, SharedKey))
        self._kept.appraisals += 1
        appraisal = self._kept.appraiser.appraise(Task(evidence, device.scheme, fresh, device))
        if fresh.found.get("epoch") != epoch:
            return replace(appraisal, status=Status.NONE)
        return appraisal

    def _believe(self, gateway: str, bundle: Bundle, now: int, checked: int) -> None:
        fleet, register = self._kept.fleet, self._kept.fleet.register
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
                fresh = self._kept.epochs.fresh(name, now, bare=bare)
                appraisal = self._kept.appraiser.appraise(
                    Task(found.evidence[:MAX_EVIDENCE], device.scheme, fresh, device)
                )
                self._kept.appraisals += 1
                self._kept.note(
                    fleet.observe(name, appraisal, epoch=bundle.epoch, now=now, source=gateway)
                )
        self._kept.appraisals += bundle.affirming
        self._kept.note(fleet.affirm(gateway, epoch=bundle.epoch, exceptions=exceptions, now=now))
        self._kept.roots.append(
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
        copied = self._kept.fleet.copied(
            name, sha256(evidence).digest(), epoch=bundle.epoch, now=now, source=bundle.gateway
        )
        self._kept.note(copied or [])
        return copied is None


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
