# SPDX-License-Identifier: Apache-2.0
"""Names and their keys: what a DID carries, what must be pinned, what an event of a key says."""

import socket
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.identifier import canonical
from kizuna.model.payload import Action, Status, Target, encode_payload
from kizuna.model.statement import Interval, Registered
from kizuna.roots.cose import parse_sign1, sign_statement
from kizuna.roots.identity import (
    KeyHistory,
    KeyStanding,
    base58,
    did_jwk,
    did_key,
    did_web_url,
    genesis_keys,
    key_event,
    pinned_keys,
)
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.statement import checked
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"identity")
P256, ED25519, NEXT = (
    UNIT.generate(algorithm, "x")
    for algorithm in (Algorithm.ES256, Algorithm.EDDSA, Algorithm.ES256)
)
KEYS = [UNIT.public(handle) for handle in (P256, ED25519)]
ISSUER = did_key(KEYS[0])


@pytest.mark.parametrize("key", KEYS, ids=lambda k: k.algorithm.name)
def test_a_name_carries_its_key(key: PublicKey):
    for name in (did_key(key), did_jwk(key)):
        assert genesis_keys(name) == (key,)
        assert canonical(name) == name


@pytest.mark.parametrize(
    ("did", "start"),
    [
        ("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", Algorithm.EDDSA),
        ("did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169", Algorithm.ES256),
        ("did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv", Algorithm.ES256),
        (
            "did:key:z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9",
            Algorithm.ES384,
        ),
    ],
)
def test_the_names_of_the_did_key_specification(did: str, start: Algorithm):
    (key,) = genesis_keys(did)
    assert key.algorithm is start
    assert did_key(key) == did


def test_the_name_of_the_did_jwk_specification():
    did = (
        "did:jwk:eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImFjYklRaXVNczNpOF91c3pFakoydHBUdFJNNEVV"
        "M3l6OTFQSDZDZEgyVjAiLCJ5IjoiX0tjeUxqOXZXTXB0bm1LdG00NkdxRHo4d2Y3NEk1TEtncmwyR3pIM25TRSJ9"
    )
    (key,) = genesis_keys(did)
    assert key.to_jwk()["x"] == "acbIQiuMs3i8_uszEjJ2tpTtRM4EU3yz91PH6CdH2V0"


@pytest.mark.parametrize(
    "did",
    [
        "did:key:",
        "did:key:z",
        "did:key:f1234",
        "did:key:z0OIl",
        "did:key:z" + "z" * 2000,
        "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp#1",
        "did:jwk:",
        "did:jwk:e30",
        "did:jwk:W10",
        "did:jwk:!!!!",
    ],
)
def test_a_name_with_a_bad_key_is_refused(did: str):
    with pytest.raises(Malformed):
        genesis_keys(did)


def test_a_key_of_low_order_cannot_be_a_name():
    identity = "did:key:z" + base58.encode(b"\xed\x01\x01" + bytes(31))
    with pytest.raises(Malformed) as problem:
        genesis_keys(identity)
    assert problem.value.code == "key.weak"


def test_a_web_name_is_never_looked_up(monkeypatch: pytest.MonkeyPatch):
    def asked(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", asked)
    monkeypatch.setattr(socket, "getaddrinfo", asked)
    for name in ("did:web:acme.example", "https://acme.example/", "did:example:1"):
        with pytest.raises(Absent) as problem:
            genesis_keys(name)
        assert problem.value.code == "identity.not-pinned"
        pinned = pinned_keys([key.to_jwk() for key in KEYS])
        assert genesis_keys(name, {name: pinned}) == tuple(KEYS)


def test_pins_add_to_the_key_in_the_name():
    name = did_key(KEYS[0])
    assert genesis_keys(name, {name: [KEYS[0], KEYS[1]]}) == tuple(KEYS)


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:w3c.example", "https://w3c.example/.well-known/did.json"),
        ("did:web:w3c.example:user:alice", "https://w3c.example/user/alice/did.json"),
        ("did:web:w3c.example%3A3000:user", "https://w3c.example:3000/user/did.json"),
    ],
)
def test_where_a_person_finds_the_document_of_a_web_name(did: str, url: str):
    assert did_web_url(did) == url


@given(st.binary(max_size=60))
def test_base58_goes_there_and_back(data: bytes):
    assert base58.decode(base58.encode(data)) == data


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_no_name_makes_the_reader_fail_in_its_own_way(text: str):
    for name in (text, "did:key:" + text, "did:key:z" + text, "did:jwk:" + text, "did:web:" + text):
        for read in (genesis_keys, did_web_url):
            try:
                read(name)
            except Problem:
                continue


def _registered(status: Status, index: int, handle=P256) -> Registered:
    data = sign_statement(
        UNIT, handle, issuer=ISSUER, subject=ISSUER, payload=encode_payload(status),
        media_type="application/vnd.kizuna.status+json", issued_at=1_790_000_000,
    )  # fmt: skip
    return Registered(
        statement=checked(parse_sign1(data), UNIT.public(handle)),
        origin="log.example",
        index=index,
        registered=Interval(1_790_000_000 + index, 1_790_000_000 + index),
    )


def test_registered_statements_drive_the_history():
    new = UNIT.public(NEXT)
    history = KeyHistory.of(ISSUER, genesis_keys(ISSUER))
    rotate = _registered(
        Status(
            action=Action.ROTATE,
            target=Target(key=KEYS[0].thumbprint.hex()),
            key=new.to_jwk(),
        ),
        5,
    )
    event = key_event(rotate)
    assert event is not None
    history = history.apply(event)
    assert history.current(6) == (new,)
    compromise = _registered(
        Status(
            action=Action.COMPROMISE,
            target=Target(key=KEYS[0].thumbprint.hex()),
            since=datetime.fromtimestamp(1_790_000_003, UTC),
        ),
        9,
        NEXT,
    )
    event = key_event(compromise)
    assert event is not None
    history = history.apply(event)
    # the rotation itself was signed after the compromise: the key that it brought is void
    late = Interval(1_790_000_007, 1_790_000_007)
    assert history.standing(new.thumbprint, 7, late) is KeyStanding.COMPROMISED


def test_a_statement_that_is_no_key_event_is_none():
    row = _registered(Status(action=Action.REVOKE, target=Target(statement="00" * 32)), 1)
    assert key_event(row) is None
    withdraw = _registered(Status(action=Action.WITHDRAW, target=Target(statement="00" * 32)), 1)
    event = key_event(withdraw)
    assert event is not None
    history = KeyHistory.of(ISSUER, KEYS)
    assert history.apply(event) is history


@pytest.mark.parametrize(
    "status",
    [
        Status(action=Action.ENROL, target=Target(key="00" * 32)),
        Status(action=Action.ENROL, target=Target(key="00" * 32), key=KEYS[1].to_jwk()),
        Status(
            action=Action.ROTATE,
            target=Target(key=KEYS[1].thumbprint.hex()),
            key=KEYS[1].to_jwk(),
        ),
        Status(action=Action.REVOKE, target=Target(key="00" * 32), key=KEYS[1].to_jwk()),
        Status(action=Action.ERASE, target=Target(key="00" * 32)),
        Status(
            action=Action.ENROL,
            target=Target(key=KEYS[1].thumbprint.hex()),
            key={**KEYS[1].to_jwk(), "d": "AAAA"},
        ),
    ],
)
def test_an_event_that_contradicts_itself_is_refused(status: Status):
    with pytest.raises(Malformed) as problem:
        key_event(_registered(status, 1))
    assert problem.value.code in ("key.event", "key.private")
