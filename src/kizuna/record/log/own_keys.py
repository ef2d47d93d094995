# SPDX-License-Identifier: Apache-2.0
"""The keys that a log ever signed with, in their order, and where each was closed.

Keeps: 1. A key is on disk before its first signature. 2. A key once enrolled stays in the list; one
that was lost is closed at the last size that is known to be the log's own word, and an end never
moves to a larger size.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from kizuna.model.errors import Malformed, Misconfigured
from kizuna.record.log.disk import replace_durably, unreadable
from kizuna.record.log.note import Note, NoteKey, signed_by

__all__ = ["OwnKeys"]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of the log: C2SP verifier key, and the size at which it was closed."""

    key: str
    closed: int | None


class OwnKeys:
    """The file of a log's own keys."""

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one.

        Raises:
            Misconfigured: ``log.keys-unreadable``. Unavailable: ``log.unreadable``.
        """
        self.path = path
        self._ends: dict[str, int | None] = {}
        self.refresh()

    @property
    def vkeys(self) -> list[str]:
        """C2SP verifier keys, the present one last."""
        return list(self._ends)

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        """The same, parsed."""
        return tuple(NoteKey.parse(vkey) for vkey in self._ends)

    @property
    def present(self) -> str | None:
        """The key that signs now; none in a log that has not signed yet."""
        return self.vkeys[-1] if self._ends else None

    @property
    def closed(self) -> dict[str, int]:
        """Size at which a key was closed, by the key's label."""
        return {
            NoteKey.parse(vkey).label: size for vkey, size in self._ends.items() if size is not None
        }

    def refresh(self) -> None:
        """Read again what another process may have written."""
        try:
            rows = msgspec.json.decode(self.path.read_bytes(), type=list[_Row])
            for row in rows:
                NoteKey.parse(row.key)
        except FileNotFoundError:
            rows = []
        except OSError as fault:
            raise unreadable(self.path, fault) from fault
        except (msgspec.DecodeError, UnicodeDecodeError, Malformed) as fault:
            raise Misconfigured(
                "log.keys-unreadable",
                f"{self.path} is not the list of this log's keys",
                why=str(fault),
                hint="restore the file from a backup",
                path=str(self.path),
            ) from fault
        self._ends = {row.key: row.closed for row in rows}

    def enrol(self, key: NoteKey, *, always: bool = False) -> None:
        """Write a key down as the present one; with ``always`` also where it is there already.

        Raises:
            Unavailable: ``log.not-written``.
        """
        if key.vkey in self._ends and not always:
            return
        self._ends.setdefault(key.vkey, None)
        rows = [_Row(key=vkey, closed=size) for vkey, size in self._ends.items()]
        replace_durably(self.path, msgspec.json.format(msgspec.json.encode(rows), indent=1))

    def close(self, size: int) -> None:
        """Close the present key at a size, in memory: it goes to disk with the next key."""
        present = self.present
        if present is not None:
            before = self._ends[present]
            self._ends[present] = size if before is None else min(before, size)

    def disown(self, note: Note, size: int) -> bool:
        """Whether only keys signed a note over ``size`` that were closed before it."""
        ends = [end for vkey, end in self._ends.items() if signed_by(note, [NoteKey.parse(vkey)])]
        return bool(ends) and all(end is not None and end < size for end in ends)
