# SPDX-License-Identifier: Apache-2.0
"""A simulated fleet against a real verifier: a store, a server on a socket, a clock that is set.

Keeps: 1. Devices come in through the doors that real ones use, over sockets; this process only
plays their owners (it enrols them) and time. 2. The store is a scratch one unless a folder was
named: a log cannot forget invented devices. 3. What was missed and what was told without cause is
counted against the world's own truth, and named.
"""

from __future__ import annotations

import http.client
import importlib
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Protocol
from zlib import crc32

from kizuna.app.wiring.devices.fleet import Keeper, keeper_of
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import Progress, quiet
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed, Misconfigured, Problem, Unavailable
from kizuna.proof.attestation.fleet.bundle import Opening
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.roots.cose import check_sign1, decode, encode, read_sign1
from kizuna.roots.keys import PublicKey
from kizuna.worlds.fleet import EVENTS, RESIDUAL, World
from kizuna.worlds.party import SetClock

__all__ = ["TRANSPORTS", "Simulated", "simulate"]

TRANSPORTS: Final = ("http", "mqtt", "both")
_CALLERS: Final = 4
_PATIENCE: Final = 30.0
_MINUTE: Final = 60


class Line(Protocol):
    """How messages of devices and gateways travel."""

    def epoch(self) -> bytes:
        """The signed epoch of now."""
        ...

    def evidence(self, body: bytes) -> None:
        """Hand evidence in and wait until it was taken."""
        ...

    def bundle(self, body: bytes) -> list[int]:
        """Hand a bundle in: the places of leaves to open."""
        ...

    def opening(self, body: bytes) -> str:
        """Hand leaves in: empty, or what does not hold."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class HttpLine:
    """A kept connection a thread."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._own = threading.local()
        self._links: list[http.client.HTTPConnection] = []

    def epoch(self) -> bytes:
        """``GET /api/devices/epoch``."""
        return self._ask("GET", "/api/devices/epoch", None)

    def evidence(self, body: bytes) -> None:
        """``POST /api/devices/evidence``."""
        self._ask("POST", "/api/devices/evidence", body)

    def bundle(self, body: bytes) -> list[int]:
        """``POST /api/devices/bundle``."""
        return list(decode(self._ask("POST", "/api/devices/bundle", body)))

    def opening(self, body: bytes) -> str:
        """``POST /api/devices/opening``."""
        return str(decode(self._ask("POST", "/api/devices/opening", body)))

    def close(self) -> None:
        """Hang up."""
        for link in self._links:
            link.close()

    def _ask(self, verb: str, path: str, body: bytes | None) -> bytes:
        link = getattr(self._own, "link", None)
        if link is None:
            link = self._own.link = http.client.HTTPConnection(*self._address, timeout=60)
            self._links.append(link)
        headers = {} if body is None else {"content-type": "application/cbor"}
        try:
            link.request(verb, path, body, headers)
            answer = link.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            self._own.link = None
            raise Unavailable(
                "fleet.door-lost",
                "the verifier's door did not answer",
                why=str(fault),
                hint="run the simulation again; if it stays so, look at the server's log",
            ) from fault
        if answer.status != 200:
            raise Malformed(
                "fleet.door-refused",
                f"the verifier refused a message with {answer.status}",
                why=told[:300].decode("utf-8", "replace"),
                hint="this is a fault of the simulation: report it",
                status=answer.status,
            )
        return bytes(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What a simulation came to."""

    devices: int
    gateways: int
    minutes: int
    seed: int
    transport: str
    appraisals: int
    alarms: int
    missed: int
    false: int
    seconds: float
    by_event: dict[str, dict[str, int]]
    by_alarm: dict[str, int]
    counts: dict[str, int]
    statements: int
    residual: int
    missed_events: list[dict[str, Any]]
    false_alarms: list[dict[str, str]]
    bytes_each: int

    def as_json(self) -> dict[str, Any]:
        """The answer of the command."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def simulate(
    settings: Settings,
    *,
    devices: int,
    seed: int,
    minutes: int,
    transport: str = "http",
    broker: str | None = None,
    keep: Path | None = None,
    progress: Progress = quiet,
) -> Simulated:
    """Run a fleet of ``devices`` for ``minutes`` and hold alarms against the truth.

    Raises:
        Malformed: ``fleet.simulation-size``, ``fleet.transport``. Misconfigured:
        ``http.extra-missing``, ``mqtt.extra-missing``, ``mqtt.no-broker``.
    """
    if not (1 <= devices <= 1_000_000 and 1 <= minutes <= 10_000):
        raise Malformed(
            "fleet.simulation-size",
            "a simulation has 1 to 1,000,000 devices and 1 to 10,000 minutes",
            hint="choose --devices and --minutes within that",
        )
    if transport not in TRANSPORTS:
        raise Malformed(
            "fleet.transport",
            f"no transport named {transport[:20]!r}",
            hint="one of " + ", ".join(TRANSPORTS),
            transport=transport[:20],
        )
    with tempfile.TemporaryDirectory(prefix="kizuna-fleet-") as scratch:
        clock = SetClock(settings.clock() - (minutes + 5) * _MINUTE)
        clock.now -= clock.now % _MINUTE
        folder = keep or Path(scratch) / "store"
        own = Settings(store=folder, clock=clock, lang=settings.lang)
        with Workspace.init(folder, "Simulated fleet", now=clock.now, settings=own) as workspace:
            return _run(
                workspace,
                clock,
                devices=devices,
                seed=seed,
                minutes=minutes,
                transport=transport,
                broker=broker,
                progress=progress,
            )


