# SPDX-License-Identifier: Apache-2.0
"""Grants in columns: which entry gave which member which power, from where to where in the log.

Keeps: 1. A question is asked of many statements at once, and the answer to each is 0 (no), 1
(cannot be told) or 2 (yes). 2. A grant counts for what was registered while it stood, and for
nothing else.
Does not: decide which entries count (``authority``).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Column, Index, Ints
from kizuna.chain.graph.graph import EVER, KINDS, NEVER, Graph
from kizuna.chain.verify.scopes import EVERYTHING, places, prefixes_of
from kizuna.model.payload import Service

__all__ = ["KIND_BIT", "Grants"]

KIND_BIT: Final = {kind: 1 << i for i, kind in enumerate(KINDS)}


class Grants:
    """What was granted over one graph; filled by who walks the entries."""

    graph: Graph
    members: set[int]
    """Whom some accepted list has ever entered."""

    def _no_grants(self) -> None:
        """Begin with none."""
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
                if EVERYTHING in words_of:
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
                ranges = places(names, prefixes[1])
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
                self._prefixes.append(prefixes_of(scope))
            self._specified.append((kinds, known, number))
        return found

    def _words_of(self, pattern: int) -> frozenset[str] | None:
        words = list(self._patterns)[pattern]
        return None if EVERYTHING in words else words
