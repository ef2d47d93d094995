# SPDX-License-Identifier: Apache-2.0
"""The connector: throughput and latency beside the same relay without TLS, in the same run.

Every path is client → relay → relay → device, each relay a process of its own. With the connector
take turns: the plain relay, the same relay with TLS 1.3 but without enrolment or admission (what
TLS alone costs), and ``stunnel`` where it is installed (how an independent program in C does). The
device echoes requests of a Modbus size, or swallows a stream and answers once at its end. Processor
time is that of both relays; the row ``limit`` is the plain relay's with the bare work of OpenSSL
added, enciphering once and deciphering once.

Every wait is bounded: a path that does not answer within a minute ends the run with an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kizuna.app.wiring.devices.connector import event_loop
from kizuna.guard.gateway.connector import Connector, Limits, Relay, Side
from kizuna.guard.gateway.connector.tls import context_of
from kizuna.guard.gateway.connector.wire import Tls
from kizuna.roots.keys import Algorithm
from kizuna.roots.life import ShortLived, anchor_for, issue_short_lived
from kizuna.roots.units import EphemeralUnit

SEED = b"connector benchmark"
REQUEST = bytes(12)
CHUNK = bytes(65_536)
ROUNDS = 3
WAIT = 60.0
LIMITS = Limits(connections=64, per_address=64)
STUNNEL = shutil.which("stunnel4") or shutil.which("stunnel")
PLAIN, BARE, OURS, THEIRS = "plain relay", "bare TLS relay", "connector", "stunnel"

Place = tuple[str, int]
Path_ = tuple[Place, tuple[int, ...]]
"""Where a path begins, and the processes of its relays."""


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """A row for each path; ``scale`` 1 is 5,000 requests and 64 MiB, the best of three rounds."""
    requests, chunks = max(int(5_000 * scale), 200), max(int(1_024 * scale), 64)
    with ExitStack() as stack:
        device, _ = stack.enter_context(_process(_answering))
        paths = {name: _path(stack, name, device) for name in (PLAIN, BARE, OURS)}
        if STUNNEL:
            paths[THEIRS] = _stunnels(stack, STUNNEL, device)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in paths}
        alone = []
        for _ in range(ROUNDS):
            for name, path in paths.items():
                found[name].append(_measure(path, requests, chunks))
            alone.append(_bare_work(chunks))
    rows = [_row(name, rounds) for name, rounds in found.items()]
    by_name = {row["path"]: row for row in rows}
    limit = by_name[PLAIN]["cpu_ms_per_MiB"] + min(alone)
    rows.append({"path": "limit", "cpu_ms_per_MiB": round(limit, 2)})
    ours = by_name.pop(OURS)
    return [*rows, *(_beside(ours, other) for other in by_name.values())]


def _row(name: str, rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    best = {key: min(r[key] for r in rounds) for key in rounds[0] if key != "mib"}
    return {
        "path": name,
        "MiB_per_s": round(max(r["mib"] for r in rounds)),
        "cpu_ms_per_MiB": round(best["cpu"], 2),
        **{key: round(best[key], 1) for key in ("median_us", "p99_us", "connect_ms")},
    }


def _beside(ours: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": f"connector : {other['path']}",
        "MiB_per_s": f"{ours['MiB_per_s'] / other['MiB_per_s']:.2f}",
        "cpu_ms_per_MiB": f"{ours['cpu_ms_per_MiB'] / max(other['cpu_ms_per_MiB'], 0.01):.2f}",
        **{key: f"{ours[key] - other[key]:+.1f}" for key in ("median_us", "p99_us", "connect_ms")},
    }


def _measure(path: Path_, requests: int, chunks: int) -> dict[str, float]:
    address, relays = path
    connects = []
    for _ in range(20):
        began = time.perf_counter()
        with _connection(address) as one:
            one.sendall(b"e" + REQUEST)
            _read(one, len(REQUEST))
        connects.append(time.perf_counter() - began)
    with _connection(address) as one:
        one.sendall(b"e")
        times = []
        for _ in range(requests):
            began = time.perf_counter()
            one.sendall(REQUEST)
            _read(one, len(REQUEST))
            times.append(time.perf_counter() - began)
    with _connection(address) as one:
        one.sendall(b"s" + (chunks * len(CHUNK)).to_bytes(8, "big"))
        began, before = time.perf_counter(), sum(map(_processor, relays))
        for _ in range(chunks):
            one.sendall(CHUNK)
        _read(one, 1)
        took = time.perf_counter() - began
        worked = sum(map(_processor, relays)) - before
    times.sort()
    mib = chunks * len(CHUNK) / (1 << 20)
    return {
        "mib": mib / took,
        "cpu": worked * 1e3 / mib,
        "median_us": statistics.median(times) * 1e6,
        "p99_us": times[int(len(times) * 0.99)] * 1e6,
        "connect_ms": statistics.median(connects) * 1e3,
    }


def _connection(address: Place) -> socket.socket:
    connection = socket.create_connection(address, timeout=WAIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read(connection: socket.socket, size: int) -> None:
    while size:
        got = connection.recv(size)
        if not got:
            raise ConnectionError("the path ended")
        size -= len(got)


def _processor(process: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bare_work(chunks: int) -> float:
    """Milliseconds that OpenSSL needs to encipher and decipher a MiB, and nothing else."""
    here, there = (Tls(_contexts(side)[0], server=side is Side.DEVICE) for side in Side)
    for _ in range(4):
        for one, other in ((there, here), (here, there)):
            with contextlib.suppress(ssl.SSLWantReadError):
                one.state.do_handshake()
            other.coming.write(one.going.read())
    room = memoryview(bytearray(len(CHUNK)))
    began = time.process_time()
    for _ in range(chunks):
        here.state.write(CHUNK)
        there.coming.write(here.going.read())
        got = 0
        while got < len(CHUNK):
            got += there.state.read(len(CHUNK) - got, room[got:])
    return (time.process_time() - began) * 1e3 * (1 << 20) / (chunks * len(CHUNK))


# --- the parts, each in a process of its own ------------------------------------------------------


@contextlib.contextmanager
def _process(target: Callable[..., None], *arguments: object) -> Iterator[tuple[Place, int]]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    try:
        if not here.poll(WAIT):
            raise TimeoutError(f"{target.__name__} did not begin")
        yield here.recv(), process.pid or 0
    finally:
        process.kill()
        process.join(WAIT)


def _path(stack: ExitStack, name: str, device: Place) -> Path_:
    near, first = stack.enter_context(_process(_relaying, name, Side.DEVICE.value, device))
    address, second = stack.enter_context(_process(_relaying, name, Side.CLIENT.value, near))
    return address, (first, second)


def _answering(pipe: Connection) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    pipe.send(listening.getsockname())
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(WAIT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if connection.recv(1) == b"e":
            while data := connection.recv(4_096):
                connection.sendall(data)
            return
        left = int.from_bytes(connection.recv(8), "big")
        while left and (data := connection.recv(min(left, 1 << 20))):
            left -= len(data)
        if not left:
            connection.sendall(b"!")


def _keys() -> tuple[EphemeralUnit, dict[Side, Any]]:
    unit = EphemeralUnit(SEED)
    return unit, {side: unit.generate(Algorithm.ES256, side.value) for side in Side}


def _contexts(here: Side) -> tuple[ssl.SSLContext, ShortLived, bytes]:
    """TLS for one side with the other's key as its anchor; and what it is made of."""
    unit, keys = _keys()
    other = Side.CLIENT if here is Side.DEVICE else Side.DEVICE
    now = int(time.time())
    shown = issue_short_lived(unit, keys[here], now)
    anchor = anchor_for(unit.public(keys[other]), now)
    context = context_of(shown.certificate, shown.private_key, [anchor], server=here is Side.DEVICE)
    return context, shown, anchor


