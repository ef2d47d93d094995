# SPDX-License-Identifier: Apache-2.0
"""Keys from files are called what the file calls them, and are nobody's by that."""

import json

import pytest

from kizuna.app.wiring.inner_keys import handed_in
from kizuna.proof.documents import SignatureResult, read
from kizuna.roots.jws import sign_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.ephemeral import EphemeralUnit

VICTIM = "did:web:victim.example"


@pytest.fixture
def signer():
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "vc")
    return unit, handle


@pytest.mark.parametrize(
    "kid", [VICTIM, f"{VICTIM}#k", VICTIM.upper(), "https://victim.example#k", "urn:x:victim"]
)
def test_a_key_set_of_one_issuer_verifies_no_credential_of_another(signer, kid):
    unit, handle = signer
    jwk = {**unit.public(handle).to_jwk(), "kid": kid}
    keys = handed_in([("keys.json", json.dumps({"keys": [jwk]}).encode())])
    assert kid not in keys
    issuer = kid.partition("#")[0].lower()
    body = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": "pkg:generic/fuji/pump@4.2", "star": 1},
    }
    token = sign_jws(unit, handle, json.dumps(body).encode(), {"typ": "vc+jwt"})
    (signature,) = read(token, "x.jwt", keys=keys).inner_signatures
    assert signature.result is SignatureResult.UNVERIFIED


def test_a_key_keeps_the_plain_name_that_its_file_gives(signer):
    unit, handle = signer
    jwk = {**unit.public(handle).to_jwk(), "kid": "release-2026"}
    keys = handed_in([("key.json", json.dumps(jwk).encode())])
    assert keys["release-2026"] == keys[handle.id] == unit.public(handle)
