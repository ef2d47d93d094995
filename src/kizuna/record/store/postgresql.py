# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, for a store that has outgrown one file.

Keeps: 1. ``synchronous_commit`` is on, whatever the server's default: a commit that returned
survives a crash. 2. One writer at a time, by an advisory lock that ends with the transaction, also
across machines. 3. Rows travel in bulk: COPY in, arrays for look-ups.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors

from kizuna.model.identifier import Digest
from kizuna.record.store.backend import (
    Batch,
    MemberRow,
    NewStatement,
    Place,
    StatementRow,
    busy,
    damaged,
    disk_full,
    unreachable,
)
from kizuna.record.store.connections import Connections
from kizuna.record.store.postgresql_arrays import Byteas, Int4s, Int8s, know_arrays

if TYPE_CHECKING:
    from sqlalchemy import Engine, Executable
    from sqlalchemy.engine import Row

__all__ = ["PostgresqlBackend", "documents_in"]

_COLUMNS: Final = (
    "idx, digest, content, issuer, subject, kind, media_type, key_id, issued_at, audience,"
    " document, flags, registered_at, position, length, payload_at, payload_length"
)
_TYPES: Final = (
    "int8", "bytea", "bytea", "text", "text", "int2", "text", "bytea", "int8", "text",
    "bytea", "int2", "int8", "int8", "int4", "int4", "int4", "int8", "int8",
)  # fmt: skip
_COPY_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00"
_DERIVED: Final = (
    "statements",
    "batches",
    "map_rows",
    "map_buckets",
    "document_refs",
    "key_events",
    "members",
)
_BACKED_UP: Final = (
    *_DERIVED,
    "documents",
    "meta",
    "organisations",
    "invites",
    "watches",
)
_LOCK: Final = 0x6B697A756E61  # "kizuna"
_MAGIC: Final = b"kizuna tables 1\n"
_POLL: Final = 0.01


