# SPDX-License-Identifier: Apache-2.0
"""What a database must do for the store: the seam between the one pipeline and its back ends.

Keeps: 1. Everything is asked in sets, never row by row (one round trip is dearer than a hundred
rows). 2. All writing of a batch is one transaction that leaves nothing behind when it fails.
3. Faults of a driver leave as problems of this project, with the cause in ``why``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from kizuna.model.errors import Misconfigured, Unavailable
from kizuna.model.kind import Kind

if TYPE_CHECKING:
    from sqlalchemy import Executable
    from sqlalchemy.engine import Row

__all__ = [
    "BY_HASH",
    "KINDS",
    "KIND_CODES",
    "OWN",
    "SALTED",
    "Backend",
    "Batch",
    "MemberRow",
    "NewStatement",
    "Place",
    "StatementRow",
    "Writing",
    "busy",
    "damaged",
    "disk_full",
    "head_of",
    "unreachable",
]

BY_HASH: Final = 1
"""The envelope carries the hash of a document instead of a payload."""
SALTED: Final = 2
"""The document begins with sixteen bytes of salt."""
OWN: Final = 4
"""The payload is one of our own kinds, not a document of the field."""

KINDS: Final = (
    Kind.CERTIFICATE,
    Kind.CAPABILITY,
    Kind.LINK,
    Kind.EVIDENCE,
    Kind.VERDICT,
    Kind.NOTICE,
    Kind.WAIVER,
    Kind.MEMBERSHIP,
    Kind.NORM,
    Kind.STATUS,
)
"""Kinds by their number in the tables; new ones go to the end."""

KIND_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}


StatementRow = tuple[
    int,  # 0 index in the log
    bytes,  # 1 digest
    bytes,  # 2 digest of the content
    str,  # 3 issuer
    str,  # 4 subject
    int,  # 5 kind, by its number in ``KINDS``
    str,  # 6 media type
    bytes,  # 7 thumbprint of the key
    int | None,  # 8 issued at, as the issuer claims
    str | None,  # 9 JSON array of readers; none: anyone
    bytes | None,  # 10 digest of the document beside the log
    int,  # 11 flags
    int,  # 12 registered at
    int,  # 13 where its bytes begin in the archive
    int,  # 14 how many they are
    int,  # 15 where in them the payload begins
    int,  # 16 how long the payload is
]
"""One registered statement as the tables hold it. A plain tuple: a quarter of a million of them
are read when a server starts."""

Place = tuple[bytes, int, str, str | None]
"""Digest, index, issuer and readers of a registered statement."""

NewStatement = tuple[
    int, bytes, bytes, str, str, int, str, bytes, int | None, str | None, bytes | None,
    int, int, int, int, int, int, int, int,
]  # fmt: skip
"""A ``StatementRow`` followed by the heads of digest and content, as it is inserted."""


class Batch(NamedTuple):
    """One group of statements that became durable together."""

    size: int
    registered_at: int
    map_root: bytes
    end: int
    """Where the archive ends after it."""


class MemberRow(NamedTuple):
    """The entry in force of one member of one list."""

    list_id: str
    member: str
    idx: int
    state: str
    valid_from: int | None
    valid_until: int | None
    keys: str
    """JSON array of public JWKs."""


def head_of(digest: bytes) -> int:
    """The first eight bytes as the signed number that both databases know."""
    return int.from_bytes(digest[:8], "big", signed=True)


class Writing(Protocol):
    """The one open transaction of the one writer. Leaving it by an exception undoes everything."""

    def last_batch(self) -> Batch | None:
        """The newest batch, none in an empty store."""

    def get_meta(self, name: str) -> bytes | None:
        """A named value."""

    def set_meta(self, name: str, value: bytes) -> None:
        """Set a named value."""

    def drop_meta(self, name: str) -> None:
        """Forget a named value."""

    def indices_of_contents(self, contents: Sequence[bytes]) -> dict[bytes, int]:
        """Which contents are registered already, and where."""

    def rows_of_digests(self, digests: Sequence[bytes]) -> dict[bytes, StatementRow]:
        """Registered statements by digest, this transaction's own included."""

    def document_refs(self, digests: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """(document, index of a registered statement that speaks of it)."""

    def add_statements(self, rows: Sequence[NewStatement]) -> None:
        """Insert statements."""

    def add_map_rows(self, rows: Sequence[tuple[bytes, int]]) -> None:
        """Insert (first sixteen bytes of the key, index)."""

    def buckets(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Contents of map buckets; empty ones are left out."""

    def put_buckets(self, contents: Mapping[int, bytes]) -> None:
        """Replace map buckets."""

    def add_documents(self, rows: Sequence[tuple[bytes, bytes]], stored_at: int) -> None:
        """Keep (digest, bytes); what is there already, erased or not, stays as it is."""

    def return_documents(self, rows: Sequence[tuple[bytes, bytes]], stored_at: int) -> None:
        """Keep (digest, bytes) again where they had been erased."""

    def add_document_refs(self, rows: Sequence[tuple[bytes, int]]) -> None:
        """Say which statement (index) speaks of which document."""

    def erase_documents(self, digests: Sequence[bytes], erased_at: int) -> None:
        """Forget the bytes, remember that there were some."""

    def add_key_events(self, rows: Sequence[tuple[str, int]]) -> None:
        """Say which statement acts on a key of which identity."""

    def put_members(self, rows: Sequence[MemberRow]) -> None:
        """Set the entry in force."""

    def members(self, list_id: str) -> list[MemberRow]:
        """Every entry in force of a list, this transaction's own included."""

    def key_events(self, identities: Sequence[str]) -> list[tuple[str, int]]:
        """(identity, index), in order of index."""

    def rows_by_indices(self, indices: Sequence[int]) -> list[StatementRow]:
        """Statements by index, in order."""

    def add_batch(self, batch: Batch) -> None:
        """Note the batch; the last act before the commit."""

    def clear_derived(self) -> None:
        """Empty every table that log and archive can make again."""


class Backend(Protocol):
    """One database. Every method but ``writing`` may be called from any thread."""

    name: str

    def version(self) -> int:
        """Schema version, 0 where there is no store."""

    def migrate(self) -> tuple[int, int]:
        """Bring the schema to this release's version; returns the version before and after."""

    def writing(self, wait: float) -> AbstractContextManager[Writing]:
        """Be the one writer for one transaction.

        Raises:
            Unavailable: ``store.busy`` when another writer does not leave within ``wait`` seconds.
        """

    def get_meta(self, name: str) -> bytes | None:
        """A named value."""

    def last_batch(self) -> Batch | None:
        """The newest batch."""

    def batches(self, first: int, limit: int) -> list[Batch]:
        """Batches with a size above ``first``, in order."""

    def rows(self, first: int, limit: int) -> list[StatementRow]:
        """Statements from index ``first`` on, in order."""

    def rows_by_indices(self, indices: Sequence[int]) -> list[StatementRow]:
        """Statements by index, in order."""

    def rows_by_digests(self, digests: Sequence[bytes]) -> list[StatementRow]:
        """Statements by digest, in order of index."""

    def places(self, digests: Sequence[bytes]) -> list[Place]:
        """Where statements stand and who may read them, in no order."""

    def indices_by_keys(self, keys: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """(first sixteen bytes of the key, index) of each map row, in order of key and index."""

    def buckets(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Contents of map buckets."""

    def documents(self, digests: Sequence[bytes]) -> dict[bytes, tuple[bytes | None, int | None]]:
        """Bytes (none: erased) and time of erasure of each known document."""

    def erased(self, digests: Sequence[bytes]) -> set[bytes]:
        """Which of these documents were erased."""

    def document_refs(self, digests: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """(document, index of a statement that speaks of it)."""

    def key_events(self, identities: Sequence[str]) -> list[tuple[str, int]]:
        """(identity, index), in order of index."""

    def members(self, list_id: str) -> list[MemberRow]:
        """Every entry in force of a list."""

    def scrub(self) -> None:
        """Make erased bytes unreadable in the files of the database, as far as it can."""

    def copy_to(self, target: str) -> None:
        """Write a consistent copy of the database to a file that ``restore_from`` reads."""

    def restore_from(self, source: str) -> None:
        """Fill an empty database from such a copy."""

    def execute(self, *statements: Executable) -> list[Row[tuple[object, ...]]]:
        """Run SQLAlchemy Core statements in one transaction; rows of the last one."""

    def close(self) -> None:
        """Let go of files and connections; idempotent."""


def busy(wait: float) -> Unavailable:
    """Another writer holds the store."""
    return Unavailable(
        "store.busy",
        f"another process is writing to this store; waited {wait:g} s",
        why="one log has one writer at a time",
        hint="try again; if it lasts, look for a second `kizuna serve` on the same store",
        seconds=int(wait),
    )


def disk_full(why: str) -> Unavailable:
    """No room: nothing was kept."""
    return Unavailable(
        "store.disk-full",
        "the disk is full; nothing of this batch was kept",
        why=why,
        hint="make room, then send it again",
    )


def unreachable(why: str) -> Unavailable:
    """The database does not answer."""
    return Unavailable(
        "store.unreachable",
        "the database does not answer; nothing of this batch was kept",
        why=why,
        hint="see that the database runs and that its address is right, then try again",
    )


def damaged(why: str) -> Misconfigured:
    """The database is not in order."""
    return Misconfigured(
        "store.damaged",
        "the database of this store is damaged",
        why=why,
        hint="make the tables again from log and archive: `kizuna store rebuild`",
        file="database",
    )
