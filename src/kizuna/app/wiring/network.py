# SPDX-License-Identifier: Apache-2.0
"""The network, as commands use it: bounded, explicit, never in the background.

Keeps: 1. An address is only asked where a person named it. 2. Answers are bounded in size and time;
redirects to another host are not followed. 3. What goes wrong is a ``Problem`` with the address.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from typing import Any, Final, Self
from urllib.parse import urlsplit

from kizuna.model.errors import Absent, Malformed, Problem, Refused, Unavailable

__all__ = ["Deadline", "ask", "checked_url", "fetch", "post"]

_TIMEOUT: Final = 30.0
_WHOLE: Final = 300.0
_LIMIT: Final = 64 << 20


class Deadline:
    """Ends a connection after a time as a whole; a socket's own time-out begins anew with every
    byte, so that whoever drips would never meet it.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._held: socket.socket | None = None
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        """Begin to count."""
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Count no more."""
        self._timer.cancel()

    def hold(self, connection: socket.socket) -> None:
        """The connection that is ended."""
        self._held = connection
        if self.passed:
            self._cut()

    def _cut(self) -> None:
        self.passed = True
        if self._held is not None:
            with suppress(OSError):  # over already
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)


def checked_url(url: str) -> str:
    """An http(s) address without the slash at its end.

    Raises:
        Malformed: ``request.address``.
    """
    try:
        parts = urlsplit(url)
        good = parts.port != 0  # to ask for the port is to check it
    except ValueError:
        parts, good = urlsplit(""), False
    good = good and parts.scheme in ("http", "https") and bool(parts.hostname)
    if not good or parts.username:
        raise Malformed(
            "request.address",
            f"not an address of a store: {url[:120]!r}",
            hint="write it as https://host or http://host:port",
            url=url[:120],
        )
    return url.rstrip("/")


def fetch(url: str, headers: Mapping[str, str] | None = None, *, limit: int = _LIMIT) -> bytes:
    """The bytes at an address; a problem of the other side is raised as ours.

    Raises:
        Absent: ``request.absent``. Unavailable: ``request.unreachable``, ``request.failed``.
        Malformed: ``request.too-large``.
    """
    status, body = _exchange("GET", url, b"", headers or {}, limit)
    if status == 200:
        return body
    _raise_theirs(status, _json(body))
    if status == 404:
        raise Absent("request.absent", f"nothing is at {url}", hint="check the address", url=url)
    raise _failed(url, status, body)


def ask(
    method: str, url: str, body: bytes, headers: Mapping[str, str], *, limit: int = _LIMIT
) -> Any:  # noqa: ANN401 - JSON
    """Send a request whose answer is JSON; a problem of the other side is raised as ours.

    Raises:
        Refused, Absent, Unavailable: with the code that the other side gave.
    """
    status, answer = _exchange(method, url, body, headers, limit)
    told = _json(answer)
    if 200 <= status < 300 and told is not None:
        return told
    _raise_theirs(status, told)
    raise _failed(url, status, answer)


def post(url: str, body: bytes, headers: Mapping[str, str], *, limit: int = _LIMIT) -> bytes:
    """Send a question whose answer is bytes; a problem of the other side is raised as ours.

    Raises:
        Refused, Absent, Unavailable: as ``ask``.
    """
    status, answer = _exchange("POST", url, body, headers, limit)
    if status == 200:
        return answer
    _raise_theirs(status, _json(answer))
    raise _failed(url, status, answer)


def _json(data: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _raise_theirs(status: int, told: object) -> None:
    if isinstance(told, dict) and isinstance(told.get("code"), str):
        kind: type[Problem] = {404: Absent, 503: Unavailable}.get(status, Refused)
        raise kind(
            told["code"][:80],
            str(told.get("message") or told.get("title") or told["code"])[:500],
            why=str(told.get("why", ""))[:500],
            hint=str(told.get("hint", ""))[:500],
        )


def _exchange(
    method: str, url: str, body: bytes, headers: Mapping[str, str], limit: int
) -> tuple[int, bytes]:
    parts = urlsplit(checked_url(url))
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=_TIMEOUT, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = Deadline(_WHOLE)
    try:
        with deadline:
            connection.connect()
            deadline.hold(connection.sock)
            connection.request(method, target, body or None, dict(headers))
            answer = connection.getresponse()
            data = answer.read(limit + 1)
        if deadline.passed:
            raise TimeoutError("it answers too slowly")
    except (OSError, http.client.HTTPException, UnicodeError) as fault:
        raise Unavailable(
            "request.unreachable",
            f"cannot reach {host}",
            why="it answers too slowly" if deadline.passed else _cause(fault),
            hint="check the address and the network, then try again",
            url=url,
        ) from fault
    finally:
        connection.close()
    if len(data) > limit:
        raise Malformed(
            "request.too-large",
            f"{url} answers with more than {limit >> 20} MiB",
            hint="check that this is the right address",
            url=url,
            limit=limit >> 20,
        )
    return answer.status, data


def _cause(fault: Exception) -> str:
    """What the system says of a failure, without the number that it gives it."""
    return str(getattr(fault, "strerror", None) or fault) or type(fault).__name__


def _failed(url: str, status: int, body: bytes) -> Unavailable:
    return Unavailable(
        "request.failed",
        f"{url} answered {status}",
        why=body[:200].decode("utf-8", "replace"),
        hint="check that this is the address of a kizuna store, then try again",
        url=url,
        status=status,
    )
