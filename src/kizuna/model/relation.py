# SPDX-License-Identifier: Apache-2.0
"""The twelve link relations, each with the end that depends and so may assert it.

``X part-of Y`` reads like English. *Dependence* says whose trust needs whose: trust in the whole
needs trust in the part, trust in a component needs trust in its supplier. Only the end that
depends may assert a link (or whoever a trust list authorises for its names): nobody can hang
their own trouble, or their own blessing, on somebody else's product.

Keeps: names and directions are wire format and never change.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Relation"]


class Relation(StrEnum):
    """A relation between a subject and an object."""

    PART_OF = "part-of"
    SUPPLIED_BY = "supplied-by"
    MADE_BY = "made-by"
    PERFORMED_BY = "performed-by"
    RUNS_ON = "runs-on"
    OPERATED_BY = "operated-by"
    MEASURED_BY = "measured-by"
    DERIVED_FROM = "derived-from"
    ACTS_FOR = "acts-for"
    INSTANCE_OF = "instance-of"
    SAME_AS = "same-as"
    REPLACES = "replaces"

    @property
    def object_depends(self) -> bool:
        """True where the *object* needs the subject (``part part-of whole``; ``agent acts-for
        principal``: the principal answers for the agent and so alone may name one).
        """
        return self in (Relation.PART_OF, Relation.ACTS_FOR)

    @property
    def both_depend(self) -> bool:
        """True where the two ends are one thing, or stand for each other."""
        return self is Relation.SAME_AS

    @property
    def is_dependence(self) -> bool:
        """False where the relation is recorded but carries no trust (``replaces``)."""
        return self is not Relation.REPLACES
