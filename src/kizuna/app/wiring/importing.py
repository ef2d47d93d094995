# SPDX-License-Identifier: Apache-2.0
"""From documents to registered statements: read, sign, register.

Keeps: 1. Every document is read before anything is signed: a file that cannot be read registers
nothing of its neighbours either. 2. What is signed is the importer's word; the document itself is
registered beside it, by hash where it is large. 3. Places that were not understood are listed with
their file.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.values import ImportedFile, ImportOutcome, Progress, Signed, quiet
from kizuna.model.errors import Problem
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Notice
from kizuna.model.statement import Registered

if TYPE_CHECKING:
    from kizuna.proof.documents import Imported
    from kizuna.roots.units import Handle, Unit

__all__ = ["Prepared", "outcome_of", "prepare", "read_all", "seal", "settled_notices", "template"]

INLINE: Final = 64 << 10
"""Largest document of the field that travels inside its statement."""


class Prepared:
    """Signed statements of some documents, in order, with the documents that stand beside them."""

    def __init__(self) -> None:
        self.files: list[tuple[str, Imported, range]] = []
        self.statements: list[bytes] = []
        self.documents: dict[Digest, bytes] = {}


def read_all(files: Sequence[tuple[str, bytes]], issuer: SubjectId) -> list[tuple[str, Imported]]:
    """Every file read, parts of one named in another resolved."""
    from kizuna.proof.documents import read_all as read

    return [
        (name, imported)
        for (name, _), imported in zip(files, read(files, issuer=issuer), strict=True)
    ]


def seal(
    unit: Unit,
    handle: Handle,
    *,
    issuer: SubjectId,
    subject: SubjectId,
    media_type: str,
    payload: bytes,
    now: int,
    audience: Sequence[SubjectId] = (),
    by_hash: bool = False,
) -> Signed:
    """One signed statement; what only some may read goes by its salted hash, so that it can be
    erased and its hash cannot be guessed.
    """
    from kizuna.model.identifier import digest_of
    from kizuna.roots.cose import parse_sign1, salted, sign_statement

    salt = secrets.token_bytes(16) if audience else b""
    statement = sign_statement(
        unit,
        handle,
        issuer=issuer,
        subject=subject,
        media_type=media_type,
        payload=payload,
        issued_at=now,
        by_hash=by_hash or bool(audience),
        salt=salt,
        audience=audience,
    )
    documents = {}
    if by_hash or audience:
        kept = salted(payload, salt) if salt else payload
        documents[digest_of(kept)] = kept
    return Signed(
        statement=statement, digest=parse_sign1(statement).digest.hex(), documents=documents
    )


def prepare(
    read: Sequence[tuple[str, Imported]],
    *,
    unit: Unit,
    handle: Handle,
    issuer: SubjectId,
    now: int,
    progress: Progress = quiet,
) -> Prepared:
    """Sign what was read."""
    prepared = Prepared()
    own = {media_type_of(kind) for kind in Kind}
    total = sum(len(imported.statements) for _, imported in read)
    for name, imported in read:
        first = len(prepared.statements)
        for draft in imported.statements:
            foreign = draft.media_type not in own
            signed = seal(
                unit,
                handle,
                issuer=issuer,
                subject=draft.subject,
                media_type=draft.media_type,
                payload=draft.payload,
                now=now,
                audience=[issuer] if foreign and imported.handling else (),
                by_hash=foreign and len(draft.payload) > INLINE,
            )
            prepared.statements.append(signed.statement)
            prepared.documents.update(signed.documents)
            progress("phase.signing", len(prepared.statements), total)
        prepared.files.append((name, imported, range(first, len(prepared.statements))))
    return prepared


def outcome_of(
    prepared: Prepared, results: Sequence[Any], receipts: Sequence[bytes] = ()
) -> ImportOutcome:
    """What became of it; ``results`` are ``Accepted`` or ``Refusal`` in the order of statements."""
    digests: list[str | None] = [r.digest.hex() if not _problem(r) else None for r in results]
    files = tuple(
        ImportedFile(
            name=name,
            format=imported.format,
            root=imported.root,
            statements=tuple(d for d in (digests[i] for i in places) if d is not None),
            not_understood=imported.not_understood,
        )
        for name, imported, places in prepared.files
    )
    several = len(files) > 1
    subjects: dict[SubjectId, None] = {}
    for _, imported, _ in prepared.files:
        subjects.update(dict.fromkeys(imported.subjects))
        subjects.update(dict.fromkeys(imported.names.values()))
    return ImportOutcome(
        statements=tuple(d for d in digests if d is not None),
        subjects=tuple(subjects),
        root=next((f.root for f in files if f.root is not None), None),
        not_understood=tuple(
            f"{f.name}: {place}" if several else place for f in files for place in f.not_understood
        ),
        files=files,
        refused=tuple(p for p in (_problem(r) for r in results) if p is not None),
        duplicates=sum(bool(getattr(r, "duplicate", False)) for r in results),
        receipts=tuple(receipts),
    )


def template(lang: str) -> str:
    """The CSV table that a small business fills in."""
    from kizuna.proof.documents import csv_template

    return csv_template(lang)


def settled_notices(
    imported: Sequence[Imported], own: Sequence[Registered]
) -> list[tuple[SubjectId, Digest]]:
    """Of the importer's ``own`` rows, the notices that a document now says are settled."""
    wanted = {(s.subject, s.notice) for i in imported for s in i.settled}
    return [
        (row.statement.subject, row.statement.digest)
        for row in own
        if isinstance(row.statement.payload, Notice)
        and (row.statement.subject, row.statement.payload.id) in wanted
    ]


def _problem(result: Any) -> Problem | None:  # noqa: ANN401 - Accepted or Refusal
    found: Problem | None = getattr(result, "problem", None)
    return found
