# SPDX-License-Identifier: Apache-2.0
"""Taking entities of a federation into a list of one's own, as the lists of others are taken in.

Keeps: 1. What a federation says gives authority only through entries of the verifier's own list,
by the verifier's own mapping of marks and kinds of entity. 2. One list follows one anchor; two are
never mixed. 3. An entity that its superior no longer knows, or whose mark was revoked, leaves the
list. One that cannot be asked stays as it was for as long as its last good chain lasts, and is
suspended after that. 4. Whoever has the key that a ``did:key`` is made of is that identity; every
other entity is known by the ``did:web`` of its address, under the keys that its superior vouches
for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.federation.book import Book, Followed, Following, address_of
from kizuna.app.wiring.federation.members import did_web_of
from kizuna.app.wiring.federation.reading import NETWORK, Found, Reading, Sighting, left
from kizuna.app.wiring.federation.sources import Network
from kizuna.app.wiring.lists.foreign import ForeignLists, Signer
from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Standing
from kizuna.record.lists.federation import FEDERATION_ENTITY, Resolved, configuration_url
from kizuna.record.lists.foreign import ForeignEntry, ForeignList, claimed_twice
from kizuna.record.lists.mapping import read_mapping
from kizuna.roots.identity import genesis_keys
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Taking"]

_STANDARD: Final = "OpenID Federation 1.0"
_MOST_ENTITIES: Final = 1_000
_AT_ONCE: Final = 8
_STATUS_DOWN: Final = "unknown"
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,79}")
"""Kinds of entities as standards call them; marks are called by addresses."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """One entity: what was found of it, or why there is nothing."""

    entity: str
    found: Found | None
    fault: Problem | None

    @property
    def gone(self) -> bool:
        """Whether its federation says by itself that it does not belong to it any more."""
        return self.fault is not None and left(self.entity, self.fault)


class Taking:
    """Lists of one store that follow federations."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._now = workspace.clock()
        self._reading = Reading(workspace.path, self._now)
        self._foreign = ForeignLists(workspace, workspace.lists)

    def take(
        self,
        entities: Sequence[str],
        *,
        name: str,
        anchor: str | None = None,
        mapping: bytes | None = None,
        source: str = NETWORK,
        network: Network | None = None,
        status: bool = False,
        preview: bool = False,
    ) -> dict[str, Any]:
        """Take entities in beside those that the list follows already; without any, look again at
        those.

        Raises:
            Problem: nothing was changed.
        """
        rules = None if mapping is None else read_mapping(mapping)
        book = self._reading.book.read()
        held = next((f for f in book.following if f.name == name), None)
        chosen = self._anchor(book, held, anchor)
        known = {} if held is None else {f.entity: f for f in held.entities}
        every = list(dict.fromkeys([*known, *map(address_of, entities)]))
        if not every or len(every) > _MOST_ENTITIES:
            raise Malformed(
                "federation.entities",
                f"name 1 to {_MOST_ENTITIES} entities to follow",
                why=f"there are {len(every)}",
                hint="write `kizuna federation take ENTITY... --name NAME --mapping FILE`",
                most=_MOST_ENTITIES,
            )
        line = network or Network()
        line.ahead([configuration_url(e) for e in every] if source == NETWORK else ())
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            looked = list(
                pool.map(lambda e: self._look(e, chosen, source, line, status=status), every)
            )
        for one in looked:
            if one.fault is not None and one.entity not in known:
                raise one.fault
        foreign, data = self._as_list(name, chosen, looked, known)
        keys = self._reading.book.anchors([chosen])[0].keys
        told = self._foreign.take_in(
            foreign,
            data,
            name=name,
            address="",
            signer=Signer.of(list({k.thumbprint: k for k in keys.values()}.values()), ()),
            mapping=rules,
            preview=preview,
        )
        if not preview:
            followed = [_followed(one, known.get(one.entity)) for one in looked]
            self._reading.book.follow(Following(name=name, anchor=chosen, entities=followed))
        told["entities"] = [_looked_json(one) for one in looked]
        return told

    # --- inside -------------------------------------------------------------------------------

    def _anchor(self, book: Book, held: Following | None, named: str | None) -> str:
        if named is not None:
            named = self._reading.book.anchors([address_of(named)])[0].entity
        if held is not None:
            if named not in (None, held.anchor):
                raise _other_anchor(held.name, held.anchor)
            return self._reading.book.anchors([held.anchor])[0].entity
        if named is not None:
            return named
        if not book.anchors:
            self._reading.book.anchors()  # says how one is believed
        if len(book.anchors) != 1:
            raise Malformed(
                "federation.anchor-which",
                f"{len(book.anchors)} anchors are believed here: which one does the list follow?",
                why="one list follows one anchor, so that their words are never mixed",
                hint="give --anchor ADDRESS",
                anchors=len(book.anchors),
            )
        return book.anchors[0].entity

    def _look(
        self, entity: str, anchor: str, source: str, line: Network, *, status: bool
    ) -> _Looked:
        """What is found of an entity; where it cannot be had, what was kept and is still good."""
        try:
            found = self._reading.resolve(
                entity, anchors=[anchor], source=source, network=line, status=status
            )
            _, seen = found.chains[0]
            down = next((s.status_fault for s in seen if s.status == _STATUS_DOWN), None)
            if down is not None:
                raise down
        except Problem as fault:
            if left(entity, fault):
                return _Looked(entity, None, fault)
            try:
                return _Looked(
                    entity, self._reading.resolve(entity, anchors=[anchor], source="kept"), None
                )
            except Problem:
                return _Looked(entity, None, fault)
        return _Looked(entity, found, None)

    def _number(self, name: str, document: bytes) -> int:
        """The number of this reading: the instant, and never that of another reading.

        Two readings may fall into one second, and clocks are set back.
        """
        held = self._foreign.named(name)
        if held is None:
            return self._now
        return max(self._now, held.sequence + (bytes.fromhex(held.document) != document))

    def _as_list(
        self, name: str, anchor: str, looked: Sequence[_Looked], known: Mapping[str, Followed]
    ) -> tuple[ForeignList, bytes]:
        entries: list[ForeignEntry] = []
        ends: list[int] = []
        whole: dict[str, Any] = {"anchor": anchor, "entities": {}}
        for one in looked:
            held = known.get(one.entity)
            if one.found is None:
                if not one.gone and held is not None and held.member:
                    entries.append(_suspended(held))
                continue
            resolved, seen = one.found.chains[0]
            entry = _entry(resolved, seen)
            _stands_alone(entry, entries)
            entries.append(entry)
            marks = [s.mark.mark for s in seen if s.counts and s.mark.mark is not None]
            ends += [resolved.expires, *(m.expires for m in marks if m.expires is not None)]
            whole["entities"][one.entity] = {
                "chain": [s.raw.decode("ascii") for s in resolved.chain],
                "marks": [m.raw.decode("ascii") for m in marks],
            }
        data = msgspec.json.encode(whole, order="sorted")
        document = sha256(data).digest()
        return (
            ForeignList(
                id=SubjectId(anchor),
                operator=anchor,
                title="",
                sequence=self._number(name, document),
                issued=self._now,
                next_update=min(ends) if ends else None,
                entries=tuple(entries),
                standard=_STANDARD,
                document=document,
            ),
            data,
        )


