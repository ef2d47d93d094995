# SPDX-License-Identifier: Apache-2.0
"""The doors for devices: real sockets, a real broker, bad input, restarts and crashes."""

import random
from dataclasses import replace

import httpx
import pytest

from kizuna.app.mqtt.address import parse
from kizuna.app.mqtt.inside import inside
from kizuna.app.mqtt.line import simulated
from kizuna.app.wiring.devices.fleet import Keeper, Piece, keeper_of
from kizuna.app.wiring.devices.look import look
from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.app.wiring.devices.simulation import simulate
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed, Refused, Tampered, Unavailable
from kizuna.model.identifier import canonical
from kizuna.proof.attestation.appraiser import Appraiser
from kizuna.proof.attestation.fleet import GATEWAY
from kizuna.proof.attestation.fleet.gateway import Gateway
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.roots.cose import SharedKey, check_sign1, decode, encode, read_sign1, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.fleet.things import good_value, references, thing
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
GATE = "urn:dev:ops:000000-gate"
CBOR = {"content-type": "application/cbor"}
BROKER = pytest.mark.filterwarnings(  # the broker in Python leaves closing to the collector
    "ignore:.*:pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)


class Place:
    def __init__(self, workspace, clock) -> None:
        self.workspace, self.clock = workspace, clock
        self.keeper = keeper_of(workspace)
        self.draw = random.Random(5)  # noqa: S311 - a scene to be repeated
        self.unit = EphemeralUnit(b"doors")
        self.sensor = thing(1, "hmac", self.unit, self.draw, now=NOW)
        self.board = thing(2, "psa", self.unit, self.draw, now=NOW)
        self.keeper.accept_references(references())
        self.keeper.enrol([self.sensor.enrolled(), self.board.enrolled()])

    def nonce(self):
        epochs = self.keeper.epochs
        return epochs.nonce(epochs.number(self.clock()))

    def piece(self, one, nonce=None):
        return Piece(one.subject, one.evidence(nonce or self.nonce(), self.clock()))


@pytest.fixture
def place(tmp_path):
    clock = SetClock(NOW)
    settings = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings.store, "Doors", now=NOW, settings=settings) as workspace:
        made = Place(workspace, clock)
        yield made
        made.keeper.close()


