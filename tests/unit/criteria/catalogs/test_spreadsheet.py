# SPDX-License-Identifier: Apache-2.0
"""Catalogs from tables, their names, and the catalogs that ship."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.catalogs import (
    SHIPPED_CATALOGS,
    Catalog,
    read_catalog,
    read_table,
    shipped_catalog,
)
from kizuna.criteria.catalogs.names import checked_version, short_name
from kizuna.criteria.profiles import SHIPPED, shipped_profile
from kizuna.model.errors import Absent, Malformed

TABLE = """id,title,title:ja,group,withdrawn,replaced_by
H-1,Lock the door,扉に鍵をかける,House,,
H-2,Bar the window,,House,yes,H-1 H-3
"""


def test_a_table_becomes_a_catalog_with_its_ids_as_written():
    found = read_catalog(TABLE.encode(), name="house", title="House rules", version="v 2")
    assert (found.id, found.title, found.version) == ("house", "House rules", "v-2")
    assert [c.id for c in found.controls] == ["H-1", "H-2"]
    assert found.find("H-1").named("ja") == "扉に鍵をかける"
    assert found.find("h-1").named("de") == "Lock the door"
    assert found.find("H-2").withdrawn
    assert found.find("H-2").replaced_by == ("H-1", "H-3")
    assert Catalog.from_document("house", "v-2", found.document()) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id\nA",
        "id,title,colour\nA,B,red",
        "id,title,title\nA,B,C",
        "id,title\nA",
        "id,title\n,B",
        "id,title,withdrawn\nA,B,maybe",
        "id,title\nA,B\nA,C",
        'id,title\nA,"B',
        "id,title\n" + "A," + "B" * 10_001,
    ],
)
def test_a_table_that_is_wrong_is_refused_whole(text):
    with pytest.raises(Malformed) as told:
        read_table(text.encode())
    assert told.value.code == "catalog.malformed"


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_a_clear_problem(text):
    try:
        read_catalog(text.encode())
    except Malformed as told:
        assert told.code == "catalog.malformed"


@pytest.mark.parametrize(
    ("title", "version", "identity", "name"),
    [
        ("NIST Cybersecurity Framework 2.0", "1.0.0", "CSF_2_0_0", "csf-2.0"),
        ("Protecting things", "1.0.0", "SP_800_171_3_0_0", "sp-800-171r3"),
        ("NIST SP 800-53 Rev. 5 HIGH IMPACT BASELINE", "5", "", "sp-800-53r5-high"),
        ("NIST Special Publication 800-53 Revision 5.1.1: Controls", "5", "", "sp-800-53r5"),
        ("Hausordnung für Gäste", "3", "", "hausordnung-f-r-g-ste-3"),
    ],
)
def test_catalogs_get_the_names_that_people_use(title, version, identity, name):
    assert short_name(title, version, identity) == name


@given(st.text(), st.text())
def test_any_title_gives_a_usable_name_and_version(title, version):
    read_table(b"id,title\nA,B", name=short_name(title, version)[:100], version=version)
    assert checked_version(version)


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 101])
def test_a_name_that_could_leave_the_folder_is_refused(name):
    with pytest.raises(Malformed) as told:
        read_catalog(TABLE.encode(), name=name)
    assert told.value.code == "catalog.name"


@pytest.mark.parametrize("name", SHIPPED_CATALOGS)
def test_shipped_catalogs_have_words_in_both_languages(name):
    found = shipped_catalog(name)
    assert found.id == name
    assert "ours" in found.note
    for control in found.controls:
        assert control.named("en") == control.title
        assert control.named("ja") != control.title


def test_the_shipped_cpsf_has_the_fifteen_verified_requirements_and_no_more():
    ids = {c.id for c in shipped_catalog("cpsf-1.0").controls}
    first = {f"CPS.{x}-1" for x in re.findall("..", "AMGVRARMSCACATDSIPMAAECMDPRP")}
    assert ids == first | {"CPS.IP-9"}
    assert len(ids) == 15


def test_shipped_profiles_name_controls_of_shipped_catalogs():
    known = {c.id for name in SHIPPED_CATALOGS for c in shipped_catalog(name).controls}
    named = {r.control for p in SHIPPED for r in shipped_profile(p).requirements if r.control}
    assert {c for c in named if c.startswith(("CPS.", "CRA-"))} <= known


def test_an_unknown_catalog_is_named():
    with pytest.raises(Absent):
        shipped_catalog("cpsf-9")


def test_a_family_stands_for_its_controls():
    found = read_table(b"id,title\n03.04.01,A\n03.04.02,B\n03.05.01,C", name="x")
    assert [c.id for c in found.within("03.04")] == ["03.04.01", "03.04.02"]
    assert [c.id for c in found.within("3.5.1")] == ["03.05.01"]
    with pytest.raises(Absent):
        found.within("03.4.9")
