# SPDX-License-Identifier: Apache-2.0
"""Shared secrets of devices: closed where they are kept, and worth nothing without the store."""

import json
import shutil

import pytest

from kizuna.app.wiring.devices.fleet import Keeper
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.devices.look import look
from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.app.wiring.keys.gating import KeyGate
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.upkeep import backup, restore
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Misconfigured, Refused, Tampered
from kizuna.proof.attestation.fleet import Epochs
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.roots.cose import SharedKey
from kizuna.worlds.party import SetClock

NOW = 1_800_000_000
NAMES = [f"urn:ueid:01{number:02d}" for number in range(3)]
SECRETS = [bytes([65 + number]) * 32 for number in range(3)]


def settings(path, **more):
    return Settings(store=path, clock=SetClock(NOW), **more)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store"
    with Workspace.init(path, "Ann", now=NOW, settings=settings(path)) as workspace:
        yield workspace


def devices():
    return [
        Enrolled(scheme="hmac", subject=name, key=SharedKey(secret))
        for name, secret in zip(NAMES, SECRETS, strict=True)
    ]


def keys_of(shelf):
    return {device.subject: device.key for device in shelf.devices()}


def wanted():
    return {name: SharedKey(secret) for name, secret in zip(NAMES, SECRETS, strict=True)}


def everything(folder):
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_no_secret_stands_in_any_file_of_the_store(store):
    Shelf(store).add_devices(devices())

    written = everything(store.path)

    for secret in SECRETS:
        assert secret not in written
        assert secret.hex().encode() not in written
    assert keys_of(Shelf(store)) == wanted()


def test_the_folder_of_the_fleet_alone_opens_nothing(store, tmp_path):
    Shelf(store).add_devices(devices())
    thief = tmp_path / "thief"

    with Workspace.init(thief, "Eve", now=NOW, settings=settings(thief)) as other:
        shutil.copytree(store.path / "fleet", thief / "fleet")
        with pytest.raises(Misconfigured) as told:
            keys_of(Shelf(other))

    assert told.value.code == "fleet.sealing-lost"


def test_looking_at_a_fleet_opens_no_key(store, tmp_path):
    Shelf(store).add_devices(devices())
    (store.path / "fleet" / "sealing").unlink()

    assert look(store).standing(NAMES[0]).status.value == "none"


def test_a_secret_does_not_open_under_another_name_and_the_others_still_count(store):
    shelf = Shelf(store)
    shelf.add_devices(devices())
    table = store.path / "fleet" / "devices"
    first, second, third = [json.loads(line) for line in table.read_bytes().splitlines()]
    first["sealed"] = second["sealed"]
    table.write_bytes(b"".join(json.dumps(e).encode() + b"\n" for e in (first, second, third)))

    found = []
    with pytest.raises(Tampered) as told:
        found.extend(Shelf(store).devices())

    assert told.value.code == "fleet.secret-changed"
    assert [device.subject for device in found] == NAMES[1:]


def test_secrets_of_an_earlier_version_are_closed_when_the_fleet_is_kept(store):
    (store.path / "fleet").mkdir()
    table = store.path / "fleet" / "devices"
    for name, secret in zip(NAMES, SECRETS, strict=True):
        entry = {"subject": name, "scheme": "hmac", "secret": secret.hex(), "identity": "0a"}
        with table.open("a") as file:
            file.write(json.dumps(entry) + "\n")
    assert keys_of(Shelf(store)) == wanted()

    keeper = Keeper(store)
    keeper.close()

    assert not any(secret.hex().encode() in table.read_bytes() for secret in SECRETS)
    assert keys_of(Shelf(store)) == wanted()
    assert {device.identity for device in Shelf(store).devices()} == {b"\n"}
    assert Shelf(store).close_secrets() == 0


