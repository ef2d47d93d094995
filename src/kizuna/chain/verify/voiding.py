# SPDX-License-Identifier: Apache-2.0
"""Stratum 0: which keys were declared compromised, and what their signatures are worth since.

Keeps: 1. "Compromised since T" voids what the key signed after T, and what was signed by keys that
such a signature introduced. 2. The declaration stands whatever befalls its author, until its author
or a superior withdraws it. 3. However long a chain of keys is, every introduction is weighed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kizuna.chain.graph.columns import Column, Ints
from kizuna.chain.verify.grants import Grants
from kizuna.model.errors import Problem
from kizuna.model.payload import Action, Membership, Status, seconds
from kizuna.model.trust import Anchors
from kizuna.roots.identity import genesis_keys, pinned_keys
from kizuna.roots.keys import PublicKey

__all__ = ["Changed", "Voiding"]


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
        marks: list[tuple[bytes, int]] = []
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
                marks.append((bytes.fromhex(payload.target.key), since))
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

        def marked(row: int) -> int:
            key = by_number[int(graph.key.view[row])]
            low, high = int(graph.reg_lo.view[row]), int(graph.reg_hi.view[row])
            worst = 0
            for name, since in marks:
                if name == key:
                    worst = max(worst, 2 if low > since else 1 if high > since else 0)
            return worst

        # in the order of the log: however long a chain of keys is, and however often each was
        # introduced, every introduction is weighed once
        seq = graph.seq
        best: dict[bytes, int] = {}  # of each key introduced so far, its best introduction
        brings = {row: key for key, ways in introduced.items() for row in ways}
        for row in sorted({*(int(r) for r in rows), *brings}, key=lambda r: int(seq[r])):
            worth = max(marked(row), best.get(by_number[int(graph.key.view[row])], 0))
            self.void.view[row] = worth
            brought = brings.get(row)
            if brought is not None:
                best[brought] = min(worth, best.get(brought, 2))

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
