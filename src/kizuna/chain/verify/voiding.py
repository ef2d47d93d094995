# SPDX-License-Identifier: Apache-2.0
"""Stratum 0: which keys were declared compromised, or had ended, and what they signed is worth.

Keeps: 1. "Compromised since T" voids what the key signed after T, and what was signed by keys that
such a signature introduced. 2. The declaration stands whatever befalls its author, until its author
or a superior withdraws it. 3. However long a chain of keys is, every introduction is weighed once.
4. An end that one log knows ends the key in every log that is read with it, from its registration
on: what was registered elsewhere before stands, what overlaps cannot be told. Within one log the
intake has seen to it, in the log's own order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Column, Ints
from kizuna.chain.verify.grants import Grants
from kizuna.model.errors import Problem
from kizuna.model.payload import Action, Membership, Status, seconds
from kizuna.model.trust import Anchors
from kizuna.roots.identity import genesis_keys, pinned_keys
from kizuna.roots.keys import PublicKey

__all__ = ["Changed", "Voiding"]


_ENDINGS: Final = frozenset({Action.ROTATE, Action.REVOKE, Action.COMPROMISE, Action.SUSPEND})


@dataclass(slots=True)
class _End:
    """From which row on a key had ended, how surely, and by which rows that was taken back."""

    row: int
    sure: int
    lifted: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Changed:
    """What new statements changed in authority: of which rows, of which nodes, or of all."""

    everything: bool = False
    rows: set[int] = field(default_factory=set)
    nodes: set[int] = field(default_factory=set)


class Voiding(Grants):
    """Which statements are void because of the key that signed them."""

    anchors: Anchors
    exists: Column
    void: Column
    over: Column
    """Of void rows: whether nothing but the end of their key, in another log, makes them so."""
    _operators: dict[str, str]
    _named: dict[int, list[int]]
    _compromised: set[int]

    def _void_keys(self, walked: Sequence[int], fresh: Ints, changed: Changed) -> None:
        """Void what compromised keys signed, and what their signatures introduced."""
        graph = self.graph
        touched: set[int] = set()
        for row in walked:
            payload = graph.payload.get(row)
            if not isinstance(payload, Status):
                continue
            identity = int(graph.subject.view[row])
            if payload.action is Action.COMPROMISE or (
                payload.action is Action.WITHDRAW and identity in self._compromised
            ):
                touched.add(identity)
        first = int(fresh[0])
        if first:
            issuers = {int(i) for i in graph.issuer.view[first:]}
            touched |= issuers & self._compromised
        if len(graph.origins) > 1:
            touched |= {i for i, rows in graph.key_events.items() if self._ends(rows)}
        for identity in touched:
            self._compromised.add(identity)
            rows = graph.by_issuer.of(identity)
            before = self.void.view[rows].copy()
            self._void_identity(identity, rows)
            differ = rows[(before != self.void.view[rows]) & (rows < first)]
            for row in differ:
                if isinstance(graph.payload.get(int(row)), (Membership, Status)):
                    changed.everything = True
                changed.rows.add(int(row))

    def _void_identity(self, identity: int, rows: Ints) -> None:
        graph = self.graph
        ended = self._ended_elsewhere(identity, rows)
        marks: list[tuple[bytes, int, int]] = []
        introduced: dict[bytes, list[int]] = {}
        for row in graph.key_events.get(identity, ()):
            payload = graph.payload[row]
            if not isinstance(payload, Status) or not self.exists.view[row]:
                continue
            issuer = int(graph.issuer.view[row])
            own = issuer == identity
            if not own and not self.above(issuer, identity):
                continue
            if self._withdrawn(row, issuer, identity):
                continue
            if payload.action is Action.COMPROMISE and payload.target.key is not None:
                since = 0 if payload.since is None else seconds(payload.since)
                sure = 2 - ended.get(row, 0)  # a thief of an old key does not end the new one
                marks.append((bytes.fromhex(payload.target.key), since, sure))
            elif payload.key is not None and own:
                try:
                    introduced.setdefault(PublicKey.from_jwk(payload.key).thumbprint, []).append(
                        row
                    )
                except Problem:
                    continue
        for key in self._genesis(graph.name(identity)) & introduced.keys():
            del introduced[key]
        by_number = {number: key for key, number in graph.keys.items()}

        def doubted(row: int) -> int:
            key = by_number[int(graph.key.view[row])]
            low, high = int(graph.reg_lo.view[row]), int(graph.reg_hi.view[row])
            worst = 0
            for name, since, sure in marks:
                if name == key:
                    worst = max(worst, min(sure, 2 if low > since else 1 if high > since else 0))
            return worst

        # in the order of the log: however long a chain of keys is, and however often each was
        # introduced, every introduction is weighed once
        seq = graph.seq
        best: dict[bytes, int] = {}  # of each key introduced so far, its best introduction
        brings = {row: key for key, ways in introduced.items() for row in ways}
        for row in sorted({*(int(r) for r in rows), *brings}, key=lambda r: int(seq[r])):
            doubt = max(doubted(row), best.get(by_number[int(graph.key.view[row])], 0))
            worth = max(doubt, ended.get(row, 0))
            self.void.view[row] = worth
            self.over.view[row] = doubt < worth
            brought = brings.get(row)
            if brought is not None:
                best[brought] = min(worth, best.get(brought, 2))

    def _ends(self, events: Sequence[int]) -> bool:
        """Whether any of these events of a key's life is an end of it."""
        return any(
            isinstance(payload := self.graph.payload[row], Status) and payload.action in _ENDINGS
            for row in events
        )

    def _ended_elsewhere(self, identity: int, rows: Ints) -> dict[int, int]:
        """Of the identity's rows (and those about its keys) signed with a key that had ended in
        another log: 2 where it had, 1 where that cannot be told.
        """
        graph = self.graph
        events = [int(r) for r in graph.key_events.get(identity, ()) if self.exists.view[r]]
        places = {int(o) for o in np.unique(graph.origin.view[[*rows, *events]])}
        if len(places) < 2 or not self._ends(events):
            return {}
        by_number = {number: key for key, number in graph.keys.items()}
        acts = {row: self._lifts(row, identity) for row in events}
        lifting: dict[int, list[int]] = {}
        for row, found in acts.items():
            for by in found:
                lifting.setdefault(by, []).append(row)
        genesis = self._genesis(graph.name(identity))
        begun: dict[int, _End] = {}
        ends: dict[bytes, list[_End]] = {}
        brought: dict[bytes, int] = {}
        worth: dict[int, int] = {}
        seq = graph.seq
        for row in sorted({*(int(r) for r in rows), *events, *lifting}, key=lambda r: int(seq[r])):
            own = int(graph.issuer.view[row]) == identity
            worst = 0
            if own:
                key = by_number[int(graph.key.view[row])]
                worst = brought.get(key, 0)
                for end in ends.get(key, ()):
                    held = min(self._before(end.row, row), end.sure)
                    for lift, sure in end.lifted:
                        held = min(held, 2 - min(self._before(lift, row, also_here=True), sure))
                    worst = max(worst, held)
                if worst:
                    worth[row] = worst
            if worst == 2:
                continue  # whoever signs with a key that had ended changes nothing by it
            payload = graph.payload.get(row)
            for lifted in lifting.get(row, ()):
                if lifted in begun:
                    begun[lifted].lifted.append((row, 2 - worst))
            if not isinstance(payload, Status) or row not in acts:
                continue
            if not own and not self.above(int(graph.issuer.view[row]), identity):
                continue
            if payload.action in _ENDINGS and payload.target.key is not None:
                begun[row] = _End(row, 2 - worst)
                ends.setdefault(bytes.fromhex(payload.target.key), []).append(begun[row])
            if own and payload.key is not None:
                try:
                    key = PublicKey.from_jwk(payload.key).thumbprint
                except Problem:
                    continue
                if key not in genesis:
                    brought[key] = min(worst, brought.get(key, worst))
        return worth

    def _lifts(self, row: int, identity: int) -> list[int]:
        """The rows that take an end of a key back: its withdrawal, or for a suspension the
        reinstatement of that key, by who ended it or by a superior.
        """
        graph = self.graph
        ended = graph.payload[row]
        if not isinstance(ended, Status):
            return []
        issuer = int(graph.issuer.view[row])
        found = [by for d in graph.digests_of(row) for by in graph.status_on.get(d, ())]
        if ended.action is Action.SUSPEND:
            found += graph.key_events.get(identity, ())
        lifts = []
        for by in found:
            payload, actor = graph.payload[by], int(graph.issuer.view[by])
            if (
                isinstance(payload, Status)
                and self.exists.view[by]
                and graph.seq[by] > graph.seq[row]
                and (actor == issuer or self.above(actor, identity))
                and (
                    payload.action is Action.WITHDRAW
                    or (
                        payload.action is Action.REINSTATE
                        and payload.target.key == ended.target.key
                    )
                )
            ):
                lifts.append(by)
        return lifts

    def _before(self, first: int, second: int, *, also_here: bool = False) -> int:
        """Whether one row was registered before another of another log (0, 1, 2); of rows of one
        log the log's order says it, where that is asked for.
        """
        graph = self.graph
        if graph.origin.view[first] == graph.origin.view[second]:
            before = also_here and graph.index.view[first] < graph.index.view[second]
            return 2 if before else 0
        if graph.reg_hi.view[first] < graph.reg_lo.view[second]:
            return 2
        return 0 if graph.reg_lo.view[first] > graph.reg_hi.view[second] else 1

    def _genesis(self, identity: str) -> set[bytes]:
        pinned = {p.id: p.keys for p in self.anchors.identities}
        try:
            keys = pinned_keys(pinned[identity]) if identity in pinned else genesis_keys(identity)
        except Problem:
            return set()
        return {key.thumbprint for key in keys}

    def _withdrawn(self, row: int, issuer: int, identity: int) -> bool:
        graph = self.graph
        for digest in graph.digests_of(row):
            for by in graph.status_on.get(digest, ()):
                payload = graph.payload[by]
                actor = int(graph.issuer.view[by])
                if (
                    isinstance(payload, Status)
                    and payload.action is Action.WITHDRAW
                    and self.exists.view[by]
                    and graph.seq[by] > graph.seq[row]
                    and (actor == issuer or self.above(actor, identity))
                ):
                    return True
        return False

    def above(self, actor: int, identity: int) -> bool:
        """True where ``actor`` operates an accepted list that has ever named ``identity``."""
        if self.graph.name(actor) not in self._operators.values():
            return False
        return any(
            int(self.graph.issuer.view[row]) == actor and self.operates(actor, self._list_of(row))
            for row in self._named.get(identity, ())
        )

    def _list_of(self, row: int) -> str:
        payload = self.graph.payload[row]
        return payload.list_id if isinstance(payload, Membership) else ""

    def operates(self, issuer: int, list_id: str) -> bool:
        """True where an accepted list is operated by ``issuer``."""
        return self._operators.get(list_id) == self.graph.name(issuer)
