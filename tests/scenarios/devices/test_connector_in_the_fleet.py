# SPDX-License-Identifier: Apache-2.0
"""A pump from the nineties behind a connector: who swaps the pump, moves it, alters the connector
or stops it, changes the verdict of the building, by name and with the reason.
"""

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from kizuna.app.wiring.devices.connector import connector_key
from kizuna.app.wiring.devices.fleet import collector_of, keeper_of
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.devices.program import manifest
from kizuna.app.wiring.devices.reference import import_references, make_references
from kizuna.app.wiring.devices.reporting import MODEL, Behind, Reporter, connector_instance
from kizuna.app.wiring.devices.seeing import learn_device
from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.guard.gateway.connector.sight import read_ask
from kizuna.model.errors import Malformed, Refused
from kizuna.model.finding import Value
from kizuna.model.identifier import Element, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Described, Link, Links
from kizuna.model.relation import Relation
from kizuna.proof.attestation.schemes.observed import LEARNT
from kizuna.roots.identity import did_key
from kizuna.worlds.modbus import PumpDevice
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
BUILDING = canonical("https://shiomi-tower.example/building")
PRODUCT = canonical("https://shiomi-tower.example/equipment/pump-room")
PUMP = canonical("urn:dev:ops:000000-pump-1994")
MODBUS = read_ask("modbus")


class Plant:
    """The verifier's store and its door; the connector with a store of its own; the pump."""

    def __init__(self, folder: Path, stack, clock: SetClock) -> None:
        self.clock, self.folder = clock, folder
        self.verifier = stack.enter_context(self._store("plant"))
        self.edge = stack.enter_context(self._store("edge"))
        self.keeper = keeper_of(self.verifier)
        stack.callback(self.keeper.close)
        host, port = stack.enter_context(background(self.verifier))
        self.url = f"http://{host}:{port}"
        self.handle = connector_key(self.edge)
        self.key = self.edge.unit.public(self.handle)
        self.connector = did_key(self.key)
        self.program = folder / "program"
        self.program.mkdir()
        (self.program / "relay.py").write_text("passes bytes")
        self.pump = PumpDevice(product="P-4")
        self.pump.__enter__()
        stack.callback(lambda: self.pump.__exit__(None, None, None))
        self.place = self.pump.address

    def _store(self, name: str) -> Workspace:
        settings = Settings(store=self.folder / name, clock=self.clock)
        return Workspace.init(settings.store, name, now=NOW, settings=settings)

    def enrol(self) -> None:
        """What the guide says, in its order."""
        pem = ("edge.pem", self.key.to_pem())
        lives = Lives(self.verifier)
        parts = [
            ("program", manifest(self.program)),
            ("interpreter", Path(sys.executable).resolve().read_bytes()),
        ]
        signed, _ = make_references(self.verifier, parts, model=MODEL)
        import_references(self.verifier, [("connector.corim", signed)], signers=[], closed=True)
        own = connector_instance(self.key).hex()
        lives.enrol(
            self.connector, Enrolment(key=pem, scheme="hmac", reference=MODEL, identity=own)
        )
        learnt = learn_device(self.place, MODBUS, 3) | {"tolerance": 600_000}
        said = Enrolment(key=pem, scheme="observed", gateway=self.connector, learnt=json_of(learnt))
        lives.enrol(PUMP, said)
        collector = collector_of(self.verifier.identity)
        self.tell(collector, [], Element.SERVICE)
        self.tell(BUILDING, [(PRODUCT, BUILDING)], Element.SYSTEM)
        self.tell(PRODUCT, [(PUMP, PRODUCT)], Element.SYSTEM)
        self.tell(PUMP, [], Element.COMPONENT)
        self.tell(canonical(self.connector), [], Element.COMPONENT)

    def tell(self, subject, parts, element) -> None:
        links = [Link(relation=Relation.PART_OF, subject=p, object=w) for p, w in parts]
        payload = Links(links=links, described=[Described(element=element, name=subject[-12:])])
        workspace = self.verifier
        workspace.register_one(workspace.sign(Kind.LINK, subject, payload))

    def start(self, to=None) -> Reporter:
        behind = Behind(subject=PUMP, to=to or self.place, ask=MODBUS)
        return Reporter(
            self.edge, self.handle, self.connector, self.url, behind, folder=self.program
        )

    def minute(self, reporter: Reporter | None) -> None:
        self.clock.forward(60)
        if reporter is not None:
            assert asyncio.run(reporter.report()), reporter.trouble
        self.clock.forward(1)
        self.keeper.tick()
        self.keeper.settle()

    def swap(self, product: str) -> None:
        """Another device takes the pump's place, at the same address and port."""
        self.pump.__exit__(None, None, None)
        self.pump = PumpDevice(*self.place, product=product)
        self.pump.__enter__()

    def standing(self, subject):
        found = self.keeper.standing(canonical(subject))
        return found.status.value, found.reason

    def verdict(self):
        profile = self.verifier.profile("attested-site")
        return self.verifier.verify(Question(BUILDING, profile, at=None))


def json_of(learnt) -> bytes:
    return json.dumps(learnt).encode()


def deciding(verdict):
    return {f.subject for f in verdict.findings if f.counts}


@pytest.fixture
def plant(tmp_path):
    with ExitStack() as stack:
        made = Plant(tmp_path, stack, SetClock(NOW))
        made.enrol()
        yield made


@pytest.fixture
def running(plant):
    reporter = plant.start()
    for _ in range(2):
        plant.minute(reporter)
    return reporter


