# SPDX-License-Identifier: Apache-2.0
"""A fleet under gateways, attested once through a real broker; and how fast a verdict follows.

100,000 devices (four of five with a shared key, one with a PSA token) stand under 100 gateways in
two processes. What the devices send is made before the clock runs: real devices make it themselves.
Timed is what gateways and verifier do: every leaf verified at its gateway, one bundle a gateway
over MQTT, four leaves of each opened and appraised again, the root of each registered. The first
epoch also registers the first standing of every device; the second is the routine.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import threading
import time
import tracemalloc
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from benchmarks._beside import Beside, beside
from kizuna.app.mqtt.broker import broker_at
from kizuna.app.mqtt.door import listening
from kizuna.app.mqtt.line import MqttLine
from kizuna.app.wiring.devices.fleet import Keeper, collector_of, keeper_of
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.settings import now as system_clock
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.finding import Value
from kizuna.model.identifier import Element, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Described, Link, Links
from kizuna.model.relation import Relation
from kizuna.proof.attestation.appraiser import Appraiser
from kizuna.proof.attestation.fleet import GATEWAY, Fleet
from kizuna.proof.attestation.fleet.gateway import Gateway
from kizuna.proof.attestation.reference import References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.roots.cose import encode
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.fleet.things import Thing, references, thing
from kizuna.worlds.party import SetClock

UNDER_ONE = 1000
PROCESSES = 2
TIMES = 20


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Rows; ``scale`` 1 is 100,000 devices."""
    gateways = max(PROCESSES, int(100 * scale))
    return [*_attested(gateways), *_memory(), *_followed()]


def _post(number: int, at: int) -> tuple[Gateway, Enrolled, list[Thing]]:
    """One gateway and its devices, the same in every process."""
    draw = random.Random(number)  # noqa: S311 - to be repeated
    unit = EphemeralUnit(b"gateway %d" % number)
    subject = canonical(f"urn:dev:ops:000000-gateway-{number:04d}")
    handle = unit.generate(Algorithm.ES256, subject)
    things = [
        thing(
            number * UNDER_ONE + i,
            "psa" if i % 5 == 0 else "hmac",
            unit,
            draw,
            now=at,
            gateway=subject,
        )
        for i in range(UNDER_ONE)
    ]
    known = References()
    for value in references():
        known.add(value)
        known.close(value.model)
    gateway = Gateway(subject, unit, handle, Appraiser(known, SCHEMES, threads=1), now=at)
    gateway.enrol([one.enrolled() for one in things], at)
    return gateway, Enrolled(scheme=GATEWAY, subject=subject, key=unit.public(handle)), things


def _gateways(pipe: Connection, numbers: list[int], at: int, address: tuple[str, int]) -> None:
    """A process with some gateways: makes evidence, waits for the word, verifies and sends."""
    posts = [_post(number, at) for number in numbers]
    line = MqttLine(address, f"gateways-{numbers[0]}")
    pipe.send("ready")
    while True:
        try:
            epoch, nonce, now = pipe.recv()
        except EOFError:  # whoever measures is done
            break
        said = [[(t.subject, t.evidence(nonce, now), t.port) for t in own] for _, _, own in posts]
        pipe.send("made")
        pipe.recv()
        for (gateway, _, _), pieces in zip(posts, said, strict=True):
            gateway.begin(epoch, nonce)
            gateway.hear(pieces, now)
            places = line.bundle(encode([gateway.subject, gateway.bundle(now)]))
            opened = [[o.index, o.entry, list(o.proof), o.evidence] for o in gateway.open(places)]
            wrong = line.opening(encode([gateway.subject, opened]))
            if wrong:
                raise RuntimeError(wrong)
        pipe.send("done")
    line.close()


