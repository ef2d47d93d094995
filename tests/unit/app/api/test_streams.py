# SPDX-License-Identifier: Apache-2.0
"""Who listens: strangers who name themselves put nobody out, and take not all places."""

import asyncio
from types import SimpleNamespace

import pytest

from kizuna.app.api.limits import Limits
from kizuna.app.api.problems import Busy
from kizuna.app.api.streams import Streams
from kizuna.app.api.workers import Workers
from kizuna.model.identifier import SubjectId
from kizuna.record.store.view import OPERATOR, PUBLIC, View

MEMBER = View.of(SubjectId("did:web:member.example"))


def stranger(number):
    return View.of(SubjectId(f"did:web:{number}.example"))


class Stage:
    """Streams over a store that says nothing, with one member in its list."""

    def __init__(self, **bounds) -> None:
        members = SimpleNamespace(is_member=lambda name, _: name == MEMBER.name)
        workspace = SimpleNamespace(
            clock=lambda: 1000,
            portfolio=lambda **_: [],
            subscribe=lambda _: lambda: None,
            store=SimpleNamespace(members=members, on_registered=lambda _: lambda: None),
        )
        self.workers = Workers("test", 2, 256)
        self.streams = Streams(workspace, self.workers, Limits(**bounds))
        self.heard = []

    async def listen(self, view):
        stream = (await self.streams.of(view)).listen(None)
        await anext(stream)
        self.heard.append(stream)
        return stream

    async def run(self, story):
        self.streams.attach(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(120):
                await story()
        finally:
            self.streams.close()
            for stream in self.heard:
                await stream.aclose()
            self.workers.close()


def test_strangers_end_nobody_s_stream():
    stage = Stage()

    async def story():
        await stage.listen(PUBLIC)
        await stage.listen(MEMBER)
        for number in range(30):
            await stage.listen(stranger(number))
        for number in range(30, 40):
            with pytest.raises(Busy):
                await stage.listen(stranger(number))
        assert {PUBLIC.name, MEMBER.name} <= set(stage.streams._followed)
        await stage.listen(OPERATOR)

    asyncio.run(stage.run(story))


def test_a_member_finds_a_place_among_strangers():
    stage = Stage()

    async def story():
        await stage.listen(PUBLIC)
        for number in range(31):
            await stage.listen(stranger(number))
        await stage.listen(MEMBER)
        assert {PUBLIC.name, MEMBER.name} <= set(stage.streams._followed)
        assert stranger(0).name not in stage.streams._followed

    asyncio.run(stage.run(story))


def test_a_view_that_nobody_listens_to_makes_room():
    stage = Stage()

    async def story():
        for number in range(100):
            stream = await stage.listen(stranger(number))
            await stream.aclose()
        assert len(stage.streams._followed) <= 32

    asyncio.run(stage.run(story))


def test_many_who_come_at_once_are_all_answered():
    stage = Stage()

    async def story():
        came = [asyncio.ensure_future(stage.listen(stranger(n))) for n in range(100)]
        done = await asyncio.gather(*came, return_exceptions=True)
        assert all(not isinstance(d, BaseException) or isinstance(d, Busy) for d in done)
        assert len(stage.streams._followed) <= 32

    asyncio.run(stage.run(story))


def test_strangers_leave_places_to_members_and_to_the_operator():
    stage = Stage(listeners=8)

    async def story():
        for _ in range(6):
            await stage.listen(PUBLIC)
        with pytest.raises(Busy):
            await stage.listen(stranger(1))
        for _ in range(2):
            await stage.listen(MEMBER)
        with pytest.raises(Busy):
            await stage.listen(MEMBER)
        for _ in range(8):
            await stage.listen(OPERATOR)
        with pytest.raises(Busy):
            await stage.listen(OPERATOR)

    asyncio.run(stage.run(story))
