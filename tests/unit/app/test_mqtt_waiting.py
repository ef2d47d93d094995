# SPDX-License-Identifier: Apache-2.0
"""What waits at the MQTT door is bounded in bytes, whatever a broker lets through."""

import asyncio

import aiomqtt
import pytest

from kizuna.app.mqtt.door import _BYTES_WAITING, _Waiting
from kizuna.app.wiring.devices.messages import MAX_MESSAGE


def message(size):
    return aiomqtt.Message("kizuna/evidence/a/1", b"x" * size, 1, False, 1, None)


def test_bytes_that_wait_are_bounded_and_freed_when_taken():
    queue = _Waiting(20_000)
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(message(MAX_MESSAGE + 1))
    large = message(MAX_MESSAGE)
    for _ in range(_BYTES_WAITING // MAX_MESSAGE):
        queue.put_nowait(large)
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(message(1))
    assert queue.get_nowait() is large
    queue.put_nowait(message(1))
    while not queue.empty():
        queue.get_nowait()
    assert queue.held == 0
