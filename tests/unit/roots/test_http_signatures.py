# SPDX-License-Identifier: Apache-2.0
"""Signed requests: one request, one server, one time, five minutes."""

from base64 import b64decode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Problem, Unavailable
from kizuna.model.identifier import SubjectId
from kizuna.roots.http_signatures import (
    COVERED,
    Nonces,
    Request,
    RequestSigner,
    is_signed,
    sign_request,
    signature_base,
    verify_request,
)
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm, PublicKey, verify
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"requests")
HANDLE = UNIT.generate(Algorithm.ES256, "reader")
KEY = UNIT.public(HANDLE)
READER = did_key(KEY)
NOW = 1_790_000_000
NONCE = "abcdefghij0123456789"
GET = Request(method="GET", authority="store.example", path="/statements/5", query="view=all&x=%20")


def find(identity: SubjectId, thumbprint: bytes) -> PublicKey | None:
    return KEY if identity == READER and thumbprint == KEY.thumbprint else None


def signed(request: Request = GET, *, nonce: str = NONCE, created: int = NOW) -> Request:
    made = sign_request(UNIT, HANDLE, request, identity=READER, created=created, nonce=nonce)
    return replace(request, headers={**request.headers, **{k.lower(): v for k, v in made.items()}})


def check(request: Request, now: int = NOW, nonces: Nonces | None = None) -> RequestSigner:
    return verify_request(request, find, now=now, nonces=nonces or Nonces())


def code_of(request: Request, now: int = NOW, nonces: Nonces | None = None) -> str:
    with pytest.raises(Problem) as problem:
        check(request, now, nonces)
    return problem.value.code


def test_a_signed_request_names_its_signer():
    assert is_signed(signed().headers)
    assert check(signed()) == RequestSigner(READER, KEY.thumbprint)
    post = replace(GET, method="POST", body=b'{"a":1}')
    assert check(signed(post)).identity == READER


def test_an_unsigned_request_is_told_so():
    assert not is_signed(GET.headers)
    assert code_of(GET) == "identity.request-unsigned"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"authority": "other.example"},
        {"path": "/statements/6"},
        {"query": "view=all"},
    ],
)
def test_a_signature_fits_its_own_request_only(change: dict[str, str]):
    assert code_of(replace(signed(), **change)) == "identity.request-signature"


def test_another_body_does_not_fit():
    assert code_of(replace(signed(), body=b"x")) == "identity.request-digest"


@pytest.mark.parametrize(
    ("late", "code"), [(-300, None), (0, None), (60, None), (61, "expired"), (-301, "expired")]
)
def test_a_signature_lives_for_its_time(late: int, code: str | None):
    if code is None:
        assert check(signed(), NOW + late)
    else:
        assert code_of(signed(), NOW + late) == f"identity.request-{code}"


def test_a_life_of_more_than_five_minutes_is_refused():
    with pytest.raises(Problem):
        sign_request(UNIT, HANDLE, GET, identity=READER, created=NOW, nonce=NONCE, lifetime=301)
    request = signed()
    listed = request.headers["signature-input"].replace(
        f"expires={NOW + 60}", f"expires={NOW + 301}"
    )
    headers = {**request.headers, "signature-input": listed}
    assert code_of(replace(request, headers=headers)) == "identity.request-expired"


def test_a_nonce_counts_once():
    nonces = Nonces()
    check(signed(), nonces=nonces)
    assert code_of(signed(), nonces=nonces) == "identity.request-replayed"
    assert check(signed(nonce=NONCE + "x"), nonces=nonces)


def test_strangers_do_not_fill_the_memory():
    nonces = Nonces()
    code_of(replace(signed(), path="/other"), nonces=nonces)
    assert nonces.remembered == 0


