# SPDX-License-Identifier: Apache-2.0
"""Risk: reading tables, placing, comparing, tailoring, drawing."""

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.profiles import SHIPPED, from_document, shipped_profile
from kizuna.criteria.risk import (
    Unlike,
    claim_of,
    compare,
    draw_plane,
    framework_of,
    framework_source,
    is_as_strict,
    place,
    placement_of,
    read_framework,
    shipped_framework,
    shortfalls,
    tailor,
)
from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, decode_payload, encode_payload

IOT = shipped_framework("iot-ssf")
FAN = canonical("pkg:generic/acme/fan@1")
VALVE = canonical("pkg:generic/acme/valve@2")
LEVELS = st.tuples(
    st.sampled_from([s.id for s in IOT.axes[0].levels]),
    st.sampled_from([s.id for s in IOT.axes[1].levels]),
)
IN_PLACE = st.dictionaries(
    st.sampled_from([v.id for v in IOT.viewpoints]),
    st.sampled_from([s.id for s in IOT.strengths]),
)
PLACEMENTS = st.lists(
    st.builds(
        lambda device, use, levels, stated: place(IOT, device, use, levels, in_place=stated),
        st.sampled_from([FAN, VALVE]),
        st.sampled_from(["lobby", "theatre", "boiler"]),
        LEVELS,
        IN_PLACE,
    ),
    max_size=8,
)


def changed(old: str, new: str) -> bytes:
    text = framework_source("iot-ssf").decode()
    assert old in text
    return text.replace(old, new, 1).encode()


# --- tables ----------------------------------------------------------------------------------


def test_the_shipped_table_says_where_its_names_come_from():
    assert "proposals of this" in IOT.origin["en"]
    assert set(IOT.origin) == {"en", "ja"}
    assert len(IOT.viewpoints) == 4


def test_a_table_survives_its_own_document():
    assert framework_of(IOT.document()) == IOT
    assert framework_of(IOT.document()).digest == IOT.digest


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("- [A, B, C]", "- [B, A, C]", "risk.table", 77),
        ("- [A, B, C]", "- [A, B]", "risk.table", 77),
        ("- [A, B, C]", "- [A, B, E]", "document.value", 77),
        ("support: confirmed}", "support: weak}", "document.value", None),
        ("before-operation: confirmed,", "before-operation: nothing,", "document.value", None),
        ("title: {en: Basic,", "titel: {en: Basic,", "document.member-unknown", None),
        (
            "level: third-party, max_age: 366",
            "level: third-party, max_age: 999",
            "risk.table",
            None,
        ),
        ("id: economic", "id: recovery", "document.id-twice", None),
        ("share: 98", "share: 101", "document.value", None),
        ("share: 98", "share: 100.5", "document.value", None),
        ("plane:", "plane: &a", "document.alias", None),
        ('version: "1"', 'version: "1"\nversion: "2"', "document.member-twice", 5),
        ("framework: iot-ssf", "framework: [", "document.not-yaml", None),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_with_its_line(old, new, code, line):
    with pytest.raises(Malformed) as caught:
        read_framework(changed(old, new), "t.yaml")
    assert caught.value.code == code
    if line:
        assert caught.value.about["line"] == line


def test_a_heavier_category_never_asks_for_less():
    weaker = changed(
        "required: {before-operation: certified, during-operation: certified, people: certified,",
        "required: {before-operation: basic, during-operation: certified, people: certified,",
    )
    with pytest.raises(Malformed) as caught:
        read_framework(weaker)
    assert caught.value.code == "risk.table"
    assert "before-operation" in caught.value.about["path"]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_table_or_a_problem(data):
    with pytest.raises(Problem):
        read_framework(data)


@given(st.data())
def test_a_table_with_any_piece_cut_out_is_a_table_or_a_problem(data):
    source = framework_source("iot-ssf")
    start = data.draw(st.integers(0, len(source)))
    length = data.draw(st.integers(0, 400))
    try:
        read_framework(source[:start] + source[start + length :])
    except Problem as problem:
        assert problem.code.startswith(("document.", "risk."))


# --- placing and comparing -------------------------------------------------------------------


@given(LEVELS, LEVELS)
def test_more_harm_is_never_lighter(one, other):
    ranks = [(IOT.axes[0].rank(a), IOT.axes[1].rank(b)) for a, b in (one, other)]
    if ranks[0][0] <= ranks[1][0] and ranks[0][1] <= ranks[1][1]:
        first = IOT.weight(IOT.category_at(*one).id)
        assert first <= IOT.weight(IOT.category_at(*other).id)


def test_the_same_device_stands_elsewhere_in_another_use():
    lobby = place(IOT, FAN, "lobby", ("limited", "limited"))
    theatre = place(IOT, FAN, "theatre", ("critical", "serious"))
    assert (lobby.category, theatre.category) == ("A", "D")
    assert claim_of(lobby, IOT).type != claim_of(theatre, IOT).type


@given(LEVELS, IN_PLACE)
def test_a_placement_survives_its_claim(levels, stated):
    placed = place(IOT, FAN, "lobby", levels, in_place=stated, site="north", reason="by the door")
    data = encode_payload(claim_of(placed, IOT, Level.SECOND))
    assert placement_of(decode_payload(Kind.EVIDENCE, data), IOT, FAN) == placed


