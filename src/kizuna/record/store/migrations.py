# SPDX-License-Identifier: Apache-2.0
"""Schema versions: how a store made by an older release becomes one of this release.

Keeps: 1. A step is frozen once released and only ever adds to the tuple; a new store goes through
the same steps as an old one, so both end with the same tables. 2. All missing steps are one
transaction: a store is of one version or of the other. 3. A store of a newer release is refused,
never guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, MetaData, inspect, text

from kizuna.model.errors import Misconfigured
from kizuna.record.store import schema
from kizuna.record.store.version import CURRENT

__all__ = ["MIGRATIONS", "Migration", "migrate", "version_of"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: the tables it adds, and further statements for what is no new table."""

    version: int
    what: str
    tables: tuple[str, ...]
    statements: tuple[str, ...] = ()

    def apply(self, connection: Connection, metadata: MetaData) -> None:
        """Take the step inside the caller's transaction."""
        metadata.create_all(connection, tables=[metadata.tables[name] for name in self.tables])
        for statement in self.statements:
            connection.execute(text(statement))


MIGRATIONS: Final = (
    Migration(
        1,
        "statements, map, documents",
        (
            "statements",
            "batches",
            "map_rows",
            "map_buckets",
            "documents",
            "document_refs",
            "key_events",
            "members",
            "meta",
        ),
    ),
    Migration(2, "several organisations in one store", ("organisations", "invites", "nonces")),
    Migration(3, "watches", ("watches",)),
)


def version_of(connection: Connection) -> int:
    """The schema version of a database; 0 where there is no store yet."""
    if not inspect(connection).has_table("meta"):
        return 0
    found = connection.execute(
        schema.meta.select().where(schema.meta.c.name == "schema")
    ).one_or_none()
    return int(found.value) if found is not None else 0


def migrate(connection: Connection, *, to: int = CURRENT) -> tuple[int, int]:
    """Bring a database to version ``to`` inside the caller's transaction.

    Returns:
        The version before and after.

    Raises:
        Misconfigured: ``store.schema-newer`` when a newer release wrote this store.
    """
    before = version_of(connection)
    if before > CURRENT:
        raise Misconfigured(
            "store.schema-newer",
            f"this store has schema {before}, this release knows up to {CURRENT}",
            why="a newer release of kizuna wrote it",
            hint="install that release, or restore a backup made by this one",
            found=before,
            known=CURRENT,
        )
    for step in MIGRATIONS:
        if before < step.version <= to:
            step.apply(connection, schema.metadata)
    if before < to:
        connection.execute(schema.meta.delete().where(schema.meta.c.name == "schema"))
        connection.execute(schema.meta.insert().values(name="schema", value=str(to).encode()))
    return before, max(before, to)
