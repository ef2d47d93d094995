# SPDX-License-Identifier: Apache-2.0
"""Supply: simulated supply chains of any size, with everything that is wrong in them known.

Up to 10,000 organisations and 1,000,000 components in about 290,000 signed statements: a thousand
products and more that share suppliers, six tiers, skewed fan-out, things under two identifiers,
cycles, alternatives, shares; every kind of defect at its rate; dates, levels and versions drawn
one by one.

Keeps: 1. The same scale, seed and time give the same statements. 2. Truth is worked out apart from
any judging engine. 3. Statements stream: they are never all in memory.

Example:
    >>> world = Supply.generate(Scale.of(1_000), seed=7, at=1_800_000_000)
    >>> len(world.truth.products), world.profile.name
    (3, 'supply-chain')
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from typing import Final

import numpy as np

from kizuna.criteria.profiles import Counting, Profile, read_profile
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Notice, Severity, Status, Target
from kizuna.model.relation import Relation
from kizuna.model.trust import Anchors, ListAnchor
from kizuna.worlds.supply.cast import LIST_NAME, Cast
from kizuna.worlds.supply.faults import Fault, Faults, draw_faults
from kizuna.worlds.supply.shape import Scale, Shape, shape_of
from kizuna.worlds.supply.statements import Batch, Speech
from kizuna.worlds.supply.truth import Comparison, Truth, values_of

__all__ = [
    "GROWTH",
    "RATE",
    "Batch",
    "Comparison",
    "Fault",
    "Faults",
    "Scale",
    "Supply",
    "Truth",
    "growth",
    "supply_profile",
]

RATE: Final = 0.02
"""Share of nodes with each kind of defect."""

GROWTH: Final = (10_000, 100_000, 1_000_000)
"""The sizes, in components, at which figures are taken."""


@cache
def supply_profile() -> Profile:
    """The profile for simulated supply chains: a dozen requirements, two with a condition."""
    from importlib.resources import files  # noqa: PLC0415 - slow to import, seldom needed

    return read_profile((files(__name__) / "profile.yaml").read_bytes(), "supply/profile.yaml")


def growth(*, seed: int, at: int, most: int = GROWTH[-1]) -> Iterator[Supply]:
    """The same world at growing sizes, up to ``most`` components, made one after another."""
    for components in GROWTH:
        if components <= most:
            yield Supply.generate(Scale.of(components), seed=seed, at=at)


class Supply:
    """One simulated supply chain."""

    def __init__(self, shape: Shape, faults: Faults, seed: int, at: int) -> None:
        self._shape = shape
        self._faults = faults
        self._seed = seed
        self._cast = Cast(shape, at, seed)
        self.at = at
        """When it is to be judged; all statements are registered before."""
        self.scale = shape.scale
        self.profile = supply_profile()

    @staticmethod
    def generate(scale: Scale, *, seed: int, at: int, rate: float = RATE) -> Supply:
        """Draw a world.

        Args:
            scale: how large; ``Scale.of(components)`` has the usual proportions.
            seed: the same seed gives the same world.
            at: when it is judged, in seconds since 1970.
            rate: share of nodes with each kind of defect; 0 for a world without any.

        Raises:
            Malformed: ``world.scale``.
        """
        shape = shape_of(scale, seed)
        return Supply(shape, draw_faults(shape, seed, rate), seed, at)

    @property
    def anchors(self) -> Anchors:
        """Whom the world's verifier believes."""
        return Anchors(
            lists=[
                ListAnchor(id=self._cast.list_id, operator=self._cast.operator.id, name=LIST_NAME)
            ],
            verifier=self._cast.verifier.id,
        )

    def batches(self, size: int = 2_000, threads: int = 2) -> Iterator[Batch]:
        """Every statement, signed, in batches to be registered each at its own ``now``."""
        yield from Speech(self._cast, self._shape, self._faults, self._seed).batches(size, threads)

    @cached_property
    def truth(self) -> Truth:
        """What is true at ``at``, when every batch was registered at its time."""
        products = range(self._shape.products)
        values = values_of(self._shape, self._faults, self._share())
        defects: set[tuple[SubjectId, Code]] = set()
        shown: set[tuple[SubjectId, Code]] = set()
        for number in np.flatnonzero(self._faults.component >= 0).tolist():
            fault = self._faults.of_component(number)
            if fault is not None and fault.code is not None:
                self._sort(defects, shown, self._bearer(number, fault), fault.code)
        for number in np.flatnonzero(self._faults.organisation >= 0).tolist():
            fault = self._faults.of_organisation(number)
            if fault is not None and fault.code is not None:
                self._sort(defects, shown, self._cast.organisations[number].id, fault.code)
        return Truth(
            products={self._cast.component(n): Value(int(values[n])) for n in products},
            defects=frozenset(defects),
            shown=frozenset(shown),
        )

    @property
    def products(self) -> list[SubjectId]:
        """The products, by number."""
        return [self._cast.component(number) for number in range(self._shape.products)]

    @property
    def components(self) -> Iterator[SubjectId]:
        """Every component, by number."""
        return (self._cast.component(number) for number in range(self.scale.components))

    @property
    def organisations(self) -> list[SubjectId]:
        """Every organisation that makes something."""
        return [party.id for party in self._cast.organisations]

    def title_of(self, number: int) -> dict[str, str]:
        """The name of an organisation, by language."""
        return dict(self._cast.organisations[number].title)

    def sound_component(self, number: int = 0) -> SubjectId:
        """A component deep in a sound family, without any fault: the ``number``-th of them."""
        shape = self._shape
        family = 3 if self.scale.families > 3 else 0
        free = (self._faults.component < 0) & ~shape.aliased & ~shape.reserved
        sound = np.flatnonzero(free & (shape.tier == 4) & (shape.family == family))
        return self._cast.component(int(sound[number % len(sound)]))

    def most_used(self) -> SubjectId:
        """The component on which the most others depend, counted over the twenty parts that are
        built into most assemblies.
        """
        shape = self._shape
        order = np.argsort(shape.part, kind="stable")
        users = shape.whole[order]
        begin = np.searchsorted(shape.part[order], np.arange(self.scale.components + 1))
        uses = np.diff(begin) * ~shape.aliased

        def above(number: int) -> int:
            seen = {number}
            frontier = [number]
            while frontier:
                node = frontier.pop()
                fresh = set(users[begin[node] : begin[node + 1]].tolist()) - seen
                seen |= fresh
                frontier += fresh
            return len(seen)

        return self._cast.component(max(np.argsort(uses)[-20:].tolist(), key=above))

    def notice(self, subject: SubjectId, at: int, name: str = "SIM-NEW") -> bytes:
        """One more notice of the coordinator, severe, signed."""
        notice = Notice(type="vulnerability", severity=Severity.CRITICAL, id=name)
        return self._cast.coordinator.say(Kind.NOTICE, subject, notice, at)

    def withdrawal(self, subject: SubjectId, statement: str, at: int) -> bytes:
        """The coordinator takes back the notice with this digest (hex)."""
        status = Status(action=Action.WITHDRAW, target=Target(statement=statement), reason="mended")
        return self._cast.coordinator.say(Kind.STATUS, subject, status, at)

    def _share(self) -> int:
        rule = self.profile.follow_of(Relation.PART_OF, "consumable")
        return rule.share if rule is not None and rule.counts is Counting.SHARE else 0

    def _bearer(self, number: int, fault: Fault) -> SubjectId:
        """The node at which a component's fault shows."""
        if fault is Fault.SILENT_PART:
            return self._cast.unheard_part(number)
        if fault is Fault.SILENT_MAKER:
            return self._cast.unheard_maker(number)
        return self._cast.component(number)

    @staticmethod
    def _sort(
        defects: set[tuple[SubjectId, Code]],
        shown: set[tuple[SubjectId, Code]],
        subject: SubjectId,
        code: Code,
    ) -> None:
        (shown if code.value_given is Value.TRUSTED else defects).add((subject, code))
