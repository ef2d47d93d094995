# SPDX-License-Identifier: Apache-2.0
"""Spot checks: a gateway is believed about a thousand leaves because any of them may be asked for.

Keeps: 1. Leaves are drawn only after the bundle, and so its root, was handed in. 2. The leaf at a
place must be the device that stands there in the order of names: the verifier knows the order, so
a gateway cannot fill the tree with one good device. 3. What is judged is the device's own evidence,
by the verifier's own reference values. 4. Only what the root that was signed leads to is the
gateway's word: an opening that anybody could have made up proves nothing against it.

The chance to find out a gateway that affirms a share ``f`` of leaves wrongly, with ``s`` leaves
drawn, is 1 - (1 - f)^s per epoch; over ``n`` epochs 1 - (1 - f)^(s n).

Example:
    >>> f"{chance(0.01, 20, epochs=10):.2f}"
    '0.87'
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, Status
from kizuna.proof.attestation.fleet.bundle import Bundle, Opening, read_leaf
from kizuna.proof.attestation.fleet.register import Register
from kizuna.proof.attestation.fleet.tree import holds

__all__ = [
    "DRAWN",
    "Checked",
    "chance",
    "check_opening",
    "covered_by",
    "draw",
    "expected",
    "places_of",
]

DRAWN: Final = 4
"""Leaves asked for per bundle, where nothing else was said."""
_UNTOLD: Final = frozenset(
    {
        AppraisalCode.KEY_UNKNOWN,
        AppraisalCode.SCHEME_UNKNOWN,
        AppraisalCode.REFERENCE_MISSING,
    }
)
"""What the verifier lacks itself: no lie of the gateway."""


class Checked(NamedTuple):
    """What came of an opening."""

    wrong: str = ""
    """What does not hold; empty where it holds."""
    lie: bool = False
    """Whether the gateway's own signature stands behind what does not hold."""


def chance(share: float, drawn: int, *, epochs: int = 1) -> float:
    """The chance that at least one of the leaves drawn is one of the wrong ones."""
    return 1.0 - float((1.0 - share) ** (drawn * epochs))


def draw(size: int, count: int, randomness: bytes) -> list[int]:
    """``count`` different places of a tree of ``size`` leaves; ``randomness`` must be secret until
    the bundle is in.
    """
    if size <= count:
        return list(range(size))
    return sorted(random.Random(randomness).sample(range(size), count))  # noqa: S311 - seeded by
    # 32 bytes of the system's randomness: nobody can tell the places beforehand


def expected(register: Register, bundle: Bundle, places: Sequence[int]) -> list[str]:
    """Which devices must stand at these places of the tree."""
    covered = _covered(register, bundle)
    return [covered[place] for place in places if place < len(covered)]


def places_of(register: Register, bundle: Bundle, subjects: Collection[str]) -> list[int]:
    """Where these devices stand in the tree; those that are left out stand nowhere."""
    if not subjects:
        return []
    return [at for at, name in enumerate(_covered(register, bundle)) if name in subjects]


def covered_by(register: Register, bundle: Bundle) -> int:
    """How many leaves the tree must have."""
    find, position = register.find, register.position_of
    left_out = 0
    for name in bundle.exceptions:
        index = find(name)
        left_out += index is not None and position(index) == bundle.gateway
    return len(register.children_of(bundle.gateway)) - left_out


def check_opening(
    bundle: Bundle,
    opening: Opening,
    subject: str,
    appraise: Callable[[str, bytes, int], Appraisal],
) -> Checked:
    """What is wrong with an opened leaf, and whether the gateway's signature stands behind it.

    Args:
        bundle: the bundle it belongs to.
        opening: what the gateway sent.
        subject: the device that must stand at this place.
        appraise: ``appraise(subject, evidence, epoch)`` by the verifier's own values.
    """
    if not holds(bundle.root, bundle.affirming, opening.index, opening.entry, opening.proof):
        return Checked("it does not lead to the root that was signed")
    try:
        leaf = read_leaf(opening.entry)
    except Malformed as fault:
        return Checked(fault.why, lie=True)
    if leaf.subject != subject:
        return Checked(f"another device stands in the place of {subject}", lie=True)
    if leaf.epoch != bundle.epoch:
        return Checked(f"the leaf of {subject} is of another epoch", lie=True)
    if leaf.evidence != sha256(opening.evidence).digest():
        return Checked(f"the evidence shown for {subject} is not the evidence affirmed")
    appraisal = appraise(subject, opening.evidence, bundle.epoch)
    if appraisal.status is not Status.AFFIRMING:
        found = {finding.code for finding in appraisal.findings}
        codes = ", ".join(finding.code.value for finding in appraisal.findings)
        wrong = f"{subject} is {appraisal.status.value}: {codes}"
        return Checked(wrong, lie=not (appraisal.status is Status.NONE and found & _UNTOLD))
    return Checked()


def _covered(register: Register, bundle: Bundle) -> list[str]:
    left_out, names = bundle.exceptions.keys(), register.subjects
    return [names[i] for i in register.children_of(bundle.gateway) if names[i] not in left_out]
