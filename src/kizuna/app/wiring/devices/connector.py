# SPDX-License-Identifier: Apache-2.0
"""A connector of this store: its key, its peers from statements, its reports as notices.

Keeps: 1. Peers are subjects; which key a subject has now is asked of the log, again whenever the
log grew: whoever is revoked is out within seconds. 2. The connector's long-lived key stays in the
store's unit. 3. What was refused is told as few notices; a store that cannot be written delays
them and stops nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.devices.life import Lives
from kizuna.model.errors import Malformed, Misconfigured, Problem
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Link, Links, Notice, Severity
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.reporting import Reporter
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.guard.gateway.connector import Connector, Refusal
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.life import DeviceLife
    from kizuna.roots.units import Handle

__all__ = ["Running", "connector_key", "event_loop", "place", "represent"]

LABEL: Final = "connector"
_EVERY: Final = 2.0
_REPORT: Final = 60.0
_ASK_EPOCH: Final = 5.0
"""Seconds between two looks at whether the verifier began a new epoch."""
_MAX_PEERS: Final = 10_000


def connector_key(workspace: Workspace) -> Handle:
    """This store's connector key, made when first asked for."""
    from kizuna.roots.keys import Algorithm

    for handle in workspace.unit.handles():
        if handle.label == LABEL:
            return handle
    return workspace.unit.generate(Algorithm.ES256, LABEL)


def represent(workspace: Workspace, device: str) -> dict[str, Any]:
    """Say that this connector's identity stands for a device: ``acts-for``."""
    from kizuna.roots.identity import did_key

    identity = did_key(workspace.unit.public(connector_key(workspace)))
    behind = canonical(device)
    tie = Link(relation=Relation.ACTS_FOR, subject=identity, object=behind)
    links = Links(links=[tie], part="connector")
    digest, index = workspace.register_one(workspace.sign(Kind.LINK, behind, links))
    return {"connector": identity, "device": behind, "statement": digest, "index": index}


