# SPDX-License-Identifier: Apache-2.0
"""Completing a store that came from an old backup: what was published after it, from a copy.

The log's own signature is what decides: entries are taken from any copy of its files, statements
from anyone who has the bytes, and together they must give a root that this log's key has signed.

Keeps: 1. Nothing is published that does not give the signed root, and every statement has the
digest that was logged. 2. Bytes are durable before the log refers to them; a run that was broken
off is begun again, with the same outcome. 3. The tables are then made again from log and archive,
which checks every signature and every logged head of the map. 4. Documents beside the log come
along as far as the copy gives them out and they have the hash that was signed; one that was erased
stays erased, also where the backup or the copy still has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from kizuna.model.errors import Absent, Refused, Tampered
from kizuna.model.identifier import Digest, SubjectId, digest_of
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Status, decode_payload
from kizuna.model.statement import Envelope
from kizuna.record.log import EvidenceLog
from kizuna.record.log.checkpoint import Checkpoint
from kizuna.record.log.keys import keys_under
from kizuna.record.log.tiles import Source, TileReader
from kizuna.record.store.archive import HEADER, Archive, framed
from kizuna.record.store.arriving import MAX_DOCUMENT
from kizuna.record.store.backend import Backend
from kizuna.roots.cose import parse_sign1
from kizuna.roots.statement import payload_of

__all__ = [
    "Completed",
    "Documents",
    "Lost",
    "Statements",
    "archived",
    "no_documents",
    "stored",
    "take_lost",
]

_CHUNK: Final = 1024
_FEW: Final = 64
_ROOM: Final = 16 << 20
"""Bytes of documents that are kept in one transaction."""

_STATUS: Final = media_type_of(Kind.STATUS)
_OWN: Final = frozenset(map(media_type_of, Kind))

Lost = tuple[bytes, tuple[bytes, ...] | None]
"""A statement's bytes, and its map keys where its payload lies in a document."""

Statements = Callable[[int, Sequence[Digest]], Iterator[Lost]]
"""The statements with these digests, in their order; ``at`` is where the archive has room for the
first, which another copy of the same archive has at the same place."""


Documents = Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes]]]
"""What a copy has of the documents with these digests, in any order."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a copy brought."""

    checkpoint: Checkpoint
    """Signed by this log before, and published here again."""
    documents: int
    """Documents that came along."""
    missing: int
    """Documents that statements speak of, were not erased, and did not come along."""
    erased: int
    """Documents that were erased after the backup, and are erased here again."""


def archived(archive: Archive) -> Statements:
    """Statements from another copy of the archive: a newer backup, or a second server's folder."""

    def take(at: int, digests: Sequence[Digest]) -> Iterator[Lost]:
        if archive.length < at:
            return
        for record, _ in zip(archive.records(at), digests, strict=False):
            yield record.raw, record.keys

    return take


