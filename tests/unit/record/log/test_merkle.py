# SPDX-License-Identifier: Apache-2.0
import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.record.log.merkle import (
    EMPTY_ROOT,
    MAX_TREE_SIZE,
    Frontier,
    consistency_proof,
    edge_root,
    grow_edge,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    root_of,
    subtree_root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(b"%d" % n) for n in range(70)]


def by_definition(leaves):
    """The root as RFC 9162 section 2.1.1 writes it down."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(by_definition(leaves[:k]), by_definition(leaves[k:]))


def read(level, index):
    return by_definition(LEAVES[index << level : (index + 1) << level])


def test_frontier_tiles_and_definition_give_the_same_root():
    frontier = Frontier()
    for size in range(len(LEAVES) + 1):
        expected = by_definition(LEAVES[:size])
        assert frontier.root() == expected
        assert root_of(size, read) == expected
        assert subtree_root(LEAVES[:size]) == expected
        assert Frontier.from_bytes(size, frontier.to_bytes()).root() == expected
        assert edge_root(frontier.to_bytes()) == expected
        for start in range(0, size + 1, 3):
            edge = grow_edge(0, b"", LEAVES[:start])
            assert grow_edge(*edge, LEAVES[start:size]) == (size, frontier.to_bytes())
        if size < len(LEAVES):
            frontier.append(LEAVES[size])


def test_every_inclusion_proof_of_small_trees_holds():
    for size in range(1, len(LEAVES)):
        root = by_definition(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, read)
            assert verify_inclusion(LEAVES[index], index, size, proof, root)
            assert not verify_inclusion(LEAVES[index], index, size, [*proof, root], root)
            assert not verify_inclusion(LEAVES[index] + b"x", index, size, proof, root)


def test_every_consistency_proof_of_small_trees_holds():
    for second in range(len(LEAVES)):
        new = by_definition(LEAVES[:second])
        for first in range(second + 1):
            old = by_definition(LEAVES[:first])
            proof = consistency_proof(first, second, read)
            assert verify_consistency(first, second, proof, old, new)
            assert not verify_consistency(first, second, [*proof, old], old, new)
            if proof:
                assert not verify_consistency(first, second, proof[:-1], old, new)
                assert not verify_consistency(first, second, proof, new, old)


@given(
    st.integers(0, 2**64),
    st.integers(0, 2**64),
    st.lists(st.binary(min_size=0, max_size=33), max_size=70),
)
def test_nothing_sent_makes_a_verifier_raise(index, size, proof):
    assert root_from_inclusion(LEAVES[0], index, size, proof) != LEAVES[0] or size == 1
    assert not verify_consistency(index, size, proof, LEAVES[0], LEAVES[1])


@given(st.integers(1, 69), st.data())
def test_a_flipped_bit_breaks_a_proof(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof = list(inclusion_proof(index, size, read))
    root = by_definition(LEAVES[:size])
    if not proof:
        return
    at = data.draw(st.integers(0, len(proof) * 256 - 1))
    damaged = bytearray(proof[at // 256])
    damaged[at % 256 // 8] ^= 1 << at % 8
    proof[at // 256] = bytes(damaged)
    assert not verify_inclusion(LEAVES[index], index, size, proof, root)


def test_asking_for_what_is_not_there_is_a_problem():
    for index, size in ((5, 5), (-1, 5), (0, 0), (0, MAX_TREE_SIZE + 1)):
        with pytest.raises(Malformed) as problem:
            inclusion_proof(index, size, read)
        assert problem.value.code == "log.index-outside"
    with pytest.raises(Malformed) as problem:
        consistency_proof(6, 5, read)
    assert problem.value.code == "log.sizes-wrong"
    with pytest.raises(Malformed) as problem:
        Frontier(3, [b"\0" * 32])
    assert problem.value.code == "log.frontier-malformed"
    with pytest.raises(Malformed) as problem:
        grow_edge(3, b"\0" * 32, [])
    assert problem.value.code == "log.frontier-malformed"


STRICT = {
    "inclusion/single-entry/empty-root-and-leaf.json",
    "consistency/additional/size1-is-zero-and-does-not-equal-size2.json",
    "consistency/additional/size1-is-zero-and-size2-is-not-zero.json",
    "consistency/additional/sizes-are-equal-zero-and-proof-is-empty.json",
}
"""Cases that RFC 9162 read by the letter would accept. Our decision: a hash that is computed with
has 32 bytes, and a tree of size 0 has the empty-tree hash as its root and nothing else. So all four
are refused, as their publisher does. Two trees of one size and one root need no computing.
"""


def published(shared, sort):
    folder = shared / "vectors" / "merkle"
    return {
        str(path.relative_to(folder)): json.loads(path.read_text())
        for path in sorted((folder / sort).rglob("*.json"))
    }


def raw(text):
    return base64.b64decode(text or "")


@pytest.mark.vectors
def test_published_inclusion_proofs(shared):
    cases = published(shared, "inclusion")
    assert len(cases) == 98
    for name, case in cases.items():
        held = verify_inclusion(
            raw(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            [raw(h) for h in case["proof"] or ()],
            raw(case["root"]),
        )
        assert held is not case["wantErr"], name


@pytest.mark.vectors
def test_published_consistency_proofs(shared):
    cases = published(shared, "consistency")
    assert len(cases) == 98
    for name, case in cases.items():
        held = verify_consistency(
            case["size1"],
            case["size2"],
            [raw(h) for h in case["proof"] or ()],
            raw(case["root1"]),
            raw(case["root2"]),
        )
        assert held is not case["wantErr"], name


@pytest.mark.vectors
def test_the_four_strict_cases_are_refused_by_decision(shared):
    cases = {
        f"{name}": case
        for sort in ("inclusion", "consistency")
        for name, case in published(shared, sort).items()
    }
    for name in STRICT:
        assert cases[name]["wantErr"], name
    # what keeps the decision from going too far: real empty trees grow into anything
    assert verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    assert verify_consistency(0, 3, [], EMPTY_ROOT, by_definition(LEAVES[:3]))
    assert not verify_consistency(0, 0, [], LEAVES[0], LEAVES[0])
    assert not verify_consistency(0, 3, [], LEAVES[0], by_definition(LEAVES[:3]))
