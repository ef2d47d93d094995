# SPDX-License-Identifier: Apache-2.0
"""OSCAL profiles: resolved as published, exchanged without loss, refused where not whole."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.catalogs import (
    SHIPPED_CATALOGS,
    oscal_shape,
    read_oscal,
    shape_of,
    shipped_catalog,
)
from kizuna.criteria.profiles import SHIPPED, read_profile, shipped_profile
from kizuna.criteria.profiles.oscal_exchange import from_oscal, to_oscal
from kizuna.criteria.profiles.oscal_resolve import resolve_profile
from kizuna.criteria.profiles.oscal_tailor import tailored
from kizuna.model.errors import Malformed

FOLDER = "data/oscal/SP800-53/rev5/json/NIST_SP-800-53_rev5_"
CATALOGS = {name: shipped_catalog(name) for name in SHIPPED_CATALOGS}


def control(name, *below, **members):
    made = {"id": name, "title": name.upper(), **members}
    return made | ({"controls": list(below)} if below else {})


CATALOG = {
    "catalog": {
        "metadata": {"title": "T", "version": "1"},
        "groups": [
            {
                "id": "a",
                "title": "A",
                "controls": [
                    control("a-1", params=[{"id": "p", "label": "when"}]),
                    control(
                        "a-2",
                        control("a-2.1", links=[{"href": "#r1"}]),
                        control("a-2.2"),
                        parts=[{"id": "a-2_s", "name": "statement", "prose": "do"}],
                    ),
                ],
            },
            {"id": "b", "title": "B", "controls": [control("b-1")]},
        ],
        "back-matter": {"resources": [{"uuid": "r1", "title": "R"}, {"uuid": "r2", "title": "S"}]},
    }
}


def profile(*imports, uuid="u", **members):
    return {
        "profile": {
            "uuid": uuid,
            "metadata": {"title": "P", "version": "1"},
            "imports": list(imports) or [{"href": "c"}],
            "merge": {"as-is": True},
            **members,
        }
    }


def resolved(document, **documents):
    def find(names):
        return next((documents[n] for n in names if n in documents), None)

    return resolve_profile(document, find, now=0)


def ids(*imports, **members):
    return list(resolved(profile(*imports, **members), c=CATALOG).ids)


def take(**select):
    return {"href": "c", "include-controls": [select]}


@pytest.mark.vectors
def test_low_resolved_from_high_is_the_published_low_catalog(shared):
    def load(name):
        return oscal_shape((shared / f"{FOLDER}{name}").read_bytes())

    high = load("HIGH-baseline-resolved-profile_catalog-min.json")
    before = deepcopy(high)
    made = resolve_profile(load("LOW-baseline_profile.json"), lambda _: high, now=0)
    published = load("LOW-baseline-resolved-profile_catalog-min.json")["catalog"]
    again = json.dumps({"catalog": made.catalog}).encode()
    assert [c.id for c in read_oscal(again).controls] == list(made.ids)
    assert made.catalog["groups"] == published["groups"]
    assert {r["uuid"] for r in made.catalog["back-matter"]["resources"]} == {
        r["uuid"] for r in published["back-matter"]["resources"]
    }
    assert made.lost == ()
    assert high == before


def test_a_pattern_that_no_control_matches_is_told():
    document = profile(take(matching=[{"pattern": "a-*"}, {"pattern": "zz-*"}]))
    assert resolved(document, c=CATALOG).lost == ("zz-*",)


def test_what_is_chosen_comes_out_in_the_catalogs_order():
    assert ids(take(**{"with-ids": ["b-1", "a-1"]})) == ["a-1", "b-1"]
    assert ids({"href": "c", "include-all": {}}) == ["a-1", "a-2", "a-2.1", "a-2.2", "b-1"]
    assert ids(take(**{"with-ids": ["a-2"]})) == ["a-2"]
    assert ids(take(**{"with-ids": ["a-2"], "with-child-controls": "yes"})) == [
        "a-2",
        "a-2.1",
        "a-2.2",
    ]
    assert ids(take(matching=[{"pattern": "a-*"}])) == ["a-1", "a-2", "a-2.1", "a-2.2"]
    assert ids(
        {"href": "c", "include-all": {}, "exclude-controls": [{"with-ids": ["a-2", "b-1"]}]}
    ) == ["a-1", "a-2.1", "a-2.2"]


def test_an_enhancement_without_its_control_moves_to_its_place():
    made = resolved(profile(take(**{"with-ids": ["a-2.1"]})), c=CATALOG).catalog
    assert [c["id"] for c in made["groups"][0]["controls"]] == ["a-2.1"]
    assert [g["id"] for g in made["groups"]] == ["a"]
    assert [r["uuid"] for r in made["back-matter"]["resources"]] == ["r1"]


def test_structure_is_kept_flattened_or_drawn_up_anew():
    flat = resolved(profile(merge={"flat": {}}), c=CATALOG).catalog
    assert "groups" not in flat
    assert [c["id"] for c in flat["controls"]] == ["a-1", "a-2", "b-1"]
    custom = {
        "groups": [
            {"id": "x", "title": "X", "insert-controls": [
                {"order": "descending", "include-controls": [{"with-ids": ["a-1", "b-1"]}]}]}
        ]
    }  # fmt: skip
    made = resolved(profile(merge={"custom": custom}), c=CATALOG).catalog
    assert [c["id"] for c in made["groups"][0]["controls"]] == ["b-1", "a-1"]


def test_two_imports_of_one_control_give_it_once():
    both = (take(**{"with-ids": ["a-1"]}), take(**{"with-ids": ["a-1", "b-1"]}))
    assert ids(*both) == ["a-1", "b-1"]
    assert ids(*both, merge={"as-is": True, "combine": {"method": "keep"}}) == ["a-1", "a-1", "b-1"]


def test_changes_are_made_in_the_result_alone():
    before = deepcopy(CATALOG)
    changes = {
        "set-parameters": [{"param-id": "p", "values": ["noon"]}, {"param-id": "q"}],
        "alters": [
            {
                "control-id": "a-2",
                "removes": [{"by-name": "statement"}],
                "adds": [{"position": "starting", "parts": [{"id": "n", "name": "note"}]}],
            },
            {"control-id": "zz"},
            {"control-id": "a-1", "adds": [{"by-id": "nothing", "props": []}]},
        ],
    }
    made = resolved(profile(modify=changes), c=CATALOG)
    first, second = made.catalog["groups"][0]["controls"]
    assert first["params"][0]["values"] == ["noon"]
    assert second["parts"] == [{"id": "n", "name": "note"}]
    assert set(made.lost) == {"q", "zz", "a-1: nothing"}
    assert before == CATALOG


@pytest.mark.parametrize(
    ("place", "expected"),
    [("before", ["n", "a-2_s"]), ("after", ["a-2_s", "n"])],
)
def test_parts_are_added_beside_others(place, expected):
    add = {"position": place, "by-id": "a-2_s", "parts": [{"id": "n", "name": "note"}]}
    changes = {"alters": [{"control-id": "a-2", "adds": [add]}]}
    made = resolved(profile(modify=changes), c=CATALOG).catalog
    assert [p["id"] for p in made["groups"][0]["controls"][1]["parts"]] == expected


def test_a_profile_of_a_profile_is_resolved_through():
    middle = profile(take(matching=[{"pattern": "a-*"}]), uuid="middle")
    made = resolved(profile({"href": "m", "include-all": {}}), m=middle, c=CATALOG)
    assert made.ids == ("a-1", "a-2", "a-2.1", "a-2.2")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (profile({"href": "gone"}), "profile.import-unresolved"),
        (profile({"href": "self"}), "profile.import-loop"),
        (profile(take(**{"with-ids": ["zz"]})), "profile.control-absent"),
        (profile(take(**{"with-ids": "a-1"})), "profile.oscal"),
        (profile(take(matching=[{"pattern": ""}])), "profile.oscal"),
        (profile(imports=[]), "profile.oscal"),
        (profile(modify=[]), "profile.oscal"),
        (profile(modify={"alters": [{"control-id": "a-1", "removes": [{}]}]}), "profile.oscal"),
        ({"profile": []}, "profile.oscal"),
        ({}, "profile.oscal"),
    ],
)
def test_what_cannot_be_resolved_whole_is_refused(document, code):
    with pytest.raises(Malformed) as told:
        resolved(document, c=CATALOG, self=document)
    assert told.value.code == code


def test_a_hostile_pattern_ends():
    assert ids(take(matching=[{"pattern": "*" * 100 + "a" * 90 + "*!"}], **{"with-ids": ["a-1"]}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=4),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "imports",
                        "href",
                        "merge",
                        "modify",
                        "alters",
                        "control-id",
                        "include-controls",
                    ]
                ),
                x,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_any_profile_is_resolved_or_refused(shape):
    try:
        resolved({"profile": shape}, c=CATALOG)
    except Malformed as told:
        assert told.code.startswith("profile.")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_of_ours_goes_out_as_oscal_and_comes_back_equal(name):
    before = shipped_profile(name)
    made = json.loads(json.dumps(to_oscal(before, CATALOGS, now=0)))
    assert from_oscal(made).digest == before.digest
    again = resolve_profile(
        made,
        lambda names: next(shape_of(CATALOGS[n]) for n in names if n in CATALOGS),
        now=0,
    )
    assert again.lost == ()
    assert set(again.ids) <= {c.id for c in (*CATALOGS["cpsf-1.0"].controls,
                                             *CATALOGS["eu-cra-annex-i"].controls)}  # fmt: skip


def test_a_profile_that_stands_for_nothing_at_hand_cannot_go_out():
    text = b"""
