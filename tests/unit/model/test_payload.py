# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind, kind_of, media_type_of
from kizuna.model.payload import (
    Claim,
    Level,
    Link,
    Links,
    Membership,
    Notice,
    Service,
    Severity,
    Standing,
    Waiver,
    decode_payload,
    encode_payload,
    identifiers_of,
    payload_type,
    schemas,
    seconds,
)
from kizuna.model.payload.codec import MAX_DEPTH, MAX_PAYLOAD
from kizuna.model.relation import Relation

MOMENT = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
EXAMPLES = {
    Kind.CERTIFICATE: Claim(
        type="iso-27001", level=Level.THIRD, valid_until=MOMENT, claims={"n": 1, "l": ["a", True]}
    ),
    Kind.LINK: Links(
        links=[Link(relation=Relation.PART_OF, subject="pkg:npm/a@1")],
        complete=[Relation.PART_OF],
    ),
    Kind.NOTICE: Notice(type="vulnerability", severity=Severity.HIGH, id="CVE-2026-0001"),
    Kind.WAIVER: Waiver(
        requirement="SP-01", profile="software-product", until=MOMENT, reason="accepted"
    ),
    Kind.MEMBERSHIP: Membership(
        list_id="urn:example:list",
        state=Standing.GRANTED,
        services=[Service(type="maker", kinds=[Kind.LINK], scope=["pkg:npm/acme/"])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_payload_comes_back_as_it_went_and_fits_its_published_schema(kind):
    data = encode_payload(EXAMPLES[kind])
    assert decode_payload(kind, data) == EXAMPLES[kind]
    assert encode_payload(decode_payload(kind, data)) == data
    jsonschema_rs.validator_for(schemas()[kind.value]).validate(json.loads(data))


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_media_type_a_type_and_a_schema(kind):
    assert kind_of(media_type_of(kind)) is kind
    assert schemas()[kind.value]["$defs"][payload_type(kind).__name__]


def test_a_document_of_the_field_is_evidence():
    assert kind_of("application/vnd.cyclonedx+json") is Kind.EVIDENCE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"type":"a","valid_untill":"2026-01-01T00:00:00Z"}', "payload.malformed"),
        (b'{"type":"a","valid_until":"2026-01-01T00:00:00"}', "payload.malformed"),
        (b'{"type":"a\\n"}', "payload.malformed"),
        (b'{"level":"third-party"}', "payload.malformed"),
        (b'{"type":"a","claims":{"x":1.5}}', "payload.malformed"),
        (b'{"type":"a","ext":{"x":1.5}}', "payload.number"),
        (b'{"type":"a","claims":{"x":9007199254740993}}', "payload.number"),
        (b'{"type":"a","ext":{"x":[NaN]}}', "payload.malformed"),
        (b"\xff\xfe", "payload.malformed"),
        (b"", "payload.malformed"),
        (b'{"type":"a","ext":{"x":' + b"[" * 100 + b"]" * 100 + b"}}", "payload.too-deep"),
        (b" " * (MAX_PAYLOAD + 1), "payload.too-large"),
    ],
)
def test_a_bad_claim_is_refused_by_name(data, code):
    with pytest.raises(Malformed) as caught:
        decode_payload(Kind.CERTIFICATE, data)
    assert caught.value.code == code


def test_brackets_inside_text_are_no_depth():
    data = json.dumps({"type": "a", "note": '[{"' * 200}).encode()
    assert decode_payload(Kind.CERTIFICATE, data).note.startswith("[{")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_make_the_decoder_fail_otherwise(data):
    for kind in Kind:
        try:
            decode_payload(kind, data)
        except Malformed as problem:
            assert problem.code.startswith("payload.")


@given(st.integers(min_value=1, max_value=2 * MAX_DEPTH))
def test_depth_is_bounded_exactly(depth):
    data = b'{"type":"a","ext":{"x":' + b"[" * depth + b"]" * depth + b"}}"
    if depth + 2 > MAX_DEPTH:
        with pytest.raises(Malformed):
            decode_payload(Kind.CERTIFICATE, data)
    else:
        decode_payload(Kind.CERTIFICATE, data)


def test_every_identifier_of_a_payload_is_listed():
    links = Links(links=[Link(relation=Relation.MADE_BY, subject="urn:a:1", object="urn:b:2")])
    assert list(identifiers_of(links)) == ["urn:a:1", "urn:b:2"]
    assert list(identifiers_of(EXAMPLES[Kind.MEMBERSHIP])) == ["urn:example:list"]


def test_seconds_round_down():
    assert seconds(MOMENT) == 1795309323
