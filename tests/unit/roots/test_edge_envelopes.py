# SPDX-License-Identifier: Apache-2.0
"""DSSE and JWS: what the field writes is read, what attackers write is refused."""

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem
from kizuna.roots import base64url
from kizuna.roots.dsse import Dsse, pae, parse_dsse, sign_dsse, signers_of
from kizuna.roots.jws import check_jws, parse_jws, sign_jws
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"edge")
P256 = UNIT.generate(Algorithm.ES256, "p256")
ED25519 = UNIT.generate(Algorithm.EDDSA, "ed25519")
HANDLES = (P256, ED25519)
INTOTO = "application/vnd.in-toto+json"


def key_of(handle) -> PublicKey:
    return UNIT.public(handle)


@pytest.mark.parametrize("handle", HANDLES, ids=lambda h: h.label)
def test_a_dsse_envelope_comes_back_with_its_signer(handle):
    envelope = parse_dsse(sign_dsse(UNIT, handle, INTOTO, b'{"_type":"x"}'))
    assert envelope.payload_type == INTOTO
    assert envelope.payload == b'{"_type":"x"}'
    keys = [key_of(h) for h in HANDLES]
    assert signers_of(envelope, keys) == (key_of(handle),)


def test_dsse_takes_raw_signatures_too_and_url_safe_base64():
    payload = b"\xff\xfe hello"
    signature = UNIT.sign(P256, pae("text/plain", payload))
    for write in (
        lambda raw: b64encode(raw).decode(),
        lambda raw: b64encode(raw).decode().replace("+", "-").replace("/", "_"),
    ):
        text = {
            "payloadType": "text/plain",
            "payload": write(payload),
            "signatures": [{"sig": write(signature), "keyid": None}],
        }
        envelope = parse_dsse(json.dumps(text).encode())
        assert signers_of(envelope, [key_of(P256)]) == (key_of(P256),)


def test_dsse_signs_the_type_with_the_payload():
    envelope = parse_dsse(sign_dsse(UNIT, ED25519, INTOTO, b"{}"))
    other = Dsse(payload_type="text/plain", payload=b"{}", signatures=envelope.signatures)
    assert signers_of(other, [key_of(ED25519)]) == ()


def test_a_dsse_signer_counts_once_however_often_it_signed():
    envelope = parse_dsse(sign_dsse(UNIT, ED25519, INTOTO, b"{}"))
    twice = Dsse(payload_type=INTOTO, payload=b"{}", signatures=envelope.signatures * 2)
    assert len(signers_of(twice, [key_of(ED25519), key_of(ED25519)])) == 1


