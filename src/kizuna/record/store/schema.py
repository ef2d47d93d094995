# SPDX-License-Identifier: Apache-2.0
"""The tables of a store: one definition, from which SQLite and PostgreSQL are both made.

Keeps: 1. What is here is derived from, or stands beside, the log and the archive of statements:
``statements``, ``map_rows``, ``map_buckets``, ``members`` and ``key_events`` can be made again from
those two; ``documents``, ``organisations``, ``invites``, ``watches`` and ``nonces`` cannot, and a
backup holds them. 2. Long keys are found by their first eight or sixteen bytes, so that the random
part of an index stays small; whoever finds compares the whole.

Does not: get imported where a statement is merely read; SQLAlchemy takes longer to load than most
questions take to answer.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

__all__ = [
    "batches",
    "document_refs",
    "documents",
    "invites",
    "key_events",
    "map_buckets",
    "map_rows",
    "members",
    "meta",
    "metadata",
    "nonces",
    "organisations",
    "statements",
    "watches",
]

metadata = MetaData()

_Long = BigInteger().with_variant(Integer, "sqlite")  # SQLite's INTEGER is the row id itself

statements = Table(
    "statements",
    metadata,
    Column("idx", _Long, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("issued_at", _Long),
    Column("audience", Text),
    Column("document", LargeBinary),
    Column("flags", SmallInteger, nullable=False),
    Column("registered_at", _Long, nullable=False),
    Column("position", _Long, nullable=False),
    Column("length", Integer, nullable=False),
    Column("payload_at", Integer, nullable=False),
    Column("payload_length", Integer, nullable=False),
    Column("digest_head", _Long, nullable=False),
    Column("content_head", _Long, nullable=False),
    Index("statements_by_digest", "digest_head"),
    Index("statements_by_content", "content_head"),
)

batches = Table(
    "batches",
    metadata,
    Column("size", _Long, primary_key=True, autoincrement=False),
    Column("registered_at", _Long, nullable=False),
    Column("map_root", LargeBinary, nullable=False),
    Column("end", _Long, nullable=False),
)

map_rows = Table(
    "map_rows",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("idx", _Long, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

map_buckets = Table(
    "map_buckets",
    metadata,
    Column("bucket", Integer, primary_key=True, autoincrement=False),
    Column("heads", LargeBinary, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("bytes", LargeBinary),
    Column("stored_at", _Long, nullable=False),
    Column("erased_at", _Long),
)

document_refs = Table(
    "document_refs",
    metadata,
    Column("document", LargeBinary, primary_key=True),
    Column("idx", _Long, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

key_events = Table(
    "key_events",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("idx", _Long, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

members = Table(
    "members",
    metadata,
    Column("list_id", Text, primary_key=True),
    Column("member", Text, primary_key=True),
    Column("idx", _Long, nullable=False),
    Column("state", Text, nullable=False),
    Column("valid_from", _Long),
    Column("valid_until", _Long),
    Column("keys", Text, nullable=False),
    sqlite_with_rowid=False,
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

organisations = Table(
    "organisations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("joined_at", _Long, nullable=False),
    Column("invite", LargeBinary),
)

invites = Table(
    "invites",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("created_at", _Long, nullable=False),
    Column("expires_at", _Long, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("services", Text, nullable=False),
    Column("note", Text, nullable=False),
)

watches = Table(
    "watches",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("profile", Text, primary_key=True),
    Column("lists", Text, primary_key=True),
    Column("value", SmallInteger),
    Column("judged_at", _Long),
    Column("next_change", _Long),
    Index("watches_due", "next_change"),
)

nonces = Table(
    "nonces",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("nonce", Text, primary_key=True),
    Column("expires_at", _Long, nullable=False),
    Index("nonces_expiry", "expires_at"),
)
