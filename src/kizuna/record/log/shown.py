# SPDX-License-Identifier: Apache-2.0
"""The checkpoints of a log that others hold, and whether its present tree can be theirs.

Keeps: a checkpoint that was shown to anyone binds the log for good: the one in place, those that
witnesses and mirrors brought back (``state/seen``), those that the log's user keeps elsewhere.
Whoever asks is told of the first that the tree at hand does not continue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from kizuna.model.errors import Misconfigured, Tampered
from kizuna.record.log.checkpoint import Checkpoint, parse_checkpoint
from kizuna.record.log.disk import unreadable
from kizuna.record.log.evidence import keep_evidence
from kizuna.record.log.note import Note, parse_note

__all__ = ["Shown", "contradiction"]


class Shown:
    """What others have seen of one log."""

    def __init__(self, path: Path, origin: str) -> None:
        """The checkpoints of the log in folder ``path``."""
        self.path = path
        self.origin = origin
        self._elsewhere: list[bytes] = []

    def hold_to(self, note: bytes) -> None:
        """Bind the log to a checkpoint while it is open; nothing is kept in its folder."""
        self._elsewhere.append(note)

    def keep(self, note: bytes) -> None:
        """Bind the log to a checkpoint for good.

        Raises:
            Unavailable: ``log.not-written``.
        """
        keep_evidence(self._seen, note)

    def in_place(self) -> Checkpoint | None:
        """The checkpoint that anyone can fetch; none in a new log.

        Raises:
            Malformed: ``log.*``. Misconfigured: ``log.origin-differs``.
            Unavailable: ``log.unreadable``.
        """
        file = self.path / "checkpoint"
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise unreadable(file, fault) from fault
        shown = parse_checkpoint(parse_note(data).text)
        if shown.origin != self.origin:
            raise Misconfigured(
                "log.origin-differs",
                f"the log in {self.path} is {shown.origin!r}, not {self.origin!r}",
                hint="open the log under its own name",
                origin=shown.origin[:200],
                expected=self.origin,
            )
        return shown

    def brought_back(self) -> Iterator[tuple[Note, Checkpoint]]:
        """Those that others showed us, and those kept elsewhere."""
        for data in (
            *(path.read_bytes() for path in sorted(self._seen.glob("[0-9a-f]*"))),
            *self._elsewhere,
        ):
            note = parse_note(data)
            yield note, parse_checkpoint(note.text)

    @property
    def _seen(self) -> Path:
        return self.path / "state" / "seen"


def contradiction(
    shown: Checkpoint, published: int, root_of: Callable[[int], bytes]
) -> Tampered | None:
    """Why a tree cannot be the one that a checkpoint of the same log is about, if it cannot.

    Args:
        shown: what somebody holds.
        published: entries that are published here.
        root_of: the root of the first so many of them.
    """
    if shown.size > published:
        return Tampered(
            "log.rolled-back",
            f"this log has signed a tree of {shown.size} entries and holds {published}",
            why="its files come from an older backup, or a record of it was lost",
            hint="restore the missing entries from a mirror or a newer backup; until then "
            "the log signs nothing, because a second tree of the same size would be a fork",
            signed=shown.size,
            size=published,
        )
    if root_of(shown.size) != shown.root:
        return Tampered(
            "log.forked",
            f"two trees of {shown.origin} with {shown.size} entries have different roots",
            why="both are signed with the log's key: it signed two histories, or was stolen",
            hint="keep both checkpoints, tell those who rely on the log, change its key",
            origin=shown.origin,
            size=shown.size,
        )
    return None
