# SPDX-License-Identifier: Apache-2.0
"""Resolving: find the chains from an entity up to the anchors, fetch what they need, check them.

Keeps: 1. What is fetched is bounded in number and depth, whatever the entities name; a loop costs
nothing and ends nothing. 2. Each fetch is handed to the caller, who says where the network begins.
3. One bad branch does not hide a good one; if all are bad, the reason that leaves most open is
told, so that "not there" is never heard from one branch while another could not be asked.
4. Chains to different anchors are told apart, never mixed.
Standard: OpenID Federation 1.0 sections 8, 9 and 10.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from kizuna.model.errors import Absent, Malformed, Problem, Refused, Tampered, Unavailable
from kizuna.record.lists.federation.chain import MAX_CHAIN, Anchor, Resolved, check_chain
from kizuna.record.lists.federation.entity import (
    EntityStatement,
    check_entity_id,
    malformed,
    read_entity_statement,
    signed_by,
)
from kizuna.record.lists.federation.mark import TrustMark, check_mark, read_mark
from kizuna.roots.jws import parse_jws, sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object
from kizuna.roots.units import Handle, Unit

__all__ = [
    "CountedMark",
    "Resolver",
    "Source",
    "configuration_url",
    "read_resolve_response",
    "sign_resolve_response",
]

_MOST_FETCHES: Final = 200
_MOST_BRANCHES: Final = 2000
_RESPONSE: Final = "resolve-response+jwt"
_WELL_KNOWN: Final = "/.well-known/openid-federation"


def configuration_url(entity: str) -> str:
    """Where an entity publishes its own configuration."""
    return check_entity_id(entity).rstrip("/") + _WELL_KNOWN


class Source(Protocol):
    """Where statements come from: the network, a folder, a bundle."""

    def get(self, url: str) -> bytes:
        """The bytes at an address.

        Raises:
            Problem: they cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class CountedMark:
    """A mark that an entity shows, and why it does not count (None: it counts)."""

    kind: str
    mark: TrustMark | None
    fault: Problem | None


