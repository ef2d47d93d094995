# SPDX-License-Identifier: Apache-2.0
"""Columns: growing arrays, interned names, and the index from a node to its rows.

Keeps: 1. Appending is amortised constant time and never moves what was read as a number. 2. An
``Index`` answers for one node and for a million nodes with the same call: entries of one node come
out in the order in which they were appended.
Does not: know what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Index", "Ints", "Names"]

Ints = npt.NDArray[Any]
"""An array of whole numbers."""

_REBUILD_AT_LEAST: Final = 4_096


class Names:
    """Texts as small numbers, in order of first appearance."""

    __slots__ = ("_ids", "texts")

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self.texts: list[str] = []

    def __len__(self) -> int:
        return len(self.texts)

    def id(self, text: str) -> int:
        """The number of a text; a new one for a new text."""
        found = self._ids.get(text)
        if found is None:
            found = self._ids[text] = len(self.texts)
            self.texts.append(text)
        return found

    def another(self, text: str) -> int:
        """A further number of a text, by which the text is not found."""
        self.texts.append(text)
        return len(self.texts) - 1

    def find(self, text: str) -> int:
        """The number of a text, or -1."""
        return self._ids.get(text, -1)


class Column:
    """A growing array of one type; ``view`` is what was written so far."""

    __slots__ = ("_data", "size")

    def __init__(self, dtype: npt.DTypeLike, capacity: int = 16) -> None:
        self._data: Ints = np.empty(capacity, dtype=dtype)
        self.size = 0

    @property
    def view(self) -> Ints:
        """Everything appended so far; valid until the next append."""
        return self._data[: self.size]

    def extend(self, values: Iterable[Any] | Ints) -> None:
        """Append values."""
        fresh = np.asarray(
            values if isinstance(values, (np.ndarray, Sequence)) else list(values),
            dtype=self._data.dtype,
        )
        needed = self.size + len(fresh)
        if needed > len(self._data):
            grown = np.empty(max(needed, len(self._data) * 3 // 2), dtype=self._data.dtype)
            grown[: self.size] = self.view
            self._data = grown
        self._data[self.size : needed] = fresh
        self.size = needed


class Index:
    """From a node to the entries whose key column names it.

    The bulk lies in one sorted array; what came since is in a small dictionary until it is worth
    sorting again.
    """

    __slots__ = ("_column", "_covered", "_order", "_recent", "_start")

    def __init__(self, column: Column) -> None:
        self._column = column
        self._covered = 0
        self._order: Ints = np.empty(0, dtype=np.int32)
        self._start: Ints = np.zeros(1, dtype=np.int64)
        self._recent: dict[int, list[int]] = {}

    def refresh(self) -> None:
        """Take in what was appended to the column."""
        keys = self._column.view
        known = self._covered + sum(map(len, self._recent.values()))
        fresh = len(keys) - known
        if fresh == 0:
            return
        waiting = len(keys) - self._covered
        if waiting > max(_REBUILD_AT_LEAST, self._covered // 4):
            self._rebuild()
            return
        for entry in range(known, len(keys)):
            self._recent.setdefault(int(keys[entry]), []).append(entry)

    def _rebuild(self) -> None:
        keys = self._column.view
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        counts = np.bincount(keys)
        self._start = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=self._start[1:])
        self._covered = len(keys)
        self._recent = {}

    def of(self, node: int) -> Ints:
        """The entries of one node."""
        self.refresh()
        bulk: Ints = self._order[:0]
        if node + 1 < len(self._start):
            bulk = self._order[self._start[node] : self._start[node + 1]]
        recent = self._recent.get(node)
        return bulk if recent is None else np.concatenate((bulk, np.asarray(recent, np.int32)))

    def gather(self, nodes: Ints) -> tuple[Ints, Ints]:
        """For many nodes: (position in ``nodes``, entry) pairs, grouped by node."""
        self.refresh()
        if self._recent and len(nodes) > _REBUILD_AT_LEAST // 16:
            self._rebuild()  # cheaper than looking each node up
        inside = nodes < len(self._start) - 1
        at = np.where(inside, nodes, 0)
        if len(self._start) > 1:
            first = self._start[at]
            count = np.where(inside, self._start[at + 1] - first, 0)
        else:
            first = count = np.zeros(len(nodes), dtype=np.int64)
        total = int(count.sum())
        where = np.repeat(np.arange(len(nodes), dtype=np.int64), count)
        ends = np.cumsum(count)
        offset = np.arange(total, dtype=np.int64) - np.repeat(ends - count, count)
        entries = self._order[np.repeat(first, count) + offset]
        if self._recent:
            places: list[int] = []
            more: list[int] = []
            known = np.fromiter(self._recent, dtype=np.int64, count=len(self._recent))
            hits = [
                (int(i), self._recent[int(nodes[i])]) for i in np.isin(nodes, known).nonzero()[0]
            ]
            for i, listed in hits:
                places.extend([i] * len(listed))
                more.extend(listed)
            if more:
                where = np.concatenate((where, np.asarray(places, dtype=np.int64)))
                entries = np.concatenate((entries, np.asarray(more, dtype=np.int32)))
        return where, entries
