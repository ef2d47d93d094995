# SPDX-License-Identifier: Apache-2.0
"""Codes by which members who keep their own key sign in to the console: to look and to prepare.

A signed request asks for one, so whoever has it is who holds the key. It opens the pages and signs
nothing: what such a member answers is signed where the key is.

Keeps: 1. A code is random (192 bits), told once, kept as a hash in a file that only the store's
owner reads, and ends after half a day. 2. A member has at most one; a new one ends the one before,
and every session that it opened. 3. It opens that member's answers and no other's, for as long as
the store's own list grants the membership.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.served.codes import Codes, Guest
from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from pathlib import Path

    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Guests", "MemberCodes"]

_FILE: Final = "member-codes.json"
_LIFE: Final = 12 * 3600
_LONGEST: Final = 200
_MARK: Final = "own-"
_CODE: Final = re.compile(r"own-[0-9a-f]{16}\.[A-Za-z0-9_-]{32}")
_LOCK: Final = threading.Lock()


class MemberCodes:
    """The codes of members of one store who keep their own keys."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def make(self, identity: SubjectId) -> dict[str, Any]:
        """A fresh code for a member; the one before ends. Who asks has shown the key already.

        Raises:
            Refused: ``policy.not-a-member``, ``policy.membership-not-in-force``.
        """
        from kizuna.app.wiring.assess.taking import admitted

        admitted(self._workspace, identity)
        now = self._workspace.clock()
        code = f"{_MARK}{_short(identity)}.{secrets.token_urlsafe(24)}"
        with _LOCK:
            kept = {k: v for k, v in self._read().items() if v["until"] > now}
            kept[_short(identity)] = {
                "identity": identity,
                "code": _hash(code),
                "until": now + _LIFE,
            }
            data = json.dumps(kept, indent=2).encode()
            write_whole(self._workspace.path / _FILE, data + b"\n")
        return {"identity": identity, "code": code, "until": now + _LIFE}

    def who(self, shown: str) -> Guest | None:
        """The member whose code this is."""
        code = shown.strip()[:_LONGEST]
        if not _CODE.fullmatch(code):
            return None
        kept = self._read().get(code.partition(".")[0].removeprefix(_MARK))
        if kept is None or not compare_digest(_hash(code), kept["code"]):
            return None
        identity = SubjectId(kept["identity"])
        guest = Guest(self._called(identity), identity, kept["code"], keeps_key=True)
        return guest if self.still(guest) else None

    def still(self, guest: Guest) -> bool:
        """Whether the code that let a member in counts yet."""
        kept = self._read().get(_short(guest.identity))
        now = self._workspace.clock()
        return (
            kept is not None
            and compare_digest(kept["code"], guest.code)
            and now < kept["until"]
            and self._workspace.store.members.is_member(guest.identity, now)
        )

    def _called(self, identity: SubjectId) -> str:
        entry = self._workspace.lists.state(self._workspace.list_id).entries.get(identity)
        return (entry.name if entry is not None else "") or identity

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._path.read_bytes())
            return {
                str(k): {
                    "identity": str(v["identity"]),
                    "code": str(v["code"]),
                    "until": int(v["until"]),
                }
                for k, v in found.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    @property
    def _path(self) -> Path:
        return self._workspace.path / _FILE


class Guests:
    """Whom a code lets in: members whose keys are kept here, and members who keep theirs."""

    def __init__(self, workspace: Workspace) -> None:
        self._hosted = Codes(workspace)
        self._own = MemberCodes(workspace)

    def who(self, shown: str) -> Guest | None:
        """The member whose code this is."""
        return self._own.who(shown) or self._hosted.who(shown)

    def still(self, guest: Guest) -> bool:
        """Whether the code that let a member in counts yet."""
        return (self._own if guest.keeps_key else self._hosted).still(guest)


def _short(identity: str) -> str:
    return sha256(identity.encode()).hexdigest()[:16]


def _hash(code: str) -> str:
    return sha256(code.encode()).hexdigest()
