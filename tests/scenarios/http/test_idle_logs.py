# SPDX-License-Identifier: Apache-2.0
"""A log in which nothing happens is as young as the last look that witnesses had at it."""

from contextlib import ExitStack

import pytest
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import Operators, codes

from kizuna.model.finding import Code, Value
from kizuna.model.identifier import canonical
from kizuna.record.log.note import COSIGNATURE, NoteKey, cosign, parse_note
from kizuna.record.log.signer import Signer
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.software import SoftwareUnit

DAY = 86_400
AGED = "max_store_age: 7 days\n"
THING = canonical("pkg:generic/kyoto/idle@1")


class Witnessed(Operators):
    """The three operators, and a witness whose word the buyer asks for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        unit = SoftwareUnit.ephemeral()
        self.witness = Signer("w.example", unit, unit.generate(Algorithm.EDDSA, "witness"))
        key = NoteKey.of(self.witness, COSIGNATURE)
        for one in (self.buyer, self.maker, self.lab):
            one.trust.add_witness(key.vkey, 1)

    def look(self) -> None:
        """The witness looks at every log, and cosigns what it sees."""
        self.clock.now += 60
        key = NoteKey.of(self.witness, COSIGNATURE)
        for one in (self.buyer, self.maker, self.lab):
            text = parse_note(one.log.checkpoint()).text
            line = cosign(text, self.witness, self.clock.now).line()
            one.log.add_cosignatures(line, [key])


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    with ExitStack() as stack:
        made = Witnessed(tmp_path_factory.mktemp("idle"), Hand(NOW), running, stack)
        made.look()
        made.look()  # a second look says that what was there at the first was there before
        made.product(THING)
        made.look()
        yield made


@pytest.fixture
def world(told):
    told.anew()
    told.look()  # whatever day an earlier test left behind
    return told


def test_fresh_cosignatures_keep_an_idle_log_young(world):
    assert world.judge(subject=THING, more=AGED).value is Value.TRUSTED
    world.clock.now += 8 * DAY
    stale = world.judge(subject=THING, more=AGED, fresh=False)
    assert stale.value is Value.UNDETERMINED
    assert Code.STORE_STALE.value in {code for code, _ in codes(stale)}
    world.look()
    young = world.judge(subject=THING, more=AGED, fresh=False)
    assert young.value is Value.TRUSTED, codes(young)
    assert world.judge(subject=THING, more=AGED).canonical_bytes() == young.canonical_bytes()


def test_what_looked_young_grows_old_again_in_the_same_process(world):
    assert world.judge(subject=THING, more=AGED).value is Value.TRUSTED
    world.clock.now += 8 * DAY
    assert world.judge(subject=THING, more=AGED, fresh=False).value is Value.UNDETERMINED
