# SPDX-License-Identifier: Apache-2.0
"""``kizuna list policy`` and ``kizuna procure request|offers`` as people type them."""

MEMBER = "did:key:zDnaeke55wsL3vbansGTdmjhxERBTVQNuH3LCRHq4Sn4ePqzt"
REQUEST = """request: RFQ-1
profile: software-product
lines:
  - part: pkg:npm/left-pad@1.3.0
"""


def test_a_list_is_held_to_its_policy_and_shows_it(store):
    store("list", "create", "makers")
    entering = (
        "list",
        "add",
        MEMBER,
        "--role",
        "maker",
        "--scope",
        "pkg:npm/a",
        "--list",
        "makers",
    )
    told = store("list", "policy", "--list", "makers")
    assert "no policy" in told.stdout
    told = store("list", "policy", "--list", "makers", "--two-signatures", "register")
    assert (
        told.stdout
        == "register: signed by whoever the list entitles, proposed by confirmation-body\n"
    )
    refused = store(*entering, "--json")
    assert (refused.code, refused.json["code"]) == (10, "list.four-eyes")
    shown = store("list", "show", "--list", "makers", "--json").json
    assert shown["policy"] == {"register": {"proposed_by": ["confirmation-body"]}}
    assert store("list", "policy", "--list", "makers", "--none").code == 0
    assert store(*entering).code == 0


def test_a_request_is_for_somebody_or_for_everybody(store, tmp_path):
    (tmp_path / "request.yaml").write_text(REQUEST)
    refused = store("procure", "request", "request.yaml", "--json")
    assert (refused.code, refused.json["code"]) == (2, "procure.nobody-asked")
    made = store("procure", "request", "request.yaml", "--public", "--json").json
    assert made["subject"].endswith("/requests/RFQ-1")
    (seen,) = store("procure", "offers", "--json").json["requests"]
    assert (seen["request"], seen["public"]) == (made["request"], True)
    japanese = store("procure", "offers", "--lang", "ja")
    assert "見積依頼" in japanese.stdout
