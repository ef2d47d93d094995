# SPDX-License-Identifier: Apache-2.0
"""Served keys behind a gate: refusals are told, violations lock, an operator unlocks."""

import json
import os
import subprocess
import sys
import time

import pytest

from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Refused
from kizuna.model.payload import Notice
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.process import ProcessUnit

PATIENCE = 60.0


def until(holds):
    """Look again and again, for as long as a slow machine may need."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come about")


class Served:
    """`kizuna key serve` as a process, with its key file."""

    def __init__(self, kizuna, folder) -> None:
        self.kizuna, self.keys, self.socket = kizuna, folder / "keys", folder / "unit"
        self.process = None

    def start(self, *more):
        environment = os.environ | {"KIZUNA_STORE": str(self.kizuna.store)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kizuna", "key", "serve", "--socket", str(self.socket),
             "--keys", str(self.keys), *more],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read().decode()

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=PATIENCE)
            self.process = None


@pytest.fixture
def served(store, tmp_path):
    one = Served(store, tmp_path)
    yield one
    one.stop()


def policy(path, operator, *, uid):
    rule = {"id": "only", "key": "*", "operations": ["sign"], "callers": [{"uid": uid}]}
    document = {
        "gate": "served",
        "version": "1",
        "rules": [rule],
        "lock": {"after": 3, "within": "10m"},
        "operators": [operator],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def boss(kizuna, tmp_path):
    """The operator's own store, and the command over it."""
    kizuna = type(kizuna)(tmp_path / "boss" / "store")
    kizuna.store.parent.mkdir()
    assert kizuna("init", "--name", "Boss", "-q").code == 0
    return kizuna


def jwk(kizuna):
    with Workspace.open(settings=Settings(store=kizuna.store)) as workspace:
        return workspace.unit.public(workspace.handle).to_jwk()


def misuse(kizuna):
    with Workspace.open(settings=Settings(store=kizuna.store), read_only=True) as workspace:
        said = [row.statement.payload for page in workspace.store.reader().all() for row in page]
    return [one for one in said if isinstance(one, Notice) and one.type == "key-misuse"]


def gated(kizuna, served, boss, tmp_path):
    """A served key that none of its callers may use, and a policy that locks after three tries."""
    served.start()
    unit = ProcessUnit(served.socket)
    handle = unit.generate(Algorithm.ES256, "release")
    unit.sign(handle, b"before there was a gate")
    unit.close()
    served.stop()
    document = policy(tmp_path / "gate.json", jwk(boss), uid=os.getuid() + 1)
    assert kizuna("key", "gate", "set", document, "--keys", served.keys).code == 0
    return handle


def test_refusals_are_told_and_repeated_violations_lock_until_an_operator_unlocks(
    store, served, boss, tmp_path
):
    handle = gated(store, served, boss, tmp_path)
    served.start("--report", "0.1")
    unit = ProcessUnit(served.socket)
    codes = []
    for _ in range(5):
        with pytest.raises(Refused) as caught:
            unit.sign(handle, b"payload")
        codes.append(caught.value.code)
    assert codes == ["gate.caller"] * 3 + ["gate.locked"] * 2
    gate = ("--keys", served.keys, "--json")
    (locked,) = store("key", "gate", "show", *gate).json["locked"]
    assert locked["key"] == handle.id
    assert until(lambda: misuse(store))
    served.stop()  # what was not told yet is told at the end
    told = misuse(store)
    assert {one.ext["key"] for one in told} == {handle.id}
    assert sum(one.ext["count"] for one in told) <= 5
    events = store("key", "gate", "log", *gate).json["events"]
    assert [event["event"] for event in events].count("locked") == 1

    paper = tmp_path / "unlock"
    soon = int(time.time()) + 86_400
    wanted = ("key", "gate", "consent", handle.id, "--for", "unlock", "--until", soon,
              "--out", paper)  # fmt: skip
    unlock = ("key", "gate", "unlock", handle.id[:16], "--consent", paper, "--keys", served.keys)
    assert store(*wanted).code == 0
    done = store(*unlock, "--json")  # by somebody whom the policy does not name
    assert (done.code, done.json["code"]) == (10, "gate.unlock-consent")
    paper.unlink()
    assert boss(*wanted).code == 0
    done = store(*unlock)
    assert done.code == 0, done.stderr
    assert store("key", "gate", "show", *gate).json["locked"] == []
    assert store(*unlock).code != 0
    unit.close()
    served.start()
    unit = ProcessUnit(served.socket)
    with pytest.raises(Refused) as caught:
        unit.sign(handle, b"payload")
    assert caught.value.code == "gate.caller"  # unlocked, and still none of its callers
    unit.close()


def test_what_cannot_be_told_waits_and_is_published_later(store, served, boss, tmp_path):
    handle = gated(store, served, boss, tmp_path)
    served.start()
    unit = ProcessUnit(served.socket)
    with pytest.raises(Refused):
        unit.sign(handle, b"payload")
    unit.close()
    served.stop()
    nobody = type(store)(tmp_path / "nobody")
    done = nobody("key", "gate", "log", "--report", "--keys", served.keys, "--json")
    assert done.code == 21  # no organisation speaks from there; nothing is lost by it
    assert store("publish", "--waiting", "--json").json["registered"] == 0
    done = store("key", "gate", "log", "--report", "--keys", served.keys, "--json")
    assert (done.code, done.json["notices"], done.json["waiting"]) == (0, 1, 0)
    assert len(misuse(store)) == 1
    done = store("key", "gate", "log", "--report", "--keys", served.keys, "--json")
    assert done.json["notices"] == 0  # told once
    assert store("publish").code == 2


def test_keys_without_a_gate_say_so(store, tmp_path):
    done = store("key", "gate", "log", "--keys", tmp_path / "keys", "--json")
    assert done.json["code"] == "gate.absent"
    assert not (tmp_path / "keys.gate").exists()
