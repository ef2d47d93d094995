# SPDX-License-Identifier: Apache-2.0
"""An OSCAL profile of others: a control is asked as a named profile asks for it, else plainly."""

import json

import pytest

from kizuna.app.wiring.criteria.oscal import import_oscal
from kizuna.app.wiring.settings import Settings

CATALOG = {
    "catalog": {
        "uuid": "11111111-2222-4000-8000-000000000000",
        "metadata": {"title": "House", "version": "1", "oscal-version": "1.1.3"},
        "controls": [
            {"id": "h-1", "title": "Somebody takes reports"},
            {
                "id": "h-2",
                "title": "Doors are locked",
                "parts": [
                    {
                        "name": "assessment-objective",
                        "props": [{"name": "label", "value": "H-02"}],
                        "parts": [
                            {
                                "name": "assessment-objective",
                                "props": [{"name": "label", "value": f"H-02{letter}."}],
                                "prose": "the publisher's words",
                            }
                            for letter in "ab"
                        ],
                    }
                ],
            },
        ],
    }
}
PROFILE = {
    "profile": {
        "uuid": "11111111-2222-4000-8000-000000000001",
        "metadata": {"title": "House profile", "version": "1", "oscal-version": "1.1.3"},
        "imports": [{"href": "house.json", "include-all": {}}],
        "merge": {"as-is": True},
    }
}
OURS = """
profile: ours
version: "1"
title: {en: Ours}
requirements:
  - id: contact
    title: {en: Somebody takes reports}
    claim: vulnerability-contact
    from: [supplier]
    present: [address]
    max_age: 365d
    control: house#H-01
"""


@pytest.fixture
def imported(tmp_path):
    (tmp_path / "ours.yaml").write_text(OURS)
    settings = Settings(store=tmp_path / "store", clock=lambda: 1_760_000_000)

    def made(*like):
        found, _, _ = import_oscal(
            json.dumps(PROFILE).encode(),
            settings,
            [("house", json.dumps(CATALOG).encode())],
            [str(tmp_path / name) for name in like],
        )
        return found

    return made


def test_every_control_is_asked_plainly_with_what_an_assessor_determines(imported):
    found = imported()
    assert [r.claim for r in found.requirements] == [("control/h-1",), ("control/h-2",)]
    assert found.requirements[1].mend["en"] == "Assess and show: H-02a., H-02b."
    assert "publisher" not in json.dumps(found.document())


def test_a_control_that_a_named_profile_asks_for_is_asked_as_there(imported):
    found = imported("ours.yaml")
    contact, plain = found.requirements
    assert (contact.id, contact.control) == ("h-1", "h-1")
    assert contact.claim == ("vulnerability-contact",)
    assert contact.present == ("address",)
    assert contact.max_age == 365 * 86_400
    assert plain.claim == ("control/h-2",)
