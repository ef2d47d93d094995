# SPDX-License-Identifier: Apache-2.0
"""``kizuna catalog`` as a person or a script meets it."""

import json

import pytest

from kizuna.app.cli.run import execute

TABLE = b"id,title\nH-1,Lock the door\nH-2,Bar the window\n"


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Commands in this process over a store of their own; answers (exit code, JSON)."""
    monkeypatch.setenv("KIZUNA_STORE", str(tmp_path / "store"))

    def call(*words):
        code = execute([*map(str, words), "--json"])
        said = capsys.readouterr().out
        return code, json.loads(said) if said else None

    assert call("init", "--name", "Bar")[0] == 0
    return call


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "house.csv"
    path.write_bytes(TABLE)
    return path


def test_a_catalog_is_registered_without_its_text_and_found_by_name(run, table):
    code, told = run("catalog", "import", table, "--name", "house")
    assert code == 0
    assert (told["controls"], told["active"], told["withdrawn"]) == (2, 2, 0)
    assert run("log", "fsck")[1]["problems"] == []
    rows = {r["name"]: r for r in run("catalog", "list")[1]["catalogs"]}
    assert rows["house"]["origin"] == "store"
    assert {"cpsf-1.0", "eu-cra-annex-i"} <= set(rows)
    assert run("catalog", "show", "house", "h-1")[1]["title"] == "Lock the door"


def test_the_same_file_twice_is_registered_once(run, table):
    first = run("catalog", "import", table, "--name", "house")[1]
    again = run("catalog", "import", table, "--name", "house")[1]
    assert again["unchanged"]
    assert again["statement"] == first["statement"]


def test_a_bad_file_leaves_the_last_good_catalog(run, table):
    run("catalog", "import", table, "--name", "house")
    table.write_bytes(b"id,title\nH-1,a\nH-1,b\n")
    code, told = run("catalog", "import", table, "--name", "house")
    assert (code, told["code"]) == (2, "catalog.malformed")
    assert run("catalog", "show", "house")[1]["active"] == 2


def test_a_shipped_catalog_cannot_be_replaced(run, table):
    code, told = run("catalog", "import", table, "--name", "cpsf-1.0")
    assert (code, told["code"]) == (10, "catalog.shipped")


def test_an_unknown_catalog_is_told(run):
    code, told = run("catalog", "show", "nothing")
    assert (code, told["code"]) == (13, "catalog.unknown")


@pytest.mark.vectors
def test_a_changed_source_is_noticed_before_its_text_is_shown(run, shared, tmp_path):
    file = shared / "data/oscal/SP800-171/rev3/xml/NIST_SP800-171_rev3_catalog.xml"
    told = run("catalog", "import", file)[1]
    assert (told["name"], told["active"], told["withdrawn"]) == ("sp-800-171r3", 97, 33)
    assert run("catalog", "show", "sp-800-171r3", "3.9.1")[1]["text"]
    kept = tmp_path / "store" / "catalogs" / "sources" / told["source"]
    kept.chmod(0o600)
    kept.write_bytes(kept.read_bytes() + b" ")
    code, problem = run("catalog", "show", "sp-800-171r3", "3.9.1")
    assert (code, problem["code"]) == (11, "catalog.source-changed")


BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "metadata": {
        "component": {
            "type": "application",
            "bom-ref": "pump",
            "name": "Pump controller",
            "version": "4.2",
            "purl": "pkg:generic/fuji/pump@4.2",
        }
    },
    "compositions": [{"aggregate": "complete", "assemblies": ["pump"]}],
}
PROFILE = """
profile: named
version: "1"
title: {en: Named}
requirements:
  - id: name
    title: {en: It has a name}
    claim: description
    from: [self]
    present: [name]
    control: house#H-1
  - id: licence
    title: {en: Its people are trained}
    for: person
    claim: training
    from: [self]
    control: house#H-2
"""
MAPPING = """
mapping: house-to-yard
version: "1"
title: {en: House to yard}
source: our own reading
from: house
to: yard
ties:
  - {from: H-1, relation: equal, to: Y-1}
