# SPDX-License-Identifier: Apache-2.0
"""Strata 0 and 1: which statements exist for a question, whose keys hold, and who may say what.

Keeps: 1. Authority is a least fixpoint in the order of the log: an entry of a list counts only if
entries before it entitled its issuer, so nobody bootstraps by mutual endorsement and nobody enters
himself. 2. Authority is judged where a statement was registered: what is suspended or withdrawn
later ends future words only. 3. "Compromised since T" voids what the key signed after T, and what
was signed by keys that such a signature introduced; it stands whatever befalls its author, until
its author or a superior withdraws it. 4. Every answer is 0 (no), 1 (cannot be told: a boundary
falls inside a registration interval) or 2 (yes).
Does not: look at the instant asked about. Everything here follows from evidence, anchors, lists and
checkpoints alone, so it is worked out once and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Column
from kizuna.chain.graph.graph import EVER, KINDS, NEVER, Graph
from kizuna.chain.verify.grants import KIND_BIT
from kizuna.chain.verify.scopes import EVERYTHING, bounded
from kizuna.chain.verify.voiding import Changed, Voiding
from kizuna.model.errors import Absent, Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Membership, Standing, Status, seconds
from kizuna.model.trust import Anchors, LogAnchor
from kizuna.model.verdict import Known

__all__ = ["KIND_BIT", "Authority", "Changed", "accepted_lists", "bounded"]

_ENDS: Final = {
    Action.SUSPEND: Standing.SUSPENDED,
    Action.REVOKE: Standing.WITHDRAWN,
    Action.WITHDRAW: Standing.WITHDRAWN,
}


@dataclass(slots=True)
class _Entry:
    """The entry in force of one member of one list, while the log is walked."""

    row: int
    issuer: int
    state: Standing
    payload: Membership
    value: int
    cap: int
    open: list[int]


def accepted_lists(anchors: Anchors, names: Sequence[str] | None) -> tuple[str, ...]:
    """Identifiers of the lists to go by: all anchors, or those named (by name or identifier).

    Raises:
        Malformed: ``verify.list-unknown`` for a name that is no anchor of the verifier.
    """
    if names is None:
        return tuple(sorted(a.id for a in anchors.lists))
    chosen: set[str] = set()
    for name in names:
        found = [a.id for a in anchors.lists if name in (a.id, a.name)]
        if not found:
            raise Malformed(
                "verify.list-unknown",
                f"no accepted trust list is named {name[:80]!r}",
                why="a judgement goes by lists that the verifier has accepted, and by no other",
                hint="`kizuna list accept` adds one; `kizuna trust export` shows them",
                list=name[:80],
            )
        chosen.update(found)
    return tuple(sorted(chosen))


class Authority(Voiding):
    """Who may say what, for one set of anchors, lists and checkpoints, over one graph."""

    def __init__(
        self,
        graph: Graph,
        anchors: Anchors,
        lists: Sequence[str] | None = None,
        known: Sequence[Known] | None = None,
        *,
        without: Sequence[int] = (),
    ) -> None:
        self.graph = graph
        self._without = frozenset(without)
        self.anchors = anchors
        self.list_ids = accepted_lists(anchors, lists)
        self.known = None if known is None else tuple(sorted(known))
        self.verifier = -1
        self._operators = {a.id: a.operator for a in anchors.lists if a.id in self.list_ids}
        self._list_number = {name: i for i, name in enumerate(self.list_ids)}
        self._limit = self._limits()
        self._start()

    # --- life ---------------------------------------------------------------------------------

    def without(self, row: int) -> Authority:
        """The same, had a statement never been made."""
        return Authority(
            self.graph, self.anchors, self.list_ids, self.known, without=(*self._without, row)
        )

    def _start(self) -> None:
        self._covered = 0
        self._last = -1
        self.exists = Column(np.bool_)
        self.void = Column(np.int8)
        self.over = Column(np.bool_)
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._entry_of: dict[int, tuple[int, int]] = {}  # membership row to its key
        self.members: set[int] = set()
        self.power: dict[int, tuple[int, int]] = {}
        """Of statuses whether their issuers may act on their targets, and do so from above; filled
        by who asks, emptied when it may have changed."""
        self._named: dict[int, list[int]] = {}  # by member: every entry that names it
        self._no_grants()
        self._compromised: set[int] = set()
        self.extend()

    def _limits(self) -> dict[str, int]:
        """Of each accepted log the size up to which it counts."""
        sizes: dict[str, int] = {}
        for log in self.anchors.logs:
            sizes[log.origin] = max(sizes.get(log.origin, 0), _closed_at(log))
        if self.known is None:
            return sizes
        asked: dict[str, int] = {}
        for head in self.known:
            if head.origin not in sizes:
                raise Absent(
                    "verify.log-unknown",
                    f"no accepted log is named {head.origin[:80]!r}",
                    why="the checkpoint names a log that is not among the verifier's anchors",
                    hint="accept the log first, or ask with a checkpoint of an accepted one",
                    origin=head.origin[:80],
                )
            asked[head.origin] = min(sizes[head.origin], head.size)
        return asked

    def extend(self) -> Changed:
        """Take in rows that the graph has gained since.

        Returns:
            What this changed for rows that were there before.
        """
        graph = self.graph
        if self.anchors.verifier is not None:
            self.verifier = graph.names.find(self.anchors.verifier)
        first, total = self._covered, len(graph)
        changed = Changed()
        if first == total:
            return changed
        fresh = np.arange(first, total)
        limit = np.asarray([self._limit.get(o, 0) for o in graph.origins.texts], dtype=np.int64)
        self.exists.extend(graph.index.view[first:] < limit[graph.origin.view[first:]])
        for row in self._without:
            if first <= row < total:
                self.exists.view[row] = False
        self.void.extend(np.zeros(total - first, dtype=np.int8))
        self.over.extend(np.zeros(total - first, dtype=np.bool_))
        self._covered = total
        seq = graph.seq
        kinds = graph.kind.view
        walked = [
            int(r)
            for r in fresh[
                (kinds[first:] == KINDS.index(Kind.MEMBERSHIP))
                | (kinds[first:] == KINDS.index(Kind.STATUS))
            ]
            if self.exists.view[r]
        ]
        walked.sort(key=lambda r: int(seq[r]))
        later = min((int(seq[r]) for r in walked), default=self._last + 1)
        if first and (later <= self._last or self._replays(walked)):
            self._start()
            changed.everything = True
            return changed
        self.power.clear()
        for row in walked:
            if isinstance(graph.payload.get(row), Membership):
                self._named.setdefault(int(graph.subject.view[row]), []).append(row)
        self._void_keys(walked, fresh, changed)
        if changed.everything and first:
            self._start()
            return changed
        for row in walked:
            self._last = max(self._last, int(seq[row]))
            payload = graph.payload.get(row)
            if isinstance(payload, Membership):
                self._membership(row, payload, changed)
            elif isinstance(payload, Status):
                self._status(row, payload)
        self._settle_grants()
        if len(graph.origins) > 1 and first:
            for row in walked:
                if isinstance(graph.payload.get(row), Membership):
                    member = int(graph.subject.view[row])
                    changed.rows.update(int(r) for r in graph.by_issuer.of(member) if r < first)
        return changed

    def _replays(self, walked: Sequence[int]) -> bool:
        """True where a status arrived before the entry on which it acts."""
        graph = self.graph
        return (
            any(
                isinstance(graph.payload.get(r), Membership)
                and any(d in graph.status_on for d in graph.digests_of(r))
                for r in walked
            )
            and len(graph.origins) > 1
        )

    # --- stratum 1: entries, walked in the order of the log ------------------------------------

    def _membership(self, row: int, payload: Membership, changed: Changed) -> None:
        number = self._list_number.get(payload.list_id)
        if number is None:
            return
        graph = self.graph
        member, issuer = int(graph.subject.view[row]), int(graph.issuer.view[row])
        value, cap, types, names = self._entitled(row, number, payload.list_id, member, issuer)
        if value == 0:
            return
        key = (number, member)
        previous = self._entries.get(key)
        if previous is not None:
            self._close(previous, row)
            if value == 1:
                self._open(previous, key, row, 1)
        entry = _Entry(row, issuer, payload.state, payload, value, cap, [])
        services = [bounded(s, names) for s in payload.services if types is None or s.type in types]
        if services != payload.services:
            entry.payload = Membership(
                list_id=payload.list_id,
                state=payload.state,
                services=services,
                valid_from=payload.valid_from,
                valid_until=payload.valid_until,
            )
        self._entries[key] = entry
        self._entry_of[row] = key
        if member not in self.members:
            self.members.add(member)
            changed.nodes.add(member)
        if payload.state is Standing.GRANTED:
            self._open(entry, key, row, value)

    def _entitled(
        self, row: int, number: int, list_id: str, member: int, issuer: int
    ) -> tuple[int, int, frozenset[str] | None, frozenset[str]]:
        """Whether the issuer may make this entry, at most at which level, with which services,
        and over which names it may give power at all.
        """
        held = 2 - int(self.void.view[row])
        everywhere = frozenset((EVERYTHING,))
        if held == 0:
            return 0, 0, None, everywhere
        if self.graph.name(issuer) == self._operators[list_id]:
            return held, 2, None, everywhere
        if issuer == member:
            return 0, 0, None, everywhere
        best, cap = 0, 0
        names: set[str] = set()
        types: frozenset[str] | None = frozenset()
        self._settle_grants()
        for grant in self._grants_of.of(issuer):
            if int(self.grant_list.view[grant]) != number:
                continue
            spec = int(self.grant_spec.view[grant])
            if not int(self.spec_kinds.view[spec]) & KIND_BIT[Kind.MEMBERSHIP]:
                continue
            if not self._covers(int(self.spec_scope.view[spec]), member):
                continue
            truth = int(self._truth(np.asarray([row]), np.asarray([grant]))[0])
            if truth == 0:
                continue
            best = max(best, truth)
            cap = max(cap, int(self.grant_level.view[grant]))
            allowed = self._words_of(int(self.spec_pattern.view[spec]))
            types = None if types is None or allowed is None else types | allowed
            prefixes = self._prefixes[int(self.spec_scope.view[spec])]
            names.update((EVERYTHING,) if prefixes is None else prefixes[1])
        return min(best, held), cap, types, frozenset(names)

    def _status(self, row: int, payload: Status) -> None:
        if payload.target.statement is None or self.void.view[row] == 2:
            return
        graph = self.graph
        target = graph.row_of.get(bytes.fromhex(payload.target.statement))
        key = None if target is None else self._entry_of.get(target)
        if key is None:
            return
        entry = self._entries[key]
        if entry.row != target or entry.state is Standing.WITHDRAWN:
            return
        issuer = int(graph.issuer.view[row])
        operator = self._operators[entry.payload.list_id]
        if issuer != entry.issuer and graph.name(issuer) != operator:
            return
        value = 2 - int(self.void.view[row])
        if payload.action is Action.REINSTATE:
            if entry.state is Standing.SUSPENDED:
                entry.state = Standing.GRANTED
                self._open(entry, key, row, min(value, entry.value))
        elif payload.action in _ENDS:
            self._close(entry, row)
            if value == 1 and entry.state is Standing.GRANTED:
                self._open(entry, key, row, 1)
            else:
                entry.state = _ENDS[payload.action]

    def _close(self, entry: _Entry, row: int) -> None:
        self._settle_grants()
        for grant in entry.open:
            self.grant_end.view[grant] = row
        entry.open = []

    def _open(self, entry: _Entry, key: tuple[int, int], row: int, value: int) -> None:
        payload = entry.payload
        if entry.state is not Standing.GRANTED:
            return
        since = EVER if payload.valid_from is None else seconds(payload.valid_from)
        until = NEVER if payload.valid_until is None else seconds(payload.valid_until)
        for service in payload.services:
            entry.open.append(self.grant_member.size + len(self._granted))
            self._granted.append(
                (
                    key[1],
                    self.graph.words.id(service.type),
                    self._spec(service),
                    key[0],
                    row,
                    -1,
                    since,
                    until,
                    value,
                    min(service.level.rank, entry.cap),
                )
            )

    # --- questions ----------------------------------------------------------------------------

    def differs(self, other: Authority) -> tuple[set[int], set[int]]:
        """Where two authorities over one graph differ: whose words count otherwise, and which rows
        stand otherwise, whoever said them.
        """
        mine, theirs = self._held(), other._held()
        issuers = {m for m in mine.keys() | theirs.keys() if mine.get(m) != theirs.get(m)}
        issuers |= self.members ^ other.members
        rows = np.flatnonzero(
            (self.void.view != other.void.view) | (self.exists.view != other.exists.view)
        )
        return issuers, set(rows.tolist())


def _closed_at(log: LogAnchor) -> int:
    """The size up to which a log counts: where its last key was retired, if all were."""
    ends = [
        next((size for name, size in log.closed.items() if key.startswith(name)), NEVER)
        for key in log.keys
    ]
    return max(ends, default=NEVER)