def test_the_protocols_own_example():
    """DSSE protocol.md: PAE of its test vector."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"payloadType":"a","payload":"","signatures":[]}',
        b'{"payloadType":"a","payload":"","signatures":[{}]}',
        b'{"payloadType":"a","payload":"***","signatures":[{"sig":""}]}',
        b'{"payloadType":5,"payload":"","signatures":[{"sig":""}]}',
        b'{"payloadType":"\\ud800","payload":"","signatures":[{"sig":""}]}',
        b'{"payloadType":"a","payloadType":"b","payload":"","signatures":[{"sig":""}]}',
        b'{"payloadType":"a","payload":"","signatures":[' + b'{"sig":""},' * 64 + b'{"sig":""}]}',
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_a_broken_dsse_envelope_is_refused(text: bytes):
    with pytest.raises(Malformed) as problem:
        parse_dsse(text)
    assert problem.value.code == "envelope.dsse-malformed"


@pytest.mark.parametrize("flattened", [False, True])
@pytest.mark.parametrize("handle", HANDLES, ids=lambda h: h.label)
def test_a_jws_comes_back_with_its_signer(handle, flattened: bool):
    data = sign_jws(UNIT, handle, b"word", {"typ": "JOSE"}, flattened=flattened)
    token = parse_jws(data)
    assert token.payload == b"word"
    assert token.key_id == handle.id
    assert token.header["typ"] == "JOSE"
    assert check_jws(token, key_of(handle))
    assert not check_jws(token, key_of(P256 if handle is ED25519 else ED25519))


def test_a_detached_jws_needs_its_payload():
    protected, content, signature = sign_jws(UNIT, P256, b"word").decode().split(".")
    token = parse_jws(f"{protected}..{signature}", b"word")
    assert check_jws(token, key_of(P256))
    assert not check_jws(parse_jws(f"{protected}..{signature}", b"other"), key_of(P256))
    assert not check_jws(parse_jws(f"{protected}..{signature}"), key_of(P256))
    with pytest.raises(Malformed):
        parse_jws(f"{protected}.{content}.{signature}", b"word")


def test_the_example_of_rfc_8037():
    """RFC 8037 appendix A.4."""
    key = PublicKey.from_jwk(
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    )
    token = parse_jws(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt"
        "9g7sVvpAr_MuM0KAg"
    )
    assert token.payload == b"Example of Ed25519 signing"
    assert check_jws(token, key)


def _token(header: dict[str, object] | str, payload: bytes = b"word") -> str:
    text = header if isinstance(header, str) else json.dumps(header)
    signed = f"{base64url.encode(text.encode())}.{base64url.encode(payload)}"
    return f"{signed}.{base64url.encode(UNIT.sign(P256, signed.encode()))}"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"alg": "RS256"},
        {"alg": None},
        {},
    ],
)
def test_no_header_talks_the_algorithm_away(header: dict[str, object]):
    assert not check_jws(parse_jws(_token(header)), key_of(P256))
    unsigned = _token(header).rpartition(".")[0] + "."
    assert not check_jws(parse_jws(unsigned), key_of(P256))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        _token({"alg": "ES256", "crit": ["exp"], "exp": 1}),
        _token({"alg": "ES256", "b64": False}),
        _token('{"alg":"ES256","alg":"none"}'),
        _token({"alg": "ES256"}) + "=",
        " " + _token({"alg": "ES256"}),
        '{"protected":"e30","payload":"","signature":"","header":{}}',
        '{"signatures":[]}',
        "é.b.c",
    ],
)
def test_a_token_with_two_readings_is_refused(token: str):
    with pytest.raises(Malformed):
        parse_jws(token)


def test_a_key_inside_the_header_is_not_believed():
    thief = EphemeralUnit(b"thief")
    handle = thief.generate(Algorithm.ES256, "x")
    own = thief.public(handle).to_jwk()
    token = parse_jws(sign_jws(thief, handle, b"word", {"jwk": own, "kid": P256.id}))
    assert not check_jws(token, key_of(P256))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_nothing_makes_the_readers_fail_in_their_own_way(data: bytes | str):
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    for read in (parse_dsse, parse_jws):
        for text in (raw, b'{"payload":"' + raw + b'"}', b"{" + raw):
            try:
                read(text)
            except Problem:
                continue
    if isinstance(data, str):
        try:
            parse_jws(data)
        except Problem:
            return


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.floats()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["payloadType", "payload", "signatures", "protected", "signature"]), JSON
    )
)
def test_no_json_makes_the_readers_fail_in_their_own_way(members: dict[str, object]):
    base = {"payloadType": "a", "payload": "", "signatures": [{"sig": ""}]}
    for text in (members, {**base, **members}):
        for read in (parse_dsse, parse_jws):
            try:
                read(json.dumps(text).encode())
            except Problem:
                continue


@pytest.mark.vectors
def test_the_links_of_in_totos_demo_verify_with_the_keys_of_its_layout(shared: Path):
    folder = shared / "vectors/in-toto/demo_dsse_files"
    layout = json.loads((folder / "demo.layout.template").read_bytes())
    held = json.loads(b64decode(layout["payload"]))["keys"]
    keys = {
        name: PublicKey.from_pem(key["keyval"]["public"].encode()) for name, key in held.items()
    }
    for name in ("package.2f89b927.link", "write-code.776a00e2.link"):
        envelope = parse_dsse((folder / name).read_bytes())
        (signer,) = signers_of(envelope, keys.values())
        assert signer == keys[envelope.signatures[0][0]]
