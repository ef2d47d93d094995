# SPDX-License-Identifier: Apache-2.0
"""What a gate remembers: rates, violations, locks, consents, and the chained record of events.

Keeps: 1. Every record names the SHA-256 of the one before, and the state names the last: taking
out, changing or cutting off a record shows. 2. What locks, unlocks, consents or refuses for the
first time is on disk before the answer is given. 3. Nothing grows without bound: repeated refusals
of one rule and caller become one record with a count, at growing intervals; many callers become
"others"; the file turns over in segments. A flood can neither fill the disk nor push out the past
quickly. 4. Processes that share a file take turns; a half-written line from a crash is cut off and
said.

Owner of mutable state: ``State``, only between ``turn``'s beginning and end.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct, field

from kizuna.model.errors import Misconfigured, Tampered

__all__ = [
    "MAX_KEPT",
    "MAX_SERIES",
    "Book",
    "Event",
    "FileBook",
    "Held",
    "MemoryBook",
    "Series",
    "State",
    "check_chain",
]

SEGMENT: Final = 1 << 20
SEGMENTS: Final = 8
MAX_SERIES: Final = 64
"""Most pairs of rule and caller whose refusals are counted apart."""
MAX_KEPT: Final = 1_000
"""Most consents, and most locks and counts of violations, that are kept."""
_MAX_STATE: Final = 32 << 20
_START: Final = "0" * 64


class Event(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One record. ``count`` refusals between ``first`` and ``last`` may stand in one."""

    at: int
    event: str
    """``refused``, ``locked``, ``unlocked``, ``consented``, ``consent``, ``policy``, ``mended``."""
    key: str = ""
    label: str = ""
    operation: str = ""
    rule: str = ""
    code: str = ""
    caller: str = ""
    purpose: str = ""
    count: int = 1
    first: int = 0
    last: int = 0
    detail: str = ""
    seq: int = 0
    prev: str = ""


class Series(Struct, kw_only=True):
    """Refusals of one rule, caller and reason."""

    event: Event
    recorded: int
    """When the last record of it was written."""
    pause: int
    """Seconds until the next one."""
    waiting: int = 0
    """Refusals since that are not in a record yet."""
    unreported: int = 0
    """Refusals of which no notice was given yet."""
    since: int = 0
    last: int = 0
    reported: int = 0
    """When the last notice was given."""


class Held(Struct, kw_only=True):
    """A consent that was handed in."""

    raw: bytes
    ends: int
    used: int = 0


class State(Struct, kw_only=True):
    """Everything that outlives a call."""

    seq: int = 0
    head: str = _START
    rates: dict[str, int] = field(default_factory=dict)
    """By rule and key: the theoretical arrival time in microseconds."""
    violations: dict[str, list[int]] = field(default_factory=dict)
    locks: dict[str, int] = field(default_factory=dict)
    consents: dict[str, Held] = field(default_factory=dict)
    over: int = 0
    """The latest end of a consent that was forgotten: none that ends earlier is taken again, also
    where the clock goes back."""
    series: dict[str, Series] = field(default_factory=dict)
    noticed: int = 0
    """When notices were last given out, and how many in that hour."""
    notices: int = 0


class Book(Protocol):
    """Where a gate remembers."""

    def turn(self) -> AbstractContextManager[State]:
        """Change the state alone, to the end of the ``with``."""
        ...

    def read(self) -> State:
        """The state to look at, not to change."""
        ...

    def append(self, state: State, event: Event) -> None:
        """Add a record, durably where the book is durable; only within ``turn``."""
        ...

    def tail(self, limit: int) -> list[Event]:
        """The last records, oldest first."""
        ...


