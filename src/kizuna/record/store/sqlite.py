# SPDX-License-Identifier: Apache-2.0
"""SQLite, the embedded default: one file, nothing to install.

Keeps: 1. Write-ahead log with ``synchronous=FULL``: a commit that returned survives a loss of
power. 2. Rows go in by the hundred in one statement: the interpreter lock is let go once for all
of them, and signatures are checked meanwhile. 3. One connection writes; readers have their own and
never wait for it.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kizuna.record.store.backend import (
    Batch,
    MemberRow,
    NewStatement,
    Place,
    StatementRow,
    busy,
    damaged,
    disk_full,
    head_of,
    unreachable,
)
from kizuna.record.store.connections import Connections

if TYPE_CHECKING:
    from sqlalchemy import Engine, Executable
    from sqlalchemy.engine import Row

__all__ = ["SqliteBackend"]

_COLUMNS: Final = (
    "idx, digest, content, issuer, subject, kind, media_type, key_id, issued_at, audience,"
    " document, flags, registered_at, position, length, payload_at, payload_length"
)
_SIZES: Final = (1000, 100, 10, 1)
_CHUNK: Final = 1000
_CACHE_KIB: Final = 131_072
_CHECKPOINT_PAGES: Final = 16_384


class SqliteBackend:
    """A store's tables in one SQLite file."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections = Connections(self._connect)

    # -- connections -------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            timeout=5.0,
            cached_statements=128,
        )
        try:
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _translated(), self._connections.reading() as connection:
            yield connection

    def close(self) -> None:
        """Let go of files and connections; idempotent."""
        self._connections.close()

    def _core(self) -> Engine:
        if self._connections.engine is None:
            from sqlalchemy import create_engine, event  # noqa: PLC0415 - slow to load
            from sqlalchemy.pool import NullPool  # noqa: PLC0415

            engine = create_engine(
                "sqlite://", creator=self._connect, poolclass=NullPool, isolation_level=None
            )

            # The driver is in autocommit mode; a transaction begins by saying so.
            @event.listens_for(engine, "begin")
            def _begin(connection: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own event type
                connection.exec_driver_sql("BEGIN IMMEDIATE")

            self._connections.engine = engine
        return self._connections.engine

    # -- schema ------------------------------------------------------------------------------

    def version(self) -> int:
        """Schema version, 0 where there is no store."""
        if not self.path.exists():
            return 0
        with self._reading() as connection:
            found = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
            ).fetchone()
        value = self.get_meta("schema") if found else None
        return int(value) if value is not None else 0

    def migrate(self) -> tuple[int, int]:
        """Bring the schema to this release's version; returns the version before and after."""
        from kizuna.record.store.migrations import migrate  # noqa: PLC0415 - slow to load

        with _translated():
            connection = self._connect()
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()
            with self._core().begin() as core:
                return migrate(core)

    # -- writing -----------------------------------------------------------------------------

    @contextmanager
    def writing(self, wait: float) -> Iterator[_SqliteWriting]:
        """Be the one writer for one transaction."""
        if not self._connections.writing.acquire(timeout=wait):
            raise busy(wait)
        try:
            with _translated(wait):
                connection = self._connections.writer
                if connection is None:
                    connection = self._connections.writer = self._connect()
                    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
                    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
                connection.execute(f"PRAGMA busy_timeout={int(wait * 1000)}")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield _SqliteWriting(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):  # some faults have rolled back already
                        connection.execute("ROLLBACK")
                    raise
        finally:
            self._connections.writing.release()

    def execute(self, *statements: Executable) -> list[Row[tuple[object, ...]]]:
        """Run SQLAlchemy Core statements in one transaction; rows of the last one."""
        rows: list[Row[tuple[object, ...]]] = []
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - slow to load

        with _translated():
            try:
                with self._core().begin() as core:
                    for statement in statements:
                        result = core.execute(statement)
                        rows = list(result.fetchall()) if result.returns_rows else []
            except DBAPIError as fault:
                if isinstance(fault.orig, sqlite3.Error):
                    raise fault.orig from fault
                raise
        return rows

    def scrub(self) -> None:
        """Overwrite freed pages and empty the write-ahead log."""
        with self._connections.writing, _translated():
            connection = self._connections.writer or self._connect()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if connection is not self._connections.writer:
                connection.close()

    # -- reading -----------------------------------------------------------------------------

    def get_meta(self, name: str) -> bytes | None:
        """A named value."""
        with self._reading() as connection:
            return _get_meta(connection, name)

    def last_batch(self) -> Batch | None:
        """The newest batch."""
        with self._reading() as connection:
            return _last_batch(connection)

    def batches(self, first: int, limit: int) -> list[Batch]:
        """Batches with a size above ``first``, in order."""
        with self._reading() as connection:
            return [
                Batch(*row)
                for row in connection.execute(
                    'SELECT size, registered_at, map_root, "end" FROM batches WHERE size > ?'
                    " ORDER BY size LIMIT ?",
                    (first, limit),
                )
            ]

    def rows(self, first: int, limit: int) -> list[StatementRow]:
        """Statements from index ``first`` on, in order."""
        with self._reading() as connection:
            return connection.execute(
                f"SELECT {_COLUMNS} FROM statements WHERE idx >= ? AND idx < ? ORDER BY idx",  # noqa: S608
                (first, first + limit),
            ).fetchall()

    def rows_by_indices(self, indices: Sequence[int]) -> list[StatementRow]:
        """Statements by index, in order."""
        with self._reading() as connection:
            return _rows_by_indices(connection, indices)

    def rows_by_digests(self, digests: Sequence[bytes]) -> list[StatementRow]:
        """Statements by digest, in order of index."""
        with self._reading() as connection:
            found = list(_rows_of_digests(connection, digests).values())
        found.sort()
        return found

    def places(self, digests: Sequence[bytes]) -> list[Place]:
        """Where statements stand and who may read them, in no order."""
        wanted = set(digests)
        found: list[Place] = []
        with self._reading() as connection:
            # in the order asked, which is mostly that of the log: neighbours share their pages
            heads = list(dict.fromkeys(map(head_of, digests)))
            for place in range(0, len(heads), _CHUNK):
                part = heads[place : place + _CHUNK]
                marks = ",".join("?" * len(part))
                found += connection.execute(
                    "SELECT digest, idx, issuer, audience FROM statements WHERE idx IN"  # noqa: S608
                    f" (SELECT idx FROM statements WHERE digest_head IN ({marks}))",
                    part,
                ).fetchall()
        return [row for row in found if row[0] in wanted]

    def indices_by_keys(self, keys: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """(first sixteen bytes of the key, index) of each map row, in order."""
        with self._reading() as connection:
            found = _select_in(
                connection, "SELECT key, idx FROM map_rows WHERE key", [key[:16] for key in keys]
            )
        found.sort()
        return found

    def buckets(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Contents of map buckets."""
        with self._reading() as connection:
            return _buckets(connection, numbers)

    def documents(self, digests: Sequence[bytes]) -> dict[bytes, tuple[bytes | None, int | None]]:
        """Bytes (none: erased) and time of erasure of each known document."""
        with self._reading() as connection:
            rows = _select_in(
                connection, "SELECT digest, bytes, erased_at FROM documents WHERE digest", digests
            )
        return {digest: (data, erased_at) for digest, data, erased_at in rows}

    def erased(self, digests: Sequence[bytes]) -> set[bytes]:
        """Which of these documents were erased."""
        with self._reading() as connection:
            head = "SELECT digest FROM documents WHERE erased_at IS NOT NULL AND digest"
            return {row[0] for row in _select_in(connection, head, digests)}

    def document_refs(self, digests: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """(document, index of a statement that speaks of it)."""
        with self._reading() as connection:
            return _document_refs(connection, digests)

    def key_events(self, identities: Sequence[str]) -> list[tuple[str, int]]:
        """(identity, index), in order of index."""
        with self._reading() as connection:
            return _key_events(connection, identities)

    def members(self, list_id: str) -> list[MemberRow]:
        """Every entry in force of a list."""
        with self._reading() as connection:
            return _members(connection, list_id)

    # -- backup ------------------------------------------------------------------------------

    def copy_to(self, target: str) -> None:
        """Write a consistent copy by SQLite's own on-line backup."""
        with self._reading() as connection:
            copy = sqlite3.connect(target)
            try:
                connection.backup(copy, pages=4096)
                copy.execute("PRAGMA journal_mode=DELETE")
            finally:
                copy.close()

    def restore_from(self, source: str) -> None:
        """Fill an empty database from such a copy."""
        with _translated():
            original = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
            try:
                connection = self._connect()
                try:
                    original.backup(connection, pages=4096)
                    connection.execute("PRAGMA journal_mode=WAL")
                finally:
                    connection.close()
            finally:
                original.close()


class _SqliteWriting:
    """The open transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def last_batch(self) -> Batch | None:
        return _last_batch(self._connection)

    def get_meta(self, name: str) -> bytes | None:
        return _get_meta(self._connection, name)

    def set_meta(self, name: str, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def drop_meta(self, name: str) -> None:
        self._connection.execute("DELETE FROM meta WHERE name = ?", (name,))

    def indices_of_contents(self, contents: Sequence[bytes]) -> dict[bytes, int]:
        wanted = set(contents)
        return {
            content: index
            for content, index in _select_in(
                self._connection,
                "SELECT content, idx FROM statements WHERE content_head",
                [head_of(content) for content in contents],
            )
            if content in wanted
        }

    def rows_of_digests(self, digests: Sequence[bytes]) -> dict[bytes, StatementRow]:
        return _rows_of_digests(self._connection, digests)

    def document_refs(self, digests: Sequence[bytes]) -> list[tuple[bytes, int]]:
        return _document_refs(self._connection, digests)

    def add_statements(self, rows: Sequence[NewStatement]) -> None:
        self._insert("INSERT INTO statements", rows)

    def add_map_rows(self, rows: Sequence[tuple[bytes, int]]) -> None:
        self._insert("INSERT OR IGNORE INTO map_rows", rows)

    def buckets(self, numbers: Sequence[int]) -> dict[int, bytes]:
        return _buckets(self._connection, numbers)

    def put_buckets(self, contents: Mapping[int, bytes]) -> None:
        self._insert("INSERT OR REPLACE INTO map_buckets", sorted(contents.items()))

    def add_documents(self, rows: Sequence[tuple[bytes, bytes]], stored_at: int) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO documents VALUES (?, ?, ?, NULL)",
            [(digest, data, stored_at) for digest, data in rows],
        )

    def return_documents(self, rows: Sequence[tuple[bytes, bytes]], stored_at: int) -> None:
        self._connection.executemany(
            "UPDATE documents SET bytes = ?, stored_at = ?, erased_at = NULL WHERE digest = ?",
            [(data, stored_at, digest) for digest, data in rows],
        )

    def add_document_refs(self, rows: Sequence[tuple[bytes, int]]) -> None:
        self._insert("INSERT OR IGNORE INTO document_refs", rows)

    def erase_documents(self, digests: Sequence[bytes], erased_at: int) -> None:
        # Freed pages are overwritten for the rest of this connection's life: erasing is rare.
        self._connection.execute("PRAGMA secure_delete=ON").fetchall()
        self._connection.executemany(
            "INSERT INTO documents VALUES (?, NULL, ?, ?) ON CONFLICT (digest) DO UPDATE"
            " SET bytes = NULL, erased_at = excluded.erased_at WHERE erased_at IS NULL",
            [(digest, erased_at, erased_at) for digest in digests],
        )

    def add_key_events(self, rows: Sequence[tuple[str, int]]) -> None:
        self._insert("INSERT OR IGNORE INTO key_events", rows)

    def put_members(self, rows: Sequence[MemberRow]) -> None:
        self._insert("INSERT OR REPLACE INTO members", rows)

    def members(self, list_id: str) -> list[MemberRow]:
        return _members(self._connection, list_id)

    def key_events(self, identities: Sequence[str]) -> list[tuple[str, int]]:
        return _key_events(self._connection, identities)

    def rows_by_indices(self, indices: Sequence[int]) -> list[StatementRow]:
        return _rows_by_indices(self._connection, indices)

    def add_batch(self, batch: Batch) -> None:
        self._connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", batch)

    def clear_derived(self) -> None:
        for table in (
            "statements",
            "batches",
            "map_rows",
            "map_buckets",
            "document_refs",
            "key_events",
            "members",
        ):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names stand above

    def _insert(self, head: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows in few large statements of few shapes, so that each is compiled once."""
        if not rows:
            return
        one = "(" + ",".join("?" * len(rows[0])) + ")"
        place = 0
        for size in _SIZES:
            if len(rows) - place < size:
                continue
            statement = f"{head} VALUES " + ",".join([one] * size)
            while len(rows) - place >= size:
                self._connection.execute(
                    statement, list(chain.from_iterable(rows[place : place + size]))
                )
                place += size


def _select_in(connection: sqlite3.Connection, head: str, values: Sequence[object]) -> list[Any]:
    """Rows whose last-named column is one of ``values``."""
    found: list[Any] = []
    for place in range(0, len(values), _CHUNK):
        part = values[place : place + _CHUNK]
        marks = ",".join("?" * len(part))
        found += connection.execute(f"{head} IN ({marks})", part).fetchall()
    return found


def _document_refs(
    connection: sqlite3.Connection, digests: Sequence[bytes]
) -> list[tuple[bytes, int]]:
    found = _select_in(
        connection, "SELECT document, idx FROM document_refs WHERE document", digests
    )
    return sorted(found)


def _rows_of_digests(
    connection: sqlite3.Connection, digests: Sequence[bytes]
) -> dict[bytes, StatementRow]:
    wanted = set(digests)
    return {
        row[1]: row
        for row in _select_in(
            connection,
            f"SELECT {_COLUMNS} FROM statements WHERE digest_head",  # noqa: S608
            [head_of(digest) for digest in wanted],
        )
        if row[1] in wanted
    }


def _rows_by_indices(connection: sqlite3.Connection, indices: Sequence[int]) -> list[StatementRow]:
    found = _select_in(connection, f"SELECT {_COLUMNS} FROM statements WHERE idx", indices)  # noqa: S608
    found.sort()
    return found


def _key_events(connection: sqlite3.Connection, identities: Sequence[str]) -> list[tuple[str, int]]:
    found = _select_in(
        connection, "SELECT identity, idx FROM key_events WHERE identity", identities
    )
    found.sort(key=lambda row: row[1])
    return found


def _members(connection: sqlite3.Connection, list_id: str) -> list[MemberRow]:
    return [
        MemberRow(*row)
        for row in connection.execute(
            "SELECT list_id, member, idx, state, valid_from, valid_until, keys"
            " FROM members WHERE list_id = ? ORDER BY member",
            (list_id,),
        )
    ]


def _buckets(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, bytes]:
    return dict(
        _select_in(connection, "SELECT bucket, heads FROM map_buckets WHERE bucket", numbers)
    )


def _get_meta(connection: sqlite3.Connection, name: str) -> bytes | None:
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return bytes(found[0]) if found is not None else None


def _last_batch(connection: sqlite3.Connection) -> Batch | None:
    found = connection.execute(
        'SELECT size, registered_at, map_root, "end" FROM batches ORDER BY size DESC LIMIT 1'
    ).fetchone()
    return Batch(*found) if found is not None else None


@contextmanager
def _translated(wait: float = 5.0) -> Iterator[None]:
    """Let the driver's faults leave as problems."""
    try:
        yield
    except sqlite3.OperationalError as fault:
        code = fault.sqlite_errorcode & 0xFF
        no_room = fault.sqlite_errorcode == sqlite3.SQLITE_IOERR_SHMSIZE  # its index of the journal
        if code == sqlite3.SQLITE_FULL or no_room:
            raise disk_full(str(fault)) from fault
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise busy(wait) from fault
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise unreachable(str(fault)) from fault
        raise damaged(str(fault)) from fault
    except sqlite3.IntegrityError:
        raise  # a fault of this program: it must be seen, not explained away
    except sqlite3.DatabaseError as fault:
        raise damaged(str(fault)) from fault
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(str(fault)) from fault
        raise
