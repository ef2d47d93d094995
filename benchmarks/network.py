# SPDX-License-Identifier: Apache-2.0
"""Verdicts over chains that cross stores: five over HTTP, a hundred with 50 ms between them.

Beside each stands what bounds it in the same run: verifying the signatures that were fetched once,
and the tiers times the delay. Servers of the five run in processes of their own; the hundred answer
in this process, so what they spend on answers is told apart and is part of the time taken.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks._beside import beside
from kizuna.app.wiring.judging.across import AcrossJudge
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.telling import Teller
from kizuna.app.wiring.workspace import Workspace
from kizuna.criteria.profiles import read_profile
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Described, Level, Link, Links
from kizuna.model.relation import Relation
from kizuna.model.verdict import Verdict
from kizuna.record.store import PUBLIC, Accepted
from kizuna.roots.cose import parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.keys import verify_many
from kizuna.worlds.network import Network, tiers_of
from kizuna.worlds.party import SetClock

AT = 1_800_000_000
DELAY = 0.05
TIERS = 6
WARM = 5
PARTS = 20
PROFILE = read_profile(
    b"""
profile: network
version: 1.0.0
title: {en: Network, ja: network}
requirements:
  - id: described
    title: {en: It has a name, ja: name}
    kind: capability
    claim: description
    from: [maker, supplier]
    present: [name]
follow:
  - relation: part-of
"""
)


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Rows; ``scale`` 1 is 10,000 components over five stores, and 100 stores."""
    return [*_five(max(100, int(10_000 * scale))), *_hundred(max(TIERS, int(100 * scale)))]


def _made(folder: Path, name: str) -> Workspace:
    settings = Settings(store=folder / name, clock=SetClock(AT))
    return Workspace.init(
        folder / name, name, now=AT, policy="open", origin=f"{name}.example/log", settings=settings
    )


def _thing(store: int, number: int) -> SubjectId:
    return canonical(f"pkg:generic/maker-{store}/thing-{number}@1")


def _bill(maker: Workspace, whole: SubjectId, parts: list[SubjectId], name: str) -> bytes:
    links = [Link(relation=Relation.PART_OF, subject=part) for part in parts]
    described = [Described(name=name), *(Described(subject=p, name=p[-12:]) for p in parts)]
    said = Links(links=links, described=described, complete=[Relation.PART_OF])
    return maker.sign(Kind.LINK, whole, said)


def _register(maker: Workspace, statements: list[bytes]) -> None:
    assert all(isinstance(r, Accepted) for r in maker.register(statements))


def _fill(maker: Workspace, store: int, components: int) -> SubjectId:
    """One product of a maker: assemblies of twenty parts, of which some speak for themselves."""
    statements, assemblies = [], []
    for first in range(0, components, PARTS + 1):
        whole = _thing(store, first)
        parts = [_thing(store, n) for n in range(first + 1, min(first + PARTS + 1, components))]
        assemblies.append(whole)
        statements.append(_bill(maker, whole, parts, f"assembly {first}"))
        claim = Claim(type="tested", level=Level.SELF)
        statements += [maker.sign(Kind.CAPABILITY, t, claim) for t in (whole, *parts[:4])]
    product = _thing(store, components)
    statements.append(_bill(maker, product, assemblies, "product"))
    _register(maker, statements)
    return product


def _serve(pipe: Connection, folders: list[str]) -> None:
    """A process that serves some stores until it is told to end."""
    stores = [Workspace.open(settings=Settings(store=Path(f), clock=SetClock(AT))) for f in folders]
    with ExitStack() as stack:
        for store in stores:
            stack.callback(store.close)
        ports = [stack.enter_context(background(store)) for store in stores]
        pipe.send([f"http://{host}:{port}" for host, port in ports])
        with suppress(EOFError):  # whoever measures is done
            pipe.recv()


def _accept(buyer: Workspace, maker: Workspace, store: int) -> None:
    buyer.lists.add(
        maker.identity,
        roles=["maker"],
        scope=[f"pkg:generic/maker-{store}"],
        name=maker.name,
        logs=[maker.log.origin],
    )


