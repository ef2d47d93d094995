# SPDX-License-Identifier: Apache-2.0
"""Public keys and checks: one spelling, no weak keys, and the published signature sets."""

import json
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem
from kizuna.roots import base64url
from kizuna.roots.keys import (
    Algorithm,
    PublicKey,
    algorithm_named,
    forget,
    verification,
    verify,
    verify_many,
)
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"keys")
P256 = UNIT.public(UNIT.generate(Algorithm.ES256, "p256"))
ED25519 = UNIT.public(UNIT.generate(Algorithm.EDDSA, "ed25519"))
P256_HANDLE, ED25519_HANDLE = UNIT.handles()
RSA = PublicKey.from_loaded(rsa.generate_private_key(65537, 2048).public_key())
P384 = PublicKey.from_loaded(ec.generate_private_key(ec.SECP384R1()).public_key())
P521 = PublicKey.from_loaded(ec.generate_private_key(ec.SECP521R1()).public_key())


@pytest.mark.parametrize("key", [P256, ED25519, RSA, P384, P521], ids=lambda k: k.algorithm.name)
def test_every_spelling_leads_to_the_same_key(key: PublicKey):
    assert PublicKey.from_jwk(key.to_jwk()) == key
    assert PublicKey.from_cose(key.cose_key, key.algorithm) == key
    assert PublicKey.from_spki(key.to_spki()) == key
    assert PublicKey.from_pem(key.to_pem()) == key
    if key.algorithm is not Algorithm.PS256:
        assert PublicKey.from_raw(key.algorithm, key.to_raw()) == key


def test_thumbprints_are_those_of_rfc_9679():
    """RFC 9679 section 6: the P-256 key of its example."""
    key = PublicKey.from_cose_map(
        {
            1: 2,
            -1: 1,
            -2: bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"),
            -3: bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"),
            2: b"meriadoc.brandybuck@buckland.example",
        }
    )
    assert key.thumbprint.hex() == (
        "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    )


def test_other_members_of_a_key_have_no_effect_on_its_name():
    jwk = {**P256.to_jwk(), "kid": "mine", "use": "sig", "alg": "ES256"}
    assert PublicKey.from_jwk(jwk).thumbprint == P256.thumbprint


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"d": "AA"}, "key.private"),
        ({"x": "AA"}, "key.malformed"),
        ({"x": P256.to_jwk()["y"]}, "key.malformed"),
        ({"x": P256.to_jwk()["x"] + "="}, "key.encoding"),
        ({"y": None}, "key.malformed"),
        ({"kty": "oct"}, "key.unsupported"),
        ({"crv": "secp256k1"}, "key.unsupported"),
        ({"alg": "ES384"}, "key.algorithm-mismatch"),
        ({"alg": "none"}, "key.algorithm-unknown"),
        ({"alg": "HS256"}, "key.algorithm-unknown"),
    ],
)
def test_a_bad_key_is_refused_and_named(change: dict[str, object], code: str):
    with pytest.raises(Malformed) as problem:
        PublicKey.from_jwk({**P256.to_jwk(), **change})
    assert problem.value.code == code


LOW_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("encoded", LOW_ORDER)
def test_ed25519_keys_of_low_order_are_refused(encoded: str):
    """Under the first of these, (identity, 0) would be a signature over any message."""
    with pytest.raises(Malformed) as problem:
        PublicKey.from_raw(Algorithm.EDDSA, bytes.fromhex(encoded))
    assert problem.value.code in ("key.weak", "key.malformed")


def test_the_identity_key_would_verify_anything_if_it_were_let_in():
    """Why low-order keys are refused: the primitives alone accept this forgery."""
    identity = bytes.fromhex(LOW_ORDER[0])
    forged = PublicKey(Algorithm.EDDSA, cbor2.dumps({1: 1, -1: 6, -2: identity}, canonical=True))
    assert verify(forged, identity + bytes(32), b"anything")


def test_short_rsa_keys_are_refused():
    short = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - that is the point
    with pytest.raises(Malformed) as problem:
        PublicKey.from_loaded(short)
    assert problem.value.code == "key.weak"


@pytest.mark.parametrize("name", ["none", "HS256", "RS256", "es256", ""])
def test_unknown_algorithms_have_no_name(name: str):
    with pytest.raises(Malformed):
        algorithm_named(name)


def test_synonyms_are_understood():
    assert Algorithm.ES256.answers_to(-9)
    assert Algorithm.EDDSA.answers_to(-19)
    assert not Algorithm.ES256.answers_to(-8)
    assert not Algorithm.EDDSA.answers_to(5)


