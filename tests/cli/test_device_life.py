# SPDX-License-Identifier: Apache-2.0
"""Keys over a device's life and the gate before a store's keys, as people type it."""

import json

import pytest

from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

DEVICE = "urn:ueid:0102"


@pytest.fixture
def keys(tmp_path):
    unit = EphemeralUnit(b"cli life")
    names = []
    for n in range(2):
        path = tmp_path / f"k{n}.pem"
        path.write_bytes(unit.public(unit.generate(Algorithm.ES256, str(n))).to_pem())
        names.append(path)
    return names


def test_enrol_swap_rotate_revoke_and_ask(store, keys):
    assert store("device", "enrol", DEVICE, "--key", keys[0], "--scheme", "psa").code == 0
    swap = store("device", "enrol", DEVICE, "--key", keys[1], "--json")
    assert (swap.code, swap.json["code"]) == (10, "life.no-effect")
    assert "bound to another key: `kizuna device rotate`" in swap.json["why"]
    assert store("device", "rotate", DEVICE, "--key", keys[1]).code == 0
    unsure = store("device", "revoke", DEVICE, "--why", "lost")
    assert (unsure.code, "[command.needs-yes]" in unsure.stderr) == (2, True)
    assert store("device", "revoke", DEVICE, "--why", "lost", "--yes").code == 0
    told = store("device", "history", DEVICE, "--json").json
    assert [(k["type"], k["ending"]) for k in told["life"]] == [
        ("ldevid", "rotated"),
        ("ldevid", "lost"),
    ]
    words = store("device", "history", DEVICE, "--lang", "ja")
    assert (words.code, "所有者" in words.stdout) == (0, True)
    assert store("device", "history", "urn:ueid:9999").code == 13


def test_a_gate_is_set_shown_and_refuses(store, tmp_path):
    policy = tmp_path / "gate.yaml"
    policy.write_text(
        "gate: g\nversion: 1\nrules:\n- id: daily\n  key: '*'\n  operations: [sign]\n"
        "  callers: [{declared: kizuna}]\n  purposes: [checkpoint, 'cose*', "
        "'statement:application/vnd.kizuna.evidence+json']\n"
    )
    assert store("key", "gate", "show").code == 13
    assert store("key", "gate", "set", policy).code == 0
    assert "daily" in store("key", "gate", "show").stdout
    payload = tmp_path / "claim.json"
    payload.write_text(json.dumps({"type": "t"}))
    sign = ("statement", "sign", "--subject", DEVICE, "--payload", payload, "--out", tmp_path / "o")
    assert store(*sign, "--kind", "evidence").code == 0
    refused = store(*sign, "--kind", "certificate", "--json")
    assert (refused.code, refused.json["code"]) == (10, "gate.purpose")
    log = store("key", "gate", "log", "--json").json
    assert [e["event"] for e in log["events"]] == ["policy", "refused"]
    policy.write_text("gate: g\nversion: 1\nrules: []\nlock: {aftr: 2}\n")
    wrong = store("key", "gate", "set", policy)
    assert (wrong.code, "line 4" in wrong.stderr) == (2, True)


def test_a_connector_needs_a_peer_and_a_place(store):
    nowhere = store("gateway", "connector", "--listen", "x", "--to", "y:1", "--peer", DEVICE)
    assert (nowhere.code, "[connector.place]" in nowhere.stderr) == (2, True)
    key = store("gateway", "key", "--json").json
    assert key["identity"].startswith("did:key:")
