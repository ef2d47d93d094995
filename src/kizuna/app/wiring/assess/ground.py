# SPDX-License-Identifier: Apache-2.0
"""What answers stand on: what was registered before, at what level one speaks, how the chain is.

Keeps: 1. One shape for a store of one's own (``Here``) and for the store of others that was joined
(``There``), so that both answer by the same rules. 2. What another store tells is checked by its
signatures; its verdicts are not asked for, but the proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kizuna.model.errors import Absent
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.question import Question
    from kizuna.app.wiring.member.saying import Member
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Registered
    from kizuna.model.verdict import Verdict
    from kizuna.record.lists import Entry
    from kizuna.record.store import View

__all__ = ["Ground", "ground_of"]


class Ground(Protocol):
    """What answers stand on."""

    def about(self, subject: SubjectId, view: View | None = None) -> list[Registered]:
        """What was said of a subject, in order."""
        ...

    def ended(self, digests: Sequence[Digest]) -> set[Digest]:
        """Those of the statements that something was done to."""
        ...

    def claims(self, subject: SubjectId, digests: Sequence[str]) -> dict[str, Claim]:
        """Claims about a subject by digest (hex), as far as they are at hand."""
        ...

    def there(self, digests: Iterable[str]) -> set[str]:
        """Those of the digests (hex) that are of registered statements."""
        ...

    def level(self, subject: SubjectId, issuer: SubjectId) -> Level:
        """The highest level at which believed lists let somebody assess a subject."""
        ...

    def verdict(self, question: Question) -> Verdict:
        """How the chain stands."""
        ...

    def tree(self, question: Question) -> Mapping[str, Any]:
        """Why it stands so."""
        ...

    def names(self, identifiers: Iterable[str], view: View | None = None) -> dict[str, str]:
        """What people call these."""
        ...

    def register(self, statements: Sequence[bytes], documents: Mapping[Digest, bytes]) -> list[str]:
        """Register statements: their digests (hex); raises what refuses the first of them."""
        ...


def ground_of(organisation: Organisation) -> Ground:
    """What the answers stand on of whoever speaks from a folder."""
    from kizuna.app.wiring.member.saying import Member
    from kizuna.app.wiring.workspace import Workspace

    if isinstance(organisation, Member):
        return There(organisation)
    assert isinstance(organisation, Workspace)  # noqa: S101 - there is no third
    return Here(organisation)


class Here:
    """A store of one's own."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def about(self, subject: SubjectId, view: View | None = None) -> list[Registered]:
        """See ``Ground``."""
        from kizuna.record.log.keys import subject_key
        from kizuna.record.store import OPERATOR

        key = subject_key(subject)
        reader = self._workspace.store.reader(view or OPERATOR)
        return sorted(reader.by_keys([key]).get(key, ()), key=lambda row: row.index)

    def ended(self, digests: Sequence[Digest]) -> set[Digest]:
        """See ``Ground``."""
        return self._workspace.earlier().acted_on(digests)

    def claims(self, subject: SubjectId, digests: Sequence[str]) -> dict[str, Claim]:
        """See ``Ground``."""
        del subject  # a digest says it
        wanted = [Digest(bytes.fromhex(d)) for d in digests if len(d) == 64]
        found = self._workspace.store.reader().by_digests(wanted)
        return {
            d.hex(): row.statement.payload
            for d, row in found.items()
            if isinstance(row.statement.payload, Claim)
        }

    def there(self, digests: Iterable[str]) -> set[str]:
        """See ``Ground``."""
        wanted = [Digest(bytes.fromhex(d)) for d in digests]
        return {d.hex() for d in self._workspace.store.reader().by_digests(wanted)}

    def level(self, subject: SubjectId, issuer: SubjectId) -> Level:
        """See ``Ground``."""
        now, found = self._workspace.clock(), []
        for anchor in self._workspace.anchors().lists:
            entry = self._workspace.lists.state(anchor.id).entries.get(issuer)
            if entry is not None and entry.in_force(now):
                found.append(entry)
        return _highest(found, subject, issuer)

    def verdict(self, question: Question) -> Verdict:
        """See ``Ground``."""
        return self._workspace.verify(question)

    def tree(self, question: Question) -> Mapping[str, Any]:
        """See ``Ground``."""
        return self._workspace.explain(question).tree

    def names(self, identifiers: Iterable[str], view: View | None = None) -> dict[str, str]:
        """See ``Ground``."""
        from kizuna.app.wiring.showing import names

        return names(self._workspace, identifiers, view)

    def register(self, statements: Sequence[bytes], documents: Mapping[Digest, bytes]) -> list[str]:
        """See ``Ground``."""
        results = self._workspace.register(statements, documents)
        for result in results:
            if (problem := getattr(result, "problem", None)) is not None:
                raise problem
        return [r.digest.hex() for r in results if r.digest is not None]


class There:
    """The store that was joined. Lives for one command."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._earlier = member.earlier()
        self._about: dict[SubjectId, list[Registered]] = {}
        self._names: dict[str, str] = {}

    def about(self, subject: SubjectId, view: View | None = None) -> list[Registered]:
        """See ``Ground``; the other store knows whose eyes these are."""
        del view
        if subject not in self._about:
            self._about[subject] = self._earlier.about(subject)
        return self._about[subject]

    def ended(self, digests: Sequence[Digest]) -> set[Digest]:
        """See ``Ground``."""
        return self._earlier.acted_on(digests) if digests else set()

    def claims(self, subject: SubjectId, digests: Sequence[str]) -> dict[str, Claim]:
        """See ``Ground``."""
        wanted = frozenset(digests)
        return {
            row.statement.digest.hex(): row.statement.payload
            for row in self.about(subject)
            if row.statement.digest.hex() in wanted and isinstance(row.statement.payload, Claim)
        }

    def there(self, digests: Iterable[str]) -> set[str]:
        """See ``Ground``."""
        found = set()
        for digest in digests:
            try:
                self._member.subject_of(digest)
            except Absent:
                continue
            found.add(digest)
        return found

    def level(self, subject: SubjectId, issuer: SubjectId) -> Level:
        """See ``Ground``; where it cannot be told, one's own word alone."""
        from kizuna.app.wiring.judging.effect import entries_of

        anchors = self._member.believed()
        told, _ = self._earlier.standing(issuer)
        return _highest(
            entries_of(told, issuer, anchors, self._member.clock()) or (), subject, issuer
        )

    def verdict(self, question: Question) -> Verdict:
        """See ``Ground``."""
        verdict, names = self._member.verify(question)
        self._names |= names
        return verdict

    def tree(self, question: Question) -> Mapping[str, Any]:
        """See ``Ground``; nothing where that store has no profile of this name."""
        try:
            explained, names = self._member.explain(question)
        except Absent:
            return {}
        self._names |= names
        return explained.tree

    def names(self, identifiers: Iterable[str], view: View | None = None) -> dict[str, str]:
        """See ``Ground``: those that came with the proof."""
        del view
        return {one: self._names[one] for one in identifiers if one in self._names}

    def register(self, statements: Sequence[bytes], documents: Mapping[Digest, bytes]) -> list[str]:
        """See ``Ground``."""
        return self._member.register_all(statements, documents)


def _highest(entries: Iterable[Entry], subject: SubjectId, issuer: SubjectId) -> Level:
    from kizuna.record.lists import in_scope

    found = Level.SELF
    for entry in entries:
        for service in entry.services:
            if Kind.EVIDENCE in service.kinds and in_scope(subject, service.scope, issuer):
                found = max(found, service.level, key=lambda level: level.rank)
    return found
