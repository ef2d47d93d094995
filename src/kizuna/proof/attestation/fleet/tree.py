# SPDX-License-Identifier: Apache-2.0
"""The hash tree over one bundle's leaves: root, proof of a leaf, check of a proof.

Keeps: 1. The tree is that of RFC 9162, the same as the log's, so an auditor needs one algorithm.
2. A proof is judged by arithmetic on index and size first: a hostile one costs nothing.
Standard: RFC 9162 section 2.1.

Example:
    >>> root, proof = root_of([b"a", b"b", b"c"]), proof_of([b"a", b"b", b"c"], 1)
    >>> holds(root, 3, 1, b"b", proof), holds(root, 3, 1, b"c", proof)
    (True, False)
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

__all__ = ["holds", "leaf_hash", "proof_of", "root_of"]


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one leaf."""
    return sha256(b"\x00" + entry).digest()


def root_of(entries: Sequence[bytes]) -> bytes:
    """The root over these leaves in this order."""
    if not entries:
        return sha256(b"").digest()
    return _levels(entries)[-1][0]


def proof_of(entries: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from leaf ``index`` to the root."""
    proof = []
    for level in _levels(entries)[:-1]:
        beside = index ^ 1
        if beside < len(level):
            proof.append(level[beside])
        index >>= 1
    return proof


def holds(root: bytes, size: int, index: int, entry: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``entry`` is leaf ``index`` of the tree of ``size`` leaves with this root."""
    if not 0 <= index < size or len(proof) > 62:
        return False
    here, last = index, size - 1
    found = leaf_hash(entry)
    waiting = list(proof)
    while last:
        if here & 1 or here != last:
            if not waiting or len(waiting[0]) != 32:
                return False
            beside = waiting.pop(0)
            found = _node(beside, found) if here & 1 else _node(found, beside)
        here >>= 1
        last >>= 1
    return not waiting and found == root


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _levels(entries: Sequence[bytes]) -> list[list[bytes]]:
    """Every level of the tree from the leaves up; an odd last node rises as it is."""
    levels = [[leaf_hash(entry) for entry in entries]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_node(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        if len(below) & 1:
            above.append(below[-1])
        levels.append(above)
    return levels
