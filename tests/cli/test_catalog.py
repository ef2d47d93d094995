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
