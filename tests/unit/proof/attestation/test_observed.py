# SPDX-License-Identifier: Apache-2.0
"""Devices that say nothing: what their gateway saw, against what was learnt."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.appraisal import AppraisalCode, Status, Tier
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.observed import (
    LEARNT,
    Learnt,
    Observation,
    learn,
    observed_claims,
)
from kizuna.roots.cose import encode, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"gateway")
HANDLE = UNIT.generate(Algorithm.ES256, "gateway")
FRESH = Freshness(now=1_740_000_000, epochs=range(4, 6))
USUAL = Observation(
    address="00:11:22:33:44:55", position="switch-3/7", banner=b"b" * 32, interval=1000
)
LEARNED = learn([replace(USUAL, interval=1000 + jitter) for jitter in range(-20, 21)])


def appraise(observation, learnt=LEARNED, *, device=b"fan", **changed):
    claims = observed_claims(
        **{
            "gateway": b"\x01" + bytes(16),
            "device": device,
            "sequence": 1,
            "observation": observation,
            "epoch": 5,
            **changed,
        }
    )
    enrolled = Enrolled(
        scheme="observed",
        key=UNIT.public(HANDLE),
        identity=b"fan",
        about={} if learnt is None else {LEARNT: learnt},
    )
    token = sign1(UNIT, HANDLE, {}, encode(claims))
    return Appraiser(References(), SCHEMES).appraise(Task(token, "observed", FRESH, enrolled))


def test_what_looks_as_learnt_is_affirmed_at_the_lowest_tier():
    answer = appraise(USUAL)
    assert (answer.status, answer.tier, answer.findings) == (Status.AFFIRMING, Tier.OBSERVED, ())
    assert answer.vector.instance_identity == 0
    assert answer.vector.hardware == 0


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"address": "66:11:22:33:44:55"}, Status.CONTRAINDICATED, "observation-differs"),
        ({"address": None}, Status.CONTRAINDICATED, "observation-differs"),
        ({"position": "switch-3/8"}, Status.CONTRAINDICATED, "observation-differs"),
        ({"banner": b"c" * 32}, Status.CONTRAINDICATED, "observation-differs"),
        ({"interval": 1101}, Status.WARNING, "observation-drifts"),
        ({"interval": None}, Status.WARNING, "observation-drifts"),
        ({"interval": 1099}, Status.AFFIRMING, None),
    ],
)
def test_each_difference_is_told(change, status, code):
    answer = appraise(replace(USUAL, **change))
    assert answer.status is status
    assert [finding.code for finding in answer.findings] == (
        [AppraisalCode(f"attestation.{code}")] if code else []
    )


def test_nothing_learnt_means_no_answer():
    for learnt in (None, Learnt()):
        answer = appraise(USUAL, learnt)
        assert answer.status is Status.NONE
        assert answer.findings[0].code is AppraisalCode.REFERENCE_MISSING


def test_a_word_about_another_device_or_of_an_old_epoch_does_not_count():
    assert appraise(USUAL, device=b"pump").findings[0].code is AppraisalCode.IDENTITY_DIFFERS
    assert appraise(USUAL, epoch=3).findings[0].code is AppraisalCode.STALE
    assert appraise(USUAL, epoch=None).findings[0].code is AppraisalCode.STALE


def test_what_differed_while_learning_is_not_asked_later():
    learnt = learn([USUAL, replace(USUAL, address="other")])
    assert learnt.address is None
    assert appraise(replace(USUAL, address="third"), learnt).status is Status.AFFIRMING


def test_there_is_nothing_to_learn_from_nothing():
    with pytest.raises(Malformed):
        learn([])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_the_middle_of_what_was_seen_is_always_tolerated(intervals):
    learnt = learn([replace(USUAL, interval=value) for value in intervals])
    middle = sorted(intervals)[len(intervals) // 2]
    assert appraise(replace(USUAL, interval=middle), learnt).status is Status.AFFIRMING
