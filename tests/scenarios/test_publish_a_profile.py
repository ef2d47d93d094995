# SPDX-License-Identifier: Apache-2.0
"""The guide to publishing a profile, line by line."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kizuna.app.cli.run import execute

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "publish-a-profile.md"
TEXT = GUIDE.read_text(encoding="utf-8")
FILES = dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', TEXT, re.DOTALL))
LINES = re.findall(r"(?m)^\$ kizuna (.+)$", TEXT)
BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
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


@pytest.fixture
def place(tmp_path, monkeypatch, shared):
    """A folder with the guide's files, the publisher's files, and a store with a product."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIZUNA_STORE", str(tmp_path / "store"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in re.findall(r"NIST_\S+?\.json", TEXT):
        (tmp_path / name).write_bytes(
            (shared / "data/oscal/SP800-53/rev5/json" / name).read_bytes()
        )
    (tmp_path / "bom.json").write_text(json.dumps(BOM))
    assert execute(["init", "--name", "Bar", "-q"]) == 0
    assert execute(["import", "bom.json", "-q"]) == 0
    return tmp_path


@pytest.mark.vectors
def test_every_line_of_the_guide_does_what_it_says(place, capsys):
    told = {}
    for line in LINES:
        capsys.readouterr()
        code = execute([*shlex.split(line), "--json"])
        said = capsys.readouterr()
        wanted = 13 if "coverage" in line or line.startswith("verify") else 0
        assert code == wanted, (line, said.out, said.err)
        told[line.split(" --")[0]] = json.loads(said.out)
    one = told["profile check plant-1.yaml"]
    assert told["profile publish plant-1.yaml"]["digest"] == one["digest"]
    assert told["profile import plant.json"]["digest"] == one["digest"]
    changes = told["profile diff plant-software@1 plant-2.yaml"]["differences"]
    assert ("requirement security-test", "tighter") in {
        (c["name"], c["direction"]) for c in changes
    }
    assert told["profile switch plant-software@1 plant-2.yaml"]["judged"] >= 1
    assert told["profile resolve tailoring.yaml"]["ids"] == ["CPS.AM-1", "CPS.RA-1", "CPS.IP-1"]
    assert told["profile resolve NIST_SP-800-53_rev5_LOW-baseline_profile.json"]["controls"] == 149
    assert told["catalog map house-to-cra.yaml"]["mappings"][0]["accepted"] == 1


@pytest.mark.vectors
def test_a_published_version_stays_and_a_looser_child_is_refused(place, capsys):
    assert execute(["profile", "publish", "plant-1.yaml", "-q"]) == 0
    changed = FILES["plant-1.yaml"].replace("7 days", "6 days")
    (place / "plant-1.yaml").write_text(changed, encoding="utf-8")
    capsys.readouterr()
    assert execute(["profile", "publish", "plant-1.yaml", "--json"]) == 10
    assert json.loads(capsys.readouterr().out)["code"] == "profile.version-taken"
    looser = FILES["plant-2.yaml"].replace("180 days", "800 days")
    (place / "plant-2.yaml").write_text(looser, encoding="utf-8")
    assert execute(["profile", "check", "plant-2.yaml", "--json"]) == 10
    assert json.loads(capsys.readouterr().out)["code"] == "profile.loosens"


@pytest.mark.vectors
def test_profiles_that_extend_each_other_are_refused(place, capsys):
    for name, other in (("a", "b"), ("b", "a")):
        (place / f"{name}.yaml").write_text(
            f'extends: {other}.yaml\nprofile: {name}\nversion: "1"\ntitle: {{en: X}}\n'
        )
    capsys.readouterr()
    assert execute(["profile", "check", "a.yaml", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "profile.extends-loop"


@pytest.mark.vectors
def test_whose_standing_falls_is_told_with_the_reason(place, capsys):
    for version, age in (("1", "30 days"), ("2", "1 day")):
        (place / f"p{version}.yaml").write_text(
            f'profile: fresh\nversion: "{version}"\ntitle: {{en: Fresh}}\nrequirements:\n'
            f"  - {{id: named, title: {{en: Named}}, claim: description, from: [self], "
            f"max_age: {age}, present: [name]}}\n"
        )
    assert execute(["profile", "publish", "p1.yaml", "-q"]) == 0
    assert execute(["watch", "add", "pkg:generic/fuji/pump@4.2", "-p", "fresh", "-q"]) == 0
    capsys.readouterr()
    assert execute(["profile", "switch", "fresh", "p2.yaml", "--json"]) == 0
    now = json.loads(capsys.readouterr().out)
    assert (now["judged"], now["falls"]) == (1, 0)
    later = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert execute(["profile", "switch", "fresh", "p2.yaml", "--on", later, "--json"]) == 0
    then = json.loads(capsys.readouterr().out)
    assert (then["falls"], then["moved"][0]["before"]) == (1, "trusted")
    assert then["moved"][0]["findings"][0]["code"] == "claim.stale"
