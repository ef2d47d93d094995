# SPDX-License-Identifier: Apache-2.0
"""Profiles that build on others ask no less, unless they say so; two versions can be compared."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.profiles import SHIPPED, from_document, read_profile, shipped_profile
from kizuna.criteria.profiles.comparison import Direction, differences, looser
from kizuna.criteria.profiles.inheritance import read_inheriting
from kizuna.model.errors import Malformed, Problem, Refused

BASE = b"""
profile: base
version: "1"
title: {en: Base}
requirements:
  - id: a
    title: {en: A}
    claim: [x, y]
    from: [self, assessor]
    level: second-party
    max_age: 30 days
    present: [n]
    condition: claim.n == 0
    where: root
  - {id: b, title: {en: B}, claim: z, from: [self], for: component}
follow:
  - {relation: part-of, counts: blocking, complete: true}
notices:
  - {types: tampering, from: [self]}
silent: {default: undetermined}
max_store_age: 10 days
"""
HEAD = 'extends: base\nprofile: child\nversion: "1"\ntitle: {en: Child}\n'


def parent(name, above):
    if name == "base":
        return read_profile(BASE)
    if name == "again":
        return read_inheriting(HEAD.replace("base", "again").encode(), "child", parent, above)
    raise AssertionError(name)


def child(text="", head=HEAD):
    return read_inheriting((head + text).encode(), "child", parent)


def test_what_a_child_does_not_say_is_its_parents():
    made = child()
    base = read_profile(BASE)
    assert (made.name, made.title) == ("child", {"en": "Child"})
    assert replace(made, name="base", title=base.title).digest == base.digest
    assert from_document(made.document()).digest == made.digest


def test_a_child_changes_the_members_that_it_names():
    made = child("""
requirements:
  - {id: a, max_age: 7 days, and: claim.m > 1, level: third-party}
  - {id: c, title: {en: C}, claim: c, from: [self]}
follow:
  - {relation: part-of, counts: blocking, required: true}
notices:
  - {types: "*", from: [self], severity: high}
silent: {component: refused}
""")
    a = made.requirement("a")
    assert (a.max_age, a.claim, a.condition) == (
        7 * 86_400,
        ("x", "y"),
        "(claim.n == 0) && (claim.m > 1)",
    )
    assert [r.id for r in made.requirements] == ["a", "b", "c"]
    assert made.follow[0].complete
    assert made.follow[0].required
    assert len(made.notices) == 2


LOOSER = [
    ("requirements: [{id: a, max_age: 31 days}]", "requirement a"),
    ("requirements: [{id: a, level: self-declared}]", "requirement a"),
    ("requirements: [{id: a, claim: [x, w]}]", "requirement a"),
    ("requirements: [{id: a, from: [self, supplier]}]", "requirement a"),
    ("requirements: [{id: a, present: [m]}]", "requirement a"),
    ("requirements: [{id: a, condition: claim.n >= 0}]", "requirement a"),
    ("requirements: [{id: a, and: 'claim.m == 1) || (true'}]", "requirement a"),
    ("requirements: [{id: a, where: parts}]", "requirement a"),
    ("requirements: [{id: b, missing: trusted}]", "requirement b"),
    ("requirements: [{id: b, for: person}]", "requirement b"),
    ("drop: [b]", "requirement b"),
    ("follow: [{relation: part-of, counts: informative}]", "follow part-of"),
    ("follow: [{relation: part-of, complete: false}]", "follow part-of"),
    ("follow: [{relation: part-of, category: o, counts: informative}]", "follow part-of o"),
    ("follow: [{relation: part-of, counts: share, share: 99 %}]", "follow part-of"),
    ("silent: {default: ignored}", "silent"),
    ("waivers_from: [assessor]", "waivers_from"),
    ("max_store_age: 11 days", "max_store_age"),
]


@pytest.mark.parametrize(("text", "name"), LOOSER)
def test_a_child_asks_no_less_unless_it_says_so_and_why(text, name):
    with pytest.raises(Refused) as told:
        child(text)
    assert told.value.code == "profile.loosens"
    assert told.value.about["place"] == name
    assert child(f"{text}\nloosens:\n  {name}: our plants have no such thing\n")


TIGHTER = [
    "requirements: [{id: a, max_age: 29 days, level: third-party, claim: [x], from: [self]}]",
    "requirements: [{id: a, present: [n, m], where: any}]",
    "requirements: [{id: a, and: claim.m == 1}]",
    "requirements: [{id: b, for: [component, system]}]",
    "follow: [{relation: made-by, counts: blocking}]",
    "silent: {default: refused}",
    "max_store_age: 1 days",
]


@pytest.mark.parametrize("text", TIGHTER)
def test_tighter_is_what_is_looser_the_other_way_round(text):
    made, base = child(text), read_profile(BASE)
    assert looser(base, made) == []
    assert looser(made, base)
    ways = {d.direction for d in differences(base, made)}
    assert ways <= {Direction.TIGHTER, Direction.NEITHER}
    assert Direction.TIGHTER in ways


@pytest.mark.parametrize(
    ("text", "head", "code"),
    [
        ("", HEAD.replace("base", "again"), "profile.extends-loop"),
        ("", HEAD.replace("base", "base@2"), "profile.extends-version"),
        ("", HEAD.replace("extends: base\n", "drop: [a]\n"), "profile.extends"),
        ("drop: [zz]", HEAD, "profile.extends"),
        ("loosens: [a]", HEAD, "profile.extends"),
        ("loosens: {requirement a: ' '}", HEAD, "profile.extends"),
        ("requirements: [a]", HEAD, "profile.extends"),
        ("notices: 3", HEAD, "profile.value"),
        ("colour: red", HEAD, "profile.member-unknown"),
        ("requirements: [{id: a, and: 'claim.m =='}]", HEAD, "profile.condition"),
        ("requirements: [{id: a, max_agee: 1 day}]", HEAD, "profile.member-unknown"),
    ],
)
def test_a_child_that_is_wrong_is_refused(text, head, code):
    with pytest.raises(Problem) as told:
        child(text, head)
    assert told.value.code == code


@given(st.text(max_size=80))
def test_any_child_is_read_or_refused(text):
    try:
        child(text)
    except (Malformed, Refused) as told:
        assert told.code.startswith("profile.")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_differs_in_nothing_from_itself(name):
    one = shipped_profile(name)
    assert differences(one, one) == []
    assert looser(one, one) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_change_of_a_document_is_a_difference(name):
    one, other = shipped_profile(name), shipped_profile(SHIPPED[0])
    if one is other:
        other = shipped_profile(SHIPPED[1])
    found = differences(one, other)
    assert {d.change for d in found} <= {"added", "removed", "changed"}
    assert {d.name for d in found} >= {f"requirement {r.id}" for r in one.requirements
                                       if other.requirement(r.id) is None}  # fmt: skip


def test_what_cannot_be_compared_counts_both_ways():
    base = read_profile(BASE)
    other = child(
        "requirements: [{id: a, condition: claim.k == 1}]\nloosens: {requirement a: another}"
    )
    (found,) = [d for d in differences(base, other) if d.name == "requirement a"]
    assert found.direction is Direction.BOTH
    assert found.members["condition"] == ("claim.n == 0", "claim.k == 1")
