# SPDX-License-Identifier: Apache-2.0
"""Who looks at the pages: the public, the operator who showed the server's token, or a member who
showed its code: one whose key is kept here, or one who keeps its own and got the code by it.

Keeps: 1. The token is made when the server starts, printed once on its terminal, and compared in
constant time; the server keeps its hash. A member's code likewise. 2. What the browser gets instead
is a random name of a session: HttpOnly, SameSite=Strict, gone when the server ends or after half a
day; a member's also when its code ends. 3. A session shows pages and keeps drafts; it never signs:
whoever signs shows again what opened the session, or signs elsewhere. 4. A form is genuine where
it carries the word of its own session and comes from a page of this server. 5. A session opens the
pages, never the API. 6. Sessions are bounded for each speaker: nobody ends another's by signing in
often.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.served.codes import Guest
    from kizuna.app.wiring.served.member_codes import Guests

__all__ = ["COOKIE", "Door", "Visitor"]

COOKIE: Final = "kizuna-console"

_LIFE: Final = 12 * 3600
_SESSIONS: Final = 32
"""Sessions that one speaker may have open: its oldest ends for its newest, nobody else's does."""

_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who signed in."""

    until: int
    guest: Guest | None = None
    """None: the operator, who speaks for the store's organisation."""

    @property
    def name(self) -> str | None:
        """Short name of the member; None: the operator."""
        return None if self.guest is None else self.guest.name

    @property
    def identity(self) -> SubjectId | None:
        """The member's identity; None: the operator."""
        return None if self.guest is None else self.guest.identity

    @property
    def keeps_key(self) -> bool:
        """Whether what they say is signed elsewhere, with a key of their own."""
        return self.guest is not None and self.guest.keeps_key


class Door:
    """The sessions of one server.

    Args:
        token: what opens the door to the operator; None: nobody may sign in.
        clock: seconds since 1970.
        secure: whether browsers reach this server over TLS only.
        codes: what opens it to members; None: to none.
    """

    def __init__(
        self,
        token: str | None,
        clock: Callable[[], int],
        *,
        secure: bool,
        codes: Guests | None = None,
    ) -> None:
        self._token = None if token is None else sha256(token.encode()).digest()
        self._clock = clock
        self._secure = secure
        self._codes = codes
        self._sessions: dict[bytes, Visitor] = {}

    @property
    def exists(self) -> bool:
        """Whether somebody can sign in at all."""
        return self._token is not None

    def enter(self, shown: str) -> str | None:
        """The ``Set-Cookie`` of a new session; None where this is neither token nor code."""
        if self._token is None:
            return None
        until = self._clock() + _LIFE
        guest = None
        if not self._is_token(shown):
            guest = None if self._codes is None else self._codes.who(shown)
            if guest is None:
                return None
        session = secrets.token_urlsafe(32)
        self._make_room(None if guest is None else guest.identity)
        self._sessions[sha256(session.encode()).digest()] = Visitor(until, guest)
        return self._cookie(session, _LIFE)

    def leave(self, scope: Mapping[str, Any]) -> str:
        """End the session of a request; the ``Set-Cookie`` that takes its name away."""
        self._sessions.pop(_named(scope), None)
        return self._cookie("", 0)

    def knows(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request comes from the operator, signed in."""
        found = self.visitor(scope)
        return found is not None and found.guest is None

    def visitor(self, scope: Mapping[str, Any]) -> Visitor | None:
        """Who signed in; None: the public."""
        found = self._sessions.get(_named(scope))
        if found is None or self._clock() >= found.until:
            return None
        if found.guest is not None and (self._codes is None or not self._codes.still(found.guest)):
            return None
        return found

    def proves(self, visitor: Visitor, shown: str) -> bool:
        """Whether this is what opened the visitor's session: asked again before a signature."""
        if visitor.guest is None:
            return self._is_token(shown)
        found = None if self._codes is None else self._codes.who(shown)
        return found == visitor.guest

    def word(self, scope: Mapping[str, Any]) -> str:
        """What forms of this session carry; it tells nothing of the session's name."""
        return sha256(b"kizuna form " + _named(scope)).hexdigest()

    def genuine(self, scope: Mapping[str, Any], word: str) -> bool:
        """Whether a form is of this session: its word fits."""
        return compare_digest(self.word(scope).encode(), word.encode("utf-8", "replace"))

    def _make_room(self, identity: SubjectId | None) -> None:
        """End what is over, and of one speaker's sessions the oldest beyond its number."""
        now = self._clock()
        for session in [k for k, v in self._sessions.items() if now >= v.until]:
            del self._sessions[session]
        own = [k for k, v in self._sessions.items() if v.identity == identity]
        for session in own[: max(0, len(own) + 1 - _SESSIONS)]:
            del self._sessions[session]

    def _is_token(self, shown: str) -> bool:
        said = sha256(shown.strip()[:_LONGEST].encode()).digest()
        return self._token is not None and compare_digest(said, self._token)

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
