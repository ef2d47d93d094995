# SPDX-License-Identifier: Apache-2.0
"""Who looks at the pages: the public, or the operator who showed the server's token.

Keeps: 1. The token is made when the server starts, printed once on its terminal, and compared in
constant time; the server keeps its hash. 2. What the browser gets instead is a random name of a
session: HttpOnly, SameSite=Strict, gone when the server ends or after half a day. 3. Signing in
changes what is shown, and nothing else: pages only read, so there is nothing that a page of another
origin could make the operator's browser do. 4. A session opens the pages, never the API.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

__all__ = ["COOKIE", "Door"]

COOKIE: Final = "kizuna-console"

_LIFE: Final = 12 * 3600
_SESSIONS: Final = 64
_LONGEST: Final = 200


class Door:
    """The sessions of one server.

    Args:
        token: what opens the door; None: nobody may sign in.
        clock: seconds since 1970.
        secure: whether browsers reach this server over TLS only.
    """

    def __init__(self, token: str | None, clock: Callable[[], int], *, secure: bool) -> None:
        self._token = None if token is None else sha256(token.encode()).digest()
        self._clock = clock
        self._secure = secure
        self._sessions: OrderedDict[bytes, int] = OrderedDict()

    @property
    def exists(self) -> bool:
        """Whether somebody can sign in at all."""
        return self._token is not None

    def enter(self, shown: str) -> str | None:
        """The ``Set-Cookie`` of a new session; None where this is not the token."""
        said = sha256(shown.strip()[:_LONGEST].encode()).digest()
        if self._token is None or not compare_digest(said, self._token):
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[sha256(session.encode()).digest()] = self._clock() + _LIFE
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        return self._cookie(session, _LIFE)

    def leave(self, scope: Mapping[str, Any]) -> str:
        """End the session of a request; the ``Set-Cookie`` that takes its name away."""
        self._sessions.pop(_named(scope), None)
        return self._cookie("", 0)

    def knows(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request comes from somebody who signed in."""
        until = self._sessions.get(_named(scope))
        return until is not None and self._clock() < until

    def _cookie(self, session: str, life: int) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{COOKIE}={session}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}"


def _named(scope: Mapping[str, Any]) -> bytes:
    """The hash of the session's name, so that finding it takes no time that tells of the name."""
    text = next((v for k, v in scope.get("headers", ()) if k == b"cookie"), b"")
    try:
        found = SimpleCookie(bytes(text).decode("latin-1")[:4096]).get(COOKIE)
    except CookieError:
        found = None
    return sha256((found.value if found is not None else "").encode()).digest()
