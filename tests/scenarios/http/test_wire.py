# SPDX-License-Identifier: Apache-2.0
"""Peers that waste a server's time or memory before they have asked anything."""

import socket
import subprocess
import sys
from contextlib import suppress

import httpx
import pytest

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
