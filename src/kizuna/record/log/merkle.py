# SPDX-License-Identifier: Apache-2.0
"""The hash tree: leaves in, roots and proofs out.

Keeps: 1. A proof is judged by arithmetic alone: sizes, indices, hash lengths and proof length are
checked before anything is hashed, so a hostile proof costs nothing. 2. Stricter than the standard
asks in one point: hashes have 32 bytes, and the root of a tree of size 0 is the empty-tree hash
and nothing else. 3. ``Frontier`` says the same root as the tiles do.
Standard: RFC 9162, sections 2.1.1 to 2.1.5 (the same tree as RFC 6962), SHA-256.
Does not: read files, sign, decide whom to believe.

Example:
    >>> leaf_hash(b"").hex()[:8]
    '6e340b9c'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final

from kizuna.model.errors import Malformed

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "MAX_TREE_SIZE",
    "Frontier",
    "NodeReader",
    "consistency_proof",
    "edge_root",
    "grow_edge",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root_from_inclusion",
    "root_of",
    "root_of_range",
    "subtree_root",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
MAX_TREE_SIZE: Final = 2**62
"""Largest tree that a proof may speak of: bounds every loop below to 62 steps."""

NodeReader = Callable[[int, int], bytes]
"""``read(level, index)``: hash over leaves ``index << level`` up to ``(index + 1) << level``."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Root over neighbouring hashes of one level (leaf hashes, or roots of equal subtrees)."""
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=False)
        ] + odd
    return row[0]


class Frontier:
    """The right edge of a growing tree: roots of its perfect subtrees, largest first.

    All that is needed to append and to know the root; at most 62 hashes.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if (
            not 0 <= size <= MAX_TREE_SIZE
            or len(self.hashes) != size.bit_count()
            or any(len(h) != HASH_SIZE for h in self.hashes)
        ):
            raise Malformed(
                "log.frontier-malformed",
                f"{len(self.hashes)} hashes are not the right edge of a tree of size {size}",
                size=size,
            )

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size, hashes = self.size, self.hashes
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Root of the tree as it is now."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = sha256(b"\x01" + left + root).digest()
        return root

    def to_bytes(self) -> bytes:
        """The hashes, one after the other; the size says how many there are."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Read what ``to_bytes`` wrote.

        Raises:
            Malformed: ``log.frontier-malformed``.
        """
        return cls(size, [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)])

    def copy(self) -> Frontier:
        """An independent copy."""
        twin = Frontier.__new__(Frontier)
        twin.size, twin.hashes = self.size, list(self.hashes)
        return twin


def grow_edge(size: int, edge: bytes, leaves: Iterable[bytes]) -> tuple[int, bytes]:
    """Append leaf hashes to a tree of which only the right edge is known (``Frontier.to_bytes``).

    The same as a ``Frontier`` does, without making one: for very many very small trees.

    Raises:
        Malformed: ``log.frontier-malformed``.
    """
    if len(edge) != size.bit_count() << 5:
        raise Malformed(
            "log.frontier-malformed",
            f"{len(edge)} bytes are not the right edge of a tree of size {size}",
            size=size,
        )
    for leaf in leaves:
        node, rest = leaf, size
        while rest & 1:
            node = sha256(b"\x01" + edge[-HASH_SIZE:] + node).digest()
            edge = edge[:-HASH_SIZE]
            rest >>= 1
        edge += node
        size += 1
    return size, edge


def edge_root(edge: bytes) -> bytes:
    """Root of the tree that has this right edge."""
    at = len(edge) - HASH_SIZE
    if at < 0:
        return EMPTY_ROOT
    root = edge[at:]
    while at:
        at -= HASH_SIZE
        root = sha256(b"\x01" + edge[at : at + HASH_SIZE] + root).digest()
    return root


def root_of(size: int, read: NodeReader) -> bytes:
    """Root of the first ``size`` leaves."""
    return root_of_range(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: NodeReader) -> tuple[bytes, ...]:
    """The path that shows leaf ``index`` in the tree of ``size`` leaves, from the leaf upwards.

    Raises:
        Malformed: ``log.index-outside`` when there is no such leaf in that tree.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise Malformed(
            "log.index-outside", f"no leaf {index} in a tree of {size}", index=index, size=size
        )
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of_range(middle, end, read))
            end = middle
        else:
            path.append(root_of_range(start, middle, read))
            start = middle
    return tuple(reversed(path))


