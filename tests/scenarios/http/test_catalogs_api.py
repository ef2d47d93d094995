# SPDX-License-Identifier: Apache-2.0
"""Catalogs, mappings and risk over HTTP: the same as the commands say, and read only."""

import pytest

from kizuna.app.wiring.coverage import coverage
from kizuna.app.wiring.risk import frameworks, placing
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.relation import Relation

SUBJECT = "did:web:fuji.example"


def test_catalogs_are_listed_and_shown_without_their_text(served):
    names = {c["name"] for c in served.client.get("/api/catalogs").json()["catalogs"]}
    assert {"cpsf-1.0", "eu-cra-annex-i"} <= names
    one = served.client.get("/api/catalogs/cpsf-1.0", params={"lang": "ja"}).json()
    assert one["active"] == 15
    assert {c["id"] for c in one["controls"]} >= {"CPS.AM-1"}
    kinds = served.client.get("/api/catalogs/certificates").json()
    assert "jc-star-1" in {c["id"] for c in kinds["controls"]}
    assert served.client.get("/api/catalogs/nothing").status_code == 404
    assert served.client.get("/api/catalogs/..%2Fx").status_code in (400, 404)


def test_mappings_say_what_they_are_and_what_they_leave_out(served):
    told = served.client.get("/api/mappings").json()["mappings"]
    assert {m["status"] for m in told} == {"proposed"}
    one = served.client.get("/api/mappings/certificates-to-cpsf-1.0").json()
    assert one["accepted"] == 0
    assert "CPS.DP-1" in one["unmapped"]["cpsf-1.0"]
    assert served.client.get("/api/mappings/nothing").status_code == 404


def test_coverage_is_what_the_command_says(served, workspace):
    asked = {"subject": SUBJECT, "profile": "building-services"}
    told = served.client.get("/api/catalogs/cpsf-1.0/coverage", params=asked).json()
    profile = workspace.profile("building-services")
    here, outcome = coverage(workspace, SUBJECT, profile, "cpsf-1.0")
    assert told["counts"] == here["counts"]
    assert told["controls"] == here["controls"]
    assert told["exit"] == int(outcome) != 0


@pytest.mark.parametrize("path", ["/api/risk/iot-ssf", "/api/risk/iot-ssf/categories"])
def test_a_table_of_risk_is_shown(served, path):
    told = served.client.get(path, params={"lang": "en"})
    assert told.status_code == 200
    assert told.json()["categories"]
    assert served.client.get(path.replace("iot-ssf", "nothing")).status_code == 404


def test_categories_stand_side_by_side_on_the_page(served):
    twin = served.client.get("/risk.json").json()["comparison"]
    api = served.client.get("/api/risk/iot-ssf/categories").json()
    assert twin == api
    for viewpoint in twin["viewpoints"]:
        assert set(viewpoint["required"]) == {c["id"] for c in twin["categories"]}
    assert 'scope="row"' in served.client.get("/risk").text


def test_a_placement_signs_the_link_by_which_verdicts_count_it(workspace):
    table = frameworks.find_framework("iot-ssf", workspace.settings)
    levels = {a.id: a.levels[-1].id for a in table.axes}
    placed = placing.planned(table, "pkg:generic/aoba/ac@1", "ward", levels)
    whole = SubjectId(canonical("pkg:generic/fuji/building@1"))
    told = placing.place_device(workspace, table, placed, workspace.settings, whole=whole)
    reader = workspace.store.reader()
    (row,) = (
        r
        for r in reader.by_indices(range(workspace.store.head().size))
        if r.statement.digest.hex() == told["link"]
    )
    assert row.statement.kind is Kind.LINK
    assert row.statement.subject == whole
    (tie,) = row.statement.payload.links
    assert (tie.relation, tie.subject) == (Relation.PART_OF, placed.device)
    assert tie.category == table.link_category(placed.category)
    alone = placing.place_device(workspace, table, placed, workspace.settings)
    assert alone["link"] is None
