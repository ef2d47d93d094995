# SPDX-License-Identifier: Apache-2.0
"""COSE_Mac0: the tag covers what was sent, and a shared key never shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused
from kizuna.roots.cose import SharedKey, check_mac0, encode, mac0, read_mac0
from kizuna.roots.cose.cbor import bytes_of

KEY = SharedKey(b"\x0b" * 32)


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_a_message_checks_with_its_own_key_and_data_only(payload, aad):
    message = read_mac0(mac0(KEY, {4: b"kid"}, payload, external_aad=aad))
    assert message.payload == payload
    assert check_mac0(message, KEY, aad)
    assert not check_mac0(message, KEY, aad + b"x")
    assert not check_mac0(message, SharedKey(b"\x0c" * 32), aad)


@given(st.data())
def test_no_changed_byte_checks(data):
    message = bytearray(mac0(KEY, {}, b"payload"))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= data.draw(st.integers(1, 255))
    try:
        assert not check_mac0(read_mac0(bytes(message)), KEY)
    except Problem as problem:
        assert problem.code.startswith("envelope.")


def test_a_secret_shows_nowhere():
    assert KEY.secret.hex() not in repr(KEY)
    assert KEY.secret not in KEY.id


@pytest.mark.parametrize("size", [0, 15, 257])
def test_a_secret_has_a_sensible_size(size):
    with pytest.raises(Malformed) as refused:
        SharedKey(bytes(size))
    assert refused.value.code == "key.shared-size"


def test_a_tag_cut_to_eight_bytes_does_not_check():
    header = encode({1: 4})
    whole = read_mac0(mac0(KEY, {}, b"payload"))
    cut = b"".join(
        (b"\xd1\x84", bytes_of(header), b"\xa0", bytes_of(b"payload"), bytes_of(whole.tag[:8]))
    )
    assert not check_mac0(read_mac0(cut), KEY)


def test_a_signature_is_no_mac():
    with pytest.raises(Malformed):
        read_mac0(b"\xd1\xd2" + mac0(KEY, {}, b"payload")[1:])


def test_detached_content_and_unknown_critical_headers_are_refused():
    header = bytes_of(encode({1: 5}))
    with pytest.raises(Malformed):
        read_mac0(b"\xd1\x84" + header + b"\xa0\xf6" + bytes_of(bytes(32)))
    with pytest.raises(Refused):
        read_mac0(mac0(KEY, {2: ["x"], "x": 1}, b"payload"))
