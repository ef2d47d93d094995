# SPDX-License-Identifier: Apache-2.0
"""ECDH and AES-GCM of the units against Project Wycheproof's vectors, weak inputs included."""

import hmac
import json
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kizuna.model.errors import Problem, Tampered
from kizuna.roots.keys import PrivateKey, PublicKey
from kizuna.roots.units.soft import derived, open_box

pytestmark = pytest.mark.vectors


def _groups(shared: Path, name: str) -> list[dict]:
    return json.loads((shared / "vectors" / "wycheproof" / name).read_text())["testGroups"]


def test_shared_points_are_those_of_the_vectors_and_wrong_keys_are_refused(shared: Path):
    agreed = refused = 0
    for group in _groups(shared, "ecdh_secp256r1_test.json"):
        for case in group["tests"]:
            scalar = int(case["private"], 16)
            private = PrivateKey(ec.derive_private_key(scalar, ec.SECP256R1()))
            try:
                peer = PublicKey.from_spki(bytes.fromhex(case["public"]))
                shared_point = private.exchange(peer)
            except Problem:
                assert case["result"] != "valid", case
                refused += 1
                continue
            assert case["result"] != "invalid", case
            assert shared_point.hex() == case["shared"]
            agreed += 1
    assert agreed > 200
    assert refused > 20


def test_boxes_open_exactly_when_the_vectors_say_so(shared: Path):
    opened = refused = 0
    for group in _groups(shared, "aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for case in group["tests"]:
            key, aad = bytes.fromhex(case["key"]), bytes.fromhex(case["aad"])
            box = bytes.fromhex(case["iv"] + case["ct"] + case["tag"])
            if case["result"] == "valid":
                assert open_box(key, box, aad).hex() == case["msg"]
                opened += 1
            else:
                with pytest.raises(Tampered):
                    open_box(key, box, aad)
                refused += 1
    assert opened > 20
    assert refused > 20


def test_what_is_derived_is_hkdf_as_the_standard_says():
    shared_point, info = bytes(range(32)), b"channel 1"
    extracted = hmac.digest(bytes(32), shared_point, sha256)
    expanded = hmac.digest(extracted, b"kizuna ecdh 1" + info + b"\x01", sha256)
    assert derived(shared_point, info) == expanded