def stored(backend: Backend) -> Documents:
    """Documents from the tables of another store, or of a backup."""

    def take(digests: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        for first in range(0, len(digests), _FEW):
            found = backend.documents(digests[first : first + _FEW])
            for digest, (data, _) in found.items():
                if data is not None:
                    yield Digest(digest), data

    return take


def no_documents(_: Sequence[Digest]) -> Iterable[tuple[Digest, bytes]]:
    """A copy that gives out none."""
    return ()


@dataclass(slots=True)
class _Beside:
    """What statements that come back say of documents, in the order of the log."""

    backend: Backend
    operator: SubjectId
    documents: Documents
    held: dict[Digest, bytes] = field(default_factory=dict)
    """Documents that were looked into already, at most ``_ROOM`` bytes."""
    spoken_of: dict[Digest, Digest] = field(default_factory=dict)
    """The document of each statement that has one."""
    erased: dict[Digest, set[str]] = field(default_factory=dict)
    """Documents that are erased in the end, and by whose word."""

    def hear(self, lost: Lost) -> Lost:
        """Take in one statement; the rules are those by which it was registered. Where only its
        document tells its map keys, they are read there and given back with it.
        """
        raw, keys = lost
        envelope = parse_sign1(raw)
        issuer = envelope.issuer
        if envelope.by_hash:
            document = Digest(envelope.payload)
            self.spoken_of[envelope.digest] = document
            by = self.erased.get(document)
            if by and not by & {issuer, self.operator}:
                del self.erased[document]  # erased by others who merely named it before
            if keys is None and envelope.media_type in _OWN:
                keys = self._keys(envelope, document)
        elif envelope.media_type == _STATUS:
            status = decode_payload(Kind.STATUS, envelope.payload)
            if isinstance(status, Status) and status.action is Action.ERASE:
                target = self._document_of(bytes.fromhex(status.target.statement or ""))
                if target is not None:
                    self.erased.setdefault(target, set()).add(issuer)
        return raw, keys

    def _keys(self, envelope: Envelope, document: Digest) -> tuple[bytes, ...] | None:
        data = self.backend.documents([document]).get(document, (None, None))[0]
        if data is None:
            for name, found in self.documents([document]):
                if name == document and _is_it(document, found):
                    data = found
        if data is None:
            return None
        if sum(map(len, self.held.values())) + len(data) <= _ROOM:
            self.held[document] = data
        return keys_under(envelope.subject, envelope.issuer, payload_of(envelope, data))

    def _document_of(self, statement: bytes) -> Digest | None:
        document = self.spoken_of.get(Digest(statement))
        if document is None:
            for row in self.backend.rows_by_digests([statement]):
                document = None if row[10] is None else Digest(row[10])
        return document

    def bring(self, wait: float, now: int) -> tuple[int, int]:
        """Keep what a copy has of them; how many came, and how many did not."""
        gone = list(self.erased)
        with self.backend.writing(wait) as tables:
            tables.erase_documents(gone, now)
        if gone:
            self.backend.scrub()
        named = [d for d in dict.fromkeys(self.spoken_of.values()) if d not in self.erased]
        wanted: set[Digest] = set(named)
        for first in range(0, len(named), _CHUNK):  # what is here already, erased or not, stays
            wanted -= self.backend.documents(named[first : first + _CHUNK]).keys()
        brought, missing, room = 0, len(wanted), _ROOM
        held: list[tuple[bytes, bytes]] = []
        asked = [d for d in named if d in wanted and d not in self.held]
        for digest, data in chain(self.held.items(), self.documents(asked)):
            if digest not in wanted or not _is_it(digest, data):
                continue  # not what was signed: as good as not there
            wanted.remove(digest)
            held.append((digest, data))
            room -= len(data)
            if room < 0:
                brought += self._keep(held, wait, now)
                held, room = [], _ROOM
        brought += self._keep(held, wait, now)
        return brought, missing - brought

    def _keep(self, rows: Sequence[tuple[bytes, bytes]], wait: float, now: int) -> int:
        if rows:
            with self.backend.writing(wait) as tables:
                tables.add_documents(rows, now)
        return len(rows)


def _is_it(digest: Digest, data: bytes) -> bool:
    return len(data) <= MAX_DOCUMENT and digest_of(data) == digest


def take_lost(
    backend: Backend,
    archive: Archive,
    log: EvidenceLog,
    source: Source,
    statements: Statements,
    documents: Documents = no_documents,
    *,
    operator: SubjectId,
    wait: float,
    now: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Completed:
    """Bring archive, log and documents up to the checkpoint that a copy of the log shows.

    The caller holds the writer's lock, and makes the tables again afterwards.

    Raises:
        Refused: ``store.nothing-lost``. Tampered: ``log.forked``, ``log.tiles-differ``,
        ``log.entry-wrong``, ``store.copy-differs``, and for a note that this log never signed.
        Absent: ``store.copy-incomplete``. Unavailable: the copy is out of reach.
    """
    note = source("checkpoint")
    target = log.read_own(note)
    last = backend.last_batch()
    size, at = (0, len(HEADER)) if last is None else (last.size, last.end)
    if target.size <= size:
        raise Refused(
            "store.nothing-lost",
            f"the copy shows {target.size} entries, this store holds {size}",
            why="a copy that is no further cannot tell what came after the backup",
            hint="name a newer copy, or confirm this one's checkpoint: `kizuna store resume`",
            size=size,
            copy=target.size,
        )
    reader = TileReader(source, target.size)
    published = log.published_size
    first_open = min(size, published)  # a fall may have left the tables ahead of the log
    logged = [Digest(entry) for entry in reader.entries(first_open, target.size)]
    entries = logged[size - first_open :]
    beside = _Beside(backend, operator, documents)
    for first in range(0, len(entries), _CHUNK):
        part = entries[first : first + _CHUNK]
        found = map(beside.hear, _checked(statements(at, part), part, size))
        records = [framed(raw, keys) for raw, keys in found]
        archive.write(at, records)
        at += sum(map(len, records))
        progress(first + len(part), len(entries))
    archive.sync()
    log.complete(logged[published - first_open :], target, now)
    # the log has signed every statement that speaks of them: what has its hash may be kept
    brought, missing = beside.bring(wait, now)
    return Completed(target, brought, missing, len(beside.erased))


def _checked(found: Iterator[Lost], digests: Sequence[Digest], size: int) -> Iterator[Lost]:
    for digest in digests:
        raw, keys = next(found, (None, None))
        if raw is None:
            raise Absent(
                "store.copy-incomplete",
                f"the copy does not have statement {digest.hex()[:16]}…",
                why="the log has it, but its bytes are not there, or not for this reader",
                hint="name another copy: a newer backup, or the folder of a second server",
                statement=digest.hex(),
                size=size,
            )
        if digest_of(raw) != digest:
            raise Tampered(
                "store.copy-differs",
                f"the copy gives other bytes for statement {digest.hex()[:16]}…",
                why="they do not have the digest that the log holds",
                hint="nothing was taken over; name another copy, and keep this one as evidence",
                statement=digest.hex(),
            )
        yield raw, keys
