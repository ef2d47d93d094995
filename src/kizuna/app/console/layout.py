# SPDX-License-Identifier: Apache-2.0
"""Where each box of a chain stands: layers from left to right, few crossings, short ties.

Keeps: 1. Pure and deterministic: the same chain is drawn in the same place, so that two people talk
about the same picture. 2. Work is bounded by the number of boxes (the caller folds larger chains
first, see ``folding``). 3. A cycle is drawn, not refused: one tie of it runs backwards.

The method is the usual one for layered drawings (Sugiyama, Tagawa, Toda 1981): break cycles, layer
by longest path, let long ties pass through empty places, order each layer by the mean place of its
neighbours, then move boxes as near to their neighbours as the order allows (isotonic regression).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = ["Layout", "Place", "arrange"]

_SWEEPS: Final = 12
_SETTLE: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """A box: its layer, and the vertical middle of the box."""

    layer: int
    middle: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of boxes by key; for each tie the points it passes (layer, middle), ends included."""

    places: Mapping[Hashable, Place]
    routes: Mapping[tuple[Hashable, Hashable], tuple[tuple[int, float], ...]]
    layers: int
    height: float


def arrange(
    root: Hashable,
    nodes: Sequence[Hashable],
    edges: Sequence[tuple[Hashable, Hashable]],
    *,
    height: float,
    gap: float,
) -> Layout:
    """Place ``nodes`` and route ``edges`` (from the one that depends to what it depends on)."""
    forward = _without_cycles(root, nodes, edges)
    layer_of = _layers(nodes, forward)
    columns, links, passing = _columns(nodes, forward, layer_of)
    _order(columns, links)
    middles = _settle(columns, links, passing, height, gap)
    lowest = min(middles.values(), default=0.0)
    middles = {key: y - lowest + height / 2 for key, y in middles.items()}
    places = {node: Place(layer_of[node], middles[node]) for node in nodes}
    routes: dict[tuple[Hashable, Hashable], tuple[tuple[int, float], ...]] = {}
    turned = set(edges)
    for (a, b), between in passing.items():
        points = [
            (layer_of[a], middles[a]),
            *((layer_of[a] + 1 + i, middles[dummy]) for i, dummy in enumerate(between)),
            (layer_of[b], middles[b]),
        ]
        if (a, b) in turned:
            routes[(a, b)] = tuple(points)
        if (b, a) in turned:
            routes[(b, a)] = tuple(reversed(points))
    return Layout(
        places,
        routes,
        1 + max(layer_of.values(), default=0),
        max(middles.values(), default=0.0) + height / 2,
    )


def _without_cycles(
    root: Hashable, nodes: Sequence[Hashable], edges: Sequence[tuple[Hashable, Hashable]]
) -> list[tuple[Hashable, Hashable]]:
    """The edges with those turned round that lead back to a box still open in the walk."""
    out: dict[Hashable, list[Hashable]] = {node: [] for node in nodes}
    for a, b in edges:
        if a != b:
            out[a].append(b)
    state: dict[Hashable, int] = {}
    result: dict[tuple[Hashable, Hashable], None] = {}
    for start in (root, *nodes):
        if state.get(start):
            continue
        state[start] = 1
        stack = [(start, iter(out[start]))]
        while stack:
            node, following = stack[-1]
            for after in following:
                if state.get(after) == 1:
                    result[(after, node)] = None
                    continue
                result[(node, after)] = None
                if not state.get(after):
                    state[after] = 1
                    stack.append((after, iter(out[after])))
                    break
            else:
                state[node] = 2
                stack.pop()
    return list(result)


def _layers(
    nodes: Sequence[Hashable], edges: Sequence[tuple[Hashable, Hashable]]
) -> dict[Hashable, int]:
    """Longest way from a box that nothing depends on."""
    incoming: dict[Hashable, int] = dict.fromkeys(nodes, 0)
    out: dict[Hashable, list[Hashable]] = {node: [] for node in nodes}
    for a, b in edges:
        out[a].append(b)
        incoming[b] += 1
    layer = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if incoming[node] == 0]
    while ready:
        node = ready.pop()
        for after in out[node]:
            layer[after] = max(layer[after], layer[node] + 1)
            incoming[after] -= 1
            if incoming[after] == 0:
                ready.append(after)
    return layer


