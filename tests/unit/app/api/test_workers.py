# SPDX-License-Identifier: Apache-2.0
"""Threads are bounded, and so is the queue before them."""

import asyncio
import threading

import pytest

from kizuna.app.api.problems import Busy
from kizuna.app.api.workers import Workers


async def nothing_pending(workers: Workers) -> None:
    for _ in range(6_000):
        if workers.pending:
            await asyncio.sleep(0.01)
    assert workers.pending == 0


def test_more_calls_than_the_queue_holds_are_asked_to_come_again():
    async def story() -> None:
        workers = Workers("test", 1, 1)
        free = threading.Event()
        waiting = [asyncio.ensure_future(workers.run(free.wait)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(Busy) as refused:
            await workers.run(lambda: None)
        assert refused.value.code == "http.busy"
        free.set()
        await asyncio.gather(*waiting)
        await nothing_pending(workers)
        assert await workers.run(lambda: 7) == 7
        workers.close()

    asyncio.run(story())


def test_who_gave_up_does_not_hold_a_place_for_ever():
    async def story() -> None:
        workers = Workers("test", 1, 0)
        free = threading.Event()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await workers.run(free.wait)
        free.set()
        await nothing_pending(workers)
        assert await workers.run(lambda: 7) == 7
        workers.close()

    asyncio.run(story())
