# SPDX-License-Identifier: Apache-2.0
"""What holds for every request: bounds, headers, time, and no traceback."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import cbor2
import pytest

from kizuna.app.api.limits import Limits
from kizuna.app.api.metrics import Metrics
from kizuna.app.api.shell import Shell
from kizuna.model.errors import Refused

Scope = dict[str, Any]
Call = Callable[..., Awaitable[Any]]

LIMITS = Limits(body=100, intake_body=1000, seconds=0.2, body_pause=0.1, header=2000)


def ask(
    app: Call,
    *,
    path: str = "/x",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    chunks: list[bytes] | None = None,
    stall: bool = False,
    bounds: dict[str, Any] | None = None,
) -> tuple[int, dict[str, str], bytes, int]:
    """Status, headers, body and the number of chunks that were read before the answer began."""
    coming = list(chunks or [b""])
    read = 0
    read_before = -1
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        if stall and not coming:
            await asyncio.sleep(10)
        if not coming:
            return {"type": "http.disconnect"}
        read += 1
        part = coming.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(coming) or stall}

    async def send(message: dict[str, Any]) -> None:
        nonlocal read_before
        if message["type"] == "http.response.start":
            read_before = read
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
    }
    made = Shell(app, limits=LIMITS, metrics=Metrics(), **(bounds or {}))
    asyncio.run(made(scope, receive, send))
    start = sent[0]
    names = {k.decode(): v.decode() for k, v in start["headers"]}
    body = b"".join(m.get("body", b"") for m in sent[1:])
    assert sent[-1].get("more_body", False) is False
    return start["status"], names, body, read_before


async def echo(scope: Scope, receive: Call, send: Call) -> None:
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def test_every_answer_has_the_security_headers_and_no_cors():
    _, headers, _, _ = ask(echo, headers={"origin": "https://evil.example"})
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_body_too_large_by_its_own_word_is_refused_before_a_byte_is_read():
    status, headers, body, read = ask(
        echo, method="POST", headers={"content-length": "52428800"}, chunks=[b"x" * 50] * 5
    )
    assert (status, read) == (413, 0)
    assert headers["connection"] == "close"
    assert json.loads(body)["code"] == "http.body-too-large"
    assert json.loads(body)["about"] == {"size": 52428800, "limit": 100}


def test_a_body_that_lies_about_its_size_is_cut_off():
    status, _, body, read = ask(echo, method="POST", chunks=[b"x" * 60] * 10)
    assert (status, read) == (413, 2)
    assert json.loads(body)["code"] == "http.body-too-large"


def test_intake_has_a_bound_of_its_own():
    status, _, body, _ = ask(
        echo, path="/in", method="POST", chunks=[b"x" * 500], bounds={"intake": ["/in"]}
    )
    assert (status, body) == (200, b"500")


def test_a_body_that_stops_arriving_is_given_up():
    status, _, body, _ = ask(echo, method="POST", chunks=[b"x"], stall=True)
    assert status == 408
    assert json.loads(body)["code"] == "http.body-slow"


def test_an_answer_that_takes_too_long_is_ended():
    async def slow(scope: Scope, receive: Call, send: Call) -> None:
        await asyncio.sleep(5)

    status, headers, body, _ = ask(slow)
    assert status == 504
    assert headers["retry-after"] == "5"
    assert json.loads(body)["code"] == "http.timeout"


def test_a_fault_shows_a_reference_and_nothing_else(caplog: pytest.LogCaptureFixture):
    async def broken(scope: Scope, receive: Call, send: Call) -> None:
        raise RuntimeError("secret path /var/lib/kizuna")

    status, _, body, _ = ask(broken)
    told = json.loads(body)
    assert status == 500
    assert told["code"] == "http.fault"
    assert b"secret" not in body
    assert told["about"]["reference"] in caplog.text


def test_a_problem_from_below_keeps_its_code_and_status():
    async def refusing(scope: Scope, receive: Call, send: Call) -> None:
        raise Refused("policy.members", "not a member", hint="ask to join")

    status, headers, body, _ = ask(refusing)
    assert status == 403
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["hint"] == "ask to join"


def test_problems_of_scrapi_are_in_cbor():
    async def refusing(scope: Scope, receive: Call, send: Call) -> None:
        raise Refused("policy.members", "not a member", why="policy", hint="ask to join")

    status, headers, body, _ = ask(refusing, path="/entries/abc")
    assert status == 403
    assert headers["content-type"] == "application/concise-problem-details+cbor"
    assert cbor2.loads(body) == {
        -1: "not a member",
        -2: "policy ask to join",
        -4: 403,
        "kizuna": {"code": "policy.members"},
    }


def test_a_name_that_is_not_ours_is_not_answered():
    for host, expected in (
        ("127.0.0.1:8473", 200),
        ("[::1]:8473", 200),
        ("localhost", 200),
        ("evil.example", 421),
        ("", 421),
    ):
        status, _, _, _ = ask(
            echo, headers={"host": host}, bounds={"hosts": ["127.0.0.1", "[::1]", "localhost"]}
        )
        assert status == expected, host


def test_headers_have_a_bound():
    status, _, body, _ = ask(echo, headers={"x-long": "y" * 3000})
    assert status == 431
    assert json.loads(body)["code"] == "http.header-too-large"


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", "", "99999999999999999999"])
def test_a_length_that_is_no_number_is_refused(length: str):
    raw = length.encode("utf-8").decode("latin-1")
    status, _, _, _ = ask(echo, headers={"content-length": raw})
    assert status in (200, 400)
    assert (status == 200) == (length == "")


def test_head_is_get_without_the_body():
    status, _, body, _ = ask(echo, method="HEAD")
    assert (status, body) == (200, b"")
