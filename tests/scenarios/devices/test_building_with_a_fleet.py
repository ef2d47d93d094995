# SPDX-License-Identifier: Apache-2.0
"""A building with a fleet: what befalls one device is in the building's verdict at once."""

import random

import pytest

from kizuna.app.wiring.devices.fleet import Piece, collector_of, keeper_of
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.finding import Value
from kizuna.model.identifier import Element, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Described, Link, Links
from kizuna.model.relation import Relation
from kizuna.proof.attestation.ear import read_ear
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.fleet.things import references, thing
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
BUILDING = canonical("https://shiomi-tower.example/building")
SYSTEM = canonical("https://shiomi-tower.example/systems/air")
PRODUCT = canonical("https://shiomi-tower.example/equipment/unit-3")


class Site:
    def __init__(self, workspace, clock) -> None:
        self.workspace, self.clock = workspace, clock
        self.keeper = keeper_of(workspace)
        draw, unit = random.Random(5), EphemeralUnit(b"site")  # noqa: S311 - a scene to be repeated
        kinds = ("psa", "hmac", "psa")
        self.things = [thing(n, k, unit, draw, now=NOW) for n, k in enumerate(kinds)]
        self.keeper.accept_references(references())
        self.keeper.enrol([t.enrolled() for t in self.things])
        collector = collector_of(workspace.identity)
        element = {BUILDING: Element.SYSTEM, SYSTEM: Element.SYSTEM, PRODUCT: Element.SYSTEM}
        self.tell(collector, [], Described(element=Element.SERVICE, name="Fleet verifier"))
        self.tell(
            BUILDING, [(SYSTEM, BUILDING)], Described(element=element[BUILDING], name="Tower")
        )
        self.tell(SYSTEM, [(PRODUCT, SYSTEM)], Described(element=element[SYSTEM], name="Air"))
        own = [(t.subject, PRODUCT) for t in self.things]
        self.tell(PRODUCT, own, Described(element=element[PRODUCT], name="Air unit 3"))
        for one in self.things:
            measured = Link(relation=Relation.MEASURED_BY, object=collector)
            said = Described(element=Element.COMPONENT, name=one.subject[-12:])
            links = Links(links=[measured], described=[said])
            workspace.register_one(workspace.sign(Kind.LINK, one.subject, links))

    def tell(self, subject, parts, described):
        links = [Link(relation=Relation.PART_OF, subject=p, object=w) for p, w in parts]
        payload = Links(links=links, described=[described])
        self.workspace.register_one(self.workspace.sign(Kind.LINK, subject, payload))

    def minute(self, *, without=()):
        """Every device but those named attests once; time goes on by an epoch."""
        now = self.clock.forward(60)
        nonce = self.keeper.epochs.nonce(self.keeper.epochs.number(now))
        pieces = [Piece(t.subject, t.evidence(nonce, now)) for t in self.things if t not in without]
        self.keeper.hear(pieces, "192.0.2.7")
        self.clock.forward(1)
        self.keeper.tick()
        self.keeper.settle()

    def verdict(self):
        profile = self.workspace.profile("attested-site")
        return self.workspace.verify(Question(BUILDING, profile, at=None))


@pytest.fixture
def site(tmp_path):
    clock = SetClock(NOW)
    settings = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings.store, "Shiomi", now=NOW, settings=settings) as workspace:
        yield Site(workspace, clock)
        keeper_of(workspace).close()


def deciding(verdict):
    return {(f.code.value, f.subject) for f in verdict.findings if f.counts}


def test_a_building_is_trusted_once_every_device_attested(site):
    assert site.verdict().value is Value.UNDETERMINED
    site.minute()
    site.minute()
    verdict = site.verdict()
    assert deciding(verdict) == set()
    assert verdict.value is Value.TRUSTED


def test_one_tampered_device_makes_the_building_untrusted_by_name_and_reason(site):
    site.minute()
    site.minute()
    bad = site.things[1]
    good = dict(bad.images)
    bad.images["app"] += b" changed"
    site.minute()
    verdict = site.verdict()
    assert verdict.value is Value.UNTRUSTED
    assert ("tampering.reported", bad.subject) in deciding(verdict)
    assert {subject for _, subject in deciding(verdict)} == {bad.subject}
    # a device answers for itself: what is asked of gateways is not asked of it a second time
    assert not [f for f in verdict.findings if f.requirement == "listener-well"]
    tampering = next(f for f in verdict.findings if f.code.value == "tampering.reported")
    assert tampering.turn
    assert "unknown-firmware" in str(tampering.about)
    (result,) = (site.workspace.path / "fleet" / "results").iterdir()
    key = site.workspace.unit.public(site.workspace.handle)
    (told,) = read_ear(result.read_bytes(), key)
    assert told.status.value == "contraindicated"
    bad.images = good
    site.minute()
    assert site.verdict().value is Value.TRUSTED


def test_silence_is_undetermined_and_never_untrusted(site):
    site.minute()
    quiet = site.things[2]
    for _ in range(5):
        site.minute(without=[quiet])
    verdict = site.verdict()
    assert verdict.value is Value.UNDETERMINED
    assert {subject for _, subject in deciding(verdict)} == {quiet.subject}
    site.minute()
    assert site.verdict().value is Value.TRUSTED


def test_a_verifier_that_stops_listening_leaves_nothing_trusted(site):
    site.minute()
    site.minute()
    site.clock.forward(3600)
    verdict = site.verdict()
    assert verdict.value is Value.UNDETERMINED
    assert ("claim.stale", collector_of(site.workspace.identity)) in deciding(verdict)


def test_a_minute_in_which_nothing_changes_says_one_root(site):
    site.minute()
    site.minute()
    before = site.workspace.head().size
    for _ in range(10):
        site.minute()
    # one root an epoch, and the log's own map head with each
    assert site.workspace.head().size - before == 20
