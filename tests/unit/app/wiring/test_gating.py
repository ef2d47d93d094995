# SPDX-License-Identifier: Apache-2.0
"""A store's keys behind their gate: whichever door asks, the policy holds."""

import hashlib
import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from kizuna.app.wiring.keys.gating import KeyGate, for_peers, set_beside
from kizuna.app.wiring.keys.units import open_named
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Notice, Severity
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit, Unit
from kizuna.roots.units.process import Peer
from kizuna.roots.units.software import SoftwareUnit

NOW = 1_800_000_000
DEVICE = "urn:ueid:01"


def make(path: Path, name: str) -> Workspace:
    settings = Settings(store=path, clock=lambda: NOW)
    return Workspace.init(path, name, now=NOW, settings=settings)


@pytest.fixture(scope="module")
def boss(tmp_path_factory):
    with make(tmp_path_factory.mktemp("boss") / "s", "Boss") as workspace:
        yield workspace


def policy(boss: Workspace, **members) -> bytes:
    jwk = boss.unit.public(boss.handle).to_jwk()
    kinds = ["evidence", "notice"]
    rules = [
        {
            "id": "daily",
            "key": "*",
            "operations": ["sign"],
            "callers": [{"declared": "kizuna"}],
            "purposes": [
                "checkpoint",
                "cose*",
                *(f"statement:application/vnd.kizuna.{k}+json" for k in kinds),
            ],
        },
        {
            "id": "with-the-boss",
            "key": "organization",
            "operations": ["sign"],
            "callers": [{"declared": "kizuna"}],
            "purposes": ["statement:application/vnd.kizuna.certificate+json"],
            "consent": {"keys": [jwk]},
        },
    ]
    document = {"gate": "g", "version": "1", "rules": rules, "operators": [jwk]}
    return json.dumps(document | {"lock": {"after": 2}} | members).encode()


@pytest.fixture
def store(tmp_path, boss):
    path = tmp_path / "s"
    with make(path, "Ann") as workspace:
        KeyGate(workspace).set(policy(boss), "gate.json")
    settings = Settings(store=path, clock=lambda: NOW)
    with Workspace.open(path, settings=settings) as workspace:
        yield workspace


def say(workspace, kind=Kind.CERTIFICATE):
    return workspace.register_one(workspace.sign(kind, DEVICE, Claim(type="t")))


def test_what_the_policy_allows_goes_on_and_the_rest_is_refused(store):
    say(store, Kind.EVIDENCE)
    with pytest.raises(Refused) as caught:
        say(store, Kind.CAPABILITY)
    assert caught.value.code == "gate.purpose"


def test_a_consent_of_another_organisation_opens_once(store, boss):
    with pytest.raises(Refused):
        say(store)
    signed = KeyGate(boss).consent(
        store.handle.id, operation="sign", purposes=[], uses=1, until=NOW + 60
    )
    assert KeyGate(store).admit(signed)["uses"] == 1
    say(store)
    assert KeyGate(store).admit(signed)["uses"] == 0  # handed in again it gives nothing more
    for _ in range(3):
        with pytest.raises(Refused):
            say(store)
    told = KeyGate(store).log(10)
    assert [e["event"] for e in told["events"]][-1] == "consented"
    (since,) = told["since"]
    assert (since["code"], since["count"]) == ("gate.consent", 3)


def test_refusals_become_one_notice_that_names_the_record(store):
    with pytest.raises(Refused):
        say(store, Kind.CAPABILITY)
    assert KeyGate(store).report() == {"notices": 1, "refusals": 1}
    assert KeyGate(store).report() == {"notices": 0, "refusals": 0}
    (row,) = [r for page in store.store.reader().all() for r in page if _is_misuse(r)]
    assert row.statement.payload.severity is Severity.LOW
    assert len(row.statement.payload.ext["record"]) == 64


def _is_misuse(row) -> bool:
    payload = row.statement.payload
    return isinstance(payload, Notice) and payload.type == "key-misuse"


def test_a_locked_key_stays_locked_until_the_operator_consents(store, boss):
    for _ in range(2):
        with pytest.raises(Refused):
            say(store, Kind.CAPABILITY)
    with pytest.raises(Refused) as caught:
        say(store, Kind.EVIDENCE)
    assert caught.value.code == "gate.locked"
    with pytest.raises(Refused):
        KeyGate(store).report()  # it cannot be signed now, and is not lost
    signed = KeyGate(boss).consent(
        store.handle.id, operation="unlock", purposes=[], uses=1, until=NOW + 60
    )
    KeyGate(store).unlock("organization", signed)
    say(store, Kind.EVIDENCE)
    assert KeyGate(store).report()["notices"] == 2


def test_a_policy_that_shuts_its_own_store_out_says_so(boss, tmp_path):
    with make(tmp_path / "s", "Ann") as workspace:
        told = KeyGate(workspace).set(policy(boss, rules=[]), "gate.json")
        assert len(told["shut_out"]) == 2
        with pytest.raises(Malformed):
            KeyGate(workspace).set(b"gate: [", "gate.yaml")
        with pytest.raises(Malformed):
            KeyGate(workspace).consent(
                "0" * 64, operation="fly", purposes=[], uses=1, until=NOW + 1
            )
        with pytest.raises(Absent):
            KeyGate(workspace).consent("zzzz", operation="sign", purposes=[], uses=1, until=NOW + 1)


def test_a_published_policy_is_a_norm(boss, tmp_path):
    with make(tmp_path / "s", "Ann") as workspace:
        with pytest.raises(Absent):
            KeyGate(workspace).show()
        told = KeyGate(workspace).set(policy(boss), "gate.json", publish=True)
        found = workspace.store.reader().by_digests([bytes.fromhex(told["statement"])])
        (row,) = found.values()
        assert row.statement.payload.type == "gate-policy"


def test_a_served_unit_knows_its_callers_by_their_program(boss, tmp_path):
    """The process that serves keys asks the kernel who calls; another program is refused."""
    keys = tmp_path / "keys"
    unit = SoftwareUnit.create(keys, bytes(32), random=True)
    handle = unit.generate(Algorithm.ES256, "work")
    program = hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()
    rule = {"id": "r", "key": "work", "operations": ["sign"]}

    def served(executable: str) -> Unit:
        callers = [{"executable": executable, "uid": os.getuid()}]
        text = json.dumps({"gate": "g", "version": "1", "rules": [rule | {"callers": callers}]})
        set_beside(keys, text.encode(), "gate.json", lambda: NOW)
        return for_peers(keys, unit, lambda: NOW)(Peer(os.getpid(), os.getuid(), os.getgid()))

    assert served(program).sign(handle, b"word")
    with pytest.raises(Refused) as caught:
        served("0" * 64).sign(handle, b"word")
    assert caught.value.code == "gate.caller"


def test_the_gate_stands_before_every_unit_that_is_attached(store, monkeypatch):
    attached = EphemeralUnit(b"attached")
    key = attached.generate(Algorithm.ES256, "stranger")
    store.describe_as(msgspec.structs.replace(store.description, units={"hsm": "tpm:any"}))
    monkeypatch.setattr("kizuna.app.wiring.keys.units.open_unit", lambda *_: attached)
    unit = open_named(store, "hsm")
    assert unit.handles() == [key]
    for use in (
        lambda: unit.sign(key, b"word"),
        lambda: unit.generate(Algorithm.ES256, "another"),
        lambda: unit.seal(b"secret", (0,)),
    ):
        with pytest.raises(Refused) as caught:
            use()
        assert caught.value.code.startswith("gate.")
