# SPDX-License-Identifier: Apache-2.0
"""Types of certificate: one file each, and what is unusual is told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from kizuna.criteria.certificates import read_type, shipped_types, type_of, warnings_of
from kizuna.criteria.certificates.warning import Unusual
from kizuna.criteria.profiles import SHIPPED, shipped_profile
from kizuna.model.errors import Malformed, Problem
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level

_REST = b"\nissuers: [a]\nconcerns: []\nsource: s\nsure: published"


def day(year, month=1):
    return datetime(year, month, 1, tzinfo=UTC)


def test_the_types_of_today_ship_and_no_claim_belongs_to_two():
    ids = {one.id for one in shipped_types()}
    assert {"scs", "jc-star", "iso-27001", "iec-62443-4-1", "iec-62443-4-2", "eucc"} <= ids
    assert "nist-800-171" in ids
    names = [name for one in shipped_types() for name in one.types]
    assert len(names) == len(set(names))
    for one in shipped_types():
        assert one.title["en"]
        assert one.title["ja"]
        assert one.source
        for field in one.fields:
            assert field.means["en"]
            assert field.means["ja"]


def test_profiles_and_types_use_the_same_names():
    asked = {c for name in SHIPPED for r in shipped_profile(name).requirements for c in r.claim}
    for one in shipped_types():
        if one.id != "nist-800-171":
            assert asked & set(one.types), one.id


def test_a_usual_certificate_is_passed_over():
    claim = Claim(
        type="iso-27001",
        level=Level.THIRD,
        valid_from=day(2026),
        valid_until=day(2029),
        claims={"number": "1", "scope": "all"},
    )
    assert warnings_of(Kind.CERTIFICATE, claim) == ()
    assert warnings_of(Kind.CERTIFICATE, Claim(type="unheard-of")) == ()


def test_what_is_unusual_is_told():
    claim = Claim(type="scs-star-3", level=Level.THIRD, valid_from=day(2026), valid_until=day(2036))
    told = {one.what: one.about for one in warnings_of(Kind.CERTIFICATE, claim)}
    assert told == {Unusual.LEVEL: "self-declared", Unusual.LONG: "36", Unusual.FIELD: "number"}
    endless = Claim(type="eucc", claims={"number": "1", "assurance": "high"})
    told = {one.what for one in warnings_of(Kind.CAPABILITY, endless)}
    assert told == {Unusual.ENDLESS, Unusual.KIND}
    assert type_of("jc-star-3").id == "jc-star"


@pytest.mark.parametrize(
    "text",
    [
        b"id: x",
        b"id: x\ntitle: {en: X}\ntypes: {}" + _REST,
        b"id: x\ntitle: {en: X}\ntypes: {a: seldom}" + _REST,
    ],
)
def test_half_a_type_is_refused(text):
    with pytest.raises(Malformed) as caught:
        read_type(text)
    assert caught.value.code == "certificate.type"


@given(st.binary(max_size=200))
@trials(max_examples=100, deadline=None)
def test_any_bytes_are_a_type_or_a_problem(data):
    try:
        read_type(data)
    except Problem as problem:
        assert problem.code == "certificate.type"
