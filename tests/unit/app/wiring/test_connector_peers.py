# SPDX-License-Identifier: Apache-2.0
"""Whom a connector admits: the keys in force now, by what the log said last."""

import pytest

from kizuna.app.wiring.devices.connector import Running
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed, Unavailable
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.roots.keys import Algorithm
from kizuna.roots.life import ldevid
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
OFFICE, BRANCH = (canonical(f"urn:dev:ops:000000-{name}") for name in ("office", "branch"))
UNIT = EphemeralUnit(b"peers")
KEYS = {name: UNIT.public(UNIT.generate(Algorithm.ES256, name)) for name in ("a", "b")}


@pytest.fixture
def clock():
    return SetClock(NOW)


@pytest.fixture
def store(tmp_path, clock):
    settings = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings.store, "Plant", now=NOW, settings=settings) as workspace:
        yield workspace


def running(store, *peers) -> Running:
    return Running(store, "device", "127.0.0.1:0", "127.0.0.1:1", peers)


def enrol(store, subject, key) -> None:
    Lives(store).enrol(subject, Enrolment(key=(f"{key}.pem", KEYS[key].to_pem())))


def test_a_key_is_admitted_as_long_as_it_is_in_force_and_no_longer(store, clock):
    enrol(store, OFFICE, "a")
    soon = ldevid(KEYS["b"], owner=store.identity, expires=NOW + 600)
    store.register_one(store.sign(Kind.CERTIFICATE, BRANCH, soon))
    connector = running(store, OFFICE, BRANCH)
    clock.forward(10)
    assert connector._peers() == (KEYS["a"], KEYS["b"])
    clock.forward(580)
    assert connector._peers() == (KEYS["a"], KEYS["b"])
    clock.forward(10)  # not one statement more: time alone ends a key
    assert connector._peers() == (KEYS["a"],)
    Lives(store).revoke(OFFICE, "stolen")
    clock.forward(1)
    assert connector._peers() == ()
    assert connector.missing() == [OFFICE, BRANCH]


def test_while_the_log_cannot_be_read_nobody_comes_and_nobody_goes_but_by_time(
    store, clock, monkeypatch
):
    soon = ldevid(KEYS["b"], owner=store.identity, expires=NOW + 600)
    store.register_one(store.sign(Kind.CERTIFICATE, BRANCH, soon))
    enrol(store, OFFICE, "a")
    connector = running(store, OFFICE, BRANCH)
    clock.forward(10)
    assert len(connector._peers()) == 2

    def unreadable():
        raise Unavailable("store.unavailable", "the disk is gone")

    monkeypatch.setattr(store, "head", unreadable)
    clock.forward(60)
    assert len(connector._peers()) == 2
    clock.forward(600)
    assert connector._peers() == (KEYS["a"],)


def test_a_connector_without_peers_is_not_begun(store):
    with pytest.raises(Malformed) as told:
        running(store)
    assert told.value.code == "connector.peers"
