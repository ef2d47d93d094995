# SPDX-License-Identifier: Apache-2.0
"""What a member asks of the store that it joined.

Keeps: 1. The store is not asked for verdicts but for proof, judged here with anchors of one's own.
2. Whose standing depends on a thing (``impact``), and which requests and offers there are, no
bundle can prove: that is the store's own word, and read under bounds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from kizuna.app.wiring.folder import Folder
from kizuna.app.wiring.member.joined import Joined
from kizuna.app.wiring.settings import Clock
from kizuna.app.wiring.values import Explained, WrittenBundle
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.question import Question
    from kizuna.app.wiring.offline import Opened
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict

__all__ = ["Asks"]


class Asks:
    """A member as it asks; see ``member.Member``."""

    url: str
    folder: Folder
    clock: Clock
    _store: Joined

    def quotations(self) -> dict[str, Any]:
        """Requests for quotation, offers and agreements, as the store shows them to this member.

        Raises:
            Malformed: ``request.answer``. Refused, Unavailable: as the other side says.
        """
        from kizuna.app.wiring.procure.inbox import told_elsewhere

        try:
            return told_elsewhere(self._store.fetch("/api/procure/quotations"))
        except ValueError as fault:
            why = str(fault)[:200]
        raise Malformed(
            "request.answer",
            f"{self.url} answered with something else than requests and offers",
            why=why,
            hint="check that this is the address of a kizuna store",
            url=self.url,
        )

    def verify(self, question: Question) -> tuple[Verdict, dict[str, str]]:
        """Fetch the proof from the store that was joined and judge it here; names for people.

        Raises:
            Absent: ``profile.unknown`` where the store has no profile of that name.
            Unavailable: ``request.*``. Malformed, Tampered: ``bundle.*``.
        """
        return self.proof(question).verify(question.profile, at=self.moment(question))

    def proof(self, question: Question, *, through: Sequence[str] = ()) -> Opened:
        """The proof for a question, opened here; ``through``: with these mappings."""
        from kizuna.app.wiring.offline import opened

        data = self._bundle(question.subject, question.profile, through)
        return opened(data, self._trust(), subject=question.subject, lists=question.lists)

    def moment(self, question: Question) -> int:
        """The instant that a question is about."""
        return self.clock() if question.at is None else question.at

    def explain(self, question: Question) -> tuple[Explained, dict[str, str]]:
        """As ``verify``, with the tree of reasons."""
        return self.proof(question).explain(question.profile, at=self.moment(question))

    def export_bundle(
        self, subject: SubjectId, profile: Profile, *, through: Sequence[str] = ()
    ) -> WrittenBundle:
        """The proof as the store gives it, seen to open under one's own anchors; ``through``:
        mappings that travel along.
        """
        from kizuna.app.wiring.offline import opened

        data = self._bundle(subject, profile, through)
        bundle = opened(data, self._trust(), subject=subject).evidence
        held = [item for page in bundle.all() for item in page]
        return WrittenBundle(
            data=data,
            statements=len(held),
            restricted=sum(bool(item.statement.audience) for item in held),
            subject=subject,
            profile=profile.name,
        )

    def impact(self, what: str, *, profile: str | None = None) -> list[dict[str, Any]]:
        """Whose standing depends on it, as the store says; ``profile`` is a name known there.

        Raises:
            Malformed: ``request.answer``. Absent: ``profile.unknown``.
        """
        query = {"of": what} | ({} if profile is None else {"profile": profile})
        try:
            told = json.loads(self._store.fetch("/api/impact", urlencode(query)))
            return [
                {str(k): v for k, v in item.items() if isinstance(v, str | bool | int)}
                for item in told["affected"]
                if isinstance(item["subject"], str)
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise Malformed(
                "request.answer",
                f"{self.url} answered with something else than what depends on {what[:80]}",
                hint="check that this is the address of a kizuna store",
                url=self.url,
            ) from fault

    # --- inside -------------------------------------------------------------------------------

    def _bundle(self, subject: SubjectId, profile: Profile, through: Sequence[str] = ()) -> bytes:
        asked = [("subject", subject), ("profile", profile.name)]
        query = urlencode([*asked, *(("through", name) for name in through)])
        return self._store.fetch("/api/export", query)

    def _trust(self) -> bytes | None:
        try:
            return self.folder.trust_file.read_bytes()
        except FileNotFoundError:
            return None
