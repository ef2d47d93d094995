# SPDX-License-Identifier: Apache-2.0
"""Tokens made here are read by an independent implementation, the ``cwt`` package.

It wants an older CBOR library than ours, so it lives in an environment of its own, made once.
"""

import json
import subprocess

import pytest

from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.ear import PROFILE as EAR
from kizuna.proof.attestation.ear import sign_ear, sign_jwt
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.hmac import PROFILE, make_token, tiny_claims
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

WANTED = "cwt==3.3.0"
SCRIPT = """
import json, sys
from cwt import COSE, COSEKey
import cbor2
told = []
for case in json.load(sys.stdin):
    if case["secret"]:
        key = COSEKey.from_symmetric_key(bytes.fromhex(case["secret"]), alg="HS256")
    else:
        key = COSEKey.from_pem(case["pem"], alg="ES256", kid=bytes.fromhex(case["kid"]))
    try:
        payload = COSE.new().decode(bytes.fromhex(case["token"]), key)
        told.append({"profile": cbor2.loads(payload)[265]})
    except Exception as fault:
        told.append({"fault": type(fault).__name__})
print(json.dumps(told))
"""


@pytest.fixture(scope="session")
def oracle(interpreter_with):
    python = interpreter_with(WANTED)

    def ask(cases):
        done = subprocess.run(
            [str(python), "-c", SCRIPT],
            input=json.dumps(cases),
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        )
        return json.loads(done.stdout)

    return ask


def changed(token):
    return token[:-1] + bytes([token[-1] ^ 1])


def test_an_independent_reader_agrees_on_every_token_made_here(oracle):
    key = SharedKey(b"\x0b" * 32)
    claims = tiny_claims(
        identity=b"\x01" + bytes(16), boot=1, sequence=2, measurements={"fw": bytes(32)}
    )
    unit = EphemeralUnit(b"device")
    handle = unit.generate(Algorithm.ES256, "device")
    tiny, signed = make_token(key, claims), sign1(unit, handle, {}, encode(claims))
    references = References()
    references.add(
        Reference(model="m", component="fw", digest_alg="sha-256", digest=bytes(32), signed=True)
    )
    fresh = Freshness(now=1_760_000_000)
    enrolled = Enrolled(scheme="hmac", key=key, reference="m")
    appraisal = Appraiser(references, SCHEMES).appraise(Task(tiny, "hmac", fresh, enrolled))
    result = sign_ear(unit, handle, appraisal, version="1")
    pem = unit.public(handle).to_pem().decode()
    named = unit.public(handle).thumbprint.hex()
    cases = [
        {"token": token.hex(), "secret": secret, "pem": pem, "kid": kid}
        for token, secret, kid in (
            (tiny, key.secret.hex(), ""),
            (signed, "", ""),
            (result, "", named),
            (changed(tiny), key.secret.hex(), ""),
            (changed(signed), "", ""),
            (changed(result), "", named),
        )
    ]
    assert oracle(cases) == [
        {"profile": PROFILE},
        {"profile": PROFILE},
        {"profile": EAR},
        *[{"fault": "VerifyError"}] * 3,
    ]


JWT = """
import json, sys
import jwt
told = []
for case in json.load(sys.stdin):
    try:
        claims = jwt.decode(
            case["token"], case["pem"], algorithms=["ES256"], options={"verify_aud": False}
        )
        (result,) = claims["submods"].values()
        told.append(
            [claims["eat_profile"], result["ear_status"], result["ear_trustworthiness_vector"]]
        )
    except Exception as fault:
        told.append([type(fault).__name__])
print(json.dumps(told))
"""


def test_an_independent_reader_agrees_on_results_as_jwt(interpreter_with):
    unit = EphemeralUnit(b"verifier")
    handle = unit.generate(Algorithm.ES256, "verifier")
    pem = unit.public(handle).to_pem().decode()
    key = SharedKey(b"\x0b" * 32)
    references = References()
    references.add(
        Reference(model="m", component="fw", digest_alg="sha-256", digest=bytes(32), signed=True)
    )
    references.close("m")
    enrolled = Enrolled(scheme="hmac", key=key, reference="m")
    tokens = []
    for digest in (bytes(32), b"x" * 32):
        claims = tiny_claims(
            identity=b"\x01" + bytes(16), boot=1, sequence=2, measurements={"fw": digest}
        )
        task = Task(make_token(key, claims), "hmac", Freshness(now=1_760_000_000), enrolled)
        appraisal = Appraiser(references, SCHEMES).appraise(task)
        tokens.append(sign_jwt(unit, handle, appraisal, version="1").decode())
    head, body, tail = tokens[0].split(".")
    tokens.append(f"{head}.{body[:-1]}{'A' if body[-1] != 'A' else 'B'}.{tail}")

    done = subprocess.run(
        [str(interpreter_with("pyjwt[crypto]==2.10.1")), "-c", JWT],
        input=json.dumps([{"token": token, "pem": pem} for token in tokens]),
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )

    good, bad, changed_one = json.loads(done.stdout)
    assert good[:2] == [EAR, "affirming"]
    assert bad[:2] == [EAR, "contraindicated"]
    assert (good[2]["executables"], bad[2]["executables"]) == (2, 96)
    assert len(good[2]) == len(bad[2]) == 8
    assert changed_one == ["InvalidSignatureError"]
