# SPDX-License-Identifier: Apache-2.0
"""What a batch will write: every row, record and proof of it, before anything is written.

Keeps: a plan is complete in itself, so that it is written whole or dropped without a trace; what
stands in it has the indices that follow the log's last one, without a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Membership, Status
from kizuna.model.statement import Envelope, Interval, Registered, Statement
from kizuna.record.log.keys import keys_of
from kizuna.record.store.archive import PREFIX, framed
from kizuna.record.store.arriving import Item
from kizuna.record.store.backend import (
    BY_HASH,
    KIND_CODES,
    OWN,
    SALTED,
    MemberRow,
    NewStatement,
    head_of,
)
from kizuna.roots.statement import decoded

__all__ = ["Plan", "add"]

_OWN: Final = frozenset(media_type_of(kind) for kind in Kind)


@dataclass(slots=True)
class Plan:
    """What a batch will write, complete but for the map head that ends it."""

    now: int
    start: int
    """Index of the first new statement."""
    place: int
    """Where the archive's next record begins."""
    rows: list[NewStatement] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    digests: list[Digest] = field(default_factory=list)
    told: list[Registered | Item] = field(default_factory=list)
    """What is registered, in order; an item where nobody needed to read it yet."""
    map_rows: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    documents: dict[bytes, bytes] = field(default_factory=dict)
    document_refs: list[tuple[bytes, int]] = field(default_factory=list)
    erased: dict[bytes, str] = field(default_factory=dict)
    """Documents that are erased, and by whose word."""
    returned: dict[bytes, bytes] = field(default_factory=dict)
    """Documents that somebody else had erased, brought by one whose own they are."""
    key_events: list[tuple[str, int]] = field(default_factory=list)
    members: dict[str, MemberRow] = field(default_factory=dict)
    changes: list[Registered] = field(default_factory=list)
    """The entries of lists and the statuses among what is registered."""
    touched: set[str] = field(default_factory=set)
    """Identities whose keys changed: forgotten again if the batch fails."""

    @property
    def next(self) -> int:
        """Index of the next statement."""
        return self.start + len(self.rows)

    def registered(self, origin: str) -> list[Registered]:
        """Everything that the plan registers, read."""
        moment = Interval(self.now, self.now)
        return [
            _read(found, origin, index, moment) if isinstance(found, Item) else found
            for index, found in enumerate(self.told, self.start)
        ]


def add(
    plan: Plan,
    envelope: Envelope,
    statement: Statement,
    moment: Interval,
    origin: str,
    *,
    document: bytes | None = None,
    keys: tuple[bytes, ...] | None = None,
) -> None:
    """Put a statement that is decided upon into the plan, at its next index.

    ``keys`` are its map keys where they are known already (from the archive).
    """
    index = plan.next
    raw, digest, payload = envelope.raw, envelope.digest, envelope.payload
    own = statement.media_type in _OWN
    flags = (BY_HASH if envelope.by_hash else 0) | (SALTED if envelope.salted else 0)
    flags |= OWN if own else 0
    if keys is None:
        keys = keys_of(statement)
    record = framed(raw, keys if own and envelope.by_hash else None)
    signature = len(envelope.signature)
    tail = signature + (1 if signature < 24 else 2 if signature < 256 else 3)
    digests = statement.document
    plan.rows.append(
        (
            index,
            digest,
            envelope.content,
            envelope.issuer,
            envelope.subject,
            KIND_CODES[statement.kind],
            statement.media_type,
            statement.key_id,
            envelope.issued_at,
            _audience(envelope.audience) if envelope.audience else None,
            digests,
            flags,
            moment.latest,
            plan.place + PREFIX,
            len(raw),
            len(raw) - tail - len(payload),
            len(payload),
            head_of(digest),
            head_of(envelope.content),
        )
    )
    plan.records.append(record)
    plan.place += len(record)
    plan.digests.append(digest)
    for key in keys:
        plan.map_rows.append((key, index, digest))
    if digests is not None:
        plan.document_refs.append((digests, index))
        if document is not None:
            plan.documents[digests] = document
    told = Registered(statement=statement, origin=origin, index=index, registered=moment)
    plan.told.append(told)
    if isinstance(statement.payload, Membership | Status):
        plan.changes.append(told)


def _read(item: Item, origin: str, index: int, moment: Interval) -> Registered:
    """A statement that a helper read to its end, read here too."""
    envelope, key = item.envelope, item.key
    if envelope is None or key is None:
        raise RuntimeError("only a decided statement is told")
    statement = decoded(envelope, key, again=True)
    return Registered(statement=statement, origin=origin, index=index, registered=moment)


def _audience(readers: tuple[SubjectId, ...]) -> str:
    return msgspec.json.encode(readers).decode()
