# SPDX-License-Identifier: Apache-2.0
"""The verifiable map: from a key to the complete list of statements that stand under it.

A log proves "this is in it", never "this is all there is". The map does: 2^20 buckets under one
hash tree; a bucket lists its keys with size and root of each key's own tree of (index, digest)
rows. The root is logged after each batch in a ``map-head`` statement, so that everyone sees the
same map. A missing key is proven by showing the whole bucket it would stand in.

Keeps: 1. One list of rows has one root: buckets are sorted, empty subtrees are 32 zero bytes.
2. ``stage`` changes nothing; ``commit`` writes; so the root is known before the transaction that it
belongs to. 3. ``covered`` is the number of log entries whose rows are in the map. Everything up to
``synced`` is on disk; after a crash the owner hands the keys of all later rows to ``refresh``.
4. A proof is checked against the root before it is handed out, and by its reader against a root
that the reader got from a logged map head: never from the proof.
Standard: none (transparency-dev's verifiable index is nearest); rows are an RFC 9162 tree.
Does not: store heads or rows (its owner does, through ``Heads``), sign, read a clock.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Final, Protocol

from kizuna.model.errors import Malformed, Misconfigured, Tampered, Unavailable
from kizuna.record.log.map_proof import (
    BUCKET_BITS,
    EMPTY_MAP_ROOT,
    FIRST,
    ROW,
    Entry,
    MapProof,
    Row,
    bucket_of,
    row_leaf,
    verify_map_proof,
)
from kizuna.record.log.merkle import HASH_SIZE, edge_root, grow_edge

__all__ = [
    "BUCKET_BITS",
    "EMPTY_MAP_ROOT",
    "Entry",
    "Head",
    "Heads",
    "MapProof",
    "MemoryHeads",
    "Row",
    "Staged",
    "VerifiableMap",
    "bucket_of",
    "row_leaf",
    "verify_map_proof",
]

_BOTH_EMPTY: Final = EMPTY_MAP_ROOT * 2
_HEADER: Final = 4096
_NODES_BITS: Final = 7  # 128 nodes to a page of 4096 bytes
_SIZE: Final = _HEADER + (2 << BUCKET_BITS) * HASH_SIZE
_MAGIC: Final = b"kizuna-map-1\x00\x00\x00\x00"
_HEAD: Final = struct.Struct(">16sQQQ32s")  # magic, generation, covered, synced, root
_TRIES: Final = 64
Head = tuple[int, bytes]
"""Size of one key's tree and its frontier (``merkle.Frontier.to_bytes``)."""

Levels = list[tuple[list[int], list[bytes]]]
"""New hashes of nodes, level by level from the buckets up: numbers, and their values."""


class Heads(Protocol):
    """Where the heads of all keys are kept; the owner of the map implements it."""

    def fetch_buckets(self, buckets: Sequence[int]) -> Mapping[int, Mapping[bytes, Head]]:
        """Every key of every bucket asked for, with its head; empty buckets may be left out."""

    def put(self, heads: Mapping[bytes, Head]) -> None:
        """Keep these heads in the place of the earlier ones."""


