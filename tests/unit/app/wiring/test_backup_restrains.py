# SPDX-License-Identifier: Apache-2.0
"""A store that is brought back is held by everything that held it before."""

import json

import pytest

from kizuna.app.wiring.keys.gating import KeyGate
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.upkeep import backup, restore
from kizuna.app.wiring.workspace import Workspace
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
RULE = {
    "id": "daily",
    "key": "*",
    "operations": ["sign"],
    "callers": [{"declared": "kizuna"}],
    "purposes": ["checkpoint", "cose*"],
}
POLICY = {"gate": "office", "version": "1", "rules": [RULE]}
FOLDERS = ("catalogs", "lists", "processes", "procure", "profiles", "published", "remote", "risk")


def opened(path):
    return Settings(store=path, clock=SetClock(NOW))


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store"
    with Workspace.init(path, "Bar", now=NOW, settings=opened(path)) as made:
        yield made


def brought_back(store, tmp_path):
    backup(store, str(tmp_path / "copy"))
    secret = (store.path / "secret").read_bytes()
    again = opened(tmp_path / "again")
    restore(str(tmp_path / "copy"), again, secret=secret)
    return again


def test_the_gate_before_the_keys_is_brought_back(store, tmp_path):
    KeyGate(store).set(json.dumps(POLICY).encode(), "gate.json")
    again = brought_back(store, tmp_path)
    with Workspace.open(again.store, settings=again) as workspace:
        assert KeyGate(workspace).show()["policy"]["gate"] == "office"


def test_what_was_seen_to_hold_is_brought_back_and_what_waits_is_not(store, tmp_path):
    for name in (*FOLDERS, "status", "drafts", "outbox"):
        (store.path / name / "inner").mkdir(parents=True, exist_ok=True)
        (store.path / name / "inner" / "kept").write_text(name)
    (store.path / "hosted-codes.json").write_text("{}")
    (store.path / "fleet").mkdir(exist_ok=True)
    for name in ("chips", "endorsers", "registrar"):
        (store.path / "fleet" / name).write_text(name)
    again = brought_back(store, tmp_path).store
    for name in (*FOLDERS, "status"):
        assert (again / name / "inner" / "kept").read_text() == name
    assert (again / "hosted-codes.json").exists()
    assert {(again / "fleet" / n).read_text() for n in ("chips", "endorsers", "registrar")} == {
        "chips",
        "endorsers",
        "registrar",
    }
    assert not (again / "drafts").exists()
    assert not (again / "outbox").exists()