@pytest.mark.parametrize(
    ("algorithm", "curve", "digest", "size"),
    [
        (Algorithm.ES384, ec.SECP384R1(), hashes.SHA384(), 48),
        (Algorithm.ES512, ec.SECP521R1(), hashes.SHA512(), 66),
    ],
)
def test_the_larger_curves_verify(algorithm, curve, digest, size):
    private = ec.generate_private_key(curve)
    key = PublicKey.from_loaded(private.public_key())
    assert key.algorithm is algorithm
    r, s = decode_dss_signature(private.sign(b"word", ec.ECDSA(digest)))
    signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    assert verify(key, signature, b"word")
    assert not verify(key, signature, b"other")
    assert not verify(key, signature[:-1], b"word")


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        (Algorithm.PS256, hashes.SHA256()),
        (Algorithm.PS384, hashes.SHA384()),
        (Algorithm.PS512, hashes.SHA512()),
    ],
)
def test_rsa_pss_verifies_with_the_algorithm_of_the_key(algorithm, digest):
    private = rsa.generate_private_key(65537, 2048)
    key = PublicKey.from_loaded(private.public_key(), algorithm)
    scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
    signature = private.sign(b"word", scheme, digest)
    assert verify(key, signature, b"word")
    assert not verify(key, signature, b"other")
    other = Algorithm.PS384 if algorithm is Algorithm.PS256 else Algorithm.PS256
    assert not verify(PublicKey.from_loaded(private.public_key(), other), signature, b"word")


def test_our_own_ecdsa_signatures_have_the_smaller_s():
    half = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2
    for number in range(24):
        signature = UNIT.sign(P256_HANDLE, b"%d" % number)
        assert int.from_bytes(signature[32:], "big") <= half


def test_many_checks_give_the_answers_of_single_ones_in_order():
    checks = []
    for number in range(700):
        handle = P256_HANDLE if number % 2 else ED25519_HANDLE
        message = b"%d" % number
        signature = UNIT.sign(handle, message)
        if number % 7 == 0:
            message += b"!"
        checks.append((UNIT.public(handle), signature, message))
    wanted = [number % 7 != 0 for number in range(700)]
    assert verify_many(checks, threads=1) == wanted
    assert verify_many(iter(checks), threads=2) == wanted
    assert verify_many([]) == []


def test_the_cache_of_key_objects_is_bounded_and_forgets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verification, "MAX_LOADED", 4)
    unit = EphemeralUnit(b"cache")
    for number in range(8):
        handle = unit.generate(Algorithm.EDDSA, str(number))
        assert verify(unit.public(handle), unit.sign(handle, b"w"), b"w")
    assert len(verification._loaded) <= 4
    last = unit.public(unit.handles()[-1])
    assert (last.thumbprint, Algorithm.EDDSA) in verification._loaded
    forget(last.thumbprint)
    assert (last.thumbprint, Algorithm.EDDSA) not in verification._loaded


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_no_signature_raises(signature: bytes, message: bytes):
    for key in (P256, ED25519, RSA, P384):
        assert verify(key, signature, message) is False


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_a_key_reader_fail_in_its_own_way(data: bytes):
    for read in (
        PublicKey.from_cose,
        PublicKey.from_spki,
        PublicKey.from_pem,
        lambda raw: PublicKey.from_raw(Algorithm.ES256, raw),
        lambda raw: PublicKey.from_raw(Algorithm.EDDSA, raw),
        lambda raw: PublicKey.from_raw(Algorithm.PS256, raw),
    ):
        try:
            read(data)
        except Problem:
            continue


JSON_VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=20), st.booleans())


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "d"]), JSON_VALUES)
)
def test_no_jwk_makes_the_reader_fail_in_its_own_way(jwk: dict[str, object]):
    for base in ({}, P256.to_jwk(), ED25519.to_jwk(), RSA.to_jwk()):
        try:
            PublicKey.from_jwk({**base, **jwk})
        except Problem:
            continue


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([1, 3, -1, -2, -3, -4]),
        st.one_of(st.integers(), st.binary(max_size=70), st.booleans(), st.text(max_size=5)),
    )
)
def test_no_cose_key_makes_the_reader_fail_in_its_own_way(members: dict[int, object]):
    for base in (P256, ED25519, RSA):
        try:
            PublicKey.from_cose_map({**cbor2.loads(base.cose_key), **members})
        except Problem:
            continue


@given(st.binary(max_size=50))
def test_base64url_has_one_spelling(data: bytes):
    text = base64url.encode(data)
    assert base64url.decode(text) == data
    for other in (text + "=", text + "\n", " " + text, text + "A==="):
        with pytest.raises(Malformed):
            base64url.decode(other)


def test_left_over_bits_are_refused():
    assert base64url.decode("AA") == b"\0"
    with pytest.raises(Malformed):
        base64url.decode("AB")


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test.json", True),
        ("ecdsa_secp256r1_sha256_test.json", False),
        ("ed25519_test.json", True),
    ],
)
def test_wycheproof_signature_sets(shared: Path, name: str, raw: bool):
    groups = json.loads((shared / "vectors/wycheproof" / name).read_text())["testGroups"]
    judged = 0
    for group in groups:
        spki = bytes.fromhex(group["publicKeyDer"])
        loaded = serialization.load_der_public_key(spki)
        try:
            key = PublicKey.from_loaded(loaded)
        except Malformed:
            assert group.get("publicKey", {}).get("pk", "")[:4] in ("0000", "0100", "ecff"), group
            continue
        for test in group["tests"]:
            signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            if not raw:  # the DER set: what has no raw form is no signature for us either
                try:
                    r, s = decode_dss_signature(signature)
                    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
                except (ValueError, OverflowError):
                    assert test["result"] != "valid", test
                    continue
            wanted = test["result"] != "invalid"
            assert verify(key, signature, message) is wanted, test
            judged += 1
    assert judged > 100
