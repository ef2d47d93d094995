# SPDX-License-Identifier: Apache-2.0
"""The life of an identity's keys, as the log tells it.

Keeps: 1. A key counts by *when its statement was registered*, never by the time that statement
claims: a key that was rotated or revoked signs nothing registered later, whatever ``iat`` it
writes. 2. Ending a key (rotation, revocation) touches nothing registered before. "Compromised
since T" ends the key and voids what was registered after T; where T falls inside a registration
interval the answer is ``UNCERTAIN``. 3. A key introduced by a voided signature is void with it,
and so is whatever that key introduced. 4. Ending, suspending and compromising stay in effect,
whatever later befalls the key that signed them, until a ``withdraw`` by the issuer or a superior.
5. Pure: a history is a value; ``apply`` gives the next one, or the same where an event has no
effect.

Two questions are answered from one record. *Intake* (``may_register``): may this key sign a
statement registered now, with this ``iat``? *Judgement* (``standing``): was the key of this
registered row good at its place, and is it still good knowing what was registered later?

Does not: decide who is a superior (lists do), or check signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from kizuna.model.errors import Malformed, Problem, Refused
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, seconds
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.roots.keys import PublicKey

__all__ = [
    "CLOCK_SKEW",
    "KeyEvent",
    "KeyHistory",
    "KeyStanding",
    "Period",
    "event_of",
    "key_event",
]

CLOCK_SKEW: Final = 300
"""Seconds by which a claimed time may lie after registration, or before its key's beginning."""

MAX_KEYS: Final = 10_000
"""Most keys of one identity; each is kept in memory."""

_MAX_WORTHS: Final = 64
_GENESIS: Final = -1
_FOR_EVER: Final = 2**62


class KeyStanding(IntEnum):
    """What a key's signature on a registered row is worth; the larger the better."""

    UNKNOWN = 0
    """The identity never had this key, or not yet at that place."""
    ENDED = 1
    """Rotated out, revoked or declared compromised before that place."""
    SUSPENDED = 2
    """Suspended at that place."""
    COMPROMISED = 3
    """Good at its place, void since: registered after the key was compromised."""
    UNCERTAIN = 4
    """Good at its place; whether registered before or after the compromise cannot be told."""
    GOOD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """A registered ``status`` statement about a key (or the withdrawal of one)."""

    digest: Digest
    index: int
    registered: Interval
    issuer: SubjectId
    identity: SubjectId
    """Whose key it is: the statement's subject."""
    signed_by: bytes
    action: Action
    target: bytes
    """Thumbprint of the key acted upon; for ``withdraw`` the digest of the statement withdrawn."""
    key: PublicKey | None = None
    since: int | None = None


def key_event(row: Registered) -> KeyEvent | None:
    """The event that a registered statement is to its subject's keys, or None where it is none.

    Raises:
        Malformed: ``key.event`` for a key event that contradicts itself, ``key.*`` for a new key
            that is no good key.
    """
    return event_of(row.statement, row.index, row.registered)


def event_of(statement: Statement, index: int, registered: Interval) -> KeyEvent | None:
    """As ``key_event``, for a statement that has no row yet (the intake asks before it writes).

    Raises:
        Malformed: as ``key_event``.
    """
    status = statement.payload
    if statement.kind is not Kind.STATUS or not isinstance(status, Status):
        return None
    target = status.target
    if status.action is Action.WITHDRAW and target.statement is not None:
        named = target.statement
    elif target.key is not None:
        named = target.key
    else:
        return None
    key = None
    if (status.key is not None) != (status.action in (Action.ENROL, Action.ROTATE)):
        raise _event("the new key stands in enrol and rotate, and only there")
    if status.action not in _ACTIONS:
        raise _event(f"{status.action.value} is nothing that can be done to a key")
    if status.key is not None:
        key = PublicKey.from_jwk(status.key)
        if status.action is Action.ENROL and key.thumbprint.hex() != named:
            raise _event("the target is not the thumbprint of the new key")
        if status.action is Action.ROTATE and key.thumbprint.hex() == named:
            raise _event("a key cannot take over from itself")
    return KeyEvent(
        digest=statement.digest,
        index=index,
        registered=registered,
        issuer=statement.issuer,
        identity=statement.subject,
        signed_by=statement.key_id,
        action=status.action,
        target=bytes.fromhex(named),
        key=key,
        since=None if status.since is None else seconds(status.since),
    )


