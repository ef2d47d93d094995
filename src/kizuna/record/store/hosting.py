# SPDX-License-Identifier: Apache-2.0
"""A hosted store: several organisations in one log, each let in by an invite.

Keeps: 1. An invite is a secret of its operator: the tables hold its hash, and it is used as often
as it says and not after its end. 2. To join is to be put on the store's list by a membership that
the operator signs and the log holds; the table of organisations is a convenience beside it.
3. An invite whose membership could not be registered is given back. 4. Whoever joins chooses the
name that the operator signs: none that another member has, none with signs that are not seen.
Does not: check that who asks to join holds the key of the identity; the door does (RFC 9421).
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import and_, insert, select, update

from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Membership, Service, Standing, encode_payload
from kizuna.record.store.arriving import Accepted, Refusal
from kizuna.record.store.schema import invites, organisations
from kizuna.record.store.store import Store
from kizuna.roots.identity import genesis_keys

__all__ = ["Hosting", "Invite", "Organisation"]

_CODE_BYTES: Final = 18
_MAX_NAME: Final = 200
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SERVICES: Final = msgspec.json.Decoder(list[Service])


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """An invite as its operator sees it later; the code itself is shown once, when it is made."""

    reference: str
    """The beginning of the code's hash: enough to name it, not enough to use it."""
    created_at: int
    expires_at: int
    uses_left: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A member of the hosted store."""

    identity: SubjectId
    name: str
    joined_at: int


class Hosting:
    """Invites and organisations of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def invite(
        self,
        *,
        now: int,
        expires_at: int,
        uses: int = 1,
        services: Sequence[Service] = (),
        note: str = "",
    ) -> str:
        """Make an invite and return its code, which is kept nowhere.

        Args:
            now: the present.
            expires_at: the last second at which it may be used.
            uses: how many organisations may join by it.
            services: what the membership will let them say, and about whose names.
            note: for whom it is meant.

        Raises:
            Refused: ``invite.useless`` when it could never be used.
        """
        if uses < 1 or expires_at <= now:
            raise Refused(
                "invite.useless",
                "the invite could never be used",
                why="its end is not in the future, or it has no uses",
                hint="give it an end in the future and at least one use",
            )
        code = secrets.token_urlsafe(_CODE_BYTES)
        while code.startswith("-"):  # a command would take it for an option
            code = secrets.token_urlsafe(_CODE_BYTES)
        self._store.backend.execute(
            insert(invites).values(
                code_hash=_hash(code),
                created_at=now,
                expires_at=expires_at,
                uses_left=uses,
                services=msgspec.json.encode(list(services)).decode(),
                note=note[:_MAX_NAME],
            )
        )
        return code

    def invites(self) -> list[Invite]:
        """Every invite, newest first."""
        rows = self._store.backend.execute(
            select(invites).order_by(invites.c.created_at.desc(), invites.c.code_hash)
        )
        return [
            Invite(
                reference=bytes(row.code_hash).hex()[:12],
                created_at=row.created_at,
                expires_at=row.expires_at,
                uses_left=row.uses_left,
                note=row.note,
            )
            for row in rows
        ]

    def withdraw_invite(self, reference: str) -> bool:
        """End an invite; whether there was one that could still be used."""
        found = [
            bytes(row.code_hash)
            for row in self._store.backend.execute(select(invites.c.code_hash))
            if len(reference) >= 12 and bytes(row.code_hash).hex().startswith(reference)
        ]
        if len(found) != 1:
            return False
        ended = self._store.backend.execute(
            update(invites)
            .where(and_(invites.c.code_hash == found[0], invites.c.uses_left > 0))
            .values(uses_left=0)
            .returning(invites.c.code_hash)
        )
        return bool(ended)

    def join(self, code: str, identity: str, name: str, *, now: int) -> Accepted:
        """Let an organisation in: use the invite and register its membership.

        Args:
            code: the invite.
            identity: who joins; the caller has seen that they hold its key.
            name: what they call themselves.
            now: the present.

        Returns:
            Where their membership stands. Whoever is a member already gets that answer again, and
            the invite stays as it was.

        Raises:
            Refused: ``invite.not-valid`` (unknown, used up and expired look the same),
                ``invite.name``, ``invite.name-taken``, ``policy.membership-not-in-force`` for whom
                the operator suspended or put out; and what ``submit`` refuses.
            Malformed: ``identifier.malformed``, ``identity.malformed``.
            Absent: ``identity.not-pinned`` for a name that carries no key.
        """
        member = canonical(identity)
        genesis_keys(member, self._store.settings.pinned)
        seen = all(unicodedata.category(c) not in _UNSEEN for c in name.strip())
        if not name.strip() or len(name) > _MAX_NAME or not seen:
            raise Refused(
                "invite.name",
                f"an organisation's name has 1 to {_MAX_NAME} characters",
                hint="give the name by which your customers know you",
                limit=_MAX_NAME,
            )
        entered = self._entered(member, now)
        if entered is not None:
            return entered
        services = self._use(code, now)
        if _folded(name) in self._names(now):
            self._give_back(code)
            raise Refused(
                "invite.name-taken",
                f"another member of this store is called {name.strip()!r}",
                why="people would take the one for the other",
                hint="give your full name; ask the store's operator if the other entry is your own",
                name=name.strip(),
            )
        try:
            outcome = self._grant(member, name.strip(), services, now)
        except Problem:
            self._give_back(code)
            raise
        self._store.backend.execute(
            organisations.delete().where(organisations.c.id == member),
            insert(organisations).values(
                id=member, name=name.strip(), joined_at=now, invite=_hash(code)
            ),
        )
        return outcome

    def _entered(self, member: SubjectId, now: int) -> Accepted | None:
        """Where the membership of a present member stands; none for who may join.

        An invite lets in who was never in. Whom the operator put out only the operator lets back:
        the invite by which somebody once came may have uses left.
        """
        store = self._store
        rows = store.backend.members(store.settings.list_id)
        row = next((row for row in rows if row.member == member), None)
        if row is None:
            return None
        if row.state != Standing.GRANTED.value:
            raise Refused(
                "policy.membership-not-in-force",
                "the issuer's membership of this store is not in force",
                why=f"its entry is {row.state}",
                hint="ask the store's operator",
                issuer=member[:120],
                state=row.state,
            )
        if row.valid_until is not None and row.valid_until < now:
            return None  # it ran out, and is renewed by an invite
        (entry,) = store.reader().by_indices([row.idx])
        return Accepted(entry.statement.digest, row.idx, entry.registered.latest, duplicate=True)

    def _names(self, now: int) -> set[str]:
        """What the members in force are called."""
        store = self._store
        places = [
            row.idx
            for row in store.backend.members(store.settings.list_id)
            if store.members.is_member(row.member, now)
        ]
        entries = (row.statement.payload for row in store.reader().by_indices(places))
        return {_folded(e.name) for e in entries if isinstance(e, Membership) and e.name}

    def organisations(self) -> list[Organisation]:
        """Everyone who joined, in the order they came."""
        rows = self._store.backend.execute(
            select(organisations).order_by(organisations.c.joined_at, organisations.c.id)
        )
        return [
            Organisation(identity=SubjectId(row.id), name=row.name, joined_at=row.joined_at)
            for row in rows
        ]

    def _use(self, code: str, now: int) -> list[Service]:
        used = self._store.backend.execute(
            update(invites)
            .where(
                and_(
                    invites.c.code_hash == _hash(code),
                    invites.c.uses_left > 0,
                    invites.c.expires_at >= now,
                )
            )
            .values(uses_left=invites.c.uses_left - 1)
            .returning(invites.c.services)
        )
        if not used:
            raise Refused(
                "invite.not-valid",
                "this invite cannot be used",
                why="it is unknown, used up, withdrawn or past its end",
                hint="ask the operator of the store for a new one",
            )
        return _SERVICES.decode(used[0].services)

    def _give_back(self, code: str) -> None:
        self._store.backend.execute(
            update(invites)
            .where(invites.c.code_hash == _hash(code))
            .values(uses_left=invites.c.uses_left + 1)
        )

    def _grant(
        self, member: SubjectId, name: str, services: Sequence[Service], now: int
    ) -> Accepted:
        store = self._store
        payload = Membership(
            list_id=store.settings.list_id,
            state=Standing.GRANTED,
            services=list(services),
            name=name,
            logs=[store.log.origin],
        )
        raw = store.settings.operator.sign(Kind.MEMBERSHIP, member, encode_payload(payload), now)
        (outcome,) = store.submit([raw], now=now)
        if isinstance(outcome, Refusal):
            raise outcome.problem
        return outcome


def _folded(name: str) -> str:
    """A name as people tell names apart."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _hash(code: str) -> bytes:
    return sha256(b"kizuna invite\n" + code.strip().encode()).digest()
