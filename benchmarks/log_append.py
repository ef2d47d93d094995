# SPDX-License-Identifier: Apache-2.0
"""The log alone, without map: durable appends with a signed checkpoint a batch, and what others do.

Compared in the same run with ``pymerkle`` (a general Merkle tree over SQLite; its bulk call and its
single call, each with a root after the batch), and with the disk: the same bytes written to one
file and synced as often as the log publishes. The growth curve is the rate at growing sizes.
"""

from __future__ import annotations

import os
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from pymerkle import SqliteTree

from kizuna.record.log import EvidenceLog, Signer
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

BATCH = 1_000
ORIGIN = "benchmark.example/log"


def run(scale: float = 1.0) -> dict[str, Any]:
    """Figures of one run; ``scale`` 1 is 200,000 entries."""
    count = max(int(200_000 * scale) // BATCH, 4) * BATCH
    entries = [sha256(number.to_bytes(8, "big")).digest() for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ours, growth = _log(place / "log", entries)
        bulk = _pymerkle(place / "bulk.db", entries)
        single = _pymerkle_singly(place / "single.db", entries[: max(count // 50, 200)])
        disk = _disk(place / "plain", entries)
    return {
        "name": "log alone",
        "entries": count,
        "batch": BATCH,
        "log_per_s": round(ours),
        "pymerkle_bulk_per_s": round(bulk),
        "pymerkle_single_per_s": round(single),
        "disk_per_s": round(disk),
        "log_of_pymerkle_bulk": round(ours / bulk, 2),
        "log_of_pymerkle_single": round(ours / single, 1),
        "log_of_disk": round(ours / disk, 2),
        "growth": growth,
        "target_per_s": 30_000,
    }


def _log(place: Path, entries: list[bytes]) -> tuple[float, dict[int, int]]:
    unit = EphemeralUnit(b"benchmark")
    signer = Signer(ORIGIN, unit, unit.generate(Algorithm.EDDSA, "log"))
    log = EvidenceLog.create(place, ORIGIN, signer, 1)
    growth: dict[int, int] = {}
    step = max(len(entries) // 4 // BATCH, 1) * BATCH
    began = last = time.perf_counter()
    for start in range(0, len(entries), BATCH):
        log.append(entries[start : start + BATCH])
        log.publish(start + 2)
        done = start + BATCH
        if done % step == 0:
            now = time.perf_counter()
            growth[done] = round(step / (now - last))
            last = now
    return len(entries) / (time.perf_counter() - began), growth


def _pymerkle(place: Path, entries: list[bytes]) -> float:
    tree = SqliteTree(str(place))
    began = time.perf_counter()
    for start in range(0, len(entries), BATCH):
        tree.append_entries(entries[start : start + BATCH])
        tree.get_root()
    taken = time.perf_counter() - began
    tree.close()
    return len(entries) / taken


def _pymerkle_singly(place: Path, entries: list[bytes]) -> float:
    tree = SqliteTree(str(place))
    began = time.perf_counter()
    for entry in entries:
        tree.append_entry(entry)
    tree.get_root()
    taken = time.perf_counter() - began
    tree.close()
    return len(entries) / taken


def _disk(place: Path, entries: list[bytes]) -> float:
    began = time.perf_counter()
    with place.open("wb") as file:
        for start in range(0, len(entries), BATCH):
            file.write(b"".join(entries[start : start + BATCH]))
            file.flush()
            os.fdatasync(file.fileno())
    return len(entries) / (time.perf_counter() - began)


if __name__ == "__main__":
    print(run())