def test_renewing_closes_everything_anew_and_ends_the_old_key(store):
    shelf = Shelf(store)
    shelf.add_devices(devices())
    former = (store.path / "fleet" / "sealing").read_bytes()
    old = (store.path / "fleet" / "devices").read_bytes()

    assert shelf.renew_sealing() == 3

    assert keys_of(Shelf(store)) == wanted() == keys_of(shelf)
    assert len(store.unit.secrets()) == 1
    (store.path / "fleet" / "sealing").write_bytes(former)
    (store.path / "fleet" / "devices").write_bytes(old)
    with pytest.raises(Misconfigured):
        keys_of(Shelf(store))


def test_renewing_that_is_stopped_in_between_loses_nothing(store, monkeypatch):
    shelf = Shelf(store)
    shelf.add_devices(devices())

    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as stopped:
        stopped.setattr("kizuna.app.wiring.devices.shelf.write_whole", full)
        with pytest.raises(OSError, match="no space"):
            shelf.renew_sealing()

    assert keys_of(Shelf(store)) == wanted()
    assert Shelf(store).renew_sealing() == 3
    assert keys_of(Shelf(store)) == wanted()
    assert len(store.unit.secrets()) == 1


def test_another_process_renews_while_a_fleet_is_kept(store):
    keeper = Keeper(store)
    keeper.enrol(devices()[:2])

    Shelf(store).renew_sealing()
    keeper.tick()
    keeper.enrol(devices()[2:])

    assert keys_of(Shelf(store)) == wanted()
    register = keeper.fleet.register
    assert [register.device(register.find(name)).key for name in NAMES] == list(wanted().values())
    keeper.close()


