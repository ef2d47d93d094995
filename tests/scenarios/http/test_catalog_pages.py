# SPDX-License-Identifier: Apache-2.0
"""Somebody looks at a catalog, and at what a verdict says under it."""

import pytest


def page(server, lang="en", **parameters):
    return server.client.get(
        "/catalogs",
        params=parameters or None,
        headers={"accept": "text/html", "accept-language": lang},
    )


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_catalog_and_its_coverage_are_shown_in_the_readers_language(tower, lang):
    assert "cpsf-1.0" in page(tower, lang).text
    title = {"en": "Train everybody", "ja": "全員に教育訓練"}[lang]
    assert title in page(tower, lang, id="cpsf-1.0").text
    asked = {"id": "cpsf-1.0", "subject": tower.root, "profile": "building-services"}
    shown = page(tower, lang, **asked)
    assert shown.status_code == 200
    assert {"en": "unmapped", "ja": "対応なし"}[lang] in shown.text
    twin = tower.client.get("/catalogs.json", params=asked).json()["covered"]
    states = {r["control"]: r["state"] for r in twin["controls"]}
    assert states["CPS.AT-1"] == "unmapped"
    assert twin["counts"]["unmapped"] == sum(s == "unmapped" for s in states.values())
    assert twin["verdict"] == "undetermined"


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"id": "nothing"}, 404),
        ({"id": "../../trust"}, 400),
        ({"id": "cpsf-1.0", "subject": "not a name", "profile": "iot-device"}, 400),
        ({"id": "cpsf-1.0", "subject": "urn:example:x", "profile": "/etc/hostname"}, 404),
    ],
)
def test_what_cannot_be_shown_is_a_page_that_says_so(tower, parameters, status):
    answer = page(tower, **parameters)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_a_subject_that_nobody_knows_covers_nothing(tower):
    asked = {"id": "cpsf-1.0", "subject": "urn:example:nobody", "profile": "building-services"}
    told = tower.client.get("/catalogs.json", params=asked).json()["covered"]
    assert told["verdict"] == "undetermined"
    assert not told["counts"]["covered"]
