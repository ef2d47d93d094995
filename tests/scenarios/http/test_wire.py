# SPDX-License-Identifier: Apache-2.0
"""Peers that waste a server's time or memory before they have asked anything."""

import asyncio
import socket
import subprocess
import sys
from contextlib import suppress

import httpx
import pytest
import uvicorn

from kizuna.app.api import server_options
from kizuna.app.api.protocol import BoundedProtocol


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(BoundedProtocol, "patience", 0.3)


@pytest.fixture
def line(served):
    address = httpx.URL(served.url)
    with socket.create_connection((address.host, address.port), timeout=60) as made:
        yield made


def test_headers_without_end_are_cut_off(line, served):
    line.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
    sent = 0
    with suppress(OSError):  # the peer hangs up, however the system says it
        for _ in range(20_000):
            line.sendall(b"x-more: " + b"y" * 1000 + b"\r\n")
            sent += 1010
    assert sent < 10_000_000
    assert served.client.get("/health").status_code == 200


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_who_connects_and_says_nothing_more_is_let_go(line, begin):
    line.sendall(begin)
    assert line.recv(100) == b""


def test_requests_on_one_line_one_after_the_other_are_answered(line):
    for _ in range(3):
        line.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = b""
        while b'"status":"ok"' not in answer:
            more = line.recv(4096)
            assert more, answer
            answer += more
        assert answer.startswith(b"HTTP/1.1 200")


def test_a_missing_extra_is_named():
    program = (
        "import sys; sys.modules['litestar'] = None\n"
        "from kizuna.app.api import create_app\n"
        "from kizuna.model.errors import Misconfigured\n"
        "try: create_app(None)\n"
        "except Misconfigured as problem: print(problem.code, problem.about['extra'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["http.extra-missing", "server"], done.stderr


CHUNKED = b"POST /api/lookup HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
CHUNKED += b"transfer-encoding: chunked\r\n\r\n"


def test_fields_behind_a_body_without_end_are_cut_off(line, served):
    line.sendall(CHUNKED + b"0\r\n")
    sent = 0
    with suppress(OSError):
        for _ in range(2_000):
            line.sendall(b"x: y\r\n" * 1000)
            sent += 6000
    assert sent < 12_000_000
    assert served.client.get("/health").status_code == 200


def test_fields_behind_a_body_are_no_headers(line):
    begin = CHUNKED.replace(b"/api/lookup", b"/nothing")
    line.sendall(begin + b"2\r\n{}\r\n0\r\naccept: text/html\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = line.recv(4096)
        assert more, answer
        answer += more
    assert b"application/problem+json" in answer
    assert b"text/html" not in answer


def test_requests_without_end_that_wait_on_one_line_are_cut_off(line, served):
    sent = 0
    with suppress(OSError):
        for _ in range(200):
            line.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 2000)
            sent += 1
    assert sent < 200
    assert served.client.get("/health").status_code == 200


def test_a_few_requests_may_wait_on_one_line(line):
    line.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 30)
    answer = b""
    while answer.count(b'"status":"ok"') < 30:
        more = line.recv(65_536)
        assert more, answer
        answer += more


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_who_takes_no_answer_is_let_go(monkeypatch):
    monkeypatch.setattr(BoundedProtocol, "stalled", 0.2)
    ended = asyncio.Event()

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):  # far more than a system keeps for a peer
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        ended.set()

    config = uvicorn.Config(endless, log_config=None, **server_options() | {"lifespan": "off"})
    server = uvicorn.Server(config)
    with socket.socket() as listening, socket.socket() as deaf:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listening]))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(120):
            while not server.started:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            await loop.sock_connect(deaf, listening.getsockname())
            await loop.sock_sendall(deaf, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await ended.wait()
            server.should_exit = True
            await serving


def test_two_hosts_in_one_request_are_refused(line):
    line.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n")
    assert line.recv(4096).startswith(b"HTTP/1.1 400")
