# SPDX-License-Identifier: Apache-2.0
"""The verifier's side of the broker: hears, answers, publishes the epoch.

Keeps: 1. Messages are taken in the order in which they came, many at a time, in one thread beside
the event loop. 2. What waits is bounded in number and bytes; what is beyond is dropped, and
its sender gets no answer: nobody makes us keep what they send. 3. A
broker that goes away is tried again; nothing that was answered is lost with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import aiomqtt

from kizuna.app.mqtt import ANSWER, EPOCH, TOPICS
from kizuna.app.mqtt.address import unreachable
from kizuna.app.wiring.devices import messages
from kizuna.model.errors import Problem
from kizuna.roots.cose import decode, encode

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.fleet import Keeper

__all__ = ["listening"]

_LOG = logging.getLogger("kizuna.mqtt")
_WAITING: Final = 20_000
_BYTES_WAITING: Final = 64 << 20
"""Bytes of messages that wait at most, whoever sent them."""
_AT_ONCE: Final = 512
_BEAT: Final = 0.2
_AGAIN: Final = 2.0
_TOPIC: Final = re.compile(r"kizuna/(evidence|bundle|opening)/([A-Za-z0-9._-]{1,64})/([0-9]{1,18})")

_HANDLERS: Final[dict[str, Callable[[Keeper, bytes, str], bytes]]] = {
    "evidence": messages.evidence,
    "bundle": messages.bundle,
    "opening": messages.opening,
}


@contextmanager
def listening(keeper: Keeper, address: tuple[str, int]) -> Iterator[None]:
    """The door is open while the block runs, in a thread of its own.

    Raises:
        Unavailable: ``mqtt.unreachable``, where the broker cannot be reached at first.
    """
    door = _Door(keeper, address)
    thread = threading.Thread(target=door.run, name="kizuna-mqtt")
    thread.start()
    try:
        door.ready.wait()
        if door.fault is not None:
            raise unreachable(address, str(door.fault))
        yield
    finally:
        # asked again and again: a client that is just closing may swallow one cancellation
        while thread.is_alive():
            door.end()
            thread.join(1)


class _Waiting(asyncio.Queue[aiomqtt.Message]):
    """Messages that wait: no more bytes than allowed, and none larger than a message may be."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.held = 0

    def _put(self, item: aiomqtt.Message) -> None:
        self.held += _size(item)
        super()._put(item)

    def _get(self) -> aiomqtt.Message:
        item: aiomqtt.Message = super()._get()
        self.held -= _size(item)
        return item

    def put_nowait(self, item: aiomqtt.Message) -> None:
        size = _size(item)
        if size > messages.MAX_MESSAGE or self.held + size > _BYTES_WAITING:
            raise asyncio.QueueFull
        super().put_nowait(item)


def _size(message: aiomqtt.Message) -> int:
    return len(message.payload)


class _Door:
    def __init__(self, keeper: Keeper, address: tuple[str, int]) -> None:
        self._keeper = keeper
        self._address = address
        self.ready = threading.Event()
        self.fault: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends = False

    def run(self) -> None:
        # the client needs a loop that watches sockets by itself, whatever policy others have set
        loop = asyncio.SelectorEventLoop()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(self._main())
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def end(self) -> None:
        self._ends = True
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        while not self._ends:
            try:
                await self._serve()
            except Exception as fault:  # noqa: BLE001 - the door stays open whatever one message did
                _LOG.warning("the MQTT door opens again: %r", fault)
                if not self.ready.is_set():
                    self.fault = fault
                    self.ready.set()
                    return
                if not self._ends:
                    await asyncio.sleep(_AGAIN)

    async def _serve(self) -> None:
        host, port = self._address
        async with aiomqtt.Client(
            host,
            port,
            max_queued_incoming_messages=_WAITING,
            max_queued_outgoing_messages=_WAITING,
            max_concurrent_outgoing_calls=_WAITING,
            queue_type=_Waiting,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        ) as client:
            for kind in TOPICS:
                await client.subscribe(f"kizuna/{kind}/+/+", qos=1)
            # one batch at most: what waits longer waits where its bytes are counted
            waiting: asyncio.Queue[aiomqtt.Message] = asyncio.Queue(_AT_ONCE)
            parts = [
                asyncio.create_task(self._beat(client)),
                asyncio.create_task(_gather(client, waiting)),
                asyncio.create_task(self._answer(client, waiting)),
            ]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_EXCEPTION)
                for part in done:
                    part.result()
            finally:
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)

    async def _beat(self, client: aiomqtt.Client) -> None:
        """The epoch, retained; and the keeper's own sense of time."""
        last = b""
        while True:
            epoch = await asyncio.to_thread(self._time_passes)
            if epoch != last:
                last = epoch
                await client.publish(EPOCH, epoch, qos=1, retain=True)
                self.ready.set()
            await asyncio.sleep(_BEAT)

    def _time_passes(self) -> bytes:
        with contextlib.suppress(Problem):  # told to whoever asks; the next beat tries again
            self._keeper.tick()
            self._keeper.settle()
        return self._keeper.epoch()

    async def _answer(
        self, client: aiomqtt.Client, waiting: asyncio.Queue[aiomqtt.Message]
    ) -> None:
        while True:
            batch = [await waiting.get()]
            while len(batch) < _AT_ONCE and not waiting.empty():
                batch.append(waiting.get_nowait())
            answers = await asyncio.to_thread(self._take, batch)
            for topic, body in answers:
                await client.publish(topic, body)

    def _take(self, batch: list[aiomqtt.Message]) -> list[tuple[str, bytes]]:
        answers = []
        for message in batch:
            found = _TOPIC.fullmatch(str(message.topic))
            body = message.payload
            if found is None or not isinstance(body, bytes):
                continue
            kind, sender, number = found.groups()
            answers.append((f"{ANSWER}/{sender}/{number}", self._one(kind, body, sender)))
        return answers

    def _one(self, kind: str, body: bytes, sender: str) -> bytes:
        try:
            told: Any = decode(_HANDLERS[kind](self._keeper, body, f"mqtt:{sender}"))
        except Problem as problem:
            return encode([False, problem.code])
        return encode([True, told])


async def _gather(client: aiomqtt.Client, waiting: asyncio.Queue[aiomqtt.Message]) -> None:
    async for message in client.messages:
        await waiting.put(message)
