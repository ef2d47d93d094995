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

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from msgspec.structs import replace

from kizuna.chain.graph.columns import Column, Index, Ints
from kizuna.chain.graph.graph import EVER, KINDS, NEVER, Graph
from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Membership, Service, Standing, Status, seconds
from kizuna.model.trust import Anchors, LogAnchor
from kizuna.model.verdict import Known
from kizuna.record.lists import in_scope
from kizuna.roots.identity import genesis_keys, pinned_keys
from kizuna.roots.keys import PublicKey

__all__ = ["KIND_BIT", "Authority", "Changed", "accepted_lists"]

KIND_BIT: Final = {kind: 1 << i for i, kind in enumerate(KINDS)}
_BORDERS: Final = "/:@?#"
_AFTER_BORDERS: Final = chr(ord(max(_BORDERS)) + 1)
_EVERYTHING: Final = "*"
_ENDS: Final = {
    Action.SUSPEND: Standing.SUSPENDED,
    Action.REVOKE: Standing.WITHDRAWN,
    Action.WITHDRAW: Standing.WITHDRAWN,
}


@dataclass(slots=True)
class Changed:
    """What new statements changed in authority: of which rows, of which nodes, or of all."""

    everything: bool = False
    rows: set[int] = field(default_factory=set)
    nodes: set[int] = field(default_factory=set)


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


