# SPDX-License-Identifier: Apache-2.0
"""Evidence of devices that speak for themselves: bounded, appraised, heard; one answer a piece.

Keeps: 1. What cannot count (unknown, too large, heard before, too many) is refused before a
signature is checked. 2. Signatures are checked outside the lock. 3. One root an epoch speaks for
all that were affirmed in it.
Owner of the mutable state: one keeper, under its lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.devices.standing import EpochRoot
from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.appraiser import Task
from kizuna.proof.attestation.fleet import ENDED, GATEWAY
from kizuna.proof.attestation.fleet.bundle import Leaf
from kizuna.proof.attestation.fleet.tree import root_of
from kizuna.roots.cose import SharedKey

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.kept import Kept
    from kizuna.model.identifier import SubjectId

__all__ = ["ENDED_KEY", "MAX_BATCH", "MAX_EVIDENCE", "Answer", "Hearing", "Piece"]

MAX_BATCH: Final = 4096
MAX_EVIDENCE: Final = 256 << 10
"""Largest single piece of evidence in bytes: a quote with a long event log."""
ENDED_KEY: Final = "ended"
"""Why nothing of a device is looked at whose key was revoked, or which was retired."""
_MAX_SOURCES: Final = 65_536
_PER_SOURCE: Final = 100_000
"""Pieces of evidence from one address in one epoch."""


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


class Hearing:
    """The ear of one keeper.

    Args:
        kept: the fleet.
        collector: the name under which devices without a gateway are gathered.
    """

    def __init__(self, kept: Kept, collector: SubjectId) -> None:
        self._kept = kept
        self._collector = collector
        self._leaves: dict[str, Leaf] = {}
        self._sources: dict[str, int] = {}
        self._sources_epoch = -1

    def hear(self, pieces: Sequence[Piece], source: str) -> list[Answer]:
        """Appraise evidence of devices that speak for themselves; one answer each, in order."""
        now = self._kept.workspace.clock()
        current = self._kept.epochs.number(now)
        answers: list[Answer | None] = [None] * len(pieces)
        tasks: list[tuple[int, Piece, Task]] = []
        with self._kept.lock:
            room = self._room(source, current, len(pieces))
            for at, piece in enumerate(pieces):
                refused = self._refusal(piece, current, now, source) if at < room else "flood"
                if refused:
                    answers[at] = self._answer(piece.subject, "refused", refused)
                    continue
                index = self._kept.fleet.register.find(piece.subject)
                device = self._kept.fleet.register.device(index or 0)
                bare = isinstance(device.key, SharedKey)
                fresh = self._kept.epochs.fresh(piece.subject, now, bare=bare)
                tasks.append((at, piece, Task(piece.evidence, device.scheme, fresh, device)))
        appraisals = self._kept.appraiser.appraise_many([task for _, _, task in tasks])
        with self._kept.lock:
            for (at, piece, task), appraisal in zip(tasks, appraisals, strict=True):
                found = getattr(task.freshness, "found", {})
                epoch = found.get("epoch", current)
                events = self._kept.fleet.observe(
                    piece.subject,
                    appraisal,
                    epoch=epoch,
                    now=now,
                    source=source,
                    challenge=found.get("challenge"),
                )
                self._kept.note(events)
                self._kept.appraisals += 1
                if appraisal.status is Status.AFFIRMING:
                    self._leaf(piece.subject, appraisal, epoch)
                told = self._answer(piece.subject, appraisal.status.value, "")
                if not told.reason and appraisal.status is not Status.AFFIRMING:
                    told = replace(told, reason=next((f.code for f in appraisal.findings), ""))
                answers[at] = replace(told, appraisal=appraisal)
        return [answer for answer in answers if answer is not None]

    def _refusal(self, piece: Piece, epoch: int, now: int, source: str) -> str:
        """Why a piece is not looked at; empty where it is."""
        index = self._kept.fleet.register.find(piece.subject)
        if index is None:
            self._kept.fleet.strangers += 1
            return "not-enrolled"
        if len(piece.evidence) > MAX_EVIDENCE:
            return "too-large"
        if self._kept.fleet.register.scheme_of(index) == GATEWAY:
            return "not-enrolled"
        if self._kept.fleet.register.scheme_of(index) == ENDED:
            return ENDED_KEY
        copied = self._kept.fleet.copied(
            piece.subject,
            sha256(piece.evidence).digest(),
            epoch=epoch,
            now=now,
            source=source,
        )
        if copied is not None:
            self._kept.note(copied)
            return "heard-before"
        if not self._kept.fleet.admits(piece.subject, epoch):
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
        standing = self._kept.fleet.standing(subject)
        if standing is None:
            return Answer(subject[:200], status, "", reason or "not-enrolled")
        return Answer(subject, status, standing.status.value, reason or standing.reason)

    def _leaf(self, subject: str, appraisal: Appraisal, epoch: int) -> None:
        register = self._kept.fleet.register
        if register.position_of(register.find(subject) or 0) is None:
            self._leaves[subject] = Leaf(subject, appraisal.scheme, appraisal.evidence, epoch)

    def close_epoch(self, epoch: int) -> None:
        """One root over the direct devices that were affirmed in the epoch that ended."""
        leaves = [self._leaves[name] for name in sorted(self._leaves)]
        self._leaves.clear()
        if leaves:
            self._kept.roots.append(
                EpochRoot(
                    gateway=self._collector,
                    epoch=epoch,
                    devices=len(leaves),
                    affirming=len(leaves),
                    root=root_of([leaf.entry() for leaf in leaves]),
                    checked=len(leaves),
                )
            )
