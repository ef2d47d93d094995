# SPDX-License-Identifier: Apache-2.0
"""Where the verifiable map keeps the heads of its keys: one row of the tables a bucket.

Keeps: 1. Inside the writer's transaction heads are read and written in that transaction, so they
are never ahead of the statements they cover; elsewhere they are read as committed. 2. A row's form
is exact: for each key in order its 32 bytes, its size in eight, and one hash a bit of the size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from kizuna.record.log.map import BUCKET_BITS, Head, bucket_of
from kizuna.record.store.backend import Backend, Writing

__all__ = ["TableHeads"]

_GROUP = 4096


class TableHeads:
    """The heads of all keys, for ``record.log.map.VerifiableMap``."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._writing: Writing | None = None

    @contextmanager
    def within(self, writing: Writing) -> Iterator[None]:
        """Read and write in this transaction until the block ends."""
        self._writing = writing
        try:
            yield
        finally:
            self._writing = None

    def fetch_buckets(self, buckets: Sequence[int]) -> Mapping[int, Mapping[bytes, Head]]:
        """Every key of every bucket asked for, with its head; empty buckets are left out."""
        source = self._backend if self._writing is None else self._writing
        return {number: _parse(data) for number, data in source.buckets(buckets).items()}

    def put(self, heads: Mapping[bytes, Head]) -> None:
        """Keep these heads beside what else their buckets hold."""
        buckets: dict[int, dict[bytes, Head]] = {bucket_of(key): {} for key in heads}
        for number, known in self.fetch_buckets(list(buckets)).items():
            buckets[number] = dict(known)
        for key, head in heads.items():
            buckets[bucket_of(key)][key] = head
        self.put_whole(buckets)

    def put_whole(self, buckets: Mapping[int, Mapping[bytes, Head]]) -> None:
        """Keep these buckets as they are."""
        if self._writing is None:
            raise RuntimeError("heads are written by the store's writer only")
        self._writing.put_buckets({number: _form(bucket) for number, bucket in buckets.items()})

    def everything(self) -> Iterator[Mapping[bytes, Head]]:
        """All heads, group by group."""
        for first in range(0, 1 << BUCKET_BITS, _GROUP):
            yield from self.fetch_buckets(range(first, first + _GROUP)).values()


def _form(bucket: Mapping[bytes, Head]) -> bytes:
    if len(bucket) == 1:
        ((key, (size, frontier)),) = bucket.items()
        return key + size.to_bytes(8, "big") + frontier
    return b"".join(
        key + size.to_bytes(8, "big") + frontier for key, (size, frontier) in sorted(bucket.items())
    )


def _parse(data: bytes) -> dict[bytes, Head]:
    found: dict[bytes, Head] = {}
    place = 0
    while place < len(data):
        size = int.from_bytes(data[place + 32 : place + 40], "big")
        end = place + 40 + 32 * size.bit_count()
        found[data[place : place + 32]] = (size, data[place + 40 : end])
        place = end
    return found
