# SPDX-License-Identifier: Apache-2.0
"""``kizuna vcp`` as people meet it: a maker and a user, each with a store and a key of its own."""

import json
from xml.etree import ElementTree as ET

import pytest
import yaml

from kizuna.app.cli.run import execute
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import Digest

FAN = "pkg:generic/acme/fan@1"
PROFILE = """
profile: fan
version: "1"
title: A fan
requirements:
  - {id: contact, title: {en: A contact}, claim: contact, from: supplier, for: organization}
  - {id: named, title: {en: It is described}, claim: description, from: supplier, for: component}
follow:
  - {relation: made-by}
"""


class Firm:
    """An organisation with its own store."""

    def __init__(self, path, name, capsys) -> None:
        self.path, self.capsys = path, capsys
        self("init", "--name", name)
        self.id = self._identity()

    def _identity(self):
        with Workspace.open(settings=Settings.from_environment(store=str(self.path))) as opened:
            return opened.identity

    def __call__(self, *words) -> tuple[int, dict]:
        code = execute([*map(str, words), "--store", str(self.path), "--json"])
        said = self.capsys.readouterr().out
        return code, json.loads(said) if said else None

    def statement(self, digest):
        with Workspace.open(settings=Settings.from_environment(store=str(self.path))) as opened:
            wanted = Digest(bytes.fromhex(digest))
            return opened.store.reader().raw([wanted])[wanted]

    def hear(self, statement):
        with Workspace.open(settings=Settings.from_environment(store=str(self.path))) as opened:
            return opened.register_one(statement)


@pytest.fixture
def firms(tmp_path, capsys):
    maker, user = (Firm(tmp_path / n, n.title(), capsys) for n in ("maker", "user"))
    (tmp_path / "profile.yaml").write_text(PROFILE.replace("title: A fan", "title: {en: A fan}"))
    for one, other in ((maker, user), (user, maker)):
        assert (
            one("list", "add", other.id, "--role", "maker", "--scope", "pkg:generic/acme")[0] == 0
        )
    process = {
        "process": "fan",
        "version": "1",
        "title": {"en": "A fan"},
        "organizations": [
            {"id": "maker", "title": {"en": "Maker"}, "identifier": maker.id},
            {"id": "user", "title": {"en": "User"}, "identifier": user.id},
        ],
        "elements": [
            {"id": "fan", "element": "component", "title": {"en": "Fan"}, "identifier": FAN}
        ],
        "activities": [
            {
                "id": "make",
                "title": {"en": "Make"},
                "organization": "maker",
                "layer": 1,
                "produces": ["fan"],
            },
            {
                "id": "run",
                "title": {"en": "Run"},
                "organization": "user",
                "layer": 2,
                "consumes": ["fan"],
            },
        ],
    }
    path = tmp_path / "fan.yaml"
    path.write_text(yaml.safe_dump(process))
    return maker, user, path, tmp_path / "profile.yaml"


def test_two_firms_come_to_an_agreement(firms):
    maker, user, path, profile = firms
    imported = user("vcp", "import", path)[1]
    assert imported["points"] == 1
    maker.hear(user.statement(imported["statement"]))
    assert maker("vcp", "import", "--statement", imported["statement"])[0] == 0

    code, told = user("vcp", "gaps", "-p", profile)
    assert (code, told["expected"], told["missing"]) == (13, 2, 2)
    (expected,) = user("vcp", "expect", "-p", profile, "--sign")[1]["statements"]
    assert user("vcp", "status")[1]["points"][0]["waiting"] == ["maker"]
    maker.hear(user.statement(expected["statement"]))

    assert maker("statement", "claim", maker.id, "contact", "mail=psirt@maker.example")[0] == 0
    code, offered = maker(
        "vcp", "offer", expected["statement"], "-p", profile, "--until", "named=2030-01-31"
    )
    assert code == 0
    assert [(r["requirement"], r["until"]) for r in offered["lacks"]] == [("named", "2030-01-31")]
    assert offered["shows"] == 1
    user.hear(maker.statement(offered["statement"]))

    first = user("vcp", "agree", offered["statement"])[1]
    assert user("vcp", "status")[1]["points"][0]["state"] == "half-agreed"
    maker.hear(user.statement(first["statement"]))
    second = maker("vcp", "agree", offered["statement"])[1]
    user.hear(maker.statement(second["statement"]))
    for firm in firms[:2]:
        (row,) = firm("vcp", "status")[1]["points"]
        assert (row["state"], row["waiting"], row["overdue"]) == ("agreed", [], [])
        assert {a["party"] for a in row["agreed"]} == {maker.id, user.id}
        assert firm("log", "fsck")[1]["problems"] == []

    user("statement", "revoke", first["statement"], "--reason", "we part", "--yes")
    assert user("vcp", "status")[1]["points"][0]["state"] == "half-agreed"


