# SPDX-License-Identifier: Apache-2.0
"""Statements: an envelope nobody checked yet, a checked statement, a registered one.

Keeps: 1. Unverified bytes have another type than verified ones: an ``Envelope`` is only parsed, a
``Statement`` had its signature checked with a key of its issuer. 2. The identity of a statement is
``digest``: SHA-256 of the whole COSE_Sign1 with an empty unprotected header (RFC 9943); duplicates
are found by ``content``: SHA-256 of the Sig_structure, because a second signature over the same
content says nothing new. 3. Bytes as received are kept and never encoded again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Payload

__all__ = ["Envelope", "Interval", "Registered", "Statement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A parsed COSE_Sign1 whose signature nobody has checked.

    ``raw`` has an empty unprotected header; receipts that came along are in ``receipts``.
    """

    raw: bytes
    digest: Digest
    content: Digest
    to_be_signed: bytes
    signature: bytes
    algorithm: int
    key_id: bytes
    issuer: SubjectId
    subject: SubjectId
    media_type: str
    payload: bytes
    """Payload bytes; for a hash envelope the 32-byte hash of the document."""
    by_hash: bool = False
    salted: bool = False
    """True where the hashed document begins with a 16-byte salt that is no part of its content."""
    issued_at: int | None = None
    audience: tuple[SubjectId, ...] = ()
    """Parties that may read it (CWT ``aud``); empty: anyone."""
    receipts: tuple[bytes, ...] = ()
    certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement whose signature was checked.

    ``payload`` is ``None`` where the kind is a document of the field, or where the document of a
    hash envelope is not at hand (unknown, restricted or erased).
    """

    digest: Digest
    content: Digest
    issuer: SubjectId
    subject: SubjectId
    kind: Kind
    media_type: str
    key_id: bytes
    payload: Payload | None
    document: Digest | None = None
    """Hash of the document that stands beside the log, for a hash envelope or a field document."""
    issued_at: int | None = None
    audience: tuple[SubjectId, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Seconds since 1970 between which something happened, both ends included."""

    earliest: int
    latest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A statement at its place in a log."""

    statement: Statement
    origin: str
    index: int
    registered: Interval
    erased: bool = field(default=False)
