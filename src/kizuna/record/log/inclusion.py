# SPDX-License-Identifier: Apache-2.0
"""Many leaves, one proof: that a set of entries stands in one tree, with shared hashes sent once.

The proof is the list of hashes of the largest subtrees without any of the leaves, from left to
right: each is met exactly once on the walk that both sides take.

Keeps: one set of leaves and one tree have one proof; hashes left over or missing are refused.
Standard: the tree of RFC 9162, section 2.1; the form of the proof is ours.

Example:
    >>> from kizuna.record.log.merkle import subtree_root
    >>> leaves = [bytes([n]) * 32 for n in range(5)]
    >>> def read(level, index):
    ...     return subtree_root(leaves[index << level : (index + 1) << level])
    >>> hashes = prove_leaves([1, 4], 5, read)
    >>> root_from_leaves({1: leaves[1], 4: leaves[4]}, 5, hashes) == subtree_root(leaves)
    True
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from kizuna.model.errors import Malformed
from kizuna.record.log.merkle import (
    HASH_SIZE,
    MAX_TREE_SIZE,
    NodeReader,
    node_hash,
    root_of_range,
)

__all__ = ["prove_leaves", "root_from_leaves"]


def prove_leaves(indices: Sequence[int], size: int, read: NodeReader) -> tuple[bytes, ...]:
    """The proof for a set of leaves in the tree of ``size``; ``read`` as in ``merkle``.

    Raises:
        Malformed: ``log.index-outside``.
    """
    wanted = sorted(set(indices))
    if wanted and not (wanted[0] >= 0 and wanted[-1] < size <= MAX_TREE_SIZE):
        raise Malformed(
            "log.index-outside",
            f"no leaf {wanted[-1]} in a tree of {size}",
            index=wanted[-1],
            size=size,
        )
    hashes: list[bytes] = []
    todo = [(0, size)] if size else []
    while todo:
        start, end = todo.pop()
        if bisect_left(wanted, start) == bisect_left(wanted, end):
            hashes.append(root_of_range(start, end, read))
        elif end - start > 1:
            middle = start + (1 << (end - start - 1).bit_length() - 1)
            todo += [(middle, end), (start, middle)]
    return tuple(hashes)


def root_from_leaves(
    leaves: Mapping[int, bytes], size: int, hashes: Sequence[bytes]
) -> bytes | None:
    """The root that leaf hashes and proof lead to; ``None`` where they have not the right form."""
    wanted = sorted(leaves)
    if not 0 < size <= MAX_TREE_SIZE or not wanted or wanted[0] < 0 or wanted[-1] >= size:
        return None
    if any(len(h) != HASH_SIZE for h in (*hashes, *leaves.values())):
        return None
    given = iter(hashes)
    done: list[bytes] = []
    todo: list[tuple[int, int] | None] = [(0, size)]  # None: join the last two
    while todo:
        step = todo.pop()
        if step is None:
            right, left = done.pop(), done.pop()
            done.append(node_hash(left, right))
            continue
        start, end = step
        if bisect_left(wanted, start) == bisect_left(wanted, end):
            found = next(given, None)
            if found is None:
                return None
            done.append(found)
        elif end - start == 1:
            done.append(leaves[start])
        else:
            middle = start + (1 << (end - start - 1).bit_length() - 1)
            todo += [None, (middle, end), (start, middle)]
    return done[0] if next(given, None) is None else None