_ACTIONS: Final = frozenset(
    {
        Action.ENROL,
        Action.ROTATE,
        Action.REVOKE,
        Action.SUSPEND,
        Action.REINSTATE,
        Action.COMPROMISE,
        Action.WITHDRAW,
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of the log, both ends included, in which a key's signature was good at its place.

    ``since`` is the earliest compromise that reaches it: a row registered wholly by then is worth
    ``ceiling``, one registered wholly later is ``COMPROMISED``, one across it ``UNCERTAIN`` at
    best. ``ceiling`` is less than ``GOOD`` where the key itself came by a compromised signature.
    """

    first: int
    last: int
    since: int
    ceiling: KeyStanding


@dataclass(frozen=True, slots=True)
class _Grant:
    """One way in which a key came to be the identity's: by its name, or by an event."""

    index: int
    registered: Interval | None
    digest: Digest | None
    signed_by: bytes | None  # None: genesis, pinned, or introduced by a superior
    ended: int = _FOR_EVER


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something negative said of a key: ``since`` is set for compromises only."""

    index: int
    action: Action
    digest: Digest
    issuer: SubjectId
    since: int | None = None
    ended: int = _FOR_EVER  # index of the withdrawal (or, for a suspension, the reinstatement)

    def stands(self, index: int) -> bool:
        return self.index < index <= self.ended


@dataclass(frozen=True, slots=True)
class _Life:
    key: PublicKey
    grants: tuple[_Grant, ...] = ()
    marks: tuple[_Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """Every key that an identity ever had, with what befell it. Begin with ``of``."""

    identity: SubjectId
    _lives: Mapping[bytes, _Life] = field(repr=False)
    _voids: tuple[tuple[bytes, _Mark], ...] = field(default=(), repr=False)
    """Every compromise, with the key it befell."""
    _worths: dict[tuple[int, ...], dict[_Grant, KeyStanding]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Remembered answers of ``_worth``: they follow from the rest and are made at most once."""

    @staticmethod
    def of(identity: str, genesis: Iterable[PublicKey] = ()) -> KeyHistory:
        """The history before any event: the keys from the name and the verifier's pins."""
        grant = (_Grant(_GENESIS, None, None, None),)
        return KeyHistory(
            SubjectId(identity),
            MappingProxyType({key.thumbprint: _Life(key, grant) for key in genesis}),
        )

    def __contains__(self, thumbprint: object) -> bool:
        return thumbprint in self._lives

    def key(self, thumbprint: bytes) -> PublicKey | None:
        """The key with this name, good or not; ``standing`` says which."""
        life = self._lives.get(thumbprint)
        return None if life is None else life.key

    def keys(self) -> tuple[PublicKey, ...]:
        """Every key that the identity ever had, in the order they came."""
        return tuple(life.key for life in self._lives.values())

    def current(self, index: int) -> tuple[PublicKey, ...]:
        """The keys that may sign what is registered at ``index``."""
        return tuple(
            life.key for name, life in self._lives.items() if self._at(name, index) is _GOOD
        )

    def pin(self, key: PublicKey, index: int) -> KeyHistory:
        """The history with a key that a trust list's entry at ``index`` pinned."""
        lives = dict(self._lives)
        _grant(self.identity, lives, key, _Grant(index, None, None, None))
        return KeyHistory(self.identity, MappingProxyType(lives), self._voids)

    def apply(self, event: KeyEvent, *, superior: bool = False) -> KeyHistory:
        """The history after ``event``; events come in the order of their index.

        An event counts where the identity itself signed it with a key that was good at that place,
        or where ``superior`` says that its issuer stands above the identity. Otherwise it has no
        effect.

        Raises:
            Refused: ``key.too-many``.
        """
        own = event.issuer == self.identity
        if event.identity != self.identity and event.action is not Action.WITHDRAW:
            return self
        if own:
            if self._at(event.signed_by, event.index) is not _GOOD:
                return self
        elif not superior:
            return self
        signer = event.signed_by if own else None
        lives = dict(self._lives)
        mark = _Mark(event.index, event.action, event.digest, event.issuer)
        match event.action:
            case Action.ENROL:
                changed = _introduce(self.identity, lives, event, signer)
            case Action.ROTATE:
                ended = _mark(lives, event.target, mark)
                changed = _introduce(self.identity, lives, event, signer) or ended
            case Action.REVOKE | Action.SUSPEND:
                changed = _mark(lives, event.target, mark)
            case Action.COMPROMISE:
                since = event.since if event.since is not None else 0
                changed = _mark(lives, event.target, replace(mark, since=since))
            case Action.REINSTATE:
                changed = _reinstate(lives, event, superior=superior)
            case Action.WITHDRAW:
                changed = _withdraw(lives, event, superior=superior)
            case _:
                changed = False
        if not changed:
            return self
        voids = self._voids
        if event.action in (Action.COMPROMISE, Action.WITHDRAW):
            voids = tuple(
                (name, one)
                for name, life in lives.items()
                for one in life.marks
                if one.since is not None
            )
        return KeyHistory(self.identity, MappingProxyType(lives), voids)

    def may_register(
        self, thumbprint: bytes, *, index: int, now: int, issued_at: int | None = None
    ) -> Problem | None:
        """The intake question: None where the key may sign a statement registered now at ``index``.

        Returns:
            Otherwise the problem to refuse it with: ``key.unknown``, ``key.revoked``,
            ``key.suspended`` or ``key.outside-time``.
        """
        standing = self._at(thumbprint, index)
        if standing is KeyStanding.UNKNOWN:
            return _problem("key.unknown", self.identity, thumbprint)
        if standing is KeyStanding.SUSPENDED:
            return _problem("key.suspended", self.identity, thumbprint)
        if standing is not _GOOD:
            return _problem("key.revoked", self.identity, thumbprint)
        if issued_at is not None:
            if issued_at > now + CLOCK_SKEW:
                return _problem("key.future", self.identity, thumbprint, issued_at=issued_at)
            begin = self._begin(thumbprint, index)
            if begin is not None and issued_at < begin - CLOCK_SKEW:
                return _problem("key.outside-time", self.identity, thumbprint, issued_at=issued_at)
        return None

    def standing(
        self, thumbprint: bytes, index: int, registered: Interval, known: int | None = None
    ) -> KeyStanding:
        """The judgement question: what the key's signature on the row at ``index`` is worth.

        Args:
            thumbprint: the key.
            index: the row's place in the log.
            registered: between which instants it was registered.
            known: judge with the events before this index only; None: with all applied.
        """
        at_its_place = self._at(thumbprint, index)
        if at_its_place is not _GOOD:
            return at_its_place
        return self._since(thumbprint, index, registered, _FOR_EVER if known is None else known)

    def periods(self, thumbprint: bytes, known: int | None = None) -> tuple[Period, ...]:
        """The whole answer of ``standing`` for one key, for those who judge many rows at once.

        A row outside every period was signed with a key that was not good at its place.
        """
        life = self._lives.get(thumbprint)
        if life is None:
            return ()
        horizon = _FOR_EVER if known is None else known
        borders = {0}
        for other in self._lives.values():
            for grant in other.grants:
                borders |= {grant.index + 1, grant.ended + 1}
            for mark in other.marks:
                borders |= {mark.index + 1, mark.ended + 1}
        starts = sorted(border for border in borders if 0 <= border < _FOR_EVER)
        since = min(
            (m.since for m in life.marks if m.since is not None and m.stands(horizon)),
            default=_FOR_EVER,
        )
        made: list[Period] = []
        for first, after in zip(starts, [*starts[1:], _FOR_EVER], strict=True):
            if self._at(thumbprint, first) is not _GOOD:
                continue
            ceiling = self._introduction(life, first, horizon)
            if made and made[-1].last == first - 1 and made[-1].ceiling is ceiling:
                made[-1] = replace(made[-1], last=after - 1)
            else:
                made.append(Period(first, after - 1, since, ceiling))
        return tuple(made)

    def _at(self, thumbprint: bytes, index: int) -> KeyStanding:
        """The key at a place, knowing only what was registered before it."""
        life = self._lives.get(thumbprint)
        if life is None or not any(g.index < index <= g.ended for g in life.grants):
            return KeyStanding.UNKNOWN
        worst = _GOOD
        for mark in life.marks:
            if mark.stands(index):
                suspended = mark.action is Action.SUSPEND
                worst = min(worst, KeyStanding.SUSPENDED if suspended else KeyStanding.ENDED)
        if worst is _GOOD and self._introduction(life, index, index) < KeyStanding.UNCERTAIN:
            return KeyStanding.ENDED
        return worst

    def _since(
        self, thumbprint: bytes, index: int, registered: Interval, known: int
    ) -> KeyStanding:
        """A signature that was good at its place, with compromises registered before ``known``."""
        life = self._lives[thumbprint]
        worst = self._introduction(life, index, known)
        for mark in life.marks:
            if mark.since is not None and mark.stands(known):
                worst = min(worst, _across(registered, mark.since))
        return worst

    def _introduction(self, life: _Life, index: int, known: int) -> KeyStanding:
        """What the best of the ways in which the key was introduced before ``index`` is worth."""
        if not self._voids:
            return _GOOD
        standing = tuple(n for n, (_, mark) in enumerate(self._voids) if mark.stands(known))
        if not standing:
            return _GOOD
        worth = self._worth(standing)
        return max(
            (worth[grant] for grant in life.grants if grant.index < index <= grant.ended),
            default=KeyStanding.UNKNOWN,
        )

    def _worth(self, standing: tuple[int, ...]) -> dict[_Grant, KeyStanding]:
        """What every introduction is worth while these compromises (by place) stand.

        In the order of the log, so that a chain of keys of any length is judged without recursion.
        """
        worth = self._worths.get(standing)
        if worth is not None:
            return worth
        since: dict[bytes, int] = {}
        for place in standing:
            name, mark = self._voids[place]
            since[name] = min(since.get(name, _FOR_EVER), mark.since or 0)
        worth = {}
        grants = (grant for life in self._lives.values() for grant in life.grants)
        for grant in sorted(grants, key=lambda one: one.index):
            signer = None if grant.signed_by is None else self._lives.get(grant.signed_by)
            if signer is None or grant.registered is None:
                worth[grant] = _GOOD
                continue
            # the signer was good at its place, or the event would have had no effect
            by = max(
                (worth[g] for g in signer.grants if g.index < grant.index <= g.ended),
                default=KeyStanding.UNKNOWN,
            )
            worth[grant] = min(
                by, _across(grant.registered, since.get(signer.key.thumbprint, _FOR_EVER))
            )
        if len(self._worths) >= _MAX_WORTHS:
            self._worths.clear()
        self._worths[standing] = worth
        return worth

    def _begin(self, thumbprint: bytes, index: int) -> int | None:
        """The earliest instant at which a key became the identity's; None: from the beginning."""
        begins: list[int] = []
        for grant in self._lives[thumbprint].grants:
            if grant.index < index <= grant.ended:
                if grant.registered is None:
                    return None
                begins.append(grant.registered.earliest)
        return min(begins, default=None)


def _across(registered: Interval, since: int) -> KeyStanding:
    """What a signature registered then is worth when its key was compromised ``since``."""
    if registered.earliest > since:
        return KeyStanding.COMPROMISED
    return KeyStanding.UNCERTAIN if registered.latest > since else _GOOD


def _introduce(
    identity: str, lives: dict[bytes, _Life], event: KeyEvent, signer: bytes | None
) -> bool:
    if event.key is None:
        return False
    _grant(identity, lives, event.key, _Grant(event.index, event.registered, event.digest, signer))
    return True


def _grant(identity: str, lives: dict[bytes, _Life], key: PublicKey, grant: _Grant) -> None:
    life = lives.get(key.thumbprint)
    if life is None and len(lives) >= MAX_KEYS:
        raise Refused(
            "key.too-many",
            f"{identity[:80]} has {MAX_KEYS} keys already",
            hint="give groups of devices an identity of their own",
            identity=identity[:120],
            limit=MAX_KEYS,
        )
    life = life or _Life(key)
    lives[key.thumbprint] = replace(life, grants=(*life.grants, grant))


def _mark(lives: dict[bytes, _Life], target: bytes, mark: _Mark) -> bool:
    life = lives.get(target)
    if life is None:
        return False
    lives[target] = replace(life, marks=(*life.marks, mark))
    return True


def _reinstate(lives: dict[bytes, _Life], event: KeyEvent, *, superior: bool) -> bool:
    life = lives.get(event.target)
    if life is None:
        return False
    marks = tuple(
        replace(mark, ended=event.index)
        if mark.action is Action.SUSPEND
        and mark.stands(event.index)
        and (superior or mark.issuer == event.issuer)
        else mark
        for mark in life.marks
    )
    lives[event.target] = replace(life, marks=marks)
    return marks != life.marks


def _withdraw(lives: dict[bytes, _Life], event: KeyEvent, *, superior: bool) -> bool:
    changed = False
    for name, life in lives.items():
        marks = tuple(
            replace(mark, ended=event.index)
            if mark.digest == event.target
            and mark.stands(event.index)
            and (superior or mark.issuer == event.issuer)
            else mark
            for mark in life.marks
        )
        grants = tuple(
            replace(grant, ended=event.index)
            if grant.digest == event.target
            and grant.index < event.index <= grant.ended
            and (superior or grant.signed_by is not None)
            else grant
            for grant in life.grants
        )
        if marks != life.marks or grants != life.grants:
            lives[name] = _Life(life.key, grants, marks)
            changed = True
    return changed


_GOOD: Final = KeyStanding.GOOD

_WORDS: Final = {
    "key.unknown": (
        "this key is not known as one of the issuer's",
        "the issuer's name does not carry it and no registered statement enrolled it",
        "sign with a key of the issuer, or enrol this one first (`kizuna key enrol`)",
    ),
    "key.revoked": (
        "this key of the issuer has ended",
        "it was rotated out, revoked or declared compromised, whatever time a statement claims",
        "sign again with a current key of the issuer",
    ),
    "key.suspended": (
        "this key of the issuer is suspended",
        "a registered status statement suspended it",
        "sign with another key, or reinstate this one",
    ),
    "key.outside-time": (
        "the statement claims a time before the issuer had this key",
        "a claimed time must lie inside the key's window",
        "sign again with the true time",
    ),
    "key.future": (
        "the statement claims a time in the future",
        f"a claimed time may be at most {CLOCK_SKEW} seconds ahead of registration",
        "set the signer's clock and sign again",
    ),
}


def _problem(code: str, identity: str, thumbprint: bytes, **about: str | int) -> Problem:
    what, why, hint = _WORDS[code]
    return Refused(
        code, what, why=why, hint=hint, identity=identity[:120], key=thumbprint.hex(), **about
    )


def _event(why: str) -> Malformed:
    return Malformed(
        "key.event",
        f"not an event of a key's life: {why}",
        why=why,
        hint="make it with `kizuna key enrol`, `rotate`, `revoke` or `compromise`",
        fault=why,
    )
