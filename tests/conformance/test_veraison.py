# SPDX-License-Identifier: Apache-2.0
"""Veraison's end-to-end cases for PSA: its claims and endorsements give its published results.

Its results know no fourth answer: what cannot be verified is written as contraindicated with 99
everywhere. That is our *strict* result. The appraisal itself keeps "could not verify" apart.
"""

import json
from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kizuna.proof.attestation.appraisal import AppraisalCode, Status
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.corim import make_corim, open_corim, sign_corim
from kizuna.proof.attestation.ear import jwt_claims, read_jwt_claims
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Endorsed, Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.psa import Psa
from kizuna.roots import base64url
from kizuna.roots.cose import encode, read_sign1
from kizuna.roots.cose.cbor import bytes_of
from kizuna.roots.cose.message import sig_structure
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey
from kizuna.roots.units import EphemeralUnit

NOW = 1_700_000_000
PROFILE = "tag:arm.com,2025:psa#1.0.0"
LABELS = {
    "eat-profile": 265,
    "psa-nonce": 10,
    "psa-instance-id": 256,
    "psa-client-id": 2394,
    "psa-security-lifecycle": 2395,
    "psa-implementation-id": 2396,
    "psa-boot-seed": 2397,
    "psa-software-components": 2399,
    "psa-verification-service-indicator": 2400,
}
PARTS = {"measurement-type": 1, "measurement-value": 2, "version": 4, "signer-id": 5}
BINARY = {
    "psa-nonce",
    "psa-instance-id",
    "psa-implementation-id",
    "psa-boot-seed",
    "measurement-value",
    "signer-id",
}


@pytest.fixture
def data(shared):
    folder = shared / "vectors/veraison/integration-tests/data"
    assert folder.is_dir()
    return folder


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def private(path):
    jwk = read(path)
    scalar = int.from_bytes(base64url.decode(jwk["d"]), "big")
    return PrivateKey(ec.derive_private_key(scalar, ec.SECP256R1()))


def token_of(data, case, key):
    def held(name, value):
        if isinstance(value, list) and name in BINARY:
            return [b64decode(one) for one in value]
        return b64decode(value) if name in BINARY else value

    claims = {}
    for name, value in read(data / "claims" / f"{case}.json").items():
        if name == "psa-software-components":
            claims[LABELS[name]] = [
                {PARTS[part]: held(part, v) for part, v in one.items()} for one in value
            ]
        else:
            claims[LABELS[name]] = held(name, value)
    payload, header = encode(claims), encode({1: -7})
    signature = key.sign(sig_structure(header, payload))
    return b"".join(
        (b"\xd2\x84", bytes_of(header), b"\xa0", bytes_of(payload), bytes_of(signature))
    )


def endorsements(data):
    """Veraison's templates as a signed CoRIM, taken in the way that ours are."""
    values = read(data / "endorsements/comid-psa-refval.json")["triples"]["reference-values"][0]
    anchor = read(data / "endorsements/comid-psa-ta.json")["triples"]
    anchor = anchor["attester-verification-keys"][0]
    model = b64decode(values["environment"]["class"]["id"]["value"]).hex()
    unit = EphemeralUnit(b"maker")
    handle = unit.generate(Algorithm.ES256, "maker")
    content = make_corim(
        "psa-full",
        maker="ACME Ltd.",
        profile=None,
        values=[
            Reference(
                model=model,
                component="",
                digest_alg="sha-256",
                digest=base64url.decode(one["value"]["digests"][0][1]),
                version=one["value"]["version"]["value"],
                signer=b64decode(one["value"]["cryptokeys"][0]["value"]),
            )
            for one in values["measurements"]
        ],
        keys=[
            Endorsed(
                model=model,
                identity=b64decode(anchor["environment"]["instance"]["value"]),
                key=PublicKey.from_pem(anchor["verification-keys"][0]["value"].encode()),
            )
        ],
    )
    references = References()
    signed = sign_corim(unit, handle, content, signer="ACME Ltd.")
    open_corim(signed, keys=[unit.public(handle)], now=NOW).feed(references)
    return references


