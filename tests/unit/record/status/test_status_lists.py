# SPDX-License-Identifier: Apache-2.0
"""Status lists: the published examples, both bit orders, forgery, roll-back, bombs."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Problem, Tampered
from kizuna.record.status import (
    Bits,
    BitstringList,
    Cache,
    Reference,
    StatusList,
    read_bitstring,
    read_status_list,
    reference_in,
    write_bitstring,
    write_status_list,
)
from kizuna.roots import base64url
from kizuna.roots.cose import decode, read_sign1
from kizuna.roots.jws import parse_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

URI = "https://lists.example/status/1"
# The long examples of the draft set these and leave the rest of 2^20 entries at 0.
ONE_BIT = (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345)


@pytest.fixture(scope="module")
def signer():
    unit = EphemeralUnit(b"status")
    handle = unit.generate(Algorithm.ES256, "lists")
    return unit, handle, unit.public(handle)


def example(shared, name):
    text = (shared / "vectors/token-status-list" / f"{name}.md").read_text()
    return re.sub(r"(?s)\A.*?encoded:\s*", "", text)


def packed_json(shared, name):
    text = re.sub(r"\n\s+(?=[A-Za-z0-9_-]+)(?!\")", "", example(shared, name))
    found = json.loads(text)
    return found["bits"], base64url.decode(found["lst"])


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "content"),
    [("status_list_encoding_json", b"\xb9\xa3"), ("status_list_encoding2_json", b"\xc9\x44\xf9")],
)
def test_the_short_examples_unpack_to_the_bytes_they_print(shared, name, content):
    width, packed = packed_json(shared, name)
    assert Bits.unpacked(packed, width=width).content() == content


@pytest.mark.vectors
def test_the_first_example_reads_as_the_draft_counts_it(shared):
    width, packed = packed_json(shared, "status_list_encoding_json")
    found = Bits.unpacked(packed, width=width)
    assert [found[i] for i in range(16)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    width, packed = packed_json(shared, "status_list_encoding2_json")
    found = Bits.unpacked(packed, width=width)
    assert [found[i] for i in range(12)] == [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]


@pytest.mark.vectors
@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_the_long_examples_have_a_million_entries_and_few_set(shared, width):
    name = f"status_list_encoding{width}" + ("_long_json" if width < 4 else "_json")
    said, packed = packed_json(shared, name)
    found = Bits.unpacked(packed, width=said)
    assert said == width
    assert len(found) == (1 << 20 if width < 8 else len(found))
    if width == 1:
        assert tuple(i for i in range(len(found)) if found[i]) == ONE_BIT


@pytest.mark.vectors
@pytest.mark.parametrize("name", ["status_list_encoding_cbor", "status_list_encoding2_cbor"])
def test_the_cbor_examples_hold_the_same_arrays(shared, name):
    found = decode(bytes.fromhex("".join(example(shared, name).split())))
    wanted = packed_json(shared, name.replace("cbor", "json"))
    assert Bits.unpacked(found["lst"], width=found["bits"]) == Bits.unpacked(
        wanted[1], width=wanted[0]
    )


@pytest.mark.vectors
def test_the_signed_examples_hold_what_they_should(shared):
    folder = shared / "vectors/token-status-list"
    message = read_sign1(
        bytes.fromhex("".join((folder / "status_list_cwt.md").read_text().split()))
    )
    claims = decode(message.payload)
    assert claims[2] == "https://example.com/statuslists/1"
    assert Bits.unpacked(claims[65533]["lst"], width=1).content() == b"\xb9\xa3"
    token = "".join((folder / "status_list_jwt_raw.md").read_text().split())
    words = json.loads(parse_jws(token).payload)
    assert words["status_list"] == {"bits": 1, "lst": "eNrbuRgAAhcBXQ"}


@pytest.mark.vectors
def test_a_reference_is_found_in_a_token_of_either_kind(shared):
    folder = shared / "vectors/token-status-list"
    raw = bytes.fromhex("".join((folder / "referenced_token_cwt.md").read_text().split()))
    found = reference_in(decode(read_sign1(raw).payload))
    assert found == Reference(uri="https://example.com/statuslists/1", index=0)
    words = {"status": {"status_list": {"idx": 7, "uri": URI}}}
    assert reference_in(words) == Reference(uri=URI, index=7)
    assert reference_in({"sub": "x"}) is None


@given(
    st.sampled_from([1, 2, 4, 8]),
    st.dictionaries(st.integers(0, 999), st.integers(0, 255), max_size=50),
)
def test_what_is_set_is_read_and_nothing_else_changes(width, wanted):
    found = Bits.of_size(1000, width=width)
    wanted = {index: value & ((1 << width) - 1) for index, value in wanted.items()}
    for index, value in wanted.items():
        found[index] = value
    again = Bits.unpacked(found.packed(), width=width)
    assert [again[i] for i in range(1000)] == [wanted.get(i, 0) for i in range(1000)]


@pytest.mark.parametrize("as_cwt", [False, True])
def test_a_written_list_is_read_back(signer, as_cwt):
    unit, handle, public = signer
    bits = Bits.of_size(1_000_000)
    for index in range(0, 1_000_000, 100):
        bits[index] = 1
    made = StatusList(uri=URI, bits=bits, issued=100, expires=200, lifetime=50)
    data = write_status_list(unit, handle, made, as_cwt=as_cwt)
    found = read_status_list(data, public, uri=URI)
    assert found == made
    assert found.fresh(199)
    assert not found.fresh(200)
    assert found.due(150, 100)


def test_a_million_statuses_with_one_in_a_hundred_revoked_fit_into_20_kilobytes(signer):
    unit, handle, _ = signer
    bits = Bits.of_size(1_000_000)
    state = 1
    for _ in range(10_000):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        bits[(state >> 33) % 1_000_000] = 1
    made = StatusList(uri=URI, bits=bits, issued=100)
    assert len(write_status_list(unit, handle, made, as_cwt=True)) < 15 * 1024
    # a JWT puts the array into base64 twice, which costs 16/9
    assert len(write_status_list(unit, handle, made)) < 26 * 1024


@pytest.mark.parametrize("as_cwt", [False, True])
def test_a_changed_list_and_a_strangers_list_are_refused(signer, as_cwt):
    unit, handle, public = signer
    made = StatusList(uri=URI, bits=Bits.of_size(64), issued=100)
    data = bytearray(write_status_list(unit, handle, made, as_cwt=as_cwt))
    with pytest.raises(Tampered) as told:
        read_status_list(bytes(data), public, uri="https://lists.example/status/2")
    assert told.value.code == "status.other-list"
    stranger = EphemeralUnit(b"stranger")
    other = stranger.public(stranger.generate(Algorithm.ES256, "x"))
    with pytest.raises(Tampered) as told:
        read_status_list(bytes(data), other)
    assert told.value.code == "status.signature-wrong"
    data[-5] ^= 1
    with pytest.raises(Problem):
        read_status_list(bytes(data), public)


def test_a_bomb_is_refused_before_it_unfolds():
    bomb = zlib.compress(bytes(200_000_000), 9)
    with pytest.raises(Malformed):
        Bits.unpacked(bomb, width=8)
    text = "u" + base64url.encode(gzip.compress(bytes(20 << 20)))
    with pytest.raises(Malformed):
        read_bitstring(
            {"type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": text}
        )


@given(st.binary(max_size=300))
def test_noise_is_a_clear_problem(signer, noise):
    for read in (
        lambda: read_status_list(noise, signer[2]),
        lambda: Bits.unpacked(noise, width=1),
    ):
        with pytest.raises(Problem):
            read()


def test_an_index_beyond_the_end_is_no_status():
    with pytest.raises(Absent) as told:
        Bits.of_size(8)[8]
    assert told.value.code == "status.beyond"


def test_the_w3c_counts_from_the_other_end():
    content = bytearray(131_072 // 8)
    content[0] = 0b1000_0000
    found = read_bitstring(write_bitstring(URI, bytes(content)))
    assert (found[0], found[7]) == (1, 0)
    assert Bits(found.lowest_first(), width=1)[0] == 1
    assert BitstringList(content=bytes(content), purpose="revocation", uri=URI) == found


def test_a_small_herd_is_refused():
    with pytest.raises(Malformed):
        write_bitstring(URI, bytes(100))


def test_the_cache_keeps_the_newest_and_says_how_old_it_is():
    bits = Bits.of_size(8)
    bits[3] = 1
    cache = Cache()
    nothing = cache.status(Reference(uri=URI, index=3), 100)
    assert (nothing.value, nothing.age) == (None, None)
    cache.put(StatusList(uri=URI, bits=bits, issued=100, expires=500), now=110)
    found = cache.status(Reference(uri=URI, index=3), 130)
    assert (found.value, found.age) == (1, 30)
    with pytest.raises(Tampered) as told:
        cache.put(StatusList(uri=URI, bits=Bits.of_size(8), issued=99), now=140)
    assert told.value.code == "status.rolled-back"
    assert cache.status(Reference(uri=URI, index=3), 500).value is None


def test_a_million_statements_with_one_in_a_hundred_revoked_fit_into_twenty_thousand_bytes():
    entries = 1_000_000
    spread = (sha256(n.to_bytes(4)).digest()[:8] for n in range(entries // 100))
    revoked = [int.from_bytes(some) % entries for some in spread]
    bits = Bits.of_size(entries, width=2)
    for at in revoked:
        bits[at] = 1
    packed = bits.packed()
    assert Bits.unpacked(packed, width=2) == bits
    assert len(packed) < 14_500
    inner = base64.urlsafe_b64encode(packed)
    jwt = base64.urlsafe_b64encode(b'{"lst":"' + inner + b'"}')
    assert len(gzip.compress(jwt, 9)) < 19_000
