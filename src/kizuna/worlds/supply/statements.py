# SPDX-License-Identifier: Apache-2.0
"""What is said in a simulated supply chain: drafts in the order of their time, signed in batches.

Keeps: 1. A batch is registered at its ``now``: everything in it was said before, and batches come
in order. What has to be old when it is judged was registered when it was said, so register every
batch with its own time. 2. Memory holds the shape and a few batches, never all statements. 3. The
same world gives the same bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import numpy as np

from kizuna.model.identifier import Element, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import (
    Action,
    Claim,
    Described,
    Level,
    Link,
    Links,
    Notice,
    Payload,
    Severity,
    Status,
    Target,
    Waiver,
    encode_payload,
)
from kizuna.model.relation import Relation
from kizuna.record.lists import Role, grant, service_for
from kizuna.roots.cose import sign_statement
from kizuna.worlds.party import Party
from kizuna.worlds.supply.cast import Cast
from kizuna.worlds.supply.faults import Fault, Faults
from kizuna.worlds.supply.shape import Category, Ints, Shape

__all__ = ["Batch", "Draft", "Speech"]

_DAY: Final = 86_400
_CATALOGUE: Final = 40
"""Leaves described in one statement of their maker."""

_CATEGORY: Final = {
    Category.PLAIN: None,
    Category.CONSUMABLE: "consumable",
    Category.PACKAGING: "packaging",
    Category.ALTERNATIVE: None,
}
_PLACES: Final = ("JP", "DE", "TW", "VN", "US", "TH", "CZ", "MX")


@dataclass(frozen=True, slots=True)
class Draft:
    """One statement, not yet signed. ``keep`` asks to remember its digest under that name."""

    party: Party
    kind: Kind
    subject: SubjectId
    payload: bytes
    at: int
    keep: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Signed statements, to be registered together at ``now``."""

    now: int
    statements: list[bytes]