def place(text: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[HOST]:PORT``.

    Raises:
        Malformed: ``connector.place``.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 <= int(port[:6]) < 65_536:
        raise Malformed(
            "connector.place",
            f"not a place on the network: {text[:80]!r}",
            why="it is written HOST:PORT",
            hint="for example 127.0.0.1:1502",
            place=text[:80],
        )
    return host, int(port)


def event_loop() -> asyncio.AbstractEventLoop:
    """The faster event loop where it is installed, else the standard library's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Running:
    """A connector that runs in this process until it is told to stop.

    Args:
        workspace: whose key, whose log.
        side: ``device`` or ``client``.
        listen: where to accept.
        to: the device, or the other connector.
        peers: subjects whose present key is admitted.
        report: the verifier that is told once an epoch what program this is; None for nobody.
        behind: the device that it is told about, and how that is asked who it is.
        machine: the machine that it runs on, its chip, and the registers that this quotes.
    """

    def __init__(
        self,
        workspace: Workspace,
        side: str,
        listen: str,
        to: str,
        peers: Sequence[str],
        *,
        report: str | None = None,
        behind: tuple[str, str] | None = None,
        machine: tuple[str, str, str] | None = None,
    ) -> None:
        from kizuna.guard.gateway.connector import Connector, Side

        if not 1 <= len(peers) <= _MAX_PEERS:
            raise Malformed(
                "connector.peers",
                "a connector needs peers, or it would admit nobody",
                hint="name each with --peer SUBJECT after enrolling it",
            )
        self._workspace = workspace
        self._lives = Lives(workspace)
        self._subjects = [canonical(p) for p in peers]
        self._size = -1
        self._known: list[DeviceLife] = []
        self._waiting: list[Refusal] = []
        self._reporter = self._speaker(report, behind, machine, place(to))
        self._connector: Connector = Connector(
            Side(side),
            place(listen),
            place(to),
            unit=workspace.unit,
            handle=connector_key(workspace),
            peers=self._peers,
            clock=workspace.clock,
        )

    @property
    def connector(self) -> Connector:
        """The connector itself."""
        return self._connector

    def missing(self) -> list[SubjectId]:
        """Peers that have no key in force now."""
        now = self._workspace.clock()
        return [s for s in self._subjects if self._key(s, now) is None]

    def run(
        self,
        ready: Callable[[tuple[str, int]], None],
        trouble: Callable[[str], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Serve until SIGINT or SIGTERM; ``ready`` is told where it listens, ``trouble`` why the
        verifier cannot be told, each time that it begins.

        Raises:
            Misconfigured: ``connector.listen``.
        """
        with asyncio.Runner(loop_factory=event_loop) as runner:
            return runner.run(self._serve(ready, trouble))

    async def _serve(
        self, ready: Callable[[tuple[str, int]], None], trouble: Callable[[str], None]
    ) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        try:
            await self._connector.start()
        except OSError as fault:
            raise Misconfigured(
                "connector.listen",
                "the connector cannot listen there",
                why=str(fault.strerror or fault),
                hint="choose a free port on an address of this machine",
            ) from fault
        ready(self._connector.relay.address)
        reported = loop.time()
        speaking = loop.create_task(self._speak(stop, trouble))
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _EVERY)
            # reading the log may take a moment: not in the loop that passes bytes
            keys = await asyncio.to_thread(self._peers)
            self._connector.take(tuple(keys))
            if loop.time() - reported >= _REPORT or stop.is_set():
                reported = loop.time()
                await asyncio.to_thread(self.report)
        await self._connector.stop()
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        relay, speaker = self._connector.relay, self._reporter
        return {
            "accepted": relay.accepted,
            "refused": self._connector.refusals.total,
            "reported": 0 if speaker is None else speaker.sent,
            "trouble": "" if speaker is None else speaker.trouble,
        }

    async def _speak(self, stop: asyncio.Event, trouble: Callable[[str], None]) -> None:
        """The connector's own word, in every epoch of its verifier."""
        speaker, told = self._reporter, ""
        while speaker is not None and not stop.is_set():
            await speaker.report()
            if speaker.trouble and not told:
                trouble(speaker.trouble)
            told = speaker.trouble
            await asyncio.sleep(_ASK_EPOCH)

    def _speaker(
        self,
        url: str | None,
        behind: tuple[str, str] | None,
        machine: tuple[str, str, str] | None,
        to: tuple[str, int],
    ) -> Reporter | None:
        from kizuna.app.wiring.devices.quoting import read_selection
        from kizuna.app.wiring.devices.reporting import Behind, Machine, Reporter
        from kizuna.guard.gateway.connector.sight import read_ask
        from kizuna.roots.identity import did_key

        if url is None:
            return None
        looked_at = None
        if behind is not None:
            looked_at = Behind(subject=canonical(behind[0]), to=to, ask=read_ask(behind[1]))
        stands_on = None
        if machine is not None:
            subject, unit, registers = machine
            stands_on = Machine(
                subject=canonical(subject), unit=unit, registers=read_selection(registers)
            )
        handle = connector_key(self._workspace)
        identity = did_key(self._workspace.unit.public(handle))
        return Reporter(self._workspace, handle, identity, url, looked_at, machine=stands_on)

    def report(self) -> int:
        """Register what is to be told of refusals; how many notices it took."""
        workspace = self._workspace
        self._waiting += self._connector.refusals.due(workspace.clock())
        if not self._waiting:
            return 0
        try:
            results = workspace.register_each(
                [workspace.sign(Kind.NOTICE, workspace.identity, _notice(r)) for r in self._waiting]
            )
        except (Problem, OSError):
            return 0  # told the next time
        if any(isinstance(result, Exception) for result in results):
            return 0
        self._waiting = []
        return len(results)

    def _peers(self) -> Sequence[PublicKey]:
        """The keys in force now, by what the log said when it last grew."""
        with suppress(Problem, OSError):  # the log cannot be read now: no news, good or bad
            self._workspace.store.refresh()
            size = self._workspace.head().size
            if size != self._size:
                self._known = [self._lives.life(subject) for subject in self._subjects]
                self._size = size
        now = self._workspace.clock()
        found = [life.current(now) for life in self._known]
        keys = [binding.public for binding in found if binding is not None]
        return tuple(dict.fromkeys(key for key in keys if key is not None))

    def _key(self, subject: SubjectId, now: int) -> PublicKey | None:
        binding = self._lives.life(subject).current(now)
        return None if binding is None else binding.public


def _notice(refusal: Refusal) -> Notice:
    series = hashlib.sha256(f"{refusal.reason}|{refusal.peer}".encode()).hexdigest()[:16]
    return Notice(
        type="connection-refused",
        severity=Severity.LOW,
        id=f"{refusal.reason}:{series}:{refusal.first}",
        summary=f"{refusal.count} connections of {refusal.peer} were refused ({refusal.reason})",
        since=datetime.fromtimestamp(refusal.first, UTC),
        ext={"reason": refusal.reason, "peer": refusal.peer, "count": refusal.count},
    )
