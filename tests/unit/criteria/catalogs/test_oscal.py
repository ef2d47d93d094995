# SPDX-License-Identifier: Apache-2.0
"""OSCAL catalogs: the publishers' own files with the right counts, and files that are none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.catalogs import Catalog, read_oscal
from kizuna.model.errors import Absent, Malformed

CSF = "CSF/v2.0/xml/NIST_CSF_v2.0_catalog.xml"
CUI = "SP800-171/rev3/xml/NIST_SP800-171_rev3_catalog.xml"
BASE = "SP800-53/rev5/json/NIST_SP-800-53_rev5_{}-baseline-resolved-profile_catalog-min.json"


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("file", "active", "withdrawn"),
    [(CSF, 22 + 106, 12 + 79), (CUI, 97, 33), (BASE.format("LOW"), 149, 0)],
)
def test_the_publishers_files_have_the_right_counts(shared, file, active, withdrawn):
    found = read_oscal((shared / "data/oscal" / file).read_bytes())
    assert (found.active, found.withdrawn) == (active, withdrawn)


@pytest.mark.vectors
def test_a_withdrawn_control_says_what_took_its_place(shared):
    found = read_oscal((shared / "data/oscal" / CUI).read_bytes())
    assert found.find("03.01.14").withdrawn
    assert found.find("03.01.14").replaced_by == ("03.01.12",)
    assert found.find("3.1.16").title == "Wireless Access"


@pytest.mark.vectors
def test_the_low_baseline_lies_within_the_high_one(shared):
    low, high = (
        read_oscal((shared / "data/oscal" / BASE.format(n)).read_bytes()) for n in ("LOW", "HIGH")
    )
    assert {c.id for c in low.controls} < {c.id for c in high.controls}
    assert high.find("AC-2(2)").id == high.find("ac-2.2").id == "ac-2.2"


@pytest.mark.vectors
def test_a_catalog_comes_back_from_its_registered_form(shared):
    found = read_oscal((shared / "data/oscal" / CUI).read_bytes(), name="sp-800-171r3")
    document = json.loads(json.dumps(found.document()))
    again = Catalog.from_document("sp-800-171r3", found.version, document)
    assert again == found
    assert "prose" not in json.dumps(document)


def test_xml_and_json_of_one_catalog_read_alike():
    xml = b"""<catalog xmlns="http://csrc.nist.gov/ns/oscal/1.0" uuid="x"><metadata>
      <title>T</title><version>1</version></metadata><group id="g"><title>G</title>
      <control id="a-1" class="c"><title>One</title><param id="p"><label>when</label></param>
      <prop name="status" value="withdrawn"/><link href="#a-2" rel="moved-to"/></control>
      </group></catalog>"""
    control = {
        "id": "a-1",
        "class": "c",
        "title": "One",
        "params": [{"id": "p", "label": "when"}],
        "props": [{"name": "status", "value": "withdrawn"}],
        "links": [{"href": "#a-2", "rel": "moved-to"}],
    }
    shape = {
        "catalog": {
            "metadata": {"title": "T", "version": "1"},
            "groups": [{"id": "g", "title": "G", "controls": [control]}],
        }
    }
    assert read_oscal(xml).controls == read_oscal(json.dumps(shape).encode()).controls


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"catalog": []}',
        b'{"catalog": {"metadata": {"title": "T"}}}',
        b'{"catalog":{"metadata":{"title":"T","version":"1"},"controls":[{"id":"a"},{"id":"a"}]}}',
        b'<!DOCTYPE x [<!ENTITY a "b">]><x/>',
        b"<catalog/>",
        b'<profile xmlns="http://csrc.nist.gov/ns/oscal/1.0"/>',
        b'{"a":' * 5000,
    ],
)
def test_what_is_no_catalog_is_refused(data):
    with pytest.raises(Malformed) as told:
        read_oscal(data)
    assert told.value.code == "catalog.malformed"


def test_controls_nested_without_end_are_refused():
    node: dict = {"id": "x"}
    for i in range(40):
        node = {"id": f"n{i}", "controls": [node]}
    shape = {"catalog": {"metadata": {"title": "T", "version": "1"}, "controls": [node]}}
    with pytest.raises(Malformed):
        read_oscal(json.dumps(shape).encode())


def test_an_unknown_control_is_named():
    shape = {"catalog": {"metadata": {"title": "T", "version": "1"}, "controls": [{"id": "a"}]}}
    with pytest.raises(Absent) as told:
        read_oscal(json.dumps(shape).encode()).find("zz")
    assert told.value.code == "catalog.no-such-control"


@given(st.binary(max_size=300))
def test_noise_is_a_clear_problem(noise):
    with pytest.raises(Malformed):
        read_oscal(noise)