class Speech:
    """Says everything, phase by phase. Owns the digests that later statements refer to."""

    def __init__(self, cast: Cast, shape: Shape, faults: Faults, seed: int) -> None:
        self._cast = cast
        self._shape = shape
        self._faults = faults
        self._seed = seed
        self._digests: dict[str, str] = {}
        order = np.argsort(shape.whole, kind="stable")
        self._parts = shape.part[order]
        self._categories = shape.category[order]
        self._begin = np.searchsorted(shape.whole[order], np.arange(shape.scale.components + 1))
        rng = np.random.default_rng([seed, 2])
        self._origin = rng.integers(0, len(_PLACES), shape.scale.components)
        self._level = rng.integers(0, 3, shape.scale.organisations)

    def batches(self, size: int, threads: int) -> Iterator[Batch]:
        """Everything, signed by ``threads`` threads, in batches of at most ``size`` statements."""
        phases = (
            self._memberships,
            self._old_declarations,
            self._organisations,
            self._old_reviews,
            self._goods,
            self._products,
            self._happenings,
            self._withdrawals,
        )
        for phase in phases:
            yield from self._signed(phase(), size, threads)

    def _signed(self, drafts: Iterator[Draft], size: int, threads: int) -> Iterator[Batch]:
        """Sign a phase: drafts are made ahead of the signing threads, a few batches at most."""
        waiting: deque[tuple[list[Draft], list[Future[list[bytes]]]]] = deque()
        share = -(-size // threads)
        with ThreadPoolExecutor(threads) as pool:
            for drafted in _chunks(drafts, size):
                parts = [drafted[i : i + share] for i in range(0, len(drafted), share)]
                waiting.append((drafted, [pool.submit(_sign_all, part) for part in parts]))
                if len(waiting) > 3:
                    yield self._finish(*waiting.popleft())
            while waiting:
                yield self._finish(*waiting.popleft())

    def _finish(self, drafted: list[Draft], signing: list[Future[list[bytes]]]) -> Batch:
        statements = [signed for part in signing for signed in part.result()]
        for draft, statement in zip(drafted, statements, strict=True):
            if draft.keep:
                self._digests[draft.keep] = sha256(statement).hexdigest()
        return Batch(now=drafted[-1].at, statements=statements)

    # phases, oldest first ----------------------------------------------------------------------

    def _memberships(self) -> Iterator[Draft]:
        """Who may say what: 900 days before the judgement."""
        cast = self._cast
        at = self._days(-900)
        authorities = [
            *((party, Role.CERTIFICATION_BODY) for party in cast.bodies),
            *((party, Role.ASSESSOR) for party in cast.assessors),
            (cast.coordinator, Role.COORDINATOR),
        ]
        for party, role in authorities:
            entry = grant(cast.list_id, [service_for(role)], name=party.title["en"])
            yield self._draft(cast.operator, Kind.MEMBERSHIP, party.id, entry, at)
        for number, party in enumerate(cast.organisations):
            service = service_for(Role.MAKER, scope=cast.scope(number))
            entry = grant(cast.list_id, [service], name=party.title["en"])
            yield self._draft(cast.operator, Kind.MEMBERSHIP, party.id, entry, at + number // 100)

    def _old_declarations(self) -> Iterator[Draft]:
        """Declarations that are too old when judged."""
        stale = self._faults.organisations_with(Fault.STALE)
        for number, at in self._drawn(stale, 3, -600, -420):
            yield self._declaration(number, at)

    def _organisations(self) -> Iterator[Draft]:
        """Certificate, declaration and contact of every organisation."""
        everyone = np.arange(len(self._cast.organisations))
        for what, at in self._drawn(np.arange(3 * len(everyone)), 4, -380, -210):
            number, which = divmod(what, 3)
            fault = self._faults.of_organisation(number)
            if which == 0:
                yield self._certificate(number, fault, at)
            elif which == 1 and fault is not Fault.STALE:
                yield self._declaration(number, at)
            elif which == 2 and fault is not Fault.MISSING:
                yield self._claim(
                    self._cast.organisations[number],
                    Kind.CAPABILITY,
                    self._cast.organisations[number].id,
                    Claim(
                        type="security-contact",
                        claims={"contact": f"security@{self._cast.slug(number)}.example"},
                    ),
                    at,
                )

    def _old_reviews(self) -> Iterator[Draft]:
        """Reviews of products that are too old when judged."""
        unreviewed = self._faults.components_with(Fault.UNREVIEWED)
        for number, at in self._drawn(unreviewed, 5, -200, -120):
            yield self._review(number, at, exploitable=0)

    def _goods(self) -> Iterator[Draft]:
        """Bills of assemblies and catalogues of leaves, mixed in time. A leaf of which nobody says
        who made it is described by itself.
        """
        catalogues = self._catalogues()
        alone = np.concatenate(
            (
                np.flatnonzero(self._shape.has_parts),
                self._faults.components_with(Fault.UNMADE),
            )
        )
        last = len(alone)
        for what, at in self._drawn(np.arange(last + len(catalogues)), 6, -99, -10):
            if what < last:
                yield self._bill(int(alone[what]), at)
            else:
                maker, leaves, part = catalogues[what - last]
                yield self._catalogue(maker, leaves, part, at)

    def _products(self) -> Iterator[Draft]:
        """What is asked of products only."""
        cast, shape = self._cast, self._shape
        for what, at in self._drawn(np.arange(6 * shape.products), 7, -9, -3):
            number, which = divmod(what, 6)
            fault = self._faults.of_component(number)
            subject = cast.component(number)
            maker = cast.organisations[int(shape.maker[number])]
            match which:
                case 0:
                    yield self._claim(
                        cast.bodies[number % len(cast.bodies)],
                        Kind.CERTIFICATE,
                        subject,
                        Claim(
                            type="iec-62443-4-2",
                            level=Level.THIRD,
                            valid_until=_instant(self._days(100 + number % 600)),
                            claims={"security_level": 1 + number % 3},
                        ),
                        at,
                    )
                case 1:
                    if fault is not Fault.UNREVIEWED:
                        yield self._review(number, at, _exploitable(fault))
                case 2:
                    end = self._days(-2 if fault is Fault.UNSUPPORTED else 400 + number % 1_000)
                    yield self._claim(
                        maker,
                        Kind.CAPABILITY,
                        subject,
                        Claim(
                            type="support-period",
                            valid_until=_instant(end),
                            claims={"until": _instant(end).date().isoformat()},
                        ),
                        at,
                    )
                case 3:
                    yield self._test(number, at, cast.assessors[0], 75 + number % 25)
                    if fault is Fault.CONTRADICTED:
                        yield self._test(number, at, cast.assessors[1], 40)
                case 4:
                    yield self._claim(
                        maker,
                        Kind.CAPABILITY,
                        subject,
                        Claim(type="vulnerability-contact", claims={"contact": "psirt"}),
                        at,
                    )
                case _:
                    claim = Claim(type="secure-update", claims={"signature": "ES256"})
                    yield self._claim(maker, Kind.CAPABILITY, subject, claim, at)

    def _happenings(self) -> Iterator[Draft]:
        """Revocations, notices and waivers, shortly before the judgement."""
        cast, faults = self._cast, self._faults
        at = self._days(-2)
        ended = ((Fault.REVOKED, Action.REVOKE), (Fault.SUSPENDED, Action.SUSPEND))
        for fault, action in ended:
            for number in faults.organisations_with(fault).tolist():
                target = Target(statement=self._digests[f"certificate {number}"])
                yield self._draft(
                    self._body_of(number),
                    Kind.STATUS,
                    cast.organisations[number].id,
                    Status(action=action, target=target, reason="audit"),
                    at,
                )
        told = (
            (Fault.ADVERSE, cast.coordinator, "vulnerability", Severity.HIGH),
            (Fault.TAMPERED, cast.coordinator, "tampering", Severity.CRITICAL),
            (Fault.UNCONFIRMED, cast.stranger, "tampering", Severity.CRITICAL),
            (Fault.WITHDRAWN, cast.coordinator, "incident", Severity.HIGH),
        )
        for fault, party, word, severity in told:
            for number in faults.components_with(fault).tolist():
                yield self._draft(
                    party,
                    Kind.NOTICE,
                    cast.component(number),
                    Notice(type=word, severity=severity, id=f"SIM-{number}"),
                    at,
                    keep=f"notice {number}" if fault is Fault.WITHDRAWN else "",
                )
        for number in faults.organisations_with(Fault.WAIVED).tolist():
            waiver = Waiver(
                requirement="organisation-certified",
                profile="supply-chain",
                until=_instant(self._days(60)),
                reason="the renewal audit is booked",
            )
            yield self._draft(cast.verifier, Kind.WAIVER, cast.organisations[number].id, waiver, at)

    def _withdrawals(self) -> Iterator[Draft]:
        """Notices taken back by who gave them."""
        for number in self._faults.components_with(Fault.WITHDRAWN).tolist():
            target = Target(statement=self._digests[f"notice {number}"])
            yield self._draft(
                self._cast.coordinator,
                Kind.STATUS,
                self._cast.component(number),
                Status(action=Action.WITHDRAW, target=target, reason="another product"),
                self._days(-1),
            )

    # single statements -------------------------------------------------------------------------

    def _certificate(self, number: int, fault: Fault | None, at: int) -> Draft:
        """ISO/IEC 27001 from a certification body, each with its own level and dates."""
        begin, end = at - _DAY, self._days(30 + (number * 7_919) % 900)
        if fault in (Fault.EXPIRED, Fault.WAIVED):
            end = self._days(-1 - number % 90)
        elif fault is Fault.EARLY:
            begin = self._days(5 + number % 40)
        level = Level.THIRD if self._level[number] else Level.SECOND
        return self._claim(
            self._cast.stranger if fault is Fault.UNAUTHORISED else self._body_of(number),
            Kind.CERTIFICATE,
            self._cast.organisations[number].id,
            Claim(
                type="iso-27001",
                level=Level.SELF if fault is Fault.LEVEL else level,
                valid_from=_instant(begin),
                valid_until=_instant(end),
                claims={"certificate": f"C-{number}"},
            ),
            at,
            keep=f"certificate {number}" if fault in (Fault.REVOKED, Fault.SUSPENDED) else "",
        )

    def _declaration(self, number: int, at: int) -> Draft:
        party = self._cast.organisations[number]
        claim = Claim(type="supply-chain-management", claims={"suppliers_checked": True})
        return self._claim(party, Kind.CAPABILITY, party.id, claim, at)

    def _review(self, number: int, at: int, exploitable: int | None) -> Draft:
        found = {} if exploitable is None else {"exploitable": exploitable}
        return self._claim(
            self._cast.organisations[int(self._shape.maker[number])],
            Kind.EVIDENCE,
            self._cast.component(number),
            Claim(type="vulnerability-review", claims={"advisories": 40 + number % 200, **found}),
            at,
        )

    def _test(self, number: int, at: int, assessor: Party, score: int) -> Draft:
        return self._claim(
            assessor,
            Kind.EVIDENCE,
            self._cast.component(number),
            Claim(type="security-test", level=Level.SECOND, claims={"score": score}),
            at,
        )

    def _bill(self, number: int, at: int) -> Draft:
        """All parts of one thing, who made it, and what it is."""
        cast, fault = self._cast, self._faults.of_component(number)
        begin, end = int(self._begin[number]), int(self._begin[number + 1])
        links = [
            Link(
                relation=Relation.PART_OF,
                subject=cast.used_as(part),
                category=_CATEGORY[Category(category)],
                alternative="a" if category == Category.ALTERNATIVE else None,
            )
            for part, category in zip(
                self._parts[begin:end].tolist(), self._categories[begin:end].tolist(), strict=True
            )
        ]
        maker = cast.organisations[int(self._shape.maker[number])]
        if fault is not Fault.UNMADE:
            links.append(Link(relation=Relation.MADE_BY, object=maker.id))
        if fault is Fault.SILENT_PART:
            links.append(Link(relation=Relation.PART_OF, subject=cast.unheard_part(number)))
        elif fault is Fault.SILENT_MAKER:
            links.append(Link(relation=Relation.MADE_BY, object=cast.unheard_maker(number)))
        element = Element.SYSTEM if begin < end else None
        bill = Links(
            links=links,
            described=[self._described(number, element, None, fault)],
            complete=[] if fault is Fault.INCOMPLETE else [Relation.PART_OF],
        )
        return self._draft(maker, Kind.LINK, cast.component(number), bill, at)

    def _catalogues(self) -> list[tuple[int, Ints, int]]:
        """Leaves by maker, a few dozen to a statement; every organisation has at least one."""
        leaves = np.flatnonzero(~self._shape.has_parts)
        order = leaves[np.argsort(self._shape.maker[leaves], kind="stable")]
        begin = np.searchsorted(
            self._shape.maker[order], np.arange(len(self._cast.organisations) + 1)
        )
        return [
            (maker, order[start : min(start + _CATALOGUE, end)], part)
            for maker in range(len(self._cast.organisations))
            for end in (int(begin[maker + 1]),)
            for part, start in enumerate(
                range(int(begin[maker]), max(end, int(begin[maker]) + 1), _CATALOGUE)
            )
        ]

    def _catalogue(self, maker: int, leaves: Ints, part: int, at: int) -> Draft:
        cast = self._cast
        party = cast.organisations[maker]
        links: list[Link] = []
        described = [Described(element=Element.ORGANIZATION, name=party.title["en"])]
        for number in leaves.tolist():
            fault = self._faults.of_component(number)
            if fault is Fault.UNMADE:
                continue
            subject = cast.component(number)
            described.append(self._described(number, None, subject, fault))
            links.append(Link(relation=Relation.MADE_BY, subject=subject, object=party.id))
            if self._shape.aliased[number]:
                links.append(
                    Link(relation=Relation.SAME_AS, subject=cast.alias(number), object=subject)
                )
        goods = Links(links=links, described=described, part=f"catalogue-{part}")
        return self._draft(party, Kind.LINK, party.id, goods, at)

    def _described(
        self, number: int, element: Element | None, subject: SubjectId | None, fault: Fault | None
    ) -> Described:
        return Described(
            subject=subject,
            element=element,
            name=self._cast.noun(number),
            version=None if fault is Fault.UNVERSIONED else self._cast.version(number),
            claims={"origin": _PLACES[int(self._origin[number])], "rohs": True},
        )

    def _body_of(self, number: int) -> Party:
        return self._cast.bodies[number % len(self._cast.bodies)]

    def _claim(
        self, party: Party, kind: Kind, subject: SubjectId, claim: Claim, at: int, keep: str = ""
    ) -> Draft:
        return self._draft(party, kind, subject, claim, at, keep)

    def _draft(
        self,
        party: Party,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        at: int,
        keep: str = "",
    ) -> Draft:
        return Draft(party, kind, subject, encode_payload(payload), at, keep)

    # time --------------------------------------------------------------------------------------

    def _days(self, days: int) -> int:
        return self._cast.at + days * _DAY

    def _drawn(self, what: Ints, stream: int, first: int, last: int) -> Iterator[tuple[int, int]]:
        """These things in random order, each at its own moment between two days, oldest first."""
        rng = np.random.default_rng([self._seed, stream])
        times = np.sort(rng.integers(self._days(first), self._days(last), len(what)))
        order = rng.permutation(len(what))
        return zip(what[order].tolist(), times.tolist(), strict=True)


def _exploitable(fault: Fault | None) -> int | None:
    if fault is Fault.UNDECIDED:
        return None
    return 3 if fault is Fault.FAILED else 0


def _sign_all(drafts: list[Draft]) -> list[bytes]:
    return [_sign(draft) for draft in drafts]


def _sign(draft: Draft) -> bytes:
    return sign_statement(
        draft.party.unit,
        draft.party.handle,
        issuer=draft.party.id,
        subject=draft.subject,
        media_type=media_type_of(draft.kind),
        payload=draft.payload,
        issued_at=draft.at,
    )


def _chunks(drafts: Iterator[Draft], size: int) -> Iterator[list[Draft]]:
    chunk: list[Draft] = []
    for draft in drafts:
        chunk.append(draft)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
