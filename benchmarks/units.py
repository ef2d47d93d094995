# SPDX-License-Identifier: Apache-2.0
"""Signing units: P-256 operations a second, beside ``openssl speed`` of the same run.

``per CPU-second`` counts the time that one core really worked (this process, and the other end
where one serves), ``wall`` what a caller waits on a shared machine. Batches have 1,000 messages of
200 bytes; keys of token and chip are asked for fewer. Peers that are not installed are left out.
"""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._beside import PATIENCE
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import Purpose, Unit
from kizuna.roots.units.process import ProcessUnit, UnitServer
from kizuna.roots.units.software import SoftwareUnit

BATCH = 1_000
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
SECRET = bytes(range(32))
AIM = 10_000


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Rows of one run; ``scale`` 1 is 20,000 signatures of the software unit."""
    count = max(int(20_000 * scale) // BATCH, 2) * BATCH
    rows = [_openssl()]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        unit = SoftwareUnit.create(place / "keys", SECRET, random=True)
        rows += _rows("software, one core, batched", unit, count, BATCH)
        rows += _rows("software, one by one", unit, count, 1)
        with _served(place) as (served, other):
            rows += _rows("process, through its socket, batched", served, count, BATCH, other)
            rows += _rows("process, one by one", served, count // 10, 1, other)
        with contextlib.suppress(LookupError), _token(place) as token:
            rows += _rows("SoftHSM2, session copy of the key", token, count // 4, BATCH)
        with contextlib.suppress(LookupError), _chip(place) as (chip, other):
            rows += _rows("swtpm", chip, max(int(400 * scale), 40), 40, other)
            rows.append(_quotes(chip, max(int(200 * scale), 20), other))
    return rows


def _row(what: str, operation: str, count: int, cpu: float, wall: float) -> dict[str, Any]:
    return {
        "unit": what,
        "operation": operation,
        "per CPU-second": round(count / max(cpu, 0.01)),
        "wall a second": round(count / wall),
    }


def _rows(
    what: str, unit: Unit, count: int, batch: int, other: Callable[[], float] | None = None
) -> list[dict[str, Any]]:
    """Sign and, where the unit itself does it, verify; the best of three rounds each."""
    handle = unit.generate(Algorithm.ES256, "benchmark")
    public = unit.public(handle)
    messages = [os.urandom(200) for _ in range(count)]
    signatures: list[bytes] = []

    def sign() -> None:
        signatures.clear()
        for at in range(0, count, batch):
            if batch == 1:
                signatures.append(unit.sign(handle, messages[at]))
            else:
                signatures.extend(unit.sign_many(handle, messages[at : at + batch]))

    def verify() -> None:
        checks = [(public, s, m) for s, m in zip(signatures, messages, strict=True)]
        if batch == 1:
            assert all(unit.verify(*check) for check in checks)
            return
        for at in range(0, count, batch):
            assert all(unit.verify_many(checks[at : at + batch]))

    tasks = [("sign", sign)]
    if unit.traits.kind in ("software", "process"):
        tasks.append(("verify", verify))
    told = []
    for name, task in tasks:
        rounds = [_timed(what, name, count, task, other) for _ in range(3)]
        told.append(max(rounds, key=lambda row: row["per CPU-second"]))
    unit.destroy(handle)
    return told


def _timed(
    what: str, name: str, count: int, task: Callable[[], None], other: Callable[[], float] | None
) -> dict[str, Any]:
    there = other or (lambda: 0.0)
    cpu, wall = time.process_time() + there(), time.perf_counter()
    task()
    cpu, wall = time.process_time() + there() - cpu, time.perf_counter() - wall
    return _row(what, name, count, cpu, wall)


def _quotes(unit: Unit, count: int, other: Callable[[], float]) -> dict[str, Any]:
    handle = unit.generate(Algorithm.ES256, "benchmark", Purpose.ATTEST)

    def quote() -> None:
        for _ in range(count):
            unit.quote(handle, os.urandom(32), range(9))

    return _timed("swtpm", "quote of 9 registers", count, quote, other)


def _openssl() -> dict[str, Any]:
    """What the command of the system's OpenSSL says, per second of user time."""
    said = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "ecdsap256"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    ).stdout
    found = re.findall(r"([0-9.]+)\s+([0-9.]+)\s*$", said.strip().splitlines()[-1])
    sign, verify = found[0] if found else ("0", "0")
    return {
        "unit": "openssl speed ecdsap256",
        "operation": "sign / verify",
        "per CPU-second": f"{float(sign):.0f} / {float(verify):.0f}",
        "wall a second": "",
    }


def _serve(place: str) -> None:
    unit = SoftwareUnit.create(Path(place) / "served", SECRET, random=True)
    UnitServer(Path(place) / "socket", lambda _: unit).serve()


@contextmanager
def _served(place: Path) -> Iterator[tuple[Unit, Callable[[], float]]]:
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(str(place),))
    process.start()
    try:
        until = time.monotonic() + PATIENCE
        while not (place / "socket").exists():
            if time.monotonic() > until or not process.is_alive():
                raise RuntimeError("the process with the keys did not begin")
            time.sleep(0.05)
        yield ProcessUnit(place / "socket"), lambda: _cpu(process.pid or 0)
    finally:
        process.kill()
        process.join(PATIENCE)


@contextmanager
def _token(place: Path) -> Iterator[Unit]:
    if importlib.util.find_spec("pkcs11") is None or not Path(MODULE).exists():
        raise LookupError
    from kizuna.roots.units.pkcs11 import Pkcs11Unit  # noqa: PLC0415 - needs its extra

    (place / "tokens").mkdir()
    (place / "softhsm2.conf").write_text(f"directories.tokendir = {place / 'tokens'}\n")
    os.environ["SOFTHSM2_CONF"] = str(place / "softhsm2.conf")
    words = "softhsm2-util --init-token --free --label kizuna --pin 1234 --so-pin 5678"
    subprocess.run(words.split(), check=True, capture_output=True, timeout=PATIENCE)
    unit = Pkcs11Unit(MODULE, "kizuna", "1234", place / "registers")
    yield unit
    unit.close()


@contextmanager
def _chip(place: Path) -> Iterator[tuple[Unit, Callable[[], float]]]:
    if importlib.util.find_spec("tpm2_pytss") is None or shutil.which("swtpm") is None:
        raise LookupError
    os.environ.setdefault("TSS2_LOG", "all+NONE")
    from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

    state = place / "tpm"
    state.mkdir()
    words = f"swtpm_setup --tpm2 --tpmstate {state} --overwrite --pcr-banks sha256"
    subprocess.run(words.split(), check=True, capture_output=True, timeout=PATIENCE)
    port = 21_900 + os.getpid() % 1_000 * 2
    words = (
        f"swtpm socket --tpm2 --tpmstate dir={state}"
        f" --server type=tcp,port={port},bindaddr=127.0.0.1"
        f" --ctrl type=tcp,port={port + 1},bindaddr=127.0.0.1 --flags not-need-init,startup-clear"
    )
    with subprocess.Popen(words.split()) as process:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port + 1)) == 0:
                        break
                time.sleep(0.05)
            unit = TpmUnit(f"swtpm:host=127.0.0.1,port={port}", place / "wrapped")
            yield unit, lambda: _cpu(process.pid)
            unit.close()
        finally:
            process.kill()


def _cpu(process: int) -> float:
    """Seconds that another process worked so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
