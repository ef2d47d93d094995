# SPDX-License-Identifier: Apache-2.0
"""What was said earlier, as an importer and an organisation's keys need to know it.

Keeps: 1. One shape for a store of one's own (``Kept``) and for the store of others that was joined
(``elsewhere.Elsewhere``), so that both publish by the same rules. 2. Questions are sets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.statement import Registered, Statement

if TYPE_CHECKING:
    from kizuna.record.store import StoreReader

__all__ = ["Earlier", "Kept", "naming"]

_OF_STANDING = frozenset({Kind.STATUS, Kind.MEMBERSHIP})


class Earlier(Protocol):
    """Statements registered so far."""

    def said(self, issuer: str, subjects: Sequence[SubjectId]) -> list[Registered]:
        """What ``issuer`` said about these subjects."""
        ...

    def naming(self, issuer: str, subject: SubjectId) -> set[str]:
        """The products that ``issuer`` said depend on a subject, what is said of parts inside
        bills left out; in doubt one that stands for any.
        """
        ...

    def acted_on(self, digests: Sequence[Digest]) -> set[Digest]:
        """Those of the statements that something was done to (suspended, revoked, erased) by their
        issuer, or by one above; what a stranger says is done to them is nothing.
        """
        ...

    def standing(self, identity: SubjectId) -> tuple[list[Registered], int]:
        """What was said about an identity's keys and memberships, in order; the log's size then."""
        ...

    def documents(self, digests: Sequence[Digest]) -> dict[Digest, bytes | None]:
        """Documents beside the log, as they were hashed; None: erased."""
        ...


class Kept:
    """As a store of one's own has it."""

    def __init__(self, reader: StoreReader, superiors: Collection[str] = ()) -> None:
        self._reader = reader
        self._superiors = frozenset(superiors)
        """Who may act on statements of others: the operators of accepted lists."""

    def said(self, issuer: str, subjects: Sequence[SubjectId]) -> list[Registered]:
        """See ``Earlier``."""
        from kizuna.record.log.keys import subject_key

        wanted = frozenset(subjects)
        return _each_once(
            row
            for rows in self._reader.by_keys([subject_key(s) for s in subjects]).values()
            for row in rows
            if row.statement.issuer == issuer and row.statement.subject in wanted
        )

    def naming(self, issuer: str, subject: SubjectId) -> set[str]:
        """See ``Earlier``."""
        from kizuna.record.log.keys import dependents_key

        key = dependents_key(subject)
        rows = self._reader.by_keys([key]).get(key, ())
        return naming(row.statement for row in rows if row.statement.issuer == issuer)

    def acted_on(self, digests: Sequence[Digest]) -> set[Digest]:
        """See ``Earlier``."""
        from kizuna.record.log.keys import statement_key

        by_key = {statement_key(digest): digest for digest in digests}
        acts = {by_key[key]: rows for key, rows in self._reader.by_keys(list(by_key)).items()}
        targets = self._reader.by_digests(list(acts))
        return {
            digest
            for digest, rows in acts.items()
            if (target := targets.get(digest)) is None
            or any(
                row.statement.issuer in (target.statement.issuer, *self._superiors) for row in rows
            )
        }

    def standing(self, identity: SubjectId) -> tuple[list[Registered], int]:
        """See ``Earlier``."""
        from kizuna.record.log.keys import subject_key

        key = subject_key(identity)
        rows = self._reader.by_keys([key]).get(key, ())
        return _each_once(r for r in rows if r.statement.kind in _OF_STANDING), self._reader.size

    def documents(self, digests: Sequence[Digest]) -> dict[Digest, bytes | None]:
        """See ``Earlier``."""
        return self._reader.documents(digests)


def naming(statements: Iterable[Statement]) -> set[str]:
    """The subjects of link statements, those about parts inside bills left out."""
    from kizuna.model.payload import Links
    from kizuna.proof.documents.bill import AS_PART

    return {
        said.subject
        for said in statements
        if isinstance(said.payload, Links)
        and said.payload.bill is None
        and AS_PART not in (said.payload.part or "")
    }


def _each_once(rows: Iterable[Registered]) -> list[Registered]:
    found = {row.index: row for row in rows}
    return [found[index] for index in sorted(found)]