profile: p
version: "1"
title: {en: P}
requirements:
  - {id: r, title: {en: R}, claim: c, from: [self], control: XX-1}
"""
    with pytest.raises(Malformed) as told:
        to_oscal(read_profile(text), CATALOGS, now=0)
    assert told.value.code == "profile.no-controls"


def test_a_profile_of_others_becomes_one_requirement_a_control():
    document = profile(take(**{"with-ids": ["a-1", "a-2.1"]}))
    made = from_oscal(document, resolved(document, c=CATALOG))
    assert [(r.id, r.control, r.claim) for r in made.requirements] == [
        ("a-1", "a-1", ("control/a-1",)),
        ("a-2.1", "a-2.1", ("control/a-2.1",)),
    ]
    assert "OSCAL" in made.about["en"]


TAILORING = """
tailor: plant
version: "1"
title: {en: Plant}
take:
  - {catalog: c, include: [a-1, "b-*"], exclude: [b-9], with_enhancements: true}
set: {p: noon}
"""


def test_a_tailoring_in_a_few_lines_is_an_oscal_profile():
    text = TAILORING.replace(", exclude: [b-9]", "").encode()
    made = resolved(tailored(text, now=0), c=CATALOG, **{"c.json": CATALOG})
    assert made.ids == ("a-1", "b-1")
    assert made.catalog["groups"][0]["controls"][0]["params"][0]["values"] == ["noon"]
    assert tailored(text, now=0) == tailored(text, now=0)


def test_a_profile_made_by_a_tailoring_has_the_name_that_the_tailoring_gives():
    document = tailored(TAILORING.replace(", exclude: [b-9]", "").encode(), now=0)
    made = from_oscal(document, resolved(document, c=CATALOG, **{"c.json": CATALOG}))
    assert (made.name, made.version) == ("plant", "1")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("take:", "takes:"),
        ("title: {en: Plant}", "title: {en: Plant}\nstructure: round"),
        ("a-1,", '"a 1",'),
        ("tailor: plant", "tailor: ../x y"),
        ("set:", "set: ["),
    ],
)
def test_a_tailoring_that_is_wrong_is_refused(old, new):
    with pytest.raises(Malformed) as told:
        tailored(TAILORING.replace(old, new).encode(), now=0)
    assert told.value.code == "profile.tailoring"