def _relaying(pipe: Connection, name: str, side: str, to: Place) -> None:
    async def serve() -> None:
        here, listen = Side(side), ("127.0.0.1", 0)
        if name == OURS:
            unit, keys = _keys()
            other = Side.CLIENT if here is Side.DEVICE else Side.DEVICE
            connector = Connector(
                here,
                listen,
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
            context = _contexts(here)[0] if name == BARE else None
            near, far = (context, None) if here is Side.DEVICE else (None, context)
            relay = Relay(listen, to, near=lambda: near, far=lambda: far, limits=LIMITS)
            await relay.start()
            pipe.send(relay.address)
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(serve())


def _stunnels(stack: ExitStack, program: str, device: Place) -> Path_:
    """The same path with stunnel at both ends: TLS 1.3, both sides showing certificates."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    to, processes = device, []
    for side in Side:
        _, shown, anchor = _contexts(side)
        (folder / f"{side}.pem").write_bytes(shown.certificate + shown.private_key)
        (folder / f"{side}-peers.pem").write_bytes(anchor)
        with socket.create_server(("127.0.0.1", 0)) as free:
            listen = free.getsockname()
        (folder / f"{side}.conf").write_text(
            f"foreground = yes\npid =\nsyslog = no\ndebug = 2\n[{side}]\n"
            f"client = {'no' if side is Side.DEVICE else 'yes'}\n"
            f"accept = {listen[0]}:{listen[1]}\nconnect = {to[0]}:{to[1]}\n"
            f"cert = {folder / side}.pem\nCAfile = {folder / side}-peers.pem\n"
            "verifyChain = yes\nsslVersionMin = TLSv1.3\n"
            "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n",
            encoding="ascii",
        )
        process = subprocess.Popen(
            [program, str(folder / f"{side}.conf")], stderr=subprocess.DEVNULL
        )
        stack.callback(process.wait, WAIT)
        stack.callback(process.kill)
        _until_listening(listen)
        processes.append(process.pid)
        to = listen
    return to, tuple(processes)


def _until_listening(place: Place) -> None:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=WAIT):
            return
        time.sleep(0.05)
    raise TimeoutError("stunnel did not begin")
