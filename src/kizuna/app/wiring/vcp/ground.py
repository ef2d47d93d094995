# SPDX-License-Identifier: Apache-2.0
"""What expectations, offers and agreements stand on: what was registered, and how a chain is.

Keeps: one shape for a store of one's own (``Here``, and with those that the lists lead to
``Everywhere``) and for the store of others that was joined (``There``), whose statements are
checked by their signatures and whose chains by proof, so that either side of a border answers from
where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from kizuna.app.wiring.in_force import in_force, not_taken_back
from kizuna.model.errors import Absent
from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.question import Question
    from kizuna.app.wiring.member.saying import Member
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.chain.graph.evidence import Evidence
    from kizuna.model.statement import Registered
    from kizuna.model.verdict import Verdict
    from kizuna.record.store import View

__all__ = ["Ground", "ground_of"]


class Ground(Protocol):
    """What is said at borders stands on this."""

    def named(self, which: str) -> Registered:
        """The statement of that digest (in a store of one's own also: index)."""
        ...

    def standing(
        self, subjects: Sequence[SubjectId], view: View | None = None
    ) -> dict[SubjectId, list[Registered]]:
        """What was said of some subjects and is not taken back, in order."""
        ...

    def verdict(self, question: Question) -> Verdict:
        """How a chain stands."""
        ...

    def names(self, identifiers: Iterable[str]) -> dict[str, str]:
        """What people call these."""
        ...


def ground_of(organisation: Organisation, *, across: bool = False, offline: bool = False) -> Ground:
    """What is said stands on this, for whoever speaks from a folder; ``across``: chains are judged
    over the stores elsewhere too, as `kizuna verify` judges them.
    """
    from kizuna.app.wiring.judging.across import stores_elsewhere
    from kizuna.app.wiring.member.saying import Member
    from kizuna.app.wiring.workspace import Workspace

    if isinstance(organisation, Member):
        return There(organisation)
    assert isinstance(organisation, Workspace)  # noqa: S101 - there is no third
    if across and stores_elsewhere(organisation):
        return Everywhere(organisation, offline=offline)
    return Here(organisation)


class Here:
    """A store of one's own."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def named(self, which: str) -> Registered:
        """See ``Ground``."""
        from kizuna.app.wiring.entries import entry_named

        return entry_named(self._workspace, which)

    def standing(
        self, subjects: Sequence[SubjectId], view: View | None = None
    ) -> dict[SubjectId, list[Registered]]:
        """See ``Ground``."""
        from kizuna.record.log.keys import subject_key

        store = self._workspace.store
        reader = store.reader() if view is None else store.reader(view)
        keys = {subject: subject_key(subject) for subject in subjects}
        found = reader.by_keys(list(keys.values())) if keys else {}
        return {s: in_force(reader, found.get(key, ())) for s, key in keys.items()}

    def verdict(self, question: Question) -> Verdict:
        """See ``Ground``."""
        return self._workspace.verify(question)

    def names(self, identifiers: Iterable[str]) -> dict[str, str]:
        """See ``Ground``."""
        return self._workspace.names(identifiers)


class Everywhere(Here):
    """A store of one's own, and those elsewhere that its anchors give an address for. Lives for
    one command.
    """

    def __init__(self, workspace: Workspace, *, offline: bool = False) -> None:
        from kizuna.app.wiring.judging.across import AcrossJudge

        super().__init__(workspace)
        self._judge = AcrossJudge(workspace)
        self._offline = offline
        self._heard: list[Evidence] = []

    def verdict(self, question: Question) -> Verdict:
        """See ``Ground``."""
        return self._judge.verify(question, offline=self._offline, heard=self._heard)

    def names(self, identifiers: Iterable[str]) -> dict[str, str]:
        """See ``Ground``: one's own names go before those of others."""
        from kizuna.app.wiring.naming import names_of

        wanted = set(identifiers)
        found: dict[str, str] = {}
        for evidence in self._heard:
            found |= names_of(evidence, wanted, self._workspace.anchors())
        return found | super().names(wanted)


class There:
    """The store that was joined. Lives for one command."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._earlier = member.earlier()
        self._names: dict[str, str] = {}

    def named(self, which: str) -> Registered:
        """See ``Ground``; by digest, and only where its signature holds."""
        subject, digest = self._member.subject_of(which)
        for row in self._earlier.about(subject):
            if row.statement.digest.hex() == digest:
                return row
        raise Absent(
            "statement.unknown",
            f"no statement {which[:16]} there",
            why="the store shows none about its subject whose signature holds",
            hint="check the digest, and which store registered it",
            statement=which[:64],
        )

    def standing(
        self, subjects: Sequence[SubjectId], view: View | None = None
    ) -> dict[SubjectId, list[Registered]]:
        """See ``Ground``; the other store knows whose eyes these are."""
        del view
        found = {subject: self._earlier.about(subject) for subject in subjects}
        digests = [row.statement.digest for rows in found.values() for row in rows]
        acts = self._earlier.acts(digests) if digests else {}
        return {subject: not_taken_back(rows, acts) for subject, rows in found.items()}

    def verdict(self, question: Question) -> Verdict:
        """See ``Ground``."""
        verdict, names = self._member.verify(question)
        self._names |= names
        return verdict

    def names(self, identifiers: Iterable[str]) -> dict[str, str]:
        """See ``Ground``: those that came with proofs."""
        return {one: self._names[one] for one in identifiers if one in self._names}