def test_the_memory_is_bounded_and_empties_with_time():
    nonces = Nonces(limit=3)
    for number in range(3):
        check(signed(nonce=f"{NONCE}{number}"), nonces=nonces)
    with pytest.raises(Unavailable) as problem:
        check(signed(nonce=NONCE + "more"), nonces=nonces)
    assert problem.value.code == "identity.request-busy"
    later = NOW + 61
    assert check(signed(nonce=NONCE + "more", created=later), later, nonces)
    assert nonces.remembered == 1


def test_a_key_that_is_not_the_partys_is_refused():
    thief = EphemeralUnit(b"thief")
    handle = thief.generate(Algorithm.ES256, "x")
    made = sign_request(thief, handle, GET, identity=READER, created=NOW, nonce=NONCE)
    request = replace(GET, headers={k.lower(): v for k, v in made.items()})
    assert code_of(request) == "identity.request-key"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"@query" ', ""),
        ('"content-digest"', '"content-digest" "content-digest"'),
        ('"@path"', '"@path";req'),
        ('"@path"', '"@target-uri"'),
        (";nonce=", ";nonse="),
        (f'"{NONCE}"', '"short"'),
        (f'"{NONCE}"', '"two" '),
        (";created=", ";created=1;created="),
        ('tag="kizuna-read"', 'tag="other"'),
        (f"{READER}#", ""),
        (READER, "not an identity"),
        ("sig=(", "sig=(("),
        ("sig=(", 'sig=();tag="kizuna-read", sig=('),
    ],
)
def test_a_header_of_another_shape_is_refused(old: str, new: str):
    request = signed()
    listed = request.headers["signature-input"]
    assert old in listed
    headers = {**request.headers, "signature-input": listed.replace(old, new, 1)}
    assert code_of(replace(request, headers=headers)) in (
        "identity.request-malformed",
        "identifier.malformed",
    )


def test_other_signatures_beside_ours_do_no_harm():
    request = signed()
    headers = {
        **request.headers,
        "signature-input": 'proxy=("@method");created=5, ' + request.headers["signature-input"],
        "signature": "proxy=:AAAA:, " + request.headers["signature"],
    }
    assert check(replace(request, headers=headers))


def test_more_header_fields_may_be_covered():
    base = signature_base(replace(GET, headers={"accept": " a/b "}), ["accept", "@query"], "()")
    assert base == b'"accept": a/b\n"@query": ?view=all&x=%20\n"@signature-params": ()'
    empty = Request(method="GET", authority="A.Example", path="")
    assert signature_base(empty, COVERED[1:4], "()").startswith(
        b'"@authority": a.example\n"@path": /\n"@query": ?\n'
    )


def test_a_line_break_in_a_header_cannot_forge_a_component():
    with pytest.raises(Problem):
        signature_base(replace(GET, headers={"accept": 'a\n"@path": /'}), ["accept"], "()")


def test_the_ed25519_example_of_rfc_9421():
    """RFC 9421 appendix B.2.6."""
    key = PublicKey.from_jwk(
        {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}
    )
    request = Request(
        method="POST",
        authority="example.com",
        path="/foo",
        query="param=Value&Pet=dog",
        headers={
            "date": "Tue, 20 Apr 2021 02:07:55 GMT",
            "content-type": "application/json",
            "content-length": "18",
        },
    )
    covered = ["date", "@method", "@path", "@authority", "content-type", "content-length"]
    parameters = (
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    base = signature_base(request, covered, parameters)
    signature = b64decode(
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    assert verify(key, signature, base)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["signature", "signature-input", "content-digest"]), st.text(max_size=80)
    ),
    st.text(max_size=20),
    st.integers(0, 250),
    st.text(max_size=3),
)
def test_nothing_makes_the_reader_fail_in_its_own_way(headers, path, at, piece):
    request = signed()
    bent = request.headers["signature-input"]
    bent = bent[:at] + piece + bent[at + 1 :]
    for attempt in (
        replace(request, headers={**request.headers, **headers}),
        replace(request, path=path),
        replace(request, headers={**request.headers, "signature-input": bent}),
    ):
        try:
            check(attempt)
        except Problem:
            continue
