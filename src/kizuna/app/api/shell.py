# SPDX-License-Identifier: Apache-2.0
"""The outermost layer of the server: what holds for every request, whoever answers it.

Keeps: 1. A body beyond its bound is answered with 413 before a byte of it is read; a body that
lies about its length, or comes too slowly, is cut off. 2. Every answer carries the security
headers; no answer allows another origin. 3. A request ends in bounded time. 4. Nothing that goes
wrong below escapes as a traceback: the caller sees a reference, the log the cause.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any, Final

from kizuna.app.api.asked import header, language, prefers
from kizuna.app.api.limits import Limits
from kizuna.app.api.metrics import Metrics
from kizuna.app.api.pages import Pages
from kizuna.app.api.problems import (
    CONCISE,
    JSON,
    BadHost,
    Fault,
    HeaderTooLarge,
    Slow,
    TooLarge,
    TooSlow,
    concise,
    problem_body,
)
from kizuna.model.errors import Malformed, Problem

__all__ = ["Application", "Shell", "render", "speaks_cbor"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("kizuna.api")

_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
)
_LINGER: Final = 5.0
"""Seconds for which a refused body is still taken and thrown away."""


def speaks_cbor(path: str) -> bool:
    """True where SCRAPI asks for problems in CBOR."""
    return path == "/entries" or path.startswith(("/entries/", "/.well-known/scitt-keys"))


def render(
    scope: Mapping[str, Any], problem: Problem, pages: Pages | None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a problem in the form that its asker reads."""
    lang = language(scope)
    path = str(scope.get("path", ""))
    if speaks_cbor(path):
        media, body = CONCISE, concise(problem, lang)
    elif pages is not None and not path.startswith("/api/") and _wants_page(scope):
        media, body = "text/html", pages.problem(scope, problem, lang)
    else:
        media, body = JSON, problem_body(problem, lang)
    headers = {
        "content-type": media,
        "content-length": str(len(body)),
        "content-language": lang,
        "vary": "accept, accept-language",
    }
    if pages is not None and media.startswith("text/html"):
        headers["content-security-policy"] = pages.policy.decode()
    if problem.status in (429, 503, 504):
        headers["retry-after"] = "5"
    allow = problem.about.get("allow")
    if problem.status == 405 and isinstance(allow, str):
        headers["allow"] = allow
    if problem.status in (408, 413, 431):
        headers["connection"] = "close"
    return problem.status, headers, body


def _wants_page(scope: Mapping[str, Any]) -> bool:
    return prefers(scope, (JSON, "application/json", "text/html")) == "text/html"


