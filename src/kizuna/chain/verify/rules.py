# SPDX-License-Identifier: Apache-2.0
"""A profile made ready: words as numbers, elements as bits, relations as a table.

Keeps: nothing is decided here; a profile and its rules say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import ELEMENTS, RELATIONS, Graph
from kizuna.chain.verify.authority import KIND_BIT
from kizuna.criteria.profiles import (
    ANY_TYPE,
    SELF,
    SUPPLIER,
    Counting,
    NoticeRule,
    Place,
    Profile,
    Requirement,
    Silence,
)
from kizuna.model.identifier import Element
from kizuna.model.payload import Severity

__all__ = ["ALL_ELEMENTS", "ELEMENT_BIT", "TAMPERING", "Rule", "Rules", "Services", "Tie"]

ELEMENT_BIT: Final = {element: 1 << i for i, element in enumerate(ELEMENTS)}
TAMPERING: Final = "tampering"
"""The type of notice that no waiver removes."""
ALL_ELEMENTS: Final = (1 << len(ELEMENTS)) - 1


@dataclass(frozen=True, slots=True)
class Services:
    """Whose word is accepted: services of lists (words), the supplier's own, the verifier's own."""

    words: tuple[int, ...]
    supplier: bool
    verifier: bool

    @staticmethod
    def of(graph: Graph, names: tuple[str, ...]) -> Services:
        """From the names in a profile."""
        words = tuple(sorted(graph.words.id(n) for n in names if n != SUPPLIER))
        return Services(words, SUPPLIER in names, SELF in names)

    def allow(self, services: Ints) -> Ints:
        """Which of some service types are accepted."""
        table = np.zeros(int(services.max()) + 1 if len(services) else 1, dtype=np.bool_)
        for word in self.words:
            if word < len(table):
                table[word] = True
        allowed: Ints = table[services]
        return allowed


@dataclass(frozen=True, slots=True)
class Rule:
    """A requirement made ready."""

    source: Requirement
    words: tuple[int, ...]
    kinds: int
    elements: int
    services: Services
    level: int
    present: frozenset[str]
    condition: str | None
    in_parts: bool
    in_root: bool


@dataclass(frozen=True, slots=True)
class Tie:
    """A relation to follow, made ready."""

    relation: int
    category: int  # -1: any that no other rule names
    counting: Counting
    share: int
    complete: bool
    required: bool
    elements: int
    in_parts: bool
    in_root: bool

    @property
    def requirement(self) -> str:
        """The name of the finding's requirement, which a waiver can name."""
        return f"follow:{RELATIONS[self.relation].value}"


class Rules:
    """A profile over one graph."""

    def __init__(self, profile: Profile, graph: Graph) -> None:
        self.profile = profile
        self.requirements = tuple(_rule(r, graph) for r in profile.requirements)
        self.ties = tuple(
            Tie(
                relation=RELATIONS.index(f.relation),
                category=-1 if f.category is None else graph.labels.id(f.category),
                counting=f.counts,
                share=f.share,
                complete=f.complete,
                required=f.required,
                elements=_bits(f.elements),
                in_parts=f.place is not Place.ROOT,
                in_root=f.place is not Place.PARTS,
            )
            for f in profile.follow
        )
        self.notices: tuple[tuple[NoticeRule, Services], ...] = tuple(
            (n, Services.of(graph, n.services)) for n in profile.notices
        )
        self._notice_rules: dict[tuple[str, Severity], tuple[tuple[Services, bool], ...]] = {}
        self._graph = graph
        self._filled: dict[frozenset[str], Ints] = {}
        self._plain = np.full(len(RELATIONS), -1, dtype=np.int8)
        for number, tie in enumerate(self.ties):
            if tie.category < 0:
                self._plain[tie.relation] = number
        self._waivable = frozenset(
            [r.source.id for r in self.requirements]
            + [t.requirement for t in self.ties]
            + ["silent", "root", "follow:links"]
        )
        self.words = frozenset(w for r in self.requirements for w in r.words)
        self.follows = frozenset(t.relation for t in self.ties)

    def of_notice(self, word: str, severity: Severity) -> tuple[tuple[Services, bool], ...]:
        """The rules for notices of this type: whose word counts, and whether it is severe enough.

        Tampering is severe enough whatever is said of its severity.
        """
        known = self._notice_rules.get((word, severity))
        if known is None:
            known = self._notice_rules[word, severity] = tuple(
                (accepted, word == TAMPERING or severity.rank >= rule.severity.rank)
                for rule, accepted in self.notices
                if ANY_TYPE in rule.types or word in rule.types
            )
        return known

    def names(self, requirement: str) -> bool:
        """Whether a finding under this profile can carry this name: a waiver of it has a sense."""
        return requirement in self._waivable or requirement.startswith("notice:")

    def filled(self, fields: frozenset[str]) -> Ints:
        """Of each set of filled fields in the graph whether it holds all of these."""
        sets = self._graph.field_sets
        known = self._filled.get(fields)
        if known is None or len(known) < len(sets):
            known = np.fromiter((fields <= s for s in sets), dtype=np.bool_, count=len(sets))
            self._filled[fields] = known
        return known

    def tie_of(self, relations: Ints, categories: Ints) -> Ints:
        """The number of the rule that an edge falls under, or -1."""
        found = self._plain[relations]
        for number, tie in enumerate(self.ties):
            if tie.category >= 0:
                found = np.where(
                    (relations == tie.relation) & (categories == tie.category),
                    np.int8(number),
                    found,
                )
        return found

    def silence(self, elements: int) -> Silence:
        """What counts for a silent node: the strictest rule of its elements."""
        found = {
            self.profile.silent.of(Element(ELEMENTS[i]))
            for i in range(len(ELEMENTS))
            if elements >> i & 1
        }
        for strict in (Silence.REFUSED, Silence.UNDETERMINED):
            if strict in found:
                return strict
        return Silence.IGNORED


def _rule(requirement: Requirement, graph: Graph) -> Rule:
    kinds = 0
    for kind in requirement.kinds:
        kinds |= KIND_BIT[kind]
    return Rule(
        source=requirement,
        words=tuple(sorted(graph.words.id(c) for c in requirement.claim)),
        kinds=kinds,
        elements=_bits(requirement.elements),
        services=Services.of(graph, requirement.services),
        level=requirement.level.rank,
        present=frozenset(requirement.present),
        condition=requirement.condition,
        in_parts=requirement.place is not Place.ROOT,
        in_root=requirement.place is not Place.PARTS,
    )


def _bits(elements: tuple[Element, ...]) -> int:
    bits = 0
    for element in elements:
        bits |= ELEMENT_BIT[element]
    return bits or ALL_ELEMENTS
