# SPDX-License-Identifier: Apache-2.0
"""The public sees the public's view; the operator signs in with the token and sees everything."""

from contextlib import contextmanager

import httpx
import pytest

from kizuna.app.api import create_app
from kizuna.app.console.signing_in import COOKIE, Door
from kizuna.app.wiring.served.codes import Guest
from kizuna.app.wiring.server import _public, serve
from kizuna.model.errors import Misconfigured
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim

PUMP = "pkg:generic/fuji/pump@4.2"
SHOWN = "token-of-this-server"


@pytest.fixture
def console(workspace):
    """A browser at a server whose operator may sign in, without a network between."""

    @contextmanager
    def opened(**more):
        app = create_app(workspace, console_token=SHOWN, hosts=("store.example",), **more)
        yield httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="https://store.example"
        )

    return opened


@pytest.fixture
def restricted(workspace):
    said = workspace.say(
        Kind.EVIDENCE, PUMP, Claim(type="security-test"), audience=[workspace.identity]
    )
    workspace.register_one(said.statement, said.documents)
    return said.digest


@pytest.mark.parametrize(
    "sent",
    [{"origin": "https://else.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
@pytest.mark.anyio
async def test_no_other_site_signs_somebody_in(console, sent):
    with console() as browser:
        async with browser:
            page = await browser.get("/sign-in")
            assert page.headers.get_list("referrer-policy") == ["same-origin"]
            foreign = await browser.post("/sign-in", data={"token": SHOWN}, headers=sent)
            assert foreign.status_code == 403
            assert "set-cookie" not in foreign.headers


@pytest.mark.parametrize(
    "sent",
    [
        {"origin": "https://else.example"},
        {"origin": "null"},
        {"sec-fetch-site": "same-site", "origin": "https://other.store.example"},
    ],
)
@pytest.mark.anyio
async def test_no_other_site_signs_somebody_out(console, restricted, sent):
    with console() as browser:
        async with browser:
            await browser.post("/sign-in", data={"token": SHOWN})
            page = await browser.get("/")  # every page carries the form by which one leaves
            assert "/sign-out" in page.text
            assert page.headers.get_list("referrer-policy") == ["same-origin"]
            foreign = await browser.post("/sign-out", headers=sent)
            assert foreign.status_code == 403
            assert "set-cookie" not in foreign.headers
            entry = f"/entry.json?statement={restricted}"
            assert (await browser.get(entry)).status_code == 200


@pytest.mark.anyio
async def test_only_who_shows_the_token_sees_what_is_restricted(console, restricted):
    with console() as browser:
        async with browser:
            assert restricted not in (await browser.get("/log.json")).text
            entry = f"/entry.json?statement={restricted}"
            assert (await browser.get(entry)).status_code == 404
            wrong = await browser.post("/sign-in", data={"token": "guess"})
            assert wrong.status_code == 403
            assert "set-cookie" not in wrong.headers
            assert (await browser.get(entry)).status_code == 404
            right = await browser.post("/sign-in", data={"token": SHOWN})
            assert (right.status_code, right.headers["location"]) == (303, "/")
            assert restricted in (await browser.get("/log.json")).text
            assert (await browser.get(entry)).status_code == 200
            assert "operator" in (await browser.get("/")).text
            out = await browser.post("/sign-out")
            assert out.status_code == 303
            assert (await browser.get(entry)).status_code == 404


@pytest.mark.anyio
async def test_the_cookie_stays_with_the_browser_and_with_this_site(console):
    for secure in (False, True):
        with console(behind_tls=secure) as browser:
            async with browser:
                answer = await browser.post("/sign-in", data={"token": SHOWN})
                cookie = answer.headers["set-cookie"]
                assert "HttpOnly" in cookie
                assert "SameSite=Strict" in cookie
                assert ("Secure" in cookie) is secure
                assert SHOWN not in cookie
                assert answer.headers["cache-control"] == "no-store"


@pytest.mark.anyio
async def test_a_session_opens_the_pages_and_not_the_api(console, restricted):
    with console() as browser:
        async with browser:
            await browser.post("/sign-in", data={"token": SHOWN})
            assert (await browser.get(f"/api/statements/{restricted}")).status_code == 404
            body = {"subject": PUMP, "profile": "iot-device"}
            assert (await browser.post("/api/watches", json=body)).status_code == 404


@pytest.mark.anyio
@pytest.mark.parametrize("cookie", ["", "x", "=", "a" * 9000, "\\\\;=;", "'\"", "; ;", "%00"])
async def test_a_cookie_that_is_none_of_ours_is_the_publics(console, restricted, cookie):
    with console() as browser:
        async with browser:
            headers = {"cookie": f"{COOKIE}={cookie}; other=1"}
            answer = await browser.get("/log.json", headers=headers)
            assert answer.status_code == 200
            assert restricted not in answer.text


@pytest.mark.anyio
async def test_without_a_token_there_is_no_door(workspace):
    app = create_app(workspace)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as browser:
        assert (await browser.get("/sign-in")).status_code == 404
        assert "/sign-in" not in (await browser.get("/")).text


@pytest.mark.anyio
async def test_a_name_that_was_not_allowed_is_refused(console):
    with console() as browser:
        async with browser:
            answer = await browser.get("/", headers={"host": "evil.example"})
            assert answer.status_code == 421


@pytest.mark.anyio
async def test_behind_a_proxy_that_rewrites_the_host_the_public_name_counts(console):
    with console(authority="trust.example.jp", behind_tls=True) as browser:
        async with browser:
            for headers, status in (
                ({"origin": "https://trust.example.jp"}, 303),
                ({"origin": "https://else.example"}, 403),
                ({"origin": "https://store.example"}, 403),
                ({"origin": "https://else.example", "x-forwarded-host": "else.example"}, 403),
            ):
                answer = await browser.post("/sign-in", data={"token": SHOWN}, headers=headers)
                assert answer.status_code == status
            # what arrives under a name that was not allowed is refused as before
            named = {"host": "trust.example.jp", "origin": "https://trust.example.jp"}
            assert (await browser.get("/", headers=named)).status_code == 421


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        ("https://trust.example.jp", (True, "trust.example.jp", "trust.example.jp")),
        ("https://Trust.example.jp:443/", (True, "trust.example.jp", "trust.example.jp")),
        ("http://trust.example.jp:8080", (False, "trust.example.jp:8080", "trust.example.jp")),
        ("https://[2001:db8::1]:8443", (True, "[2001:db8::1]:8443", "2001:db8::1")),
        ("", (False, "", "")),
    ],
)
def test_a_public_origin_is_read(origin, found):
    assert _public(origin) == found


@pytest.mark.parametrize(
    "origin",
    ["trust.example.jp", "ftp://x", "https://", "https://x/y", "https://a@b", "https://a b", "//x"],
)
def test_what_is_no_origin_is_refused(workspace, origin):
    with pytest.raises(Misconfigured) as refused:
        serve(workspace, host="127.0.0.1", port=0, public_origin=origin)
    assert refused.value.code == "http.public-origin"


def test_a_session_ends():
    now = 0
    door = Door(SHOWN, lambda: now, secure=False)
    cookie = door.enter(SHOWN).partition(";")[0].encode()
    scope = {"headers": [(b"cookie", cookie)]}
    assert door.knows(scope)
    now = 12 * 3600
    assert not door.knows(scope)
    assert Door(None, lambda: 0, secure=False).enter("") is None


class Two:
    """The codes of two members."""

    def who(self, shown):
        return Guest(shown, f"did:web:{shown}.example", shown) if shown in ("a", "b") else None

    def still(self, guest):
        return guest.code in ("a", "b")


def entered(door, shown):
    return {"headers": [(b"cookie", door.enter(shown).partition(";")[0].encode())]}


def test_sessions_are_bounded_for_each_speaker_and_nobody_ends_another_s():
    now = 0
    door = Door(SHOWN, lambda: now, secure=False, codes=Two())
    operator, first, other = (entered(door, shown) for shown in (SHOWN, "a", "b"))
    for _ in range(200):
        last = entered(door, "a")
    assert door.visitor(first) is None
    assert door.visitor(last).name == "a"
    assert door.knows(operator)
    assert door.visitor(other).name == "b"
    for _ in range(200):
        entered(door, SHOWN)
    assert not door.knows(operator)
    assert door.visitor(last).name == "a"
    now = 12 * 3600
    entered(door, "b")
    assert len(door._sessions) == 1  # what is over is not kept either


class Alike:
    """The codes of two members who are called alike: one's key is kept here, the other's is not."""

    def who(self, shown):
        return Guest("sato", f"did:web:{shown}.example", shown, keeps_key=shown == "b")

    def still(self, guest):
        return guest.code in ("a", "b")


def test_whoever_is_called_like_another_ends_none_of_their_sessions():
    door = Door(SHOWN, lambda: 0, secure=False, codes=Alike())
    one = entered(door, "a")
    for _ in range(200):
        entered(door, "b")
    assert door.visitor(one).identity == "did:web:a.example"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, "http.hosts-unnamed"),
        ({"behind_tls": True}, "http.hosts-unnamed"),
        ({"hosts": ("store.example",)}, "http.tls-needed"),
    ],
)
def test_beyond_this_machine_names_and_tls_are_needed(workspace, more, code):
    with pytest.raises(Misconfigured) as refused:
        serve(workspace, host="0.0.0.0", port=0, **more)  # noqa: S104 - refused
    assert refused.value.code == code