class Authority:
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
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._entry_of: dict[int, tuple[int, int]] = {}  # membership row to its key
        self.members: set[int] = set()
        self.power: dict[int, tuple[int, int]] = {}
        """Of statuses whether their issuers may act on their targets, and do so from above; filled
        by who asks, emptied when it may have changed."""
        self._named: dict[int, list[int]] = {}  # by member: every entry that names it
        self._flagged = 0
        self._specs: dict[tuple[object, ...], int] = {}
        self._patterns: dict[frozenset[str], int] = {}
        self._scopes: dict[tuple[str, ...], int] = {}
        self._prefixes: list[tuple[tuple[str, ...], frozenset[str]] | None] = []
        self._allowed = np.zeros((0, 0), dtype=np.bool_)
        self._ranges_of: list[str] | None = None
        self._low = self._high = np.zeros((0, 0), dtype=np.int32)
        self._member_flags = np.zeros(0, dtype=np.bool_)
        self.spec_kinds = Column(np.int32)
        self.spec_pattern = Column(np.int32)
        self.spec_scope = Column(np.int32)
        self.grant_member = Column(np.int32)
        self.grant_service = Column(np.int32)  # a word
        self.grant_spec = Column(np.int32)
        self.grant_list = Column(np.int32)
        self.grant_start = Column(np.int32)
        self.grant_end = Column(np.int32)
        self.grant_since = Column(np.int64)
        self.grant_until = Column(np.int64)
        self.grant_value = Column(np.int8)
        self.grant_level = Column(np.int8)
        self._grants_of = Index(self.grant_member)
        self._granted: list[tuple[int, ...]] = []
        self._specified: list[tuple[int, int, int]] = []
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

    # --- stratum 0: keys ----------------------------------------------------------------------

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
        everywhere = frozenset((_EVERYTHING,))
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
            names.update((_EVERYTHING,) if prefixes is None else prefixes[1])
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

    def _settle_grants(self) -> None:
        """Put the grants that were walked over into their columns."""
        if not self._granted:
            return
        if self._specified:
            specs = (self.spec_kinds, self.spec_pattern, self.spec_scope)
            for column, values in zip(specs, zip(*self._specified, strict=True), strict=True):
                column.extend(values)
            self._specified = []
        columns = (
            self.grant_member,
            self.grant_service,
            self.grant_spec,
            self.grant_list,
            self.grant_start,
            self.grant_end,
            self.grant_since,
            self.grant_until,
            self.grant_value,
            self.grant_level,
        )
        for column, values in zip(columns, zip(*self._granted, strict=True), strict=True):
            column.extend(values)
        self._granted = []

    def _spec(self, service: Service) -> int:
        kinds = 0
        for kind in service.kinds:
            kinds |= KIND_BIT[kind]
        pattern = frozenset(service.claims)
        scope = tuple(sorted(service.scope))
        key = (kinds, pattern, scope)
        found = self._specs.get(key)
        if found is None:
            found = self._specs[key] = len(self._specs)
            known = self._patterns.setdefault(pattern, len(self._patterns))
            number = self._scopes.get(scope)
            if number is None:
                number = self._scopes[scope] = len(self._scopes)
                self._prefixes.append(_prefixes(scope))
            self._specified.append((kinds, known, number))
        return found

    def _words_of(self, pattern: int) -> frozenset[str] | None:
        words = list(self._patterns)[pattern]
        return None if _EVERYTHING in words else words

    # --- questions ----------------------------------------------------------------------------

    def grants(
        self, rows: Ints, about: Ints, kind_bits: Ints | int, words: Ints, *, unknown: bool = True
    ) -> tuple[Ints, Ints, Ints]:
        """Under which grants assertions were made.

        Args:
            rows: the statements that assert.
            about: of each the subject asserted about.
            kind_bits: the kinds (``KIND_BIT``) of which the service must allow one.
            words: claim, notice or relation; -1 where it is not known.
            unknown: whether a service limited to some words allows an unknown word.

        Returns:
            (position in ``rows``, grant, 1 or 2) for every grant that holds or may hold.
        """
        issuers = self.graph.issuer.view[rows]
        at, grant = self._grants_of.gather(issuers)
        if not len(at):
            return at, grant, np.empty(0, dtype=np.int8)
        spec = self.grant_spec.view[grant]
        bits = kind_bits if isinstance(kind_bits, int) else kind_bits[at]
        keep = (self.spec_kinds.view[spec] & bits) != 0
        keep &= self._word_allowed(self.spec_pattern.view[spec], words[at], unknown=unknown)
        at, grant, spec = at[keep], grant[keep], spec[keep]
        keep = self._scope_allows(
            self.spec_scope.view[spec], about[at], self.grant_member.view[grant]
        )
        at, grant = at[keep], grant[keep]
        truth = self._truth(rows[at], grant)
        keep = truth > 0
        return at[keep], grant[keep], truth[keep]

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

    def _held(self) -> dict[int, set[tuple[object, ...]]]:
        """By member everything that any grant ever gave."""
        self._settle_grants()
        specs = list(self._specs)
        columns = (
            self.grant_member,
            self.grant_spec,
            self.grant_service,
            self.grant_list,
            self.grant_start,
            self.grant_end,
            self.grant_since,
            self.grant_until,
            self.grant_value,
            self.grant_level,
        )
        held: dict[int, set[tuple[object, ...]]] = {}
        for member, spec, *more in zip(*(c.view.tolist() for c in columns), strict=True):
            held.setdefault(member, set()).add((specs[spec], *more))
        return held

    def is_member(self, nodes: Ints) -> Ints:
        """Which names some accepted list has ever entered."""
        if len(self._member_flags) < self.graph.nodes or self._flagged != len(self.members):
            self._member_flags = np.zeros(self.graph.nodes + 1_024, dtype=np.bool_)
            self._member_flags[list(self.members)] = True
            self._flagged = len(self.members)
        flags: Ints = self._member_flags[nodes]
        return flags

    def service_of(self, grants: Ints) -> Ints:
        """The service type (a word) of each grant."""
        services: Ints = self.grant_service.view[grants]
        return services

    def before(self, first: Ints, second: Ints) -> Ints:
        """Whether rows were registered before others: 0, 1 or 2."""
        graph = self.graph
        inside = np.where(graph.index.view[first] < graph.index.view[second], 2, 0)
        if len(graph.origins) == 1:
            return inside.astype(np.int8)
        same = graph.origin.view[first] == graph.origin.view[second]
        across = np.where(
            graph.reg_hi.view[first] < graph.reg_lo.view[second],
            2,
            np.where(graph.reg_lo.view[first] > graph.reg_hi.view[second], 0, 1),
        )
        truth: Ints = np.where(same, inside, across).astype(np.int8)
        return truth

    def _truth(self, rows: Ints, grants: Ints) -> Ints:
        graph = self.graph
        truth = self.before(self.grant_start.view[grants], rows)
        since, until = self.grant_since.view[grants], self.grant_until.view[grants]
        if (since != EVER).any() or (until != NEVER).any():
            low, high = graph.reg_lo.view[rows], graph.reg_hi.view[rows]
            inside = np.where(
                (since <= low) & (high < until), 2, np.where((high < since) | (low >= until), 0, 1)
            )
            truth = np.minimum(inside, truth)
        ends = self.grant_end.view[grants]
        over = np.flatnonzero(ends >= 0)
        if len(over):
            truth[over] = np.minimum(truth[over], 2 - self.before(ends[over], rows[over]))
        held: Ints = np.minimum(truth, self.grant_value.view[grants]).astype(np.int8)
        return held

    def _word_allowed(self, patterns: Ints, words: Ints, *, unknown: bool) -> Ints:
        known = len(self.graph.words)
        if self._allowed.shape != (len(self._patterns), known + 1):
            allowed = np.zeros((len(self._patterns), known + 1), dtype=np.bool_)
            for words_of, number in self._patterns.items():
                if _EVERYTHING in words_of:
                    allowed[number] = True
                else:
                    for word in words_of:
                        found = self.graph.words.find(word)
                        if found >= 0:
                            allowed[number, found] = True
            self._allowed = allowed
        everything = self._allowed[:, known]
        others = np.ones(len(patterns), dtype=np.bool_) if unknown else everything[patterns]
        result: Ints = np.where(words < 0, others, self._allowed[patterns, words])
        return result

    def _scope_allows(self, scopes: Ints, about: Ints, members: Ints) -> Ints:
        """Whether scopes cover names: their prefixes are ranges of the sorted names."""
        allowed: Ints = about == members
        ranks, names = self.graph.ranks()
        low, high = self._ranges(names)
        ask = np.flatnonzero(~allowed & (about < len(ranks)))
        place = ranks[about[ask]]
        covered = np.zeros(len(ask), dtype=np.bool_)
        begin, end = low[scopes[ask]], high[scopes[ask]]
        for number in range(low.shape[1]):
            covered |= (begin[:, number] <= place) & (place < end[:, number])
        allowed[ask] = covered
        for i in np.flatnonzero(~allowed & (about >= len(ranks))).tolist():
            allowed[i] = self._covers(int(scopes[i]), int(about[i]))
        return allowed

    def _ranges(self, names: list[str]) -> tuple[Ints, Ints]:
        """Of each scope the ranges among the sorted names that it covers."""
        if self._ranges_of is not names or len(self._low) != len(self._prefixes):
            made: list[list[tuple[int, int]]] = []
            for prefixes in self._prefixes:
                if prefixes is None:
                    made.append([(0, len(names))])
                    continue
                ranges = _places(names, prefixes[1])
                made.append(ranges)
            width = max((len(r) for r in made), default=0)
            self._low = np.zeros((len(made), width), dtype=np.int32)
            self._high = np.zeros((len(made), width), dtype=np.int32)
            for number, ranges in enumerate(made):
                for place, (first, last) in enumerate(ranges):
                    self._low[number, place], self._high[number, place] = first, last
            self._ranges_of = names
        return self._low, self._high

    def _covers(self, scope: int, node: int) -> bool:
        prefixes = self._prefixes[scope]
        if prefixes is None:
            return True
        name = self.graph.name(node)
        return name.startswith(prefixes[0]) or name in prefixes[1]

    def operates(self, issuer: int, list_id: str) -> bool:
        """True where an accepted list is operated by ``issuer``."""
        return self._operators.get(list_id) == self.graph.name(issuer)


