# SPDX-License-Identifier: Apache-2.0
"""Reading federations: whom an entity stands under, what that makes of it, which marks count.

Keeps: 1. A chain is checked at every reading, also one that was kept: nothing counts past its end.
2. What was kept stands in only where a peer cannot be reached; where a superior says that it does
not know the entity any more, that is the answer. 3. The age of what was kept is always told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from kizuna.app.wiring.federation.book import AnchorEntry, BookKeeper, address_of, named
from kizuna.app.wiring.federation.sources import Gathered, Kept, Network, Noting, gathered
from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Absent, Problem, Unavailable
from kizuna.record.lists.federation import (
    Anchor,
    CountedMark,
    EntityStatement,
    Resolved,
    Resolver,
    check_mark_status,
    configuration_url,
)

__all__ = ["NETWORK", "Found", "Reading", "Sighting", "left"]

NETWORK: Final = "network"
_MOST_KEPT: Final = 8 << 20
_MOST_SHOWN: Final = 100
_NO_STATUS: Final = "not-asked"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A mark, whether it counts, and what its issuer says of it now."""

    mark: CountedMark
    status: str = _NO_STATUS
    status_fault: Problem | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts."""
        fine = self.status in (_NO_STATUS, "active")
        return self.mark.fault is None and fine and self.status_fault is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of an entity: a chain to each anchor, with marks."""

    entity: str
    source: str
    fetched: int
    """When it was had from its source."""
    chains: tuple[tuple[Resolved, tuple[Sighting, ...]], ...]
    faults: tuple[Problem, ...]


class Reading:
    """Federations of others, as one verifier sees them."""

    def __init__(self, folder: Path, now: int) -> None:
        self._kept = folder / "federation"
        self.book = BookKeeper(folder)
        self.now = now

    def believe(
        self, entity: str, jwks: Mapping[str, Any], *, replace_keys: bool = False
    ) -> dict[str, Any]:
        """Believe an anchor.

        Raises:
            Refused: ``federation.anchor-twice``.
        """
        return _anchor_json(self.book.believe(entity, jwks, replace=replace_keys))

    def anchors(self) -> dict[str, Any]:
        """Every believed anchor."""
        return {"anchors": [_anchor_json(a) for a in self.book.read().anchors]}

    def resolve(
        self,
        entity: str,
        *,
        anchors: Sequence[str] | None = None,
        source: str = NETWORK,
        network: Network | None = None,
        status: bool = False,
    ) -> Found:
        """Find and check the chains of an entity.

        Args:
            entity: Its address.
            anchors: Only these of the believed ones.
            source: ``network``, ``kept``, or the path of a folder or file.
            network: How the network is asked.
            status: Whether each mark's issuer is asked if the mark still stands.

        Raises:
            Problem: the first fault where there is no chain at all.
        """
        entity = address_of(entity)
        only = None if anchors is None else [address_of(a) for a in anchors]
        trusted = self.book.anchors(only)
        if source == "kept":
            return self._from_kept(entity, trusted)
        if source != NETWORK:
            return self._look(entity, trusted, gathered(source), source, self.now)
        line = network or Network()
        noting = Noting(line)
        try:
            found = self._look(entity, trusted, noting, source, self.now, line if status else None)
        except Unavailable:
            with contextlib.suppress(Problem):
                return self._from_kept(entity, trusted)
            raise
        except Absent as fault:
            if left(entity, fault):
                self._file(entity).unlink(missing_ok=True)
            raise
        self._keep(entity, noting.answers)
        return found

    def show(self, entity: str) -> Found:
        """What was kept of an entity.

        Raises:
            Absent: ``federation.not-kept``.
        """
        return self.resolve(entity, source="kept")

    def kept(self) -> list[str]:
        """Every entity of which something is kept, the last fetched first; bounded."""
        found: list[tuple[int, str]] = []
        for file in sorted(self._kept.glob("*.json"))[:_MOST_SHOWN]:
            with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                held = msgspec.json.decode(file.read_bytes(), type=_KeptFile)
                found.append((held.fetched, held.entity))
        return [entity for _, entity in sorted(found, reverse=True)]

    # --- inside -------------------------------------------------------------------------------

    def _look(
        self,
        entity: str,
        trusted: Sequence[Anchor],
        source: Noting | Kept | Gathered,
        name: str,
        fetched: int,
        line: Network | None = None,
    ) -> Found:
        ahead = source.line.ahead if isinstance(source, Noting) else None
        resolver = Resolver(source, trusted, self.now, ahead)
        chains = resolver.resolve(entity)
        told = []
        for resolved in chains:
            try:
                marks = resolver.marks(resolved)
            except Problem as fault:
                # the anchor's own configuration cannot be had: then no mark can count
                resolver.faults.append(fault)
                marks = tuple(CountedMark(k, None, fault) for k, _ in resolved.own.trust_marks)
            seen = [Sighting(mark) for mark in marks]
            if line is not None:
                anchor = next(a for a in trusted if a.entity == resolved.anchor)
                seen = [self._asked(resolver, anchor, one, line) for one in seen]
            told.append((resolved, tuple(seen)))
        return Found(
            entity=entity,
            source=name,
            fetched=fetched,
            chains=tuple(told),
            faults=tuple(resolver.faults),
        )

    def _asked(self, resolver: Resolver, anchor: Anchor, seen: Sighting, line: Network) -> Sighting:
        mark = seen.mark.mark
        if mark is None or seen.mark.fault is not None:
            return seen
        name = "federation_trust_mark_status_endpoint"
        try:
            endpoint = resolver.configuration(mark.issuer).endpoint(name)
            if endpoint is None:
                return replace(seen, status="no-answer-offered")
            body = urlencode({"trust_mark": mark.raw.decode("ascii")}).encode()
            status = check_mark_status(
                line.post(endpoint, body),
                mark,
                resolver.issuer_keys(mark.issuer, anchor),
                now=self.now,
            )
        except Problem as fault:
            return replace(seen, status="unknown", status_fault=fault)
        return replace(seen, status=status)

    def _file(self, entity: str) -> Path:
        return self._kept / f"{sha256(entity.encode()).hexdigest()}.json"

    def _keep(self, entity: str, answers: Mapping[str, bytes]) -> None:
        whole = {
            "entity": entity,
            "fetched": self.now,
            "answers": {url: data.decode("ascii", "replace") for url, data in answers.items()},
        }
        data = msgspec.json.encode(whole)
        if len(data) <= _MOST_KEPT:
            self._kept.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._file(entity), data)

    def answers(self, entity: str) -> tuple[dict[str, bytes], int]:
        """What was answered by address when an entity was last resolved, and when."""
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            held = msgspec.json.decode(self._file(entity).read_bytes(), type=_KeptFile)
            return {url: text.encode() for url, text in held.answers.items()}, held.fetched
        return {}, self.now

    def _from_kept(self, entity: str, trusted: Sequence[Anchor]) -> Found:
        answers, fetched = self.answers(entity)
        return self._look(entity, trusted, Kept(answers), "kept", fetched)

    # --- telling ------------------------------------------------------------------------------

    def told(self, found: Found) -> dict[str, Any]:
        """What was found, as JSON."""
        return {
            "entity": found.entity,
            "source": found.source,
            "fetched": found.fetched,
            "age": max(0, self.now - found.fetched),
            "chains": [_chain_json(resolved, marks) for resolved, marks in found.chains],
            "faults": [{"code": f.code, "message": f.what} for f in found.faults],
        }


