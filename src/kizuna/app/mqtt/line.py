# SPDX-License-Identifier: Apache-2.0
"""The other side of the broker: how simulated devices and gateways speak through it.

Keeps: a call ends when its answer came, or with a problem after a bounded time.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from kizuna.app.mqtt import ANSWER, EPOCH
from kizuna.app.mqtt.address import unreachable
from kizuna.app.mqtt.broker import broker_at
from kizuna.app.mqtt.door import listening
from kizuna.model.errors import Refused
from kizuna.roots.cose import decode

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.fleet import Keeper

__all__ = ["MqttLine", "simulated"]

_PATIENCE: Final = 60.0


class MqttLine:
    """A connection to the broker, used from several threads."""

    def __init__(self, address: tuple[str, int], name: str) -> None:
        self._address = address
        self._name = name
        self._number = itertools.count(1)
        self._answers: dict[int, list[Any]] = {}
        self._news = threading.Condition()
        self._epoch = b""
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(1000)
        self._client.on_message = self._hear
        self._client.on_socket_open = _without_delay
        self._client.on_connect = self._greet
        try:
            self._client.connect(*address)
        except OSError as fault:
            raise unreachable(address, str(fault)) from fault
        self._client.loop_start()

    def epoch(self) -> bytes:
        """The signed epoch as it was published last, once there is one."""
        with self._news:
            if not self._news.wait_for(lambda: self._epoch, _PATIENCE):
                raise unreachable(self._address, "no epoch was published")
            return self._epoch

    def evidence(self, body: bytes) -> None:
        """Hand evidence in and wait until it was taken."""
        self._ask("evidence", body)

    def bundle(self, body: bytes) -> list[int]:
        """Hand a bundle in: the places of leaves to open."""
        return list(self._ask("bundle", body))

    def opening(self, body: bytes) -> str:
        """Hand leaves in: empty, or what does not hold."""
        return str(self._ask("opening", body))

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()

    def _ask(self, kind: str, body: bytes) -> Any:  # noqa: ANN401 - what the door answers
        number = next(self._number)
        self._client.publish(f"kizuna/{kind}/{self._name}/{number}", body, qos=1)
        with self._news:
            if not self._news.wait_for(lambda: number in self._answers, _PATIENCE):
                raise unreachable(self._address, "no answer came")
            good, value = self._answers.pop(number)
        if not good:
            raise Refused(
                str(value), f"the verifier refused the message: {value}", hint="see its problems"
            )
        return value

    def _greet(self, client: paho.Client, *_: object) -> None:
        client.subscribe([(f"{ANSWER}/{self._name}/+", 0), (EPOCH, 1)])

    def _hear(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        with self._news:
            if message.topic == EPOCH:
                self._epoch = bytes(message.payload)
            else:
                number = int(message.topic.rpartition("/")[2])
                self._answers[number] = decode(bytes(message.payload))
            self._news.notify_all()


def _without_delay(client: paho.Client, data: object, link: object) -> None:  # noqa: ARG001
    if isinstance(link, socket.socket):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def simulated(keeper: Keeper, broker: str | None) -> Iterator[MqttLine]:
    """The door at a broker, and a line to it."""
    with broker_at(broker) as address, listening(keeper, address):
        line = MqttLine(address, "simulation")
        try:
            yield line
        finally:
            line.close()
