# SPDX-License-Identifier: Apache-2.0
"""Published PSA tokens and claims: what their names call valid is read, what they call invalid not.

Sources: veraison/psatoken (claims in JSON and in diagnostic notation) and Trusted Firmware-M (whole
tokens, both forms, both old profiles, with their key).
"""

import ast
import json
import re
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.proof.attestation.appraisal import AppraisalCode, Status, Tier
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.psa import Psa
from kizuna.proof.attestation.schemes.psa.claims import PROFILES, faults_of, rules_of
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import EphemeralUnit

NOW = 1_760_000_000
FIRST, SECOND = "PSA_IOT_PROFILE_1", "http://arm.com/psa/2.0.0"
NEWEST = "tag:psacertified.org,2023:psa#tfm"

LABELS = {
    FIRST: {
        "psa-profile": -75000,
        "psa-client-id": -75001,
        "psa-security-lifecycle": -75002,
        "psa-implementation-id": -75003,
        "psa-boot-seed": -75004,
        "psa-hwver": -75005,
        "psa-software-components": -75006,
        "psa-no-software-measurements": -75007,
        "psa-no-sw-measurements": -75007,
        "psa-nonce": -75008,
        "psa-instance-id": -75009,
        "psa-verification-service-indicator": -75010,
    },
    SECOND: {
        "eat-profile": 265,
        "psa-nonce": 10,
        "psa-instance-id": 256,
        "psa-client-id": 2394,
        "psa-security-lifecycle": 2395,
        "psa-implementation-id": 2396,
        "psa-boot-seed": 2397,
        "psa-certification-reference": 2398,
        "psa-software-components": 2399,
        "psa-verification-service-indicator": 2400,
    },
}
PARTS = {
    "measurement-type": 1,
    "measurement-value": 2,
    "version": 4,
    "signer-id": 5,
    "measurement-description": 6,
}
BINARY = {"psa-nonce", "psa-instance-id", "psa-implementation-id", "psa-boot-seed"}
BINARY_PARTS = {"measurement-value", "signer-id"}

ONLY_FIRST = {
    "boot-seed-invalid-missing",
    "sw-component-and-no-sw-measurements-missing",
    "sw-components-invalid-combo",
}
"""Rules that only the first profile has."""
ONLY_SECOND = {"profile-invalid-missing", "profile-invalid-unknown"}
"""Rules about naming a profile: the first one may be implicit."""


def claims_from(document, profile):
    """The claims of a JSON case under the numbers of a profile; others have no number there."""
    claims = {}
    for name, value in document.items():
        label = LABELS[profile].get(name)
        if label is None:
            continue
        if name in BINARY:
            claims[label] = b64decode(value)
        elif name == "psa-software-components":
            claims[label] = [
                {
                    PARTS[part]: b64decode(held) if part in BINARY_PARTS else held
                    for part, held in one.items()
                    if part in PARTS
                }
                for one in value
            ]
        else:
            claims[label] = value
    return claims


def broken(document, profile):
    """Whether the claims break the profile (or name none)."""
    claims = claims_from(document, profile)
    rules = rules_of(claims)
    if rules is None or rules.name != profile:
        return True
    return bool(faults_of(claims, rules))


def cases(shared, folder, suffix):
    found = sorted((shared / "vectors/psa-token" / folder).glob(f"*{suffix}"))
    assert found, "the vectors are there"
    return found


