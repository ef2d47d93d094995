# SPDX-License-Identifier: Apache-2.0
"""Supposing: the store's evidence as it would be if some ties were others; nothing is registered.

A purchase is judged before it is made. The one verdict engine judges the store's statements and,
beside them, ties that are only supposed: *this supplier delivers this line*, *that part stands in
for this one*, *this is the bill of materials*.

Keeps: 1. What is supposed are ties and what a bill says its parts are, never a claim, a
certificate or an entry of a list: nobody becomes trustworthy by being supposed so. 2. A supposed
tie is said by the end that depends, as if it were true; a bill is said by the verifier, as if it
were imported. 3. Nothing leaves this object but answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.criteria.profiles import Counting, Follow, Profile
from kizuna.model.identifier import Digest, SubjectId, digest_of
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Link, Links, encode_payload
from kizuna.model.relation import Relation
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.model.verdict import Known

if TYPE_CHECKING:
    from kizuna.chain.exchange.across import Across
    from kizuna.record.store import StoreReader

__all__ = ["PURCHASE", "Supposed", "for_purchase"]

PURCHASE: Final = "purchase"
"""Risk category of a supposed tie; no bill of materials uses it."""

Change = Callable[[str, str, Link], Link | None]
"""From (the end that depends, the other end, the tie) to the tie as supposed; None: no such tie."""


def for_purchase(profile: Profile) -> Profile:
    """The profile with supposed ties looked at: they are shown, and the buyer's answer is drawn
    from where they lead; everything else counts as it did.
    """
    supposed = (
        Follow(relation=Relation.SUPPLIED_BY, category=PURCHASE, counts=Counting.INFORMATIVE),
        Follow(relation=Relation.PART_OF, category=PURCHASE, counts=Counting.INFORMATIVE),
    )
    return replace(profile, follow=(*profile.follow, *supposed))


class Supposed:
    """A store's reader with supposed statements beside what is registered (``Evidence``).

    Owner of mutable state: whoever builds it, until the first question.
    """

    def __init__(self, reader: StoreReader | Across, *, now: int, quorum: int = 0) -> None:
        self._reader = reader
        self._now = now
        self.quorum = quorum
        self._heads = tuple(reader.heads())
        self._said: list[Registered] = []
        self._by_key: dict[bytes, list[Registered]] = {}

    def suppose(self, issuer: str, subject: str, links: Links) -> None:
        """As if ``issuer`` had registered these ties just now."""
        from kizuna.record.log.keys import keys_of

        origin = self._heads[0].origin if self._heads else "supposed"
        size = self._heads[0].size if self._heads else 0
        payload = encode_payload(links)
        digest = digest_of(b"\0".join((issuer.encode(), subject.encode(), payload)))
        made = Registered(
            statement=Statement(
                digest=digest,
                content=digest,
                issuer=SubjectId(issuer),
                subject=SubjectId(subject),
                kind=Kind.LINK,
                media_type=media_type_of(Kind.LINK),
                key_id=b"",
                payload=links,
            ),
            origin=origin,
            index=size + len(self._said),
            registered=Interval(self._now, self._now),
        )
        self._said.append(made)
        for key in keys_of(made.statement):
            self._by_key.setdefault(key, []).append(made)

    def restate(self, subject: str, change: Change) -> int:
        """Suppose that the ties of one subject were said otherwise by those who said them.

        Returns:
            How many ties are other ones.
        """
        changed = 0
        for item in self._in_force(subject):
            said = item.statement
            links = said.payload
            if not isinstance(links, Links):
                continue
            made: list[Link] = []
            touched = 0
            for link in links.links:
                near, far = link.subject or said.subject, link.object or said.subject
                if link.relation.object_depends:
                    near, far = far, near
                after = change(near, far, link)
                touched += after is not link
                if after is not None:
                    made.append(after)
            if touched:
                self.suppose(said.issuer, said.subject, msgspec.structs.replace(links, links=made))
                changed += touched
        return changed

    def ties(self, subject: str) -> Iterator[tuple[str, str, Link]]:
        """What is said in force of a subject's ties, whoever says it: both ends and the tie."""
        for item in self._in_force(subject):
            said = item.statement
            if isinstance(said.payload, Links):
                for link in said.payload.links:
                    near, far = link.subject or said.subject, link.object or said.subject
                    if link.relation.object_depends:
                        near, far = far, near
                    yield near, far, link

    def _in_force(self, subject: str) -> list[Registered]:
        """The latest link statement of each issuer, subject and part, where nobody acted on it."""
        from kizuna.record.log.keys import statement_key, subject_key

        key = subject_key(subject)
        latest: dict[tuple[str, str, str], Registered] = {}
        for item in sorted(self.by_keys([key])[key], key=lambda r: r.index):
            said = item.statement
            if isinstance(said.payload, Links):
                latest[said.issuer, said.subject, said.payload.part or ""] = item
        acts = {statement_key(r.statement.digest): r for r in latest.values()}
        acted = {k for k, rows in self.by_keys(list(acts)).items() if rows}
        return [r for k, r in acts.items() if k not in acted]

    # --- evidence -----------------------------------------------------------------------------

    @property
    def view(self) -> str:
        """The reader's own."""
        return self._reader.view

    def heads(self) -> tuple[Known, ...]:
        """What is registered; what is supposed is in no log."""
        return self._heads

    def all(self) -> Iterator[Sequence[Registered]]:
        """Everything, what is supposed last."""
        yield from self._reader.all()
        yield self._said

    def by_keys(self, keys: Sequence[bytes]) -> dict[bytes, list[Registered]]:
        """The lists of map keys, with what is supposed at their ends."""
        found: Mapping[bytes, Sequence[Registered]] = self._reader.by_keys(list(keys))
        return {k: [*found.get(k, ()), *self._by_key.get(k, ())] for k in keys}

    def by_digests(self, digests: Sequence[Digest]) -> dict[Digest, Registered]:
        """Registered or supposed statements by digest."""
        wanted = set(digests)
        supposed = {r.statement.digest: r for r in self._said if r.statement.digest in wanted}
        return {**self._reader.by_digests(list(digests)), **supposed}

    def documents(self, digests: Sequence[Digest]) -> Mapping[Digest, Any]:
        """Documents beside the log."""
        return self._reader.documents(list(digests))
