# SPDX-License-Identifier: Apache-2.0
"""Catalogs and profiles: reading, resolving beside compliance-trestle, switching a version.

The SP 800-53 LOW profile is resolved from the HIGH catalog, files read and parsed included, by this
product and by compliance-trestle (in an environment of its own, see ``tests/conformance``), each in
a process that has loaded its libraries; medians. A profile's second version, which asks for
fresher claims, is set against the first over a simulated world held in memory; the ratio beside it
is to one judgement of the same world in the same run.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.judgement import NOW, ORIGIN, registered
from kizuna.chain.graph import Graph
from kizuna.chain.verify import Judgement
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.switching import switch
from kizuna.criteria.catalogs import oscal_shape, read_oscal
from kizuna.criteria.profiles.oscal_resolve import resolve_profile
from kizuna.model.trust import LogAnchor
from kizuna.worlds.supply import Scale, Supply

ROOT = Path(__file__).resolve().parents[1]
WANTED = "compliance-trestle==5.2.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kizuna-tests"
ORACLE = CACHE / f"oracle-{sha256(WANTED.encode()).hexdigest()[:8]}" / "bin" / "python"
BASE = "SP800-53/rev5/json/NIST_SP-800-53_rev5_"
ROUNDS = 9
THEIRS = """
import json, pathlib, statistics, sys, time
from trestle.core.catalog.catalog_interface import CatalogInterface
from trestle.core.profile_resolver import ProfileResolver
root, profile, rounds = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
times = []
for _ in range(rounds):
    began = time.perf_counter()
    made = ProfileResolver.get_resolved_profile_catalog(root, profile)
    times.append(time.perf_counter() - began)
ids = sorted(c.id for c in CatalogInterface(made).get_all_controls_from_catalog(True))
print(json.dumps({"s": statistics.median(times), "ids": ids}))
"""


def run(scale: float = 1.0) -> dict[str, Any]:
    """Figures of one run; ``scale`` 1 is 1,000,000 components."""
    folder = Path(os.environ.get("KIZUNA_SHARED", ROOT / ".." / "shared")) / "data" / "oscal"
    made: dict[str, Any] = {"name": "catalogs"}
    if folder.is_dir():
        made |= _reading(folder) | _resolving(folder)
    return made | _switching(max(1_000, int(1_000_000 * scale)))


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _reading(folder: Path) -> dict[str, Any]:
    made = {}
    for name, file in (
        ("csf_xml", "CSF/v2.0/xml/NIST_CSF_v2.0_catalog.xml"),
        ("171r3_xml", "SP800-171/rev3/xml/NIST_SP800-171_rev3_catalog.xml"),
        ("53r5_high_json", f"{BASE}HIGH-baseline-resolved-profile_catalog-min.json"),
    ):
        data = (folder / file).read_bytes()
        made[f"read_{name}_ms"] = round(1000 * _median(partial(read_oscal, data)), 1)
    return made


def _resolving(folder: Path) -> dict[str, Any]:
    high = folder / f"{BASE}HIGH-baseline-resolved-profile_catalog-min.json"
    low = folder / f"{BASE}LOW-baseline_profile.json"
    published = read_oscal(
        (folder / f"{BASE}LOW-baseline-resolved-profile_catalog-min.json").read_bytes()
    )

    def ours() -> tuple[str, ...]:
        catalog, profile = oscal_shape(high.read_bytes()), oscal_shape(low.read_bytes())
        return resolve_profile(profile, lambda _: catalog, now=NOW).ids

    made: dict[str, Any] = {
        "resolve_low_ms": round(1000 * _median(ours), 1),
        "equal_to_published": list(ours()) == [c.id for c in published.controls],
    }
    if not ORACLE.is_file():
        return made | {"trestle_ms": "not installed"}
    with tempfile.TemporaryDirectory() as place:
        theirs = _theirs(Path(place), high, low)
    return made | {
        "trestle_ms": round(1000 * theirs["s"], 1),
        "trestle_same_ids": theirs["ids"] == sorted(ours()),
        "times_as_fast": round(1000 * theirs["s"] / made["resolve_low_ms"], 1),
    }


def _theirs(place: Path, high: Path, low: Path) -> dict[str, Any]:
    (place / ".trestle").mkdir()
    catalog, profile = json.loads(high.read_bytes()), json.loads(low.read_bytes())
    for document in (catalog["catalog"], profile["profile"]):
        document["metadata"]["oscal-version"] = "1.2.1"
    profile["profile"]["imports"][0]["href"] = "trestle://catalogs/high/catalog.json"
    for name, document in (("catalogs/high/catalog", catalog), ("profiles/low/profile", profile)):
        file = place / f"{name}.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(document))
    done = subprocess.run(
        [
            str(ORACLE),
            "-c",
            THEIRS,
            str(place),
            str(place / "profiles/low/profile.json"),
            str(ROUNDS),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _switching(components: int) -> dict[str, Any]:
    world = Supply.generate(Scale.of(components), seed=7, at=NOW)
    graph = Graph()
    gc.disable()
    for batch in registered(world):
        graph.add(batch)
    graph.prepare()
    gc.collect()
    gc.freeze()
    gc.enable()
    anchors = msgspec.structs.replace(
        world.anchors, logs=[LogAnchor(origin=ORIGIN, keys=["benchmark"])]
    )
    before = world.profile
    after = replace(
        before,
        version="2",
        requirements=tuple(
            replace(r, max_age=None if r.max_age is None else r.max_age // 2)
            for r in before.requirements
        ),
    )
    began, spent = time.perf_counter(), time.process_time()
    done = switch(Authority(graph, anchors), before, after, at=NOW)
    clock, processor = time.perf_counter() - began, time.process_time() - spent
    began, alone = time.perf_counter(), time.process_time()
    Judgement(Authority(graph, anchors), after, NOW).settle_all()
    one, alone = time.perf_counter() - began, time.process_time() - alone
    return {
        "components": components,
        "switch_s": round(clock, 2),
        "switch_cpu_s": round(processor, 2),
        "one_judgement_s": round(one, 2),
        "one_judgement_cpu_s": round(alone, 2),
        "switch_of_one_judgement": round(processor / alone, 2),
        "products_judged": done.judged,
        "products_moved": len(done.moved),
        "parts_moved": done.parts_moved,
        "target": {"switch_s": 10},
    }
