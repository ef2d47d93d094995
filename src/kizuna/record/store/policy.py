# SPDX-License-Identifier: Apache-2.0
"""Registration policy: whose statements this store takes, and what it asks of them.

Keeps: 1. The policy decides what is *registered*, never what is believed: authority comes from the
verifier's lists. 2. A log cannot be emptied, so it must not be filled by whoever likes: outside
``own`` every issuer has a rate. 3. What acts on others (status, membership) stands in the open:
by hash it could be erased and so undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Membership, Standing, seconds
from kizuna.model.statement import Envelope, Registered, Statement
from kizuna.record.store.backend import MemberRow

__all__ = ["Members", "Rate", "RegistrationPolicy", "check_envelope"]

_HOUR: Final = 3600
_IN_THE_OPEN: Final = frozenset({Kind.STATUS, Kind.MEMBERSHIP})


class RegistrationPolicy(StrEnum):
    """Whose statements are registered."""

    OWN = "own"  # the store's own organisation
    MEMBERS = "members"  # and whoever its own list grants membership
    OPEN = "open"  # anyone whose key is known


class Members:
    """The entries in force of the store's own list, as the intake needs them.

    Mutable; owned by the store's writer.
    """

    def __init__(self, list_id: SubjectId, operator: SubjectId) -> None:
        self.list_id = list_id
        self.operator = operator
        self.refuses: Callable[[Statement, int, Sequence[Registered]], Problem | None] | None = None
        """What the policies of lists say to an entry, or a status on one, after what else of its
        batch changes lists; set by who knows them.
        """
        self._entries: dict[str, MemberRow] = {}

    def load(self, rows: Iterable[MemberRow]) -> None:
        """Take the entries from the tables."""
        self._entries = {row.member: row for row in rows}

    def entry_of(self, statement: Statement, index: int) -> MemberRow | None:
        """The entry that a statement makes in this list, none where it makes none."""
        payload = statement.payload
        if (
            not isinstance(payload, Membership)
            or payload.list_id != self.list_id
            or statement.issuer != self.operator
        ):
            return None
        return MemberRow(
            list_id=self.list_id,
            member=statement.subject,
            idx=index,
            state=payload.state.value,
            valid_from=None if payload.valid_from is None else seconds(payload.valid_from),
            valid_until=None if payload.valid_until is None else seconds(payload.valid_until),
            keys=_jwks(payload),
        )

    def put(self, row: MemberRow) -> None:
        """Let an entry take the place of the member's earlier one."""
        self._entries[row.member] = row

    def get(self, member: str) -> MemberRow | None:
        """The entry in force."""
        return self._entries.get(member)

    def is_member(self, identity: str, now: int) -> bool:
        """Whether the list grants membership now."""
        row = self._entries.get(identity)
        return (
            row is not None
            and row.state == Standing.GRANTED.value
            and (row.valid_from is None or row.valid_from <= now)
            and (row.valid_until is None or now <= row.valid_until)
        )

    def names(self, now: int) -> list[str]:
        """Everyone whom the list grants membership now."""
        return sorted(name for name in self._entries if self.is_member(name, now))

    def admits(self, policy: RegistrationPolicy, issuer: str, now: int) -> Problem | None:
        """None where statements of ``issuer`` are taken, else the problem to refuse them with."""
        if policy is RegistrationPolicy.OPEN or issuer == self.operator:
            return None
        if policy is RegistrationPolicy.OWN:
            return Refused(
                "policy.own-only",
                "this store takes the statements of its own organisation only",
                why="its registration policy is 'own'",
                hint="publish to a store that you are a member of: `kizuna join`",
                issuer=issuer[:120],
            )
        if self.is_member(issuer, now):
            return None
        row = self._entries.get(issuer)
        if row is None:
            return Refused(
                "policy.not-a-member",
                "the issuer is not a member of this store",
                why="its registration policy is 'members'",
                hint="join with an invite from its operator: `kizuna join URL --invite CODE`",
                issuer=issuer[:120],
            )
        return Refused(
            "policy.membership-not-in-force",
            "the issuer's membership of this store is not in force",
            why=f"its entry is {row.state}"
            if row.state != Standing.GRANTED.value
            else "its entry is not yet, or no longer, valid",
            hint="ask the store's operator",
            issuer=issuer[:120],
            state=row.state,
        )


@dataclass(slots=True)
class Rate:
    """How many statements an issuer may register in one hour. Owned by the store's writer."""

    limit: int | None = None
    _hour: int = -1
    _counts: dict[str, int] | None = None

    def take(self, issuer: str, now: int) -> Problem | None:
        """Count one statement; the problem where it is one too many."""
        if self.limit is None:
            return None
        hour = now // _HOUR
        if hour != self._hour or self._counts is None:
            self._hour, self._counts = hour, {}
        count = self._counts.get(issuer, 0)
        if count >= self.limit:
            return Refused(
                "policy.rate",
                f"the issuer has registered {count} statements within this hour",
                why="a log keeps everything for ever, so each issuer has a rate",
                hint="collect many changes in one statement, or ask the store's operator for more",
                issuer=issuer[:120],
                limit=self.limit,
            )
        self._counts[issuer] = count + 1
        return None


def check_envelope(envelope: Envelope, kind: Kind, *, has_document: bool) -> Problem | None:
    """What this store asks of a statement beside its issuer's right to register."""
    if not envelope.by_hash:
        return None
    if kind in _IN_THE_OPEN:
        return Refused(
            "policy.by-hash",
            f"a {kind.value} statement must carry its payload",
            why="it acts on others; by hash it could be erased, and so undone, unseen",
            hint="sign it without a hash envelope",
            kind=kind.value,
        )
    if not has_document and envelope.media_type.startswith("application/vnd.kizuna."):
        return Refused(
            "document.missing",
            "the document of this hash envelope did not come along",
            why="without it nobody can see what the statement links and acts on",
            hint="send the document beside the statement",
            document=envelope.payload.hex(),
        )
    return None


def _jwks(payload: Membership) -> str:
    import json  # noqa: PLC0415 - memberships are few

    return json.dumps(payload.keys, sort_keys=True, separators=(",", ":"))