def _suspended(held: Followed) -> ForeignEntry:
    """An entity whose last good chain has ended, and that cannot be asked."""
    return ForeignEntry(
        member=SubjectId(held.member),
        name=held.name,
        types=tuple(held.types),
        state=Standing.SUSPENDED,
    )


def _stands_alone(entry: ForeignEntry, others: Sequence[ForeignEntry]) -> None:
    """See that no other entity has this member under other keys: an address can be spelled in
    several ways, and an entity chooses its display name itself.
    """
    mine = {key.thumbprint for key in entry.keys}
    for other in others:
        theirs = {key.thumbprint for key in other.keys}
        if other.member == entry.member and theirs and not mine & theirs:
            raise claimed_twice(entry.member, other.name, entry.name)


def _followed(one: _Looked, held: Followed | None) -> Followed:
    if one.found is None:
        return held or Followed(entity=one.entity)
    entry = _entry(*one.found.chains[0])
    return Followed(
        entity=one.entity, member=entry.member, name=entry.name, types=list(entry.types)
    )


def _entry(resolved: Resolved, seen: Sequence[Sighting]) -> ForeignEntry:
    keys = tuple({k.thumbprint: k for k in resolved.keys.values()}.values())
    said = resolved.metadata.get(FEDERATION_ENTITY, {})
    name = said.get("organization_name")
    # an entity names its own kinds: one that is called like a mark would be taken for the mark
    kinds = sorted(k for k in resolved.metadata if k != FEDERATION_ENTITY and _KIND.fullmatch(k))
    return ForeignEntry(
        member=_member(resolved, said.get("also_known_as"), keys),
        name=name if isinstance(name, str) else resolved.entity,
        types=(*kinds, *sorted({s.mark.kind for s in seen if s.counts})),
        state=Standing.GRANTED,
        keys=keys,
    )


def _member(resolved: Resolved, also: object, keys: Sequence[PublicKey]) -> SubjectId:
    """The identity that the entity speaks as: proven by its key, or the one of its address."""
    held = {key.thumbprint for key in keys}
    for name in also if isinstance(also, list) else ():
        if isinstance(name, str) and name.startswith(("did:key:", "did:jwk:")):
            try:
                (genesis,) = genesis_keys(name)
            except (Problem, ValueError):
                continue
            if genesis.thumbprint in held:
                return SubjectId(name)
    return did_web_of(resolved.entity)


def _looked_json(one: _Looked) -> dict[str, Any]:
    told: dict[str, Any] = {"entity": one.entity, "found": one.found is not None}
    if one.found is not None:
        resolved, seen = one.found.chains[0]
        told |= {
            "source": one.found.source,
            "path": list(resolved.path),
            "expires": resolved.expires,
            "marks": [s.mark.kind for s in seen if s.counts],
        }
    if one.fault is not None:
        told |= {"code": one.fault.code, "message": one.fault.what}
    return told


def _other_anchor(name: str, anchor: str) -> Malformed:
    return Malformed(
        "federation.anchor-other",
        f"the list {name} follows {anchor}",
        why="one list follows one anchor, so that their words are never mixed",
        hint="take the entities in under another name",
        name=name,
        anchor=anchor,
    )
