# SPDX-License-Identifier: Apache-2.0
"""Where everything of a process stands on its picture.

Keeps: 1. Activities stand left of what they make and right of what they take in, as far as the
process has no circle; where it has one, the tie that closes it runs backwards. 2. An organisation
is a lane, and a lane has one row for each layer in which something happens. 3. The order of the
document breaks every tie, so that the same document is drawn the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kizuna.criteria.process.process import Process

__all__ = ["Place", "Row", "Stand", "stand"]


@dataclass(frozen=True, slots=True)
class Place:
    """A spot: column, lane, layer, and its number among those who share the three."""

    column: int
    party: str
    layer: int
    slot: int


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of one lane, and how many share its fullest spot."""

    party: str
    layer: int
    slots: int


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything's place. ``rows`` from top to bottom; layer 3, cyberspace, is a lane's highest."""

    activities: Mapping[str, Place]
    things: Mapping[str, Place]
    rows: tuple[Row, ...]
    columns: int


def stand(process: Process) -> Stand:
    """Find a place for everything."""
    rank = _ranks(process)
    spots: dict[tuple[str, int, int], int] = {}

    def put(column: int, party: str, layer: int) -> Place:
        slot = spots.get((party, layer, column), 0)
        spots[(party, layer, column)] = slot + 1
        return Place(column, party, layer, slot)

    activities = {a.id: put(2 * rank[a.id] + 1, a.party, a.layer) for a in process.activities}
    users = {t.id: [a for a in process.activities if t.id in a.consumes] for t in process.things}
    things = {}
    for thing in process.things:
        makers = process.makers.get(thing.id, ())
        if makers:
            first = min(makers, key=lambda a: rank[a.id])
            things[thing.id] = put(2 * rank[first.id] + 2, first.party, first.layer)
        elif users[thing.id]:
            first = min(users[thing.id], key=lambda a: rank[a.id])
            owner = thing.owner or first.party
            things[thing.id] = put(2 * rank[first.id], owner, first.layer)
        else:
            owner = thing.owner or process.parties[0].id
            things[thing.id] = put(0, owner, 1)
    fullest: dict[tuple[str, int], int] = {}
    for (party, layer, _), count in spots.items():
        fullest[(party, layer)] = max(count, fullest.get((party, layer), 0))
    rows = tuple(
        Row(party.id, layer, fullest[(party.id, layer)])
        for party in process.parties
        for layer in (3, 2, 1)
        if (party.id, layer) in fullest
    )
    columns = 1 + max((p.column for p in (*activities.values(), *things.values())), default=0)
    return Stand(activities, things, rows, columns)


def _ranks(process: Process) -> dict[str, int]:
    """How many steps lie before each activity, on the longest way; circles are cut where a walk in
    the document's order closes them.
    """
    after: dict[str, list[str]] = {a.id: [] for a in process.activities}
    for activity in process.activities:
        for thing in activity.consumes:
            for maker in process.makers.get(thing, ()):
                if maker.id != activity.id and activity.id not in after[maker.id]:
                    after[maker.id].append(activity.id)
    order: list[str] = []
    state: dict[str, int] = {}
    cut: set[tuple[str, str]] = set()
    for start, next_ones in after.items():
        if start in state:
            continue
        walk = [(start, iter(next_ones))]
        state[start] = 1
        while walk:
            at, rest = walk[-1]
            for following in rest:
                if state.get(following) == 1:
                    cut.add((at, following))
                elif following not in state:
                    state[following] = 1
                    walk.append((following, iter(after[following])))
                    break
            else:
                state[at] = 2
                order.append(at)
                walk.pop()
    rank = dict.fromkeys(after, 0)
    for at in reversed(order):
        for following in after[at]:
            if (at, following) not in cut:
                rank[following] = max(rank[following], rank[at] + 1)
    return rank
