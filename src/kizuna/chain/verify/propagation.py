# SPDX-License-Identifier: Apache-2.0
"""Stratum 5: what each node is worth once everything it depends on is counted.

The value of a node is the meet of its own and of what its dependencies count for, and the values
are the *greatest* ones that satisfy this: a cycle without a defect is trusted.

Keeps: 1. ``sink`` lowers values from above until they hold. Every step is forced, so the order does
not matter, and each node falls at most twice. 2. ``renew`` gives after a change what ``sink`` would
give from the top, and touches only what can differ. Why: let C be the nodes whose own value or
ties changed, and suppose a node x outside C is worth more than before. Then x was below its own
value (its own and its ties did not change, so only a dependency can have held it down) and one of
its dependencies is worth more than before too. Follow such dependencies: either the path meets C,
or it never ends, and then the nodes on it that rose support each other without any change; but then
they could have stood as high before, against the old values having been the greatest. So every
node that rises is in R = C and whatever reaches C through nodes that were below their own value.
Setting R to its own values and sinking from there is sinking from a point above the new greatest
fixpoint and below the top, and it ends in the greatest fixpoint.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.verify.distinct import distinct, union
from kizuna.chain.verify.rules import Tie
from kizuna.criteria.profiles import Counting

__all__ = ["Ties", "group_values", "renew", "sink"]

TRUSTED = 2
UNDETERMINED = 1
UNTRUSTED = 0
_WHOLE = 10_000


class Ties(Protocol):
    """The counted ties of a judgement."""

    ties: tuple[Tie, ...]

    def into(self, nodes: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Ties to some nodes: (position in ``nodes``, who depends, rule, alternative)."""
        ...

    def out_of(self, nodes: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Ties from some nodes: (position in ``nodes``, what is depended on, rule, alternative,
        the best that it can count for here).
        """
        ...


def sink(ties: Ties, value: Ints, frontier: Ints) -> Ints:
    """Lower ``value`` until every node is worth no more than its own and its dependencies.

    Args:
        ties: who depends on what.
        value: changed in place; at every node at least the greatest fixpoint.
        frontier: distinct nodes whose value may hold others down.

    Returns:
        The nodes that fell.
    """
    simple = _simple(ties.ties)
    fallen: list[Ints] = []
    frontier = frontier[value[frontier] < TRUSTED]
    while len(frontier):
        at, above, rule, alternative = ties.into(frontier)
        plain = simple[rule] & (alternative == 0)
        held = above[plain]
        below = value[frontier[at[plain]]]
        drops = below < value[held]
        held, below = held[drops], below[drops]
        changed = distinct(held)
        np.minimum.at(value, held, below)
        grouped = _counting(ties.ties)[rule] & ~plain
        owners = distinct(above[grouped])
        if len(owners):
            counted = np.minimum(group_values(ties, owners, value), value[owners])
            lower = counted < value[owners]
            value[owners[lower]] = counted[lower]
            changed = union(changed, owners[lower])
        if len(changed):
            fallen.append(changed)
        frontier = changed
    return distinct(np.concatenate(fallen)) if fallen else np.empty(0, dtype=np.int64)


def renew(ties: Ties, own: Ints, value: Ints, changed: Ints) -> Ints:
    """Restore the greatest fixpoint after the own value or the ties of nodes changed.

    Args:
        ties: who depends on what.
        own: what each node is by itself, and by its parts as its bill describes them.
        value: changed in place.
        changed: distinct nodes.

    Returns:
        The nodes whose value may differ from before.
    """
    counting = _counting(ties.ties)
    risen = set(changed.tolist())
    frontier = changed
    while len(frontier):
        _, above, rule, _ = ties.into(frontier)
        above = distinct(above[counting[rule]])
        above = above[value[above] < own[above]]
        frontier = np.asarray([n for n in above.tolist() if n not in risen], dtype=np.int64)
        risen.update(frontier.tolist())
    region = np.asarray(sorted(risen), dtype=np.int64)
    value[region] = own[region]
    at, below, rule, alternative, _ = ties.out_of(region)
    simple = _simple(ties.ties)
    plain = simple[rule] & (alternative == 0)
    np.minimum.at(value, region[at[plain]], value[below[plain]])
    grouped = counting[rule] & ~plain
    owners = distinct(region[at[grouped]])
    if len(owners):
        value[owners] = np.minimum(value[owners], group_values(ties, owners, value))
    fell = sink(ties, value, region)
    return union(region, fell)


def group_values(ties: Ties, owners: Ints, value: Ints) -> Ints:
    """What shares and alternatives leave of each owner (distinct nodes)."""
    at, below, rule, alternative, best_here = ties.out_of(owners)
    keep = _counting(ties.ties)[rule] & (~_simple(ties.ties)[rule] | (alternative != 0))
    result = np.full(len(owners), TRUSTED, dtype=np.int8)
    at, below, rule, alternative = at[keep], below[keep], rule[keep], alternative[keep]
    if not len(at):
        return result
    worth = np.minimum(value[below], best_here[keep])
    unit_at, unit_rule, best, _ = units(at, below, rule, alternative, worth)
    blocking = np.asarray([t.counting is Counting.BLOCKING for t in ties.ties])[unit_rule]
    np.minimum.at(result, unit_at[blocking], best[blocking])
    shared = ~blocking
    if shared.any():
        where, what, given, _ = shares(ties.ties, unit_at[shared], unit_rule[shared], best[shared])
        del what
        np.minimum.at(result, where, given)
    return result


def units(
    at: Ints, below: Ints, rule: Ints, alternative: Ints, worth: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """What counts as one: alternatives together, anything else once however often it is named.

    Args:
        at: of each tie its owner.
        below: what is depended on.
        rule: the profile's rule for it.
        alternative: the name of its alternative, 0 for none.
        worth: what it counts for.

    Returns:
        Of each unit its owner, its rule and its best value; and of each tie its unit.
    """
    alone = np.where(alternative == 0, below.astype(np.int64), np.int64(-1))
    order = np.lexsort((alone, alternative, rule, at))
    first = np.ones(len(order), dtype=np.bool_)
    for part in (at, rule, alternative, alone):
        if part is at:
            first[1:] = part[order][1:] != part[order][:-1]
        else:
            first[1:] |= part[order][1:] != part[order][:-1]
    unit = np.empty(len(order), dtype=np.int64)
    unit[order] = np.cumsum(first) - 1
    best = np.zeros(int(first.sum()), dtype=np.int8)
    np.maximum.at(best, unit, worth)
    heads = order[first]
    return at[heads], rule[heads], best, unit


def shares(
    ties: tuple[Tie, ...], unit_at: Ints, unit_rule: Ints, best: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """What bounded shares come to.

    Returns:
        Of each (owner, rule) the owner, the rule and the value; and of each unit its share.
    """
    order = np.lexsort((unit_rule, unit_at))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (np.diff(unit_at[order]) != 0) | (np.diff(unit_rule[order]) != 0)
    share = np.empty(len(order), dtype=np.int64)
    share[order] = np.cumsum(first) - 1
    total = np.bincount(share)
    good = np.bincount(share, weights=best == TRUSTED).astype(np.int64)
    bad = np.bincount(share, weights=best == UNTRUSTED).astype(np.int64)
    heads = order[first]
    rules = unit_rule[heads]
    needed = np.asarray([t.share for t in ties], dtype=np.int64)[rules] * total
    worth = np.where(
        good * _WHOLE >= needed,
        TRUSTED,
        np.where((total - bad) * _WHOLE < needed, UNTRUSTED, UNDETERMINED),
    ).astype(np.int8)
    return unit_at[heads], rules, worth, share


def _simple(ties: tuple[Tie, ...]) -> Ints:
    return np.asarray([t.counting is Counting.BLOCKING for t in ties] or [False], dtype=np.bool_)


def _counting(ties: tuple[Tie, ...]) -> Ints:
    return np.asarray(
        [t.counting is not Counting.INFORMATIVE for t in ties] or [False], dtype=np.bool_
    )
