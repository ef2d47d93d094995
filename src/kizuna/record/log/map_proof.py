# SPDX-License-Identifier: Apache-2.0
"""Proofs of the verifiable map: whole buckets, complete rows, and the path to the logged root.

Keeps: 1. A proof is judged against a root that the reader got from a logged map head, never from
the proof. 2. It has one form: bytes that decode to a proof are the bytes that this proof encodes
to. 3. Every count is bounded before anything is built.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.identifier import Digest
from kizuna.record.log.merkle import HASH_SIZE, Frontier

__all__ = [
    "BUCKET_BITS",
    "EMPTY_MAP_ROOT",
    "FIRST",
    "MAX_BUCKET",
    "MAX_PROOF_KEYS",
    "ROW",
    "Entry",
    "MapProof",
    "Row",
    "bucket_hash",
    "bucket_of",
    "inner_hash",
    "row_leaf",
    "verify_map_proof",
]

BUCKET_BITS: Final = 20
"""Depth of the tree: 2^20 buckets, paths of 640 bytes."""
EMPTY_MAP_ROOT: Final = bytes(HASH_SIZE)
"""Root of a map without any row."""
FIRST: Final = 1 << BUCKET_BITS
ROW: Final = struct.Struct(">Q")
MAX_PROOF_KEYS: Final = 1 << 20
MAX_BUCKET: Final = 1 << 16
Row = tuple[int, Digest]
"""Index in the log and digest of a statement."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One key as its bucket lists it."""

    key: bytes
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MapProof:
    """The complete lists of some keys, and what is needed to compute the map's root from them.

    ``rows`` holds every key asked for (an empty list: absent); ``buckets`` the whole bucket of
    each; ``nodes`` the neighbouring hashes, level by level from the leaves, left to right.
    """

    rows: Mapping[bytes, Sequence[Row]]
    buckets: Mapping[int, Sequence[Entry]]
    nodes: Sequence[bytes]

    def to_bytes(self) -> bytes:
        """One exact binary form; equal proofs have equal bytes."""
        out = bytearray()
        _count(out, len(self.rows))
        for key in sorted(self.rows):
            rows = self.rows[key]
            out += key
            _count(out, len(rows))
            for index, digest in rows:
                out += ROW.pack(index) + digest
        _count(out, len(self.buckets))
        for bucket in sorted(self.buckets):
            entries = self.buckets[bucket]
            out += bucket.to_bytes(3, "big")
            _count(out, len(entries))
            for entry in entries:
                out += entry.key + ROW.pack(entry.size) + entry.root
        _count(out, len(self.nodes))
        flags = bytearray((len(self.nodes) + 7) // 8)
        for at, node in enumerate(self.nodes):
            if node != EMPTY_MAP_ROOT:
                flags[at >> 3] |= 1 << (at & 7)
        out += flags
        for node in self.nodes:
            if node != EMPTY_MAP_ROOT:
                out += node
        return bytes(out)

    @classmethod
    def from_bytes(cls, data: bytes) -> MapProof:
        """Read exactly what ``to_bytes`` writes; every bit of the input counts.

        Raises:
            Malformed: ``map.proof-malformed``.
        """
        source = _Source(data)
        rows: dict[bytes, list[Row]] = {}
        for _ in range(source.count(MAX_PROOF_KEYS, HASH_SIZE + 4)):
            key = source.take(HASH_SIZE)
            length = source.count(len(data), 40)
            rows[key] = [(source.number(), Digest(source.take(HASH_SIZE))) for _ in range(length)]
        buckets: dict[int, list[Entry]] = {}
        for _ in range(source.count(MAX_PROOF_KEYS, 7)):
            bucket = int.from_bytes(source.take(3), "big")
            buckets[bucket] = [
                Entry(source.take(HASH_SIZE), source.number(), source.take(HASH_SIZE))
                for _ in range(source.count(MAX_BUCKET, 72))
            ]
        total = source.count(MAX_PROOF_KEYS * BUCKET_BITS, 0)
        flags = source.take((total + 7) // 8)
        nodes = [
            source.take(HASH_SIZE) if flags[at >> 3] >> (at & 7) & 1 else EMPTY_MAP_ROOT
            for at in range(total)
        ]
        proof = cls(rows=rows, buckets=buckets, nodes=nodes)
        if proof.to_bytes() != data:
            raise _malformed("not the one form of its content")
        return proof


def bucket_of(key: bytes) -> int:
    """The bucket a key stands in: its first 20 bits."""
    return int.from_bytes(key[:3], "big") >> 4


def row_leaf(index: int, digest: bytes) -> bytes:
    """Leaf hash of one row in the tree of its key."""
    return sha256(b"\x00" + ROW.pack(index) + digest).digest()


def verify_map_proof(proof: MapProof, root: bytes) -> dict[bytes, tuple[Row, ...]]:
    """The proven complete list of every key in the proof, empty where a key is absent.

    Raises:
        Tampered: ``map.proof-wrong`` when anything in the proof does not fit the root.
    """
    wanted = {bucket_of(key) for key in proof.rows if len(key) == HASH_SIZE}
    if wanted != set(proof.buckets) or any(len(k) != HASH_SIZE for k in proof.rows):
        raise _wrong("the buckets are not those of the keys")
    level: dict[int, bytes] = {}
    listed: dict[bytes, Entry] = {}
    for bucket, entries in proof.buckets.items():
        before = b""
        for entry in entries:
            if (
                entry.key <= before
                or bucket_of(entry.key) != bucket
                or entry.size < 1
                or len(entry.root) != HASH_SIZE
            ):
                raise _wrong("a bucket is not in order")
            before = entry.key
            listed[entry.key] = entry
        level[FIRST + bucket] = bucket_hash(entries)
    for key, rows in proof.rows.items():
        known = listed.get(key)
        if known is None:
            if rows:
                raise _wrong("rows under a key that its bucket does not have")
            continue
        frontier = Frontier()
        last = -1
        for index, digest in rows:
            if index <= last:
                raise _wrong("rows are not in the order of the log")
            last = index
            frontier.append(row_leaf(index, digest))
        if frontier.size != known.size or frontier.root() != known.root:
            raise _wrong("the rows of a key are not its complete list")
    nodes = iter(proof.nodes)
    for _ in range(BUCKET_BITS):
        above: dict[int, bytes] = {}
        for node in sorted(level):
            if node >> 1 in above:
                continue
            if node & 1:
                left, right = next(nodes, b""), level[node]
            else:
                left, right = level[node], level.get(node + 1) or next(nodes, b"")
            if len(left) != HASH_SIZE or len(right) != HASH_SIZE:
                raise _wrong("hashes are missing")
            above[node >> 1] = inner_hash(left, right)
        level = above
    found = level.get(1, root if not proof.rows else b"")
    if next(nodes, None) is not None or found != root:
        raise _wrong("the path does not lead to the logged root")
    return {key: tuple(rows) for key, rows in proof.rows.items()}


class _Source:
    """Bytes read from the front, with a bound on every count."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, length: int) -> bytes:
        piece = self._data[self._at : self._at + length]
        if len(piece) != length:
            raise _malformed("it ends too early")
        self._at += length
        return piece

    def number(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def count(self, limit: int, width: int) -> int:
        found = int.from_bytes(self.take(4), "big")
        if found > limit or found * width > len(self._data) - self._at:
            raise _malformed(f"a count of {found} is too large")
        return found


def _count(out: bytearray, number: int) -> None:
    out += number.to_bytes(4, "big")


def bucket_hash(entries: Sequence[Entry]) -> bytes:
    """Hash of a whole bucket, its entries sorted."""
    if not entries:
        return EMPTY_MAP_ROOT
    return sha256(b"\x00" + b"".join(e.key + ROW.pack(e.size) + e.root for e in entries)).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node of the tree; nothing below it is nothing."""
    if left == right == EMPTY_MAP_ROOT:
        return EMPTY_MAP_ROOT
    return sha256(b"\x01" + left + right).digest()


def _malformed(why: str) -> Malformed:
    return Malformed(
        "map.proof-malformed", "not a proof of the map", why=why, hint="ask for the proof again"
    )


def _wrong(why: str) -> Tampered:
    return Tampered(
        "map.proof-wrong",
        "the proof does not show the complete list",
        why=why,
        hint="ask the store for a new proof at a newer checkpoint; keep this one as evidence",
    )
