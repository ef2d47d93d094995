# SPDX-License-Identifier: Apache-2.0
"""Completing a store that came from an old backup: what was published after it, from a copy.

The log's own signature is what decides: entries are taken from any copy of its files, statements
from anyone who has the bytes, and together they must give a root that this log's key has signed.

Keeps: 1. Nothing is published that does not give the signed root, and every statement has the
digest that was logged. 2. Bytes are durable before the log refers to them; a run that was broken
off is begun again, with the same outcome. 3. The tables are then made again from log and archive,
which checks every signature and every logged head of the map.
Does not: bring documents that stand beside the log; whoever has them registers them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kizuna.model.errors import Absent, Refused, Tampered
from kizuna.model.identifier import Digest, digest_of
from kizuna.record.log import EvidenceLog
from kizuna.record.log.checkpoint import Checkpoint
from kizuna.record.log.tiles import Source, TileReader
from kizuna.record.store.archive import HEADER, Archive, framed
from kizuna.record.store.backend import Backend

__all__ = ["Lost", "Statements", "archived", "take_lost"]

_CHUNK: Final = 1024

Lost = tuple[bytes, tuple[bytes, ...] | None]
"""A statement's bytes, and its map keys where its payload lies in a document."""

Statements = Callable[[int, Sequence[Digest]], Iterator[Lost]]
"""The statements with these digests, in their order; ``at`` is where the archive has room for the
first, which another copy of the same archive has at the same place."""


def archived(archive: Archive) -> Statements:
    """Statements from another copy of the archive: a newer backup, or a second server's folder."""

    def take(at: int, digests: Sequence[Digest]) -> Iterator[Lost]:
        if archive.length < at:
            return
        for record, _ in zip(archive.records(at), digests, strict=False):
            yield record.raw, record.keys

    return take


def take_lost(
    backend: Backend,
    archive: Archive,
    log: EvidenceLog,
    source: Source,
    statements: Statements,
    *,
    now: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Checkpoint:
    """Bring archive and log up to the checkpoint that a copy of the log shows.

    The caller holds the writer's lock, and makes the tables again afterwards.

    Returns:
        The checkpoint: signed by this log before, and published here again.

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
    for first in range(0, len(entries), _CHUNK):
        part = entries[first : first + _CHUNK]
        records = [framed(raw, keys) for raw, keys in _checked(statements(at, part), part, size)]
        archive.write(at, records)
        at += sum(map(len, records))
        progress(first + len(part), len(entries))
    archive.sync()
    log.complete(logged[published - first_open :], target, now)
    return target


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