def test_nobody_signs_for_somebody_else(firms):
    maker, user, path, profile = firms
    made = user("vcp", "import", path)[1]
    maker.hear(user.statement(made["statement"]))
    maker("vcp", "import", "--statement", made["statement"])
    code, told = maker("vcp", "expect", "-p", profile, "--sign")
    assert (code, told["code"]) == (10, "vcp.not-party")
    (expected,) = user("vcp", "expect", "-p", profile, "--sign")[1]["statements"]
    code, told = user("vcp", "offer", expected["statement"], "-p", profile)
    assert (code, told["code"]) == (10, "vcp.not-party")
    code, told = user("vcp", "agree", expected["statement"])
    assert (code, told["code"]) == (2, "vcp.statement")


def test_an_offer_follows_the_profile_that_was_expected(firms):
    maker, user, path, profile = firms
    made = user("vcp", "import", path)[1]
    (expected,) = user("vcp", "expect", "-p", profile, "--sign")[1]["statements"]
    maker.hear(user.statement(made["statement"]))
    maker.hear(user.statement(expected["statement"]))
    maker("vcp", "import", "--statement", made["statement"])
    answer = ("vcp", "offer", expected["statement"], "-p")
    assert maker(*answer, "iot-device")[1]["code"] == "vcp.other-profile"
    for promise in ("named=soon", "named=2030-02-31", "nothing=2030-01-01"):
        assert maker(*answer, profile, "--until", promise)[1]["code"] == "vcp.until"
    assert maker(*answer, profile, "--until", "named")[1]["code"] == "command.pair"


def test_a_process_is_registered_once_and_a_bad_file_changes_nothing(firms):
    _, user, path, _ = firms
    first = user("vcp", "import", path)[1]
    again = user("vcp", "import", path)[1]
    assert again["unchanged"]
    assert again["statement"] == first["statement"]
    path.write_text(path.read_text().replace("layer: 2", "layer: 9"))
    code, told = user("vcp", "import", path)
    assert (code, told["code"]) == (2, "document.value")
    assert told["about"]["line"] > 1
    assert user("vcp", "show")[1]["activities"][1]["layer"] == 2


def test_no_process_takes_the_place_of_another_organisations(firms):
    maker, user, path, _ = firms
    made = user("vcp", "import", path)[1]
    maker.hear(user.statement(made["statement"]))
    assert maker("vcp", "import", "--statement", made["statement"])[0] == 0
    code, told = maker("vcp", "import", path)
    assert (code, told["code"]) == (10, "vcp.name-taken")
    assert maker("vcp", "show")[1]["owner"] == user.id


def test_a_file_alone_can_be_shown_and_drawn(firms, tmp_path):
    _, user, path, profile = firms
    assert user("vcp", "show", path)[1]["owner"] == ""
    out = tmp_path / "fan.svg"
    assert user("vcp", "draw", path, "--out", out, "--lang", "ja")[0] == 0
    ET.parse(out)  # noqa: S314 - our own
    assert user("vcp", "status", path)[1]["code"] == "vcp.not-registered"
    assert len(user("vcp", "expect", path, "-p", profile)[1]["expects"]) == 2


def test_what_is_not_here_is_told(firms):
    _, user, path, profile = firms
    assert user("vcp", "show")[1]["code"] == "vcp.unknown"
    assert user("vcp", "show", "nothing")[1]["code"] == "vcp.unknown"
    assert user("vcp", "import")[1]["code"] == "vcp.import-what"
    user("vcp", "import", path)
    told = user("vcp", "gaps", "-p", profile, "--point", "nowhere")[1]
    assert told["code"] == "vcp.point-unknown"


def test_a_diagram_becomes_a_text_to_check(firms, tmp_path):
    _, user, _, _ = firms
    diagram = tmp_path / "Cleaning the tower.bpmn"
    diagram.write_text(
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="p">'
        '<laneSet><lane id="a" name="Office"><flowNodeRef>t</flowNodeRef></lane>'
        '<lane id="b" name="Cleaner"><flowNodeRef>u</flowNodeRef></lane></laneSet>'
        '<task id="t" name="Ask"/><task id="u" name="Clean"/><parallelGateway id="g"/>'
        '<sequenceFlow id="f" sourceRef="t" targetRef="u"/></process></definitions>'
    )
    out = tmp_path / "cleaning.yaml"
    told = user("vcp", "import", diagram, "--name", "cleaning", "--out", out)[1]
    assert told["not_understood"] == {"parallelGateway": 1}
    assert told["guesses"]
    assert user("vcp", "import", out)[1]["name"] == "cleaning"


def test_the_demo_brings_a_process_along(tmp_path, capsys):
    store = str(tmp_path / "demo")
    assert execute(["demo", "--store", store, "--quiet"]) == 0
    capsys.readouterr()
    out = tmp_path / "demo.svg"
    assert execute(["vcp", "draw", "--store", store, "--out", str(out)]) == 0
    assert "Shiomi" in out.read_text(encoding="utf-8")
    capsys.readouterr()
    assert execute(["vcp", "gaps", "-p", "building-services", "--store", store, "--json"]) == 13
    told = json.loads(capsys.readouterr().out)
    missing = {row["point"] for row in told["rows"]}
    assert "controller.aoba.shiomi" not in missing
    assert missing == {"readings.shiomi.aoba"}
