# SPDX-License-Identifier: Apache-2.0
"""Mappings: how the controls of one catalog relate to those of another.

Keeps: 1. Each tie says of what kind it is, how sure its author is, and whether the organisation
that signs the mapping accepts it; nobody's proposal is more than a proposal. 2. A mapping names
its source. 3. A tie that points at a control that is not there is refused, by name.

The relation is read from left to right: ``superset`` says that what the source asks holds all that
the target asks. Several sources or targets of a tie are meant together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from kizuna.criteria.catalogs.catalog import Catalog, Control
from kizuna.criteria.catalogs.plain_yaml import read_yaml
from kizuna.model.errors import Absent, Malformed
from kizuna.model.payload.terms import Name, Text

__all__ = ["MAPPING", "Confidence", "Kinship", "Mapping", "Tie", "ends_of", "read_mapping"]

MAPPING: Final = "mapping"
"""The type of the norm statement that carries a mapping."""

_MAX_TIES: Final = 50_000
_MAX_ENDS: Final = 500


class Kinship(StrEnum):
    """How what the source asks relates to what the target asks (NIST IR 8477)."""

    EQUAL = "equal"  # the same words
    EQUIVALENT = "equivalent"  # the same meaning
    SUBSET = "subset"  # the target asks all of it and more
    SUPERSET = "superset"  # it asks all of the target and more
    INTERSECTS = "intersects"
    NONE = "none"  # looked at, and nothing in common

    @property
    def whole(self) -> bool:
        """True where meeting the source meets the whole target."""
        return self in (Kinship.EQUAL, Kinship.EQUIVALENT, Kinship.SUPERSET)

    @property
    def turned(self) -> Kinship:
        """The relation read from right to left."""
        return {Kinship.SUBSET: Kinship.SUPERSET, Kinship.SUPERSET: Kinship.SUBSET}.get(self, self)


class Confidence(StrEnum):
    """How sure the author is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Tie(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One relation between controls."""

    sources: tuple[str, ...] = msgspec.field(name="from")
    targets: tuple[str, ...] = msgspec.field(name="to")
    relation: Kinship
    confidence: Confidence = Confidence.LOW
    accepted: bool = False
    held: bool = False
    """Its author marks it as no more than a proposal: accepting the mapping leaves it so."""
    note: Text = ""


class Mapping(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One version of one mapping."""

    name: Name = msgspec.field(name="mapping")
    version: Name
    title: dict[str, Text]
    source: Text
    """Who made it, and out of what."""
    origin: Name = msgspec.field(name="from")
    """The catalog whose controls stand on the left."""
    goal: Name = msgspec.field(name="to")
    """The catalog whose controls stand on the right."""
    ties: tuple[Tie, ...]

    def document(self) -> dict[str, Any]:
        """The form in which it is signed and registered (a ``norm`` of type ``mapping``)."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    @staticmethod
    def from_document(document: object) -> Mapping:
        """A mapping from its registered form.

        Raises:
            Malformed: ``mapping.malformed``.
        """
        try:
            found = msgspec.convert(document, Mapping)
        except msgspec.ValidationError as fault:
            raise malformed(str(fault)) from fault
        return found.checked()

    def checked(self) -> Mapping:
        """Itself, within bounds.

        Raises:
            Malformed: ``mapping.malformed``.
        """
        if not 0 < len(self.ties) <= _MAX_TIES:
            raise malformed(f"{len(self.ties)} ties; 1 to {_MAX_TIES} are read")
        if not self.source.strip():
            raise malformed("it does not say from what source it comes")
        for number, tie in enumerate(self.ties, 1):
            for ends in (tie.sources, tie.targets):
                if not 0 < len(ends) <= _MAX_ENDS or any(not 0 < len(e) <= 200 for e in ends):
                    raise malformed(f"tie {number}: 1 to {_MAX_ENDS} controls on each side")
        return self

    def with_acceptance(self, *, accepted: bool) -> Mapping:
        """The same with its ties accepted (but those held back), or with every tie proposed."""
        return msgspec.structs.replace(
            self,
            ties=tuple(
                msgspec.structs.replace(t, accepted=accepted and not t.held) for t in self.ties
            ),
        )

    @property
    def accepted(self) -> int:
        """How many of its ties are accepted."""
        return sum(t.accepted for t in self.ties)

    def check_ends(self, origin: Catalog, goal: Catalog) -> None:
        """See that every tie points at controls that are there.

        Raises:
            Malformed: ``mapping.points-nowhere``.
        """
        for number, tie in enumerate(self.ties, 1):
            for catalog, ends in ((origin, tie.sources), (goal, tie.targets)):
                for end in ends:
                    try:
                        catalog.within(end)
                    except Absent as fault:
                        raise Malformed(
                            "mapping.points-nowhere",
                            f"tie {number} of {self.name} names {end[:80]}, "
                            f"which {catalog.id} does not have",
                            why="a tie to nothing would count for nothing, unseen",
                            hint=f"`kizuna catalog show {catalog.id}` lists its controls",
                            mapping=self.name,
                            tie=number,
                            control=end[:80],
                            catalog=catalog.id,
                        ) from fault

    def withdrawn_ends(self, origin: Catalog, goal: Catalog) -> tuple[tuple[str, Control], ...]:
        """The withdrawn controls that ties name, each with its catalog: a tie covers nothing there,
        and what stands in their place is for whoever draws the mapping up to say.
        """
        found: dict[tuple[str, str], Control] = {}
        for tie in self.ties:
            for catalog, ends in ((origin, tie.sources), (goal, tie.targets)):
                for control in (c for end in ends for c in catalog.within(end) if c.withdrawn):
                    found[catalog.id, control.id] = control
        return tuple((name, control) for (name, _), control in found.items())

    def turned(self) -> Mapping:
        """The mapping read from right to left."""
        return msgspec.structs.replace(
            self,
            origin=self.goal,
            goal=self.origin,
            ties=tuple(
                msgspec.structs.replace(
                    t, sources=t.targets, targets=t.sources, relation=t.relation.turned
                )
                for t in self.ties
            ),
        )

    def unmapped(self, catalog: Catalog, *, left: bool) -> Iterator[str]:
        """The controls in force of one of its catalogs that no tie names."""
        named = {
            control.id
            for tie in self.ties
            for end in (tie.sources if left else tie.targets)
            for control in catalog.within(end)
        }
        return (c.id for c in catalog.controls if not c.withdrawn and c.id not in named)


def read_mapping(data: bytes) -> Mapping:
    """A mapping from our YAML.

    Raises:
        Malformed: ``mapping.malformed``.
    """
    found = read_yaml(data, "mapping.malformed")
    ties = found.get("ties")
    for tie in ties if isinstance(ties, list) else ():
        if isinstance(tie, dict):
            for side in ("from", "to"):
                if isinstance(tie.get(side), str):
                    tie[side] = [tie[side]]
            status = tie.pop("status", None)
            if status not in (None, "proposed", "accepted"):
                raise malformed(f"status is proposed or accepted, not {str(status)[:40]!r}")
            tie["held"] = status == "proposed"
    return Mapping.from_document(found)


def malformed(why: str) -> Malformed:
    """The problem of a mapping that cannot be read."""
    return Malformed(
        "mapping.malformed",
        f"the mapping cannot be read: {why}",
        why=why,
        hint="`kizuna catalog mappings NAME` prints a worked one to compare with",
        fault=why[:200],
    )


def ends_of(catalog: Catalog, ends: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The ids that the ends of a tie stand for, and whether one of them is a whole family."""
    family = False
    ids: list[str] = []
    for end in ends:
        found = catalog.within(end)
        family |= not (len(found) == 1 and end in catalog)
        ids += [c.id for c in found]
    return tuple(dict.fromkeys(ids)), family
