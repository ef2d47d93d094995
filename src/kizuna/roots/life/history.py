# SPDX-License-Identifier: Apache-2.0
"""A device's life as the log tells it: whose it was, and whose key was this on that day.

Keeps: 1. A pure fold in log order: the same rows give the same life. 2. The first registration
binds: the same device with another key, from somebody without a voucher, changes nothing and is
flagged ``swap``. 3. Giving away ends the giver's say at the voucher's registration: no second sale,
no new key; only taking the offer back, or reporting a theft. The taker's begins when they accept.
4. A key that ended answers for no moment after; a theft "since T" also for none after T. What was
known earlier is asked by folding fewer rows. 5. Where a moment falls inside a registration's
interval the answer says that it is not certain.
Does not: check signatures (the intake did), or decide who may begin a life (lists do: ``begins``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from kizuna.model.errors import Problem
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Scalar, Status, seconds
from kizuna.model.statement import Interval, Registered
from kizuna.roots.keys import PublicKey
from kizuna.roots.life.words import HANDOVER, IDEVID, LDEVID, RETIREMENT, VOUCHER, Ending

__all__ = ["Answer", "Binding", "DeviceLife", "End", "Flag", "Offer", "Ownership"]

_FOR_EVER: Final = 2**53
_MAX_BINDINGS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """When and why something ended; ``since`` is earlier where it was found out later."""

    why: Ending
    index: int
    registered: Interval
    digest: str
    since: int | None = None

    @property
    def interval(self) -> Interval:
        """From when it no longer counts."""
        if self.since is not None and self.since < self.registered.latest:
            return Interval(min(self.since, self.registered.earliest), self.since)
        return self.registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One key of the device, from its registration to its end."""

    type: str
    """``idevid`` or ``ldevid``."""
    key: str
    """Name (hex) of the key; empty for a device without keys."""
    kind: str
    """``public``, ``shared`` or ``none``."""
    public: PublicKey | None
    holder: SubjectId
    """Whose key it is: the maker, or the owner."""
    issuer: SubjectId
    digest: str
    index: int
    registered: Interval
    claims: dict[str, Scalar | list[Scalar]]
    valid_until: int | None = None
    end: End | None = None
    suspended: tuple[tuple[int, int | None], ...] = ()
    """Stretches (seconds) in which it was suspended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """One owner, from the acceptance to the next one's."""

    owner: SubjectId
    registrar: SubjectId
    digest: str
    index: int
    registered: Interval
    voucher: str | None = None
    elsewhere: str | None = None
    """The log in which its acceptance stands, where that is another."""
    end: End | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A voucher that nobody has accepted yet."""

    to: SubjectId
    by: SubjectId
    digest: str
    expires: int | None
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A statement that had no effect, and why: ``swap``, ``no-voucher``, ``double-sale``,
    ``broken-chain``, ``stranger``, ``after-retirement``, ``expired-voucher``, ``unreadable``; or
    that had one worth knowing: ``kept-key``.
    """

    code: str
    index: int
    digest: str
    issuer: SubjectId
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was so at one moment."""

    at: int
    owner: SubjectId | None
    maker: SubjectId | None
    keys: tuple[Binding, ...]
    certain: bool
    retired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLife:
    """A device's life up to some place in the log."""

    subject: SubjectId
    bindings: tuple[Binding, ...] = ()
    owners: tuple[Ownership, ...] = ()
    offer: Offer | None = None
    vouchers: tuple[str, ...] = ()
    """Digests of the vouchers that had effect, oldest first."""
    flags: tuple[Flag, ...] = ()
    retired: End | None = None
    maker: SubjectId | None = None

    @staticmethod
    def of(
        subject: str,
        rows: Iterable[Registered],
        begins: Callable[[Registered], bool] = lambda _: True,
    ) -> DeviceLife:
        """Fold what was registered about a device.

        Args:
            subject: the device.
            rows: in log order; what is not about its life has no effect.
            begins: whether the issuer of a row may begin a life: the maker or owner of a device
                nobody has spoken of. Whoever may not is flagged, and holds no name for anybody.
        """
        fold = _Fold(SubjectId(subject), begins)
        for row in rows:
            if row.statement.subject == subject:
                fold.take(row)
        return fold.life()

    @property
    def owner(self) -> SubjectId | None:
        """Whose it is now, as far as these rows tell."""
        last = self.owners[-1] if self.owners else None
        return last.owner if last and last.end is None else None

    def current(self, now: int) -> Binding | None:
        """The operational key now, None where there is none in force."""
        found = [b for b in self.at(now).keys if b.type == LDEVID]
        return found[-1] if found else None

    def at(self, at: int) -> Answer:
        """Whose the device was at a moment, and under which keys."""
        certain = True
        keys: list[Binding] = []
        for binding in self.bindings:
            began, sure = _since(binding.registered, at)
            ended, sure_end = (
                (False, True) if binding.end is None else _since(binding.end.interval, at)
            )
            if binding.valid_until is not None and at >= binding.valid_until:
                ended = True
            if any(a <= at and (b is None or at < b) for a, b in binding.suspended):
                ended = True
            certain = certain and (sure or (ended and sure_end)) and (sure_end or not began)
            if began and not ended:
                keys.append(binding)
        owner: SubjectId | None = None
        for one in self.owners:
            began, sure = _since(one.registered, at)
            ended, sure_end = (False, True) if one.end is None else _since(one.end.registered, at)
            certain = certain and sure and sure_end
            if began and not ended:
                owner = one.owner
        gone = self.retired is not None and _since(self.retired.registered, at)[0]
        first = next((b for b in self.bindings if b.type == IDEVID), None)
        known = first is not None and _since(first.registered, at)[0]
        return Answer(
            at=at,
            owner=owner,
            maker=self.maker if known else None,
            keys=tuple(keys),
            certain=certain,
            retired=gone,
        )

    def whose(self, key: str, at: int) -> Binding | None:
        """Whose key this was at a moment: the binding that held, None where none did."""
        return next((b for b in self.at(at).keys if b.key == key), None)


