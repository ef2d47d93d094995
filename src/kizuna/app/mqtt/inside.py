# SPDX-License-Identifier: Apache-2.0
"""A broker in Python, in a thread of this process: for machines without Mosquitto, and for tests.

Keeps: it listens on this machine only, and takes anybody there. It carries some hundred messages a
second; for a fleet use a broker made for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from amqtt.broker import Broker  # type: ignore[import-untyped]

__all__ = ["inside"]

_PATIENCE = 10.0
_LINGER = 0.1


@contextmanager
def inside(port: int) -> Iterator[tuple[str, int]]:
    """A broker on this port of this machine while the block runs."""
    loop = asyncio.new_event_loop()
    ends = asyncio.Event()
    ready = threading.Event()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
        },
    }

    async def run() -> None:
        broker = Broker(config)
        await broker.start()
        ready.set()
        await ends.wait()
        await broker.shutdown()
        await asyncio.sleep(_LINGER)  # what was closed needs a turn of the loop to be gone

    def host() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(run())
        loop.close()

    thread = threading.Thread(target=host, name="kizuna-broker")
    thread.start()
    try:
        ready.wait(_PATIENCE)
        yield "127.0.0.1", port
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join(10)
