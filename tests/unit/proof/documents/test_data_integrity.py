# SPDX-License-Identifier: Apache-2.0
"""Data-integrity proofs over canonical JSON: judged; over RDF: not verified, which is not wrong."""

import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from kizuna.proof.documents import SignatureResult, read, read_all
from kizuna.proof.documents.data_integrity import proof_message
from kizuna.roots.identity import base58, did_key, genesis_keys
from kizuna.roots.keys import Algorithm, PublicKey, verify
from kizuna.roots.units.ephemeral import EphemeralUnit

PUMP = "pkg:generic/fuji/pump@4.2"
CONTEXT = ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"]
SUITES = [
    ("eddsa-jcs-2022", Algorithm.EDDSA),
    ("ecdsa-jcs-2019", Algorithm.ES256),
    ("ecdsa-jcs-2019", Algorithm.ES384),
]

# the published example of eddsa-jcs-2022 (W3C vc-di-eddsa, section B.3)
EXAMPLE = {
    "@context": CONTEXT,
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
EXAMPLE_KEY = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
EXAMPLE_PROOF = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-jcs-2022",
    "created": "2023-02-24T23:36:38Z",
    "verificationMethod": f"{EXAMPLE_KEY}#{EXAMPLE_KEY.removeprefix('did:key:')}",
    "proofPurpose": "assertionMethod",
    "@context": CONTEXT,
    "proofValue": "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHX"
    "QzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX",
}
EXAMPLE_MESSAGE = (
    "66ab154f5c2890a140cb8388a22a160454f80575f6eae09e5a097cabe539a1db"
    "59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19"
)


class Issuer:
    def __init__(self, algorithm=Algorithm.EDDSA) -> None:
        if algorithm is Algorithm.ES384:  # read here, never made
            self.private = ec.generate_private_key(ec.SECP384R1())
            self.key = PublicKey.from_spki(
                self.private.public_key().public_bytes(
                    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
        else:
            self.unit = EphemeralUnit()
            self.handle = self.unit.generate(algorithm, "vc")
            self.key = self.unit.public(self.handle)
        self.id = did_key(self.key)

    def sign(self, message):
        if self.key.algorithm is not Algorithm.ES384:
            return self.unit.sign(self.handle, message)
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA384())))
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")

    def signed(self, suite, *, method=None, change=None, document=None, **more):
        body = document or credential(self.id)
        proof = {
            "type": "DataIntegrityProof",
            "cryptosuite": suite,
            "created": "2026-02-24T23:36:38Z",
            "verificationMethod": method or f"{self.id}#{self.id.removeprefix('did:key:')}",
            "proofPurpose": "assertionMethod",
            **more,
        }
        message = proof_message(body, proof, self.key.algorithm)
        value = "z" + base58.encode(self.sign(message or b""))
        return {**body, **(change or {}), "proof": {**proof, "proofValue": value}}


def credential(issuer, **more):
    return {
        "@context": CONTEXT,
        "type": ["VerifiableCredential", "SecurityLabel"],
        "issuer": issuer,
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": PUMP, "star": 1, "word": "絆"},
        **more,
    }


def judged(body, **more):
    (signature,) = read(json.dumps(body).encode(), "x.json", **more).inner_signatures
    return signature


def test_the_published_example_is_what_it_says():
    message = proof_message(EXAMPLE, EXAMPLE_PROOF, Algorithm.EDDSA)
    assert message.hex() == EXAMPLE_MESSAGE
    (key,) = genesis_keys(EXAMPLE_KEY)
    assert verify(key, base58.decode(EXAMPLE_PROOF["proofValue"][1:]), message)
    body = {**EXAMPLE, "proof": EXAMPLE_PROOF}
    assert judged(body, keys={EXAMPLE["issuer"]: key}).reason == "other-signer"


@pytest.mark.parametrize(("suite", "algorithm"), SUITES)
def test_a_proof_by_the_issuer_holds(suite, algorithm):
    issuer = Issuer(algorithm)
    signature = judged(issuer.signed(suite))
    assert (signature.form, signature.result) == ("data-integrity", SignatureResult.VALID)
    assert signature.thumbprint == issuer.key.thumbprint.hex()


@pytest.mark.parametrize(("suite", "algorithm"), SUITES)
def test_whatever_is_changed_makes_it_wrong(suite, algorithm):
    issuer = Issuer(algorithm)
    whole = issuer.signed(suite)
    changed = [
        {**whole, "validUntil": "2099-01-01T00:00:00Z"},
        {**whole, "credentialSubject": {**whole["credentialSubject"], "star": 4}},
        {**whole, "proof": {**whole["proof"], "created": "2026-03-01T00:00:00Z"}},
        {**whole, "proof": {**whole["proof"], "expires": "2099-01-01T00:00:00Z"}},
    ]
    for body in changed:
        assert judged(body).result is SignatureResult.WRONG


def test_a_proof_by_somebody_else_is_wrong():
    issuer, stranger = Issuer(), Issuer()
    body = stranger.signed("eddsa-jcs-2022", document=credential(issuer.id))
    assert judged(body).reason == "other-signer"
    body = stranger.signed("eddsa-jcs-2022", document=credential(issuer.id), method="#key-1")
    assert judged(body).result is SignatureResult.WRONG


