# SPDX-License-Identifier: Apache-2.0
"""From documents to registered statements: read, sign, register.

Keeps: 1. Every document is read before anything is signed: a file that cannot be read registers
nothing of its neighbours either. 2. What is signed is the importer's word; the document itself is
registered beside it, by hash where it is large. 3. Places that were not understood are listed with
their file. 4. What the importer says already is not said again within a day; the answer names the
statements that stand. 5. Of a document with a mark of limited distribution everything is
restricted.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.values import ImportedFile, ImportOutcome, Progress, Signed, quiet
from kizuna.model.errors import Problem
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Notice, decode_payload

if TYPE_CHECKING:
    from kizuna.app.wiring.importing.earlier import Earlier
    from kizuna.app.wiring.importing.repetition import Place, Repetition
    from kizuna.proof.documents import Draft, Imported
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.units import Handle, Unit

__all__ = ["Prepared", "outcome_of", "prepare", "read_all", "seal", "settled_notices", "template"]

INLINE: Final = 64 << 10
"""Largest document of the field that travels inside its statement."""

_OWN: Final = frozenset(media_type_of(kind) for kind in Kind)

_Word = tuple["Place", bytes, tuple[SubjectId, ...]]


class Prepared:
    """Signed statements of some documents, in order, with the documents that stand beside them.

    ``files`` names each file's statements in the order of its drafts: a place in ``statements``,
    or the digest of one that says the same already. ``renewed`` are the places of statements that
    say again what was said longer ago than a day.
    """

    def __init__(self) -> None:
        self.files: list[tuple[str, Imported, tuple[int | Digest, ...]]] = []
        self.statements: list[bytes] = []
        self.renewed: set[int] = set()
        self.documents: dict[Digest, bytes] = {}


def read_all(
    files: Sequence[tuple[str, bytes]],
    issuer: SubjectId,
    keys: Mapping[str, PublicKey] | None = None,
    listed: Callable[[], Mapping[str, PublicKey]] = dict,
) -> list[tuple[str, Imported]]:
    """Every file read, parts of one named in another resolved, signatures inside judged.

    Args:
        files: name and bytes of each.
        issuer: who imports.
        keys: keys handed in for the signatures inside (see ``inner_keys``).
        listed: gathers the keys of those whom lists name; asked where something is signed.
    """
    from kizuna.proof.documents import read_all as read

    found = read(files, issuer=issuer, keys=keys)
    if any(one.inner_signatures for one in found) and (named := listed()):
        found = read(files, issuer=issuer, keys={**named, **(keys or {})})
    return [(name, imported) for (name, _), imported in zip(files, found, strict=True)]


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
    earlier: Earlier | None = None,
) -> Prepared:
    """Sign what was read, as far as it is not said already.

    Args:
        read: the files.
        unit: where the key is.
        handle: which key signs.
        issuer: in whose name.
        now: the instant of signing.
        progress: shows how far it is.
        earlier: the issuer's earlier statements; without them everything is signed.
    """
    from kizuna.app.wiring.importing.bills import told_apart
    from kizuna.app.wiring.importing.repetition import Repetition

    read = told_apart(read, issuer, earlier)
    before = Repetition()
    if earlier is not None:
        drafts = [draft for _, imported in read for draft in imported.statements]
        before = Repetition.read(earlier, issuer, drafts, progress)
    files = _entries(read, issuer, before)
    standing = _standing([entry for entries in files for entry in entries], before)
    old = {word for word in standing if before.is_old(word[0], now)}
    standing = {word: digest for word, digest in standing.items() if word not in old}
    last: dict[_Word, _Entry] = {}
    for entries in files:
        for entry in entries:
            if entry.word not in standing:
                last.pop(entry.word, None)  # said twice: the later one, or what is between wins
                last[entry.word] = entry
    prepared = Prepared()
    for entry in last.values():
        one = seal(
            unit,
            handle,
            issuer=issuer,
            subject=entry.draft.subject,
            media_type=entry.draft.media_type,
            payload=entry.draft.payload,
            now=now,
            audience=entry.audience,
            by_hash=entry.draft.media_type not in _OWN and len(entry.draft.payload) > INLINE,
        )
        prepared.statements.append(one.statement)
        prepared.documents.update(one.documents)
        progress("phase.signing", len(prepared.statements), len(last))
    number = {word: place for place, word in enumerate(last)}
    prepared.renewed = {number[word] for word in old}
    for (name, imported), entries in zip(read, files, strict=True):
        found = (standing[e.word] if e.word in standing else number[e.word] for e in entries)
        prepared.files.append((name, imported, tuple(found)))
    return prepared


@dataclass(frozen=True, slots=True)
class _Entry:
    """One draft of an import; ``word``: what is said, in whose place, to whom."""

    draft: Draft
    word: _Word

    @property
    def audience(self) -> tuple[SubjectId, ...]:
        """Who alone may read it; empty: anyone."""
        return self.word[2]


def _entries(
    read: Sequence[tuple[str, Imported]], issuer: SubjectId, before: Repetition
) -> list[list[_Entry]]:
    """Every file's drafts in order; of a bill with fewer pages than before also the emptied ones.

    What a document says that only some may read, only the importer may read.
    """
    from kizuna.app.wiring.importing.repetition import place_of
    from kizuna.proof.documents import left_over

    def entry(draft: Draft, audience: tuple[SubjectId, ...]) -> _Entry:
        place = place_of(draft.kind, draft.subject, draft.media_type, draft.payload)
        return _Entry(draft, (place, sha256(draft.payload).digest(), audience))

    made: list[list[_Entry]] = []
    for _, imported in read:
        audience = (issuer,) if imported.handling else ()
        made.append([entry(draft, audience) for draft in imported.statements])
    taken = {one.word[0] for entries in made for one in entries}
    parts = before.parts_in_force()
    for (_, imported), entries in zip(read, made, strict=True):
        audience = (issuer,) if imported.handling else ()
        pages = [(s, part) for s in imported.subjects for part in parts.get(s, ())]
        emptied = [entry(draft, audience) for draft in left_over(imported, pages)]
        entries += [one for one in emptied if one.word[0] not in taken]
        taken.update(one.word[0] for one in emptied)
    return made


def _standing(entries: Sequence[_Entry], before: Repetition) -> dict[_Word, Digest]:
    """What need not be said, each with the digest of the statement that says it."""
    groups: dict[Place, dict[_Word, None]] = {}
    for entry in entries:
        words = groups.setdefault(entry.word[0], {})
        words.pop(entry.word, None)
        words[entry.word] = None
    found: dict[_Word, Digest] = {}
    for place, words in groups.items():
        digests = before.standing(place, [(content, readers) for _, content, readers in words])
        if digests is not None:
            found.update(zip(words, digests, strict=True))
    return found


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
            statements=_each_once(digests[p] if isinstance(p, int) else p.hex() for p in places),
            not_understood=imported.not_understood,
            signatures=imported.inner_signatures,
        )
        for name, imported, places in prepared.files
    )
    several = len(files) > 1
    subjects: dict[SubjectId, None] = {}
    for _, imported, _ in prepared.files:
        subjects.update(dict.fromkeys(imported.subjects))
        subjects.update(dict.fromkeys(imported.names.values()))
    renewed = sum(not _problem(results[place]) for place in prepared.renewed)
    duplicates = sum(bool(getattr(r, "duplicate", False)) for r in results)
    unchanged = {p for _, _, places in prepared.files for p in places if not isinstance(p, int)}
    return ImportOutcome(
        statements=_each_once((*(d for f in files for d in f.statements), *digests)),
        subjects=tuple(subjects),
        root=next((f.root for f in files if f.root is not None), None),
        not_understood=tuple(
            f"{f.name}: {place}" if several else place for f in files for place in f.not_understood
        ),
        files=files,
        remarks=tuple(
            replace(remark, where=f"{name}: {remark.where}") if several else remark
            for name, imported, _ in prepared.files
            for remark in imported.remarks
        ),
        refused=tuple(p for p in (_problem(r) for r in results) if p is not None),
        duplicates=duplicates,
        unchanged=len(unchanged),
        renewed=renewed,
        registered=sum(not _problem(r) for r in results) - duplicates - renewed,
        receipts=tuple(receipts),
    )


def _each_once(digests: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(digest for digest in digests if digest is not None))


def template(lang: str) -> str:
    """The CSV table that a small business fills in."""
    from kizuna.proof.documents import csv_template

    return csv_template(lang)


def settled_notices(
    imported: Sequence[Imported], earlier: Earlier, issuer: SubjectId
) -> list[tuple[SubjectId, Digest]]:
    """The importer's own notices that a document now says are settled, and nothing acted upon.

    What the same import also gives notice of (of other versions, for instance) is not settled.
    """
    wanted = {(s.subject, s.notice) for one in imported for s in one.settled}
    if not wanted:
        return []
    for one in imported:
        for draft in one.statements:
            if draft.media_type == media_type_of(Kind.NOTICE):
                payload = decode_payload(Kind.NOTICE, draft.payload)
                if isinstance(payload, Notice) and payload.id is not None:
                    wanted.discard((draft.subject, payload.id))
    subjects = list(dict.fromkeys(subject for subject, _ in wanted))
    found = {
        row.statement.digest: row.statement.subject
        for row in earlier.said(issuer, subjects)
        if isinstance(row.statement.payload, Notice)
        and (row.statement.subject, row.statement.payload.id) in wanted
    }
    acted_on = earlier.acted_on(list(found))
    return [(subject, digest) for digest, subject in found.items() if digest not in acted_on]


def _problem(result: Any) -> Problem | None:  # noqa: ANN401 - Accepted or Refusal
    found: Problem | None = getattr(result, "problem", None)
    return found
