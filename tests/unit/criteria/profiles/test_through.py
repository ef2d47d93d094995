# SPDX-License-Identifier: Apache-2.0
"""A profile read through mappings: what carries, what does not, and that nothing is asked less."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.catalogs import read_mapping, read_table
from kizuna.criteria.profiles.comparison import looser
from kizuna.criteria.profiles.reader import from_document
from kizuna.criteria.profiles.through import How, through

LEFT = read_table(b"id,title\nL-1,a\nL-2,b\nL-3,c", name="left")
RIGHT = read_table(b"id,title\nR.1,a\nR.2,b\nR.3,c", name="right")
CATALOGS = {"left": LEFT, "right": RIGHT}


def profile(name, *requirements):
    return from_document(
        {
            "profile": name,
            "version": "1",
            "title": {"en": name},
            "requirements": [
                {"title": {"en": r["id"]}, "from": ["assessor"], **r} for r in requirements
            ],
            "silent": {"default": "undetermined"},
        },
        name,
    )


def mapping(*ties, accepted=True):
    rows = "\n".join(f"  - {tie}" for tie in ties)
    text = (
        'mapping: m\nversion: "1"\ntitle: {en: m}\nsource: ours\nfrom: left\nto: right\n'
        f"ties:\n{rows}\n"
    )
    return read_mapping(text.encode()).with_acceptance(accepted=accepted)


HERE = profile("here", {"id": "r", "claim": ["right-claim"], "control": "right#R.1"})
THERE = profile("there", {"id": "l", "claim": ["left-claim"], "control": "left#L-1"})
EQUAL = "{from: L-1, relation: equal, to: R.1}"


def how(found):
    return [w.how for w in found.ways]


def test_an_accepted_tie_that_takes_in_the_whole_carries():
    found = through(HERE, [mapping(EQUAL)], CATALOGS, [THERE])
    assert how(found) == [How.CARRIES]
    assert found.profile.requirements[0].claim == ("right-claim", "left-claim")
    assert found.profile.digest != HERE.digest
    assert found.unmapped == ()


def test_a_proposed_tie_carries_nothing_and_shows_what_it_would():
    found = through(HERE, [mapping(EQUAL, accepted=False)], CATALOGS, [THERE])
    assert how(found) == [How.PROPOSED]
    assert found.profile is HERE
    assert found.proposing.requirements[0].claim == ("right-claim", "left-claim")


@pytest.mark.parametrize(
    ("tie", "expected"),
    [
        ("{from: L-1, relation: superset, to: R.1}", How.CARRIES),
        ("{from: L-1, relation: subset, to: R.1}", How.PARTLY),
        ("{from: L-1, relation: intersects, to: R.1}", How.PARTLY),
        ("{from: [L-1, L-2], relation: equal, to: R.1}", How.TOGETHER),
        ("{from: L-3, relation: equal, to: R.1}", How.UNASKED),
    ],
)
def test_what_a_tie_does(tie, expected):
    found = through(HERE, [mapping(tie)], CATALOGS, [THERE])
    assert how(found) == [expected]
    assert (found.profile is HERE) is (expected is not How.CARRIES)


def test_a_mapping_is_read_from_either_side():
    turned = mapping(EQUAL).turned()
    assert how(through(HERE, [turned], CATALOGS, [THERE])) == [How.CARRIES]


def test_what_no_tie_leads_to_is_unmapped():
    two = profile(
        "two",
        {"id": "r", "claim": ["right-claim"], "control": "right#R.1"},
        {"id": "s", "claim": ["other"], "control": "right#R.2"},
        {"id": "t", "claim": ["plain"]},
    )
    assert through(two, [mapping(EQUAL)], CATALOGS, [THERE]).unmapped == ("s", "t")


@pytest.mark.parametrize(
    "more",
    [
        {"level": "third-party"},
        {"max_age": "30d"},
        {"present": ["number"]},
        {"condition": "claim.number != ''"},
        {"from": ["certification-body"]},
        {"kind": ["certificate"]},
    ],
)
def test_where_more_is_asked_there_than_here_nothing_carries(more):
    there = profile("there", {"id": "l", "claim": ["left-claim"], "control": "left#L-1"} | more)
    assert how(through(HERE, [mapping(EQUAL)], CATALOGS, [there])) == [How.OTHERWISE]


def test_a_requirement_that_stands_for_more_than_one_control_takes_nothing_from_one():
    both = profile("both", {"id": "r", "claim": ["x"], "control": "right#R.1, right#R.2"})
    assert how(through(both, [mapping(EQUAL)], CATALOGS, [THERE])) == [How.TOGETHER]


def test_kinds_of_certificate_carry_by_their_own_name():
    kinds = read_table(b"id,title\niso-27001,x\njc-star-1,y", name="kinds")
    text = (
        'mapping: k\nversion: "1"\ntitle: {en: k}\nsource: ours\nfrom: kinds\nto: right\n'
        "ties:\n  - {from: iso-27001, relation: superset, to: R.1}\n"
    )
    known = CATALOGS | {"kinds": kinds}
    for accepted, expected in ((True, How.CARRIES), (False, How.PROPOSED)):
        one = read_mapping(text.encode()).with_acceptance(accepted=accepted)
        found = through(HERE, [one], known, [], "kinds")
        assert how(found) == [expected]
        assert found.proposing.requirements[0].claim == ("right-claim", "iso-27001")
        assert (found.profile is HERE) is not accepted


def test_several_requirements_for_the_other_control_do_not_carry_one_by_one():
    there = profile(
        "there",
        {"id": "l", "claim": ["left-claim"], "control": "left#L-1"},
        {"id": "k", "claim": ["second"], "control": "left#L-1"},
    )
    assert how(through(HERE, [mapping(EQUAL)], CATALOGS, [there])) == [How.TOGETHER]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["L-1", "L-2", "L-3"]),
            st.sampled_from(["equal", "subset", "superset", "intersects", "none"]),
            st.sampled_from(["R.1", "R.2", "R.3"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_proposed_ties_alone_never_change_the_measure(ties):
    rows = [f"{{from: {a}, relation: {r}, to: {b}}}" for a, r, b, _ in ties]
    assert through(HERE, [mapping(*rows, accepted=False)], CATALOGS, [THERE]).profile is HERE
    made = through(HERE, [mapping(*rows)], CATALOGS, [THERE]).profile
    # only types of claim come in; every bound of the requirement stays
    for before, after in zip(HERE.requirements, made.requirements, strict=True):
        assert set(before.claim) <= set(after.claim)
        assert replace(after, claim=before.claim) == before
    assert {one.name for one in looser(HERE, made)} <= {"requirement r"}
