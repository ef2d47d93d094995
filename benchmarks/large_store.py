# SPDX-License-Identifier: Apache-2.0
"""A large world in a real store: register, open, check every signature again, judge, ask coldly.

Everything goes through the store's own doors: signed batches in, the graph loaded as a server loads
it, a product judged by a command of its own. ``recheck_of_verify`` compares with the bare rate at
which this machine verifies on both cores, measured in the same run.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks._beside import PATIENCE
from benchmarks.http_intake import bare_rate
from kizuna.app.wiring.settings import Settings, now
from kizuna.app.wiring.workspace import Workspace
from kizuna.chain.verify import judgement
from kizuna.worlds.supply import Scale, Supply

SAMPLE = 20_000
AHEAD = 1_000 * 86_400
"""The world is told as if it began today: a log's time never runs backwards."""


def run(scale: float = 1.0) -> dict[str, Any]:
    """Figures of one run; ``scale`` 1 is 1,000,000 components."""
    components = max(2_000, int(1_000_000 * scale))
    with tempfile.TemporaryDirectory() as folder:
        world = Supply.generate(Scale.of(components), seed=11, at=now() + AHEAD)
        made = _register(Path(folder) / "store", world)
        opened = _open(Path(folder) / "store", world)
    with tempfile.TemporaryDirectory() as folder:
        cold = _cold(Path(folder), min(10_000, components))
    return {
        "name": "large store",
        "components": components,
        **made,
        **opened,
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        **cold,
        "target": {"open_s": 60, "recheck_of_verify": 0.8, "full_s": 5, "cold_verify_s": 1},
    }


def _init(path: Path, world: Supply) -> Workspace:
    workspace = Workspace.init(
        path, "Bench", now=now(), policy="open", settings=Settings(store=path)
    )
    # who judges is the world's verifier: its waivers count, this store's own list does not
    workspace.set_anchors(msgspec.structs.replace(world.anchors, logs=workspace.anchors().logs))
    return workspace


def _register(path: Path, world: Supply) -> dict[str, Any]:
    taken, count, sample = 0.0, 0, list[bytes]()
    with _init(path, world) as workspace:
        for batch in world.batches(threads=2):
            if len(sample) < SAMPLE:
                sample += batch.statements
            began = time.perf_counter()
            outcomes = workspace.store.submit(batch.statements, now=batch.now)
            taken += time.perf_counter() - began
            refused = [o for o in outcomes if hasattr(o, "problem")]
            assert not refused, refused[0]
            count += len(outcomes)
    bare = bare_rate(sample[:SAMPLE])
    size = sum(f.stat().st_blocks * 512 for f in path.rglob("*") if f.is_file())
    return {
        "statements": count,
        "store_mib": size >> 20,
        "register_s": round(taken, 1),
        "register_per_s": round(count / taken),
        "verify_per_s": round(bare),
        "register_of_verify": round(count / taken / bare, 2),
    }


def _open(path: Path, world: Supply) -> dict[str, Any]:
    began, spent = time.perf_counter(), time.process_time()
    with Workspace.open(path, settings=Settings(store=path)) as workspace:
        workspace.live()
        opened = time.perf_counter() - began
        opened_cpu = time.process_time() - spent
        gc.freeze()  # as the server does
        began = time.perf_counter()
        checked = workspace.store.recheck()
        rechecked = time.perf_counter() - began
        assert not checked.faults, checked.faults[0]
        bare = bare_rate([raw for _, raw in workspace.store.reader().raw_range(0, SAMPLE)])
        graph = workspace.judge.graph
        began = time.perf_counter()
        asked = judgement(graph, world.profile, workspace.anchors(), at=world.at)
        asked.settle_all()
        full = time.perf_counter() - began
        values = {p: asked.verdict(p).value for p in world.products[:100]}
        wrong = sum(value is not world.truth.products[p] for p, value in values.items())
    return {
        "open_s": round(opened, 1),
        "open_cpu_s": round(opened_cpu, 1),
        "recheck_s": round(rechecked, 1),
        "recheck_of_verify": round(checked.statements / rechecked / bare, 2),
        "full_s": round(full, 2),
        "products_wrong": wrong,
    }


def _cold(folder: Path, components: int) -> dict[str, Any]:
    """One product of a chain of this size, judged by a command that starts from nothing."""
    world = Supply.generate(Scale.single(components), seed=3, at=now() + AHEAD, rate=0.0)
    path = folder / "store"
    with _init(path, world) as workspace:
        for batch in world.batches(threads=2):
            workspace.store.submit(batch.statements, now=batch.now)
    profile = folder / "profile.json"
    profile.write_text(json.dumps(world.profile.document()))
    command = [
        sys.executable,
        "-m",
        "kizuna",
        "verify",
        world.products[0],
        "--profile",
        str(profile),
        "--store",
        str(path),
        "--at",
        str(datetime.fromtimestamp(world.at, UTC).isoformat()),
        "--json",
    ]
    # as on a machine where the program ran before: its modules are compiled, whatever is set here
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    times, answer = [], ""
    for _ in range(6):
        began = time.perf_counter()
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=env, timeout=PATIENCE
        )
        times.append(time.perf_counter() - began)
        answer = done.stdout
        assert '"coverage"' in answer, (done.returncode, answer[:500], done.stderr[-500:])
    found = json.loads(answer)
    return {
        "cold_subjects": found["coverage"]["subjects"],
        "cold_verdict": found["verdict"],
        "cold_verify_s": round(sorted(times[1:])[2], 2),
        "never_compiled_s": round(times[0], 2),
    }


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0), indent=1))
