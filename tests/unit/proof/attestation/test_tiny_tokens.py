# SPDX-License-Identifier: Apache-2.0
"""Tokens of devices that can only hash: the format to the byte, and what becomes of each defect."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.proof.attestation.appraisal import AppraisalCode, Counters, Status, Tier
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.freshness import Freshness, recent_epochs
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.hmac import MEASUREMENTS, UEID, make_token, tiny_claims
from kizuna.roots.cose import SharedKey, encode, mac0, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

ROOT = Path(__file__).resolve().parents[4]
NOW = 1_740_000_000
KEY = SharedKey(b"\x0b" * 32)
UEID_BYTES = b"\x01" + b"\xaa" * 16
GOOD = b"\x11" * 32
EPOCH = recent_epochs(NOW, length=60)[-1]


def claims(**changed):
    return tiny_claims(
        **{
            "identity": UEID_BYTES,
            "boot": 3,
            "sequence": 7,
            "epoch": EPOCH,
            "measurements": {"fw": GOOD},
            **changed,
        }
    )


def known(*, closed=True):
    references = References()
    references.add(
        Reference(model="sensor", component="fw", digest_alg="sha-256", digest=GOOD, signed=True)
    )
    if closed:
        references.close("sensor")
    return references


def appraise(token, *, key=KEY, references=None, **enrolled):
    fresh = Freshness(now=NOW, epochs=recent_epochs(NOW, length=60))
    device = Enrolled(
        **{"scheme": "hmac", "key": key, "reference": "sensor", "identity": UEID_BYTES, **enrolled}
    )
    appraiser = Appraiser(known() if references is None else references, SCHEMES)
    return appraiser.appraise(Task(token, "hmac", fresh, device))


def test_the_format_is_the_one_that_the_reference_page_prints_to_the_byte():
    page = (ROOT / "docs/reference/device-token.md").read_text(encoding="utf-8")
    example = page.split("## An example")[1].split("```")[1]
    parts = [re.split(r" {3,}", line.strip())[0] for line in example.strip().splitlines()]
    printed = "".join("".join(parts).split())
    made = make_token(
        KEY,
        tiny_claims(
            identity=UEID_BYTES, boot=3, sequence=0, epoch=29_000_000, measurements={"fw": GOOD}
        ),
    )
    assert made.hex() == printed


def test_good_evidence_is_affirmed_at_the_tier_of_a_shared_key():
    answer = appraise(make_token(KEY, claims()))
    assert (answer.status, answer.tier, answer.findings) == (
        Status.AFFIRMING,
        Tier.SHARED_KEY,
        (),
    )
    assert answer.counters.boot == 3
    assert answer.counters.sequence == 7


def test_the_same_claims_under_a_key_of_the_device_are_worth_more():
    unit = EphemeralUnit(b"tiny")
    handle = unit.generate(Algorithm.ES256, "device")
    token = sign1(unit, handle, {}, encode(claims()))
    answer = appraise(token, key=unit.public(handle))
    assert (answer.status, answer.tier) == (Status.AFFIRMING, Tier.DEVICE_KEY)


@pytest.mark.parametrize(
    ("token", "enrolled", "code", "status"),
    [
        (claims(measurements={"fw": b"\x12" * 32}), {}, "firmware-unknown", "contraindicated"),
        (claims(epoch=EPOCH - 2), {}, "stale", "none"),
        (claims(epoch=EPOCH + 1), {}, "stale", "none"),
        (claims(epoch=None), {}, "stale", "none"),
        (claims(), {"last": Counters(boot=3, sequence=7)}, "counter-back", "none"),
        (claims(), {"last": Counters(boot=4, sequence=0)}, "counter-back", "none"),
        (claims(), {"identity": b"\x01" * 17}, "identity-differs", "contraindicated"),
        (claims(), {"key": SharedKey(b"other" * 8)}, "signature-wrong", "contraindicated"),
        (claims(), {"key": None}, "key-unknown", "none"),
        (claims(), {"reference": "unheard-of"}, "reference-missing", "none"),
        (claims(measurements={}), {}, "measurements-missing", "none"),
        (claims(identity=b"short"), {}, "claims-invalid", "none"),
        (claims(boot=-1), {}, "claims-invalid", "none"),
        (claims() | {MEASUREMENTS: [["fw", GOOD], ["fw", GOOD]]}, {}, "claims-invalid", "none"),
        (claims() | {265: "tag:other"}, {}, "claims-invalid", "none"),
        ({k: v for k, v in claims().items() if k != UEID}, {}, "claims-invalid", "none"),
    ],
)
def test_each_defect_has_its_own_finding(token, enrolled, code, status):
    answer = appraise(make_token(KEY, token), **enrolled)
    assert [finding.code for finding in answer.findings] == [AppraisalCode(f"attestation.{code}")]
    assert answer.status.value == status


def test_a_later_boot_starts_the_sequence_again():
    token = make_token(KEY, claims(boot=4, sequence=0))
    assert appraise(token, last=Counters(boot=3, sequence=99)).status is Status.AFFIRMING


def test_an_unlisted_digest_only_warns_where_the_list_may_not_be_whole():
    token = make_token(KEY, claims(measurements={"fw": b"\x12" * 32}))
    answer = appraise(token, references=known(closed=False))
    assert answer.status is Status.WARNING
    assert answer.findings[0].code is AppraisalCode.FIRMWARE_UNLISTED


def test_unsigned_reference_values_never_affirm():
    references = References()
    references.add(Reference(model="sensor", component="fw", digest_alg="sha-256", digest=GOOD))
    answer = appraise(make_token(KEY, claims()), references=references)
    assert answer.status is Status.WARNING
    assert answer.findings[0].code is AppraisalCode.REFERENCE_UNSIGNED


@given(st.data())
def test_no_changed_byte_is_affirmed_and_none_raises(data):
    token = bytearray(make_token(KEY, claims()))
    place = data.draw(st.integers(0, len(token) - 1))
    token[place] ^= data.draw(st.integers(1, 255))
    answer = appraise(bytes(token))
    assert answer.status in (Status.NONE, Status.CONTRAINDICATED)
    assert answer.findings


@given(st.binary(max_size=300))
def test_any_bytes_get_an_appraisal(data):
    for scheme in (*(one.name for one in SCHEMES), "unheard-of"):
        task = Task(data, scheme, Freshness(now=NOW), Enrolled(scheme=scheme, key=KEY))
        answer = Appraiser(known(), SCHEMES).appraise(task)
        assert answer.status is Status.NONE
        assert len(answer.findings) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.binary(max_size=40) | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.integers(-70014, 300) | st.text(max_size=4), inner, max_size=5)
        ),
        max_leaves=12,
    )
)
def test_any_authentic_claims_get_an_appraisal_that_does_not_affirm(value):
    told = claims() | value if isinstance(value, dict) else value
    answer = appraise(mac0(KEY, {}, encode(told)))
    if answer.status is Status.AFFIRMING:
        assert isinstance(value, dict)
        assert all(claims().get(k) in (None, v) for k, v in value.items())


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"\xd1",
        b"\xd1\x84",
        b"\xd1" + b"\x84" * 4000,
        b"\xd1\xd2\x84\x43\xa1\x01\x05\xa0\x41\xa0\x41\x00",
        b"\x84\x43\xa1\x01\x05\xa0\x41\xa0\x41\x00",
        bytes(70_000),
        b"\xd1\x84\x43\xa1\x01\x05\xa0\xf6\x41\x00",
        b"\xd1\x84\x4a" + encode({1: 5, 2: ["zz"], "zz": 1})[:10] + b"\xa0\x41\xa0\x41\x00",
        b"\xd1\x84\x45\xa2\x01\x05\x01\x05\xa0\x41\xa0\x41\x00",
        # what must be understood is named where no signature stands, or a label stands twice
        make_token(KEY, claims()).replace(b"\xa0\x58", b"\xa1\x02\x81\x18\x63\x58", 1),
        make_token(KEY, claims()).replace(b"\xa0\x58", b"\xa1\x01\x05\x58", 1),
        make_token(KEY, claims()).replace(b"\xa0\x58", b"\x80\x58", 1),
    ],
)
def test_frames_that_cannot_be_read_have_status_none(token):
    answer = appraise(token)
    assert answer.status is Status.NONE
    assert answer.findings[0].code is AppraisalCode.MALFORMED