def test_a_device_speaks_over_http_by_epoch_and_by_challenge(place):
    with background(place.workspace) as (host, port):
        base = f"http://{host}:{port}/api/devices"
        with httpx.Client(base_url=base) as http:
            epoch = read_sign1(http.get("/epoch").content)
            key = place.workspace.unit.public(place.workspace.handle)
            assert check_sign1(epoch, key)
            claims = decode(epoch.payload)
            assert claims[1] == NOW // 60
            body = encode([[place.sensor.subject, place.piece(place.sensor, claims[2]).evidence]])
            told = http.post("/evidence", content=body, headers=CBOR)
            assert decode(told.content) == [["affirming", "affirming", ""]]
            nonce = http.get("/challenge", params={"subject": place.board.subject}).content
            body = encode([[place.board.subject, place.piece(place.board, nonce).evidence]])
            again = [http.post("/evidence", content=body, headers=CBOR) for _ in range(2)]
            assert decode(again[0].content) == [["affirming", "affirming", ""]]
            assert decode(again[1].content) == [["refused", "affirming", "heard-before"]]
            fleet = http.get("").json()
            assert fleet["counts"]["affirming"] == 2
            assert "source" not in fleet["standings"][0]
            one = http.get("/standing", params={"subject": place.board.subject}).json()
            assert (one["status"], one["seen"]) == ("affirming", NOW)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", CBOR, 400, "fleet.message-malformed"),
        (b"\xff", CBOR, 400, "fleet.message-malformed"),
        (encode([]), CBOR, 400, "fleet.message-malformed"),
        (encode({"a": 1}), CBOR, 400, "fleet.message-malformed"),
        (encode([["x"]]), CBOR, 400, "fleet.message-malformed"),
        (encode([["x", "y"]]), CBOR, 400, "fleet.message-malformed"),
        (encode([["x", b"y"]] * 4097), CBOR, 400, "fleet.message-malformed"),
        (b"\x81" * 5000, CBOR, 400, "fleet.message-malformed"),
        (encode([["x", b"y"]]), {"content-type": "text/plain"}, 415, "http.media-type"),
    ],
)
def test_bad_messages_are_refused_and_the_door_stays_open(place, body, headers, status, code):
    with background(place.workspace) as (host, port):
        url = f"http://{host}:{port}/api/devices/evidence"
        answer = httpx.post(url, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        good = encode([[place.sensor.subject, place.piece(place.sensor).evidence]])
        assert httpx.post(url, content=good, headers=CBOR).status_code == 200


def test_what_anybody_can_send_changes_no_standing(place):
    place.keeper.hear([place.piece(place.sensor), place.piece(place.board)], "here")
    rubbish = [b"", b"\x00", b"x" * 1000, place.board.last[-1][:-9], b"\xd2" * (300 << 10)]
    flipped = bytearray(place.board.last[-1])
    flipped[-1] ^= 1
    pieces = [Piece(place.board.subject, data) for data in (*rubbish, bytes(flipped))]
    pieces += [Piece("urn:dev:ops:000000-nobody", b"x"), Piece(place.sensor.subject, b"y" * 99)]
    answers = place.keeper.hear(pieces, "there")
    assert {a.standing for a in answers} == {"affirming", ""}
    assert place.keeper.counts()["affirming"] == 2


def test_a_restart_remembers_and_a_crash_closes_the_epochs_that_ran(place):
    piece = place.piece(place.sensor)
    place.keeper.hear([piece], "here")
    place.keeper.close()
    again = keeper_of(place.workspace)
    assert again.hear([piece], "here")[0].reason == "heard-before"
    assert again.standing(place.sensor.subject).status == "affirming"
    again.settle()
    Shelf.give_back(again._shelf)  # what a killed process leaves: no snapshot, no lock
    crashed = Keeper(place.workspace)
    (answer,) = crashed.hear([place.piece(place.board)], "here")
    assert answer.status == "none"
    place.clock.forward(60)
    (answer,) = crashed.hear([place.piece(place.board)], "here")
    assert answer.status == "affirming"
    crashed.close()


def test_one_process_keeps_a_fleet_and_others_may_look(place):
    place.keeper.hear([place.piece(place.sensor)], "here")
    with pytest.raises(Unavailable) as caught:
        Keeper(place.workspace)
    assert caught.value.code == "fleet.kept-elsewhere"
    assert len(look(place.workspace).standings()) == 2


def test_who_is_enrolled_elsewhere_is_heard_here(place):
    late = thing(3, "hmac", place.unit, place.draw, now=NOW)
    Shelf(place.workspace).add_devices([late.enrolled()])
    place.keeper.tick()
    (answer,) = place.keeper.hear([place.piece(late)], "here")
    assert answer.standing == "affirming"


def gateway(place, *, known=None):
    handle = place.unit.generate(Algorithm.ES256, "gateway")
    place.keeper.enrol([Enrolled(scheme=GATEWAY, subject=GATE, key=place.unit.public(handle))])
    own = [thing(n, "hmac", place.unit, place.draw, now=NOW, gateway=GATE) for n in range(10, 14)]
    place.keeper.enrol([one.enrolled() for one in own])
    values = References()
    for value in (*references(), *(known or ())):
        values.add(value)
        values.close(value.model)
    made = Gateway(GATE, place.unit, handle, Appraiser(values, SCHEMES), now=NOW)
    made.enrol([one.enrolled() for one in own], NOW)
    made.begin(NOW // 60, place.nonce())
    made.hear([(o.subject, o.evidence(place.nonce(), NOW), o.port) for o in own], NOW)
    return made, own


def test_a_gateways_bundle_is_believed_once_its_leaves_are_open(place):
    made, own = gateway(place)
    data = made.bundle(NOW)
    places = place.keeper.take_bundle(GATE, data)
    assert places == place.keeper.take_bundle(GATE, data) == [0, 1, 2, 3]
    assert place.keeper.standing(own[0].subject).status == "none"
    assert place.keeper.take_openings(GATE, made.open(places)) == ""
    assert {place.keeper.standing(o.subject).status.value for o in own} == {"affirming"}


def lying(place):
    """A gateway that takes other firmware of one device for good."""
    made, own = gateway(place)
    name = next(iter(own[2].images))
    own[2].images[name] += b" and a guest"
    values = References()
    for value in (*references(), good_value(own[2], name)):
        values.add(value)
        values.close(value.model)
    false = Gateway(GATE, place.unit, made._handle, Appraiser(values, SCHEMES), now=NOW)
    false.enrol([one.enrolled() for one in own], NOW)
    return false, own


def speak(place, made, own):
    made.begin(place.clock() // 60, place.nonce())
    sent = [(o.subject, o.evidence(place.nonce(), place.clock()), o.port) for o in own]
    made.hear(sent, place.clock())
    return made.bundle(place.clock())


def test_a_false_leaf_makes_the_gateway_a_liar(place):
    made, own = lying(place)
    places = place.keeper.take_bundle(GATE, speak(place, made, own))
    assert "contraindicated" in place.keeper.take_openings(GATE, made.open(places))
    assert place.keeper.standing(GATE).reason == "lying-gateway"
    assert place.keeper.standing(own[0].subject).status == "none"
    place.keeper.settle()
    assert place.keeper.alarms()["lying-gateway"] == 1


def test_nobody_else_makes_a_gateway_a_liar(place):
    made, own = gateway(place)
    places = place.keeper.take_bundle(GATE, made.bundle(NOW))
    good = made.open(places)
    for sent in ([], good[1:], [replace(o, evidence=b"x") for o in good]):
        assert place.keeper.take_openings(GATE, sent)
        assert place.keeper.standing(GATE).reason == ""
    assert place.keeper.take_openings(GATE, good) == ""
    assert place.keeper.take_openings(GATE, []) == ""
    assert place.keeper.standing(own[0].subject).status == "affirming"


def test_a_network_that_delays_the_leaves_makes_no_liar(place):
    made, _ = gateway(place)
    places = place.keeper.take_bundle(GATE, made.bundle(NOW))
    place.clock.forward(150)
    assert place.keeper.take_openings(GATE, made.open(places)) == ""
    assert place.keeper.standing(GATE).status == "affirming"


def test_a_gateway_that_knows_one_device_less_is_refused_and_no_liar(place):
    made, _ = gateway(place)
    late = thing(20, "hmac", place.unit, place.draw, now=NOW, gateway=GATE)
    place.keeper.enrol([late.enrolled()])
    with pytest.raises(Refused) as caught:
        place.keeper.take_bundle(GATE, made.bundle(NOW))
    assert caught.value.code == "fleet.bundle-count"
    assert place.keeper.standing(GATE).reason == ""


def test_a_leaf_that_was_asked_for_stays_asked_for_until_it_is_shown(place):
    made, own = lying(place)
    place.keeper.drawn = 4  # all of them: the false one is among those asked for
    place.keeper.take_bundle(GATE, speak(place, made, own))  # and kept back
    place.keeper.drawn = 0  # whatever chance would ask for from now on
    place.clock.forward(60)
    places = place.keeper.take_bundle(GATE, speak(place, made, own))
    assert places == [0, 1, 2, 3]
    assert place.keeper.take_openings(GATE, made.open(places))
    assert place.keeper.standing(GATE).reason == "lying-gateway"


def test_strangers_bring_no_statement_into_the_log(place):
    place.keeper.hear([place.piece(place.sensor)], "here")
    place.sensor.images[next(iter(place.sensor.images))] += b" and a guest"
    place.clock.forward(60)
    place.keeper.hear([place.piece(place.sensor)], "here")
    place.keeper.settle()
    size, notices = place.workspace.head().size, dict(place.keeper._sayings.notices)
    for _ in range(5):
        place.clock.forward(60)
        for one in (place.sensor, place.board):  # one contraindicated, one never heard
            forged = bytearray(one.evidence(place.nonce(), place.clock()))
            forged[-1] ^= 1
            place.keeper.hear([Piece(one.subject, bytes(forged))] * 9, "elsewhere")
        place.keeper.settle()
    assert place.workspace.head().size == size
    assert place.keeper._sayings.notices == notices


def test_a_wrong_key_and_silence_make_a_device_undetermined_not_untrusted(place):
    place.keeper.hear([place.piece(place.board)], "here")
    forged = bytearray(place.board.evidence(place.nonce(), place.clock()))
    forged[-1] ^= 1
    place.keeper.hear([Piece(place.board.subject, bytes(forged))], "elsewhere")
    place.clock.forward(300)
    place.keeper.tick()
    found = place.keeper.standing(place.board.subject)
    assert (found.status.value, found.reason) == ("none", "swap")


@pytest.mark.parametrize("signs", [True, False])
def test_an_epochs_number_is_enough_for_a_shared_key_alone(place, signs):
    name = "urn:dev:ops:000000-tiny"
    handle, shared = place.unit.generate(Algorithm.ES256, "tiny"), SharedKey(b"s" * 32)
    key = place.unit.public(handle) if signs else shared
    place.keeper.enrol(
        [Enrolled(scheme="hmac", subject=canonical(name), key=key, reference="tiny")]
    )
    value = Reference(
        model="tiny", component="fw", digest_alg="sha-256", digest=bytes(32), signed=True
    )
    place.keeper.accept_references([value])
    claims = tiny_claims(
        identity=b"tiny-7-x",
        boot=1,
        sequence=1,
        measurements={"fw": bytes(32)},
        epoch=NOW // 60,
    )
    token = sign1(place.unit, handle, {}, encode(claims)) if signs else make_token(shared, claims)
    (answer,) = place.keeper.hear([Piece(name, token)], "here")
    assert answer.standing == ("none" if signs else "affirming")


def test_an_answer_to_a_challenge_does_not_come_again_after_a_crash(place):
    nonce = place.keeper.challenge(place.board.subject)
    piece = place.piece(place.board, nonce)
    place.clock.forward(5)
    assert place.keeper.hear([piece], "here")[0].status == "affirming"
    Shelf.give_back(place.keeper._shelf)  # what a killed process leaves
    place.clock.forward(5)
    crashed = Keeper(place.workspace)
    assert crashed.hear([piece], "here")[0].standing == "none"
    place.clock.forward(1)
    again = place.piece(place.board, crashed.challenge(place.board.subject))
    assert crashed.hear([again], "here")[0].standing == "affirming"
    crashed.close()


def test_bundles_that_are_forged_old_or_of_nobody_are_refused(place):
    made, _ = gateway(place)
    data = made.bundle(NOW)
    flipped = bytearray(data)
    flipped[-1] ^= 1
    with pytest.raises(Tampered):
        place.keeper.take_bundle(GATE, bytes(flipped))
    with pytest.raises(Refused) as caught:
        place.keeper.take_openings(GATE, [])
    assert caught.value.code == "fleet.not-asked"
    place.clock.forward(180)
    with pytest.raises(Refused) as caught:
        place.keeper.take_bundle(GATE, data)
    assert caught.value.code == "fleet.bundle-stale"
    assert place.keeper.standing(GATE).reason == ""


@BROKER
def test_devices_speak_through_a_real_broker(place, two_ports):
    with inside(port := two_ports()), simulated(place.keeper, f"127.0.0.1:{port}") as line:
        nonce = decode(read_sign1(line.epoch()).payload)[2]
        line.evidence(encode([[place.sensor.subject, place.sensor.evidence(nonce, NOW)]]))
        with pytest.raises(Refused) as caught:
            line.evidence(b"\xff")
        assert caught.value.code == "fleet.message-malformed"
    assert place.keeper.standing(place.sensor.subject).status == "affirming"
    assert place.keeper.standing(place.sensor.subject).source.startswith("mqtt:")


@BROKER
def test_a_fleet_over_both_transports_misses_nothing(two_ports):
    with inside(two_ports()) as (host, port):
        done = simulate(
            Settings(), devices=60, seed=4, minutes=6, transport="both", broker=f"{host}:{port}"
        )
    assert (done.missed, done.false) == (0, 0), (done.missed_events, done.false_alarms)
    assert done.alarms > 5


@pytest.mark.parametrize("text", ["", ":1", "host:", "host:0", "host:65536", "host:x"])
def test_a_brokers_address_is_checked(text):
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert caught.value.code == "mqtt.address"


def test_a_brokers_usual_port_may_be_left_out():
    assert parse("broker.example") == ("broker.example", 1883)
    assert parse("[::1]:1884") == ("::1", 1884)
