# SPDX-License-Identifier: Apache-2.0
"""``kizuna risk`` as a person or a script meets it."""

import json
from xml.etree import ElementTree as ET

import pytest

from kizuna.app.cli.run import execute
from kizuna.criteria.profiles import read_profile, shipped_profile
from kizuna.criteria.risk import is_as_strict

FAN = "pkg:generic/acme/fan@1"
HEAVY = ("--level", "recovery=critical", "--level", "economic=serious")
LIGHT = ("--level", "recovery=limited", "--level", "economic=serious")


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


def test_the_same_device_is_placed_by_use_and_found_again(run):
    assert run("risk", "place", FAN, "--use", "lobby", *LIGHT)[1]["category"] == "B"
    assert run("risk", "place", FAN, "--use", "theatre", *HEAVY)[1]["category"] == "D"
    rows = run("risk", "show", FAN)[1]["placements"]
    assert [(r["use"], r["category"]) for r in rows] == [("lobby", "B"), ("theatre", "D")]
    assert rows == run("risk", "show")[1]["placements"]
    assert run("log", "fsck")[1]["problems"] == []


def test_a_later_placement_takes_the_place_of_the_earlier(run):
    run("risk", "place", FAN, "--use", "lobby", *LIGHT)
    run("risk", "place", FAN, "--use", "lobby", *HEAVY)
    assert [r["category"] for r in run("risk", "show", FAN)[1]["placements"]] == ["D"]


def test_a_placement_that_was_taken_back_places_nothing(run):
    made = run("risk", "place", FAN, "--use", "lobby", *LIGHT)[1]
    assert run("statement", "revoke", made["statement"], "--reason", "mistaken", "--yes")[0] == 0
    assert run("risk", "show", FAN)[1]["placements"] == []


def test_a_preview_signs_nothing(run):
    before = run("log", "checkpoint")[1]["size"]
    told = run("risk", "place", FAN, "--use", "lobby", *LIGHT, "--preview")[1]
    assert told["category"] == "B"
    assert "index" not in told
    assert run("log", "checkpoint")[1]["size"] == before


def test_weaker_measures_in_a_heavier_category_end_with_15(run):
    assert run("risk", "compare")[0] == 0
    run("risk", "place", FAN, "--use", "lobby", *LIGHT, "--in-place", "support=certified")
    run("risk", "place", FAN, "--use", "theatre", *HEAVY, "--in-place", "support=confirmed")
    code, told = run("risk", "compare")
    assert code == 15
    (heavier,) = [d for d in told["differences"] if d["what"] == "heavier"]
    assert (heavier["viewpoint"], heavier["other"]["use"]) == ("support", "lobby")


def test_a_tailored_profile_is_written_and_never_looser(run, tmp_path):
    run("risk", "place", FAN, "--use", "theatre", *HEAVY)
    out = tmp_path / "strict.json"
    code, told = run("risk", "tailor", "building-services", "--placement", FAN, "--out", out)
    assert (code, told["category"]) == (0, "D")
    assert told["changes"]
    made = read_profile(out.read_bytes())
    assert made.digest == told["digest"]
    assert is_as_strict(made, shipped_profile("building-services"))
    assert run("profile", "check", out)[0] == 0


def test_where_uses_differ_one_must_be_named(run):
    run("risk", "place", FAN, "--use", "lobby", *LIGHT)
    run("risk", "place", FAN, "--use", "theatre", *HEAVY)
    code, told = run("risk", "tailor", "iot-device", "--placement", FAN)
    assert (code, told["code"]) == (2, "risk.use-needed")
    named = run("risk", "tailor", "iot-device", "--placement", FAN, "--use", "lobby")[1]
    assert named["category"] == "B"


def test_own_tables_are_registered_before_anything_is_placed_by_them(run, tmp_path, capsys):
    execute(["risk", "frameworks", "iot-ssf", "--source"])
    text = capsys.readouterr().out.replace("framework: iot-ssf", "framework: ours")
    ours = tmp_path / "ours.yaml"
    ours.write_text(text, encoding="utf-8")
    place = ("risk", "place", FAN, "--use", "lobby", *LIGHT, "--framework")
    code, told = run(*place, ours)
    assert (code, told["code"]) == (10, "risk.framework-not-kept")
    assert run("risk", "frameworks", ours, "--keep")[1]["name"] == "ours"
    assert run(*place, "ours")[1]["link_category"] == "ours:B"
    assert run("risk", "show", "--framework", "ours")[1]["placements"][0]["framework"] == "ours"
    assert run("risk", "show")[1]["placements"] == []


def test_the_plane_is_a_picture(run, tmp_path):
    run("risk", "place", FAN, "--use", "lobby", *LIGHT)
    out = tmp_path / "plane.svg"
    assert run("risk", "plane", "--out", out)[0] == 0
    assert "lobby" in out.read_text(encoding="utf-8")
    ET.parse(out)  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--level", "recovery=limited"), "risk.axis-missing"),
        (("--level", "recovery=limited", "--level", "colour=red"), "risk.axis-unknown"),
        (("--level", "recovery=limited", "--level", "economic=red"), "risk.level-unknown"),
        (("--level", "recovery"), "command.pair"),
        ((*LIGHT, "--in-place", "luck=basic"), "risk.viewpoint-unknown"),
        ((*LIGHT, "--in-place", "people=high"), "risk.strength-unknown"),
        ((*LIGHT, "--reason", "x" * 3000), "risk.words-too-long"),
    ],
)
def test_what_the_table_does_not_know_is_refused(run, words, code):
    exit_code, told = run("risk", "place", FAN, "--use", "lobby", *words)
    assert (exit_code, told["code"]) == (2, code)
    assert told["hint"]
    assert run("risk", "show")[1]["placements"] == []


def test_a_use_has_a_short_name(run):
    told = run("risk", "place", FAN, "--use", "the lobby", *LIGHT)[1]
    assert told["code"] == "risk.use-name"
    told = run("risk", "place", FAN, "--use", "", *LIGHT)[1]
    assert told["code"] == "risk.use-name"