class PostgresqlBackend:
    """A store's tables in one schema of a PostgreSQL database.

    Args:
        url: ``postgresql://user@host/database`` or a libpq connection string.
        schema: one database holds several stores, each in a schema of its own.
    """

    name = "postgresql"

    def __init__(self, url: str, *, schema: str = "kizuna") -> None:
        if not schema.isidentifier():
            raise ValueError(schema)
        self.url = url
        self.schema = schema
        self._connections = Connections(self._connect, lambda connection: not connection.closed)

    # -- connections -------------------------------------------------------------------------

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = psycopg.connect(self.url, autocommit=True)
        connection.execute("SET synchronous_commit = on")
        connection.execute(f"SET search_path = {self.schema}")
        know_arrays(connection)
        return connection

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        with _translated(), self._connections.reading() as connection:
            yield connection

    def close(self) -> None:
        """Let go of connections; idempotent."""
        self._connections.close()

    def _core(self) -> Engine:
        if self._connections.engine is None:
            from sqlalchemy import create_engine  # noqa: PLC0415 - slow to load
            from sqlalchemy.pool import NullPool  # noqa: PLC0415

            self._connections.engine = create_engine(
                "postgresql+psycopg://", creator=self._connect_plain, poolclass=NullPool
            )
        return self._connections.engine

    def _connect_plain(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = self._connect()
        connection.autocommit = False
        return connection

    # -- schema ------------------------------------------------------------------------------

    def version(self) -> int:
        """Schema version, 0 where there is no store."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT to_regclass(%s)", (f"{self.schema}.meta",)
            ).fetchone()
        value = self.get_meta("schema") if found is not None and found[0] is not None else None
        return int(value) if value is not None else 0

    def migrate(self) -> tuple[int, int]:
        """Bring the schema to this release's version; returns the version before and after."""
        from kizuna.record.store.migrations import migrate  # noqa: PLC0415 - slow to load

        with _translated():
            with self._reading() as connection:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
            with self._core().begin() as core:
                core.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK + 1})")
                return migrate(core)

    # -- writing -----------------------------------------------------------------------------

    @contextmanager
    def writing(self, wait: float) -> Iterator[_PostgresqlWriting]:
        """Be the one writer for one transaction."""
        started = time.monotonic()
        if not self._connections.writing.acquire(timeout=wait):
            raise busy(wait)
        try:
            with _translated():
                connection = self._connections.writer
                if connection is None or connection.closed:
                    connection = self._connections.writer = self._connect()
                connection.execute("BEGIN")
                try:
                    self._lock(connection, started + wait, wait)
                    yield _PostgresqlWriting(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(psycopg.Error):  # a lost connection has rolled back already
                        connection.execute("ROLLBACK")
                    raise
        finally:
            self._connections.writing.release()

    def _lock(
        self, connection: psycopg.Connection[tuple[Any, ...]], until: float, wait: float
    ) -> None:
        while True:
            taken = connection.execute(
                "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", (_LOCK >> 24, self.schema)
            ).fetchone()
            if taken is not None and taken[0]:
                return
            if time.monotonic() >= until:
                raise busy(wait)
            time.sleep(_POLL)

    def execute(self, *statements: Executable) -> list[Row[tuple[object, ...]]]:
        """Run SQLAlchemy Core statements in one transaction; rows of the last one."""
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - slow to load

        rows: list[Row[tuple[object, ...]]] = []
        with _translated():
            try:
                with self._core().begin() as core:
                    for statement in statements:
                        result = core.execute(statement)
                        rows = list(result.fetchall()) if result.returns_rows else []
            except DBAPIError as fault:
                if isinstance(fault.orig, psycopg.Error):
                    raise fault.orig from fault
                raise
        return rows

    def scrub(self) -> None:
        """Rewrite the documents, so that erased bytes leave the table's files.

        The server's own write-ahead archive and its backups are its operator's to expire.
        """
        with self._reading() as connection:
            connection.execute("VACUUM (FULL) documents")

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
                for row in _all(
                    connection,
                    'SELECT size, registered_at, map_root, "end" FROM batches WHERE size > %s'
                    " ORDER BY size LIMIT %s",
                    (first, limit),
                )
            ]

    def rows(self, first: int, limit: int) -> list[StatementRow]:
        """Statements from index ``first`` on, in order."""
        with self._reading() as connection:
            return _all(
                connection,
                f"SELECT {_COLUMNS} FROM statements WHERE idx >= %s AND idx < %s ORDER BY idx",  # noqa: S608
                (first, first + limit),
            )

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
        with self._reading() as connection:
            found = _all(
                connection,
                "SELECT digest, idx, issuer, audience FROM statements WHERE digest_head = ANY(%b)",
                (_heads(wanted),),
            )
        return [row for row in found if row[0] in wanted]

    def indices_by_keys(self, keys: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """(first sixteen bytes of the key, index) of each map row, in order."""
        with self._reading() as connection:
            found = _all(
                connection,
                "SELECT key, idx FROM map_rows WHERE key = ANY(%b)",
                (Byteas([key[:16] for key in keys]),),
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
            rows = _all(
                connection,
                "SELECT digest, bytes, erased_at FROM documents WHERE digest = ANY(%s)",
                (list(digests),),
            )
        return {digest: (data, erased_at) for digest, data, erased_at in rows}

    def erased(self, digests: Sequence[bytes]) -> set[bytes]:
        """Which of these documents were erased."""
        with self._reading() as connection:
            rows = _all(
                connection,
                "SELECT digest FROM documents WHERE erased_at IS NOT NULL AND digest = ANY(%s)",
                (list(digests),),
            )
        return {row[0] for row in rows}

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
        """Write every table to one file by COPY, all of one snapshot."""
        with self._reading() as connection, Path(target).open("wb") as file:
            file.write(_MAGIC)
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                for table in _BACKED_UP:
                    file.write(f"table {table}\n".encode())
                    with connection.cursor().copy(
                        f"COPY {table} TO STDOUT (FORMAT binary)"
                    ) as copy:
                        for part in copy:
                            file.write(len(part).to_bytes(4, "big"))
                            file.write(part)
                    file.write(bytes(4))
            finally:
                connection.execute("ROLLBACK")

    def restore_from(self, source: str) -> None:
        """Fill an empty database from such a file."""
        self.migrate()
        with self._reading() as connection, Path(source).open("rb") as file:
            if file.readline() != _MAGIC:
                raise damaged(f"{source} is no copy of a store's tables")
            connection.execute("BEGIN")
            try:
                while line := file.readline():
                    table = line.decode().split()[1]
                    if table not in _BACKED_UP:
                        raise damaged(f"{source} holds an unknown table")  # noqa: TRY301
                    connection.execute(f"TRUNCATE {table}")
                    with connection.cursor().copy(
                        f"COPY {table} FROM STDIN (FORMAT binary)"
                    ) as copy:
                        while size := int.from_bytes(file.read(4), "big"):
                            copy.write(file.read(size))
                connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise


def documents_in(path: Path) -> Callable[[Sequence[Digest]], Iterator[tuple[Digest, bytes]]]:
    """The documents in a file of ``copy_to``, without a server; erased ones are not in it.

    Raises (when asked):
        Misconfigured: ``store.damaged`` where it is no such file, or ends too early.
    """

    def take(digests: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        wanted = set(digests)
        with path.open("rb") as file:
            if file.readline() != _MAGIC:
                raise damaged(f"{path} is no copy of a store's tables")
            while line := file.readline():
                if line == b"table documents\n":
                    for digest, data in _copied_documents(file):
                        if digest in wanted:
                            yield Digest(digest), data
                    return
                while size := int.from_bytes(file.read(4), "big"):
                    file.seek(size, os.SEEK_CUR)

    return take


def _copied_documents(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Digest and bytes of each row of the table, from COPY's binary form."""
    buffer = bytearray()

    def take(count: int) -> bytes:
        while len(buffer) < count:
            size = int.from_bytes(file.read(4), "big")
            part = file.read(size)
            if not part or len(part) < size:
                raise damaged("the copy of the documents ends too early")
            buffer.extend(part)
        found = bytes(buffer[:count])
        del buffer[:count]
        return found

    take(len(_COPY_SIGNATURE) + 4)
    take(int.from_bytes(take(4), "big"))
    while (fields := int.from_bytes(take(2), "big", signed=True)) >= 0:
        row: list[bytes | None] = []
        for _ in range(fields):
            size = int.from_bytes(take(4), "big", signed=True)
            row.append(take(size) if size >= 0 else None)
        if len(row) > 1 and row[0] is not None and row[1] is not None:
            yield row[0], row[1]


class _PostgresqlWriting:
    """The open transaction."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def last_batch(self) -> Batch | None:
        return _last_batch(self._connection)

    def get_meta(self, name: str) -> bytes | None:
        return _get_meta(self._connection, name)

    def set_meta(self, name: str, value: bytes) -> None:
        self._connection.execute(
            "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET"
            " value = excluded.value",
            (name, value),
        )

    def drop_meta(self, name: str) -> None:
        self._connection.execute("DELETE FROM meta WHERE name = %s", (name,))

    def indices_of_contents(self, contents: Sequence[bytes]) -> dict[bytes, int]:
        wanted = set(contents)
        return {
            content: index
            for content, index in _all(
                self._connection,
                "SELECT content, idx FROM statements WHERE content_head = ANY(%b)",
                (_heads(contents),),
            )
            if content in wanted
        }

    def rows_of_digests(self, digests: Sequence[bytes]) -> dict[bytes, StatementRow]:
        return _rows_of_digests(self._connection, digests)

    def document_refs(self, digests: Sequence[bytes]) -> list[tuple[bytes, int]]:
        return _document_refs(self._connection, digests)

    def add_statements(self, rows: Sequence[NewStatement]) -> None:
        self._copy("COPY statements FROM STDIN (FORMAT binary)", _TYPES, rows)

    def add_map_rows(self, rows: Sequence[tuple[bytes, int]]) -> None:
        self._copy("COPY map_rows FROM STDIN (FORMAT binary)", ("bytea", "int8"), rows)

    def buckets(self, numbers: Sequence[int]) -> dict[int, bytes]:
        return _buckets(self._connection, numbers)

    def put_buckets(self, contents: Mapping[int, bytes]) -> None:
        if contents:
            numbers = sorted(contents)
            self._connection.execute(
                "INSERT INTO map_buckets SELECT * FROM unnest(%b::int4[], %b::bytea[])"
                " ON CONFLICT (bucket) DO UPDATE SET heads = excluded.heads",
                (Int4s.of(numbers), Byteas([contents[number] for number in numbers])),
            )

    def add_documents(self, rows: Sequence[tuple[bytes, bytes]], stored_at: int) -> None:
        for digest, data in rows:
            self._connection.execute(
                "INSERT INTO documents VALUES (%b, %b, %b, NULL) ON CONFLICT DO NOTHING",
                (digest, data, stored_at),
            )

    def return_documents(self, rows: Sequence[tuple[bytes, bytes]], stored_at: int) -> None:
        for digest, data in rows:
            self._connection.execute(
                "UPDATE documents SET bytes = %b, stored_at = %b, erased_at = NULL"
                " WHERE digest = %b",
                (data, stored_at, digest),
            )

    def add_document_refs(self, rows: Sequence[tuple[bytes, int]]) -> None:
        self._insert("document_refs", ("bytea", "int8"), rows)

    def erase_documents(self, digests: Sequence[bytes], erased_at: int) -> None:
        for digest in digests:
            self._connection.execute(
                "INSERT INTO documents VALUES (%s, NULL, %s, %s) ON CONFLICT (digest) DO UPDATE"
                " SET bytes = NULL, erased_at = excluded.erased_at"
                " WHERE documents.erased_at IS NULL",
                (digest, erased_at, erased_at),
            )

    def add_key_events(self, rows: Sequence[tuple[str, int]]) -> None:
        self._insert("key_events", ("text", "int8"), rows)

    def put_members(self, rows: Sequence[MemberRow]) -> None:
        for row in rows:
            self._connection.execute(
                "INSERT INTO members VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT"
                " (list_id, member) DO UPDATE SET idx = excluded.idx, state = excluded.state,"
                " valid_from = excluded.valid_from, valid_until = excluded.valid_until,"
                " keys = excluded.keys",
                row,
            )

    def members(self, list_id: str) -> list[MemberRow]:
        return _members(self._connection, list_id)

    def key_events(self, identities: Sequence[str]) -> list[tuple[str, int]]:
        return _key_events(self._connection, identities)

    def rows_by_indices(self, indices: Sequence[int]) -> list[StatementRow]:
        return _rows_by_indices(self._connection, indices)

    def add_batch(self, batch: Batch) -> None:
        self._connection.execute("INSERT INTO batches VALUES (%s, %s, %s, %s)", batch)

    def clear_derived(self) -> None:
        self._connection.execute("TRUNCATE " + ", ".join(_DERIVED))

    def _copy(self, statement: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        with self._connection.cursor().copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def _insert(self, table: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            arrays = ", ".join(f"%b::{kind}[]" for kind in types)
            self._connection.execute(
                f"INSERT INTO {table} SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING",  # noqa: S608
                [list(column) for column in zip(*rows, strict=True)],
            )


def _all(
    connection: psycopg.Connection[tuple[Any, ...]], statement: str, values: Sequence[Any]
) -> list[Any]:
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(statement, values).fetchall()


def _heads(digests: Iterable[bytes]) -> Int8s:
    """Their first eight bytes, which are the form of the number that the tables know them by."""
    return Int8s([digest[:8] for digest in digests])


def _document_refs(
    connection: psycopg.Connection[tuple[Any, ...]], digests: Sequence[bytes]
) -> list[tuple[bytes, int]]:
    found = _all(
        connection,
        "SELECT document, idx FROM document_refs WHERE document = ANY(%s)",
        (list(digests),),
    )
    return sorted((document, index) for document, index in found)


def _rows_of_digests(
    connection: psycopg.Connection[tuple[Any, ...]], digests: Sequence[bytes]
) -> dict[bytes, StatementRow]:
    wanted = set(digests)
    return {
        row[1]: row
        for row in _all(
            connection,
            f"SELECT {_COLUMNS} FROM statements WHERE digest_head = ANY(%b)",  # noqa: S608
            (_heads(wanted),),
        )
        if row[1] in wanted
    }


def _rows_by_indices(
    connection: psycopg.Connection[tuple[Any, ...]], indices: Sequence[int]
) -> list[StatementRow]:
    found = _all(
        connection,
        f"SELECT {_COLUMNS} FROM statements WHERE idx = ANY(%s)",  # noqa: S608
        (list(indices),),
    )
    found.sort()
    return found


def _key_events(
    connection: psycopg.Connection[tuple[Any, ...]], identities: Sequence[str]
) -> list[tuple[str, int]]:
    return _all(
        connection,
        "SELECT identity, idx FROM key_events WHERE identity = ANY(%s) ORDER BY idx",
        (list(identities),),
    )


def _members(connection: psycopg.Connection[tuple[Any, ...]], list_id: str) -> list[MemberRow]:
    return [
        MemberRow(*row)
        for row in _all(
            connection,
            "SELECT list_id, member, idx, state, valid_from, valid_until, keys"
            " FROM members WHERE list_id = %s ORDER BY member",
            (list_id,),
        )
    ]


def _buckets(
    connection: psycopg.Connection[tuple[Any, ...]], numbers: Sequence[int]
) -> dict[int, bytes]:
    return dict(
        _all(
            connection,
            "SELECT bucket, heads FROM map_buckets WHERE bucket = ANY(%b)",
            (Int4s.of(numbers),),
        )
    )


def _get_meta(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> bytes | None:
    found = connection.execute("SELECT value FROM meta WHERE name = %s", (name,)).fetchone()
    return bytes(found[0]) if found is not None else None


def _last_batch(connection: psycopg.Connection[tuple[Any, ...]]) -> Batch | None:
    found = _all(
        connection,
        'SELECT size, registered_at, map_root, "end" FROM batches ORDER BY size DESC LIMIT 1',
        (),
    )
    return Batch(*found[0]) if found else None


@contextmanager
def _translated() -> Iterator[None]:
    """Let the driver's faults leave as problems."""
    try:
        yield
    except errors.DiskFull as fault:
        raise disk_full(str(fault).strip()) from fault
    except (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure) as fault:
        raise busy(0) from fault
    except errors.IntegrityError:
        raise  # a fault of this program: it must be seen, not explained away
    except (errors.DataCorrupted, errors.IndexCorrupted, errors.UndefinedTable) as fault:
        raise damaged(str(fault).strip()) from fault
    except psycopg.OperationalError as fault:
        raise unreachable(str(fault).strip()) from fault
