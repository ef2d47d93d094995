# SPDX-License-Identifier: Apache-2.0
"""Looking at the device behind a connector: where it answers, what it says it is, how fast.

Keeps: 1. What is asked changes nothing in the device: who are you, and nothing else. 2. A look is
bounded in time and bytes; a device that does not answer was not seen, which is not the same as
having changed. 3. The hardware address is the one that the system itself spoke to.
Does not: judge (the verifier compares with what was learnt).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.schemes.observed import Observation

__all__ = ["Ask", "hardware_address", "look", "read_ask"]

_MOST: Final = 4_096
_QUIET: Final = 1.0
"""Seconds without another byte after which an answer without a length of its own is whole."""
_TRANSACTION: Final = b"\x4b\x5a"


class Ask(Protocol):
    """How one kind of device is asked who it is."""

    @property
    def request(self) -> bytes:
        """What is sent; empty where the device speaks first."""
        ...

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        """The whole answer, without what differs from one to the next.

        Raises:
            OSError, EOFError, TimeoutError: there was none.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Modbus:
    """Read Device Identification (function 43, MEI 14): vendor, product, revision."""

    unit: int

    @property
    def request(self) -> bytes:
        said = bytes((self.unit, 0x2B, 0x0E, 0x01, 0x00))
        return _TRANSACTION + b"\0\0" + len(said).to_bytes(2, "big") + said

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(6)
        if head[:4] != _TRANSACTION + b"\0\0":
            raise EOFError("another conversation")
        return await reader.readexactly(min(int.from_bytes(head[4:], "big"), _MOST))


@dataclass(frozen=True, slots=True)
class _Plain:
    """Bytes of the operator's choice, or none; the answer ends with a line, or with quiet."""

    request: bytes

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        heard = await reader.readexactly(1)
        while len(heard) < _MOST and not heard.endswith(b"\n"):
            try:
                more = await asyncio.wait_for(reader.read(_MOST - len(heard)), _QUIET)
            except TimeoutError:
                break
            if not more:
                break
            heard += more
        return heard


def read_ask(text: str) -> Ask:
    """``modbus``, ``modbus:UNIT``, ``banner`` (it speaks first), or ``hex:BYTES`` to send.

    Raises:
        Malformed: ``connector.ask``.
    """
    name, colon, rest = text.partition(":")
    number = rest if colon else "1"
    if name == "modbus" and number.isascii() and number.isdigit() and int(number[:4]) < 256:
        return _Modbus(int(number))
    if text == "banner":
        return _Plain(b"")
    if name == "hex":
        with contextlib.suppress(ValueError):
            request = bytes.fromhex(rest)
            if 0 < len(request) <= _MOST:
                return _Plain(request)
    raise Malformed(
        "connector.ask",
        f"not a way to ask a device who it is: {text[:60]!r}",
        hint="use modbus, modbus:UNIT, banner, or hex: with the bytes to send",
        ask=text[:60],
    )


async def look(to: tuple[str, int], ask: Ask, *, wait: float, neighbours: str = "") -> Observation:
    """One look at a device.

    Args:
        to: where it stands.
        ask: how it is asked who it is.
        wait: longest time in seconds for all of it.
        neighbours: the system's table of hardware addresses, read by ``hardware_address``.

    Raises:
        OSError: it cannot be reached. TimeoutError, EOFError: it did not answer.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(wait):
        reader, writer = await asyncio.open_connection(*to, limit=_MOST)
        try:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host = str(writer.get_extra_info("peername")[0])
            began = loop.time()
            if ask.request:
                writer.write(ask.request)
            said = await ask.answer(reader)
            took = loop.time() - began
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    return Observation(
        address=hardware_address(neighbours, host) or host,
        position=f"{host}:{to[1]}",
        banner=sha256(said).digest(),
        interval=round(took * 1000),
    )


def hardware_address(neighbours: str, host: str) -> str | None:
    """The hardware address of a host on this link, by Linux's table (``/proc/net/arp``)."""
    for line in neighbours.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 4 and fields[0] == host and fields[3].strip("0:"):
            return fields[3].lower()
    return None
