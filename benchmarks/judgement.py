# SPDX-License-Identifier: Apache-2.0
"""The judgement of a large supply chain: load, full judgement, one new notice, impact, one product.

A simulated world of up to 10,000 organisations and 1,000,000 components is taken into memory as a
server holds it, and judged under a profile of a dozen requirements; what it finds is compared with
what is wrong in the world. Times are of this process, memory is its peak; the ratio beside each is
to one pass of numpy over the edges of the graph (a gather and a scatter), measured in the same run.
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from kizuna.chain.graph import Graph
from kizuna.chain.verify import Judgement, Watches, impact
from kizuna.chain.verify.authority import Authority
from kizuna.model.identifier import Digest, digest_of
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Notice, Severity
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.model.trust import LogAnchor
from kizuna.roots.cose import parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.statement import decoded
from kizuna.worlds.supply import Scale, Supply

ORIGIN = "benchmark.example/log"
NOW = 1_800_000_000
WATCHES = (1, 20, 200)
ROUNDS = 21


def run(scale: float = 1.0) -> dict[str, Any]:
    """Figures of one run; ``scale`` 1 is 1,000,000 components."""
    components = max(1_000, int(1_000_000 * scale))
    world = Supply.generate(Scale.of(components), seed=7, at=NOW)
    graph = Graph()
    adding, statements = 0.0, 0
    gc.disable()  # as a server does while it loads
    for batch in registered(world):
        began = time.perf_counter()
        graph.add(batch)
        adding += time.perf_counter() - began
        statements += len(batch)
    began = time.perf_counter()
    graph.prepare()
    prepared = time.perf_counter() - began
    gc.collect()
    gc.freeze()
    gc.enable()
    unit = _pass_over_edges(graph)
    anchors = msgspec.structs.replace(
        world.anchors, logs=[LogAnchor(origin=ORIGIN, keys=["benchmark"])]
    )
    began, spent = time.perf_counter(), time.process_time()
    authority = Authority(graph, anchors)
    judgement = Judgement(authority, world.profile, NOW)
    judgement.settle_all()
    full, spent = time.perf_counter() - began, time.process_time() - spent
    began = time.perf_counter()
    judgement.settle_all()
    again = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "name": "judgement",
        "components": components,
        "statements": statements,
        "nodes": graph.nodes,
        "edges": graph.edge_row.size,
        "graph_per_s": round(statements / adding),
        "graph_s": round(adding, 2),
        "prepare_s": round(prepared, 2),
        "full_s": round(full, 2),
        "full_cpu_s": round(spent, 2),
        "again_s": round(again, 2),
        "full_of_a_pass_over_edges": round(full / unit),
        "memory_mib": round(memory),
        **_found(world, judgement),
        **_one_notice(world, judgement),
        **_worst_impact(judgement, world),
        **_one_product(world, judgement),
        "target": {"full_s": 5, "memory_mib": 2048, "notice_ms": 50, "impact_s": 1},
    }


def registered(world: Supply) -> Iterator[list[Registered]]:
    """The world as a log would hold it."""
    index = 0
    keys: dict[str, Any] = {}
    for batch in world.batches(threads=2):
        made = []
        for raw in batch.statements:
            envelope = parse_sign1(raw)
            key = keys.get(envelope.issuer)
            if key is None:
                (key,) = genesis_keys(envelope.issuer)
                keys[envelope.issuer] = key
            made.append(
                Registered(
                    statement=decoded(envelope, key),
                    origin=ORIGIN,
                    index=index,
                    registered=Interval(batch.now, batch.now),
                )
            )
            index += 1
        yield made


def _pass_over_edges(graph: Graph) -> float:
    values = np.ones(graph.nodes, dtype=np.int8)
    source, target = graph.edge_from.view, graph.edge_to.view
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        np.minimum.at(values, source, values[target])
        rounds.append(time.perf_counter() - began)
    return min(rounds)


def _found(world: Supply, judgement: Judgement) -> dict[str, Any]:
    """Defects found, missed and false against the known truth, and values of products."""
    began = time.perf_counter()
    reported = set()
    wrong = 0
    products = world.products
    truth = world.truth
    # a sample is enough for the values; defects need every node
    sample = products[:: max(1, len(products) // 300)]
    for product in sample:
        verdict = judgement.verdict(product)
        wrong += verdict.value is not truth.products[product]
    judged = time.perf_counter() - began
    for finding in judgement.all_findings(roots=products):
        reported.add((finding.subject, finding.code))
    result = truth.compare(reported)
    return {
        "products_checked": len(sample),
        "products_wrong": wrong,
        "verdict_ms": round(1000 * judged / len(sample), 1),
        "defects": len(truth.defects),
        "found": result.found,
        "missed": len(result.missed),
        "false": len(result.false),
    }


def _one_notice(world: Supply, judgement: Judgement) -> dict[str, Any]:
    """A notice about something deep that watched products depend on: until all are renewed."""
    made: dict[str, Any] = {}
    graph = judgement.graph
    worst = _worst(judgement, world)
    for count in WATCHES:
        watches = Watches(judgement)
        for product in world.products[:count]:
            watches.add(product)
        times = []
        for number in range(ROUNDS):
            statement = _notice(world, graph, worst if number % 2 else _some(world, number), number)
            began = time.perf_counter()
            graph.add([statement])
            watches.update()
            times.append(time.perf_counter() - began)
        made[f"notice_ms_{count}_watches"] = round(1000 * statistics.median(times), 1)
        made[f"notice_worst_ms_{count}_watches"] = round(1000 * max(times), 1)
    return made


def _some(world: Supply, number: int) -> str:
    products = world.products
    return products[number % len(products)]


def _notice(world: Supply, graph: Graph, subject: str, number: int) -> Registered:
    index = len(graph)
    digest = Digest(digest_of(f"{index} {number}".encode()))
    return Registered(
        statement=Statement(
            digest=digest,
            content=digest,
            issuer=parse_sign1(world.notice(subject, NOW)).issuer,
            subject=subject,
            kind=Kind.NOTICE,
            media_type=media_type_of(Kind.NOTICE),
            key_id=digest,
            payload=Notice(type="vulnerability", severity=Severity.HIGH, id=f"BENCH-{index}"),
        ),
        origin=ORIGIN,
        index=index,
        registered=Interval(NOW, NOW),
    )


def _worst(judgement: Judgement, world: Supply) -> str:
    """The thing that most others name as what they depend on."""
    graph = judgement.graph
    counts = np.bincount(graph.edge_to.view, minlength=graph.nodes)
    things = np.bincount(graph.edge_from.view, minlength=graph.nodes) > 0
    del world
    return graph.name(int(np.argmax(np.where(things, counts, 0))))


def _worst_impact(judgement: Judgement, world: Supply) -> dict[str, Any]:
    subject = _worst(judgement, world)
    times = []
    affected: list[dict[str, Any]] = []
    for _ in range(3):
        began = time.perf_counter()
        affected = impact(judgement, subject)
        times.append(time.perf_counter() - began)
    return {"impact_s": round(min(times), 3), "impact_affected": len(affected)}


def _one_product(world: Supply, judgement: Judgement) -> dict[str, Any]:
    """A product judged alone in the loaded graph, nothing settled before."""
    times = []
    for product in world.products[:5]:
        began = time.perf_counter()
        Judgement(judgement.authority, world.profile, NOW).verdict(product)
        times.append(time.perf_counter() - began)
    return {"one_product_ms": round(1000 * statistics.median(times), 1)}