"""
PUMP = "pkg:generic/fuji/pump@4.2"


@pytest.fixture
def asked(run, table, tmp_path):
    """A store with a product that is trusted, two catalogs and a mapping between them."""
    for name, text in (
        ("bom.json", json.dumps(BOM)),
        ("named.yaml", PROFILE),
        ("map.yaml", MAPPING),
        ("yard.csv", "id,title\nY-1,Close the gate\n"),
    ):
        (tmp_path / name).write_text(text)
    assert run("import", tmp_path / "bom.json")[0] == 0
    assert run("catalog", "import", table, "--name", "house")[0] == 0
    assert run("catalog", "import", tmp_path / "yard.csv", "--name", "yard")[0] == 0
    profile = tmp_path / "named.yaml"
    assert run("verify", PUMP, "-p", profile)[0] == 0

    def coverage(catalog, *words):
        return run("catalog", "coverage", PUMP, "-p", profile, "--catalog", catalog, *words)

    return coverage


def states(told):
    return {r["control"]: r["state"] for r in told["controls"]}


def test_a_result_is_carried_to_another_catalog_only_by_an_accepted_mapping(run, asked, tmp_path):
    code, told = asked("yard")
    assert (code, told["verdict"], states(told)) == (13, "undetermined", {"Y-1": "unmapped"})
    run("catalog", "map", tmp_path / "map.yaml")
    code, told = asked("yard")
    assert (code, told["verdict"], states(told)) == (13, "undetermined", {"Y-1": "proposed"})
    made = run("catalog", "map", tmp_path / "map.yaml", "--accept")[1]["mappings"]
    assert (made[0]["status"], made[0]["accepted"]) == ("accepted", 1)
    code, told = asked("yard", "--mapping", "house-to-yard")
    assert (code, told["verdict"], states(told)) == (0, "trusted", {"Y-1": "covered"})


def test_what_nothing_in_the_chain_had_to_meet_covers_nothing(asked):
    code, told = asked("house")
    assert (code, told["chain"], told["verdict"]) == (13, "trusted", "undetermined")
    assert states(told) == {"H-1": "covered", "H-2": "unmapped"}


def test_a_mapping_that_points_nowhere_leaves_the_last_good_one(run, asked, tmp_path):
    run("catalog", "map", tmp_path / "map.yaml", "--accept")
    (tmp_path / "map.yaml").write_text(MAPPING.replace("Y-1", "Y-7"))
    code, told = run("catalog", "map", tmp_path / "map.yaml")
    assert (code, told["code"]) == (2, "mapping.points-nowhere")
    assert states(asked("yard")[1]) == {"Y-1": "covered"}


def test_a_mapping_that_leads_elsewhere_is_refused(run, asked, tmp_path):
    run("catalog", "map", tmp_path / "map.yaml")
    code, told = asked("eu-cra-annex-i", "--mapping", "house-to-yard")
    assert (code, told["code"]) == (10, "mapping.elsewhere")


def test_a_mapping_goes_out_as_oscal_and_in_again(run, asked, tmp_path):
    run("catalog", "map", tmp_path / "map.yaml", "--accept")
    out = tmp_path / "map.json"
    assert run("catalog", "mappings", "house-to-yard", "--oscal", out)[0] == 0
    again = run("catalog", "map", out)[1]["mappings"]
    assert [(m["name"], m["status"]) for m in again] == [("house-to-yard", "proposed")]
    assert states(asked("yard")[1]) == {"Y-1": "proposed"}


@pytest.mark.vectors
def test_low_is_resolved_from_high_imported_and_exported(run, shared, tmp_path):
    folder = shared / "data/oscal/SP800-53/rev5/json"
    high = folder / "NIST_SP-800-53_rev5_HIGH-baseline-resolved-profile_catalog-min.json"
    low = folder / "NIST_SP-800-53_rev5_LOW-baseline_profile.json"
    code, told = run("profile", "resolve", low)
    assert (code, told["code"]) == (2, "profile.import-unresolved")
    assert run("catalog", "import", high)[1]["name"] == "sp-800-53r5-high"
    told = run("profile", "resolve", low, "--catalog", "sp-800-53r5-high")[1]
    assert (told["controls"], told["not_found"]) == (149, [])
    assert run("profile", "resolve", low, "--catalog", high)[1]["ids"] == told["ids"]
    # a profile of a profile: the one catalog stands for what that one imports
    house = tmp_path / "house.json"
    words = {"title": "House", "version": "1", "oscal-version": "1.1.2"}
    imported = [{"href": low.name, "include-controls": [{"matching": [{"pattern": "ac-*"}]}]}]
    house.write_text(
        json.dumps({"profile": {"uuid": "house", "metadata": words, "imports": imported}})
    )
    told = run("profile", "resolve", house, "--catalog", low, "--catalog", "sp-800-53r5-high")[1]
    assert told["ids"] == [i for i in run("profile", "resolve", low, "--catalog", high)[1]["ids"]
                           if i.startswith("ac-")]  # fmt: skip
    ours = tmp_path / "low.yaml"
    made = run("profile", "import", low, "--catalog", "sp-800-53r5-high", "--out", ours)[1]
    assert (made["name"], made["requirements"]) == ("sp-800-53r5-low", 149)
    assert run("profile", "check", ours)[1]["digest"] == made["digest"]
    out = tmp_path / "low.json"
    assert run("profile", "export", ours, "--out", out)[0] == 0
    assert run("profile", "import", out, "--out", ours)[1]["digest"] == made["digest"]


def test_a_kept_file_that_was_changed_is_told(run, table, tmp_path):
    run("catalog", "import", table, "--name", "house")
    (tmp_path / "store" / "catalogs" / "house.json").write_bytes(b"{")
    code, told = run("catalog", "show", "house")
    assert (code, told["code"]) == (11, "catalog.kept-changed")
