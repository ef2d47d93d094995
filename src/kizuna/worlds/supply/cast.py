# SPDX-License-Identifier: Apache-2.0
"""Who is in a simulated supply chain, and what everything is called.

Keeps: names follow from numbers, so a million of them need no table.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from kizuna.model.identifier import SubjectId
from kizuna.record.lists import list_id_of
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.party import new_party
from kizuna.worlds.supply.shape import Shape

__all__ = ["LIST_NAME", "Cast"]

LIST_NAME: Final = "simulated-suppliers"

_NAMES: Final = (
    ("sazanami", "Sazanami", "さざなみ"),
    ("komatsuna", "Komatsuna", "こまつな"),
    ("tsubame", "Tsubame", "つばめ"),
    ("kurumi", "Kurumi", "くるみ"),
    ("yamabuki", "Yamabuki", "やまぶき"),
    ("hatsuyuki", "Hatsuyuki", "はつゆき"),
    ("mozuku", "Mozuku", "もずく"),
    ("tanpopo", "Tanpopo", "たんぽぽ"),
)
_TRADES: Final = (
    ("seiki", "Precision", "精機"),
    ("denshi", "Electronics", "電子"),
    ("jushi", "Polymers", "樹脂"),
    ("bane", "Springs", "ばね"),
    ("kogyo", "Industries", "工業"),
)
_NOUNS: Final = ("plant", "cabinet", "module", "board", "device", "piece")


class Cast:
    """Parties and names of one world; fixed once made."""

    def __init__(self, shape: Shape, at: int, seed: int) -> None:
        self.at = at
        self._shape = shape
        unit = EphemeralUnit(b"supply %d" % seed)
        self._unit = unit
        self.operator = new_party(unit, "Simulated List Operator", "模擬リスト運営者")
        self.list_id = list_id_of(self.operator.id, LIST_NAME)
        self.verifier = new_party(unit, "Simulated Verifier", "模擬検証者")
        self.coordinator = new_party(unit, "Simulated Coordinator", "模擬調整機関")
        self.stranger = new_party(unit, "Unlisted Body", "リスト外の機関")
        self.bodies = [new_party(unit, f"Simulated Body {i}", f"模擬認証機関{i}") for i in range(5)]
        self.assessors = [
            new_party(unit, f"Simulated Assessor {i}", f"模擬評価者{i}") for i in (1, 2)
        ]
        self.organisations = [
            new_party(unit, *self._title(number)) for number in range(shape.scale.organisations)
        ]

    def slug(self, number: int) -> str:
        """The name space of an organisation."""
        name, trade = self._words(number)
        return f"{name[0]}-{trade[0]}-{number}"

    def scope(self, number: int) -> list[str]:
        """The names an organisation may speak about."""
        slug = self.slug(number)
        return [f"https://id.{slug}.example", f"pkg:generic/{slug}"]

    def component(self, number: int) -> SubjectId:
        """The identifier of a component."""
        slug = self.slug(int(self._shape.maker[number]))
        return SubjectId(f"pkg:generic/{slug}/{self.noun(number)}@{self.version(number)}")

    def alias(self, number: int) -> SubjectId:
        """The other identifier of a component that has two: a GS1 Digital Link."""
        slug = self.slug(int(self._shape.maker[number]))
        item = f"0952{number:09d}"
        weighed = sum(int(d) * (3, 1)[i % 2] for i, d in enumerate(item))
        return SubjectId(f"https://id.{slug}.example/01/{item}{-weighed % 10}")

    def used_as(self, number: int) -> SubjectId:
        """The identifier by which those who build a component in name it."""
        return self.alias(number) if self._shape.aliased[number] else self.component(number)

    def noun(self, number: int) -> str:
        """The name of a component."""
        return f"{_NOUNS[int(self._shape.tier[number])]}-{number}"

    @staticmethod
    def version(number: int) -> str:
        """The version of a component."""
        drawn = number * 2_654_435_761 % 4_294_967_296
        return f"{drawn % 7}.{drawn // 7 % 23}.{drawn // 161 % 40}"

    def unheard_part(self, number: int) -> SubjectId:
        """A part of this component about which nobody ever says anything."""
        return SubjectId(f"pkg:generic/unheard-of/part-{number}@1.0")

    def unheard_maker(self, number: int) -> SubjectId:
        """A maker of this component who never says anything."""
        return _unheard(number)

    def _title(self, number: int) -> tuple[str, str]:
        name, trade = self._words(number)
        return f"{name[1]} {trade[1]} {number}", f"{name[2]}{trade[2]} {number}"

    @staticmethod
    def _words(number: int) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
        return _NAMES[number % len(_NAMES)], _TRADES[number // len(_NAMES) % len(_TRADES)]


@cache
def _unheard(number: int) -> SubjectId:
    unit = EphemeralUnit(b"unheard %d" % number)
    return did_key(unit.public(unit.generate(Algorithm.ES256, "unheard")))
