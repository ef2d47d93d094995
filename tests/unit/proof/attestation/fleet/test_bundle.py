# SPDX-License-Identifier: Apache-2.0
"""Bundles and spot checks: a gateway cannot leave out, count twice, or affirm what is bad."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import Appraisal, Status, Tier, Vector
from kizuna.proof.attestation.fleet import Alarm, Register
from kizuna.proof.attestation.fleet.bundle import (
    Exceptional,
    Leaf,
    make_bundle,
    open_leaves,
    read_bundle,
    read_leaf,
)
from kizuna.proof.attestation.fleet.spot import chance, check_opening, covered_by, draw, expected
from kizuna.proof.attestation.fleet.tree import holds, proof_of, root_of
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.record.log import merkle
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"gateway")
HANDLE = UNIT.generate(Algorithm.ES256, "gateway")
KEY = UNIT.public(HANDLE)
GATE = "urn:dev:ops:000000-g"
NAMES = [f"urn:dev:ops:000000-{n}" for n in range(5)]
EVIDENCE = [name.encode() for name in NAMES]
LEAVES = [Leaf(n, "hmac", sha256(e).digest(), 7) for n, e in zip(NAMES, EVIDENCE, strict=True)]


def bundle(leaves=LEAVES, exceptions=None, unit=UNIT, handle=HANDLE):
    return make_bundle(
        unit,
        handle,
        gateway=GATE,
        epoch=7,
        nonce=b"n" * 32,
        leaves=leaves,
        exceptions=exceptions or {},
        now=420,
    )


def appraised(status=Status.AFFIRMING):
    def appraise(subject, evidence, epoch):
        return Appraisal(
            status=status,
            vector=Vector(),
            tier=Tier.SHARED_KEY,
            scheme="hmac",
            evidence=Digest(sha256(evidence).digest()),
            at=420,
        )

    return appraise


def test_a_bundle_is_read_as_it_was_made():
    exceptions = {
        NAMES[0]: Exceptional(alarm=Alarm.SWAP, status=Status.CONTRAINDICATED, evidence=b"x"),
        NAMES[1]: Exceptional(),
        "urn:x:stranger": Exceptional(evidence=b"y", stranger=True),
    }
    found = read_bundle(bundle(LEAVES[2:], exceptions), KEY, GATE)
    assert (found.epoch, found.affirming, found.nonce) == (7, 3, b"n" * 32)
    assert dict(found.exceptions) == exceptions


@given(st.data())
def test_a_flipped_byte_is_never_believed(data):
    whole = bytearray(bundle(exceptions={NAMES[0]: Exceptional()}))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Malformed, Tampered)):
        read_bundle(bytes(whole), KEY, GATE)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_a_problem(data):
    with pytest.raises(Problem):
        read_bundle(data, KEY, GATE)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_leaf_or_a_problem(data):
    try:
        read_leaf(data)
    except Malformed as fault:
        assert fault.code == "fleet.bundle-malformed"


def test_another_key_or_another_name_is_refused():
    other = EphemeralUnit(b"other")
    handle = other.generate(Algorithm.ES256, "x")
    with pytest.raises(Tampered) as caught:
        read_bundle(bundle(unit=other, handle=handle), KEY, GATE)
    assert caught.value.code == "fleet.bundle-signature"
    with pytest.raises(Malformed):
        read_bundle(bundle(), KEY, "urn:dev:ops:000000-h")


@given(st.integers(1, 40), st.data())
def test_every_leaf_leads_to_the_root_and_no_other(size, data):
    entries = [bytes([n]) for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    root, proof = root_of(entries), proof_of(entries, index)
    assert holds(root, size, index, entries[index], proof)
    assert not holds(root, size, index, b"other", proof)
    assert not holds(root, size, index, entries[index], [*proof, b"0" * 32])
    assert not holds(root, size, size, entries[index], proof)
    other = (index + 1) % size
    assert other == index or not holds(root, size, other, entries[index], proof)


def test_the_tree_is_the_logs_tree():
    for size in range(12):
        entries = [bytes([n]) for n in range(size)]
        proofs = [proof_of(entries, index) for index in range(size)]
        for index, proof in enumerate(proofs):
            hashed = merkle.leaf_hash(entries[index])
            root = merkle.root_from_inclusion(hashed, index, size, proof)
            assert root == root_of(entries)


def register(children=NAMES):
    made = Register()
    made.put(Enrolled(scheme="gateway", subject=GATE, key=KEY))
    for name in reversed(children):
        made.put(Enrolled(scheme="hmac", subject=name, position=GATE))
    return made


def test_the_verifier_knows_who_stands_where():
    exceptions = {NAMES[1]: Exceptional(), "urn:x:stranger": Exceptional(stranger=True)}
    left = [leaf for leaf in LEAVES if leaf.subject != NAMES[1]]
    found = read_bundle(bundle(left, exceptions), KEY, GATE)
    assert covered_by(register(), found) == 4
    assert expected(register(), found, [0, 1, 3]) == [NAMES[0], NAMES[2], NAMES[4]]


def wrong(*asked):
    return check_opening(*asked).wrong


def test_only_what_the_signed_root_leads_to_is_held_against_the_gateway():
    found = read_bundle(bundle(), KEY, GATE)
    (opening,) = open_leaves(LEAVES, EVIDENCE, [2])
    for made_up in (
        replace(opening, entry=LEAVES[1].entry()),
        replace(opening, proof=()),
        replace(opening, index=3),
        replace(opening, evidence=b"other"),
    ):
        checked = check_opening(found, made_up, NAMES[2], appraised())
        assert checked.wrong
        assert not checked.lie
    assert check_opening(found, opening, NAMES[3], appraised()).lie
    assert check_opening(found, opening, NAMES[2], appraised(Status.CONTRAINDICATED)).lie


def test_an_honest_leaf_holds_and_each_lie_is_named():
    found = read_bundle(bundle(), KEY, GATE)
    (opening,) = open_leaves(LEAVES, EVIDENCE, [2])
    assert wrong(found, opening, NAMES[2], appraised()) == ""
    assert "another device" in wrong(found, opening, NAMES[3], appraised())
    assert "contraindicated" in wrong(found, opening, NAMES[2], appraised(Status.CONTRAINDICATED))
    swapped = replace(opening, evidence=b"other")
    assert "not the evidence" in wrong(found, swapped, NAMES[2], appraised())
    moved = replace(opening, index=3)
    assert "root" in wrong(found, moved, NAMES[2], appraised())
    twice = [LEAVES[0], *LEAVES[:4]]
    padded = read_bundle(bundle(twice), KEY, GATE)
    (second,) = open_leaves(twice, [EVIDENCE[0], *EVIDENCE[:4]], [1])
    assert "another device" in wrong(padded, second, NAMES[1], appraised())


def test_leaves_are_drawn_without_repeat_and_small_trees_whole():
    assert draw(3, 4, b"r" * 32) == [0, 1, 2]
    drawn = draw(1000, 20, b"r" * 32)
    assert len(set(drawn)) == 20
    assert drawn != draw(1000, 20, b"s" * 32)


def test_the_chance_to_find_a_liar_is_the_one_that_is_stated():
    assert chance(1.0, 1) == 1.0
    assert abs(chance(0.5, 4) - 0.9375) < 1e-9
    assert chance(0.01, 4, epochs=60) > 0.9
