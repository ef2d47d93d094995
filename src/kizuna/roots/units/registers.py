# SPDX-License-Identifier: Apache-2.0
"""Registers as a TPM has them, imitated; and the event log that says how they came about.

Keeps: 1. A register only ever moves by extending; there is no method that sets one. 2. Replaying
the event log gives the registers. 3. ``composite`` is the digest that a TPM quotes and binds a
policy to (SHA-256 over the selected values in order of their numbers), so that one replay serves
every unit.
Does not: stop the owner of the process or of the file, who can begin anew. Only a chip can.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from kizuna.model.errors import Misconfigured
from kizuna.roots.units.problems import bounded, checked_register
from kizuna.roots.units.unit import MAX_EVENT, MAX_EVENTS, REGISTERS, Event

__all__ = ["Registers", "composite", "replay"]

_START = (bytes(32),) * REGISTERS


def replay(events: Iterable[Event]) -> tuple[bytes, ...]:
    """The registers that these events lead to, from zero."""
    values = list(_START)
    for event in events:
        values[event.register] = sha256(values[event.register] + event.digest).digest()
    return tuple(values)


def composite(values: Mapping[int, bytes]) -> bytes:
    """The digest over registers that a TPM's quote and policy carry."""
    return sha256(b"".join(values[number] for number in sorted(values))).digest()


class Registers:
    """One set of imitated registers with its log."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._lock = threading.Lock()
        self._events = list(events)
        self._values = list(replay(events))

    def extend(self, register: int, digest: bytes, data: bytes = b"") -> None:
        """Move a register on.

        Raises:
            Malformed: ``unit.register``, ``unit.size``. Misconfigured: ``unit.log-full``.
        """
        event = checked_event(register, digest, data)
        with self._lock:
            if len(self._events) >= MAX_EVENTS:
                raise Misconfigured(
                    "unit.log-full",
                    f"the unit's event log holds {MAX_EVENTS} events already",
                    hint="measure less often, or begin anew by a restart",
                    limit=MAX_EVENTS,
                )
            self._keep((*self._events, event))
            self._events.append(event)
            self._values[register] = sha256(self._values[register] + digest).digest()

    def values(self) -> tuple[bytes, ...]:
        """Every register."""
        with self._lock:
            return tuple(self._values)

    def events(self) -> tuple[Event, ...]:
        """The log."""
        with self._lock:
            return tuple(self._events)

    def selected(self, selection: Sequence[int]) -> dict[int, bytes]:
        """The chosen registers."""
        values = self.values()
        return {number: values[number] for number in selection}

    def state(self) -> tuple[tuple[bytes, ...], tuple[Event, ...]]:
        """Registers and log of one instant."""
        with self._lock:
            return tuple(self._values), tuple(self._events)

    def _keep(self, events: tuple[Event, ...]) -> None:
        """Make the log durable before it counts; in memory there is nothing to do."""


def checked_event(register: int, digest: bytes, data: bytes) -> Event:
    """An event, bounded.

    Raises:
        Malformed: ``unit.register``, ``unit.size``.
    """
    checked_register(register)
    bounded("digest", len(digest), 32, 32)
    bounded("event", len(data), MAX_EVENT)
    return Event(register, digest, data)
