# SPDX-License-Identifier: Apache-2.0
"""What this user has seen of each log, kept outside the store's own folder.

::

    $XDG_STATE_HOME/kizuna/seen/<log>    the newest checkpoint seen, as the log signed it

A folder that was put back whole from an old copy is in order by everything inside it. Only
something outside knows better: a witness, a customer, or this record.

Keeps: 1. One small file a log (named by its origin and first key), written whole or not at all, and
only ever renewed by a larger tree that fits. 2. The record is a help and no duty: where it cannot
be read or written, nothing fails. 3. What contradicts it shows in every verdict and ends writing,
until what is missing is back or is declared lost. ``KIZUNA_SEEN=off`` does without.
Does not: help against whoever may write this user's own files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Problem
from kizuna.model.finding import Code, Finding
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.record.log import EvidenceLog

__all__ = ["Seen", "remembering", "with_fault"]

_FAULTS: Final = {"log.rolled-back": Code.LOG_ROLLED_BACK, "log.forked": Code.LOG_FORKED}

_EVERY: Final = 60
"""Seconds between two writings of a process that goes on registering."""
_MAX_NOTE: Final = 64 << 10


class Seen:
    """The record of one log. Owned by one open workspace."""

    def __init__(self, folder: Path, log: EvidenceLog) -> None:
        self._log = log
        first = log.keys[0].label if log.keys else ""
        name = hashlib.sha256(f"{log.origin}\n{first}".encode()).hexdigest()[:32]
        self.path = folder / name
        self._size = -1
        self._written = 0

    def compare(self) -> None:
        """Hold the log to what was seen of it, and see what it has now."""
        try:
            with self.path.open("rb") as file:
                note = file.read(_MAX_NOTE)
        except OSError:
            note = b""
        if note and not self._is_current(note):
            try:
                if self._log.contradicts(note) is not None:
                    return  # the record stays as it is: it is what knows better
            except Problem:
                pass  # not a checkpoint of this log: it says nothing
        self.note_down()

    def _is_current(self, note: bytes) -> bool:
        """True where the record is of the very tree that the log shows now: the usual case."""
        try:
            return note.partition(b"\n\n")[0] == self._log.checkpoint().partition(b"\n\n")[0]
        except Problem:
            return False

    def note_down(self) -> None:
        """Write down the newest checkpoint, where it is newer and nothing contradicts it."""
        size = self._log.published_size
        if size <= self._size or self._log.fault is not None:
            return
        try:
            note = self._log.checkpoint()
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.is_file() or self.path.read_bytes() != note:
                write_whole(self.path, note)
        except (OSError, Problem):
            return
        self._size = size

    def now_and_then(self, clock: Callable[[], int]) -> None:
        """As ``note_down``, at most once a minute."""
        moment = clock()
        if abs(moment - self._written) >= _EVERY:
            self._written = moment
            self.note_down()


def with_fault(verdict: Verdict, log: EvidenceLog, anchors: Anchors) -> Verdict:
    """A verdict over a log that is known to be older, or other, than what was seen of it."""
    fault = log.fault
    code = _FAULTS.get(fault.code) if fault is not None else None
    if fault is None or code is None or log.origin not in {one.origin for one in anchors.logs}:
        return verdict
    finding = Finding(
        subject=verdict.subject,
        code=code,
        requirement="log",
        turn=anchors.verifier or "",
        about=tuple(sorted((k, str(v)) for k, v in fault.about.items())),
    )
    return replace(
        verdict,
        value=min(verdict.value, code.value_given),
        findings=tuple(sorted({*verdict.findings, finding})),
    )


def remembering(folder: Path | None, log: EvidenceLog) -> Seen | None:
    """The record of a log, compared already; none where it is switched off."""
    if folder is None:
        return None
    seen = Seen(folder, log)
    seen.compare()
    return seen
