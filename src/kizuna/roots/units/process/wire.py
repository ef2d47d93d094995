# SPDX-License-Identifier: Apache-2.0
"""What crosses the socket: frames with one call or one answer each, in MessagePack.

Keeps: 1. A frame says its length first, and a length over the bound ends the connection before a
byte of it is read. 2. A call is one of the table's, with arguments of the table's types. 3. A
problem crosses as its four parts and comes out as the same class, so that the caller meets it as if
the unit were here. Nothing else of the server crosses: no traceback, no path it did not name.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any, Final

from msgspec import Raw, Struct

from kizuna.model import errors
from kizuna.model.errors import Malformed, Problem
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units.unit import Certification, Event, Handle, Purpose, Quote, Secret, Traits

__all__ = [
    "CALLS",
    "MAX_FRAME",
    "Answer",
    "Call",
    "Failure",
    "WireCertification",
    "WireKey",
    "WireQuote",
    "problem_of",
    "receive",
    "send",
    "unwired",
    "wired",
]

MAX_FRAME: Final = 24 << 20

WireKey = tuple[int, bytes]
"""A public key: algorithm and COSE_Key."""


class WireQuote(Struct, frozen=True):
    """A quote of the process; its format is always ``kizuna``."""

    key: WireKey
    message: bytes
    signature: bytes
    registers: tuple[tuple[int, bytes], ...]
    events: tuple[Event, ...]

    @staticmethod
    def of(quote: Quote) -> WireQuote:
        """As it crosses."""
        return WireQuote(
            wired(quote.key), quote.message, quote.signature, quote.registers, quote.events
        )

    def quote(self) -> Quote:
        """As it was."""
        return Quote(
            format="kizuna",
            key=unwired(self.key),
            message=self.message,
            signature=self.signature,
            registers=self.registers,
            events=self.events,
        )


class WireCertification(Struct, frozen=True):
    """A certification by the process."""

    here: bool
    by: WireKey
    subject: WireKey
    message: bytes
    signature: bytes

    @staticmethod
    def of(said: Certification) -> WireCertification:
        """As it crosses."""
        return WireCertification(
            said.claim == "lives-here",
            wired(said.by),
            wired(said.subject),
            said.message,
            said.signature,
        )

    def certification(self) -> Certification:
        """As it was."""
        return Certification(
            format="kizuna",
            claim="lives-here" if self.here else "presented",
            by=unwired(self.by),
            subject=unwired(self.subject),
            message=self.message,
            signature=self.signature,
        )


class Call(Struct, frozen=True, forbid_unknown_fields=True):
    """One call: a name of the table, and its arguments in MessagePack."""

    name: str
    given: Raw


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """A problem in its four parts."""

    kind: str
    code: str
    what: str
    why: str
    hint: str
    about: dict[str, str | int]

    @staticmethod
    def of(problem: Problem) -> Failure:
        """As it crosses."""
        return Failure(
            type(problem).__name__,
            problem.code,
            problem.what,
            problem.why,
            problem.hint,
            problem.about,
        )


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What came of a call: a value, or a failure."""

    value: Raw
    failure: Failure | None = None


CALLS: Final[dict[str, tuple[Any, Any]]] = {
    "traits": (tuple[()], Traits),
    "generate": (tuple[Algorithm, str, Purpose], Handle),
    "generate_secret": (tuple[str], Secret),
    "handles": (tuple[()], list[Handle]),
    "secrets": (tuple[()], list[Secret]),
    "public": (tuple[Handle], WireKey),
    "destroy": (tuple[Handle], None),
    "destroy_secret": (tuple[Secret], None),
    "sign_many": (tuple[Handle, list[bytes]], list[bytes]),
    "verify_many": (tuple[list[tuple[WireKey, bytes, bytes]]], list[bool]),
    "ecdh": (tuple[Handle, WireKey, bytes], bytes),
    "encrypt": (tuple[Secret, bytes, bytes], bytes),
    "decrypt": (tuple[Secret, bytes, bytes], bytes),
    "random": (tuple[int], bytes),
    "extend": (tuple[int, bytes, bytes], None),
    "registers": (tuple[()], tuple[bytes, ...]),
    "events": (tuple[()], tuple[Event, ...]),
    "seal": (tuple[bytes, list[int]], bytes),
    "unseal": (tuple[bytes], bytes),
    "quote": (tuple[Handle, bytes, list[int]], WireQuote),
    "certify_handle": (tuple[Handle, Handle], WireCertification),
    "certify_key": (tuple[Handle, WireKey], WireCertification),
}
"""Every call: the types of its arguments and of its value."""


def send(connection: socket.socket, data: bytes) -> None:
    """One frame."""
    connection.sendall(len(data).to_bytes(4, "big") + data)


def receive(connection: socket.socket) -> bytes | None:
    """One frame; None where the other side ended the connection between two.

    Raises:
        Malformed: ``unit.frame`` for one too large or cut short. OSError: the transport.
    """
    head = _exactly(connection, 4)
    if not head:
        return None
    size = int.from_bytes(head, "big")
    if len(head) < 4 or size > MAX_FRAME:
        raise _frame(f"{size} bytes, at most {MAX_FRAME}")
    data = _exactly(connection, size)
    if len(data) < size:
        raise _frame("it was cut short")
    return data


def problem_of(failure: Failure) -> Problem:
    """The problem that crossed."""
    found = getattr(errors, failure.kind, None)
    kind = found if isinstance(found, type) and issubclass(found, Problem) else Problem
    about = {k: v for k, v in failure.about.items() if k not in ("code", "what", "why", "hint")}
    return kind(failure.code, failure.what, why=failure.why, hint=failure.hint, **about)


def wired(key: PublicKey) -> WireKey:
    """A public key as it crosses."""
    return int(key.algorithm), key.cose_key


@lru_cache(maxsize=4096)
def unwired(key: WireKey) -> PublicKey:
    """A public key that crossed, checked as every key is.

    Raises:
        Malformed: ``key.*``.
    """
    try:
        algorithm = Algorithm(key[0])
    except ValueError as fault:
        raise _frame("an unknown algorithm") from fault
    return PublicKey.from_cose(key[1], algorithm)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            break
        parts += part
    return bytes(parts)


def _frame(why: str) -> Malformed:
    return Malformed(
        "unit.frame",
        f"not a frame of the unit's socket: {why}",
        why=why,
        hint="speak to it with the same version of kizuna",
        fault=why,
    )