class Shell:
    """The ASGI application that a server runs: bounds around the routes."""

    def __init__(
        self,
        app: Application,
        *,
        limits: Limits,
        metrics: Metrics,
        pages: Pages | None = None,
        intake: Collection[str] = (),
        endless: Collection[str] = (),
        hosts: Collection[str] = (),
        authority: str = "",
    ) -> None:
        self.framework = app
        """The routes inside, for those who list them."""
        self._limits = limits
        self._metrics = metrics
        self._pages = pages
        self._intake = frozenset(intake)
        self._endless = frozenset(endless)
        self._hosts = frozenset(h.lower().strip("[]") for h in hosts)
        self._authority = authority.lower().encode("ascii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] == "lifespan":
            await self.framework(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        began = time.perf_counter()
        answer = _Answer(send, head=scope["method"] == "HEAD")
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "method_sent": "HEAD"}
        try:
            await self._bounded(scope, receive, answer)
        finally:
            route = str(scope.get("path_template") or "-")
            self._metrics.request(
                _known_method(scope["method"]), route, answer.status, time.perf_counter() - began
            )

    async def _bounded(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        path = str(scope["path"])
        writes = path in self._intake and scope["method"] == "POST"
        bound = self._limits.intake_body if writes else self._limits.body
        body = _Body(receive, bound, self._limits)
        try:
            self._check(scope, bound)
            scope = self._as_addressed(scope)
            allowed = self._limits.intake_seconds if writes else self._limits.seconds
            async with asyncio.timeout(None if path in self._endless else allowed):
                await self.framework(scope, body.receive, answer.send)
        except TimeoutError:
            await self._fail(
                scope,
                answer,
                Slow(
                    "http.timeout",
                    "the answer took longer than this server allows",
                    hint="ask for less, or try again when the server is less busy",
                ),
            )
        except Problem as problem:
            await self._fail(scope, answer, problem)
        except Exception:  # noqa: BLE001 - the last line of defence: logged, shown as a reference
            await self._fail(scope, answer, self.fault())
        if answer.status == 413:
            await body.drain()
            await answer.finish()

    def fault(self) -> Problem:
        """The problem for the exception that is being handled; its cause goes to the log."""
        reference = uuid.uuid4().hex[:12]
        self._metrics.faults += 1
        _LOG.exception("fault %s", reference)
        return Fault(
            "http.fault",
            f"this program made a mistake (reference {reference})",
            hint="tell the operator the reference; the cause is in the server's log",
            reference=reference,
        )

    def _check(self, scope: Scope, bound: int) -> None:
        size = sum(len(k) + len(v) + 4 for k, v in scope["headers"])
        size += len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        if size > self._limits.header:
            raise HeaderTooLarge(
                "http.header-too-large",
                f"headers and address of {size} bytes, at most {self._limits.header}",
                size=size,
                limit=self._limits.header,
            )
        if sum(key == b"host" for key, _ in scope["headers"]) > 1:
            raise Malformed(
                "http.request-malformed",
                "the request names two hosts",
                why="two who read it could take it for two different requests",
                hint="send one Host header",
                fault="two Host headers",
            )
        if self._hosts:
            host = header(scope, b"host").lower()
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name.strip("[]") not in self._hosts:
                raise BadHost(
                    "http.host",
                    "this server does not answer to that name",
                    why="a page of another origin could otherwise read a store on this machine",
                    hint="use the address that `kizuna serve` printed, or name the host when it "
                    "is started",
                    host=name[:100],
                )
        declared = header(scope, b"content-length")
        if declared:
            if not (declared.isascii() and declared.isdigit()) or len(declared) > 18:
                raise Malformed("http.request-malformed", "Content-Length is no number")
            if int(declared) > bound:
                raise _too_large(int(declared), bound)

    def _as_addressed(self, scope: Scope) -> Scope:
        """The request under the name that its sender used, where a proxy puts another in ``Host``.

        Signatures of requests and the origin of forms are held against this name. It comes from
        whoever runs the server, never from a header such as ``X-Forwarded-Host``.
        """
        if not self._authority:
            return scope
        others = [(k, v) for k, v in scope["headers"] if k != b"host"]
        return {**scope, "headers": [*others, (b"host", self._authority)]}

    async def _fail(self, scope: Scope, answer: _Answer, problem: Problem) -> None:
        if not answer.started:
            status, headers, body = render(scope, problem, self._pages)
            raw = [(k.encode(), v.encode("latin-1", "replace")) for k, v in headers.items()]
            await answer.send({"type": "http.response.start", "status": status, "headers": raw})
            await answer.send({"type": "http.response.body", "body": body, "more_body": False})


def _known_method(method: str) -> str:
    return method if method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH") else "other"


def _too_large(size: int, bound: int) -> TooLarge:
    return TooLarge(
        "http.body-too-large",
        f"a body of {size} bytes; this address takes {bound}",
        hint="send it in smaller batches, or send documents by their hash",
        size=size,
        limit=bound,
    )


class _Answer:
    """The way out: security headers on every answer, none of the body for HEAD."""

    def __init__(self, send: Send, *, head: bool) -> None:
        self._send = send
        self._head = head
        self.status = 0
        self.started = False
        self._open = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._open = True
            self.status = int(message["status"])
            headers = [(bytes(k).lower(), v) for k, v in message.get("headers", ())]
            present = {key for key, _ in headers}
            message["headers"] = headers + [h for h in _HEADERS if h[0] not in present]
        elif message["type"] == "http.response.body":
            if self._head and message.get("body"):
                message["body"] = b""
            if self.status == 413:
                message["more_body"] = True  # until the refused body is out of the way
            self._open = bool(message.get("more_body", False))
        await self._send(message)

    async def finish(self) -> None:
        """End an answer that was held open while its request was still arriving."""
        if self._open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Body:
    """The way in: counts what arrives, and gives up on who stops sending."""

    def __init__(self, receive: Receive, bound: int, limits: Limits) -> None:
        self._receive = receive
        self._bound = bound
        self._limits = limits
        self._seen = 0
        self._done = False

    async def receive(self) -> Message:
        if self._done:
            return await self._receive()
        try:
            async with asyncio.timeout(self._limits.body_pause):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow(
                "http.body-slow", "the body stopped arriving", hint="send the request again"
            ) from None
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._done = not message.get("more_body", False)
            if self._seen > self._bound:
                raise _too_large(self._seen, self._bound)
        return message

    async def drain(self) -> None:
        """Take and throw away what a refused sender still sends, so that it reads the answer."""
        taken = 0
        try:
            async with asyncio.timeout(_LINGER):
                while taken < self._limits.drain:
                    message = await self._receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    taken += len(message.get("body", b""))
        except TimeoutError:
            return
