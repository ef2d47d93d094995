# SPDX-License-Identifier: Apache-2.0
"""Keys bound to registers: a chip uses them only while what was started is what it was.

Keeps: only a unit that compares by itself makes such keys. A program that compares before it uses
a key is the very thing that may have been changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from kizuna.roots.units.problems import not_offered
from kizuna.roots.units.unit import Handle, Purpose, Unit

__all__ = ["generate_bound"]


def generate_bound(unit: Unit, label: str, purpose: Purpose, selection: Sequence[int]) -> Handle:
    """Make an ES256 key that works only while the selected registers are as they are now.

    Raises:
        Refused: ``unit.not-offered`` where the unit only imitates registers.
    """
    make = getattr(unit, "generate_bound", None)
    if unit.traits.registers != "native" or make is None:
        raise not_offered(unit.traits.kind, "keys bound to registers")
    made: Handle = make(label, purpose, selection)
    return made
