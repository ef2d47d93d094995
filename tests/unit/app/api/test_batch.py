# SPDX-License-Identifier: Apache-2.0
"""Bodies with statements are cut at the borders of their items and never decoded."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.api.batch import read_batch, split_sequence
from kizuna.app.api.problems import TooLarge, UnknownMedia
from kizuna.model.errors import Malformed, Problem

statements = st.builds(
    lambda tag, header, payload, signature: (
        (b"\xd2" if tag else b"") + cbor2.dumps([header, {}, payload, signature])
    ),
    st.booleans(),
    st.binary(max_size=300),
    st.binary(max_size=70_000),
    st.binary(max_size=96),
)


@given(st.lists(statements, max_size=8))
def test_a_sequence_is_cut_into_the_very_bytes_it_was_made_of(parts: list[bytes]):
    assert split_sequence(b"".join(parts), limit=100) == parts


def test_byte_strings_in_a_sequence_stand_for_their_content():
    parts = [b"x" * 3, b"y" * 300, b"z" * 70_000]
    assert split_sequence(b"".join(cbor2.dumps(p) for p in parts), limit=10) == parts


@given(st.binary(max_size=400))
def test_any_bytes_give_a_batch_or_a_problem(body: bytes):
    for media in ("application/cose", "application/cbor-seq", "application/cbor", "text/plain"):
        try:
            batch = read_batch(media, body, limit=20)
        except Problem as problem:
            assert problem.status in (400, 413, 415)
        else:
            assert batch.statements


@pytest.mark.parametrize(
    "body",
    [
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # an array that claims 2^64 items
        b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",  # a byte string that claims 2^64 bytes
        b"\xd2" * 100,  # a hundred tags in each other
        b"\x81" * 100 + b"\x00",
        b"\x9f\x00\xff",  # indefinite length
        b"\xd2\x84\x40\xa0\x40",  # ends too early
    ],
)
def test_items_that_no_statement_can_be_are_refused(body: bytes):
    with pytest.raises(Malformed) as refused:
        split_sequence(body, limit=10)
    assert refused.value.code == "batch.malformed"


def test_a_map_carries_statements_with_their_documents():
    batch = read_batch(
        "application/cbor",
        cbor2.dumps({"statements": [b"a", b"b"], "documents": [b"long"]}),
        limit=5,
    )
    assert batch.statements == [b"a", b"b"]
    assert list(batch.documents.values()) == [b"long"]


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=20),
    st.lists(st.binary(max_size=300), max_size=20),
)
def test_a_map_or_an_array_is_read_as_it_was_written(said: list[bytes], documents: list[bytes]):
    body = cbor2.dumps({"statements": said, "documents": documents})
    batch = read_batch("application/cbor", body, limit=20)
    assert batch.statements == said
    assert set(batch.documents.values()) == set(documents)
    assert read_batch("application/cbor", cbor2.dumps(said), limit=20).statements == said
    assert not read_batch("application/cbor", cbor2.dumps({"statements": said}), limit=20).documents


def _text(content: bytes) -> bytes:
    return b"\x7a" + len(content).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    "body",
    [
        # what a reader of all of CBOR computes for seconds, hours or ever
        b"\xc4\x82\x01\xc2\x5a\x00\x3d\x09\x00"
        + b"\xff" * 4_000_000,  # a decimal of ten million digits
        b"\xd8\x1e\x82" + (b"\xc2\x5a\x00\x0f\x42\x40" + b"\xff" * 1_000_000) * 2,  # a fraction
        b"\xd8\x23" + _text(b"(a|b)" * 200_000),  # a regular expression
        b"\x9a\x00\x98\x96\x80" + b"\x80" * 10_000_000,  # ten million arrays
        b"\xba\x00\x01\x86\xa0"
        + b"".join(  # keys that fall on one place of a table
            b"\xc2\x4a" + ((2**61 - 1) * (2**16 + n)).to_bytes(10, "big") + b"\x00"
            for n in range(100_000)
        ),
        b"\xa2" + _text(b"statements") + b"\x81\x41a" + _text(b"statements") + b"\x81\x41b",
        b"\xa1" + _text(b"documents") + b"\x81\x41a",
        b"\x81\x41a\x00",
        b"\x81\x42a",
        b"\x81\x61a",
        b"\xa1\x01\x81\x41a",
        b"\xa0",
        b"\x41a",
    ],
    ids=lambda body: body[:4].hex(),
)
def test_what_holds_no_statements_is_refused_unread(body: bytes):
    with pytest.raises(Problem) as refused:
        read_batch("application/cbor", body, limit=10_000)
    assert refused.value.code in ("batch.malformed", "batch.too-many")


def test_more_statements_than_the_bound_are_refused():
    with pytest.raises(TooLarge) as refused:
        read_batch("application/cbor-seq", b"\xd2\x84\x40\xa0\x40\x40" * 6, limit=5)
    assert refused.value.about == {"limit": 5}


def test_another_media_type_is_named():
    with pytest.raises(UnknownMedia) as refused:
        read_batch("text/html", b"x", limit=5)
    assert refused.value.status == 415
