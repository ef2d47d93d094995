# SPDX-License-Identifier: Apache-2.0
"""Results for others: written, read back, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Status,
    Tier,
    Vector,
)
from kizuna.proof.attestation.ear import (
    PROFILE,
    cwt_claims,
    jwt_claims,
    read_ear,
    read_jwt,
    read_jwt_claims,
    sign_ear,
    sign_jwt,
)
from kizuna.roots.cose import encode, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"verifier")
HANDLE = UNIT.generate(Algorithm.ES256, "verifier")
KEY = UNIT.public(HANDLE)
OTHER = UNIT.public(UNIT.generate(Algorithm.ES256, "other"))


def appraisals():
    vectors = st.builds(Vector, **dict.fromkeys(Vector.__slots__, st.integers(-128, 127)))
    return st.builds(
        Appraisal,
        status=st.sampled_from(Status),
        vector=vectors,
        tier=st.sampled_from(Tier),
        scheme=st.sampled_from(["psa", "hmac"]),
        evidence=st.binary(min_size=32, max_size=32),
        at=st.integers(0, 2**40),
        identity=st.none() | st.binary(min_size=7, max_size=33),
        findings=st.lists(
            st.builds(AppraisalFinding, st.sampled_from(AppraisalCode)), max_size=3
        ).map(tuple),
    )


GOOD = Appraisal(
    status=Status.AFFIRMING,
    vector=Vector(instance_identity=2),
    tier=Tier.DEVICE_KEY,
    scheme="psa",
    evidence=bytes(32),
    at=1_700_000_000,
)


@given(appraisals())
def test_both_forms_read_back_what_was_appraised(appraisal):
    (inside,) = read_ear(sign_ear(UNIT, HANDLE, appraisal, version="1"), KEY)
    (outside,) = read_jwt(sign_jwt(UNIT, HANDLE, appraisal, version="1"), KEY)
    assert inside == outside
    assert inside.name == appraisal.scheme
    assert (inside.status, inside.vector) == (appraisal.status, appraisal.vector)
    assert (inside.tier, inside.at) == (appraisal.tier, appraisal.at)
    assert inside.evidence == appraisal.evidence.hex()
    assert inside.findings == tuple(finding.code.value for finding in appraisal.findings)


@pytest.mark.parametrize("profile", ["tag:github.com,2023:veraison/ear", PROFILE])
def test_results_of_other_verifiers_are_read_without_our_own_claims(profile):
    claims = {6: 5, 265: profile, 266: {"psa": {1000: 32, 1001: {0: 2, 2: 33}}}}
    (ear,) = read_ear(sign1(UNIT, HANDLE, {}, encode(claims)), KEY)
    assert (ear.status, ear.vector.executables, ear.tier) == (Status.WARNING, 33, None)


@given(appraisals())
def test_a_strict_result_is_never_better_than_the_appraisal(appraisal):
    (strict,) = read_jwt_claims(jwt_claims(appraisal, version="1", strict=True))
    if appraisal.findings and any(finding.code.stops for finding in appraisal.findings):
        assert strict.status is Status.CONTRAINDICATED
        assert strict.vector == Vector.all(99)


def test_another_key_did_not_make_it():
    with pytest.raises(Tampered):
        read_ear(sign_ear(UNIT, HANDLE, GOOD, version="1"), OTHER)
    with pytest.raises(Tampered):
        read_jwt(sign_jwt(UNIT, HANDLE, GOOD, version="1"), OTHER)


@given(st.data())
def test_no_changed_character_of_a_jwt_is_read(data):
    token = bytearray(sign_jwt(UNIT, HANDLE, GOOD, version="1"))
    place = data.draw(st.integers(0, len(token) - 1))
    token[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Problem):
        read_jwt(bytes(token), KEY)


@given(st.data())
def test_no_changed_byte_is_read(data):
    token = bytearray(sign_ear(UNIT, HANDLE, GOOD, version="1"))
    place = data.draw(st.integers(1, len(token) - 1))
    token[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Problem):
        read_ear(bytes(token), KEY)


@pytest.mark.parametrize(
    "change",
    [
        {265: "tag:other"},
        {265: [PROFILE]},
        {266: {"psa": {1000: [2]}}},
        {266: {}},
        {266: {"psa": 5}},
        {266: {"psa": {1000: 7}}},
        {266: {"psa": {1000: 2, 1001: 5}}},
        {266: {"psa": {1000: 2, 1001: {0: 500}}}},
        {266: {"psa": {1000: True}}},
        {6: "now"},
    ],
)
def test_results_that_break_the_form_are_refused(change):
    claims = cwt_claims(GOOD, version="1") | change
    with pytest.raises(Malformed) as refused:
        read_ear(sign1(UNIT, HANDLE, {}, encode(claims)), KEY)
    assert refused.value.code == "ear.malformed"
