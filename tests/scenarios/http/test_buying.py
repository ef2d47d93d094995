# SPDX-License-Identifier: Apache-2.0
"""A product system asks in one call; answers of an assessment come from the organisation alone."""

import json

BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {
        "component": {"type": "device", "bom-ref": "r", "name": "Rig", "purl": "pkg:generic/rig@1"}
    },
    "components": [
        {"type": "library", "bom-ref": "a", "name": "A", "version": "1", "purl": "pkg:npm/a@1"}
    ],
    "dependencies": [{"ref": "r", "dependsOn": ["a"]}],
}
PUMP = "pkg:generic/fuji/pump@4.2"


def test_one_call_judges_a_bill_of_materials(served, workspace):
    before = workspace.store.head()
    answer = served.client.post(
        "/api/procure/bom",
        params={"profile": "software-product", "supplier": "did:web:unknown.example"},
        content=json.dumps(BOM).encode(),
    )
    assert answer.status_code == 200
    told = answer.json()
    assert told["decision"] == "hold"
    (line,) = told["lines"]
    assert line["name"] == "A"
    assert line["suppliers"][0]["decision"] == "hold"
    table = served.client.post(
        "/api/procure/bom",
        params={"profile": "software-product", "format": "csv"},
        content=json.dumps(BOM).encode(),
    )
    assert table.headers["content-type"].startswith("text/csv")
    assert workspace.store.head() == before


def test_a_request_is_judged_and_a_bad_one_refused(served):
    good = {"profile": "iot-device", "lines": [{"part": PUMP}], "deadline": "2026-12-15"}
    answer = served.client.post("/api/procure/check", json=good)
    assert answer.status_code == 200
    assert answer.json()["lines"][0]["decision"] == "hold"
    for bad, code in (
        ({"lines": [{"part": PUMP}]}, "procure.no-profile"),
        ({"profile": "iot-device"}, "procure.nothing"),
        ({"profile": "iot-device", "lines": [{"part": "no identifier"}]}, "identifier.malformed"),
        ({"profile": "/etc/passwd", "lines": [{"part": PUMP}]}, "http.request-malformed"),
    ):
        answer = served.client.post("/api/procure/check", json=bad)
        assert 400 <= answer.status_code < 500
        assert answer.json()["code"] == code
    assert served.client.post("/api/procure/check", json={"lines": 5}).status_code == 400


def test_a_substitute_for_no_line_is_absent(served):
    asked = {"product": PUMP, "line": "pkg:x/y@1", "supplier": "did:web:z", "profile": "iot-device"}
    answer = served.client.post("/api/procure/substitute", json=asked)
    assert answer.status_code == 404
    assert answer.json()["code"] == "procure.no-such-line"


def test_questions_are_for_everyone_and_answers_from_the_organisation_alone(served, workspace):
    asked = {"subject": PUMP, "profile": "software-product"}
    questions = served.client.get("/api/assess/questions", params=asked).json()["questions"]
    assert "secure-update" in {q["id"] for q in questions}
    body = asked | {"answers": [{"requirement": "secure-update", "answer": "implemented"}]}
    before = workspace.store.head()
    refused = served.client.post("/api/assess/answers", json=body)
    assert refused.status_code == 404  # to strangers it looks absent
    assert workspace.store.head() == before
    gaps = served.client.get("/api/assess/gaps", params=asked).json()
    assert gaps["verdict"] == "undetermined"


def test_types_of_certificate_are_told(served):
    told = served.client.get("/api/assess/certificates", params={"lang": "ja"}).json()
    assert "jc-star" in {t["type"] for t in told["types"]}
    one = served.client.get("/api/assess/certificates", params={"type": "scs-star-4"}).json()
    assert one["scheme"] == "scs"
    gone = served.client.get("/api/assess/certificates", params={"type": "nothing"})
    assert gone.status_code == 404


def test_pages_show_what_the_api_says_and_register_nothing(served, workspace):
    before = workspace.store.head()
    asked = {"product": "pkg:generic/rig@1", "lines": PUMP, "profile": "iot-device"}
    page = served.client.get("/procure", params=asked)
    assert page.status_code == 200
    assert "HOLD" in page.text
    twin = served.client.get("/procure.json", params=asked).json()
    assert twin["answer"]["decision"] == "hold"
    assert twin["kept"] == []
    asked = {"subject": PUMP, "profile": "software-product", "lang": "ja"}
    page = served.client.get("/assess", params=asked)
    assert "未回答" in page.text
    assert served.client.get("/assess").status_code == 200
    hostile = {"product": '"><script>x</script>', "lines": PUMP, "profile": "iot-device"}
    answer = served.client.get("/procure", params=hostile, headers={"accept": "text/html"})
    assert "<script>x" not in answer.text
    many = {"lines": " ".join([PUMP] * 201), "profile": "iot-device"}
    assert served.client.get("/procure.json", params=many).status_code == 400
    assert workspace.store.head() == before
