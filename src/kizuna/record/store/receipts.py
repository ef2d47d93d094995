# SPDX-License-Identifier: Apache-2.0
"""Receipts in bulk: all paths of a batch from one walk down the tree, one signature for all.

Keeps: the bytes are those that ``EvidenceLog.receipt`` gives for each entry alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from kizuna.record.log import EvidenceLog
from kizuna.record.log.merkle import NodeReader, root_of_range
from kizuna.record.log.tiles import TileReader, directory
from kizuna.roots.cose import read_sign1
from kizuna.roots.cose.cbor import bytes_of, head

__all__ = ["inclusion_paths", "receipts_of"]

_HASH: Final = b"\x58\x20"
_PROOFS: Final = b"\xa1\x19\x01\x8c\xa1\x20\x81"  # {396: {-1: [ ... ]}}
_FEW: Final = 8


def receipts_of(log: EvidenceLog, indices: Sequence[int], size: int) -> list[bytes]:
    """COSE receipts of entries in the published tree of ``size``, in the order asked."""
    if len(indices) < _FEW:
        return [log.receipt(index, size) for index in indices]
    # protected header and signature are the same in every receipt of a checkpoint
    one = read_sign1(log.receipt(indices[0], size))
    begin = b"\xd2\x84" + bytes_of(one.protected_bytes) + _PROOFS
    end = b"\xf6" + bytes_of(one.signature)
    paths = inclusion_paths(sorted(set(indices)), size, TileReader(directory(log.path), size).node)
    start = b"\x83" + head(0, size)
    made: list[bytes] = []
    for index in indices:
        path = paths[index]
        proof = start + head(0, index) + head(4, len(path) // 34) + path
        made.append(begin + bytes_of(proof) + end)
    return made


def inclusion_paths(indices: Sequence[int], size: int, read: NodeReader) -> dict[int, bytes]:
    """Inclusion paths of sorted leaves, each as its hashes in CBOR from the leaf upwards."""
    paths: dict[int, bytes] = {}
    todo = [(0, size, 0, len(indices), b"")]
    while todo:
        start, end, low, high, above = todo.pop()
        if end - start == 1:
            paths[start] = above
            continue
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        split = bisect_left(indices, middle, low, high)
        if split > low:
            right = _HASH + root_of_range(middle, end, read) + above
            todo.append((start, middle, low, split, right))
        if split < high:
            left = _HASH + root_of_range(start, middle, read) + above
            todo.append((middle, end, split, high, left))
    return paths
