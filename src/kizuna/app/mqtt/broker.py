# SPDX-License-Identifier: Apache-2.0
"""A broker of our own where none was named.

Keeps: 1. A broker started here listens on this machine only and ends with its block. 2. Mosquitto
where it is installed; else the broker in Python, where that is.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kizuna.app.mqtt.address import free_port, parse, wait_for
from kizuna.model.errors import Misconfigured

__all__ = ["broker_at"]


@contextmanager
def broker_at(named: str | None) -> Iterator[tuple[str, int]]:
    """The broker that was named, or one that runs as long as the block.

    Raises:
        Malformed: ``mqtt.address``. Misconfigured: ``mqtt.no-broker``.
    """
    if named is not None:
        yield parse(named)
        return
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is not None:
        with _mosquitto(program) as address:
            yield address
        return
    try:
        from kizuna.app.mqtt.inside import inside  # noqa: PLC0415 - an optional part
    except ModuleNotFoundError as fault:
        raise Misconfigured(
            "mqtt.no-broker",
            "no MQTT broker can be started on this machine",
            why="neither Mosquitto nor amqtt is installed",
            hint="install Mosquitto, or name a broker with --broker HOST:PORT",
        ) from fault
    with inside(free_port()) as address:
        yield address


@contextmanager
def _mosquitto(program: str) -> Iterator[tuple[str, int]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="kizuna-mqtt-") as folder:
        settings = Path(folder) / "mosquitto.conf"
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "set_tcp_nodelay true\nmax_queued_messages 100000\nmax_inflight_messages 1000\n"
            "log_type none\n"
        )
        process = subprocess.Popen(  # noqa: S603 - a program found on the path, no words of others
            [program, "-c", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(("127.0.0.1", port))
            yield "127.0.0.1", port
        finally:
            process.terminate()
            process.wait(10)
