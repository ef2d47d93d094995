# SPDX-License-Identifier: Apache-2.0
"""The gateway's side: verify the devices under it, sign one bundle an epoch, open leaves on demand.

Keeps: 1. The gateway judges by the same code as the fleet's verifier, with a ``Fleet`` of its own.
2. A device is a leaf of an epoch only with evidence of that very epoch; what it cannot affirm is an
exception with its evidence. 3. Leaves and evidence are kept until the next bundle, for spot checks.
Owner of the mutable state: one gateway; one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from kizuna.model.identifier import SubjectId
from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.fleet.alarm import Alarm
from kizuna.proof.attestation.fleet.bundle import (
    Exceptional,
    Leaf,
    Opening,
    make_bundle,
    open_leaves,
)
from kizuna.proof.attestation.fleet.fleet import Fleet, Rules
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.roots.units import Handle, Unit

__all__ = ["Gateway"]

_MAX_STRANGERS = 256


class Gateway:
    """One gateway with the devices enrolled under it."""

    def __init__(
        self,
        subject: SubjectId,
        unit: Unit,
        handle: Handle,
        appraiser: Appraiser,
        *,
        now: int,
        rules: Rules | None = None,
    ) -> None:
        self.subject = subject
        self._unit = unit
        self._handle = handle
        self._appraiser = appraiser
        self._fleet = Fleet(now, rules)
        self._epoch = 0
        self._nonce = b""
        self._heard: dict[str, tuple[bytes, Appraisal]] = {}
        self._bad: dict[str, bytes] = {}
        self._strangers: dict[str, bytes] = {}
        self._leaves: list[Leaf] = []
        self._evidence: list[bytes] = []

    def enrol(self, devices: Iterable[Enrolled], now: int) -> None:
        """Take in the devices that stand under this gateway."""
        for device in devices:
            self._fleet.enrol(replace(device, position=None), now)

    def begin(self, epoch: int, nonce: bytes) -> None:
        """A new epoch was published."""
        self._epoch, self._nonce = epoch, nonce
        self._heard.clear()
        self._bad.clear()
        self._strangers.clear()

    def hear(self, pieces: Sequence[tuple[str, bytes, str]], now: int) -> None:
        """Evidence of devices: subject, bytes, and the port it came in by."""
        register, fleet = self._fleet.register, self._fleet
        known: list[tuple[str, bytes, str]] = []
        tasks: list[Task] = []
        freshness = Freshness(now=now, nonce=self._nonce)
        for subject, evidence, port in pieces:
            index = register.find(subject)
            if index is None:
                if len(self._strangers) < _MAX_STRANGERS:
                    self._strangers[subject] = evidence
                continue
            copied = fleet.copied(
                subject, sha256(evidence).digest(), epoch=self._epoch, now=now, source=port
            )
            if copied is not None or not fleet.admits(subject, self._epoch):
                continue
            device = register.device(index)
            known.append((subject, evidence, port))
            tasks.append(Task(evidence, device.scheme, freshness, device))
        for (subject, evidence, port), appraisal in zip(
            known, self._appraiser.appraise_many(tasks), strict=True
        ):
            fleet.observe(subject, appraisal, epoch=self._epoch, now=now, source=port, vouched=True)
            if appraisal.status is Status.AFFIRMING:
                self._heard[subject] = (evidence, appraisal)
            elif len(self._bad) < _MAX_STRANGERS:
                self._bad[subject] = evidence

    def bundle(self, now: int) -> bytes:
        """The signed bundle of the epoch, once its devices had their time."""
        fleet, register = self._fleet, self._fleet.register
        fleet.tick(now)
        self._leaves, self._evidence = [], []
        exceptions: dict[str, Exceptional] = {}
        order = sorted(range(len(register)), key=register.subjects.__getitem__)
        for index in order:
            subject = register.subjects[index]
            status = fleet.standing_of(index)
            heard = self._heard.get(subject)
            if status is Status.AFFIRMING and heard is not None:
                evidence, appraisal = heard
                self._leaves.append(
                    Leaf(subject, appraisal.scheme, appraisal.evidence, self._epoch)
                )
                self._evidence.append(evidence)
                continue
            standing = fleet.standing(subject)
            reason = "" if standing is None else standing.reason
            late = status is Status.AFFIRMING or (status is Status.NONE and not reason)
            exceptions[subject] = Exceptional(
                alarm=Alarm(reason) if reason else None,
                status=None if late else status,
                evidence=self._bad.get(subject),
            )
        for stranger, sent in self._strangers.items():
            exceptions[stranger] = Exceptional(evidence=sent, stranger=True)
        return make_bundle(
            self._unit,
            self._handle,
            gateway=self.subject,
            epoch=self._epoch,
            nonce=self._nonce,
            leaves=self._leaves,
            exceptions=exceptions,
            now=now,
        )

    def open(self, places: Sequence[int]) -> list[Opening]:
        """The leaves that the verifier asks for."""
        return open_leaves(self._leaves, self._evidence, places)