def test_every_json_case_is_as_its_name_says(shared):
    seen = 0
    for path in cases(shared, "json", ".json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        name = path.stem.removeprefix("test-")
        first, second = broken(document, FIRST), broken(document, SECOND)
        if "-valid-" in name:
            assert not first or not second, name
        elif name in ONLY_FIRST:
            assert first, name
        elif name in ONLY_SECOND:
            assert second, name
        else:
            assert first, name
            assert second or not set(document) & {"eat-profile"} or "hardware" in name, name
        seen += 1
    assert seen == 33


def test_the_full_and_the_two_minimal_claims_are_valid_in_their_own_profile(shared):
    for name, profile in (
        ("test-token-valid-full", FIRST),
        ("test-token-valid-full", SECOND),
        ("test-token-valid-minimalist-p1", FIRST),
        ("test-token-valid-minimalist-no-sw-measurements", FIRST),
        ("test-profile-valid-missing", FIRST),
        ("test-token-valid-minimalist-p2", SECOND),
    ):
        path = shared / "vectors/psa-token/json" / f"{name}.json"
        assert not broken(json.loads(path.read_text(encoding="utf-8")), profile), name


def diagnostic(text):
    """A value in CBOR diagnostic notation, as far as these files use it."""
    text = re.sub(r"/ [^/]* /", "", text)
    text = re.sub(r"h'([0-9A-Fa-f]*)'", lambda m: repr(bytes.fromhex(m[1])), text)
    return ast.literal_eval(text.strip())


def test_every_diagnostic_case_is_as_its_name_says(shared):
    unit = EphemeralUnit(b"psa")
    handle = unit.generate(Algorithm.ES256, "device")
    for path in cases(shared, "cbor", ".diag"):
        token = sign1(unit, handle, {}, encode(diagnostic(path.read_text(encoding="utf-8"))))
        reading = Psa().read(token)
        bad = "Invalid" in path.stem or "Missing" in path.stem
        assert bool(reading.faults) == bad, path.stem


def appraise(token, key, references=None, **fresh):
    device = Enrolled(scheme="psa", key=key)
    appraiser = Appraiser(references or References(), SCHEMES)
    return appraiser.appraise(Task(token, "psa", Freshness(now=NOW, **fresh), device))


@pytest.mark.parametrize("name", ["psa-iot-1_sign1.bin", "psa-2_0_0_sign1.bin"])
def test_tokens_of_trusted_firmware_verify_and_a_changed_byte_does_not(shared, name):
    folder = shared / "vectors/psa-token/tf-m"
    key = PublicKey.from_pem((folder / "public.pem").read_bytes())
    token = (folder / name).read_bytes()
    answer = appraise(token, key)
    assert [finding.code for finding in answer.findings] == [AppraisalCode.REFERENCE_MISSING]
    references = References()
    for one in answer.measurements:
        references.add(
            Reference(
                model=answer.claims["psa-implementation-id"].hex(),
                component=one.component,
                digest_alg=one.digest_alg,
                digest=one.digest,
                signed=True,
            )
        )
    good = appraise(token, key, references, nonce=bytes(64))
    assert (good.status, good.tier) == (Status.AFFIRMING, Tier.DEVICE_KEY)
    assert {one.component for one in good.measurements} == {"SPE", "NSPE"}
    changed = bytearray(token)
    changed[-1] ^= 1
    assert appraise(bytes(changed), key, references).status is Status.CONTRAINDICATED


@pytest.mark.parametrize("name", ["psa-iot-1_mac0.bin", "psa-2_0_0_mac0.bin"])
def test_tokens_with_a_mac_are_read_and_a_wrong_key_is_told(shared, name):
    token = (shared / "vectors/psa-token/tf-m" / name).read_bytes()
    assert not Psa().read(token).faults
    answer = appraise(token, SharedKey(bytes(32)))
    assert answer.status is Status.CONTRAINDICATED
    assert answer.tier is Tier.SHARED_KEY


def newest():
    """Claims of RFC 9783, whose boot seed moved to 268."""
    return {
        265: NEWEST,
        10: bytes(32),
        256: b"\x01" + bytes(32),
        2394: 1,
        2395: 0x3000,
        2396: b"i" * 32,
        268: bytes(32),
        2399: [{1: "BL", 2: b"m" * 32, 4: "1.0", 5: b"s" * 32}],
    }


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (0x0000, Status.CONTRAINDICATED, AppraisalCode.DEVICE_OPEN),
        (0x1001, Status.CONTRAINDICATED, AppraisalCode.DEVICE_OPEN),
        (0x20FF, Status.CONTRAINDICATED, AppraisalCode.DEVICE_OPEN),
        (0x3000, Status.AFFIRMING, None),
        (0x30FF, Status.AFFIRMING, None),
        (0x4000, Status.WARNING, AppraisalCode.DEBUG_OPEN),
        (0x5000, Status.CONTRAINDICATED, AppraisalCode.DEVICE_OPEN),
        (0x6000, Status.CONTRAINDICATED, AppraisalCode.DEVICE_OPEN),
        (0x3100, Status.NONE, AppraisalCode.CLAIMS_INVALID),
        (0x7000, Status.NONE, AppraisalCode.CLAIMS_INVALID),
        (-1, Status.NONE, AppraisalCode.CLAIMS_INVALID),
    ],
)
def test_only_a_secured_device_of_the_published_profile_is_affirmed(state, status, code):
    unit = EphemeralUnit(b"psa")
    handle = unit.generate(Algorithm.ES256, "device")
    references = References()
    references.add(
        Reference(
            model=(b"i" * 32).hex(),
            component="BL",
            digest_alg="sha-256",
            digest=b"m" * 32,
            signed=True,
        )
    )
    token = sign1(unit, handle, {}, encode(newest() | {2395: state}))
    answer = appraise(token, unit.public(handle), references)
    assert answer.status is status
    assert [finding.code for finding in answer.findings] == ([code] if code else [])


