# SPDX-License-Identifier: Apache-2.0
"""Signatures inside documents: judged by the keys of those on lists, or by those handed in."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kizuna.roots.keys import PublicKey

KIND = "application/vnd.in-toto+json"
PUMP = "pkg:generic/fuji/pump@4.2"


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def envelope(tmp_path, key):
    """Provenance as a build service writes it: DSSE, ECDSA in DER, a key id of its own making."""
    statement = json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": PUMP, "digest": {"sha256": "ab" * 32}}],
            "predicateType": "https://example.com/p/v1",
            "predicate": {"ok": True},
        }
    ).encode()
    message = b"DSSEv1 %d %b %d %b" % (len(KIND), KIND.encode(), len(statement), statement)
    signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    told = {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": KIND,
        "signatures": [{"keyid": "ci", "sig": base64.b64encode(signature).decode()}],
    }
    (tmp_path / "provenance.json").write_text(json.dumps(told))
    return tmp_path / "provenance.json"


def judged(ran):
    assert ran.code == 0, ran.stderr
    (one,) = ran.json["signatures"]
    return one["result"], one.get("identity"), one.get("reason")


def test_a_key_of_a_list_says_whose_signature_it_is(store, envelope, key, tmp_path):
    assert judged(store("import", envelope, "--json")) == ("unverified", None, "no-key")
    jwk = PublicKey.from_loaded(key.public_key()).to_jwk()
    (tmp_path / "ci.jwk").write_text(json.dumps(jwk))
    store("list", "add", "did:web:ci.example", "--role", "assessor", "--key", tmp_path / "ci.jwk")
    assert judged(store("import", envelope, "--json")) == ("valid", "did:web:ci.example", None)
    told = store("import", envelope).stderr
    assert "signature /signatures/0: of did:web:ci.example" in told
    store("list", "withdraw", "did:web:ci.example", "--reason", "closed")
    assert judged(store("import", envelope, "--json")) == ("unverified", None, "no-key")


def test_a_key_may_be_handed_in_and_a_signature_that_does_not_fit_is_told(
    store, envelope, key, tmp_path
):
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ci.pem").write_bytes(pem)
    assert judged(store("import", envelope, "--key", tmp_path / "ci.pem", "--json"))[0] == "valid"
    jwk = PublicKey.from_loaded(key.public_key()).to_jwk() | {"kid": "ci"}
    (tmp_path / "set.jwks").write_text(json.dumps({"keys": [jwk]}))
    document = json.loads(envelope.read_text())
    body = base64.b64decode(document["payload"]).replace(b"true", b"false")
    envelope.write_text(json.dumps(document | {"payload": base64.b64encode(body).decode()}))
    ran = store("import", envelope, "--key", tmp_path / "set.jwks")
    assert ran.code == 0
    assert "signature /signatures/0: does not fit" in ran.stderr


def test_a_file_without_a_key_is_a_problem_and_nothing_is_imported(store, envelope):
    before = store("log", "checkpoint", "--json").json["size"]
    ran = store("import", envelope, "--key", envelope, "--json")
    assert (ran.code, ran.json["code"]) == (2, "key.not-read")
    assert store("log", "checkpoint", "--json").json["size"] == before


def test_what_one_organisation_wraps_another_reads_and_knows_whose_it_is(store, envelope, tmp_path):
    document = base64.b64decode(json.loads(envelope.read_text())["payload"])
    (tmp_path / "plain.json").write_bytes(document)
    other = tmp_path / "other"
    assert store("init", "--name", "Other", "--store", other, "-q").code == 0
    wrapped = tmp_path / "wrapped.json"
    made = store(
        "statement", "wrap", tmp_path / "plain.json", "--out", wrapped, "--store", other, "--json"
    )
    assert made.code == 0
    assert base64.b64decode(json.loads(wrapped.read_text())["payload"]) == document
    maker = json.loads((other / "kizuna.json").read_text())["organization"]
    store("list", "add", maker, "--role", "maker", "--scope", "pkg:generic/fuji", "-q")
    assert judged(store("import", wrapped, "--json")) == ("valid", maker, None)
    refused = store("statement", "wrap", wrapped, "--out", "-", "--type", "no type", "--json")
    assert (refused.code, refused.json["code"]) == (2, "document.media-type")