def _since(interval: Interval, at: int) -> tuple[bool, bool]:
    """Whether something that happened in ``interval`` had happened at ``at``, and surely so."""
    if at >= interval.latest:
        return True, True
    return at >= interval.earliest, at < interval.earliest


@dataclass(slots=True)
class _Fold:
    """The fold's working state; gone when ``life`` has been asked."""

    subject: SubjectId
    begins: Callable[[Registered], bool]
    bindings: list[Binding] = field(default_factory=list)
    owners: list[Ownership] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    vouchers: list[str] = field(default_factory=list)
    offer: Offer | None = None
    maker: SubjectId | None = None
    retired: End | None = None
    lapsed: set[str] = field(default_factory=set)
    """Vouchers that were taken back or ran out."""
    undo: dict[str, tuple[SubjectId, int, Binding]] = field(default_factory=dict)
    """By digest of a status: who said it, which binding it changed, and how that was before."""

    def life(self) -> DeviceLife:
        return DeviceLife(
            subject=self.subject,
            bindings=tuple(self.bindings),
            owners=tuple(self.owners),
            offer=self.offer,
            vouchers=tuple(self.vouchers),
            flags=tuple(self.flags),
            retired=self.retired,
            maker=self.maker,
        )

    def take(self, row: Registered) -> None:
        payload = row.statement.payload
        if isinstance(payload, Status):
            self._status(row, payload)
            return
        if not isinstance(payload, Claim) or payload.imported:
            return
        kind, type_ = row.statement.kind, payload.type
        if self.retired is not None and type_ in (IDEVID, VOUCHER, LDEVID, HANDOVER):
            self._flag("after-retirement", row)
            return
        offer = self.offer
        if offer and offer.expires is not None and row.registered.earliest >= offer.expires:
            self._end_offer()
        try:
            if kind is Kind.CERTIFICATE and type_ == IDEVID:
                self._made(row, payload)
            elif kind is Kind.CERTIFICATE and type_ == VOUCHER:
                self._given(row, payload)
            elif kind is Kind.CERTIFICATE and type_ == LDEVID:
                self._owned(row, payload)
            elif kind is Kind.EVIDENCE and type_ == HANDOVER:
                self._handed_over(row, payload)
            elif kind is Kind.EVIDENCE and type_ == RETIREMENT:
                self._over(row)
        except Problem as fault:
            self._flag("unreadable", row, fault.code)

    # -- claims --------------------------------------------------------------------------------

    def _made(self, row: Registered, claim: Claim) -> None:
        binding = _binding(row, claim, row.statement.issuer)
        first = self._of(IDEVID)
        if not first:
            if self.owners or not self.begins(row):
                self._flag("stranger", row)
                return
            self.maker = row.statement.issuer
            self.bindings.append(binding)
            return
        last = self.bindings[first[-1]]
        if row.statement.issuer != self.maker:
            self._flag("swap" if binding.key != last.key else "stranger", row, binding.key)
        elif binding.key == last.key:
            if last.end is None:
                self.bindings[first[-1]] = replace(last, claims=binding.claims)
        elif claim.claims.get("replaces") == last.key and len(self.bindings) < _MAX_BINDINGS:
            self._close(first[-1], Ending.ROTATED, row)
            self.bindings.append(binding)
        else:
            self._flag("swap", row, binding.key)

    def _given(self, row: Registered, claim: Claim) -> None:
        to = claim.claims.get("owner")
        if not isinstance(to, str):
            self._flag("unreadable", row, "owner")
        elif row.statement.issuer not in self._power():
            self._flag("double-sale" if self._had(row.statement.issuer) else "stranger", row, to)
        elif self.offer is not None:
            self._flag("double-sale", row, to)
        elif claim.claims.get("prior") != (self.vouchers[-1] if self.vouchers else None):
            self._flag("broken-chain", row, to)
        else:
            digest = row.statement.digest.hex()
            self.vouchers.append(digest)
            self.offer = Offer(
                to=SubjectId(to),
                by=row.statement.issuer,
                digest=digest,
                expires=None if claim.valid_until is None else seconds(claim.valid_until),
                index=row.index,
            )

    def _owned(self, row: Registered, claim: Claim) -> None:
        issuer = row.statement.issuer
        named = claim.claims.get("owner")
        binding = _binding(row, claim, SubjectId(named) if isinstance(named, str) else issuer)
        offer = self.offer
        if offer is not None and offer.to == issuer:
            # nobody accepts in another's name: they would bring in a key and a say of their own
            self._accepted(row, claim, binding, offer)
        elif issuer in self._power() and self.owners:
            if offer is None or binding.key in self._keys():
                self._renewed(row, claim, binding)
            else:
                self._flag("double-sale", row, binding.key)
        elif not self.owners and self.maker in (None, issuer) and offer is None:
            if self.maker is None and not self.begins(row):
                self._flag("stranger", row)
                return
            released = claim.claims.get("voucher") if claim.claims.get("released-in") else None
            if isinstance(released, str):
                self.vouchers.append(released)  # stands in another log; what follows, follows it
            self._begin(row, binding, released if isinstance(released, str) else None)
        elif claim.claims.get("voucher") in {*self.vouchers, *self.lapsed}:
            self._flag("expired-voucher", row, str(claim.claims.get("voucher")))
        else:
            known = binding.key in {b.key for b in self.bindings}
            missing = "no-voucher" if not self.owners or known else "swap"
            self._flag(missing, row, binding.key)

    def _accepted(self, row: Registered, claim: Claim, binding: Binding, offer: Offer) -> None:
        if claim.claims.get("voucher") != offer.digest:
            self._flag("no-voucher", row, binding.key)
            return
        if binding.key and binding.key in {b.key for b in self.bindings if b.type == LDEVID}:
            self._flag("kept-key", row, binding.key)
        for at in self._of(LDEVID):
            self._close(at, Ending.TRANSFERRED, row)
        if self.owners:
            self.owners[-1] = replace(self.owners[-1], end=_end(Ending.TRANSFERRED, row))
        self.offer = None
        self._begin(row, binding, offer.digest)

    def _handed_over(self, row: Registered, claim: Claim) -> None:
        """The giver closes its offer: the taker's acceptance stands in another log."""
        offer = self.offer
        if offer is None or row.statement.issuer != offer.by:
            self._flag("stranger" if offer is None else "double-sale", row)
            return
        if claim.claims.get("voucher") != offer.digest or claim.claims.get("owner") != offer.to:
            self._flag("no-voucher", row)
            return
        for at in self._of(LDEVID):
            self._close(at, Ending.TRANSFERRED, row)
        if self.owners:
            self.owners[-1] = replace(self.owners[-1], end=_end(Ending.TRANSFERRED, row))
        self.offer = None
        log = claim.claims.get("acceptance-log")
        self.owners.append(
            Ownership(
                owner=offer.to,
                registrar=offer.to,
                digest=row.statement.digest.hex(),
                index=row.index,
                registered=row.registered,
                voucher=offer.digest,
                elsewhere=log if isinstance(log, str) else "",
            )
        )

    def _begin(self, row: Registered, binding: Binding, voucher: str | None) -> None:
        self.owners.append(
            Ownership(
                owner=binding.holder,
                registrar=row.statement.issuer,
                digest=row.statement.digest.hex(),
                index=row.index,
                registered=row.registered,
                voucher=voucher,
            )
        )
        self.bindings.append(binding)

    def _renewed(self, row: Registered, claim: Claim, binding: Binding) -> None:
        mine = [at for at in self._of(LDEVID) if self._is_owners(self.bindings[at])]
        last = self.bindings[mine[-1]] if mine else None
        if last is not None and binding.key == last.key and last.end is None:
            self.bindings[mine[-1]] = replace(
                last,
                claims=binding.claims,
                digest=binding.digest,
                valid_until=binding.valid_until,
            )
        elif (
            last is not None
            and binding.key != last.key
            and claim.claims.get("replaces", "") == last.key
            and binding.key not in {b.key for b in self.bindings if b.end is not None}
            and len(self.bindings) < _MAX_BINDINGS
        ):
            self._close(mine[-1], Ending.ROTATED, row)
            self.bindings.append(binding)
        else:
            self._flag("swap", row, binding.key)

    def _over(self, row: Registered) -> None:
        if row.statement.issuer not in self._power():
            self._flag("stranger", row)
            return
        self.retired = _end(Ending.RETIRED, row)
        for at in range(len(self.bindings)):
            self._close(at, Ending.RETIRED, row)
        if self.owners and self.owners[-1].end is None:
            self.owners[-1] = replace(self.owners[-1], end=self.retired)
        self.offer = None

    # -- statuses ------------------------------------------------------------------------------

    def _status(self, row: Registered, status: Status) -> None:
        target, issuer = status.target.statement, row.statement.issuer
        if target is None:
            return
        if status.action is Action.WITHDRAW and target in self.undo:
            said_by, at, before = self.undo[target]
            # a key in whose place another one came meanwhile, also a new owner's, stays ended
            if said_by == issuer and at == self._of(before.type)[-1] and self.retired is None:
                self.bindings[at] = before
            return
        offer = self.offer
        if offer is not None and target == offer.digest and issuer == offer.by:
            if status.action in (Action.REVOKE, Action.WITHDRAW):
                self._end_offer()
            return
        for at, binding in enumerate(self.bindings):
            if binding.digest == target and self._may_end(binding, issuer):
                self.undo[row.statement.digest.hex()] = (issuer, at, binding)
                self._change(at, binding, row, status)

    def _change(self, at: int, binding: Binding, row: Registered, status: Status) -> None:
        if status.action is Action.REVOKE:
            why = status.ext.get("ending", Ending.REVOKED.value)
            since = None if status.since is None else seconds(status.since)
            known = why in [e.value for e in Ending]
            self._close(at, Ending(why) if known else Ending.REVOKED, row, since)
        elif status.action is Action.SUSPEND:
            stretch = (row.registered.earliest, None)
            self.bindings[at] = replace(binding, suspended=(*binding.suspended, stretch))
        elif status.action is Action.REINSTATE and binding.suspended:
            began, until = binding.suspended[-1]
            if until is None:
                closed = (*binding.suspended[:-1], (began, row.registered.latest))
                self.bindings[at] = replace(binding, suspended=closed)

    # -- who may -------------------------------------------------------------------------------

    def _power(self) -> set[SubjectId]:
        """Who has the say now: owner and registrar, or the maker before the first owner."""
        if self.owners:
            last = self.owners[-1]
            return {last.owner, last.registrar} if last.end is None else set()
        return {self.maker} if self.maker is not None else set()

    def _had(self, issuer: SubjectId) -> bool:
        return issuer == self.maker or any(issuer in (o.owner, o.registrar) for o in self.owners)

    def _may_end(self, binding: Binding, issuer: SubjectId) -> bool:
        if issuer == binding.issuer and binding.end is None:
            return True
        return binding.type == LDEVID and issuer in self._power()

    def _is_owners(self, binding: Binding) -> bool:
        return bool(self.owners) and binding.index >= self.owners[-1].index

    # -- small ---------------------------------------------------------------------------------

    def _of(self, type_: str) -> list[int]:
        return [at for at, binding in enumerate(self.bindings) if binding.type == type_]

    def _keys(self) -> set[str]:
        return {b.key for b in self.bindings if b.end is None}

    def _close(self, at: int, why: Ending, row: Registered, since: int | None = None) -> None:
        binding = self.bindings[at]
        if binding.end is None:
            self.bindings[at] = replace(binding, end=_end(why, row, since))

    def _end_offer(self) -> None:
        """The offer is over without effect: the next voucher follows the one before it."""
        if self.offer is not None and self.vouchers and self.vouchers[-1] == self.offer.digest:
            self.lapsed.add(self.vouchers.pop())
        self.offer = None

    def _flag(self, code: str, row: Registered, detail: str = "") -> None:
        self.flags.append(
            Flag(
                code=code,
                index=row.index,
                digest=row.statement.digest.hex(),
                issuer=row.statement.issuer,
                detail=detail,
            )
        )
        del self.flags[:-_MAX_BINDINGS]


def _end(why: Ending, row: Registered, since: int | None = None) -> End:
    return End(
        why=why,
        index=row.index,
        registered=row.registered,
        digest=row.statement.digest.hex(),
        since=since,
    )


def _binding(row: Registered, claim: Claim, holder: SubjectId) -> Binding:
    """Read the key off a claim.

    Raises:
        Malformed: ``key.*``.
    """
    kind, name = claim.claims.get("key-kind", "public"), claim.claims.get("key", "")
    public: PublicKey | None = None
    jwk = claim.ext.get("jwk")
    if isinstance(jwk, dict):
        public = PublicKey.from_jwk(jwk)
        name, kind = public.thumbprint.hex(), "public"  # the key decides, not what it is called
    return Binding(
        type=claim.type,
        key=name if isinstance(name, str) else "",
        kind=kind if isinstance(kind, str) else "none",
        public=public,
        holder=holder,
        issuer=row.statement.issuer,
        digest=row.statement.digest.hex(),
        index=row.index,
        registered=row.registered,
        claims=dict(claim.claims),
        valid_until=None if claim.valid_until is None else seconds(claim.valid_until),
    )
