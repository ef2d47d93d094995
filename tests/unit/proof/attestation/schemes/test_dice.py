# SPDX-License-Identifier: Apache-2.0
"""DICE evidence: a chain under enrolled anchors, fresh only by its last key's proof."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, Status
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.corim import open_corim
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.dice import Dice, write_evidence
from kizuna.roots.boot.layer import (
    Inputs,
    Secrets,
    certify_layer,
    chain_of,
    layer_key,
    next_secrets,
)
from kizuna.roots.boot.path import Anchor
from kizuna.roots.cose import encode
from kizuna.roots.cose.cbor import bytes_of
from kizuna.roots.cose.message import sig_structure
from kizuna.roots.keys import PrivateKey

NOW = 1_790_000_000
NONCE = b"n" * 32


def device(*codes: bytes, mode: int = 1, uds: bytes = b"uds") -> tuple[bytes, Anchor, PrivateKey]:
    secrets = Secrets(sha256(uds).digest(), bytes(32))
    key = root = layer_key(secrets.attest)
    certificates = []
    for code in codes:
        inputs = Inputs(code=code * 64, mode=mode)
        secrets = next_secrets(secrets, inputs)
        below = layer_key(secrets.attest)
        certificates.append(certify_layer(key, below.public, inputs))
        key = below
    return chain_of(root.public, certificates), Anchor(root.public), key


def proof(key: PrivateKey, nonce: bytes = NONCE) -> bytes:
    header = encode({1: int(key.public.algorithm)})
    signature = key.sign(sig_structure(header, nonce))
    return b"\xd2\x84" + bytes_of(header) + b"\xa0" + bytes_of(nonce) + bytes_of(signature)


def references(*codes: bytes) -> References:
    known = References()
    for place, code in enumerate(codes):
        for kind, digest in (("code", code * 64), ("config", bytes(64)), ("authority", bytes(64))):
            known.add(
                Reference(
                    model="sensor",
                    component=f"layer-{place}.{kind}",
                    digest_alg="sha-512",
                    digest=digest,
                    signed=True,
                )
            )
    known.close("sensor")
    return known


def appraise(
    data: bytes,
    known: References,
    *roots: object,
    nonce: bytes | None = NONCE,
    **enrolled: Any,  # noqa: ANN401 - as Enrolled
) -> Appraisal:
    about = {"scheme": "dice", "roots": roots, "reference": "sensor"} | enrolled
    return Appraiser(known, [Dice()]).appraise(
        Task(data, "dice", Freshness(now=NOW, nonce=nonce), Enrolled(**about))
    )


def codes(appraisal: Appraisal) -> list[AppraisalCode]:
    return [finding.code for finding in appraisal.findings]


CHAIN, ANCHOR, LEAF = device(b"a", b"b")
KNOWN = references(b"a", b"b")
GOOD = write_evidence(CHAIN, proof(LEAF))


def test_a_known_chain_with_a_fresh_proof_affirms():
    appraisal = appraise(GOOD, KNOWN, ANCHOR, key=ANCHOR.key)
    assert appraisal.status is Status.AFFIRMING
    assert appraisal.identity == ANCHOR.key.thumbprint


def test_a_chain_without_proof_is_not_fresh():
    assert codes(appraise(CHAIN, KNOWN, ANCHOR)) == [AppraisalCode.NONCE_DIFFERS]
    assert appraise(CHAIN, KNOWN, ANCHOR, nonce=None).status is Status.AFFIRMING


def test_other_code_unknown_anchor_and_foreign_proof_are_told_apart():
    chain, anchor, leaf = device(b"a", b"c")
    evil = appraise(write_evidence(chain, proof(leaf)), KNOWN, anchor)
    assert evil.status is Status.CONTRAINDICATED
    assert codes(evil) == [AppraisalCode.FIRMWARE_UNKNOWN]
    other = device(b"a", uds=b"other")[1]
    assert codes(appraise(GOOD, KNOWN, other)) == [AppraisalCode.KEY_UNKNOWN]
    assert codes(appraise(GOOD, KNOWN)) == [AppraisalCode.KEY_UNKNOWN]
    foreign = write_evidence(CHAIN, proof(leaf))
    assert codes(appraise(foreign, KNOWN, ANCHOR)) == [AppraisalCode.SIGNATURE_WRONG]
    old = write_evidence(CHAIN, proof(LEAF, b"o" * 32))
    assert codes(appraise(old, KNOWN, ANCHOR)) == [AppraisalCode.NONCE_DIFFERS]


def test_an_exchanged_device_under_the_same_makers_is_found():
    chain, anchor, leaf = device(b"a", b"b", uds=b"other")
    swapped = write_evidence(chain, proof(leaf))
    appraisal = appraise(swapped, KNOWN, ANCHOR, anchor, key=ANCHOR.key)
    assert appraisal.status is Status.CONTRAINDICATED
    assert AppraisalCode.KEY_CHANGED in codes(appraisal)


@pytest.mark.parametrize(("mode", "status"), [(2, "contraindicated"), (0, "warning")])
def test_open_layers_count(mode: int, status: str):
    chain, anchor, leaf = device(b"a", b"b", mode=mode)
    appraisal = appraise(write_evidence(chain, proof(leaf)), KNOWN, anchor)
    assert appraisal.status.value == status


@given(st.data())
def test_no_changed_byte_is_affirmed(data: st.DataObject):
    at = data.draw(st.integers(0, len(GOOD) - 1))
    altered = GOOD[:at] + bytes((GOOD[at] ^ data.draw(st.integers(1, 255)),)) + GOOD[at + 1 :]
    assert appraise(altered, KNOWN, ANCHOR).status is not Status.AFFIRMING


@given(st.binary(max_size=300))
def test_noise_is_malformed(noise: bytes):
    for data in (noise, cbor2.dumps({"chain": noise, "proof": noise})):
        with pytest.raises(Malformed):
            Dice().read(data)


def test_the_published_chain_is_taken_under_its_makers_document(shared: Path):
    folder = shared / "vectors/veraison/scheme/riot/test"
    evidence = (folder / "evidence/evidence.pem").read_bytes()
    document = (folder / "corim/corim-riot-valid.cbor").read_bytes()
    known = References()
    open_corim(document, keys=(), now=NOW, allow_unsigned=True).feed(known)
    roots = known.anchors_of("Veraison Project/RIOT", None)
    assert roots
    appraisal = appraise(evidence, known, *roots, nonce=None, reference="Veraison Project/RIOT")
    # the maker publishes no values, so the chain is genuine and its firmware unknown
    assert appraisal.vector.instance_identity == 2
    assert codes(appraisal) == [AppraisalCode.REFERENCE_MISSING]
    digest = appraisal.measurements[0].digest
    known.add(
        Reference(
            model="riot", component="firmware", digest_alg="sha-256", digest=digest, signed=True
        )
    )
    fits = appraise(evidence, known, *roots, nonce=None, reference="riot")
    assert fits.status is Status.AFFIRMING
    late = Appraiser(known, [Dice()]).appraise(
        Task(
            evidence,
            "dice",
            Freshness(now=2_000_000_000),
            Enrolled(scheme="dice", roots=roots, reference="riot"),
        )
    )
    assert codes(late) == [AppraisalCode.STALE]