def test_another_purpose_or_another_suite_than_the_key_s_is_wrong():
    issuer = Issuer()
    assert judged(issuer.signed("eddsa-jcs-2022", proofPurpose="authentication")).reason == (
        "purpose"
    )
    assert judged(issuer.signed("ecdsa-jcs-2019")).reason == "algorithm-of-key"


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "soon"])
def test_a_proof_that_ends_one_day_is_not_called_valid(until):
    signature = judged(Issuer().signed("eddsa-jcs-2022", expires=until))
    assert (signature.result, signature.reason) == (SignatureResult.UNVERIFIED, "expires")


def test_contexts_that_contradict_each_other_are_wrong():
    issuer = Issuer()
    whole = issuer.signed("eddsa-jcs-2022", **{"@context": CONTEXT})
    assert judged(whole).result is SignatureResult.VALID
    # one more context after those that were signed is allowed by the suite; another first is not
    assert judged({**whole, "@context": [*CONTEXT, "https://x.example/v1"]}).result is (
        SignatureResult.VALID
    )
    other = {**whole, "@context": [CONTEXT[0], "https://x.example/v1"]}
    assert judged(other).reason == "context"


@pytest.mark.parametrize(
    "suite", ["eddsa-rdfc-2022", "ecdsa-rdfc-2019", "ecdsa-sd-2023", "bbs-2023", "x", None]
)
def test_what_needs_rdf_or_is_unknown_could_not_be_verified(suite):
    whole = Issuer().signed("eddsa-jcs-2022")
    whole["proof"]["cryptosuite"] = suite
    assert judged(whole).result is SignatureResult.UNVERIFIED


def test_a_did_web_issuer_needs_its_key_handed_in():
    issuer = Issuer()
    name = "did:web:issuer.example"
    body = issuer.signed("eddsa-jcs-2022", document=credential(name), method=f"{name}#k")
    assert (judged(body).result, judged(body).reason) == (SignatureResult.UNVERIFIED, "no-key")
    assert judged(body, keys={name: issuer.key}).result is SignatureResult.VALID
    assert judged(body, keys={name: Issuer().key}).result is SignatureResult.WRONG


@pytest.mark.parametrize(
    "theirs",
    [
        "https://stranger.example/keys/1",
        "https://stranger.example#1",
        "key-1",
        "https://issuer.example.stranger.example#1",
        "https://issuer.example/stranger#1",
    ],
)
def test_a_key_handed_in_under_another_s_method_verifies_nothing_of_this_issuer(theirs):
    name, stranger = "https://issuer.example", Issuer()
    body = stranger.signed("eddsa-jcs-2022", document=credential(name), method=theirs)
    signature = judged(body, keys={theirs: stranger.key})
    assert (signature.result, signature.reason) == (SignatureResult.UNVERIFIED, "no-key")
    mine = Issuer()
    assert judged(body, keys={theirs: stranger.key, name: mine.key}).result is (
        SignatureResult.WRONG
    )


@pytest.mark.parametrize("method", ["https://issuer.example#1", "#1"])
def test_a_key_handed_in_under_the_issuer_s_own_method_verifies(method):
    name, issuer = "https://issuer.example", Issuer()
    body = issuer.signed("eddsa-jcs-2022", document=credential(name), method=method)
    assert judged(body, keys={f"{name}#1": issuer.key}).result is SignatureResult.VALID
    assert judged(body, keys={f"{name}#2": issuer.key}).reason == "no-key"


def test_a_document_beside_it_lends_no_issuer_a_key():
    name, stranger = "did:web:issuer.example", Issuer()
    body = stranger.signed("eddsa-jcs-2022", document=credential(name), method=f"{name}#k")
    raw = stranger.key.to_raw().hex()
    listed = {key: {"keyval": {"public": raw}} for key in (name, f"{name}#k")}
    layout = {"signed": {"_type": "layout", "steps": [], "keys": listed}, "signatures": []}
    files = [("x.json", json.dumps(body).encode()), ("l.json", json.dumps(layout).encode())]
    credential_read, layout_read = read_all(files)
    assert set(layout_read.keys) == set(listed)
    (signature,) = credential_read.inner_signatures
    assert (signature.result, signature.reason) == (SignatureResult.UNVERIFIED, "no-key")


def test_several_proofs_are_each_judged():
    issuer = Issuer()
    whole = issuer.signed("eddsa-jcs-2022")
    bad = {**whole["proof"], "created": "2020-01-01T00:00:00Z"}
    body = {**whole, "proof": [whole["proof"], bad]}
    results = [s.result for s in read(json.dumps(body).encode(), "x.json").inner_signatures]
    assert results == [SignatureResult.VALID, SignatureResult.WRONG]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@trials(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(
        ["type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue", "@context"]
    ),
    value=_JSON,
)
def test_no_proof_with_a_member_replaced_is_valid_or_breaks_the_reader(name, value):
    whole = _SIGNED
    if whole["proof"].get(name) == value:
        return
    body = {**whole, "proof": {**whole["proof"], name: value}}
    assert judged(body).result is not SignatureResult.VALID


_SIGNED = Issuer().signed("eddsa-jcs-2022")
