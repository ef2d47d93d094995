# SPDX-License-Identifier: Apache-2.0
"""Chains are placed in layers, without overlap, always the same."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.console.layout import arrange


@st.composite
def graphs(draw) -> tuple[list[str], list[tuple[str, str]]]:
    count = draw(st.integers(1, 14))
    nodes = [f"n{i}" for i in range(count)]
    pairs = st.tuples(st.sampled_from(nodes), st.sampled_from(nodes))
    return nodes, sorted(set(draw(st.lists(pairs, max_size=30))))


@given(graphs())
def test_boxes_of_a_layer_never_overlap_and_every_tie_has_a_way(graph):
    nodes, edges = graph
    layout = arrange(nodes[0], nodes, edges, height=50, gap=10)
    assert set(layout.places) == set(nodes)
    columns: dict[int, list[float]] = {}
    for place in layout.places.values():
        columns.setdefault(place.layer, []).append(place.middle)
        assert place.middle >= 25 - 1e-6
    for middles in columns.values():
        middles.sort()
        assert all(b - a >= 60 - 1e-6 for a, b in pairwise(middles))
    for a, b in edges:
        if a != b:
            route = layout.routes[(a, b)]
            assert route[0][0] == layout.places[a].layer
            assert route[-1][0] == layout.places[b].layer
            assert route[0][0] != route[-1][0]


@given(graphs())
def test_the_same_chain_is_drawn_in_the_same_place(graph):
    nodes, edges = graph
    assert arrange(nodes[0], nodes, edges, height=50, gap=10) == arrange(
        nodes[0], nodes, edges, height=50, gap=10
    )


def test_what_something_depends_on_stands_to_its_right():
    layout = arrange("a", ["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")], height=50, gap=10)
    assert [layout.places[n].layer for n in "abc"] == [0, 1, 2]
    assert len(layout.routes[("a", "c")]) == 3  # the long tie passes beside b
