# SPDX-License-Identifier: Apache-2.0
"""Being an entity: what this store says of itself and of its members, signed when asked.

Keeps: 1. Everything follows from the store's own trust list as the public sees it: a member whose
entry is suspended or ended has no statement any more, and its marks are answered as revoked.
2. A request never makes the store ask the network. 3. What was signed is given again while the log
and the settings stay as they were, for an hour at most; nothing outlives its member's entry.
Standard: OpenID Federation 1.0 sections 3, 7 and 8.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.federation.book import Book, BookKeeper
from kizuna.app.wiring.federation.members import HOSTED, Subordinate, keys_of, subordinates
from kizuna.app.wiring.federation.reading import Reading
from kizuna.model.errors import Absent, Problem
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Status
from kizuna.record.lists import ROLES
from kizuna.record.lists.federation import (
    FEDERATION_ENTITY,
    Anchor,
    Resolver,
    configuration_url,
    jwks_of,
    read_entity_statement,
    read_mark,
    sign_entity_statement,
    sign_mark,
    sign_mark_status,
    sign_resolve_response,
)
from kizuna.record.lists.federation.entity import signed_by
from kizuna.record.log.keys import subject_key
from kizuna.record.store.view import PUBLIC
from kizuna.roots.jws import sign_jws
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["STATEMENT", "Publishing", "mark_type", "own_metadata"]

STATEMENT: Final = "application/entity-statement+jwt"
"""Media type of a statement; hosted configurations are registered under it."""

_DAY: Final = 86_400
_FRESH: Final = 3_600
_LIVE: Final = frozenset({"current", "active"})
_MARK_DAYS: Final = 30
_MOST_REMEMBERED: Final = 10_000
_ENDPOINTS: Final = {
    "federation_fetch_endpoint": "fetch",
    "federation_list_endpoint": "list",
    "federation_resolve_endpoint": "resolve",
    "federation_trust_mark_endpoint": "trust-mark",
    "federation_trust_mark_status_endpoint": "trust-mark-status",
    "federation_trust_mark_list_endpoint": "trust-mark-list",
    "federation_historical_keys_endpoint": "historical-keys",
}


def mark_type(address: str, service: str) -> str:
    """The trust mark that stands for a service granted by the entity at an address."""
    return f"{address}/federation/marks/{service}"


def own_metadata(name: str, identity: str) -> dict[str, Any]:
    """What every entity that kizuna makes says of itself."""
    return {"organization_name": name[:200], "also_known_as": [str(identity)]}


@dataclass(frozen=True, slots=True)
class _At:
    """The store as it was at one size of its log, under one book and key; swapped as a whole, so
    that what one thread signs by an older state is never given as of a newer one.
    """

    state: tuple[object, ...]
    minute: int
    book: Book
    members: Mapping[str, Subordinate]
    signed: dict[tuple[str, ...], tuple[int, bytes]]


class Publishing:
    """The store as an entity. Owner of what it signed; shared by the threads of a server."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._book = BookKeeper(workspace.path)
        self._at: _At | None = None

    # --- what is asked for --------------------------------------------------------------------

    def configuration(self) -> bytes:
        """What the store says of itself."""
        at = self._now()
        return self._once(at, ("configuration",), lambda: self._configuration(at))

    def hosted(self, name: str) -> bytes:
        """What a member without a server says of itself: signed by its own key, kept here.

        Raises:
            Absent: ``federation.not-published``.
        """
        at = self._now()
        book = at.book
        member = at.members.get(f"{book.address}{HOSTED}{name}")
        if member is None or not member.granted:
            raise _absent()
        return self._hosted(member)

    def about(self, entity: str) -> bytes:
        """What the store says of one of its members.

        Raises:
            Absent: ``federation.not-published``.
        """
        at = self._now()
        book = at.book
        if entity.rstrip("/") == book.address:
            return self.configuration()
        member = at.members.get(entity)
        if member is None or not member.granted:
            raise _absent()
        return self._once(at, ("about", entity), lambda: self._about(book, member))

    def listed(
        self, *, kind: str | None = None, marked: str | None = None, operators: bool = False
    ) -> list[str]:
        """The members' addresses: all, those with a mark, those that have members of their own."""
        at = self._now()
        book = at.book
        return sorted(
            m.entity
            for m in at.members.values()
            if m.granted
            and kind in (None, FEDERATION_ENTITY)
            and (not operators or _operates(m))
            and (marked is None or marked in _marks_of(book.address, m))
        )

    def mark(self, kind: str, entity: str) -> bytes:
        """The trust mark of a granted service.

        Raises:
            Absent: ``federation.not-published``.
        """
        at = self._now()
        book = at.book
        member = at.members.get(entity)
        if member is None or not member.granted or kind not in _marks_of(book.address, member):
            raise _absent()

        def make() -> bytes:
            now = self._workspace.clock()
            return sign_mark(
                self._workspace.unit,
                self._workspace.handle,
                {
                    "iss": book.address,
                    "sub": entity,
                    "iat": now,
                    "exp": _until(now, _MARK_DAYS * _DAY, member),
                    "trust_mark_type": kind,
                },
            )

        return self._once(at, ("mark", kind, entity), make)

    def mark_status(self, raw: str) -> bytes:
        """Whether a mark of this store's still stands.

        Raises:
            Absent: ``federation.not-published`` for a mark that was never signed here.
            Malformed: ``federation.malformed``.
        """
        at = self._now()
        book = at.book
        mark = read_mark(raw)
        every = {k.thumbprint.hex(): k for k in self._all_keys()}
        if mark.issuer != book.address or not signed_by(mark.token, every):
            raise _absent()
        member = at.members.get(mark.subject)
        status = "active"
        if member is None or not member.granted or mark.kind not in _marks_of(book.address, member):
            status = "revoked"
        elif mark.expires is not None and mark.expires <= self._workspace.clock():
            status = "expired"
        return self._once(
            at,
            ("status", mark.digest.hex(), status),
            lambda: sign_mark_status(
                self._workspace.unit,
                self._workspace.handle,
                issuer=book.address,
                mark=mark.raw,
                status=status,
                now=self._workspace.clock(),
            ),
        )

    def resolved(self, entity: str, anchor: str) -> bytes:
        """A chain that this store can show from what it has: its own members, and what it kept.

        Raises:
            Absent: ``federation.not-published``.
        """
        at = self._now()
        book = at.book
        now = self._workspace.clock()
        if anchor == book.address:
            keys = {k.thumbprint.hex(): k for k in self._current_keys()}
            kept, _ = Reading(self._workspace.path, now).answers(entity)
            resolver = Resolver(_Inside(self, book, kept), (Anchor(anchor, keys),), now)
            resolved = resolver.resolve(entity)[0]
            marks = resolver.marks(resolved)
        else:
            found = Reading(self._workspace.path, now).resolve(
                entity, anchors=[anchor], source="kept"
            )
            resolved, sightings = found.chains[0]
            marks = tuple(s.mark for s in sightings)
        return self._once(
            at,
            ("resolved", anchor, *(s.digest.hex() for s in resolved.chain)),
            lambda: sign_resolve_response(
                self._workspace.unit,
                self._workspace.handle,
                resolved,
                issuer=book.address,
                now=now,
                marks=marks,
            ),
        )

    def historical_keys(self) -> bytes:
        """Every key that signed for this entity, those that ended with their end."""
        at = self._now()
        return self._once(at, ("historical",), lambda: self._historical(at.book))

    # --- inside -------------------------------------------------------------------------------

    def _now(self) -> _At:
        """The store as it is; what depends on older settings or a shorter log is forgotten."""
        book = self._book.read()
        if not book.address:
            raise _absent()
        state = (self._workspace.store.head().size, repr(book), self._workspace.handle.id)
        # an entry may begin or end without anything being registered
        minute = self._workspace.clock() // 60
        at = self._at
        if at is None or at.state != state or at.minute != minute:
            signed = at.signed if at is not None and at.state == state else {}
            members = subordinates(self._workspace, book.address)
            self._at = at = _At(state, minute, book, members, signed)
        return at

    def _once(self, at: _At, name: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
        now = self._workspace.clock()
        held = at.signed.get(name)
        if held is not None and now - _FRESH < held[0] <= now:
            return held[1]
        data = make()
        if len(at.signed) < _MOST_REMEMBERED:
            at.signed[name] = (now, data)
        return data

    def _configuration(self, at: _At) -> bytes:
        now = self._workspace.clock()
        book, address = at.book, at.book.address
        federation = {
            **own_metadata(self._workspace.name, self._workspace.identity),
            **{name: f"{address}/federation/{path}" for name, path in _ENDPOINTS.items()},
        }
        claims: dict[str, Any] = {
            "iss": address,
            "sub": address,
            "iat": now,
            "exp": now + _DAY,
            "jwks": jwks_of(self._current_keys()),
            "metadata": {FEDERATION_ENTITY: federation},
            "trust_mark_issuers": self._issuers(at),
        }
        if book.superiors:
            claims["authority_hints"] = list(book.superiors)
        if book.marks:
            claims["trust_marks"] = [
                {"trust_mark_type": read_mark(m).kind, "trust_mark": m} for m in book.marks
            ]
        return sign_entity_statement(self._workspace.unit, self._workspace.handle, claims)

    def _historical(self, book: Book) -> bytes:
        now = self._workspace.clock()
        rows, _ = self._workspace.told_of_itself()
        ended: dict[str, int] = {}
        for row in rows:
            said = row.statement.payload
            if isinstance(said, Status) and said.target.key is not None:
                ended[said.target.key] = row.registered.latest
        keys = []
        for state in self._workspace.keys.states():
            jwk: dict[str, Any] = {**state["jwk"], "kid": state["thumbprint"]}
            if state["state"] not in _LIVE:
                why = "compromised" if state["state"] == "compromised" else "superseded"
                at = ended.get(state["thumbprint"], now)
                jwk |= {"exp": at, "revoked": {"revoked_at": at, "reason": why}}
            keys.append(jwk)
        claims = {"iss": book.address, "iat": now, "keys": keys}
        payload = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode()
        return sign_jws(
            self._workspace.unit, self._workspace.handle, payload, {"typ": "jwk-set+jwt"}
        )

    def _issuers(self, at: _At) -> dict[str, list[str]]:
        """Who may issue which mark: this store its own, members that keep lists theirs."""
        address = at.book.address
        places = [
            address,
            *(m.entity for m in at.members.values() if m.granted and _operates(m)),
        ]
        services = {role.value for role in ROLES}
        services |= {s.type for m in at.members.values() for s in m.services}
        return {mark_type(place, s): [place] for place in places for s in sorted(services)}

    def _about(self, book: Book, member: Subordinate) -> bytes:
        now = self._workspace.clock()
        keys = keys_of(self._workspace, member.member)
        if not keys:
            raise _absent()
        claims: dict[str, Any] = {
            "iss": book.address,
            "sub": member.entity,
            "iat": now,
            "exp": _until(now, _DAY, member),
            "jwks": jwks_of(keys),
            "source_endpoint": f"{book.address}/federation/fetch",
        }
        if book.policy:
            claims["metadata_policy"] = book.policy
        if book.constraints:
            claims["constraints"] = book.constraints
        return sign_entity_statement(self._workspace.unit, self._workspace.handle, claims)

    def _hosted(self, member: Subordinate) -> bytes:
        reader = self._workspace.store.reader(PUBLIC)
        key = subject_key(canonical(member.entity))
        rows = [
            row
            for row in reader.by_keys([key]).get(key, ())
            if row.statement.issuer == member.member and row.statement.media_type == STATEMENT
        ]
        keys = {k.thumbprint.hex(): k for k in keys_of(self._workspace, member.member)}
        for row in sorted(rows, key=lambda r: r.index, reverse=True):
            digest = row.statement.document
            data = None if digest is None else reader.documents([digest]).get(digest)
            if row.erased or data is None:
                continue
            with contextlib.suppress(Problem):
                found = read_entity_statement(data)
                fits = found.of_itself and found.subject == member.entity
                now = self._workspace.clock()
                if fits and found.expires > now and signed_by(found.token, keys):
                    return found.raw
        raise _absent()

    def _current_keys(self) -> list[PublicKey]:
        states = self._workspace.keys.states()
        return [PublicKey.from_jwk(k["jwk"]) for k in states if k["state"] in _LIVE]

    def _all_keys(self) -> list[PublicKey]:
        return [PublicKey.from_jwk(k["jwk"]) for k in self._workspace.keys.states()]


class _Inside:
    """What this store publishes, then what it kept of others; asked for without a network."""

    def __init__(self, publishing: Publishing, book: Book, kept: Mapping[str, bytes]) -> None:
        self._publishing = publishing
        self._kept = kept
        self._address = book.address

    def get(self, url: str) -> bytes:
        from urllib.parse import parse_qs, urlsplit

        if url == configuration_url(self._address):
            return self._publishing.configuration()
        hosted = f"{self._address}{HOSTED}"
        if url.startswith(hosted):
            return self._publishing.hosted(url.removeprefix(hosted).partition("/")[0])
        if url.startswith(f"{self._address}/federation/fetch?"):
            return self._publishing.about(parse_qs(urlsplit(url).query).get("sub", [""])[0])
        if url in self._kept:
            return self._kept[url]
        raise _absent()


def _marks_of(address: str, member: Subordinate) -> set[str]:
    return {mark_type(address, s.type) for s in member.services}


def _operates(member: Subordinate) -> bool:
    return any(Kind.MEMBERSHIP in s.kinds for s in member.services)


def _until(now: int, lasts: int, member: Subordinate) -> int:
    return now + lasts if member.until is None else min(now + lasts, member.until)


def _absent() -> Absent:
    return Absent(
        "federation.not-published",
        "no such entity, statement or mark is published here",
        why="it was never there, or its entry on the list is no longer in force",
        hint="the members that are published are at /federation/list",
    )