@dataclass(slots=True)
class Resolver:
    """Finds and checks chains. Owner of what it fetched; for one thread and one moment.

    Args:
        source: Where statements come from.
        anchors: Whom the verifier believes.
        now: Seconds since 1970.
        ahead: Told which addresses will be asked for next, where fetching at once saves time.
    """

    source: Source
    anchors: Sequence[Anchor]
    now: int
    ahead: Callable[[Sequence[str]], None] | None = None
    faults: list[Problem] = field(default_factory=list)
    """What went wrong on the way, branch by branch."""
    fetched: int = 0
    _configurations: dict[str, EntityStatement] = field(default_factory=dict)
    _subordinates: dict[tuple[str, str], EntityStatement] = field(default_factory=dict)

    def resolve(self, entity: str) -> tuple[Resolved, ...]:
        """A valid chain to each anchor that the entity can reach: the shortest of each.

        Raises:
            Problem: where there is no chain at all, the fault that leaves most open;
            Refused: ``federation.no-path`` where nothing leads to an anchor.
        """
        own = self.configuration(entity)
        anchors = {a.entity for a in self.anchors}
        found: dict[str, Resolved] = {}
        branches: list[tuple[EntityStatement, ...]] = [(own,)]
        while branches:
            # breadth first: the shortest chain to each anchor comes first
            grown: list[tuple[EntityStatement, ...]] = []
            self._foresee(branches)
            for branch in branches:
                top = branch[-1].issuer
                if top in anchors and top not in found:
                    self._try(lambda b=branch: self._take(b, found))  # type: ignore[misc]
                if len(branch) < MAX_CHAIN:
                    grown.extend(self._climb(branch, top))
                elif top not in anchors:
                    self.faults.append(_deep(entity))
                if len(grown) > _MOST_BRANCHES:
                    self.faults.append(_many())
                    break
            branches = grown[:_MOST_BRANCHES]
        if found:
            return tuple(found.values())
        raise min(self.faults, key=_openness) if self.faults else _no_path(entity)

    def configuration(self, entity: str) -> EntityStatement:
        """An entity's own configuration, signed by itself.

        Raises:
            Malformed: ``federation.malformed``. Tampered: ``federation.signature-wrong``.
        """
        held = self._configurations.get(entity)
        if held is None:
            held = read_entity_statement(self._get(configuration_url(entity)))
            if held.subject != entity or not held.of_itself:
                raise malformed(f"not the configuration of {entity}")
            if not signed_by(held.token, held.keys):
                raise Tampered(
                    "federation.signature-wrong",
                    f"the statement of {entity} about {entity} is not signed as it must be",
                    why="it is not signed with one of the keys in it",
                    hint="fetch it again",
                    issuer=entity[:200],
                    subject=entity[:200],
                )
            self._configurations[entity] = held
        return held

    def marks(self, resolved: Resolved) -> tuple[CountedMark, ...]:
        """The marks that a resolved entity shows, each checked against the same anchor."""
        out: list[CountedMark] = []
        anchor = self.configuration(resolved.anchor)
        trusted = next(a for a in self.anchors if a.entity == resolved.anchor)
        check_chain([anchor], [trusted], now=self.now)
        for kind, raw in resolved.own.trust_marks:
            mark = None
            try:
                mark = read_mark(raw)
                check_mark(
                    mark,
                    shown_as=kind,
                    entity=resolved.entity,
                    issuer_keys=self.issuer_keys(mark.issuer, trusted),
                    anchor=anchor,
                    now=self.now,
                )
                out.append(CountedMark(kind, mark, None))
            except Problem as fault:
                out.append(CountedMark(kind, mark, fault))
        return tuple(out)

    def issuer_keys(self, issuer: str, anchor: Anchor) -> Mapping[str, PublicKey]:
        """The keys of an issuer of marks, by a chain of its own to this anchor.

        Raises:
            Problem: there is no such chain.
        """
        if issuer == anchor.entity:
            return anchor.keys
        below = Resolver(self.source, (anchor,), self.now, self.ahead, fetched=self.fetched)
        below._configurations, below._subordinates = self._configurations, self._subordinates
        try:
            return below.resolve(issuer)[0].keys
        finally:
            self.fetched = below.fetched

    def _foresee(self, branches: Sequence[tuple[EntityStatement, ...]]) -> None:
        """Have fetched at once what climbing these branches will need, step by step."""
        if self.ahead is None:
            return
        tops = {b[-1].issuer: {s.subject for s in b} for b in branches if len(b) < MAX_CHAIN}
        self._at_once(configuration_url(top) for top in tops)
        pairs: list[tuple[str, str]] = []
        for top, passed in tops.items():
            with suppress(Problem):
                hints = self.configuration(top).hints
                pairs.extend((s, top) for s in hints if s != top and s not in passed)
        self._at_once(configuration_url(superior) for superior, _ in pairs)
        wanted = []
        for superior, top in pairs:
            with suppress(Problem):
                endpoint = self.configuration(superior).endpoint("federation_fetch_endpoint")
                if endpoint is not None and (superior, top) not in self._subordinates:
                    wanted.append(_asking(endpoint, top))
        self._at_once(wanted)

    def _at_once(self, urls: Iterable[str]) -> None:
        if self.ahead is not None:
            self.ahead([*dict.fromkeys(urls)][: max(0, _MOST_FETCHES - self.fetched)])

    def _climb(
        self, branch: tuple[EntityStatement, ...], top: str
    ) -> list[tuple[EntityStatement, ...]]:
        out: list[tuple[EntityStatement, ...]] = []
        passed = {s.subject for s in branch} | {top}

        def go(superior: str) -> None:
            endpoint = self.configuration(superior).endpoint("federation_fetch_endpoint")
            if endpoint is None:
                raise malformed(f"{superior} has no federation_fetch_endpoint")
            out.append((*branch, self._about(superior, endpoint, top)))

        known: list[tuple[str, ...]] = []
        self._try(lambda: known.append(self.configuration(top).hints))
        for superior in known[0] if known else ():
            if superior not in passed:
                self._try(lambda s=superior: go(s))  # type: ignore[misc]
        return out

    def _about(self, superior: str, endpoint: str, subject: str) -> EntityStatement:
        held = self._subordinates.get((superior, subject))
        if held is None:
            held = read_entity_statement(self._get(_asking(endpoint, subject)))
            if (held.issuer, held.subject) != (superior, subject):
                raise malformed(f"not the statement of {superior} about {subject}")
            self._subordinates[superior, subject] = held
        return held

    def _take(self, branch: tuple[EntityStatement, ...], found: dict[str, Resolved]) -> None:
        resolved = check_chain(branch, self.anchors, now=self.now)
        found[resolved.anchor] = resolved

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Problem as fault:
            self.faults.append(fault)

    def _get(self, url: str) -> bytes:
        if self.fetched >= _MOST_FETCHES:
            raise _many()
        self.fetched += 1
        return self.source.get(url)


