# SPDX-License-Identifier: Apache-2.0
"""Receipts in bulk: all paths of a batch from one walk down the tree, one signature for all.

Keeps: the bytes are those that ``EvidenceLog.receipt`` gives for each entry alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from kizuna.record.log import EvidenceLog
from kizuna.record.log.merkle import root_of_range
from kizuna.record.log.tiles import TILE_WIDTH, TileReader, directory
from kizuna.roots.cose import read_sign1
from kizuna.roots.cose.cbor import bytes_of, head

__all__ = ["inclusion_paths", "receipts_of"]

_HASH: Final = b"\x58\x20"
_STEP: Final = 34
"""Bytes of one hash in CBOR."""
_PROOFS: Final = b"\xa1\x19\x01\x8c\xa1\x20\x81"  # {396: {-1: [ ... ]}}
_FEW: Final = 8
_MANY: Final = 32
"""From so many leaves of one tile on, the paths of all of it are made together."""


def receipts_of(log: EvidenceLog, indices: Sequence[int], size: int) -> list[bytes]:
    """COSE receipts of entries in the published tree of ``size``, in the order asked."""
    if len(indices) < _FEW:
        return [log.receipt(index, size) for index in indices]
    # protected header and signature are the same in every receipt of a checkpoint
    one = read_sign1(log.receipt(indices[0], size))
    begin = b"\xd2\x84" + bytes_of(one.protected_bytes) + _PROOFS
    end = b"\xf6" + bytes_of(one.signature)
    paths = inclusion_paths(sorted(set(indices)), size, TileReader(directory(log.path), size))
    start = b"\x83" + head(0, size)
    frames: dict[tuple[int, int], tuple[bytes, bytes]] = {}
    made: list[bytes] = []
    for index in indices:
        path, number = paths[index], head(0, index)
        shape = len(number), len(path)
        frame = frames.get(shape)
        if frame is None:  # what stands around the index is the same for every path so long
            steps = head(4, len(path) // _STEP)
            proof = len(start) + len(number) + len(steps) + len(path)
            frame = frames[shape] = (begin + head(2, proof) + start, steps)
        made.append(b"".join((frame[0], number, frame[1], path, end)))
    return made


def inclusion_paths(indices: Sequence[int], size: int, tiles: TileReader) -> dict[int, bytes]:
    """Inclusion paths of sorted leaves, each as its hashes in CBOR from the leaf upwards."""
    paths: dict[int, bytes] = {}
    todo = [(0, size, 0, len(indices), b"")]
    read = tiles.node
    while todo:
        start, end, low, high, above = todo.pop()
        if end - start == TILE_WIDTH and high - low >= _MANY:
            made = _tile_paths(tiles.folded(start // TILE_WIDTH), above)
            for index in indices[low:high]:
                paths[index] = made[index - start]
            continue
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


def _tile_paths(rows: Sequence[Sequence[bytes]], above: bytes) -> list[bytes]:
    """Paths of every leaf of a whole tile; ``above`` is what they have in common."""
    paths = [above]
    for row in reversed(rows[:-1]):  # the last is the tile's own root
        paths = [
            _HASH + twin + upper
            for left, right, upper in zip(row[::2], row[1::2], paths, strict=True)
            for twin in (right, left)
        ]
    return paths
