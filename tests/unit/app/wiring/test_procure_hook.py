# SPDX-License-Identifier: Apache-2.0
"""Hooks: told of changes only, signed, bounded, and never led inside by a name."""

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kizuna.app.wiring.procure import hook as hook_room
from kizuna.app.wiring.procure import watch as procure_watch
from kizuna.app.wiring.procure.hook import Hook, add_hook, allowed_address, deliver, hooks
from kizuna.app.wiring.procure.request import Line, Request
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed, Misconfigured
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.roots.jws import check_jws, parse_jws
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
PUMP = canonical("pkg:generic/fuji/pump@4.2")
PROFILE = b"""
profile: tiny
version: "1"
title: {en: Tiny, ja: tiny}
requirements:
  - id: ready
    title: {en: Ready, ja: ready}
    kind: capability
    claim: ready
    from: [self]
"""


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as made:
        (tmp_path / "tiny.yaml").write_bytes(PROFILE)
        made.publish_profile(made.profile(str(tmp_path / "tiny.yaml")))
        yield made


@pytest.fixture
def ear():
    """A product system that listens on the loopback address."""
    heard, answers = [], []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            status = answers.pop(0) if answers else 204
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "http://169.254.169.254/")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/kizuna", heard, answers
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "169.254.169.254",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "fec0::1",
        "no address",
    ],
)
def test_an_address_inside_is_refused(address):
    assert not allowed_address(address, inside=False)


def test_where_clouds_keep_their_secrets_is_refused_even_inside():
    assert not allowed_address("169.254.169.254", inside=True)
    assert allowed_address("10.0.0.1", inside=True)
    assert allowed_address("93.184.215.14", inside=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://erp.example/x",
        "ftp://erp.example/x",
        "https://user@erp.example/x",
        "https:///x",
        "https://erp.example:99999/",
        "https://erp.example/\r\nHost: x",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_is_none_for_a_hook_is_refused(workspace, url):
    with pytest.raises(Malformed) as caught:
        add_hook(workspace, url)
    assert caught.value.code == "procure.hook-address"
    assert hooks(workspace) == []


def test_a_name_that_leads_inside_is_not_connected_to(workspace):
    told = deliver(
        workspace,
        Hook(url="https://erp.example/x"),
        {},
        resolve=lambda _host, _port: ["93.184.215.14", "10.0.0.7"],
        pause=lambda _: None,
    )
    assert told.problem == "procure.hook-inside"
    assert told.tries == 1


def test_a_change_is_told_once_and_signed(workspace, ear):
    url, heard, _ = ear
    add_hook(workspace, url, inside=True)
    request = Request(request="RFQ-1", lines=[Line(part=PUMP)])
    assert procure_watch.keep(workspace, request, "tiny")["decision"] == "hold"
    assert procure_watch.renew(workspace) == []
    workspace.register_one(workspace.sign(Kind.CAPABILITY, PUMP, Claim(type="ready")))
    (change,) = procure_watch.renew(workspace)
    assert (change["before"], change["after"]) == ("hold", "go")
    assert procure_watch.renew(workspace) == []
    ((path, body),) = heard
    assert path == "/kizuna"
    token = parse_jws(body)
    assert check_jws(token, workspace.unit.public(workspace.handle))
    words = json.loads(token.payload)
    assert words["iss"] == workspace.identity
    assert words["aud"] == url
    assert words["event"]["after"] == "go"
    assert words["event"]["lines"][0]["part"] == PUMP


def test_attempts_are_bounded_and_redirects_not_followed(workspace, ear):
    url, heard, answers = ear
    answers += [503, 500, 503, 204]
    pauses = []
    told = deliver(workspace, Hook(url=url, inside=True), {}, pause=pauses.append)
    assert (told.tries, told.status, told.problem) == (3, 503, "procure.hook-answer")
    assert len(pauses) == 2
    answers[:] = [302]
    told = deliver(workspace, Hook(url=url, inside=True), {}, pause=pauses.append)
    assert (told.tries, told.status) == (1, 302)
    assert len(heard) == 4


def test_who_drips_holds_up_nobody(workspace, monkeypatch):
    """A peer that sends a letter at a time meets no time-out of a single reading."""
    monkeypatch.setattr(hook_room, "_WHOLE", 0.3)
    monkeypatch.setattr(hook_room, "_TRIES", 1)
    done = threading.Event()

    def serve(server):
        peer, _ = server.accept()
        with peer, contextlib.suppress(OSError):
            peer.recv(1 << 16)
            while not done.wait(0.05):
                peer.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        told = deliver(workspace, Hook(url=url, inside=True), {})  # else it never came back
        done.set()
        thread.join()
    assert told.problem == "procure.hook-unreachable"


def test_nobody_there_is_told_and_not_raised(workspace, monkeypatch):
    monkeypatch.setattr(hook_room, "_TIMEOUT", 0.5)
    told = deliver(
        workspace, Hook(url="http://127.0.0.1:9/x", inside=True), {}, pause=lambda _: None
    )
    assert (told.tries, told.problem) == (3, "procure.hook-unreachable")


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example"])
def test_a_name_that_nothing_can_have_is_told_and_not_raised(workspace, host):
    told = deliver(workspace, Hook(url=f"https://{host}/x"), {"x": 1}, pause=lambda _: None)
    assert (told.status, told.problem) == (0, "procure.hook-unreachable")


def test_hooks_are_the_operators_own_file(workspace):
    add_hook(workspace, "https://erp.example/x")
    add_hook(workspace, "https://erp.example/x")
    assert len(hooks(workspace)) == 1
    hook_room.remove_hook(workspace, "https://erp.example/x")
    with pytest.raises(Absent):
        hook_room.remove_hook(workspace, "https://erp.example/x")
    (workspace.path / "hooks.json").write_text("{")
    with pytest.raises(Misconfigured):
        hooks(workspace)


def test_a_request_is_kept_and_forgotten_by_name(workspace):
    request = Request(request="RFQ-1", lines=[Line(part=PUMP)])
    procure_watch.keep(workspace, request, "tiny")
    assert [k["request"] for k in procure_watch.kept(workspace)] == ["RFQ-1"]
    procure_watch.forget(workspace, "RFQ-1")
    assert procure_watch.kept(workspace) == []
    for name in ("../x", "a/b", "RFQ-1"):
        with pytest.raises(Absent):
            procure_watch.forget(workspace, name)
    with pytest.raises(Malformed):
        procure_watch.keep(workspace, Request(request="a/b", lines=[Line(part=PUMP)]), "tiny")
    (workspace.path / "procure" / "odd.json").write_text("{")
    assert procure_watch.renew(workspace) == []
