# SPDX-License-Identifier: Apache-2.0
"""Whose standing changes when one profile takes the place of another.

Keeps: 1. Both are judged over the same evidence, under the same authority, at the same instant:
what differs comes from the profiles alone. 2. A value is the one that a verdict would give. 3.
Whole or over some subjects, the answer about a subject is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.judgement import Judgement
from kizuna.chain.verify.settling import CHUNK
from kizuna.criteria.profiles import Profile
from kizuna.model.finding import Value

__all__ = ["Moved", "Switched", "switch"]


@dataclass(frozen=True, slots=True)
class Moved:
    """One subject whose standing is not the same under both."""

    subject: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What the change of profile does."""

    judged: int
    """How many subjects were compared."""
    moved: tuple[Moved, ...]
    parts_moved: int
    """Of everything in a whole judgement, judged as parts: how many stand otherwise."""
    before: Judgement
    after: Judgement


def switch(
    authority: Authority,
    before: Profile,
    after: Profile,
    *,
    at: int,
    subjects: Iterable[str] | None = None,
) -> Switched:
    """Compare two profiles.

    Args:
        authority: who may say what, over the evidence at hand.
        before: the profile that is left.
        after: the profile that takes effect.
        at: the day of the change, in seconds since 1970.
        subjects: whom to compare; None: everything that nothing else depends on.
    """
    old, new = Judgement(authority, before, at), Judgement(authority, after, at)
    new.frame = old.frame  # names and fates are the same for both: they are worked out once
    if subjects is not None:
        return _of_some(old, new, dict.fromkeys(subjects))
    old.settle_all()
    new.settle_all()
    total = authority.graph.nodes
    apart = old.value[:total] != new.value[:total]
    apart &= old.frame.rep[:total] == np.arange(total)
    tops = np.union1d(old.tops(), new.tops())
    tops = tops[old.known(tops)]
    was, now = _values(old, tops), _values(new, tops)
    moved = tuple(
        Moved(authority.graph.name(int(tops[i])), Value(int(was[i])), Value(int(now[i])))
        for i in np.flatnonzero(was != now).tolist()
    )
    return Switched(
        judged=len(tops), moved=moved, parts_moved=int(apart.sum()), before=old, after=new
    )


def _of_some(old: Judgement, new: Judgement, subjects: Iterable[str]) -> Switched:
    moved = []
    count = 0
    for subject in subjects:
        was, now = old.verdict(subject).value, new.verdict(subject).value
        count += 1
        if was is not now:
            moved.append(Moved(subject, was, now))
    return Switched(judged=count, moved=tuple(moved), parts_moved=0, before=old, after=new)


def _values(judged: Judgement, tops: Ints) -> Ints:
    """What verdicts about these would say, the record's own bounds included."""
    made = np.empty(len(tops), dtype=np.int8)
    for start in range(0, len(tops), CHUNK):
        made[start : start + CHUNK] = judged.root_values(tops[start : start + CHUNK])
    worst = min((int(f.code.value_given) for f in judged.bounds()), default=int(Value.TRUSTED))
    return np.minimum(made, worst)
