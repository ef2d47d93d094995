# SPDX-License-Identifier: Apache-2.0
"""Intake over HTTP: statements sent in batches over loopback to durable, answered one by one.

Compared in the same run with the bare rate at which this machine verifies the same signatures on
both cores, and with the same batches handed to the store without HTTP.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from benchmarks._beside import PATIENCE
from kizuna.app.api import create_app, server_options
from kizuna.app.wiring.settings import Settings, now
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, encode_payload
from kizuna.roots.cose import parse_sign1, sign_statement
from kizuna.roots.identity import did_key, genesis_keys
from kizuna.roots.keys import Algorithm, verify_many
from kizuna.roots.units.software import SoftwareUnit

BATCH = 1000
CLIENTS = 3
NOTE = "x" * 420  # brings a statement to about a kilobyte


def run(scale: float = 1.0) -> dict[str, Any]:
    """Figures of one run; ``scale`` 1 is 20,000 statements by 20 issuers."""
    count = max(int(20_000 * scale), 2 * BATCH)
    statements = _signed(3 * count)
    bare = bare_rate(statements[:count])
    with _workspace() as workspace:
        began = time.perf_counter()
        for start in range(0, count, BATCH):
            workspace.store.submit(statements[start : start + BATCH])
        direct = count / (time.perf_counter() - began)
    # the client is a process of its own, begun and warm before the clock runs
    spawned = multiprocessing.get_context("spawn").Pool(1)
    with _workspace() as workspace, _served(workspace) as url, spawned as sender:
        warming = _batches(statements[2 * count : 2 * count + 2 * BATCH])
        sender.apply_async(_client, (url, warming)).get(PATIENCE)
        began = time.perf_counter()
        timed = _batches(statements[count : 2 * count])
        registered = sender.apply_async(_client, (url, timed)).get(PATIENCE)
        over_http = registered / (time.perf_counter() - began)
    return {
        "name": "http intake",
        "statements": count,
        "bytes": len(statements[0]),
        "batch": BATCH,
        "registered": registered,
        "verify_per_s": round(bare),
        "store_per_s": round(direct),
        "http_per_s": round(over_http),
        "http_of_verify": round(over_http / bare, 2),
        "http_of_store": round(over_http / direct, 2),
        "target_per_s": 5000,
    }


def _signed(count: int) -> list[bytes]:
    moment = now()
    made: list[bytes] = []
    per_issuer = -(-count // 20)
    for issuer in range(20):
        unit = SoftwareUnit.ephemeral()
        handle = unit.generate(Algorithm.ES256, f"issuer-{issuer}")
        identity = did_key(unit.public(handle))
        for i in range(per_issuer):
            payload = Claim(type="iso-9001", claims={"serial": issuer * per_issuer + i}, note=NOTE)
            made.append(
                sign_statement(
                    unit,
                    handle,
                    issuer=identity,
                    subject=SubjectId(f"pkg:generic/bench/part-{issuer}-{i}@1"),
                    media_type=media_type_of(Kind.CERTIFICATE),
                    payload=encode_payload(payload),
                    issued_at=moment,
                )
            )
    # issuers mixed, as they arrive
    return [made[j] for i in range(per_issuer) for j in range(i, len(made), per_issuer)][:count]


def bare_rate(statements: list[bytes]) -> float:
    """Signatures a second, verified on every core with nothing else to do."""
    envelopes = [parse_sign1(s) for s in statements]
    keys = {e.issuer: genesis_keys(e.issuer)[0] for e in envelopes}
    checks = [(keys[e.issuer], e.signature, e.to_be_signed) for e in envelopes]
    began = time.perf_counter()
    assert all(verify_many(checks, os.cpu_count() or 2))
    return len(checks) / (time.perf_counter() - began)


@contextlib.contextmanager
def _workspace() -> Any:  # noqa: ANN401 - a context
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        made = Workspace.init(
            path, "Bench", now=now(), policy="open", settings=Settings(store=path)
        )
        with made:
            yield made


@contextlib.contextmanager
def _served(workspace: Workspace) -> Any:  # noqa: ANN401 - a context
    server = uvicorn.Server(
        uvicorn.Config(create_app(workspace), log_config=None, **server_options())
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until = time.monotonic() + PATIENCE
    while not server.started:
        if time.monotonic() > until or not thread.is_alive():
            raise RuntimeError("the server did not begin")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def _batches(statements: list[bytes]) -> list[bytes]:
    return [b"".join(statements[i : i + BATCH]) for i in range(0, len(statements), BATCH)]


def _client(url: str, batches: list[bytes]) -> int:
    headers = {"content-type": "application/cbor-seq"}
    with httpx.Client(base_url=url, timeout=120) as client, ThreadPoolExecutor(CLIENTS) as threads:

        def post(body: bytes) -> int:
            answer = client.post("/api/statements", content=body, headers=headers)
            return int(answer.json()["registered"])

        return sum(threads.map(post, batches))


if __name__ == "__main__":
    print(run())
