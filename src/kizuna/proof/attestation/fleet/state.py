# SPDX-License-Identifier: Apache-2.0
"""What is remembered of each device between two pieces of evidence: columns of plain numbers.

Keeps: 1. About 210 bytes a device, whatever it sends. 2. A snapshot holds everything that protects
against evidence sent again (counters, epochs, answered challenges, digests of recent evidence), and
a damaged or foreign snapshot is refused whole. 3. A snapshot names devices, not places, so it fits
a register that was filled in another order.
Owner of the mutable state: one ``Fleet``.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kizuna.model.errors import Malformed

__all__ = ["RECENT", "State"]

RECENT: Final = 8
"""Digests remembered per device, two a piece of evidence: itself, and what its key said in it. More
than one epoch can bring; evidence of an epoch before the last one heard is late anyway."""

_COLUMNS: Final[tuple[tuple[str, str], ...]] = (
    ("status", "B"),  # place in Status
    ("reason", "B"),  # place in Alarm plus one; 0 none
    ("count", "B"),  # authentic evidence in the last epoch
    ("repeats", "B"),  # copies in that epoch
    ("doubles", "B"),  # epochs in a row with more than one
    ("flags", "B"),
    ("since", "I"),  # when the standing began
    ("said", "I"),  # when the standing was told last
    ("seen", "I"),  # last fresh evidence
    ("suspect", "I"),  # last evidence under another key
    ("told", "I"),  # epoch of the last alarm that changes nothing
    ("epoch", "I"),  # of the last evidence
    ("answered", "I"),  # moment of the last challenge answered
    ("source", "I"),  # place in the table of sources
    ("resets", "Q"),  # counters hold value plus one; 0 never said
    ("restarts", "Q"),
    ("boot", "Q"),
    ("sequence", "Q"),
    ("clock", "Q"),
    ("resets_before", "Q"),  # the same as they stood when the running epoch began
    ("restarts_before", "Q"),
    ("boot_before", "Q"),
    ("sequence_before", "Q"),
    ("clock_before", "Q"),
    ("heard", "Q"),  # which of the last 64 sequences were heard, the furthest in bit 0
    ("voice", "Q"),  # boot session of the last evidence, hashed
    ("former", "Q"),  # and of the one before
    ("turns", "B"),  # changes of standing in this hour
    ("hour", "I"),
    ("next", "B"),  # where the next digest goes
)
_MAGIC: Final = b"kizuna fleet 1\n"
MAX_SNAPSHOT: Final = 1 << 31


class State:
    """The columns; a device's state stands at its place in the register."""

    status: array[int]
    reason: array[int]
    count: array[int]
    repeats: array[int]
    doubles: array[int]
    flags: array[int]
    since: array[int]
    said: array[int]
    seen: array[int]
    suspect: array[int]
    told: array[int]
    epoch: array[int]
    answered: array[int]
    source: array[int]
    resets: array[int]
    restarts: array[int]
    boot: array[int]
    sequence: array[int]
    clock: array[int]
    resets_before: array[int]
    restarts_before: array[int]
    boot_before: array[int]
    sequence_before: array[int]
    clock_before: array[int]
    heard: array[int]
    voice: array[int]
    former: array[int]
    turns: array[int]
    hour: array[int]
    next: array[int]

    def __init__(self) -> None:
        for name, kind in _COLUMNS:
            setattr(self, name, array(kind))
        self.recent = array("Q")
        self.sources: list[str] = [""]
        self._source_index = {"": 0}

    def grow(self, now: int) -> None:
        """Room for one more device, heard of now and never heard."""
        for name, _ in _COLUMNS:
            getattr(self, name).append(0)
        self.since[-1] = now
        self.seen[-1] = now
        self.recent.extend((0,) * RECENT)

    def forget(self, index: int, now: int) -> None:
        """Begin anew, as after a new enrolment; digests of recent evidence stay known."""
        for name, _ in _COLUMNS:
            if name != "next":
                getattr(self, name)[index] = 0
        self.since[index] = now
        self.seen[index] = now

    def knows_source(self, name: str) -> int:
        """The place of a source in the table."""
        found = self._source_index.get(name)
        if found is None:
            found = len(self.sources)
            self.sources.append(name)
            self._source_index[name] = found
        return found

    def is_copy(self, index: int, digest: bytes) -> bool:
        """Whether this very evidence came before."""
        start = index * RECENT
        return int.from_bytes(digest[:8], "big") in self.recent[start : start + RECENT]

    def is_last(self, index: int, digest: bytes, *, back: int = 1) -> bool:
        """Whether it is the very last that was remembered, or one so many steps back."""
        place = (self.next[index] - back) % RECENT
        return self.recent[index * RECENT + place] == int.from_bytes(digest[:8], "big")

    def remember(self, index: int, digest: bytes) -> None:
        """Know this evidence again."""
        place = self.next[index]
        self.recent[index * RECENT + place] = int.from_bytes(digest[:8], "big")
        self.next[index] = (place + 1) % RECENT

    @property
    def bytes_each(self) -> int:
        """Bytes per device."""
        each: int = sum(getattr(self, name).itemsize for name, _ in _COLUMNS)
        return each + RECENT * self.recent.itemsize

    # --- over a restart -----------------------------------------------------------------------

    def snapshot(self, subjects: Sequence[str], more: Any = None) -> bytes:  # noqa: ANN401
        """Everything as bytes; ``more`` is handed back by ``restore``."""
        body = msgspec.msgpack.encode(
            {
                "subjects": list(subjects),
                "columns": {name: getattr(self, name).tobytes() for name, _ in _COLUMNS},
                "recent": self.recent.tobytes(),
                "sources": self.sources,
                "more": more,
            }
        )
        return _MAGIC + zlib.crc32(body).to_bytes(4, "big") + body

    def restore(self, data: bytes, places: dict[str, int]) -> Any:  # noqa: ANN401
        """Take over the state of every device that has a place; gives ``more`` back.

        Raises:
            Malformed: ``fleet.snapshot-damaged``; nothing was changed.
        """
        head = len(_MAGIC) + 4
        body = data[head:]
        whole = (
            data.startswith(_MAGIC)
            and len(data) <= MAX_SNAPSHOT
            and zlib.crc32(body).to_bytes(4, "big") == data[head - 4 : head]
        )
        if not whole:
            raise _damaged("it was cut short or changed")
        try:
            held = msgspec.msgpack.decode(body)
            subjects, recent, sources = held["subjects"], array("Q"), list(held["sources"])
            recent.frombytes(held["recent"])
            columns = {}
            for name, kind in _COLUMNS:
                columns[name] = array(kind)
                # a column that an earlier version did not know begins empty
                kept = held["columns"].get(name) or bytes(len(subjects) * columns[name].itemsize)
                columns[name].frombytes(kept)
        except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError) as fault:
            raise _damaged(str(fault)) from fault
        lengths = {len(column) for column in columns.values()} | {len(subjects)}
        if len(lengths) != 1 or len(recent) != len(subjects) * RECENT:
            raise _damaged("its columns differ in length")
        if any(place >= len(sources) for place in columns["source"]):
            raise _damaged("it names a source that it does not hold")
        moved = [self.knows_source(name) for name in sources]
        for old, subject in enumerate(subjects):
            place = places.get(subject)
            if place is None:
                continue
            for name, column in columns.items():
                getattr(self, name)[place] = column[old]
            self.source[place] = moved[columns["source"][old]]
            self.recent[place * RECENT : (place + 1) * RECENT] = recent[
                old * RECENT : (old + 1) * RECENT
            ]
        return held.get("more")


def _damaged(why: str) -> Malformed:
    return Malformed(
        "fleet.snapshot-damaged",
        "the fleet's remembered state cannot be read",
        why=why,
        hint="restore the file from a backup; without it every device must attest anew before it "
        "counts, and evidence of the last two minutes could be sent again",
        fault=why[:200],
    )