def test_a_pump_that_says_nothing_is_trusted_by_the_word_of_its_connector(plant):
    assert plant.verdict().value is Value.UNDETERMINED
    reporter = plant.start()
    plant.minute(reporter)
    plant.minute(reporter)
    assert plant.standing(plant.connector) == ("affirming", "")
    assert plant.standing(PUMP) == ("affirming", "")
    assert plant.keeper.standing(PUMP).gateway == plant.connector
    verdict = plant.verdict()
    assert deciding(verdict) == set()
    assert verdict.value is Value.TRUSTED
    assert not asyncio.run(reporter.report())  # once an epoch is enough
    assert reporter.sent == 4


def test_another_pump_in_its_place_is_a_swap_and_the_building_is_untrusted(plant, running):
    plant.swap("P-5")
    plant.minute(running)
    assert plant.standing(PUMP) == ("contraindicated", "swap")
    assert plant.standing(plant.connector) == ("affirming", "")
    verdict = plant.verdict()
    assert verdict.value is Value.UNTRUSTED
    assert deciding(verdict) == {PUMP}
    plant.swap("P-4")
    plant.minute(running)
    assert plant.verdict().value is Value.TRUSTED


def test_a_pump_that_stands_elsewhere_is_told_as_moved(plant, running):
    with PumpDevice("127.0.0.1", product="P-4") as other:
        plant.minute(plant.start(other.address))
    assert plant.standing(PUMP) == ("warning", "moved")
    assert plant.verdict().value is Value.UNTRUSTED


def test_an_altered_connector_accuses_itself_and_vouches_for_nothing_any_more(plant, running):
    (plant.program / "relay.py").write_text("passes bytes, and keeps a copy")
    plant.minute(running)
    assert plant.standing(plant.connector) == ("contraindicated", "unknown-firmware")
    assert plant.standing(PUMP) == ("none", "unknown-firmware")
    verdict = plant.verdict()
    assert verdict.value is Value.UNTRUSTED
    assert canonical(plant.connector) in deciding(verdict)


def test_a_pump_that_does_not_answer_is_silent_and_not_accused(plant, running):
    plant.pump.__exit__(None, None, None)
    for _ in range(4):
        plant.minute(running)
    assert plant.standing(PUMP) == ("none", "silence")
    assert plant.standing(plant.connector) == ("affirming", "")
    assert plant.verdict().value is Value.UNDETERMINED
    plant.pump = PumpDevice(*plant.place, product="P-4")
    plant.pump.__enter__()
    plant.minute(running)
    assert plant.verdict().value is Value.TRUSTED


def test_a_connector_that_stops_leaves_neither_of_them_trusted(plant, running):
    for _ in range(5):
        plant.minute(None)
    assert plant.standing(plant.connector) == ("none", "silence")
    assert plant.standing(PUMP)[0] == "none"
    assert plant.verdict().value is Value.UNDETERMINED


def test_a_restart_of_the_connector_is_no_alarm_and_a_copy_of_an_earlier_state_is(plant, running):
    again = plant.start()
    plant.minute(again)
    assert plant.standing(plant.connector) == ("affirming", "")
    assert plant.standing(PUMP) == ("affirming", "")
    plant.minute(running)  # the earlier one was copied, and runs on
    assert plant.standing(plant.connector)[0] == "contraindicated"
    assert plant.standing(PUMP)[0] == "contraindicated"
    assert plant.verdict().value is Value.UNTRUSTED


def test_a_connector_that_nobody_enrolled_is_not_heard(plant, running):
    with plant._store("stranger") as workspace:
        handle = connector_key(workspace)
        behind = Behind(subject=PUMP, to=plant.place, ask=MODBUS)
        other = did_key(workspace.unit.public(handle))
        stranger = Reporter(workspace, handle, other, plant.url, behind, folder=plant.program)
        plant.minute(running)
        assert asyncio.run(stranger.report())
    assert stranger.last[other] == "refused"
    assert stranger.trouble == f"{other}: not-enrolled"
    assert plant.standing(PUMP) == ("affirming", "")
    assert plant.verdict().value is Value.TRUSTED


def test_a_verifier_that_does_not_answer_is_told_as_trouble_and_hurts_nobody(plant):
    lost = Reporter(plant.edge, plant.handle, plant.connector, "http://127.0.0.1:1")
    assert not asyncio.run(lost.report())
    assert lost.trouble
    assert lost.sent == 0


def test_what_was_learnt_needs_a_connector_that_is_enrolled_and_a_file_that_can_be_read(plant):
    pem = ("edge.pem", plant.key.to_pem())
    lives = Lives(plant.verifier)
    good = json_of({"banner": "00" * 32})
    for learnt, gateway, code in (
        (good, "urn:dev:ops:000000-nobody", "life.observer"),
        (b"{}", plant.connector, "life.learnt"),
        (b'{"banner": "00"}', plant.connector, "life.learnt"),
        (b'{"position": 7}', plant.connector, "life.learnt"),
        (b'{"position": "a", "colour": "red"}', plant.connector, "life.learnt"),
        (b"\xff", plant.connector, "life.learnt"),
    ):
        said = Enrolment(key=pem, scheme="observed", gateway=gateway, learnt=learnt)
        size = plant.verifier.head().size
        with pytest.raises((Malformed, Refused)) as told:
            lives.enrol("urn:dev:ops:000000-fan", said)
        assert told.value.code == code
        assert plant.verifier.head().size == size


def test_a_new_key_of_the_connector_leaves_what_was_learnt_as_it_is(plant, running):
    other = plant.edge.unit.generate(plant.handle.algorithm, "next")
    pem = ("next.pem", plant.edge.unit.public(other).to_pem())
    Lives(plant.verifier).rotate(PUMP, Enrolment(key=pem))
    held = {d.subject: d for d in Shelf(plant.verifier).devices(secrets=False)}[PUMP]
    assert held.about[LEARNT].banner is not None
    assert held.key == plant.edge.unit.public(other)
