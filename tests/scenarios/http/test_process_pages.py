# SPDX-License-Identifier: Apache-2.0
"""Somebody looks at a process, at what is missing at its borders, and at the plane of risk."""

from xml.etree import ElementTree as ET

import pytest

from kizuna.app.wiring.risk.frameworks import find_framework
from kizuna.app.wiring.risk.placing import place_device, planned
from kizuna.app.wiring.vcp.intake import keep_registered
from kizuna.chain.process import process_subject
from kizuna.criteria.process import to_norm
from kizuna.model.kind import Kind
from kizuna.worlds.process import PROCESS, building_process

GAPS = f"/api/processes/{PROCESS}/gaps"


@pytest.fixture
def drawn(tower):
    """The tower with its process, and its controller placed in two uses."""
    operator = tower.world.parties["shiomi"]
    subject = process_subject(operator.id, PROCESS)
    norm = to_norm(building_process(tower.world))
    said = operator.say(Kind.NORM, subject, norm, tower.workspace.clock())
    digest, _ = tower.workspace.register_one(said)
    keep_registered(tower.workspace, digest)
    settings = tower.workspace.settings
    table = find_framework("iot-ssf", settings)
    for use, recovery in (("lobby", "limited"), ("theatre", "critical")):
        levels = {"recovery": recovery, "economic": "serious"}
        placed = planned(table, tower.root, use, levels)
        place_device(tower.workspace, table, placed, settings)
    return tower


def page(server, path, lang="en", **parameters):
    return server.client.get(
        path, params=parameters, headers={"accept": "text/html", "accept-language": lang}
    )


def test_a_process_is_shown_with_what_is_missing(drawn):
    for lang, words in (("en", "Interaction points"), ("ja", "相互作用点")):
        shown = page(drawn, "/processes", lang, profile="building-services")
        assert shown.status_code == 200
        assert words in shown.text
        assert "<svg" in shown.text
        assert "style=" not in shown.text
        assert "<script" not in shown.text
    twin = drawn.client.get("/processes.json", params={"profile": "building-services"}).json()
    assert {g["point"] for g in twin["gaps"]} == {"readings.shiomi.aoba"}
    assert {p["state"] for p in twin["points"]} == {"open"}


def test_the_plane_shows_one_device_in_two_uses(drawn):
    for lang in ("en", "ja"):
        shown = page(drawn, "/risk", lang)
        assert shown.status_code == 200
        assert "<svg" in shown.text
    twin = drawn.client.get("/risk.json").json()
    assert [(p["use"], p["category"]) for p in twin["placements"]] == [
        ("lobby", "B"),
        ("theatre", "D"),
    ]
    for path in (f"/api/processes/{PROCESS}/picture", "/api/risk/iot-ssf/plane"):
        answer = drawn.client.get(path)
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert ET.fromstring(answer.content).tag.endswith("svg")  # noqa: S314 - our own


def test_a_tampered_part_shows_at_the_border_it_crosses(drawn):
    asked = {"profile": "building-services", "point": "firmware.hinode.aoba"}
    before = drawn.client.get(GAPS, params=asked).json()["rows"]
    assert {r["state"] for r in before} == {"shown"}
    story = next(s for s in drawn.world.stories if s.name == "firmware-tampered")
    drawn.take(story.break_(drawn.workspace.clock()))
    after = drawn.client.get(GAPS, params=asked).json()["rows"]
    states = {r["of"]: r["state"] for r in after}
    assert states == {"organization": "shown", "element": "lacking"}


def test_an_empty_store_says_what_to_do_next(tower):
    assert "kizuna vcp import" in page(tower, "/processes").text
    assert "kizuna risk place" in page(tower, "/risk").text


ABSENT = (
    "/processes?name=..%2F..%2Ftrust",
    "/processes?name=README.md",
    "/risk?framework=%2Fetc%2Fhostname",
    "/api/processes/nothing",
    "/api/processes/nothing/gaps?profile=iot-device",
    f"{GAPS}?profile=nothing",
    f"{GAPS}?profile=iot-device&point=nowhere",
    "/api/risk/nothing/plane",
)


def test_what_is_not_here_is_absent_and_no_file_is_read(drawn):
    for path in ABSENT:
        answer = drawn.client.get(path)
        assert answer.status_code == 404, path
        assert "Traceback" not in answer.text
