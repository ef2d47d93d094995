# SPDX-License-Identifier: Apache-2.0
"""Devices that say nothing: how they stand by the word of one that attests and looks at them."""

from hashlib import sha256

import pytest

from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Counters,
    Status,
    Tier,
    Vector,
)
from kizuna.proof.attestation.fleet import Alarm, Fleet
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.roots.cose import SharedKey

NOW = 1_795_305_600
EPOCH = NOW // 60
CONNECTOR, OTHER, PUMP = (f"urn:dev:ops:000000-{name}" for name in ("c", "g", "p"))
KEY = SharedKey(b"k" * 32)


def evidence(number, *codes, status=Status.AFFIRMING, **counters):
    return Appraisal(
        status=status,
        vector=Vector(),
        tier=Tier.OBSERVED,
        scheme="observed",
        evidence=Digest(sha256(repr((number, counters)).encode()).digest()),
        at=NOW,
        findings=tuple(AppraisalFinding(code) for code in codes),
        counters=Counters(**counters),
        claims={},
    )


def hear(fleet, appraisal, subject, *, minute=0):
    return fleet.observe(
        subject, appraisal, epoch=EPOCH + minute, now=NOW + 60 * minute, source="net"
    )


def standing(fleet, subject):
    return fleet.standing(subject).status


@pytest.fixture
def watched():
    """A pump that says nothing, and the connector that looks at it and attests itself."""
    made = Fleet(NOW)
    made.enrol(Enrolled(scheme="hmac", subject=CONNECTOR, key=KEY), NOW)
    made.enrol(Enrolled(scheme="observed", subject=PUMP, key=KEY, position=CONNECTOR), NOW)
    return made


def test_a_device_that_is_looked_at_stands_as_long_as_its_observer_is_well(watched):
    hear(watched, evidence(1, sequence=1), PUMP)
    assert standing(watched, PUMP) is Status.NONE  # nobody knows yet who looked
    hear(watched, evidence(2, sequence=1), CONNECTOR)
    assert standing(watched, PUMP) is Status.AFFIRMING
    assert watched.standing(PUMP).gateway == CONNECTOR
    bad = evidence(3, AppraisalCode.FIRMWARE_UNKNOWN, sequence=2, status=Status.CONTRAINDICATED)
    (event,) = hear(watched, bad, CONNECTOR, minute=1)
    assert (event.alarm, event.subject) == (Alarm.UNKNOWN_FIRMWARE, CONNECTOR)
    assert standing(watched, PUMP) is Status.NONE
    assert watched.standing(PUMP).reason == "unknown-firmware"


def test_another_thing_in_the_place_of_a_device_that_is_looked_at_is_a_swap(watched):
    for subject in (CONNECTOR, PUMP):
        hear(watched, evidence(subject, sequence=1), subject)
    other = evidence(
        9, AppraisalCode.OBSERVATION_DIFFERS, sequence=2, status=Status.CONTRAINDICATED
    )
    (event,) = hear(watched, other, PUMP, minute=1)
    assert (event.alarm, event.after) == (Alarm.SWAP, Status.CONTRAINDICATED)


def test_an_observer_that_speaks_of_itself_only_leaves_the_device_silent(watched):
    for subject in (CONNECTOR, PUMP):
        hear(watched, evidence(subject, sequence=1), subject)
    for minute in range(1, 5):
        hear(watched, evidence(minute, sequence=1 + minute), CONNECTOR, minute=minute)
    assert [(e.subject, e.alarm) for e in watched.tick(NOW + 240)] == [(PUMP, Alarm.SILENCE)]
    assert standing(watched, CONNECTOR) is Status.AFFIRMING


def test_a_device_that_is_looked_at_may_get_a_gateway_and_come_back(watched):
    hear(watched, evidence(1, sequence=1), PUMP)
    watched.enrol(Enrolled(scheme="gateway", subject=OTHER, key=None), NOW)
    watched.enrol(Enrolled(scheme="observed", subject=PUMP, key=KEY, position=OTHER), NOW)
    assert list(watched.register.children_of(OTHER)) == [watched.register.find(PUMP)]
    watched.enrol(Enrolled(scheme="observed", subject=PUMP, key=KEY, position=CONNECTOR), NOW)
    assert list(watched.register.children_of(OTHER)) == []
    assert watched.register.observer_of(watched.register.find(PUMP)) == CONNECTOR


def test_who_is_looked_at_by_whom_is_the_same_after_a_restart(watched):
    for subject in (CONNECTOR, PUMP):
        hear(watched, evidence(subject, sequence=1), subject)
    again = Fleet(NOW)
    for device in watched.register:
        again.enrol(device, NOW)
    again.restore(watched.snapshot())
    assert standing(again, PUMP) is Status.AFFIRMING
    assert again.standing(PUMP).gateway == CONNECTOR
