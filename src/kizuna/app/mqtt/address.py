# SPDX-License-Identifier: Apache-2.0
"""Where a broker is, and whether somebody answers there."""

from __future__ import annotations

import socket
import time

from kizuna.model.errors import Malformed, Unavailable

__all__ = ["free_port", "parse", "unreachable", "wait_for"]

_PATIENCE = 10.0


def parse(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; the port may be left out (1883).

    Raises:
        Malformed: ``mqtt.address``.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "1883"
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise Malformed(
            "mqtt.address",
            f"not a broker's address: {text[:80]!r}",
            hint="write HOST:PORT",
            address=text[:80],
        )
    return host.strip("[]"), int(port)


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: tuple[str, int]) -> None:
    """Until somebody answers there.

    Raises:
        Unavailable: ``mqtt.unreachable``.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(address, 1).close()
        except OSError as fault:
            if time.monotonic() > until:
                raise unreachable(address, str(fault)) from fault
            time.sleep(0.05)
        else:
            return


def unreachable(address: tuple[str, int], why: str) -> Unavailable:
    """The problem of a broker that does not answer."""
    return Unavailable(
        "mqtt.unreachable",
        f"cannot reach the MQTT broker {address[0]}:{address[1]}",
        why=why,
        hint="check that it runs, its address and its access rules",
        broker=f"{address[0]}:{address[1]}",
    )
