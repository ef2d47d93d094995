# SPDX-License-Identifier: Apache-2.0
"""Bad input over HTTP: a clear problem with one of our codes, never a 500, nothing changed."""

import json
import socket
import string
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.app.api.limits import Limits
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace

from .conftest import NOW, Hand, Party, Served, running

PATHS = (
    "/", "/subject", "/explain", "/impact", "/log", "/entry", "/lists", "/profiles",
    "/portfolio.json", "/subject.json", "/explain.json", "/impact.json", "/log.json",
    "/entry.json", "/lists.json", "/profiles.json",
    "/api", "/api/limits", "/api/statements", "/api/statements/x", "/api/entries", "/api/verify",
    "/api/explain", "/api/impact", "/api/export", "/api/lists", "/api/lists/own",
    "/api/lists/own/history", "/api/profiles", "/api/profiles/iot-device", "/api/watches",
    "/api/log", "/api/log/proof/0", "/api/join", "/api/import", "/entries", "/entries/0",
    "/.well-known/scitt-keys", "/.well-known/scitt-keys/a", "/checkpoint", "/tile/0/000",
    "/health", "/ready", "/metrics", "/schema/openapi.json", "/problems/x", "/nowhere",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("fuzz") / "store"
    clock = Hand()
    made = Workspace.init(
        folder,
        "Fuji",
        now=NOW,
        policy="open",
        origin="fuji.example/log",
        settings=Settings(store=folder, clock=clock),
    )
    with made, running(made, clock, Limits()) as served:
        yield served


def of_ours(answer: httpx.Response) -> None:
    """The answer is good, or a problem with a code."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in (
            "application/problem+json",
            "application/concise-problem-details+cbor",
            "text/html",
        )
        if kind == "application/problem+json":
            assert json.loads(answer.content)["code"]
        assert b"Traceback" not in answer.content


printable = st.text(string.printable.replace("\r", "").replace("\n", ""), max_size=40)
texts = st.one_of(
    st.text(max_size=40),
    printable,
    st.sampled_from(
        ["pkg:generic/a@1", "did:key:zz", "iot-device", "-1", "9" * 30, "\u0000", "%00", "../..",
         "' OR 1=1 --", "<script>", "ja", "2026-11-22", "urn:uuid:x", "true", "0" * 64]
    ),
)  # fmt: skip
names = st.sampled_from(
    ["subject", "profile", "at", "known", "list", "of", "id", "cursor", "limit", "lang", "index",
     "statement", "verdict", "name", "member", "receipts", "x"]
)  # fmt: skip
headers = st.dictionaries(
    st.sampled_from(
        ["accept", "accept-language", "content-type", "signature", "signature-input",
         "content-digest", "if-none-match", "idempotency-key", "range", "x-forwarded-for",
         "last-event-id", "expect-ct"]
    ),
    st.one_of(
        st.sampled_from(
            ["application/json", "application/cbor", "application/cose", "text/html",
             "application/cbor-seq", "*/*", ";q=", "sig=()", "sig=:AA==:", "ja;q=0.5"]
        ),
        st.text(string.ascii_letters + string.digits + ' ;=,:/"()*-_.', max_size=60),
    ),
    max_size=4,
)  # fmt: skip


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
    st.sampled_from(PATHS),
    st.lists(st.tuples(names, texts), max_size=4),
    headers,
    st.one_of(st.binary(max_size=200), st.just(b'{"subject":"pkg:a/b","profile":"x"}')),
)
def test_no_request_breaks_the_server(server: Served, method, path, query, header, body):
    answer = server.client.request(
        method,
        path,
        params=[(k, v.encode("utf-8", "replace").decode()) for k, v in query],
        headers={k: v.strip() for k, v in header.items()},
        content=body,
    )
    of_ours(answer)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damaged_statement_breaks_the_server_or_is_taken(server: Served, data):
    good = Party().sign("pkg:generic/fuji/x@1")
    place = data.draw(st.integers(0, len(good) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                good[:place],
                good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))])
                + good[place + 1 :],
                good[:place] + data.draw(st.binary(max_size=9)) + good[place:],
            ]
        )
    )  # fmt: skip
    media = data.draw(st.sampled_from(["application/cose", "application/cbor-seq"]))
    size = server.client.get("/api/log").json()["size"]
    answer = server.client.post("/api/statements", content=damaged, headers={"content-type": media})
    of_ours(answer)
    if damaged != good and answer.status_code == 201:
        # only what the signature does not cover may differ: the envelope's unprotected part
        assert answer.json()["registered"] == 1
    if answer.status_code >= 400:
        assert server.client.get("/api/log").json()["size"] == size


def test_fifty_megabytes_are_refused_and_the_sender_hears_it(server: Served):
    body = b"x" * (50 << 20)
    for path, media in (
        ("/api/statements", "application/cbor-seq"),
        ("/entries", "application/cose"),
        ("/api/verify", "application/json"),
    ):
        answer = server.client.post(path, content=body, headers={"content-type": media})
        assert answer.status_code == 413, path
        assert answer.headers["connection"] == "close"
    assert answer.json()["about"]["limit"] == Limits().body


def test_fifty_megabytes_that_do_not_say_so_are_refused_too(server: Served):
    def endless():
        for _ in range(50):
            yield b"x" * (1 << 20)

    answer = server.client.post(
        "/api/statements", content=endless(), headers={"content-type": "application/cbor-seq"}
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "http.body-too-large"


def test_deep_nesting_is_refused(server: Served):
    deep = b'{"subject":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = server.client.post(
        "/api/verify", content=deep, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "http.request-malformed"
    cbor = server.client.post(
        "/api/statements", content=b"\x81" * 100_000, headers={"content-type": "application/cbor"}
    )
    assert cbor.status_code == 400
    assert cbor.json()["code"] == "batch.malformed"


def test_bytes_that_are_no_http_do_not_stop_the_server(server: Served):
    host, port = httpx.URL(server.url).host, httpx.URL(server.url).port
    for raw in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"A" * 5000):
        with socket.create_connection((host, port), timeout=60) as line:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            line.recv(1000)
    assert server.client.get("/health").status_code == 200


@pytest.mark.parametrize("name", ["/etc/passwd", "../profiles/x.yaml", "file:///etc/passwd", "-"])
def test_a_profile_from_outside_never_opens_a_file(server: Served, name):
    for path in ("/api/verify", "/api/explain", "/api/export"):
        answer = server.client.get(path, params={"subject": "pkg:generic/a@1", "profile": name})
        assert answer.status_code == 404
        assert answer.json()["code"] == "profile.unknown"


def test_problems_speak_the_readers_language(server: Served):
    english = server.client.get("/nowhere").json()
    japanese = server.client.get("/nowhere", headers={"accept-language": "ja-JP"}).json()
    assert english["code"] == japanese["code"] == "http.not-found"
    page = server.client.get("/nowhere", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "style-src 'self'" in page.headers["content-security-policy"]


def test_methods_that_an_address_does_not_take_are_named(server: Served):
    answer = server.client.put("/api/verify")
    assert answer.status_code == 405
    assert answer.json()["code"] == "http.method"
    assert "GET" in answer.headers["allow"]
    assert server.client.get("/api/statements").headers["allow"] == "POST"