def _run(
    workspace: Workspace,
    clock: SetClock,
    *,
    devices: int,
    seed: int,
    minutes: int,
    transport: str,
    broker: str | None,
    progress: Progress,
) -> Simulated:
    began = time.monotonic()
    world = World(devices, seed, minutes, clock.now, SCHEMES)
    keeper = keeper_of(workspace)
    keeper.accept_references(world.references)
    keeper.enrol(world.enrolled())
    statements = 0
    with (
        _doors(workspace, keeper, transport, broker) as lines,
        ThreadPoolExecutor(_CALLERS, "device") as callers,
    ):
        begin = clock.now
        for minute in range(minutes):
            clock.now = begin + minute * _MINUTE + 5
            statements += _minute(world, keeper, clock, lines, callers, workspace, minute)
            progress("phase.simulating", minute + 1, minutes)
        clock.now = begin + minutes * _MINUTE
        keeper.tick()
        statements += keeper.settle()
    alarms = keeper.alarms_of()
    missed, false = world.missed(alarms), world.false(alarms)
    by_event: dict[str, dict[str, int]] = {}
    for happening in world.happenings:
        told = by_event.setdefault(happening.kind, {"events": 0, "missed": 0})
        told["events"] += 1
        told["missed"] += happening in missed
    result = Simulated(
        devices=devices,
        gateways=len(world.posts),
        minutes=minutes,
        seed=seed,
        transport=transport,
        appraisals=keeper.appraisals,
        alarms=sum(keeper.alarms().values()),
        missed=len(missed),
        false=len(false),
        seconds=round(time.monotonic() - began, 2),
        by_event=by_event,
        by_alarm=keeper.alarms(),
        counts=keeper.counts(),
        statements=statements,
        residual=sum(h.kind in RESIDUAL for h in world.happenings),
        missed_events=[
            {
                "kind": h.kind,
                "subject": h.subject,
                "minute": h.minute,
                "wanted": sorted(EVENTS[h.kind].told_by),
            }
            for h in missed[:100]
        ],
        false_alarms=[{"subject": s, "alarm": a} for s, a in false[:100]],
        bytes_each=keeper.fleet.bytes_each,
    )
    keeper.close()
    return result


def _minute(
    world: World,
    keeper: Keeper,
    clock: SetClock,
    lines: Sequence[Line],
    callers: ThreadPoolExecutor,
    workspace: Workspace,
    minute: int,
) -> int:
    key = workspace.unit.public(workspace.handle)
    wanted = keeper.epochs.number(clock.now)
    epoch, nonce = _opened(lines[0].epoch(), key)
    patience = time.monotonic() + _PATIENCE
    while epoch != wanted:  # a broker gives out the new one a moment after the minute began
        if time.monotonic() > patience:
            raise Unavailable(
                "fleet.door-lost",
                "the verifier's door did not answer",
                why="it published no new epoch",
                hint="run the simulation again; if it stays so, look at the server's log",
            )
        time.sleep(0.02)
        epoch, nonce = _opened(lines[0].epoch(), key)
    messages = world.minute(minute, epoch, nonce, clock.now)
    waiting = [
        callers.submit(_speak, _own(lines, subject), subject, [e for _, e in said])
        for subject, said in groupby(messages, itemgetter(0))
    ]
    for sent in waiting:
        sent.result()
    clock.forward(40)
    for post, data in world.bundles(clock.now):
        line = lines[minute % len(lines)]
        try:
            places = line.bundle(encode([post.subject, data]))
        except Problem:
            continue  # refused: the verifier has told its own alarm
        if places:
            openings = post.gateway.open(places)
            line.opening(encode([post.subject, [_written(o) for o in openings]]))
    clock.forward(14)
    keeper.tick()
    return keeper.settle()


def _own(lines: Sequence[Line], subject: str) -> Line:
    """The line that this device uses, always the same."""
    return lines[crc32(subject.encode()) % len(lines)]


def _speak(line: Line, subject: str, said: Sequence[bytes]) -> None:
    """One device's messages, in the order in which it sent them."""
    for evidence in said:
        line.evidence(encode([[subject, evidence]]))


def _written(opening: Opening) -> list[object]:
    return [opening.index, opening.entry, list(opening.proof), opening.evidence]


def _opened(message: bytes, key: PublicKey) -> tuple[int, bytes]:
    """Number and nonce of a signed epoch: devices believe their verifier's key alone."""
    parsed = read_sign1(message)
    if not check_sign1(parsed, key):
        raise Malformed(
            "fleet.epoch-signature",
            "the epoch was not signed by the verifier",
            hint="find out who answers in its place",
        )
    claims = decode(parsed.payload or b"")
    return int(claims[1]), bytes(claims[2])


@contextmanager
def _doors(
    workspace: Workspace, keeper: Keeper, transport: str, broker: str | None
) -> Iterator[list[Line]]:
    with background(workspace) as (host, port), closing(HttpLine(host, port)) as web:
        if transport == "http":
            yield [web]
            return
        with _mqtt().simulated(keeper, broker) as line:
            yield [line] if transport == "mqtt" else [web, line]


def _mqtt() -> Any:  # noqa: ANN401 - a module of the door, named and not imported
    try:
        return importlib.import_module("kizuna.app.mqtt.line")
    except ModuleNotFoundError as fault:
        raise Misconfigured(
            "mqtt.extra-missing",
            f"MQTT needs {fault.name}, which is not installed",
            why="it comes with the extra `mqtt`",
            hint="pip install 'kizuna[mqtt]'",
            module=fault.name or "",
            extra="mqtt",
        ) from fault