def test_a_claim_that_names_a_category_its_levels_do_not_give_places_nothing():
    claim = claim_of(place(IOT, FAN, "lobby", ("critical", "serious")), IOT)
    claim.claims["category"] = "A"
    with pytest.raises(Malformed) as caught:
        placement_of(claim, IOT, FAN)
    assert caught.value.code == "risk.placement-wrong"


def test_a_claim_by_another_table_places_nothing():
    claim = claim_of(place(IOT, FAN, "lobby", ("critical", "serious")), IOT)
    other = replace(IOT, version="2")
    with pytest.raises(Malformed) as caught:
        placement_of(claim, other, FAN)
    assert caught.value.code == "risk.placement-foreign"


def test_weaker_measures_in_the_same_category_are_named():
    strong = place(IOT, FAN, "lobby", ("serious", "limited"), in_place={"people": "certified"})
    weak = place(IOT, VALVE, "lobby", ("limited", "serious"), in_place={"people": "basic"})
    found = [d for d in compare(IOT, [strong, weak]) if d.viewpoint == "people"]
    assert [(d.what, d.placement.device, d.other) for d in found] == [
        (Unlike.SAME_CATEGORY, VALVE, strong)
    ]


def test_weaker_measures_in_a_heavier_category_are_named():
    light = place(IOT, FAN, "lobby", ("limited", "limited"), in_place={"support": "certified"})
    heavy = place(IOT, VALVE, "boiler", ("critical", "serious"), in_place={"support": "confirmed"})
    found = [d for d in compare(IOT, [light, heavy]) if d.viewpoint == "support"]
    assert [(d.what, d.placement) for d in found] == [(Unlike.HEAVIER, heavy)]


@given(PLACEMENTS)
def test_what_is_named_is_weaker_than_what_it_is_held_against(placements):
    for found in compare(IOT, placements):
        has = IOT.strength_rank(found.has) if found.has else -1
        assert has < IOT.strength_rank(found.asked)
        if found.other is not None:
            mine, other = found.placement.category, found.other.category
            assert IOT.weight(other) <= IOT.weight(mine)


@given(PLACEMENTS)
def test_a_comparison_does_not_depend_on_the_order(placements):
    assert compare(IOT, placements) == compare(IOT, placements[::-1])


@given(LEVELS)
def test_whoever_does_what_is_asked_falls_short_of_nothing(levels):
    required = IOT.category_at(*levels).required
    assert not shortfalls(IOT, place(IOT, FAN, "lobby", levels, in_place=required))


# --- tailoring -------------------------------------------------------------------------------

PROFILES = st.sampled_from(SHIPPED).map(shipped_profile)
CATEGORIES = st.sampled_from([c.id for c in IOT.categories])


@given(PROFILES, CATEGORIES)
def test_tailoring_never_loosens(profile, category):
    made = tailor(profile, IOT, category).profile
    assert is_as_strict(made, profile)
    assert from_document(made.document()).digest == made.digest


@given(PROFILES, CATEGORIES)
def test_tailoring_twice_changes_nothing_more(profile, category):
    once = tailor(profile, IOT, category).profile
    kept = {r.id: r for r in once.requirements}
    again = tailor(once, IOT, category).profile
    assert {r.id: r for r in again.requirements if r.id in kept} == kept


@given(PROFILES)
def test_a_heavier_category_asks_for_no_less(profile):
    made = [tailor(profile, IOT, c.id).profile for c in IOT.categories]
    for lighter, heavier in pairwise(made):
        for before in lighter.requirements:
            after = heavier.requirement(before.id)
            assert after is not None
            assert after.level.rank >= before.level.rank


def test_the_lightest_category_changes_nothing():
    profile = shipped_profile("building-services")
    made = tailor(profile, IOT, "A")
    assert made.profile is profile
    assert made.changes == ()


def test_what_only_the_supplier_says_gets_somebody_else_beside_it():
    profile = shipped_profile("software-product")
    made = tailor(profile, IOT, "D").profile
    added = [r for r in made.requirements if profile.requirement(r.id) is None]
    assert added
    for requirement in added:
        assert "supplier" not in requirement.services
        assert requirement.level is not Level.SELF


def test_is_as_strict_sees_every_way_to_loosen():
    profile = shipped_profile("building-services")
    first = profile.requirements[0]
    for worse in (
        replace(profile, requirements=profile.requirements[1:]),
        replace(
            profile,
            requirements=(replace(first, level=Level.SELF), *profile.requirements[1:]),
        ),
        replace(
            profile,
            requirements=(
                replace(first, services=(*first.services, "anybody")),
                *profile.requirements[1:],
            ),
        ),
        replace(profile, follow=profile.follow[1:]),
        replace(profile, waivers_from=("anybody",)),
        replace(profile, notices=()),
    ):
        assert not is_as_strict(worse, profile)


# --- the picture -----------------------------------------------------------------------------


@given(PLACEMENTS, st.sampled_from(["en", "ja"]))
def test_the_plane_is_drawn_the_same_way_whatever_the_order(placements, lang):
    drawn = draw_plane(IOT, placements, lang)
    assert drawn == draw_plane(IOT, placements[::-1], lang)
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own


def test_words_from_outside_are_escaped():
    placed = [place(IOT, FAN, "lobby", ("limited", "limited"))]
    drawn = draw_plane(IOT, placed, "en", {FAN: "<script>&\"'"})
    assert "<script>" not in drawn
    ET.fromstring(drawn)  # noqa: S314 - our own
