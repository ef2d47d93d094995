# SPDX-License-Identifier: Apache-2.0
"""Encrypted content: opened by those it is for, refused where it was altered or cannot show it."""

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.roots.cose import SharedKey, decode, encode
from kizuna.roots.cose.cbor import Tag
from kizuna.roots.cose.encrypted import decrypt, encrypt, read_encrypted
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey

TEXT = b"This is a real firmware image."
MINE = PrivateKey.derive(Algorithm.ES256, b"device")
OTHER = PrivateKey.derive(Algorithm.ES256, b"other")


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_wrapping_key_opens_what_was_made_for_it(size: int):
    key = SharedKey(os.urandom(size))
    message, content = encrypt(TEXT, [key])
    assert decrypt(read_encrypted(message), content, [key]) == TEXT
    with pytest.raises(Refused) as caught:
        decrypt(read_encrypted(message), content, [SharedKey(os.urandom(size))])
    assert caught.value.code == "envelope.not-for-us"


def test_each_of_several_recipients_opens_it_and_nobody_else():
    shared = SharedKey(b"k" * 16)
    message, content = encrypt(TEXT, [OTHER.public, MINE.public, shared])
    read = read_encrypted(message)
    assert read.key_ids == (OTHER.public.thumbprint, MINE.public.thumbprint, shared.id)
    for opener in (OTHER, MINE, shared):
        assert decrypt(read, content, [opener]) == TEXT
    with pytest.raises(Refused):
        decrypt(read, content, [PrivateKey.derive(Algorithm.ES256, b"third")])
    with pytest.raises(Refused):
        decrypt(read, content, [PrivateKey.derive(Algorithm.EDDSA, b"third")])


def test_content_and_context_that_differ_do_not_open():
    message, content = encrypt(TEXT, [MINE.public])
    for altered in (content[:-1], content[:-1] + bytes((content[-1] ^ 1,)), b""):
        with pytest.raises(Tampered):
            decrypt(read_encrypted(message), altered, [MINE])
    with pytest.raises(Refused):
        decrypt(read_encrypted(message), content, [MINE], context=b"something else")


def test_the_derivation_is_that_of_the_standard():
    """RFC 9053 section 5.2, written out here a second time."""
    message, content = encrypt(TEXT, [MINE.public])
    protected, unprotected, _, ((inner, beside, wrapped),) = decode(message).value
    point = ec.EllipticCurvePublicNumbers(
        int.from_bytes(beside[-1][-2], "big"),
        int.from_bytes(beside[-1][-3], "big"),
        ec.SECP256R1(),
    ).public_key()
    shared = MINE.exchange(PublicKey.from_loaded(point))
    nobody = [None, None, None]
    info = encode([-3, nobody, nobody, [128, inner, b"SUIT Payload Encryption"]])
    wrapping = HKDF(hashes.SHA256(), 16, None, info).derive(shared)
    key = aes_key_unwrap(wrapping, wrapped)
    aad = encode(["Encrypt", protected, b""])
    assert AESGCM(key).decrypt(unprotected[5], content, aad) == TEXT


def test_a_published_key_agreement_unwraps():
    """The example of draft-ietf-suit-firmware-encryption with ECDH-ES+A128KW, its content key."""
    number = 0x60FE6DD6D85D5740A5349B6F91267EEAC5BA81B8CB53EE249E4B4EB102C476B3
    device = PrivateKey(ec.derive_private_key(number, ec.SECP256R1()))
    spoken = {
        1: 2,
        -1: 1,
        -2: bytes.fromhex("3982c1863015824881d1a6c9059332be281c9613d7f7462d43ee520d20fe132f"),
        -3: bytes.fromhex("5eb51ef8ad7c1da697294877bba291dc5aee20fee887d8a173bad7faff091e5c"),
    }
    wrapped = bytes.fromhex("df698d95d3bf3ea7ccc655a7a5609bef206e208a46d66d91")
    content_key = bytes.fromhex("973f59a9b9422c78057f06d382ff7a63")
    protected, nonce = encode({1: 1}), bytes(12)
    block = [encode({1: -29}), {-1: spoken, 4: b"kid-2"}, wrapped]
    message = encode(Tag(96, [protected, {5: nonce}, None, [block]]))
    content = AESGCM(content_key).encrypt(nonce, TEXT, encode(["Encrypt", protected, b""]))
    assert decrypt(read_encrypted(message), content, [device]) == TEXT


