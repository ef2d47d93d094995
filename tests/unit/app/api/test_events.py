# SPDX-License-Identifier: Apache-2.0
"""The stream of changes: nothing lost in silence, no client slows another."""

import asyncio

import pytest

from kizuna.app.api.events import Hub, number_of
from kizuna.app.api.limits import Limits
from kizuna.app.api.problems import Busy
from kizuna.app.wiring.values import Change
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId


def change(name: str = "pkg:generic/a@1") -> Change:
    return Change(
        subject=SubjectId(name),
        profile="iot-device",
        before=Value.TRUSTED,
        after=Value.UNTRUSTED,
        at=1,
    )


def hub(**bounds: int) -> Hub:
    made = Hub(Limits(**bounds), 1000)  # type: ignore[arg-type]
    made.attach(asyncio.get_running_loop())
    return made


async def take(stream, count: int) -> list[str]:
    found = []
    async with asyncio.timeout(5):
        while len(found) < count:
            found.append((await anext(stream)).decode())
    return found


def test_a_listener_hears_changes_in_order_with_their_numbers():
    async def story() -> None:
        made = hub()
        stream = made.listen(None)
        await take(stream, 1)
        made.publish(change("pkg:generic/a@1"))
        made.publish(change("pkg:generic/b@1"))
        first, second = await take(stream, 2)
        assert "id: 1000-1" in first
        assert '"subject":"pkg:generic/b@1"' in second
        await stream.aclose()

    asyncio.run(story())


def test_who_comes_back_gets_what_it_missed_and_no_more():
    async def story() -> None:
        made = hub()
        for i in range(5):
            made.publish(change(f"pkg:generic/{i}@1"))
        await asyncio.sleep(0)
        stream = made.listen(number_of(made.epoch, "1000-3"))
        _, fourth, fifth = await take(stream, 3)
        assert "id: 1000-4" in fourth
        assert "id: 1000-5" in fifth
        await stream.aclose()

    asyncio.run(story())


@pytest.mark.parametrize("last", ["1000-1", "999-5", "nonsense", "1000-77"])
def test_a_gap_is_told(last: str):
    async def story() -> None:
        made = hub(history=2)
        for i in range(5):
            made.publish(change(f"pkg:generic/{i}@1"))
        await asyncio.sleep(0)
        stream = made.listen(number_of(made.epoch, last))
        _, gap, *_ = await take(stream, 4)
        assert "event: gap" in gap
        assert '"first":4' in gap
        await stream.aclose()

    asyncio.run(story())


def test_a_slow_client_is_let_go_and_others_are_not():
    async def story() -> None:
        made = hub(backlog=3)
        slow, quick = made.listen(None), made.listen(None)
        await take(slow, 1)
        await take(quick, 1)
        heard: list[str] = []
        for i in range(10):
            made.publish(change(f"pkg:generic/{i}@1"))
            await asyncio.sleep(0)
            heard += await take(quick, 1)
        assert len(heard) == 10
        assert made.clients == 1
        held = await take(slow, 4)
        assert "event: bye" in held[-1]
        with pytest.raises(StopAsyncIteration):
            await anext(slow)
        await quick.aclose()

    asyncio.run(story())


def test_too_many_clients_are_asked_to_come_again():
    async def story() -> None:
        made = hub(listeners=1)
        first = made.listen(None)
        await take(first, 1)
        with pytest.raises(Busy) as refused:
            await anext(made.listen(None))
        assert refused.value.code == "events.full"
        await first.aclose()
        assert made.clients == 0

    asyncio.run(story())
