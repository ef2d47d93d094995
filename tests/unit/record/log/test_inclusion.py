# SPDX-License-Identifier: Apache-2.0
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.record.log.inclusion import prove_leaves, root_from_leaves
from kizuna.record.log.merkle import inclusion_proof, subtree_root

LEAVES = [sha256(bytes([n % 256, n // 256])).digest() for n in range(300)]


def read(level, index):
    return subtree_root(LEAVES[index << level : (index + 1) << level])


@st.composite
def chosen(draw):
    size = draw(st.integers(1, 300))
    return size, draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=20))


@given(chosen())
def test_the_leaves_lead_to_the_root_and_nothing_is_sent_twice(case):
    size, wanted = case
    hashes = prove_leaves(sorted(wanted), size, read)
    root = subtree_root(LEAVES[:size])
    assert root_from_leaves({n: LEAVES[n] for n in wanted}, size, hashes) == root
    singly = sum(len(inclusion_proof(n, size, read)) for n in wanted)
    assert len(hashes) <= singly


@settings(max_examples=200)
@given(chosen(), st.data())
def test_nothing_can_be_changed_added_or_left_out(case, data):
    size, wanted = case
    leaves = {n: LEAVES[n] for n in wanted}
    hashes = list(prove_leaves(sorted(wanted), size, read))
    root = subtree_root(LEAVES[:size])
    change = data.draw(st.sampled_from(["leaf", "hash", "cut", "more", "size", "index"]))
    if change == "leaf":
        n = data.draw(st.sampled_from(sorted(wanted)))
        leaves[n] = sha256(leaves[n]).digest()
    elif change == "hash" and hashes:
        n = data.draw(st.integers(0, len(hashes) - 1))
        hashes[n] = sha256(hashes[n]).digest()
    elif change == "cut" and hashes:
        hashes.pop()
    elif change == "more":
        hashes.append(bytes(32))
    elif change == "index":
        n = data.draw(st.sampled_from(sorted(wanted)))
        leaves[size + 5] = leaves.pop(n)
    else:
        hashes = [*hashes[:-1], b"short"]
    assert root_from_leaves(leaves, size, hashes) != root
