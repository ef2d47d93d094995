# SPDX-License-Identifier: Apache-2.0
"""Signatures inside documents: made here with real keys, then broken."""

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kizuna.proof.documents import SignatureResult, read, read_all
from kizuna.roots.keys import PublicKey

KEY = ec.derive_private_key(0x1234567, ec.SECP256R1())
PUBLIC = PublicKey.from_loaded(KEY.public_key())
OTHER = PublicKey.from_loaded(Ed25519PrivateKey.from_private_bytes(b"\x07" * 32).public_key())


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def es256(message: bytes) -> bytes:
    r, s = decode_dss_signature(KEY.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signed(holder: dict[str, Any], **members: object) -> dict[str, Any]:
    core = {"algorithm": "ES256", **members}
    left_out = set(core.get("excludes", ()))  # type: ignore[call-overload]
    shown = {k: v for k, v in holder.items() if k not in left_out}
    value = b64url(es256(rfc8785.dumps({**shown, "signature": core})))
    return {**holder, "signature": {**core, "value": value}}


def bom(**members: object) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [{"type": "library", "name": "a", "purl": "pkg:npm/a@1"}],
        **members,
    }


def results(document: dict[str, Any], **keys: PublicKey) -> list[tuple[str, str, str]]:
    imported = read(json.dumps(document).encode(), keys=keys)
    return [(s.where, s.result.value, s.key_from) for s in imported.inner_signatures]


def test_a_signature_with_its_key_beside_it_shows_that_nothing_was_changed():
    document = signed(bom(), publicKey=PUBLIC.to_jwk())
    assert results(document) == [("/signature", "valid", "document")]
    (judged,) = read(json.dumps(document).encode()).inner_signatures
    assert judged.thumbprint == PUBLIC.thumbprint.hex()
    document["components"][0]["purl"] = "pkg:npm/a@2"
    assert results(document) == [("/signature", "wrong", "document")]


def test_a_changed_document_still_imports_and_says_so():
    document = signed(bom(), publicKey=PUBLIC.to_jwk())
    document["version"] = 2
    imported = read(json.dumps(document).encode())
    assert imported.root is not None
    about = next(d for d in imported.statements if b'"type":"bom"' in d.payload)
    assert json.loads(about.payload)["claims"]["signatures_wrong"] == 1


def test_a_key_at_hand_is_found_by_its_id():
    document = signed(bom(), keyId="k1")
    assert results(document) == [("/signature", "unverified", "")]
    assert results(document, k1=PUBLIC) == [("/signature", "valid", "caller")]
    assert results(document, k1=OTHER) == [("/signature", "wrong", "caller")]


def test_signatures_are_judged_before_unknown_members_are_taken_out():
    document = signed(bom(**{"x-own": 1}), publicKey=PUBLIC.to_jwk())
    assert results(document) == [("/signature", "valid", "document")]


def test_a_component_is_signed_for_itself():
    document = bom()
    document["components"] = [signed(document["components"][0], publicKey=PUBLIC.to_jwk())]
    document["version"] = 7
    assert results(document) == [("/components/0/signature", "valid", "document")]


def test_several_signers_are_judged_one_by_one():
    core = {"algorithm": "ES256", "publicKey": PUBLIC.to_jwk()}
    value = b64url(es256(rfc8785.dumps({**bom(), "signature": {"signers": [core]}})))
    wrong = b64url(b"\x01" * 64)
    document = bom(signature={"signers": [{**core, "value": value}, {**core, "value": wrong}]})
    assert [result for _, result, _ in results(document)] == ["valid", "wrong"]


def test_a_chain_signs_what_went_before():
    core = {"algorithm": "ES256", "publicKey": PUBLIC.to_jwk()}
    first = {
        **core,
        "value": b64url(es256(rfc8785.dumps({**bom(), "signature": {"chain": [core]}}))),
    }
    message = rfc8785.dumps({**bom(), "signature": {"chain": [first, core]}})
    second = {**core, "value": b64url(es256(message))}
    document = bom(signature={"chain": [first, second]})
    assert [result for _, result, _ in results(document)] == ["valid", "valid"]
    document["signature"]["chain"][0]["value"] = b64url(b"\x01" * 64)
    assert [result for _, result, _ in results(document)] == ["wrong", "wrong"]


def test_a_signature_that_leaves_members_out_says_so():
    document = signed(bom(), publicKey=PUBLIC.to_jwk(), excludes=["version"])
    (judged,) = read(json.dumps(document).encode()).inner_signatures
    assert (judged.result, judged.reason) == (SignatureResult.VALID, "excludes-members")


def test_the_key_of_a_certificate_is_found_and_its_path_not_trusted():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Acme")])
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    path = [b64url(certificate.public_bytes(Encoding.DER))]
    document = signed(bom(), certificatePath=path)
    assert results(document) == [("/signature", "valid", "document")]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"algorithm": "HS256"}, "algorithm"),
        ({"algorithm": "RS256"}, "algorithm"),
        ({"value": "not base64url!"}, "encoding"),
        ({"certificatePath": ["AAAA"]}, "key-unusable"),
        ({"certificatePath": ["MIIB..."]}, "key-unusable"),
        ({"publicKey": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, "key-unusable"),
        ({}, "no-key"),
    ],
)
def test_what_cannot_be_checked_stays_unverified_with_its_reason(
    members: dict[str, Any], reason: str
):
    core = {"algorithm": "ES256", "value": b64url(b"\x01" * 64), **members}
    (judged,) = read(json.dumps(bom(signature=core)).encode()).inner_signatures
    assert (judged.result, judged.reason) == (SignatureResult.UNVERIFIED, reason)


