# SPDX-License-Identifier: Apache-2.0
"""Large chains become readable, and nothing is lost from the count."""

from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.console.folding import (
    READABLE,
    Box,
    Chain,
    Tie,
    fold,
    without_shortcuts,
)
from kizuna.model.finding import Value


def chain(parents: list[int], values: list[int]) -> Chain:
    count = len(parents) + 1
    boxes = {
        f"n{i}": Box(key=f"n{i}", name=f"n{i}", value=Value(values[i % len(values)]))
        for i in range(count)
    }
    ties = tuple(
        sorted(Tie(f"n{p % (i + 1)}", f"n{i + 1}", "part-of") for i, p in enumerate(parents))
    )
    return Chain(root="n0", boxes=boxes, ties=ties)


@given(
    st.lists(st.integers(0, 400), max_size=400),
    st.lists(st.integers(0, 2), min_size=1, max_size=7),
)
def test_everything_is_counted_and_the_picture_is_readable(parents, values):
    whole = chain(parents, values)
    folded = fold(whole)
    assert folded.things == len(whole.boxes)
    assert len(folded.boxes) <= max(READABLE, 1)
    assert folded.root in folded.boxes
    for tie in folded.ties:
        assert tie.dependent in folded.boxes
        assert tie.dependency in folded.boxes


@given(st.lists(st.integers(0, 400), min_size=80, max_size=400))
def test_the_worst_value_stays_visible(parents):
    values = [2] * 50 + [0]
    whole = chain(parents, values)
    folded = fold(whole)
    assert min(b.value for b in folded.boxes.values()) == min(b.value for b in whole.boxes.values())


def test_a_small_chain_is_left_alone():
    whole = chain([0, 0, 1], [2])
    assert fold(whole) == whole


def test_like_leaves_of_one_parent_become_one_box_with_their_number():
    whole = chain([0] * 200, [2])
    folded = fold(whole)
    (many,) = [b for b in folded.boxes.values() if b.count > 1]
    assert many.count == 200


def test_a_tie_of_parts_that_a_longer_way_shows_is_not_drawn():
    boxes = {k: Box(key=k, name=k, value=Value.TRUSTED) for k in "abc"}
    ties = (
        Tie("a", "b", "part-of"),
        Tie("b", "c", "part-of"),
        Tie("a", "c", "part-of"),
        Tie("a", "c", "made-by"),
    )
    plain = without_shortcuts(Chain(root="a", boxes=boxes, ties=ties))
    assert plain.ties == (ties[0], ties[1], ties[3])


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40),
        )
    )
)
def test_leaving_shortcuts_out_leaves_everything_reachable(graph):
    count, pairs = graph
    boxes = {str(i): Box(key=str(i), name="", value=Value.TRUSTED) for i in range(count)}
    ties = tuple(Tie(str(a), str(b), "part-of") for a, b in sorted(pairs))
    plain = without_shortcuts(Chain(root="0", boxes=boxes, ties=ties))

    def reach(some, start):
        found, edge = set(), [start]
        while edge:
            key = edge.pop()
            for tie in some:
                if tie.dependent == key and tie.dependency not in found:
                    found.add(tie.dependency)
                    edge.append(tie.dependency)
        return found

    for key in boxes:
        assert reach(plain.ties, key) == reach(ties, key)