def test_a_backup_brings_the_fleet_back_and_believes_nothing_heard_before(store, tmp_path):
    keeper = Keeper(store)
    keeper.enrol(devices())
    epoch = keeper.epochs.nonce(keeper.epochs.number(NOW))
    challenge = keeper.challenge(NAMES[0])
    keeper.close()

    backup(store, str(tmp_path / "copy"))
    secret = (store.path / "secret").read_bytes()
    clock = SetClock(NOW)
    again = Settings(store=tmp_path / "again", clock=clock)
    restore(str(tmp_path / "copy"), again, secret=secret)

    assert not any(s in everything(tmp_path / "copy") for s in SECRETS)
    with Workspace.open(tmp_path / "again", settings=again) as workspace:
        assert keys_of(Shelf(workspace)) == wanted()
        for _ in range(2):  # also where the process that was brought back ends within the minute
            kept = Keeper(workspace)
            assert kept.epochs.nonce(kept.epochs.number(NOW)) == epoch
            assert kept.epochs.accepted(NOW) == range(NOW // 60 + 1, NOW // 60 + 1)
            assert kept.epochs.challenged(NAMES[0], challenge, NOW) is None
            kept.close()
        clock.now = NOW + 180
        kept = Keeper(workspace)
        assert kept.epochs.accepted(clock.now) == range(NOW // 60 + 2, NOW // 60 + 4)
        kept.close()
        assert Shelf(workspace).left() is None


def test_the_secret_of_epochs_stands_closed_and_is_one_for_all(store):
    keeper = Keeper(store)
    keeper.enrol(devices())
    secret = Shelf(store).secret()
    challenge = keeper.challenge(NAMES[0])

    assert secret not in everything(store.path)
    assert keeper.epochs.challenged(NAMES[0], look(store).challenge(NAMES[0]), NOW) == NOW
    Shelf(store).renew_sealing()
    assert Shelf(store).secret() == secret
    keeper.close()
    again = Keeper(store)
    assert again.epochs.challenged(NAMES[0], challenge, NOW) == NOW
    again.close()


def test_a_secret_of_epochs_in_the_open_gives_way_to_a_closed_one(store, tmp_path):
    (store.path / "fleet").mkdir()
    kept = store.path / "fleet" / "secret"
    kept.write_bytes(b"p" * 32)
    assert Shelf(store).secret() == b"p" * 32  # a server of the earlier version may use it

    backup(store, str(tmp_path / "copy"))
    keeper = Keeper(store)

    assert b"p" * 32 not in everything(store.path)
    assert b"p" * 32 not in everything(tmp_path / "copy")
    assert keeper.epochs.nonce(1) != Epochs(b"p" * 32).nonce(1)
    keeper.close()


@pytest.mark.parametrize("changed", [b"x", b"\xff" * 40, "other"])
def test_a_changed_secret_of_epochs_is_told_and_nothing_is_heard(store, tmp_path, changed):
    Shelf(store).secret()
    kept = store.path / "fleet" / "secret"
    if changed == "other":  # of another device, under the same key
        Shelf(store).add_devices(devices()[:1])
        (entry,) = (store.path / "fleet" / "devices").read_bytes().splitlines()
        changed = json.loads(entry)["sealed"].encode()
    kept.write_bytes(changed)

    with pytest.raises((Tampered, Misconfigured)) as told:
        Keeper(store)

    assert told.value.code in {"fleet.epochs-changed", "fleet.sealing-lost"}
    assert kept.read_bytes() == changed


def test_a_store_under_a_passphrase_needs_it_for_the_secrets(tmp_path):
    path = tmp_path / "closed"
    with Workspace.init(
        path, "Ann", now=NOW, settings=settings(path, passphrase=b"open sesame")
    ) as workspace:
        Shelf(workspace).add_devices(devices())

    guessed = settings(path, passphrase=b"guessed")
    with pytest.raises(Misconfigured), Workspace.open(path, settings=guessed) as workspace:
        keys_of(Shelf(workspace))


# --- behind a gate --------------------------------------------------------------------------------

SIGN_ONLY = b"""gate: g
version: 1
rules:
- {id: daily, key: '*', operations: [sign], callers: [{declared: kizuna}],
   purposes: [checkpoint, 'cose*', 'statement:*']}
"""
CLOSING = b"""- {id: secrets, key: '*', operations: [generate, encrypt, decrypt, destroy],
   callers: [{declared: kizuna}]}
"""


def jwk():
    return "key.jwk", b'{"kty": "oct", "k": "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M"}'


def gated(store, policy):
    KeyGate(store).set(policy, "gate.yaml")


def test_a_gate_that_lets_no_secret_be_closed_refuses_before_anything_is_said(store):
    gated(store, SIGN_ONLY)
    again = settings(store.path)
    with Workspace.open(store.path, settings=again) as workspace:
        before = workspace.head().size
        said = Enrolment(key=jwk(), scheme="hmac")
        with pytest.raises(Refused) as told:
            Lives(workspace).enrol(NAMES[0], said)
        assert told.value.code.startswith("gate.")
        assert workspace.head().size == before
        assert list(Shelf(workspace).devices()) == []


def test_a_gate_that_lets_secrets_be_closed_keeps_them(store):
    gated(store, SIGN_ONLY + CLOSING)
    with Workspace.open(store.path, settings=settings(store.path)) as workspace:
        Lives(workspace).enrol(NAMES[0], Enrolment(key=jwk(), scheme="hmac"))
        (device,) = Shelf(workspace).devices()
        assert device.key == SharedKey(b"s" * 32)


def test_a_fleet_of_an_earlier_version_is_kept_behind_a_gate_that_closes_nothing(store):
    (store.path / "fleet").mkdir()
    entry = {"subject": NAMES[0], "scheme": "hmac", "secret": SECRETS[0].hex()}
    (store.path / "fleet" / "devices").write_text(json.dumps(entry) + "\n")
    gated(store, SIGN_ONLY)
    with Workspace.open(store.path, settings=settings(store.path)) as workspace:
        with pytest.raises(Refused) as told:
            Keeper(workspace)  # it would have to write the secret of epochs in the open
        assert told.value.code.startswith("gate.")
        (store.path / "fleet" / "secret").write_bytes(b"p" * 32)
        keeper = Keeper(workspace)
        register = keeper.fleet.register
        assert register.device(register.find(NAMES[0])).key == SharedKey(SECRETS[0])
        keeper.close()