def dsse(payload: bytes, kind: str = "application/vnd.in-toto+json") -> dict[str, Any]:
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"keyid": "k1", "sig": base64.b64encode(es256(message)).decode()}],
    }


STATEMENT = json.dumps(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "a", "digest": {"sha256": "ab" * 32}}],
        "predicateType": "https://example.com/p/v1",
        "predicate": {"ok": True},
    }
).encode()


def test_an_envelope_is_judged_with_the_key_at_hand():
    envelope = dsse(STATEMENT)
    assert results(envelope) == [("/signatures/0", "unverified", "")]
    assert results(envelope, k1=PUBLIC) == [("/signatures/0", "valid", "caller")]
    envelope["payload"] = base64.b64encode(STATEMENT.replace(b"true", b"false")).decode()
    assert results(envelope, k1=PUBLIC) == [("/signatures/0", "wrong", "caller")]


def test_a_signature_in_der_is_read_as_the_tools_of_the_field_write_it():
    kind = b"application/vnd.in-toto+json"
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(STATEMENT), STATEMENT)
    envelope = dsse(STATEMENT)
    der = KEY.sign(message, ec.ECDSA(hashes.SHA256()))
    envelope["signatures"][0]["sig"] = base64.b64encode(der).decode()
    assert results(envelope, k1=PUBLIC) == [("/signatures/0", "valid", "caller")]


def test_a_key_id_is_a_hint_only():
    """Keys handed in are tried where it names none; that none of them fits says nothing."""
    other = PublicKey.from_loaded(ec.generate_private_key(ec.SECP256R1()).public_key())
    envelope = dsse(STATEMENT)
    assert results(envelope, some=other, mine=PUBLIC) == [("/signatures/0", "valid", "caller")]
    assert results(envelope, some=other) == [("/signatures/0", "unverified", "")]
    assert results(envelope, k1=other, mine=PUBLIC) == [("/signatures/0", "wrong", "caller")]


def test_whose_key_it_is_is_said_where_the_caller_knows():
    whose = {"did:web:ci.example": PUBLIC, f"did:web:ci.example#{PUBLIC.thumbprint.hex()}": PUBLIC}
    (judged,) = read(json.dumps(dsse(STATEMENT)).encode(), keys=whose).inner_signatures
    assert (judged.result, judged.identity) == (SignatureResult.VALID, "did:web:ci.example")
    (judged,) = read(json.dumps(dsse(STATEMENT)).encode(), keys={"k1": PUBLIC}).inner_signatures
    assert (judged.result, judged.identity) == (SignatureResult.VALID, "")


def test_a_bill_inside_an_envelope_is_read_as_a_bill():
    envelope = dsse(json.dumps(bom()).encode(), "application/vnd.cyclonedx+json")
    imported = read(json.dumps(envelope).encode(), keys={"k1": PUBLIC})
    assert imported.format == "CycloneDX 1.6"
    assert [s.result for s in imported.inner_signatures] == [SignatureResult.VALID]
    assert imported.document == json.dumps(envelope).encode()


@pytest.mark.vectors
@pytest.mark.parametrize("folder", ["demo_files", "demo_dsse_files"])
def test_published_links_hold_under_the_keys_of_their_layout(shared: Path, folder: str):
    place = shared / "vectors/in-toto" / folder
    files = [
        (f.name, f.read_bytes()) for f in sorted([*place.glob("*.link"), *place.glob("demo*")])
    ]
    *_, layout = sorted(read_all(files), key=lambda i: "layout" in i.format)
    assert len(layout.keys) == 2
    judged = [s for i in read_all(files) for s in i.inner_signatures]
    assert [(s.result, s.key_from) for s in judged] == [(SignatureResult.VALID, "neighbour")] * 2


@pytest.mark.vectors
@pytest.mark.parametrize("folder", ["demo_files", "demo_dsse_files"])
def test_published_links_do_not_hold_once_changed(shared: Path, folder: str):
    place = shared / "vectors/in-toto" / folder
    layout = (place / "demo.layout.template").read_bytes()
    for file in place.glob("*.link"):
        document = json.loads(file.read_bytes())
        if folder == "demo_files":
            document["signed"]["command"] = ["rm"]
        else:
            inner = json.loads(base64.b64decode(document["payload"]))
            inner["command"] = ["rm"]
            document["payload"] = base64.b64encode(json.dumps(inner).encode()).decode()
        _, link = read_all([("l", layout), (file.name, json.dumps(document).encode())])
        assert [s.result for s in link.inner_signatures] == [SignatureResult.WRONG]


@pytest.mark.vectors
@pytest.mark.parametrize("version", ["1.5", "1.6", "1.7"])
def test_published_signatures_are_judged_as_they_are(shared: Path, version: str):
    """Whoever raised the version of these documents did not sign the whole again: with the version
    it was signed under, the signature of the whole holds too.
    """
    file = shared / f"vectors/cyclonedx/{version}/valid-signatures-{version}.json"
    document = json.loads(file.read_bytes())
    assert results(document) == [
        ("/components/0/signature", "valid", "document"),
        ("/compositions/0/signature", "valid", "document"),
        ("/services/0/signature", "valid", "document"),
        ("/signature", "wrong", "document"),
    ]
    document["specVersion"] = "1.4"
    document.pop("$schema", None)
    assert {result for _, result, _ in results(document)} == {"valid"}
