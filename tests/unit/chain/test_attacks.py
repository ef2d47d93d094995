# SPDX-License-Identifier: Apache-2.0
"""What somebody with a listed voice, or only a key, tries in order to be believed too much."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from kizuna.chain.graph import Graph
from kizuna.chain.verify import judgement
from kizuna.chain.verify.authority import bounded
from kizuna.model.finding import Value
from kizuna.model.kind import Kind
from kizuna.model.payload import (
    Action,
    Level,
    Membership,
    Service,
    Severity,
    Standing,
    Status,
    Target,
)
from kizuna.record.lists import service_for
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.software import SoftwareUnit

FAN = "pkg:generic/acme/fan@1"
MAKER, CSIRT, BODY = "did:example:maker", "did:example:csirt", "did:example:body"
DEPUTY, PUPPET = "did:example:deputy", "https://deputy.example/puppet"


def entered(world, member, role, *, by=None, **more):
    entry = Membership(
        list_id=world.LIST, state=Standing.GRANTED, services=[service_for(role, **more)]
    )
    return world.say(by or world.OPERATOR, Kind.MEMBERSHIP, member, entry)


def certified(shop):
    return shop.profile(
        requirements=(shop.requirement(services=("certification-body",)),),
        follow=(),
        notices=(shop.NoticeRule(types=("*",), services=("coordinator",), severity=Severity.LOW),),
    )


def judged(world, shop, subject=FAN, profile=None):
    graph = Graph((), "operator")
    graph.add(world.statements)
    asked = judgement(graph, profile or certified(shop), world.anchors(), at=world.now + 10)
    return asked.verdict(subject).value


@pytest.fixture
def world(shop):
    made = shop.World()
    entered(made, MAKER, "maker", scope=["pkg:generic/acme"])
    entered(made, CSIRT, "coordinator")
    entered(made, BODY, "certification-body")
    return made


@pytest.mark.parametrize("action", [Action.REVOKE, Action.WITHDRAW, Action.REPLACE])
@pytest.mark.parametrize("who", [MAKER, BODY])
def test_a_notice_is_ended_by_no_listed_party_but_its_issuer(shop, world, who, action):
    world.claim(BODY, FAN)
    notice = world.notice(CSIRT, FAN, "tampering")
    assert judged(world, shop) is Value.UNTRUSTED
    world.status(who, action, notice)
    assert judged(world, shop) is Value.UNTRUSTED


def test_a_maker_does_not_undo_the_revocation_of_its_certificate(shop, world):
    certificate = world.claim(BODY, FAN)
    revocation = world.status(BODY, Action.REVOKE, certificate)
    world.status(MAKER, Action.WITHDRAW, revocation)
    world.status(MAKER, Action.REINSTATE, certificate)
    assert judged(world, shop) is Value.UNTRUSTED


def test_nobody_ends_what_others_say_of_himself_whatever_service_he_holds(shop, world):
    world.member(MAKER, "maker", kinds=list(Kind), scope=["*"])
    profile = shop.profile(
        requirements=(),
        follow=(),
        notices=(shop.NoticeRule(types=("*",), services=("coordinator",), severity=Severity.LOW),),
    )
    notice = world.notice(CSIRT, MAKER, "incident")
    world.status(MAKER, Action.REVOKE, notice)
    assert judged(world, shop, MAKER, profile) is Value.UNTRUSTED


def test_a_deputy_gives_no_wider_power_over_the_list_than_it_has(shop, world):
    entered(world, DEPUTY, "list-operator", scope=["https://deputy.example"])
    anyone = Service(type="list-operator", kinds=list(Kind), scope=["*"], level=Level.THIRD)
    widened = Membership(list_id=world.LIST, state=Standing.GRANTED, services=[anyone])
    world.say(DEPUTY, Kind.MEMBERSHIP, PUPPET, widened)
    entered(world, "did:example:friend", "certification-body", by=PUPPET)
    world.claim("did:example:friend", FAN)
    assert judged(world, shop) is not Value.TRUSTED
    world.claim(BODY, FAN)
    notice = world.notice(CSIRT, FAN, "tampering")
    world.status(PUPPET, Action.REVOKE, notice)
    assert judged(world, shop) is Value.UNTRUSTED


def test_a_deputy_still_enters_under_deputies_of_its_own_names(shop, world):
    east = ["https://deputy.example/east", "pkg:generic/acme"]
    entered(world, DEPUTY, "list-operator", scope=["https://deputy.example", "pkg:generic"])
    entered(world, PUPPET, "list-operator", scope=east, by=DEPUTY)
    entered(world, "https://deputy.example/east/lab", "certification-body", by=PUPPET)
    world.claim("https://deputy.example/east/lab", FAN)
    assert judged(world, shop) is Value.TRUSTED


def test_whom_a_deputy_enters_for_everything_speaks_about_the_names_of_the_deputy(shop, world):
    lab, theirs = "https://deputy.example/lab", "https://deputy.example/pump"
    entered(world, DEPUTY, "list-operator", scope=["https://deputy.example"])
    entered(world, lab, "certification-body", scope=["*"], by=DEPUTY)
    world.claim(lab, FAN)
    world.claim(lab, theirs)
    assert judged(world, shop) is Value.UNDETERMINED
    assert judged(world, shop, theirs) is Value.TRUSTED


@pytest.mark.parametrize(
    ("scope", "own", "reached"),
    [
        (["*"], ["*"], ["*"]),
        (["*"], ["pkg:a", "pkg:b"], ["pkg:a", "pkg:b"]),
        (["pkg:a/x", "pkg:c"], ["pkg:a"], ["pkg:a/x"]),
        (["pkg:a"], ["pkg:a/x", "pkg:ab"], ["pkg:a/x"]),
        ([], ["pkg:a"], []),
    ],
)
def test_what_is_handed_on_lies_within_what_one_has(scope, own, reached):
    given = Service(type="x", kinds=[Kind.CERTIFICATE], scope=scope)
    assert bounded(given, frozenset(own)).scope == reached


@pytest.mark.parametrize(("keys", "times"), [(40, 2), (1_100, 1)])
def test_a_long_or_doubled_chain_of_keys_holds_nobody_up(shop, world, keys, times):
    unit = SoftwareUnit.ephemeral()
    made = [unit.public(unit.generate(Algorithm.EDDSA, str(n))) for n in range(keys)]
    identity = did_key(made[0])

    def say(key, payload):
        said = world.say(identity, Kind.STATUS, identity, payload)
        signed = shop.replace(said.statement, key_id=key.thumbprint)
        world.statements[-1] = shop.replace(said, statement=signed)

    for before, after in pairwise(made):
        for _ in range(times):
            target = Target(key=after.thumbprint.hex())
            say(before, Status(action=Action.ENROL, target=target, key=after.to_jwk()))
    since = datetime.fromtimestamp(world.now, UTC)
    bad = Target(key=made[0].thumbprint.hex())
    say(made[-1], Status(action=Action.COMPROMISE, target=bad, since=since))
    world.claim(BODY, FAN)
    assert judged(world, shop) is Value.TRUSTED
