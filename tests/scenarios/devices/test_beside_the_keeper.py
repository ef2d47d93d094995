# SPDX-License-Identifier: Apache-2.0
"""What other processes write into a fleet that is kept: it counts from the next beat."""

import json
import multiprocessing

import pytest

from kizuna.app.wiring.devices.fleet import Keeper, Piece
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.devices.look import look
from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed
from kizuna.proof.attestation.fleet import GATEWAY
from kizuna.proof.attestation.reference import Reference
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.roots.cose import SharedKey
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
DEVICE = "urn:ueid:0102"
OTHER = "urn:ueid:0103"
KEY = EphemeralUnit(b"beside")


@pytest.fixture
def kept(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Beside", now=NOW, settings=settings) as workspace:
        keeper = Keeper(workspace)
        yield workspace, keeper
        keeper.close()


def elsewhere(path, step, *arguments):
    """Do one step in a process of its own."""
    ctx = multiprocessing.get_context("spawn")
    process = ctx.Process(target=step, args=(str(path), *arguments))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def open_store(path):
    return Workspace.open(path, settings=Settings(store=path, clock=SetClock(NOW)))


def enrol(path, pem):
    with open_store(path) as workspace:
        Lives(workspace).enrol(DEVICE, Enrolment(key=("key.pem", pem), scheme="psa"))


def revoke(path):
    with open_store(path) as workspace:
        Lives(workspace).revoke(DEVICE, "stolen", reason="gone")


def retire(path):
    with open_store(path) as workspace:
        Lives(workspace).retire(DEVICE)


def device(subject=DEVICE, secret=b"s" * 32, **members):
    return Enrolled(scheme="hmac", subject=subject, key=SharedKey(secret), **members)


@pytest.mark.parametrize("step", [revoke, retire])
def test_an_enrolment_and_its_end_in_another_process_count_from_the_next_beat(kept, step):
    workspace, keeper = kept
    pem = KEY.public(KEY.generate(Algorithm.ES256, "k")).to_pem()
    elsewhere(workspace.path, enrol, pem)
    keeper.tick()
    register = keeper.fleet.register
    assert register.device(register.find(DEVICE)).scheme == "psa"
    elsewhere(workspace.path, step)
    keeper.tick()
    gone = register.device(register.find(DEVICE))
    assert (gone.scheme, gone.key) == ("ended", None)


def test_references_and_keys_of_makers_from_elsewhere_count_from_the_next_beat(kept):
    workspace, keeper = kept
    before = keeper._kept.appraiser
    keeper.tick()
    assert keeper._kept.appraiser is before
    value = Reference(model="m", component="app", digest_alg="sha-256", digest=b"d" * 32)
    Shelf(workspace).add_references([value])
    keeper.tick()
    assert keeper._kept.appraiser is not before
    before = keeper._kept.appraiser
    with (workspace.path / "fleet" / "endorsed").open("ab") as file:
        file.write(b"\n")
    keeper.tick()
    assert keeper._kept.appraiser is not before


def test_a_line_half_written_is_taken_when_it_is_whole(kept):
    workspace, keeper = kept
    line = json.dumps({"subject": DEVICE, "scheme": "hmac", "secret": "aa" * 32}).encode() + b"\n"
    table = workspace.path / "fleet" / "devices"
    for part in (line[:20], line[20:-1]):
        with table.open("ab") as file:
            file.write(part)
        keeper.tick()
        assert keeper.fleet.register.find(DEVICE) is None
    with table.open("ab") as file:
        file.write(line[-1:])
    keeper.tick()
    assert keeper.fleet.register.find(DEVICE) is not None


def test_a_damaged_line_is_told_once_and_what_follows_counts(kept):
    workspace, keeper = kept
    for line in (b"[]\n", b"{nothing\n"):
        with (workspace.path / "fleet" / "devices").open("ab") as file:
            file.write(line)
        Shelf(workspace).add_devices([device()])
        with pytest.raises(Malformed):
            keeper.tick()
        keeper.tick()
    assert keeper.fleet.register.find(DEVICE) is not None


def test_a_table_that_was_replaced_is_read_anew_and_nobody_begins_anew(kept):
    workspace, keeper = kept
    keeper.enrol([device(), device(OTHER)])
    keeper.fleet._state.seen[0] = 77
    keeper.fleet._state.seen[1] = 77
    table = workspace.path / "fleet" / "devices"
    first, *rest = table.read_bytes().splitlines(keepends=True)
    changed = json.dumps(json.loads(first) | {"identity": "aa"}).encode() + b"\n"
    other = table.with_name("devices.new")
    other.write_bytes(b"".join([changed, *rest]))
    other.replace(table)
    keeper.tick()
    register = keeper.fleet.register
    assert register.device(register.find(DEVICE)).identity == b"\xaa"
    assert keeper.fleet._state.seen[1] == 77
    assert keeper.fleet._state.seen[0] != 77


def test_enrolling_again_elsewhere_begins_anew_even_where_nothing_changed(kept):
    workspace, keeper = kept
    keeper.enrol([device()])
    keeper.fleet._state.seen[0] = 77
    keeper.tick()
    assert keeper.fleet._state.seen[0] == 77
    Shelf(workspace).add_devices([device()])
    keeper.tick()
    assert keeper.fleet._state.seen[0] != 77


def test_a_gateway_brings_no_device_back_whose_key_ended(kept):
    _, keeper = kept
    gate = "urn:dev:ops:000000-gate"
    keeper.enrol(
        [
            Enrolled(
                scheme=GATEWAY, subject=gate, key=KEY.public(KEY.generate(Algorithm.ES256, "g"))
            ),
            device(position=gate),
            Enrolled(scheme="ended", subject=OTHER, position=gate),
        ]
    )
    keeper.fleet.affirm(gate, epoch=NOW // 60, exceptions={}, now=NOW)
    assert keeper.standing(DEVICE).status.value == "affirming"
    assert keeper.standing(OTHER).status.value == "none"


def test_whoever_looks_beside_the_keeper_sees_a_change_within_seconds(kept):
    workspace, keeper = kept
    digest = b"1" * 32
    value = Reference(model="m", component="fw", digest_alg="sha-256", digest=digest, signed=True)
    keeper.accept_references([value])
    keeper.enrol([device(OTHER, reference="m")])
    claims = tiny_claims(
        identity=b"device-1",
        boot=1,
        sequence=1,
        measurements={"fw": digest},
        nonce=keeper.epochs.nonce(keeper.epochs.number(NOW)),
    )
    (answer,) = keeper.hear([Piece(OTHER, make_token(SharedKey(b"s" * 32), claims))], "net")
    assert answer.standing == "affirming"
    keeper.settle()
    workspace.settings.clock.now = NOW + 2
    keeper.tick()
    assert look(workspace).standing(OTHER).status.value == "affirming"