class MemoryHeads:
    """Heads in memory, one byte string a bucket: for audits, checks and tests."""

    def __init__(self) -> None:
        self._buckets: dict[int, bytes] = {}

    def fetch_buckets(self, buckets: Sequence[int]) -> Mapping[int, Mapping[bytes, Head]]:
        """Every key of every bucket asked for."""
        known = self._buckets
        return {bucket: _parsed(known[bucket]) for bucket in buckets if bucket in known}

    def put(self, heads: Mapping[bytes, Head]) -> None:
        """Keep these heads."""
        touched: dict[int, dict[bytes, Head]] = {}
        for key, head in heads.items():
            number = bucket_of(key)
            bucket = touched.get(number)
            if bucket is None:
                bucket = touched[number] = _parsed(self._buckets.get(number, b""))
            bucket[key] = head
        for number, bucket in touched.items():
            self._buckets[number] = b"".join(
                key + ROW.pack(size) + edge for key, (size, edge) in bucket.items()
            )

    def everything(self) -> Iterator[Mapping[bytes, Head]]:
        """All heads, bucket by bucket."""
        return map(_parsed, self._buckets.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A change that is computed and not yet written: its root goes into the map head."""

    covered: int
    root: bytes
    heads: dict[bytes, Head]
    buckets: Mapping[int, Mapping[bytes, Head]] = field(repr=False)
    """Every bucket that changes, whole."""
    nodes: Levels = field(repr=False)
    base: int = 0


class VerifiableMap:
    """The map's tree in one memory-mapped sparse file; heads are with the owner.

    One process writes, any number read: a reader that meets a write in progress reads again.
    """

    def __init__(self, path: str | Path, heads: Heads) -> None:
        """Open or create the file.

        Raises:
            Misconfigured: ``map.file-wrong`` when the file is none of ours.
            Unavailable: ``map.unavailable`` when it cannot be opened (disk full, permissions).
        """
        self.path = Path(path)
        self._heads = heads
        self._lock = RLock()
        self._wrote = False
        self._beginnings = 0
        """How often the file was emptied: a sync that began before says nothing of it."""
        self._reserved: set[int] = set()
        """Groups of nodes for which the disk has given room, as far as this process knows."""
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as fault:
            raise _unavailable(fault, self.path) from fault
        try:
            length = os.fstat(self._descriptor).st_size
            if length == 0:
                os.ftruncate(self._descriptor, _SIZE)
                os.pwrite(self._descriptor, _HEAD.pack(_MAGIC, 0, 0, 0, EMPTY_MAP_ROOT), 0)
                os.fsync(self._descriptor)
            whole = length in (0, _SIZE) and os.pread(self._descriptor, 16, 0) == _MAGIC
            if whole:
                self._file = mmap.mmap(self._descriptor, _SIZE)
        except OSError as fault:
            os.close(self._descriptor)
            raise _unavailable(fault, self.path) from fault
        if not whole:
            os.close(self._descriptor)
            raise Misconfigured(
                "map.file-wrong",
                f"{self.path} is not a map file",
                why="its length or first bytes are not those of a map file",
                hint="move it away; `kizuna store rebuild` makes it again from the statements",
                path=str(self.path),
            )

    # --- reading ------------------------------------------------------------------------------

    @property
    def covered(self) -> int:
        """How many log entries have their rows in the map."""
        return self._head()[1]

    @property
    def synced(self) -> int:
        """Up to which entry everything is on disk for certain."""
        return self._head()[2]

    @property
    def root(self) -> bytes:
        """The root over everything covered."""
        return self._head()[3]

    def prove(self, rows: Mapping[bytes, Sequence[Row]]) -> MapProof:
        """A proof for these keys; ``rows`` are their complete lists (empty: the key is absent).

        Raises:
            Tampered: ``map.rows-wrong`` when rows, heads and tree do not fit each other.
            Unavailable: ``map.busy`` when a writer never left the map alone.
        """
        buckets = sorted({bucket_of(key) for key in rows})
        for _ in range(_TRIES):
            before = self._head()
            if before[0] & 1:
                continue
            heads = self._heads.fetch_buckets(buckets)
            with self._lock:
                nodes = self._siblings(buckets)
            if self._head()[0] != before[0]:
                continue
            proof = MapProof(
                rows={key: tuple(rows[key]) for key in sorted(rows)},
                buckets={bucket: _entries(heads.get(bucket, {})) for bucket in buckets},
                nodes=nodes,
            )
            try:
                verify_map_proof(proof, before[3])
            except Tampered as fault:
                raise Tampered(
                    "map.rows-wrong",
                    "the stored rows do not fit the map",
                    why=fault.why,
                    hint="run `kizuna log fsck`; `kizuna store rebuild` makes the map again",
                ) from fault
            return proof
        raise Unavailable("map.busy", "the map is being written", hint="try again")

    def differs_from(self, other: VerifiableMap) -> bool:
        """Whether any node of the two files is not the same."""
        step = 1 << 20
        return any(
            self._read(at, step) != other._read(at, step) for at in range(_HEADER, _SIZE, step)
        )

    # --- writing ------------------------------------------------------------------------------

    def stage(self, rows: Iterable[tuple[bytes, int, bytes]], covered: int) -> Staged:
        """Compute what rows (key, index, digest), in the order of the log, make of the map.

        Nothing is written. The caller stores ``heads`` in its transaction and then commits.

        Raises:
            Malformed: ``map.covered-wrong`` when ``covered`` would shrink.
        """
        base = self.covered
        if covered < base:
            raise Malformed(
                "map.covered-wrong",
                f"a map of {base} entries cannot cover {covered}",
                covered=covered,
                base=base,
            )
        by_key: dict[bytes, bytes | list[bytes]] = {}
        leaf, leaf_of = b"", -1
        for key, index, digest in rows:
            if index != leaf_of:  # one statement stands under many keys with the same leaf
                leaf, leaf_of = sha256(b"\x00" + ROW.pack(index) + digest).digest(), index
            found = by_key.get(key)
            if found is None:
                by_key[key] = leaf
            elif isinstance(found, bytes):
                by_key[key] = [found, leaf]
            else:
                found.append(leaf)
        number_of = int.from_bytes
        numbers = [number_of(key[:3], "big") >> 4 for key in by_key]
        touched: dict[int, dict[bytes, Head]] = {number: {} for number in sorted(set(numbers))}
        for number, known in (self._heads.fetch_buckets(list(touched)) if touched else {}).items():
            touched[number] = dict(known)
        changed: dict[bytes, Head] = {}
        for (key, leaves), number in zip(by_key.items(), numbers, strict=True):
            bucket = touched[number]
            head = bucket.get(key)
            if isinstance(leaves, bytes):
                new = (1, leaves) if head is None else grow_edge(*head, (leaves,))
            else:
                new = grow_edge(*(head or (0, b"")), leaves)
            bucket[key] = changed[key] = new
        nodes, root = self._paths(touched)
        return Staged(
            covered=covered, root=root, heads=changed, buckets=touched, nodes=nodes, base=base
        )

    def commit(self, staged: Staged) -> None:
        """Write a staged change. Its heads must be stored already.

        Raises:
            Malformed: ``map.covered-wrong`` when the map moved on since it was staged.
        """
        with self._lock:
            if self.covered != staged.base:
                raise Malformed(
                    "map.covered-wrong",
                    f"the map covers {self.covered} entries, the change begins at {staged.base}",
                    covered=self.covered,
                    base=staged.base,
                )
            self._write(staged.nodes, staged.covered, staged.root)

    def apply(self, rows: Iterable[tuple[bytes, int, bytes]], covered: int) -> bytes:
        """Stage, store the heads and commit in one step; returns the new root."""
        staged = self.stage(rows, covered)
        self._heads.put(staged.heads)
        self.commit(staged)
        return staged.root

    def refresh(self, keys: Iterable[bytes], covered: int) -> bytes:
        """Compute the paths of these keys again from their heads; returns the root.

        After a crash the owner passes the keys of every row with an index of ``synced`` or more,
        and everything is as if it had been committed.
        """
        buckets = sorted({bucket_of(key) for key in keys})
        with self._lock:
            nodes, root = self._paths(self._heads.fetch_buckets(buckets), buckets)
            self._write(nodes, covered, root)
        return root

    def rebuild(self, heads: Iterable[Mapping[bytes, Head]], covered: int) -> bytes:
        """Make the whole tree again from all heads; returns the root.

        ``heads`` comes in groups of any size, and no bucket is spread over two groups.
        """
        leaves: dict[int, bytes] = {}
        with self._lock:
            self.clear()
            for group in heads:
                buckets: dict[int, dict[bytes, Head]] = {}
                for key, head in group.items():
                    buckets.setdefault(bucket_of(key), {})[key] = head
                for number, keys in buckets.items():
                    leaves[FIRST + number] = _heads_hash(keys)
            nodes, root = self._climb(leaves)
            self._write(nodes, covered, root)
            self.sync()
        return root

    def clear(self) -> None:
        """Empty the map: an empty file, covering nothing."""
        with self._lock:
            self._wrote = True
            self._beginnings += 1
            self._reserved.clear()
            self._file.close()
            os.ftruncate(self._descriptor, 0)
            os.ftruncate(self._descriptor, _SIZE)
            os.pwrite(self._descriptor, _HEAD.pack(_MAGIC, 0, 0, 0, EMPTY_MAP_ROOT), 0)
            self._file = mmap.mmap(self._descriptor, _SIZE)

    def sync(self) -> None:
        """Bring everything to disk; later crashes need only the rows after ``covered``. May run
        beside a thread that writes: then up to where the map was when this began.

        Whoever only reads has nothing to sync, and leaves the file to its writer.

        Raises:
            Unavailable: ``map.unavailable`` when the disk refuses.
        """
        with self._lock:
            _, covered, synced, _ = self._head()
            if synced == covered or not self._wrote:
                return
            beginning = self._beginnings
        try:
            # whoever writes goes on meanwhile: what they write is covered later than ``covered``
            self._to_disk()
            with self._lock:
                if self._beginnings != beginning or self._file.closed:
                    return
                generation, present, _, root = self._head()
                self._set_head(generation, present, covered, root)
                self._file.flush(0, _HEADER)
        except OSError as fault:
            raise _unavailable(fault, self.path) from fault

    def _to_disk(self) -> None:
        if sys.platform == "linux":  # brings mapped pages too, and lets other threads run
            os.fdatasync(self._descriptor)
        else:
            with self._lock:
                self._file.flush()

    def close(self) -> None:
        """Sync and let go of the file."""
        with self._lock:
            if not self._file.closed:
                self.sync()
                self._file.close()
                os.close(self._descriptor)

    # --- inside -------------------------------------------------------------------------------

    def _head(self) -> tuple[int, int, int, bytes]:
        _, generation, covered, synced, root = _HEAD.unpack_from(self._file, 0)
        return generation, covered, synced, root

    def _read(self, at: int, length: int) -> bytes:
        """Bytes of the file where nothing was reserved. Not through the mapping: a file system in
        memory gives a hole room when it is looked at, and one that is full ends the process.
        """
        return os.pread(self._descriptor, length, at)

    def _set_head(self, generation: int, covered: int, synced: int, root: bytes) -> None:
        _HEAD.pack_into(self._file, 0, _MAGIC, generation, covered, synced, root)

    def _reserve(self, nodes: Iterable[int]) -> None:
        """Have the disk give room for these leaves and everything above them. The file is sparse:
        touching a hole in memory, for which a full disk has no room, would end the process.

        Raises:
            Unavailable: ``map.unavailable``; nothing is written then.
        """
        level = {node >> _NODES_BITS for node in nodes}
        wanted: set[int] = set()
        while level:
            wanted |= level
            level = {group >> 1 for group in level if group}
        wanted -= self._reserved
        try:
            for group in sorted(wanted):
                at = _HEADER + (group << _NODES_BITS) * HASH_SIZE
                os.posix_fallocate(self._descriptor, at, HASH_SIZE << _NODES_BITS)
        except OSError as fault:
            raise _unavailable(fault, self.path) from fault
        self._reserved |= wanted

    def _write(self, nodes: Levels, covered: int, root: bytes) -> None:
        self._wrote = True
        generation, before, synced, old_root = self._head()
        # an odd generation left by a crash is taken over: whoever writes again ends it
        writing = generation | 1
        self._set_head(writing, before, synced, old_root)
        file = self._file
        for numbers, values in nodes:
            for node, value in zip(numbers, values, strict=True):
                at = _HEADER + (node << 5)
                file[at : at + 32] = value
        self._set_head(writing + 1, covered, synced, root)

    def _paths(
        self, touched: Mapping[int, Mapping[bytes, Head]], buckets: Sequence[int] | None = None
    ) -> tuple[Levels, bytes]:
        """New hashes of these buckets and of everything above them."""
        level: dict[int, bytes] = {}
        pack = ROW.pack
        for bucket in sorted(touched if buckets is None else buckets):
            keys = touched.get(bucket, {})
            if len(keys) == 1:  # the common bucket, without making values of its parts
                ((key, (size, edge)),) = keys.items()
                body = key + pack(size) + (edge if size == 1 else edge_root(edge))
                level[FIRST + bucket] = sha256(b"\x00" + body).digest()
            else:
                level[FIRST + bucket] = _heads_hash(keys)
        return self._climb(level)

    def _climb(self, level: dict[int, bytes]) -> tuple[Levels, bytes]:
        """Everything above these new leaves, with them, and the root."""
        self._reserve(level)
        file, empty, digest = self._file, EMPTY_MAP_ROOT, sha256
        numbers = sorted(level)
        values = [level[number] for number in numbers]
        sparse = empty in values
        nodes: Levels = [(numbers, values)]
        for _ in range(BUCKET_BITS):
            above: list[int] = []
            hashes: list[bytes] = []
            at, count = 0, len(numbers)
            while at < count:
                node, value = numbers[at], values[at]
                at += 1
                if node & 1:
                    twin = _HEADER + ((node - 1) << 5)
                    both = file[twin : twin + 32] + value
                elif at < count and numbers[at] == node + 1:
                    both = value + values[at]
                    at += 1
                else:
                    twin = _HEADER + ((node + 1) << 5)
                    both = value + file[twin : twin + 32]
                above.append(node >> 1)
                if sparse and both == _BOTH_EMPTY:
                    hashes.append(empty)
                else:
                    hashes.append(digest(b"\x01" + both).digest())
            nodes.append((above, hashes))
            numbers, values = above, hashes
        return nodes, values[0] if values else self._head()[3]

    def _siblings(self, buckets: Sequence[int]) -> tuple[bytes, ...]:
        """The neighbours that a reader cannot compute, in the order ``verify_map_proof`` reads."""
        nodes: list[bytes] = []
        level = {FIRST + bucket for bucket in buckets}
        for _ in range(BUCKET_BITS):
            nodes += (
                self._read(_HEADER + ((node ^ 1) << 5), HASH_SIZE)
                for node in sorted(level)
                if node ^ 1 not in level
            )
            level = {node >> 1 for node in level}
        return tuple(nodes)


def _parsed(data: bytes) -> dict[bytes, Head]:
    found: dict[bytes, Head] = {}
    at = 0
    while at < len(data):
        (size,) = ROW.unpack_from(data, at + HASH_SIZE)
        end = at + 40 + (size.bit_count() << 5)
        found[data[at : at + HASH_SIZE]] = (size, data[at + 40 : end])
        at = end
    return found


def _entries(heads: Mapping[bytes, Head]) -> tuple[Entry, ...]:
    return tuple(Entry(key, size, edge_root(edge)) for key, (size, edge) in sorted(heads.items()))


def _heads_hash(heads: Mapping[bytes, Head]) -> bytes:
    """``bucket_hash`` of the entries that these heads make."""
    if not heads:
        return EMPTY_MAP_ROOT
    parts = [
        key + ROW.pack(size) + (edge if size == 1 else edge_root(edge))
        for key, (size, edge) in sorted(heads.items())
    ]
    return sha256(b"\x00" + b"".join(parts)).digest()


def _unavailable(fault: OSError, path: Path) -> Unavailable:
    return Unavailable(
        "map.unavailable",
        f"cannot use the map file {path}",
        why=fault.strerror or str(fault),
        hint="check disk space and permissions",
        path=str(path),
    )