def left(entity: str, fault: Problem) -> bool:
    """Whether the fault is the federation's own word that the entity does not belong to it: its
    superior does not know it, or it names none that leads to the anchor. Where only the entity
    itself does not answer, nobody has said so.
    """
    if fault.code == "federation.no-path":
        return True
    itself = fault.about.get("url") == configuration_url(entity)[:200]
    return isinstance(fault, Absent) and not itself


class _KeptFile(msgspec.Struct, frozen=True, kw_only=True):
    entity: str
    fetched: int
    answers: dict[str, str]


def _anchor_json(entry: AnchorEntry) -> dict[str, Any]:
    prints = sorted({key.thumbprint.hex() for key in named(entry.jwks).values()})
    return {"entity": entry.entity, "keys": prints}


def _chain_json(resolved: Resolved, marks: Sequence[Sighting]) -> dict[str, Any]:
    return {
        "anchor": resolved.anchor,
        "path": list(resolved.path),
        "expires": resolved.expires,
        "keys": sorted({key.thumbprint.hex() for key in resolved.keys.values()}),
        "metadata": resolved.metadata,
        "statements": [_statement_json(s) for s in resolved.chain],
        "marks": [_mark_json(m) for m in marks],
    }


def _statement_json(statement: EntityStatement) -> dict[str, Any]:
    limits = statement.constraints
    constraints = {
        "max_path_length": limits.max_path_length,
        "permitted": limits.permitted,
        "excluded": limits.excluded or None,
        "entity_types": None if limits.entity_types is None else sorted(limits.entity_types),
    }
    return {
        "issuer": statement.issuer,
        "subject": statement.subject,
        "issued": statement.issued,
        "expires": statement.expires,
        "policy": statement.policy,
        "constraints": {k: v for k, v in constraints.items() if v is not None},
        "digest": statement.digest.hex(),
    }


def _mark_json(seen: Sighting) -> dict[str, Any]:
    fault = seen.mark.fault or seen.status_fault
    mark = seen.mark.mark
    return {
        "type": seen.mark.kind,
        "issuer": None if mark is None else mark.issuer,
        "expires": None if mark is None else mark.expires,
        "counts": seen.counts,
        "status": seen.status,
        "code": None if fault is None else fault.code,
        "why": None if fault is None else fault.why or fault.what,
    }
