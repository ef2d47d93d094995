# SPDX-License-Identifier: Apache-2.0
"""Reference values as signed documents: made, opened, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.proof.attestation.corim import (
    make_corim,
    open_corim,
    read_comid,
    read_corim,
    sign_corim,
)
from kizuna.proof.attestation.reference import Endorsed, Reference, References
from kizuna.roots.cose import encode, sign1
from kizuna.roots.cose.cbor import Tag
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW = 1_700_000_000
UNIT = EphemeralUnit(b"maker")
HANDLE = UNIT.generate(Algorithm.ES256, "maker")
MAKER = UNIT.public(HANDLE)
OTHER = UNIT.public(UNIT.generate(Algorithm.ES256, "other"))
VALUE = Reference(model="acme/fan", component="fw", digest_alg="sha-256", digest=b"\x11" * 32)
CONTENT = make_corim("fan 1", maker="Acme", values=[VALUE])


def signed(content=CONTENT, **validity):
    return sign_corim(UNIT, HANDLE, content, signer="Acme", **validity)


MODELS = st.sampled_from(
    ["acme/fan", "fan", "a1" * 32, "urn:uuid:67b28b6c-34cc-40a1-9117-ab5b05911e37", "日本/扇風機"]
)
VALUES = st.builds(
    Reference,
    model=MODELS,
    component=st.text(max_size=20),
    digest_alg=st.just("sha-256"),
    digest=st.binary(min_size=32, max_size=32),
    version=st.none() | st.text(min_size=1, max_size=9),
    signer=st.none() | st.binary(min_size=32, max_size=32),
)


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_what_is_written_reads_back_the_same(values):
    corim = open_corim(signed(make_corim("x", maker="Acme", values=values)), keys=[MAKER], now=NOW)
    assert corim.signed
    assert corim.signer == "Acme"
    assert corim.signer_key == MAKER.thumbprint
    assert sorted(map(repr, corim.values)) == sorted(map(repr, values))


def test_keys_of_instances_and_classes_read_back_the_same():
    keys = [
        Endorsed(model="acme/fan", identity=b"\x01" + bytes(32), key=OTHER),
        Endorsed(model="acme/fan", identity=None, key=MAKER),
        Endorsed(model=None, identity=b"\x01" * 40, key=OTHER, purpose="identity"),
    ]
    corim = read_corim(make_corim("x", maker="Acme", keys=keys))
    assert sorted(map(repr, corim.keys)) == sorted(map(repr, keys))


def test_values_say_whether_and_by_which_document_they_were_signed():
    references = References()
    corim = open_corim(signed(), keys=[MAKER], now=NOW)
    corim.feed(references)
    found = references.find("acme/fan", "fw", "sha-256", b"\x11" * 32)
    assert found is not None
    assert (found.signed, found.source) == (True, corim.digest)


def test_an_unsigned_value_never_takes_the_place_of_a_signed_one():
    references = References()
    open_corim(signed(), keys=[MAKER], now=NOW).feed(references)
    open_corim(CONTENT, keys=[], now=NOW, allow_unsigned=True).feed(references)
    found = references.find("acme/fan", "fw", "sha-256", b"\x11" * 32)
    assert found is not None
    assert found.signed


def test_only_a_given_key_opens_it():
    assert open_corim(signed(), keys=[OTHER, MAKER], now=NOW).signed
    for keys in ([], [OTHER]):
        with pytest.raises(Tampered) as refused:
            open_corim(signed(), keys=keys, now=NOW)
        assert refused.value.code == "corim.signature-wrong"


def test_unsigned_is_refused_unless_asked_for():
    with pytest.raises(Refused) as refused:
        open_corim(CONTENT, keys=[MAKER], now=NOW)
    assert refused.value.code == "corim.unsigned"
    assert not open_corim(CONTENT, keys=[], now=NOW, allow_unsigned=True).signed


@pytest.mark.parametrize(
    ("validity", "code"),
    [
        ({"until": NOW - 1}, "corim.expired"),
        ({"since": NOW + 1}, "corim.not-yet-valid"),
        ({"since": NOW, "until": NOW}, None),
    ],
)
def test_validity_of_signature_and_of_content_both_count(validity, code):
    content = make_corim("x", maker="Acme", values=[VALUE], **validity)
    for data in (signed(content), signed(**validity)):
        if code is None:
            open_corim(data, keys=[MAKER], now=NOW)
            continue
        with pytest.raises(Refused) as refused:
            open_corim(data, keys=[MAKER], now=NOW)
        assert refused.value.code == code


@given(st.data())
def test_no_changed_byte_is_accepted(data):
    document = bytearray(signed())
    place = data.draw(st.integers(0, len(document) - 1))
    document[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Problem):
        open_corim(bytes(document), keys=[MAKER], now=NOW)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_problem(data):
    for read in (read_corim, read_comid):
        with pytest.raises(Malformed):
            read(data)
    with pytest.raises(Problem):
        open_corim(data, keys=[MAKER], now=NOW)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.binary(max_size=34) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.integers(0, 14), inner, max_size=4)
            | st.builds(Tag, st.sampled_from([1, 32, 37, 111, 506, 550, 554, 558, 560]), inner)
        ),
        max_leaves=16,
    )
)
def test_any_well_formed_content_is_read_or_refused(value):
    triples = {4: value} if not isinstance(value, dict) else value
    for inner in (triples, {4: {0: value}}, {4: {0: [[{0: {0: value}}, [{1: {2: value}}]]]}}):
        document = encode(Tag(501, {0: "x", 1: [Tag(506, encode(inner))], 4: None}))
        try:
            read_corim(document)
        except Malformed as problem:
            assert problem.code.startswith("corim.")


@pytest.mark.parametrize(
    "document",
    [
        encode(Tag(501, {0: "x", 1: []}))[:-1],
        encode(Tag(501, {1: []})),
        encode(Tag(501, [])),
        encode(Tag(502, {0: "x", 1: []})),
        encode(Tag(501, {0: "x", 1: [Tag(506, encode({4: {}}))] * 1025})),
        encode(Tag(501, {0: "x", 1: [5]})),
        encode(Tag(501, {0: "x", 1: [Tag(506, b"\xff")]})),
        b"\xd9\x01\xf5\xa2\x00\x61x\x00\x61x",
        b"\xd9\x01\xf5" + b"\x81" * 5000,
    ],
)
def test_each_malformed_document_is_refused(document):
    with pytest.raises(Malformed):
        read_corim(document)


def test_a_critical_header_that_is_unknown_is_refused():
    data = sign1(UNIT, HANDLE, {2: ["policy"], "policy": 1, 3: "application/rim+cbor"}, CONTENT)
    with pytest.raises(Refused) as refused:
        open_corim(data, keys=[MAKER], now=NOW)
    assert refused.value.code == "envelope.critical"


def test_another_kind_of_signed_content_is_no_reference_value():
    with pytest.raises(Malformed):
        open_corim(sign1(UNIT, HANDLE, {3: "text/plain"}, CONTENT), keys=[MAKER], now=NOW)


def test_a_tag_that_is_not_understood_is_listed():
    document = encode(Tag(501, {0: "x", 1: [Tag(505, b"\xa0"), Tag(9999, b"")]}))
    assert read_corim(document).left == ("coswid", "tag 9999")
