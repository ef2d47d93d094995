# SPDX-License-Identifier: Apache-2.0
"""What an importer says already, so that importing again registers only what is new.

Keeps: 1. A draft is left out only where the issuer's own latest statement of the same place says
exactly that, to the same readers, and still stands: nothing acted upon it, and neither its key nor
what the issuer may say changed since, and it was registered within the last day: whoever imports
again confirms what stands, and a profile may ask how long ago that was. In doubt it is said again.
2. A place is what a later
statement takes the place of an earlier one in: kind, subject, and the ``part`` and bill of ties or
the type of a claim; every other statement stands for itself. 3. What stands is looked up in sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Links, Membership, Status, encode_payload
from kizuna.model.statement import Registered

if TYPE_CHECKING:
    from kizuna.app.wiring.importing.earlier import Earlier
    from kizuna.app.wiring.values import Progress
    from kizuna.proof.documents import Draft

__all__ = ["CONFIRMED_FOR", "Place", "Repetition", "place_of"]

CONFIRMED_FOR: Final = 86_400
"""Seconds for which a statement need not be said again; after them it is renewed."""

_SALT: Final = 16
_IN_BILL: Final = "\n"  # stands in no name of a part
_BATCH: Final = 2_000
_CLAIMS: Final = (Kind.CERTIFICATE, Kind.CAPABILITY, Kind.EVIDENCE)

Place = tuple[Kind, SubjectId, str, str]
"""Kind, subject, media type, and the part, type or content that tells statements apart."""


class _Named(msgspec.Struct):
    """The members of a payload that say whose place it takes."""

    part: str = ""
    bill: str = ""
    type: str = ""


_DECODE: Final = msgspec.json.Decoder(_Named).decode


@dataclass(slots=True)
class _Said:
    """One earlier statement: its place in the log, its identity, what it says and to whom."""

    index: int
    registered: int
    digest: Digest
    content: bytes
    audience: tuple[SubjectId, ...]
    says_something: bool = True


@dataclass(slots=True)
class Repetition:
    """The importer's earlier statements about the subjects of some drafts. One import owns it."""

    said: dict[Place, list[_Said]] = field(default_factory=dict)
    acted_on: frozenset[bytes] = frozenset()
    since: int = -1

    @classmethod
    def read(
        cls,
        earlier: Earlier,
        issuer: SubjectId,
        drafts: Iterable[Draft],
        progress: Progress,
    ) -> Repetition:
        """Look up what ``issuer`` said about the subjects of ``drafts``."""
        made = cls()
        subjects = list(dict.fromkeys(draft.subject for draft in drafts))
        fields: list[Registered] = []
        for start in range(0, len(subjects), _BATCH):
            for row in earlier.said(issuer, subjects[start : start + _BATCH]):
                if row.statement.payload is not None:
                    made._take(row, encode_payload(row.statement.payload))
                elif row.statement.document is not None:
                    fields.append(row)
            progress("phase.reading", min(start + _BATCH, len(subjects)), len(subjects))
        made._take_documents(earlier, fields)
        for told in made.said.values():
            told.sort(key=lambda one: one.index)
        latest = [told[-1].digest for told in made.said.values()]
        acted: set[bytes] = set()
        for start in range(0, len(latest), _BATCH):
            acted.update(map(bytes, earlier.acted_on(latest[start : start + _BATCH])))
        made.acted_on = frozenset(acted)
        changes, _ = earlier.standing(issuer)
        made.since = max((row.index for row in changes if _changes(row)), default=-1)
        return made

    def standing(
        self, place: Place, words: Sequence[tuple[bytes, tuple[SubjectId, ...]]]
    ) -> list[Digest] | None:
        """The statements that already say ``words`` (hash and readers); ``None`` where they must
        be said. The last must be what stands in that place now; the others were said some time.
        """
        told = self.said.get(place)
        if not told:
            return None
        last = told[-1]
        if last.index < self.since or bytes(last.digest) in self.acted_on:
            return None
        if (last.content, last.audience) != words[-1]:
            return None
        known = {(one.content, one.audience): one.digest for one in told[:-1]}
        found = [known[word] for word in words[:-1] if word in known]
        return [*found, last.digest] if len(found) == len(words) - 1 else None

    def is_old(self, place: Place, now: int) -> bool:
        """True where what stands in a place was confirmed longer ago than a day."""
        told = self.said.get(place)
        return told is not None and now - told[-1].registered > CONFIRMED_FOR

    def parts_in_force(self) -> dict[SubjectId, list[str]]:
        """The parts in which ties or descriptions of each subject stand now, at large."""
        made: dict[SubjectId, list[str]] = {}
        for (kind, subject, _, part), told in self.said.items():
            if kind is Kind.LINK and told[-1].says_something and _IN_BILL not in part:
                made.setdefault(subject, []).append(part)
        return made

    def _take(self, row: Registered, data: bytes) -> None:
        statement = row.statement
        payload = statement.payload
        place = place_of(statement.kind, statement.subject, statement.media_type, data)
        self.said.setdefault(place, []).append(
            _Said(
                row.index,
                row.registered.latest,
                statement.digest,
                sha256(data).digest(),
                statement.audience,
                not isinstance(payload, Links)
                or bool(payload.links or payload.described or payload.complete),
            )
        )

    def _take_documents(self, earlier: Earlier, rows: Sequence[Registered]) -> None:
        """Documents of the field: told apart by their bytes, which the salt hides for restricted
        ones.
        """
        salted = [row.statement.document for row in rows if row.statement.audience]
        beside = earlier.documents([digest for digest in salted if digest is not None])
        for row in rows:
            statement = row.statement
            content = statement.document
            if content is None or row.erased:
                continue
            if statement.audience:
                data = beside.get(content)
                if data is None:
                    continue
                content = Digest(sha256(data[_SALT:]).digest())
            place = (statement.kind, statement.subject, statement.media_type, content.hex())
            self.said.setdefault(place, []).append(
                _Said(
                    row.index,
                    row.registered.latest,
                    statement.digest,
                    bytes(content),
                    statement.audience,
                )
            )


def place_of(kind: Kind, subject: SubjectId, media_type: str, data: bytes) -> Place:
    """The place that a payload takes."""
    if media_type == media_type_of(kind):
        if kind is Kind.LINK:
            named = _DECODE(data)
            in_bill = f"{_IN_BILL}{named.bill}" if named.bill else ""
            return (kind, subject, media_type, named.part + in_bill)
        if kind in _CLAIMS:
            return (kind, subject, media_type, _DECODE(data).type)
    return (kind, subject, media_type, sha256(data).hexdigest())


def _changes(row: Registered) -> bool:
    """True for what changes whom the issuer's earlier words are believed by."""
    payload = row.statement.payload
    return isinstance(payload, Membership) or (
        isinstance(payload, Status) and payload.action is Action.COMPROMISE
    )
