# SPDX-License-Identifier: Apache-2.0
"""Reading a store: the evidence as the chain, the doors and a bundle need it.

Keeps: 1. A reader is one view of one checkpoint: it sees nothing registered later and nothing that
its view does not show, by any way out. 2. Questions are sets. 3. Statements come from columns and
payload bytes; their signatures were checked when they were registered and are not checked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Payload, payload_type
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.model.verdict import Known
from kizuna.record.store.archive import Archive
from kizuna.record.store.backend import BY_HASH, KINDS, OWN, SALTED, Backend, StatementRow
from kizuna.record.store.view import View

__all__ = ["NEVER", "StoreReader"]

NEVER: Final = 2**53
"""Latest instant of a registration that no witness has confirmed yet."""

_SALT: Final = 16
_PAGE: Final = 4096
_SPAN: Final = 64 << 20
_GAP: Final = 4096
_DECODERS: Final = tuple(msgspec.json.Decoder(payload_type(kind)) for kind in KINDS)
_READERS: Final = msgspec.json.Decoder(tuple[SubjectId, ...])


class StoreReader:
    """The registered statements that one view shows at one checkpoint.

    Args:
        backend: where the columns are.
        archive: where the bytes are.
        head: the checkpoint that this reader stands at.
        view: whose eyes.
        times: when an index was registered, given where that must not rest on the log's own clock
            (``record.log.checkpoint.Intervals.of`` over cosigned checkpoints); None for an index
            that no witness has seen yet.
    """

    def __init__(
        self,
        backend: Backend,
        archive: Archive,
        *,
        head: Known,
        view: View,
        times: Callable[[int], Interval | None] | None = None,
    ) -> None:
        self._backend = backend
        self._archive = archive
        self._head = head
        self._view = view
        self._times = times

    @property
    def view(self) -> str:
        """The name of the view, as it stands in verdicts."""
        return self._view.name

    @property
    def size(self) -> int:
        """How many entries the log had at this reader's checkpoint."""
        return self._head.size

    def heads(self) -> tuple[Known, ...]:
        """The checkpoint of the store's one log."""
        return (self._head,)

    def all(self, since: int = 0) -> Iterator[list[Registered]]:
        """Everything from an index on, in order, in pages."""
        while since < self._head.size:
            rows = self._backend.rows(since, min(_PAGE, self._head.size - since))
            if not rows:
                return
            yield self._decode(rows)
            since = rows[-1][0] + 1

    def by_keys(self, keys: Sequence[bytes]) -> dict[bytes, tuple[Registered, ...]]:
        """Everything that stands under each map key, in order; a key without any is left out."""
        size = self._head.size
        found = [(short, at) for short, at in self._backend.indices_by_keys(keys) if at < size]
        decoded = {row.index: row for row in self.by_indices(sorted({at for _, at in found}))}
        groups: dict[bytes, list[Registered]] = {}
        for short, at in found:
            row = decoded.get(at)
            if row is not None:
                groups.setdefault(short, []).append(row)
        return {key: tuple(groups[key[:16]]) for key in keys if key[:16] in groups}

    def rows_under(self, keys: Sequence[bytes]) -> dict[bytes, list[tuple[int, Digest]]]:
        """The complete map rows (index, digest) of each key, restricted ones included.

        They are what a map proof is made of: a digest tells nothing of what was said.
        """
        found = self._backend.indices_by_keys(keys)
        digests = {
            row[0]: Digest(row[1])
            for row in self._backend.rows_by_indices(sorted({at for _, at in found}))
        }
        groups: dict[bytes, list[tuple[int, Digest]]] = {key: [] for key in keys}
        by_short = {key[:16]: key for key in keys}
        for short, at in found:
            if at < self._head.size:
                groups[by_short[short]].append((at, digests[at]))
        return groups

    def by_indices(self, indices: Sequence[int]) -> list[Registered]:
        """The statements at these places, in order; what the view does not show is left out."""
        size = self._head.size
        rows = self._backend.rows_by_indices([at for at in indices if 0 <= at < size])
        return [found for page in _pages(rows) for found in self._decode(page)]

    def by_digests(self, digests: Sequence[Digest]) -> dict[Digest, Registered]:
        """The statements with these digests."""
        rows = [row for row in self._backend.rows_by_digests(digests) if row[0] < self._head.size]
        return {
            found.statement.digest: found for page in _pages(rows) for found in self._decode(page)
        }

    def latest(
        self,
        limit: int,
        *,
        before: int | None = None,
        kind: Kind | None = None,
        issuer: str | None = None,
    ) -> list[Registered]:
        """The newest statements below an index, newest first, for people who page back.

        Looks at no more than a hundred pages of rows, so a rare kind may give fewer than there are.
        """
        end = self._head.size if before is None else min(before, self._head.size)
        found: list[Registered] = []
        for _ in range(100):
            if end <= 0 or len(found) >= limit:
                break
            start = max(0, end - max(limit, 100))
            rows = [
                row
                for row in self._backend.rows(start, end - start)
                if (kind is None or KINDS[row[5]] is kind) and (issuer is None or row[3] == issuer)
            ]
            found += reversed(self._decode(rows))
            end = start
        return found[:limit]

    def raw(self, digests: Sequence[Digest]) -> dict[Digest, bytes]:
        """The statements as they were received."""
        return {
            Digest(row[1]): self._archive.read(row[13], row[14])
            for row in self._backend.rows_by_digests(digests)
            if row[0] < self._head.size and self._view.shows(row[3], row[9])
        }

    def raw_range(self, first: int, limit: int) -> list[tuple[int, bytes]]:
        """Index and bytes of consecutive statements, as far as the view shows them."""
        rows = self._backend.rows(first, max(0, min(limit, self._head.size - first)))
        return [
            (row[0], self._archive.read(row[13], row[14]))
            for row in rows
            if self._view.shows(row[3], row[9])
        ]

    def documents(self, digests: Sequence[Digest]) -> dict[Digest, bytes | None]:
        """Bytes of documents beside the log as they were hashed (salt included); None: erased.

        A document that is not here, or that the view does not show, is left out.
        """
        known = self._backend.documents(digests)
        if not self._view.everything:
            visible = self._visible_documents(list(known))
            known = {digest: entry for digest, entry in known.items() if digest in visible}
        return {Digest(digest): data for digest, (data, _) in known.items()}

    def _visible_documents(self, digests: Sequence[bytes]) -> set[bytes]:
        references = self._backend.document_refs(digests)
        shown = {
            row[0]
            for row in self._backend.rows_by_indices(sorted({at for _, at in references}))
            if row[0] < self._head.size and self._view.shows(row[3], row[9])
        }
        return {digest for digest, at in references if at in shown}

    # -- inside --------------------------------------------------------------------------------

    def _decode(self, rows: Sequence[StatementRow]) -> list[Registered]:
        if not self._view.everything:
            rows = [row for row in rows if row[9] is None or self._view.shows(row[3], row[9])]
        if not rows:
            return []
        contents, erased = self._beside([row for row in rows if row[10] is not None])
        origin, times = self._head.origin, self._times
        base, end = rows[0][13], rows[-1][13] + rows[-1][14]
        whole = end - base <= _SPAN and end - base <= sum(row[14] + _GAP for row in rows)
        span = self._archive.read(base, end - base) if whole else b""
        found: list[Registered] = []
        moment = Interval(0, 0)
        for (
            index, digest, content, issuer, subject, kind, media_type, key_id, issued_at, audience,
            document, flags, registered_at, position, length, payload_at, payload_length,
        ) in rows:  # fmt: skip
            payload: Payload | None = None
            if flags & OWN:
                if flags & BY_HASH:
                    data = contents.get(document) if document is not None else None
                    if data is not None:
                        payload = _DECODERS[kind].decode(data[_SALT:] if flags & SALTED else data)
                elif whole:
                    start = position - base + payload_at
                    payload = _DECODERS[kind].decode(span[start : start + payload_length])
                else:
                    raw = self._archive.read(position, length)
                    payload = _DECODERS[kind].decode(raw[payload_at : payload_at + payload_length])
            if times is not None:
                moment = times(index) or Interval(0, NEVER)
            elif moment.earliest != registered_at:
                moment = Interval(registered_at, registered_at)
            found.append(
                Registered(
                    statement=Statement(
                        digest=Digest(digest),
                        content=Digest(content),
                        issuer=SubjectId(issuer),
                        subject=SubjectId(subject),
                        kind=KINDS[kind],
                        media_type=media_type,
                        key_id=key_id,
                        payload=payload,
                        document=None if document is None else Digest(document),
                        issued_at=issued_at,
                        audience=() if audience is None else _READERS.decode(audience),
                    ),
                    origin=origin,
                    index=index,
                    registered=moment,
                    erased=document in erased,
                )
            )
        return found

    def _beside(self, rows: Sequence[StatementRow]) -> tuple[dict[bytes, bytes], set[bytes | None]]:
        """Contents of the documents that are payloads of our own, and which ones were erased."""
        if not rows:
            return {}, set()
        own = {row[10] for row in rows if row[11] & OWN and row[10] is not None}
        others = {row[10] for row in rows if row[10] is not None} - own
        contents: dict[bytes, bytes] = {}
        erased: set[bytes | None] = set(self._backend.erased(sorted(others)))
        for digest, (data, erased_at) in self._backend.documents(sorted(own)).items():
            if data is not None:
                contents[digest] = data
            elif erased_at is not None:
                erased.add(digest)
        return contents, erased


def _pages(rows: Sequence[StatementRow]) -> Iterator[Sequence[StatementRow]]:
    for place in range(0, len(rows), _PAGE):
        yield rows[place : place + _PAGE]