def _five(components: int) -> list[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="kizuna-network-"))
    try:
        buyer = _made(folder, "buyer")
        makers = [_made(folder, f"maker-{n}") for n in range(5)]
        for number, maker in enumerate(makers):
            _accept(buyer, maker, number)
            maker.clock.now += 60  # type: ignore[attr-defined]
        buyer.clock.now += 60  # type: ignore[attr-defined]
        products = [_fill(m, n, components // 5 - 1) for n, m in enumerate(makers[1:], start=1)]
        own = _fill(makers[0], 0, components // 5 - 1)
        root = canonical("pkg:generic/maker-0/root@1")
        _register(makers[0], [_bill(makers[0], root, [own, *products], "root")])
        keys = [(m.log.origin, [k.vkey for k in m.log.keys]) for m in makers]
        statements = sum(m.head().size for m in makers)
        for maker in makers:
            maker.close()
        with ExitStack() as stack:
            groups = [[str(m.path) for m in group] for group in (makers[:3], makers[3:])]
            servers = [stack.enter_context(beside(_serve, group)) for group in groups]
            urls = [url for server in servers for url in server.hear()]
            for (origin, held), url in zip(keys, urls, strict=True):
                buyer.trust.add_log(origin, url, held)
            rows = _timed(buyer, root, "five stores over HTTP", statements)
        buyer.close()
        return rows
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _timed(buyer: Workspace, root: SubjectId, title: str, statements: int) -> list[dict[str, Any]]:
    def cold() -> tuple[float, AcrossJudge, Verdict]:
        shutil.rmtree(buyer.path / "remote", ignore_errors=True)
        judge = AcrossJudge(buyer, patience=60)
        begun = time.perf_counter()
        verdict = judge.verify(Question(root, PROFILE))
        return time.perf_counter() - begun, judge, verdict

    taken, judge, verdict = min((cold() for _ in range(3)), key=lambda r: r[0])
    assert verdict.value.word == "trusted", verdict.findings[:3]
    warms = []
    for _ in range(WARM):
        begun = time.perf_counter()
        assert judge.verify(Question(root, PROFILE)).value is verdict.value
        warms.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    AcrossJudge(buyer, patience=60).verify(Question(root, PROFILE))
    disk = time.perf_counter() - begun
    bound = _signatures(buyer)
    return [
        {
            "what": f"{title}, {verdict.coverage.subjects} components, {statements} statements",
            "cold s": f"{taken:.2f}",
            "warm s": f"{statistics.median(warms):.3f}",
            "new process s": f"{disk:.2f}",
            "beside it": f"their signatures alone {bound:.2f} s",
            "load": f"{os.getloadavg()[0]:.1f}",
        }
    ]


def _signatures(buyer: Workspace) -> float:
    """Seconds for the signatures of everything that is remembered, and nothing else."""
    from kizuna.chain.exchange.bundle import Bundle  # noqa: PLC0415 - beside its one use
    from kizuna.roots.cose import decode  # noqa: PLC0415

    envelopes = {}
    for file in (buyer.path / "remote").glob("*/proven"):
        for data in decode(file.read_bytes(), max_depth=3)[2]:
            for raw in Bundle.from_bytes(data).statements.values():
                envelope = parse_sign1(raw)
                envelopes[envelope.digest] = envelope
    jobs = [
        (key, envelope.signature, envelope.to_be_signed)
        for envelope in envelopes.values()
        for key in genesis_keys(envelope.issuer)
        if key.thumbprint == envelope.key_id
    ]
    begun = time.perf_counter()
    assert all(verify_many(jobs))
    return time.perf_counter() - begun


def _hundred(count: int) -> list[dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="kizuna-network-"))
    makers: list[Workspace] = []
    try:
        buyer = _made(folder, "buyer")
        makers = [_made(folder, f"maker-{n}") for n in range(count)]
        for number, maker in enumerate(makers):
            _accept(buyer, maker, number)
            maker.clock.now += 60  # type: ignore[attr-defined]
        buyer.clock.now += 60  # type: ignore[attr-defined]
        tiers = tiers_of(count, TIERS)
        for tier, below in zip(tiers, [*tiers[1:], []], strict=True):
            for place, number in enumerate(tier):
                parts = [_thing(n, 0) for n in below[place :: len(tier)]]
                own = [_thing(number, n) for n in range(1, 11)]
                bill = _bill(makers[number], _thing(number, 0), [*parts, *own], f"{number}")
                _register(makers[number], [bill])
        for maker in makers:
            origin = maker.log.origin
            buyer.trust.add_log(origin, f"http://{maker.name}", [k.vkey for k in maker.log.keys])
        network = Network({m.log.origin: _answer(m) for m in makers}, DELAY)
        return [_tiers(buyer, network, count), _one_slow(buyer, network, tiers, count)]
    finally:
        for maker in makers:
            maker.close()
        shutil.rmtree(folder, ignore_errors=True)


def _answer(maker: Workspace) -> Callable[[bytes], bytes]:
    teller = Teller(maker)
    return lambda question: teller.answer(question, PUBLIC)


def _cold(buyer: Workspace, network: Network) -> tuple[float, AcrossJudge, Any]:
    shutil.rmtree(buyer.path / "remote", ignore_errors=True)
    network.reset()
    judge = AcrossJudge(buyer, transport=network, patience=60)
    begun = time.perf_counter()
    verdict = judge.verify(Question(_thing(0, 0), PROFILE))
    return time.perf_counter() - begun, judge, verdict


def _tiers(buyer: Workspace, network: Network, count: int) -> dict[str, Any]:
    _cold(buyer, network)
    taken, judge, verdict = min((_cold(buyer, network) for _ in range(3)), key=lambda r: r[0])
    assert verdict.value.word == "trusted", verdict.findings[:3]
    asked, busy = network.questions, network.busy
    begun = time.perf_counter()
    judge.verify(Question(_thing(0, 0), PROFILE))
    warm = time.perf_counter() - begun
    return {
        "what": f"{count} stores in {TIERS} tiers, {DELAY * 1000:.0f} ms between them, "
        f"{verdict.coverage.subjects} components, {asked} questions",
        "cold s": f"{taken:.2f}",
        "warm s": f"{warm:.3f}",
        "new process s": "",
        "beside it": f"tiers x delay {TIERS * DELAY:.2f} s; stores answering {busy:.2f} s of CPU",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _one_slow(
    buyer: Workspace, network: Network, tiers: list[list[int]], count: int
) -> dict[str, Any]:
    """A store of the second tier from below takes a second: nobody but its own parts waits."""
    slow = f"maker-{tiers[-2][0]}.example/log"
    network.slow = {slow: 1.0}
    taken, _, verdict = min((_cold(buyer, network) for _ in range(2)), key=lambda r: r[0])
    assert verdict.value.word == "trusted"
    return {
        "what": f"{count} stores, one of tier {TIERS - 1} with a way of 1 s",
        "cold s": f"{taken:.2f}",
        "warm s": "",
        "new process s": "",
        "beside it": f"the longest way {(TIERS - 1) * DELAY + 1.0:.2f} s",
        "load": f"{os.getloadavg()[0]:.1f}",
    }