def message(**changes: object) -> bytes:
    parts = {
        "protected": encode({1: 1}),
        "unprotected": {5: bytes(12)},
        "ciphertext": None,
        "recipients": [[b"", {1: -3}, aes_key_wrap(b"k" * 16, b"c" * 16)]],
    }
    return encode(Tag(96, list((parts | changes).values())))


@pytest.mark.parametrize(
    "changes",
    [
        {"protected": encode({1: -65534})},  # AES-CTR: shows no alteration
        {"protected": encode({1: -65531})},  # AES-CBC
        {"protected": encode({1: 24})},  # ChaCha20/Poly1305: not taken
        {"protected": encode({})},
        {"recipients": [[b"", {1: -6}, bytes(24)]]},  # the content key itself, shared
        {"recipients": [[encode({1: -25}), {-1: {}}, bytes(24)]]},  # agreement without wrapping
    ],
)
def test_other_ciphers_are_refused_by_name(changes: dict[str, object]):
    with pytest.raises(Refused) as caught:
        read_encrypted(message(**changes))
    assert caught.value.code == "envelope.cipher"


@pytest.mark.parametrize(
    "changes",
    [
        {"protected": encode({1: 1, 2: [9]})},
        {"protected": 5},
        {"unprotected": {}},
        {"unprotected": {5: bytes(16)}},
        {"ciphertext": b"attached"},
        {"recipients": []},
        {"recipients": [[b"", {1: -3}, bytes(8)]]},
        {"recipients": [[b"", {1: -29, -1: {1: 2}}, bytes(24)]]},  # agreement, unprotected
        {"recipients": [[encode({1: -29}), {}, bytes(24)]]},
        {"recipients": [[encode({1: -29}), {-1: {1: 2, -1: 1, -2: b"x", -3: b"y"}}, bytes(24)]]},
        {
            "recipients": [
                [
                    encode({1: -29}),
                    {-1: {1: 2, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32}},  # not on the curve
                    bytes(24),
                ]
            ]
        },
        {"recipients": [[b"", {1: -3}, aes_key_wrap(b"k" * 16, b"c" * 16)]] * 300},
    ],
)
def test_what_has_another_shape_is_refused(changes: dict[str, object]):
    with pytest.raises(Malformed):
        read_encrypted(message(**changes))


def test_a_content_key_of_another_size_opens_nothing():
    wrapped = aes_key_wrap(b"k" * 16, b"c" * 24)  # AES-GCM-128 was said
    read = read_encrypted(message(recipients=[[b"", {1: -3}, wrapped]]))
    with pytest.raises(Refused):
        decrypt(read, b"x" * 40, [SharedKey(b"k" * 16)])


def test_nobody_and_unfit_keys_are_no_recipients():
    for recipients in ([], [SharedKey(b"x" * 20)], [PrivateKey.generate(Algorithm.EDDSA).public]):
        with pytest.raises(Malformed):
            encrypt(TEXT, recipients)


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes):
    with pytest.raises(Problem):
        read_encrypted(noise)


@given(st.data())
def test_no_changed_byte_opens_as_something_else(data: st.DataObject):
    key = SharedKey(b"k" * 16)
    whole, content = encrypt(TEXT, [key])
    at = data.draw(st.integers(0, len(whole) - 1))
    altered = whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :]
    try:
        opened = decrypt(read_encrypted(altered), content, [key])
    except Problem:
        return
    assert opened == TEXT  # only the unproven name of the key changed


@pytest.mark.parametrize("algorithm", [[3], {3: 3}, Tag(5, [3]), "3", None, True, 3.0])
def test_an_algorithm_that_is_no_number_is_refused_by_name(algorithm):
    message = encode(Tag(96, [encode({1: algorithm}), {5: bytes(12)}, None, []]))
    with pytest.raises(Refused) as caught:
        read_encrypted(message)
    assert caught.value.code == "envelope.cipher"