def bounded(service: Service, names: frozenset[str]) -> Service:
    """The service as somebody may give it whose own power over the list covers these names: nobody
    hands on more than he has, so it reaches only what lies within them, whatever its own scope says
    (its holder's own name always lies in his scope).
    """
    if _EVERYTHING in names:
        return service
    scope = [*service.scope]
    if _EVERYTHING in scope:
        scope = sorted(names)
    within = {prefix for prefix in scope if in_scope(prefix, names)}
    within.update(name for name in names if in_scope(name, scope))
    return service if within == {*service.scope} else replace(service, scope=sorted(within))


def _prefixes(scope: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]] | None:
    """What a name must begin with or be, so that ``in_scope`` holds; None for everything."""
    if _EVERYTHING in scope:
        return None
    starts: list[str] = []
    for prefix in scope:
        if prefix[-1] in _BORDERS:
            starts.append(prefix)
        else:
            starts.extend(prefix + border for border in _BORDERS)
    return tuple(starts), frozenset(scope)


def _places(names: list[str], exact: Iterable[str]) -> list[tuple[int, int]]:
    """The ranges of sorted names that the prefixes of a scope cover (as ``_prefixes`` has them)."""
    ranges: list[tuple[int, int]] = []
    total = len(names)
    for prefix in exact:
        low = bisect_left(names, prefix)
        if low < total and names[low] == prefix:
            ranges.append((low, low + 1))
        if prefix[-1] in _BORDERS:
            end = bisect_left(names, prefix[:-1] + chr(ord(prefix[-1]) + 1), low)
            ranges.append((low, end))
            continue
        # what follows a border at the end of the prefix: few names, so the rest is quick
        high = bisect_left(names, prefix + _AFTER_BORDERS, low)
        for border in _BORDERS if low < high else "":
            first = bisect_left(names, prefix + border, low, high)
            ranges.append((first, bisect_left(names, prefix + chr(ord(border) + 1), first, high)))
    return [r for r in ranges if r[0] < r[1]]


def _closed_at(log: LogAnchor) -> int:
    """The size up to which a log counts: where its last key was retired, if all were."""
    ends = [
        next((size for name, size in log.closed.items() if key.startswith(name)), NEVER)
        for key in log.keys
    ]
    return max(ends, default=NEVER)
