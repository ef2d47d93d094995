# SPDX-License-Identifier: Apache-2.0
"""Mappings between catalogs: read whole or refused, never more than their signer accepts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.catalogs import (
    SHIPPED_MAPPINGS,
    Kinship,
    Mapping,
    read_mapping,
    read_oscal,
    read_oscal_mappings,
    read_table,
    shipped_catalog,
    shipped_mapping,
    write_oscal_mapping,
)
from kizuna.model.errors import Absent, Malformed

LEFT = read_table(b"id,title\nL-1,a\nL-2,b\nL-3,c", name="left")
RIGHT = read_table(b"id,title\nR.1,a\nR.2,b\nS.1,c", name="right")
TEXT = """
mapping: left-to-right
version: "1"
title: {en: Left to right}
source: our own reading
from: left
to: right
ties:
  - {from: L-1, relation: equal, to: R.1, confidence: high}
  - {from: [L-2], relation: subset, to: [R.2], status: proposed, note: most of it}
"""


def test_ties_to_withdrawn_controls_are_told():
    right = read_table(b"id,title,withdrawn\nR.1,a,yes\nR.2,b,", name="right")
    found = read_mapping(TEXT.encode())
    assert [(name, c.id) for name, c in found.withdrawn_ends(LEFT, right)] == [("right", "R.1")]
    assert found.withdrawn_ends(LEFT, RIGHT) == ()


def test_a_mapping_is_proposed_until_it_is_accepted():
    found = read_mapping(TEXT.encode())
    assert found.accepted == 0
    assert found.with_acceptance(accepted=True).accepted == 1  # one is held back by its author
    assert found.with_acceptance(accepted=True).with_acceptance(accepted=False).accepted == 0


def test_a_file_cannot_accept_itself():
    claimed = TEXT.replace("confidence: high", "confidence: high, status: accepted")
    assert read_mapping(claimed.encode()).accepted == 0


def test_a_mapping_comes_back_from_its_registered_form():
    found = read_mapping(TEXT.encode()).with_acceptance(accepted=True)
    assert Mapping.from_document(json.loads(json.dumps(found.document()))) == found


def test_read_from_right_to_left_the_relation_turns():
    turned = read_mapping(TEXT.encode()).turned()
    assert (turned.origin, turned.goal) == ("right", "left")
    assert turned.ties[1].relation is Kinship.SUPERSET
    assert turned.turned() == read_mapping(TEXT.encode())


def test_what_no_tie_names_is_unmapped():
    found = read_mapping(TEXT.encode())
    assert list(found.unmapped(LEFT, left=True)) == ["L-3"]
    assert list(found.unmapped(RIGHT, left=False)) == ["S.1"]


def test_a_tie_to_nothing_is_refused_by_name():
    found = read_mapping(TEXT.replace("R.2", "R.9").encode())
    with pytest.raises(Malformed) as told:
        found.check_ends(LEFT, RIGHT)
    assert told.value.code == "mapping.points-nowhere"
    assert told.value.about["control"] == "R.9"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("relation: equal", "relation: resembles"),
        ("confidence: high", "confidence: certain"),
        ("status: proposed", "status: sacred"),
        ("source: our own reading", "source: ' '"),
        ("from: L-1", "from: []"),
        ("from: L-1", "from: &a L-1"),
        ("version:", "edition:"),
        ("ties:", "ties: []\nothers:"),
        ("ties:", "ties: ["),
        ("from: L-1", f"from: {'x' * 201}"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused(old, new):
    with pytest.raises(Malformed) as told:
        read_mapping(TEXT.replace(old, new, 1).encode())
    assert told.value.code == "mapping.malformed"


@given(st.binary(max_size=300))
def test_noise_is_a_clear_problem(noise):
    with pytest.raises(Malformed) as told:
        read_mapping(noise)
    assert told.value.code == "mapping.malformed"


def test_a_mapping_goes_out_as_oscal_and_comes_back_proposed():
    found = read_mapping(TEXT.encode()).with_acceptance(accepted=True)
    made = json.dumps(write_oscal_mapping(found, LEFT, RIGHT, now=0)).encode()
    (again,) = read_oscal_mappings(made, ["left", "right"])
    assert again.accepted == 0
    assert (again.name, again.origin, again.goal) == ("left-to-right", "left", "right")
    for before, after in zip(found.ties, again.ties, strict=True):
        assert (before.sources, before.relation, before.targets, before.confidence) == (
            after.sources,
            after.relation,
            after.targets,
            after.confidence,
        )
    gaps = json.loads(made)["mapping-collection"]["mappings"][0]
    assert gaps["source-gap-summary"]["unmapped-controls"] == [{"with-ids": ["L-3"]}]


def test_a_reference_to_a_catalog_that_is_not_at_hand_is_refused():
    made = json.dumps(write_oscal_mapping(read_mapping(TEXT.encode()), LEFT, RIGHT, now=0))
    with pytest.raises(Malformed) as told:
        list(read_oscal_mappings(made.encode(), ["left"]))
    assert "right" in told.value.why


@given(
    st.recursive(
        st.none() | st.text(max_size=5),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["mappings", "maps", "metadata", "source-resource", "href"]), x
            )
        ),
        max_leaves=8,
    )
)
def test_any_collection_is_read_or_refused(shape):
    try:
        list(read_oscal_mappings(json.dumps({"mapping-collection": shape}).encode(), ["left"]))
    except Malformed as told:
        assert told.code in ("mapping.malformed", "catalog.malformed")


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cpsf-1.0-to-csf-2.0", "CSF/v2.0/xml/NIST_CSF_v2.0_catalog.xml"),
        ("cpsf-1.0-to-sp-800-171r3", "SP800-171/rev3/xml/NIST_SP800-171_rev3_catalog.xml"),
    ],
)
def test_the_shipped_mappings_point_somewhere_and_are_proposals(shared, name, file):
    found = shipped_mapping(name)
    goal = read_oscal((shared / "data/oscal" / file).read_bytes())
    assert found.goal == goal.id
    found.check_ends(shipped_catalog(found.origin), goal)
    assert found.accepted == 0
    assert list(found.unmapped(shipped_catalog(found.origin), left=True)) == []


def test_an_unknown_mapping_is_named():
    assert len(SHIPPED_MAPPINGS) == 3
    with pytest.raises(Absent):
        shipped_mapping("left-to-right")