class MemoryBook:
    """A gate's memory that ends with the process: for tests, worlds and short-lived gates."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = threading.RLock()
        self.events: list[Event] = []

    @contextmanager
    def turn(self) -> Iterator[State]:
        """Change the state alone."""
        with self._lock:
            yield self._state

    def read(self) -> State:
        """The state to look at, not to change."""
        return self._state

    def append(self, state: State, event: Event) -> None:
        """Add a record; only within ``turn``."""
        line, event = _line(state, event)
        state.seq, state.head = event.seq, sha256(line).hexdigest()
        self.events.append(event)
        del self.events[: -4 * MAX_KEPT]

    def tail(self, limit: int) -> list[Event]:
        """The last records, oldest first."""
        return self.events[-limit:]


class FileBook:
    """A gate's memory in a folder that several processes share.

    ::

        state.json      rates, locks, consents, the head of the chain
        audit.jsonl     the newest segment of the record; audit.1.jsonl is the one before
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state = self._folder / "state.json"
        self._audit = self._folder / "audit.jsonl"
        self._lock = threading.RLock()
        self._known: tuple[tuple[int, int], State] | None = None
        self._durable = False
        with self.turn() as state:
            self._mend(state)

    @contextmanager
    def turn(self) -> Iterator[State]:
        """Change the state alone; it is written at the end, or not at all after an exception."""
        with self._lock, (self._folder / "lock").open("a") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            self._durable = False
            state = self._load()
            before = _packed(state)
            yield state
            after = _packed(state)
            if after != before:
                self._store(after)

    def read(self) -> State:
        """The state to look at, not to change; read again when it changed."""
        try:
            found = self._state.stat()
        except OSError:
            return State()
        shape = (found.st_mtime_ns, found.st_ino)
        known = self._known
        if known is None or known[0] != shape:
            known = (shape, self._load())
            self._known = known
        return known[1]

    def append(self, state: State, event: Event) -> None:
        """Add a record, on disk when this returns; only within ``turn``."""
        line, event = _line(state, event)
        if self._audit.exists() and self._audit.stat().st_size + len(line) > SEGMENT:
            self._turn_over()
        descriptor = os.open(self._audit, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        state.seq, state.head = event.seq, sha256(line).hexdigest()
        self._durable = True

    def tail(self, limit: int) -> list[Event]:
        """The last records, oldest first."""
        found: list[Event] = []
        for path in reversed(self.segments()):
            lines = path.read_bytes().splitlines()
            found[:0] = [msgspec.json.decode(line, type=Event) for line in lines[-limit:]]
            if len(found) >= limit:
                break
        return found[-limit:]

    def segments(self) -> list[Path]:
        """The files of the record that are still there, oldest first."""
        older = [self._folder / f"audit.{n}.jsonl" for n in range(SEGMENTS - 1, 0, -1)]
        return [path for path in (*older, self._audit) if path.is_file()]

    def check(self) -> int:
        """Follow the chain through every record still there; how many there are.

        Raises:
            Tampered: ``gate.audit-broken``.
        """
        lines = [line for p in self.segments() for line in p.read_bytes().splitlines(keepends=True)]
        state = self.read()
        check_chain(lines, state.head, state.seq)
        return len(lines)

    def _load(self) -> State:
        try:
            data = self._state.read_bytes()
        except FileNotFoundError:
            return State()
        try:
            return msgspec.json.decode(data[:_MAX_STATE], type=State)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Misconfigured(
                "gate.state-damaged",
                f"what the gate remembers cannot be read: {self._state}",
                why=str(fault)[:200],
                hint="keep the file for inquiry and restore it from a backup: without it nobody "
                "knows which keys are locked",
                path=str(self._state),
            ) from fault

    def _store(self, data: bytes) -> None:
        part = self._state.with_name("state.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, data)
            if self._durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.replace(self._state)

    def _turn_over(self) -> None:
        for number in range(SEGMENTS - 1, 0, -1):
            source = self._folder / (f"audit.{number - 1}.jsonl" if number > 1 else "audit.jsonl")
            if source.exists():
                source.replace(self._folder / f"audit.{number}.jsonl")

    def _mend(self, state: State) -> None:
        """After a crash: take in a record whose state was not written, cut off half a line."""
        if not self._audit.exists():
            return
        data = self._audit.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(self._audit, len(whole))
        lines = whole.splitlines(keepends=True)
        if lines and sha256(lines[-1]).hexdigest() != state.head:
            last = msgspec.json.decode(lines[-1], type=Event)
            if last.seq == state.seq + 1 and last.prev == state.head:
                state.seq, state.head = last.seq, sha256(lines[-1]).hexdigest()
                if last.event == "locked":
                    state.locks[last.detail] = last.at
            else:  # the state was taken away or set back: with it, locks and spent consents
                raise _broken(last.seq, f"the gate remembers {state.seq} records, not {last.seq}")


def check_chain(lines: list[bytes], head: str, seq: int) -> None:
    """See that records follow each other without a gap up to ``head``.

    Raises:
        Tampered: ``gate.audit-broken``.
    """
    before, number = "", 0
    for line in lines:
        try:
            event = msgspec.json.decode(line, type=Event)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise _broken(number + 1, "it cannot be read") from fault
        if before and (event.prev != before or event.seq != number + 1):
            raise _broken(event.seq, "it does not follow the one before")
        before, number = sha256(line).hexdigest(), event.seq
    if (before or _START) != head or number != seq:
        raise _broken(number, f"the record ends at {number}, the gate remembers {seq}")


def _broken(number: int, why: str) -> Tampered:
    return Tampered(
        "gate.audit-broken",
        f"the gate's record is broken at entry {number}: {why}",
        why=why,
        hint="somebody changed the file: keep it, and treat the key as misused since",
        number=number,
        fault=why,
    )


def _line(state: State, event: Event) -> tuple[bytes, Event]:
    event = msgspec.structs.replace(event, seq=state.seq + 1, prev=state.head)
    return msgspec.json.encode(event) + b"\n", event


def _packed(state: State) -> bytes:
    return msgspec.json.encode(state)
