# SPDX-License-Identifier: Apache-2.0
"""A key that one log ended signs nothing that another log registers later."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.chain.verify import judge
from kizuna.model.finding import Code, Value
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, Target

MAKER = "did:example:acme"
THING = "pkg:generic/acme/a@1"
HERE, THERE = "log.example", "other.example"
ENDS = [Action.REVOKE, Action.ROTATE, Action.SUSPEND, Action.COMPROMISE]


def asked(shop, world):
    rules = [shop.requirement()]
    anchors = world.anchors()
    return judge(
        world.statements, THING, shop.profile(requirements=rules, follow=()), anchors,
        at=world.now + 60,
    )  # fmt: skip


def world_of(shop):
    world = shop.World()
    world.member(MAKER, scope=["pkg:generic/acme"])
    return world


def codes(verdict):
    return {f.code for f in verdict.findings if f.counts}


@pytest.mark.parametrize("action", [Action.REVOKE, Action.ROTATE, Action.SUSPEND])
def test_what_is_registered_elsewhere_after_the_end_does_not_count(shop, action):
    world = world_of(shop)
    world.on_key(MAKER, MAKER, "old", action, origin=HERE)
    world.claim(MAKER, THING, key="old", origin=THERE)
    verdict = asked(shop, world)
    assert verdict.value is not Value.TRUSTED
    assert Code.KEY_ENDED in codes(verdict)  # nobody said that others had it
    assert Code.KEY_COMPROMISED not in codes(verdict)


@pytest.mark.parametrize("action", [Action.REVOKE, Action.ROTATE, Action.SUSPEND])
def test_what_was_registered_elsewhere_before_the_end_stands(shop, action):
    world = world_of(shop)
    world.claim(MAKER, THING, key="old", origin=THERE)
    world.on_key(MAKER, MAKER, "old", action, origin=HERE)
    assert asked(shop, world).value is Value.TRUSTED


def test_what_overlaps_cannot_be_told(shop):
    world = world_of(shop)
    end = world.on_key(MAKER, MAKER, "old", Action.REVOKE, origin=HERE)
    begin = end.registered.earliest
    world.claim(MAKER, THING, key="old", origin=THERE, at=begin, until=begin + 100)
    verdict = asked(shop, world)
    assert verdict.value is Value.UNDETERMINED
    assert Code.CLAIM_TIME_UNCERTAIN in codes(verdict)


def test_other_keys_of_the_same_party_go_on(shop):
    world = world_of(shop)
    world.on_key(MAKER, MAKER, "old", Action.REVOKE, origin=HERE)
    world.claim(MAKER, THING, key="new", origin=THERE)
    assert asked(shop, world).value is Value.TRUSTED


def test_a_stranger_ends_nobody_s_key(shop):
    world = world_of(shop)
    world.on_key("did:example:stranger", MAKER, "old", Action.REVOKE, origin=HERE)
    world.claim(MAKER, THING, key="old", origin=THERE)
    assert asked(shop, world).value is Value.TRUSTED


def test_who_holds_a_key_that_ended_cannot_end_the_new_one_elsewhere(shop):
    """A thief shows the old key to a log that has not heard of its end."""
    for action in ENDS:
        world = world_of(shop)
        world.on_key(MAKER, MAKER, "old", Action.REVOKE, origin=HERE)
        world.on_key(MAKER, MAKER, "new", action, key="old", origin=THERE)
        world.claim(MAKER, THING, key="new", origin=HERE)
        assert asked(shop, world).value is Value.TRUSTED, action


@pytest.mark.parametrize("by", [MAKER, "did:example:operator"])
def test_an_end_that_was_taken_back_counts_no_longer(shop, by):
    world = world_of(shop)
    end = world.on_key(MAKER, MAKER, "old", Action.REVOKE, origin=HERE)
    world.claim(MAKER, THING, key="old", origin=THERE)
    assert asked(shop, world).value is not Value.TRUSTED
    back = Status(action=Action.WITHDRAW, target=Target(statement=end.statement.digest.hex()))
    world.say(by, Kind.STATUS, MAKER, back, key="new", origin=HERE)
    assert asked(shop, world).value is not Value.TRUSTED  # it was said while the key had ended
    world.claim(MAKER, THING, key="old", origin=THERE)
    assert asked(shop, world).value is Value.TRUSTED


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_order_of_acts_lets_a_key_sign_after_a_standing_end(shop, data):
    """Whatever else happens in either log: an end that nobody may take back is an end."""
    world = world_of(shop)
    keys = st.sampled_from(["old", "new"])
    logs = st.sampled_from([HERE, THERE])
    for _ in range(data.draw(st.integers(0, 4))):
        world.on_key(
            data.draw(st.sampled_from([MAKER, "did:example:stranger"])), MAKER,
            data.draw(keys), data.draw(st.sampled_from([*ENDS, Action.REINSTATE])),
            key=data.draw(keys), origin=data.draw(logs),
        )  # fmt: skip
    # the operator stands above the maker: his word needs none of the maker's keys
    world.on_key(world.OPERATOR, MAKER, "old", Action.REVOKE, origin=HERE)
    for _ in range(data.draw(st.integers(0, 3))):
        world.on_key(
            data.draw(st.sampled_from([MAKER, "did:example:stranger"])), MAKER, "old",
            data.draw(st.sampled_from([Action.REINSTATE, Action.SUSPEND, Action.REVOKE])),
            key=data.draw(keys), origin=data.draw(logs),
        )  # fmt: skip
    world.claim(MAKER, THING, key="old", origin=THERE)
    assert asked(shop, world).value is not Value.TRUSTED