def sign_resolve_response(
    unit: Unit,
    handle: Handle,
    resolved: Resolved,
    *,
    issuer: str,
    now: int,
    marks: Sequence[CountedMark] = (),
) -> bytes:
    """What a resolver answers: metadata, marks that count, and the chain itself."""
    claims = {
        "iss": issuer,
        "sub": resolved.entity,
        "iat": now,
        "exp": resolved.expires,
        "metadata": resolved.metadata,
        "trust_marks": [
            {"trust_mark_type": m.kind, "trust_mark": m.mark.raw.decode("ascii")}
            for m in marks
            if m.fault is None and m.mark is not None
        ],
        "trust_chain": [s.raw.decode("ascii") for s in resolved.chain],
    }
    payload = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode()
    return sign_jws(unit, handle, payload, {"typ": _RESPONSE})


def read_resolve_response(
    data: bytes | str, keys: Mapping[str, PublicKey], anchors: Sequence[Anchor], *, now: int
) -> Resolved:
    """What a resolver answered. Its word is not enough: the chain inside is checked again.

    Raises:
        Malformed: ``federation.malformed``. Tampered: ``federation.signature-wrong``;
        and whatever ``check_chain`` raises.
    """
    token = parse_jws(data)
    if token.header.get("typ") != _RESPONSE:
        raise malformed(f"its type is not {_RESPONSE}")
    claims: dict[str, Any] = read_object(token.payload, "federation.malformed", 4 << 20)
    issuer, chain = check_entity_id(claims.get("iss")), claims.get("trust_chain")
    if not signed_by(token, keys):
        raise Tampered(
            "federation.signature-wrong",
            f"the statement of {issuer} about {claims.get('sub')} is not signed as it must be",
            why="it is not signed with a key of the resolver",
            hint="ask the resolver again",
            issuer=issuer[:200],
            subject=str(claims.get("sub"))[:200],
        )
    if not isinstance(chain, list) or not all(isinstance(s, str) for s in chain):
        raise malformed("the answer holds no chain")
    resolved = check_chain(chain, anchors, now=now)
    if resolved.entity != claims.get("sub") or resolved.metadata != claims.get("metadata"):
        raise Malformed(
            "federation.malformed",
            "the entity statement cannot be read: the answer does not follow from its chain",
            why="the resolver's metadata is not what the chain gives",
            hint="resolve it yourself",
            fault="the answer does not follow from its chain",
        )
    return resolved


def _openness(fault: Problem) -> int:
    """How much a fault leaves open: who was not reached may still say otherwise, then what is
    wrong may be mended; "not there" is an answer.
    """
    if isinstance(fault, Unavailable):
        return 0
    return 2 if isinstance(fault, Absent) else 1


def _asking(endpoint: str, subject: str) -> str:
    return endpoint + ("&" if "?" in endpoint else "?") + urlencode({"sub": subject})


def _many() -> Refused:
    return Refused(
        "federation.too-many",
        f"more than {_MOST_FETCHES} statements would have to be fetched",
        why="the entities name too many superiors",
        hint="resolve through an entity that is nearer to the anchor",
        most=_MOST_FETCHES,
    )


def _deep(entity: str) -> Refused:
    return Refused(
        "federation.too-deep",
        f"the chain of {entity} is longer than {MAX_CHAIN} statements",
        why="each superior names another",
        hint="the entity needs a superior nearer to the anchor",
        entity=entity[:200],
        most=MAX_CHAIN,
    )


def _no_path(entity: str) -> Refused:
    return Refused(
        "federation.no-path",
        f"nothing leads from {entity} to a trust anchor that is believed here",
        why="none of its superiors is an anchor, or they lead in a circle",
        hint="believe its anchor with `kizuna federation anchor`, or ask the entity to join yours",
        entity=entity[:200],
    )