def consistency_proof(first: int, second: int, read: NodeReader) -> tuple[bytes, ...]:
    """Shows that the tree of ``second`` leaves begins with the tree of ``first``.

    Raises:
        Malformed: ``log.sizes-wrong`` unless 0 ≤ first ≤ second.
    """
    if not 0 <= first <= second <= MAX_TREE_SIZE:
        raise Malformed(
            "log.sizes-wrong",
            f"a tree of {second} leaves cannot have grown from {first}",
            first=first,
            second=second,
        )
    if first in (0, second):
        return ()
    path: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(root_of_range(middle, end, read))
            end = middle
        else:
            path.append(root_of_range(start, middle, read))
            start, whole = middle, False
    if not whole:
        path.append(root_of_range(start, end, read))
    return tuple(reversed(path))


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to, or ``None`` where the proof has not the right form.

    ``leaf`` is the leaf *hash*.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE or len(leaf) != HASH_SIZE:
        return None
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border or any(len(h) != HASH_SIZE for h in proof):
        return None
    root = leaf
    for level, sibling in enumerate(proof[:inner]):
        if index >> level & 1:
            root = sha256(b"\x01" + sibling + root).digest()
        else:
            root = sha256(b"\x01" + root + sibling).digest()
    for sibling in proof[inner:]:
        root = sha256(b"\x01" + sibling + root).digest()
    return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the leaf hash stands at ``index`` in the tree with this size and root."""
    found = root_from_inclusion(leaf, index, size, proof)
    return found is not None and found == root


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Whether the second tree begins with the first. From size 0 everything grows: then the proof
    is empty, and the first root must be that of the empty tree.
    """
    if not 0 <= first <= second <= MAX_TREE_SIZE:
        return False
    if first == 0:
        grown = second > 0 and len(second_root) == HASH_SIZE
        return not proof and first_root == EMPTY_ROOT and (grown or second_root == EMPTY_ROOT)
    if first == second:
        return not proof and first_root == second_root
    if len(first_root) != HASH_SIZE or any(len(h) != HASH_SIZE for h in proof):
        return False
    shift = (first & -first).bit_length() - 1
    inner = ((first - 1) ^ (second - 1)).bit_length() - shift
    border = ((first - 1) >> (inner + shift)).bit_count()
    path = list(proof)
    if first == 1 << shift:
        seed = first_root
    else:
        if not path:
            return False
        seed = path.pop(0)
    if len(path) != inner + border:
        return False
    mask = (first - 1) >> shift
    old = new = seed
    for level, sibling in enumerate(path[:inner]):
        if mask >> level & 1:
            old = sha256(b"\x01" + sibling + old).digest()
            new = sha256(b"\x01" + sibling + new).digest()
        else:
            new = sha256(b"\x01" + new + sibling).digest()
    for sibling in path[inner:]:
        old = sha256(b"\x01" + sibling + old).digest()
        new = sha256(b"\x01" + sibling + new).digest()
    return old == first_root and new == second_root


def _split(width: int) -> int:
    """Largest power of two below ``width``."""
    return 1 << (width - 1).bit_length() - 1


def root_of_range(start: int, end: int, read: NodeReader) -> bytes:
    """Root of the subtree over leaves ``start`` to ``end``; ``start`` is aligned to its size."""
    pieces: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        pieces.append(read(level, start >> level))
        start += 1 << level
    root = pieces[-1]
    for left in reversed(pieces[:-1]):
        root = sha256(b"\x01" + left + root).digest()
    return root
