# SPDX-License-Identifier: Apache-2.0
"""Refusals of the keys' gate: told by the running server, few, and without a flood of its own."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from kizuna.app.api.refusals import telling, told
from kizuna.app.api.workers import Workers
from kizuna.app.wiring.keys.gating import KeyGate
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Refused
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Notice

NOW = 1_800_000_000


def policy(*kinds: str) -> bytes:
    rule = {
        "id": "daily",
        "key": "*",
        "operations": ["sign"],
        "callers": [{"declared": "kizuna"}],
        "purposes": [
            "checkpoint",
            "cose*",
            *(f"statement:application/vnd.kizuna.{kind}+json" for kind in kinds),
        ],
    }
    return json.dumps({"gate": "g", "version": "1", "rules": [rule]}).encode()


@pytest.fixture
def opened(tmp_path):
    def make(*kinds: str):
        settings = Settings(store=tmp_path / "s", clock=lambda: NOW)
        with Workspace.init(tmp_path / "s", "Ann", now=NOW, settings=settings) as workspace:
            if kinds:
                KeyGate(workspace).set(policy(*kinds), "gate.json")
        held.append(Workspace.open(tmp_path / "s", settings=settings))
        return held[0]

    held: list[Workspace] = []
    yield make
    held[0].close()


def refused(workspace, kind=Kind.CAPABILITY):
    with pytest.raises(Refused):
        workspace.register_one(workspace.sign(kind, "urn:ueid:01", Claim(type="t")))


def misuse(workspace) -> list[Notice]:
    return [
        row.statement.payload
        for page in workspace.store.reader().all()
        for row in page
        if isinstance(row.statement.payload, Notice) and row.statement.payload.type == "key-misuse"
    ]


def test_many_refusals_become_one_notice_while_the_server_runs(opened):
    workspace = opened("evidence", "notice")

    async def serve() -> None:
        workers = Workers("intake", 1, 4)
        context = SimpleNamespace(workspace=workspace, intake=workers)
        async with telling(context, every=0.02):
            for _ in range(2):
                refused(workspace)
            for _ in range(3_000):
                if misuse(workspace):
                    break
                await asyncio.sleep(0.02)
            refused(workspace)
            await asyncio.sleep(0.1)
        workers.close()

    asyncio.run(serve())
    assert len(misuse(workspace)) == 1


def test_a_gate_that_refuses_the_notice_is_asked_ever_more_seldom(opened):
    workspace = opened("evidence")
    refused(workspace)
    assert not told(workspace)
    before = KeyGate(workspace).log(50)["records"]

    async def serve() -> None:
        workers = Workers("intake", 1, 4)
        context = SimpleNamespace(workspace=workspace, intake=workers)
        async with telling(context, every=0.02):
            await asyncio.sleep(0.5)
        workers.close()

    asyncio.run(serve())
    assert KeyGate(workspace).log(50)["records"] - before <= 3
    assert misuse(workspace) == []


def test_a_store_without_a_gate_has_nothing_to_tell(opened):
    workspace = opened()
    assert told(workspace)