CASES = [
    ("good", "psa.good", "ec.p256", None, "affirming", None),
    ("badcrypto", "psa.good", "ec.p256.alt", None, "contraindicated", "signature-wrong"),
    ("badinstance", "psa.badinstance", "ec.p256", None, "none", "key-unknown"),
    ("badswcomp", "psa.badswcomp", "ec.p256", None, "warning", "firmware-unlisted"),
    ("freshness-fail", "psa.good", "ec.p256", bytes(32), "none", "nonce-differs"),
    ("noident", "psa.missingclaims", "ec.p256", None, "none", "claims-invalid"),
]


@pytest.mark.parametrize(("case", "claims", "key", "nonce", "status", "code"), CASES)
def test_the_result_is_the_published_one(data, case, claims, key, nonce, status, code):
    token = token_of(data, claims, private(data / f"keys/{key}.jwk"))
    fresh = Freshness(now=NOW, nonce=nonce)
    appraiser = Appraiser(endorsements(data), SCHEMES)
    answer = appraiser.appraise(Task(token, "psa", fresh, Enrolled(scheme="psa")))
    assert answer.status is Status(status)
    found = [finding.code for finding in answer.findings]
    assert found[:1] == ([AppraisalCode(f"attestation.{code}")] if code else [])
    published = read(data / f"results/psa.{case}.json")["PSA_IOT"]
    told = jwt_claims(answer, version="0", name="PSA_IOT", strict=True)["submods"]["PSA_IOT"]
    assert told["ear_status"] == published["ear.status"]
    assert told["ear_trustworthiness_vector"] == published["ear.trustworthiness-vector"]
    annotated = published.get("ear.veraison.annotated-evidence", {})
    for name, value in annotated.items():
        if name != "psa-software-components":
            shown = answer.claims[name]
            assert shown == (b64decode(value) if name in BINARY else value)
    assert len(answer.measurements) == len(annotated.get("psa-software-components", [])) or code


def test_more_than_one_nonce_is_refused_as_it_is_there(data):
    token = token_of(data, "psa.multinonce", private(data / "keys/ec.p256.jwk"))
    answer = Appraiser(endorsements(data), SCHEMES).appraise(
        Task(token, "psa", Freshness(now=NOW), Enrolled(scheme="psa"))
    )
    assert [finding.code for finding in answer.findings] == [AppraisalCode.CLAIMS_INVALID]


@pytest.mark.parametrize("path", ["psa.good.json", "psa.badswcomp.json", "psa.badcrypto.json"])
def test_their_results_can_be_read(data, path):
    (ear,) = read_jwt_claims(read(data / "results" / path))
    assert ear.name == "PSA_IOT"
    assert ear.status is ear.vector.status


def test_the_scheme_s_own_token_is_affirmed_by_the_scheme_s_own_corim(shared):
    folder = shared / "vectors/veraison/scheme/psa-iot/test"
    content = (folder / "corim/corim-psa-valid.cbor").read_bytes()
    unit = EphemeralUnit(b"maker")
    handle = unit.generate(Algorithm.ES256, "maker")
    references = References()
    signed = sign_corim(unit, handle, content, signer="ACME Ltd.")
    open_corim(signed, keys=[unit.public(handle)], now=NOW).feed(references)
    answer = Appraiser(references, SCHEMES).appraise(
        Task(
            (folder / "token/psa.good.cose").read_bytes(),
            "psa",
            Freshness(now=NOW),
            Enrolled(scheme="psa"),
        )
    )
    assert answer.status is Status.AFFIRMING


@pytest.mark.parametrize("name", ["psa-token.cbor", "psaintegtoken.cbor"])
def test_their_other_tokens_are_read(shared, name):
    data = (shared / "vectors/veraison/scheme/psa-iot/test" / name).read_bytes()
    assert read_sign1(data).payload
    reading = Psa().read(data)
    assert not reading.faults
    assert reading.measurements
