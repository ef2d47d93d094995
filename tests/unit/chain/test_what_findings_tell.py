# SPDX-License-Identifier: Apache-2.0
"""Each finding tells what its words need: until when, since when, what level, which fields, why."""

import pytest

from kizuna.chain.verify import judge
from kizuna.model.finding import Code
from kizuna.model.payload import Action, Level

MAKER = "did:example:acme"
THING = "pkg:generic/acme/a@1"


def told(shop, world, code, **rule):
    rules = [shop.requirement(**rule)]
    profile = shop.profile(requirements=rules, follow=())
    verdict = judge(world.statements, THING, profile, world.anchors(), at=world.now + 60)
    (found,) = [f for f in verdict.findings if f.requirement == rules[0].id]
    assert found.code is code
    return dict(found.about)


@pytest.fixture
def world(shop):
    made = shop.World()
    made.member(MAKER, scope=["pkg:generic/acme"])
    return made


def test_an_end_and_a_beginning(shop, world):
    end = world.now + 30
    world.claim(MAKER, THING, ends=end)
    assert told(shop, world, Code.CLAIM_EXPIRED)["until"] == str(end)


def test_a_beginning_that_is_still_to_come(shop, world):
    begin = world.now + 10_000
    world.claim(MAKER, THING, since=begin)
    assert told(shop, world, Code.CLAIM_NOT_YET_VALID)["from"] == str(begin)


def test_an_age(shop, world):
    world.claim(MAKER, THING)
    about = told(shop, world, Code.CLAIM_STALE, max_age=1)
    assert about["max_age"] == "1"
    assert int(about["registered"]) <= world.now


def test_a_level(shop, world):
    world.claim(MAKER, THING, level=Level.SELF)
    about = told(shop, world, Code.LEVEL_TOO_LOW, level=Level.THIRD)
    assert (about["have"], about["need"]) == ("self-declared", "third-party")


def test_fields_that_are_not_there(shop, world):
    world.claim(MAKER, THING)
    assert told(shop, world, Code.CLAIM_MISSING, present=("name",))["fields"] == "name"


def test_a_condition_that_fails_and_one_that_cannot_be_decided(shop, world):
    world.claim(MAKER, THING, fields={"n": 1})
    failed = told(shop, world, Code.CONDITION_FAILED, condition="claim.n == 2")
    assert failed["expression"] == "claim.n == 2"
    open_ = told(shop, world, Code.CONDITION_UNDECIDED, condition="claim.m == 2")
    assert "m" in open_["reason"]


def test_who_took_it_back(shop, world):
    claim = world.claim(MAKER, THING)
    world.status(MAKER, Action.REVOKE, claim)
    assert told(shop, world, Code.CLAIM_REVOKED)["by"] == MAKER