def _attested(gateways: int) -> list[dict[str, Any]]:
    clock = SetClock(system_clock() // 60 * 60)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=Path(folder) / "store", clock=clock)
        with (
            Workspace.init(settings.store, "Fleet", now=clock.now, settings=settings) as workspace,
            broker_at(None) as address,
            ExitStack() as stack,
        ):
            keeper = keeper_of(workspace)
            keeper.accept_references(references())
            for number in range(gateways):
                _, own, things = _post(number, clock.now)
                keeper.enrol([own, *(t.enrolled() for t in things)])
            posts = [
                stack.enter_context(
                    beside(_gateways, list(range(at, gateways, PROCESSES)), clock.now, address)
                )
                for at in range(PROCESSES)
            ]
            with listening(keeper, address):
                for post in posts:
                    post.hear()
                for name in ("first epoch", "routine epoch"):
                    clock.forward(60)
                    rows.append(_epoch(name, keeper, clock.now, posts))
            keeper.close()
    return rows


def _epoch(name: str, keeper: Keeper, now: int, posts: list[Beside]) -> dict[str, Any]:
    epoch = keeper.epochs.number(now)
    for post in posts:
        post.tell((epoch, keeper.epochs.nonce(epoch), now))
    for post in posts:
        post.hear()
    before = keeper.appraisals
    size = keeper._workspace.head().size  # noqa: SLF001 - the figure is the log's growth
    began = time.perf_counter()
    for post in posts:
        post.tell("go")
    for post in posts:
        post.hear()
    heard = time.perf_counter() - began
    keeper.settle()
    seconds = time.perf_counter() - began
    well = keeper.counts()["affirming"]
    return {
        "what": name,
        "devices": well,
        "appraisals": keeper.appraisals - before,
        "seconds": round(seconds, 1),
        "of which heard": round(heard, 1),
        "devices/s": int(well / seconds),
        "log entries": keeper._workspace.head().size - size,  # noqa: SLF001 - as above
    }


def _memory() -> list[dict[str, Any]]:
    """Bytes that one enrolled device costs the verifier, by tracing what is allocated."""
    count = 10_000
    draw, unit = random.Random(1), EphemeralUnit(b"memory")  # noqa: S311 - to be repeated
    things = [thing(n, "psa", unit, draw, now=0) for n in range(count)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    fleet = Fleet(0)
    for one in things:
        fleet.enrol(one.enrolled(), 0)
    each = (tracemalloc.get_traced_memory()[0] - before) // count
    tracemalloc.stop()
    return [{"what": f"memory: {each} bytes a device, {fleet.bytes_each} of them state"}]


def _followed() -> list[dict[str, Any]]:
    """From the moment tampered evidence is sent to the product's changed verdict, over HTTP."""
    clock = SetClock(system_clock() // 60 * 60)
    draw, unit = random.Random(2), EphemeralUnit(b"followed")  # noqa: S311 - to be repeated
    things = [thing(n, "psa", unit, draw, now=clock.now) for n in range(50)]
    product = canonical("https://tower.example/equipment/unit-3")
    building = canonical("https://tower.example/building")
    taken: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(store=Path(folder) / "store", clock=clock)
        with Workspace.init(settings.store, "Fleet", now=clock.now, settings=settings) as workspace:
            collector = collector_of(workspace.identity)

            def tell(subject: str, links: list[Link], element: Element) -> None:
                said = Links(links=links, described=[Described(element=element, name="x")])
                workspace.register_one(workspace.sign(Kind.LINK, canonical(subject), said))

            part = Relation.PART_OF
            tell(collector, [], Element.SERVICE)
            tell(building, [Link(relation=part, subject=product)], Element.SYSTEM)
            tell(product, [Link(relation=part, subject=t.subject) for t in things], Element.SYSTEM)
            for one in things:
                measured = Link(relation=Relation.MEASURED_BY, object=collector)
                tell(one.subject, [measured], Element.COMPONENT)
            workspace.live()
            keeper = keeper_of(workspace)
            keeper.accept_references(references())
            keeper.enrol([one.enrolled() for one in things])
            reached = threading.Event()
            wanted: list[Value] = [Value.TRUSTED]

            def changed(change: Any) -> None:  # noqa: ANN401 - the workspace's own value
                if change.after is wanted[0]:
                    reached.set()

            with background(workspace) as (host, port), httpx.Client(timeout=60) as client:
                url = f"http://{host}:{port}/api/devices/evidence"

                def minute() -> None:
                    clock.forward(60)
                    nonce = keeper.epochs.nonce(keeper.epochs.number(clock.now))
                    body = encode([[t.subject, t.evidence(nonce, clock.now)] for t in things])
                    told = client.post(
                        url, content=body, headers={"content-type": "application/cbor"}
                    )
                    told.raise_for_status()

                minute()
                keeper.tick()
                keeper.settle()
                minute()
                keeper.tick()
                keeper.settle()
                workspace.watch(building, workspace.profile("attested-site"))
                workspace.subscribe(changed)
                for _ in range(TIMES):
                    bad = draw.choice(things)
                    good = dict(bad.images)
                    for value in (Value.UNTRUSTED, Value.TRUSTED):
                        wanted[0] = value
                        reached.clear()
                        bad.images["APP"] = b"changed" if value is Value.UNTRUSTED else good["APP"]
                        began = time.perf_counter()
                        minute()
                        if not reached.wait(30):
                            standing = keeper.standing(bad.subject)
                            raise RuntimeError(f"the verdict never became {value.word}: {standing}")
                        if value is Value.UNTRUSTED:
                            taken.append(time.perf_counter() - began)
    return [
        {
            "what": f"tampering to the building's changed verdict: median "
            f"{statistics.median(taken):.2f} s, worst {max(taken):.2f} s of {len(taken)}"
        }
    ]
