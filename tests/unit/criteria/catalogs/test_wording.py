# SPDX-License-Identifier: Apache-2.0
"""The text of a control is read from the user's own file, and only from there."""

import json

import pytest

from kizuna.criteria.catalogs import read_catalog, wording_of
from kizuna.model.errors import Absent

CONTROL = {
    "id": "a-1",
    "title": "Keep watch",
    "params": [
        {"id": "p1", "label": "how often"},
        {"id": "p2", "select": {"choice": ["by day", "by {{ insert: param, p1 }}"]}},
    ],
    "parts": [
        {
            "name": "statement",
            "prose": "Watch {{ insert: param, p2 }}:",
            "parts": [
                {"name": "item", "props": [{"name": "label", "value": "a."}], "prose": "doors"}
            ],
        },
        {"name": "assessment-objective", "prose": "left out"},
    ],
}
FILE = json.dumps(
    {"catalog": {"metadata": {"title": "T", "version": "1"}, "controls": [CONTROL]}}
).encode()


def test_text_shows_its_blanks_by_label_and_leaves_out_what_assessors_read():
    found = read_catalog(FILE)
    assert wording_of(found, "A-1", FILE) == ["Watch [by day | by [how often]]:", "  a. doors"]


def test_blanks_that_were_filled_in_are_shown_filled_in():
    found = read_catalog(FILE)
    assert wording_of(found, "a-1", FILE, {"p2": "at {{ insert: param, p1 }}", "p1": "noon"})[
        0
    ] == ("Watch at noon:")


def test_a_blank_that_holds_itself_ends():
    found = read_catalog(FILE)
    assert wording_of(found, "a-1", FILE, {"p2": "x {{ insert: param, p2 }}"})


def test_a_table_has_no_text():
    table = b"id,title\nA,B"
    assert wording_of(read_catalog(table), "A", table) == []


def test_an_unknown_control_is_named():
    with pytest.raises(Absent):
        wording_of(read_catalog(FILE), "b", FILE)


@pytest.mark.vectors
@pytest.mark.parametrize(
    ("file", "control", "words"),
    [
        (
            "SP800-171/rev3/xml/NIST_SP800-171_rev3_catalog.xml",
            "03.09.01",
            "SR-03.09.01.b Rescreen individuals in accordance with [conditions].",
        ),
        (
            "SP800-53/rev5/json/NIST_SP-800-53_rev5_LOW-baseline-resolved-profile_catalog-min.json",
            "AC-2",
            "b. Assign account managers;",
        ),
    ],
)
def test_the_publishers_own_words_are_found(shared, file, control, words):
    data = (shared / "data/oscal" / file).read_bytes()
    assert words in [line.strip() for line in wording_of(read_catalog(data), control, data)]


def test_blanks_that_hold_blanks_come_to_no_endless_text():
    many = "{{ insert: param, %s }}"
    params = [
        {"id": "a", "values": [(many % "b") * 2_000]},
        {"id": "b", "values": [(many % "c") * 2_000]},
        {"id": "c", "values": ["x" * 2_000]},
    ]
    control = {
        "id": "c-1",
        "title": "C",
        "params": params,
        "parts": [{"id": "s", "name": "statement", "prose": (many % "a") * 2_000}],
    }
    head = {"title": "C", "last-modified": "2026-01-01T00:00:00Z", "version": "1"}
    source = json.dumps(
        {
            "catalog": {
                "uuid": "33333333-1111-4111-8111-111111111111",
                "metadata": {**head, "oscal-version": "1.1.2"},
                "controls": [control],
            }
        }
    ).encode()
    lines = wording_of(read_catalog(source), "c-1", source)
    assert sum(map(len, lines)) < 1_000_000