def _columns(
    nodes: Sequence[Hashable],
    edges: Sequence[tuple[Hashable, Hashable]],
    layer_of: Mapping[Hashable, int],
) -> tuple[
    list[list[Hashable]],
    list[tuple[Hashable, Hashable]],
    dict[tuple[Hashable, Hashable], list[Hashable]],
]:
    """Layers of boxes and passing places, ties between neighbouring layers, places by tie."""
    columns: list[list[Hashable]] = [[] for _ in range(1 + max(layer_of.values(), default=0))]
    for node in nodes:
        columns[layer_of[node]].append(node)
    links: list[tuple[Hashable, Hashable]] = []
    passing: dict[tuple[Hashable, Hashable], list[Hashable]] = {}
    for a, b in edges:
        between: list[Hashable] = []
        last = a
        for layer in range(layer_of[a] + 1, layer_of[b]):
            dummy = ("passing", a, b, layer)
            columns[layer].append(dummy)
            between.append(dummy)
            links.append((last, dummy))
            last = dummy
        links.append((last, b))
        passing[(a, b)] = between
    return columns, links, passing


def _order(columns: list[list[Hashable]], links: Sequence[tuple[Hashable, Hashable]]) -> None:
    """Sort each layer by the mean place of its neighbours, forwards and backwards in turn."""
    before: dict[Hashable, list[Hashable]] = {}
    after: dict[Hashable, list[Hashable]] = {}
    for a, b in links:
        after.setdefault(a, []).append(b)
        before.setdefault(b, []).append(a)
    best = [list(column) for column in columns]
    fewest = _crossings(columns, after)
    for sweep in range(_SWEEPS):
        backwards = sweep % 2 == 1
        neighbours = after if backwards else before
        for column in reversed(columns) if backwards else columns:
            fixed = {
                node: place
                for other in columns
                if other is not column
                for place, node in enumerate(other)
            }
            now = {node: place for place, node in enumerate(column)}

            def wish(
                node: Hashable,
                fixed: Mapping[Hashable, int] = fixed,
                now: Mapping[Hashable, int] = now,
                neighbours: Mapping[Hashable, list[Hashable]] = neighbours,
            ) -> float:
                near = neighbours.get(node)
                return sum(fixed[n] for n in near) / len(near) if near else float(now[node])

            column.sort(key=wish)
        crossings = _crossings(columns, after)
        if crossings < fewest:
            fewest, best = crossings, [list(column) for column in columns]
    columns[:] = best


def _crossings(columns: list[list[Hashable]], after: Mapping[Hashable, list[Hashable]]) -> int:
    total = 0
    for left, right in pairwise(columns):
        place = {node: i for i, node in enumerate(right)}
        ends = [place[b] for a in left for b in sorted(after.get(a, ()), key=place.__getitem__)]
        for i, end in enumerate(ends):
            total += sum(1 for later in ends[i + 1 :] if later < end)
    return total


def _settle(
    columns: list[list[Hashable]],
    links: Sequence[tuple[Hashable, Hashable]],
    passing: Mapping[tuple[Hashable, Hashable], list[Hashable]],
    height: float,
    gap: float,
) -> dict[Hashable, float]:
    """Vertical places: each box near the mean of its neighbours, in order, never overlapping."""
    dummies = {dummy for between in passing.values() for dummy in between}
    near: dict[Hashable, list[Hashable]] = {}
    for a, b in links:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)

    def room(upper: Hashable, lower: Hashable) -> float:
        half = (4.0 if upper in dummies else height / 2) + (4.0 if lower in dummies else height / 2)
        return half + (gap * 0.6 if upper in dummies or lower in dummies else gap)

    middles: dict[Hashable, float] = {}
    for column in columns:
        total, starts = 0.0, []
        for i, node in enumerate(column):
            total += room(column[i - 1], node) if i else 0.0
            starts.append(total)
        for node, start in zip(column, starts, strict=True):
            middles[node] = start - total / 2
    for turn in range(_SETTLE):
        for column in reversed(columns) if turn % 2 else columns:
            offsets, total = [], 0.0
            for i, node in enumerate(column):
                total += room(column[i - 1], node) if i else 0.0
                offsets.append(total)
            wishes = [
                (
                    sum(middles[n] for n in near[node]) / len(near[node])
                    if near.get(node)
                    else middles[node]
                )
                - offset
                for node, offset in zip(column, offsets, strict=True)
            ]
            for node, offset, place in zip(column, offsets, _rising(wishes), strict=True):
                middles[node] = place + offset
    return middles


def _rising(wishes: Sequence[float]) -> list[float]:
    """The non-decreasing numbers nearest to ``wishes`` (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for wish in wishes:
        total, count = wish, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            earlier, many = pools.pop()
            total, count = total + earlier, count + many
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