@pytest.mark.parametrize(
    "change",
    [
        {10: bytes(31)},
        {10: [bytes(32)]},
        {256: b"\x02" + bytes(32)},
        {256: b"\x01" + bytes(31)},
        {268: bytes(7)},
        {268: bytes(33)},
        {2394: 0},
        {2394: 2**31},
        {2394: True},
        {2396: bytes(33)},
        {2398: "123"},
        {2399: []},
        {2399: [{2: bytes(32)}]},
        {2399: [{2: bytes(20), 5: bytes(32)}]},
        {2399: [{1: 5, 2: bytes(32), 5: bytes(32)}]},
        {2399: "BL"},
        {2400: ""},
        {265: "tag:other"},
        {265: 7},
    ],
)
def test_each_rule_of_the_published_profile_is_kept(change):
    unit = EphemeralUnit(b"psa")
    handle = unit.generate(Algorithm.ES256, "device")
    token = sign1(unit, handle, {}, encode(newest() | change))
    answer = appraise(token, unit.public(handle))
    assert answer.status is Status.NONE
    assert answer.findings[0].code is AppraisalCode.CLAIMS_INVALID


@given(
    st.dictionaries(
        st.sampled_from([10, 256, 265, 268, 2394, 2395, 2396, 2398, 2399, 2400]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.binary(max_size=34)
            | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 6), inner, max_size=4)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_any_claims_of_an_authentic_token_get_an_appraisal(change):
    unit = EphemeralUnit(b"psa")
    handle = unit.generate(Algorithm.ES256, "device")
    token = sign1(unit, handle, {}, encode(newest() | change))
    answer = appraise(token, unit.public(handle))
    assert answer.status is not Status.AFFIRMING
    assert answer.findings


@given(st.data())
def test_no_changed_byte_of_a_token_is_affirmed(data):
    unit = EphemeralUnit(b"psa")
    handle = unit.generate(Algorithm.ES256, "device")
    references = References()
    part = Reference(
        model=(b"i" * 32).hex(),
        component="BL",
        digest_alg="sha-256",
        digest=b"m" * 32,
        signed=True,
    )
    references.add(part)
    token = bytearray(sign1(unit, handle, {}, encode(newest())))
    assert appraise(bytes(token), unit.public(handle), references).status is Status.AFFIRMING
    place = data.draw(st.integers(0, len(token) - 1))
    token[place] ^= data.draw(st.integers(1, 255))
    answer = appraise(bytes(token), unit.public(handle), references)
    assert answer.status in (Status.NONE, Status.CONTRAINDICATED)


def test_every_profile_has_rules_for_what_identifies_a_device():
    for rules in PROFILES.values():
        assert {"psa-instance-id", "psa-implementation-id", "psa-nonce"} <= set(rules.labels)
