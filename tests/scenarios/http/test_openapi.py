# SPDX-License-Identifier: Apache-2.0
"""The document describes every public address, and every address says who may use it."""

import json
import re
from pathlib import Path

import pytest
from litestar.handlers import BaseRouteHandler

from kizuna.app.api.application import PERMISSIONS

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def document(served):
    answer = served.client.get("/schema/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "kizuna"


def routes(served) -> list[tuple[str, BaseRouteHandler]]:
    app = served.app.framework
    return [(route.path, handler) for route in app.routes for handler in _handlers(route)]


def _handlers(route):
    found = route.route_handlers if hasattr(route, "route_handlers") else [route.route_handler]
    # the framework answers OPTIONS by itself: it names methods and reads nothing
    return [h for h in found if getattr(h, "http_methods", None) != {"OPTIONS"}]


def test_every_route_says_who_may_use_it(served):
    for path, handler in routes(served):
        if not path.startswith("/schema"):
            assert handler.opt.get("permission") in PERMISSIONS, path


def test_every_public_address_is_described(served, document):
    described = set(document["paths"])
    for path, handler in routes(served):
        known = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
        page = (handler.name or "").startswith("page ")
        if not page and not path.startswith("/schema"):
            assert known in described, known


def test_every_operation_describes_its_problems(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert "4XX" in operation["responses"], (method, path)
            assert operation["summary"], (method, path)
            assert operation["tags"], (method, path)


def test_references_lead_somewhere(document):
    def walk(value):
        if isinstance(value, dict):
            if "$ref" in value:
                place = document
                for part in value["$ref"].removeprefix("#/").split("/"):
                    place = place[part]
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)


def test_health_readiness_and_metrics(served):
    assert served.client.get("/health").json()["status"] == "ok"
    ready = served.client.get("/ready").json()
    assert ready == {"status": "ready", "size": served.workspace.store.head().size}
    text = served.client.get("/metrics").text
    assert 'kizuna_http_requests_total{method="GET",route="/health",status="200"} 1' in text
    assert f"kizuna_log_size {ready['size']}" in text
    served.client.get("/some/unknown/place")
    assert "/some/unknown" not in served.client.get("/metrics").text


def test_the_document_in_the_repository_is_the_one_that_is_served(document):
    kept = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))
    assert kept == document, "run `python tools/openapi.py`"
