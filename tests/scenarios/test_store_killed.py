# SPDX-License-Identifier: Apache-2.0
"""The power goes at any moment: whatever had a receipt is there, and the log has not forked."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.scenarios.store_victim import STEPS
from tests.unit.record.store.building import Organisation, Place

from kizuna.model.identifier import Digest
from kizuna.record.log import check_receipt, read_receipt
from kizuna.record.store import Accepted, Store

ROOT = Path(__file__).resolve().parent.parent.parent


def start(folder: Path, batch: int, step: str = "none") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.scenarios.store_victim", folder, str(batch), step],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def check(place: Place, lines: list[bytes]) -> Store:
    """Open what was left behind and hold it to every line that was printed."""
    store = place.open()
    checkpoints: dict[int, str] = {}
    promised: dict[Digest, int] = {}
    for line in lines:
        parts = line.decode().split()
        if not line.endswith(b"\n") or len(parts) != 5:
            continue
        digest = Digest(bytes.fromhex(parts[1]))
        promised[digest] = int(parts[0])
        checkpoints[int(parts[2])] = parts[3]
        root = check_receipt(read_receipt(bytes.fromhex(parts[4])), digest, place.signer.public)
        assert root.hex() == parts[3]
    found = store.reader().by_digests(list(promised))
    assert {digest: row.index for digest, row in found.items()} == promised
    for size, root in checkpoints.items():
        assert store.log.root(size).hex() == root
    rows = [row for page in store.reader().all() for row in page]
    assert [row.statement.digest for row in rows] == list(store.log.entries())
    assert store.head().size == len(rows) == store.log.size
    last = store.backend.last_batch()
    assert store.map.covered == len(rows) - 1
    assert last is not None
    assert store.map.root == last.map_root
    return store


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", list(STEPS))
def test_a_fall_at_each_step_is_made_good(tmp_path: Path, step: str, when: str) -> None:
    place = Place(tmp_path)
    place.create().close()
    victim = start(tmp_path, 0, f"{step}:{when}")
    output, _ = victim.communicate(timeout=300)
    assert victim.returncode == 9
    lines = output.splitlines(keepends=True)
    assert len(lines) == 40
    store = check(place, lines)
    maker = Organisation(b"maker")
    again = store.submit([maker.claim(number) for number in range(60)])
    assert all(isinstance(outcome, Accepted) for outcome in again)
    assert len({outcome.index for outcome in again if isinstance(outcome, Accepted)}) == 60
    store.close()
    check(place, lines).close()


def test_killed_at_random_again_and_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.create().close()
    chance = random.Random(7)  # noqa: S311 - no secret
    lines: list[bytes] = []
    for life in range(5):
        victim = start(tmp_path, life * 1000)
        assert victim.stdout is not None
        lines += [victim.stdout.readline() for _ in range(chance.randrange(5, 60))]
        time.sleep(chance.uniform(0.0, 0.05))  # wherever it is then
        victim.kill()
        lines += victim.stdout.readlines()
        victim.wait()
        victim.stdout.close()
        check(place, lines).close()
    assert len(lines) > 20


def test_two_servers_of_which_one_is_killed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.create().close()
    one, other = start(tmp_path, 0), start(tmp_path, 5000)
    assert one.stdout is not None
    assert other.stdout is not None
    lines = [one.stdout.readline(), other.stdout.readline()]
    time.sleep(0.3)
    one.kill()
    lines += one.stdout.readlines()
    time.sleep(0.3)
    other.kill()
    lines += other.stdout.readlines()
    for victim in (one, other):
        victim.wait()
        assert victim.stdout is not None
        victim.stdout.close()
    check(place, lines).close()
    owners = {int(line.split()[0]) for line in lines if len(line.split()) == 5}
    assert len(owners) == len([line for line in lines if len(line.split()) == 5])
