# SPDX-License-Identifier: Apache-2.0
"""The connector: throughput and latency beside the same relay without TLS, in the same run.

Both paths are client → relay → relay → device, each relay a process of its own; they differ in
nothing but TLS 1.3 with enrolled keys between the two relays. The device echoes requests of a
Modbus size, or swallows a stream and answers once at its end. The paths take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

from kizuna.guard.gateway.connector import Connector, Limits, Relay, Side
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

SEED = b"connector benchmark"
REQUEST = bytes(12)
CHUNK = bytes(65_536)
ROUNDS = 3
LIMITS = Limits(connections=64, per_address=64)

Place = tuple[str, int]


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """A row for each path; ``scale`` 1 is 5,000 requests and 64 MiB, the best of three rounds."""
    requests, chunks = max(int(5_000 * scale), 200), max(int(1_024 * scale), 32)
    with ExitStack() as stack:
        device = stack.enter_context(_device())
        paths = {}
        for name in ("plain relay", "connector"):
            near = stack.enter_context(_relay(name, Side.DEVICE, device))
            paths[name] = stack.enter_context(_relay(name, Side.CLIENT, near))
        found: dict[str, list[dict[str, float]]] = {name: [] for name in paths}
        for _ in range(ROUNDS):
            for name, address in paths.items():
                found[name].append(_measure(address, requests, chunks))
    rows = []
    for name, rounds in found.items():
        best = {key: min(r[key] for r in rounds) for key in ("median_us", "p99_us", "connect_ms")}
        rows.append(
            {
                "path": name,
                "MiB_per_s": round(max(r["mib"] for r in rounds)),
                **{key: round(value, 1) for key, value in best.items()},
            }
        )
    plain, secured = rows
    share = secured["MiB_per_s"] / plain["MiB_per_s"]
    added = secured["median_us"] - plain["median_us"]
    rows.append(
        {
            "path": "connector against plain",
            "MiB_per_s": f"{share:.2f} of it",
            "median_us": f"{added:+.0f}",
            "p99_us": f"{secured['p99_us'] - plain['p99_us']:+.0f}",
            "connect_ms": f"{secured['connect_ms'] - plain['connect_ms']:+.1f}",
        }
    )
    return rows


def _measure(address: Place, requests: int, chunks: int) -> dict[str, float]:
    connects = []
    for _ in range(20):
        began = time.perf_counter()
        with socket.create_connection(address) as one:
            one.sendall(b"e" + REQUEST)
            _read(one, len(REQUEST))
        connects.append(time.perf_counter() - began)
    with socket.create_connection(address) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.sendall(b"e")
        times = []
        for _ in range(requests):
            began = time.perf_counter()
            one.sendall(REQUEST)
            _read(one, len(REQUEST))
            times.append(time.perf_counter() - began)
    with socket.create_connection(address) as one:
        one.sendall(b"s" + (chunks * len(CHUNK)).to_bytes(8, "big"))
        began = time.perf_counter()
        for _ in range(chunks):
            one.sendall(CHUNK)
        _read(one, 1)
        took = time.perf_counter() - began
    times.sort()
    return {
        "mib": chunks * len(CHUNK) / took / (1 << 20),
        "median_us": statistics.median(times) * 1e6,
        "p99_us": times[int(len(times) * 0.99)] * 1e6,
        "connect_ms": statistics.median(connects) * 1e3,
    }


def _read(connection: socket.socket, size: int) -> None:
    while size:
        got = connection.recv(size)
        if not got:
            raise ConnectionError("the path ended")
        size -= len(got)


# --- the parts, each in a process of its own ------------------------------------------------------


@contextlib.contextmanager
def _process(target: Callable[..., None], *arguments: object) -> Iterator[Place]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _device() -> contextlib.AbstractContextManager[Place]:
    return _process(_answering)


def _relay(name: str, side: Side, to: Place) -> contextlib.AbstractContextManager[Place]:
    return _process(_relaying, name, side.value, to)


def _answering(pipe: Connection) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    pipe.send(listening.getsockname())
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if connection.recv(1) == b"e":
            while data := connection.recv(4_096):
                connection.sendall(data)
            return
        left = int.from_bytes(connection.recv(8), "big")
        while left:
            left -= len(connection.recv(min(left, 1 << 20)))
        connection.sendall(b"!")


def _relaying(pipe: Connection, name: str, side: str, to: Place) -> None:
    async def serve() -> None:
        unit = EphemeralUnit(SEED)
        keys = {s: unit.generate(Algorithm.ES256, s.value) for s in Side}
        here = Side(side)
        other = Side.CLIENT if here is Side.DEVICE else Side.DEVICE
        if name == "connector":
            connector = Connector(
                here,
                ("127.0.0.1", 0),
                to,
                unit=unit,
                handle=keys[here],
                peers=lambda: [unit.public(keys[other])],
                clock=lambda: int(time.time()),
                limits=LIMITS,
            )
            await connector.start()
            pipe.send(connector.relay.address)
        else:
            relay = Relay(("127.0.0.1", 0), to, limits=LIMITS)
            await relay.start()
            pipe.send(relay.address)
        await asyncio.Event().wait()

    asyncio.run(serve())
