# SPDX-License-Identifier: Apache-2.0
"""What a result under one catalog says under another, and what it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.catalogs import (
    Covering,
    Kinship,
    Mapping,
    Result,
    Tie,
    coverage_of,
    read_table,
)

LEFT = read_table(b"id,title\nL-1,a\nL-2,b", name="left")
RIGHT = read_table(b"id,title,withdrawn\nR.1,a,\nR.2,b,\nR.9,gone,yes", name="right")


def mapping(relation, *, accepted=True, sources=("L-1",), targets=("R.1",)):
    tie = Tie(sources=sources, targets=targets, relation=relation, accepted=accepted)
    return Mapping(
        name="m", version="1", title={"en": "m"}, source="s", origin="left", goal="right",
        ties=(tie,),
    )  # fmt: skip


def states(results, *mappings):
    rows = coverage_of(RIGHT, results, [(m, LEFT) for m in mappings])
    return {r.control.id: r.state for r in rows}


@pytest.mark.parametrize(
    ("relation", "accepted", "result", "state"),
    [
        (Kinship.EQUAL, True, Result.MET, Covering.COVERED),
        (Kinship.EQUIVALENT, True, Result.MET, Covering.COVERED),
        (Kinship.SUPERSET, True, Result.MET, Covering.COVERED),
        (Kinship.EQUAL, False, Result.MET, Covering.PROPOSED),
        (Kinship.SUBSET, True, Result.MET, Covering.PARTLY),
        (Kinship.INTERSECTS, True, Result.MET, Covering.PARTLY),
        (Kinship.NONE, True, Result.MET, Covering.UNMAPPED),
        (Kinship.EQUAL, True, Result.UNMET, Covering.FAILED),
        (Kinship.SUBSET, True, Result.UNMET, Covering.FAILED),
        (Kinship.SUPERSET, True, Result.UNMET, Covering.OPEN),
        (Kinship.EQUAL, False, Result.UNMET, Covering.OPEN),
        (Kinship.EQUAL, True, Result.OPEN, Covering.OPEN),
        (Kinship.EQUAL, True, None, Covering.NOT_ASKED),
    ],
)
def test_each_kind_of_relation_carries_what_it_can(relation, accepted, result, state):
    results = {} if result is None else {("left", "L-1"): result}
    assert states(results, mapping(relation, accepted=accepted))["R.1"] is state


def test_what_is_withdrawn_is_not_asked_and_what_nobody_maps_is_said():
    assert states({}) == {"R.1": Covering.UNMAPPED, "R.2": Covering.UNMAPPED}


def test_a_direct_result_goes_before_a_mapped_one():
    results = {("left", "L-1"): Result.MET, ("right", "R.1"): Result.UNMET}
    assert states(results, mapping(Kinship.EQUAL))["R.1"] is Covering.FAILED


def test_several_sources_are_meant_together():
    both = mapping(Kinship.EQUAL, sources=("L-1", "L-2"))
    assert states({("left", "L-1"): Result.MET}, both)["R.1"] is Covering.NOT_ASKED
    met = {("left", "L-1"): Result.MET, ("left", "L-2"): Result.MET}
    assert states(met, both)["R.1"] is Covering.COVERED


def test_a_tie_to_a_family_covers_none_of_it_wholly():
    found = states({("left", "L-1"): Result.MET}, mapping(Kinship.EQUAL, targets=("R",)))
    assert found == {"R.1": Covering.PARTLY, "R.2": Covering.PARTLY}


def test_a_category_stands_as_its_subcategories_do():
    table = b"id,title,class,parent\nC,c,category,\nC.1,a,,C\nC.2,b,,C"
    goal = read_table(table, name="right")
    for results, state in (
        ({"C.1": Result.MET, "C.2": Result.MET}, Covering.COVERED),
        ({"C.1": Result.MET}, Covering.PARTLY),
        ({"C.1": Result.OPEN}, Covering.OPEN),
        ({"C.1": Result.UNMET, "C.2": Result.MET}, Covering.FAILED),
        ({}, Covering.UNMAPPED),
    ):
        rows = coverage_of(goal, {("right", k): v for k, v in results.items()}, [])
        assert rows[0].state is state


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Kinship),
            st.booleans(),
            st.sampled_from([("L-1",), ("L-2",), ("L-1", "L-2")]),
        ),
        max_size=6,
    ),
    st.dictionaries(st.sampled_from(["L-1", "L-2"]), st.sampled_from(Result)),
)
def test_no_proposal_ever_covers_anything(ties, results):
    made = [mapping(k, accepted=False, sources=s) for k, _, s in ties]
    found = states({("left", k): v for k, v in results.items()}, *made)
    assert Covering.COVERED not in found.values()
    assert Covering.FAILED not in found.values()
