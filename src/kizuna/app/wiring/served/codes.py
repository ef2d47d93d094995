# SPDX-License-Identifier: Apache-2.0
"""Codes by which members whose keys are kept here sign in to the console, and sign.

Keeps: 1. A code is random (192 bits), shown once and kept as a hash, in a file that only the
store's owner reads. 2. A member has at most one; a new one ends the one before, and every session
that it opened. 3. A code opens one member's answers and no other's.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.assess.pen import HandPen, Pen, own_pen
from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.served.hosted import Hosted
from kizuna.model.errors import Absent

if TYPE_CHECKING:
    from pathlib import Path

    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.identifier import SubjectId

__all__ = ["Codes", "Guest", "pen_of"]

_FILE: Final = "hosted-codes.json"
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Guest:
    """A member at the door."""

    name: str
    identity: SubjectId
    code: str
    """Hash of the code that let it in."""
    keeps_key: bool = False
    """Whether its key is its own, and not here: then nothing is signed here in its name."""


class Codes:
    """The codes of the members of one association."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def make(self, name: str) -> dict[str, Any]:
        """A fresh code for a member; the one before ends.

        Raises:
            Absent: ``hosted.unknown``.
        """
        member = next((m for m in Hosted(self._workspace).members() if m["name"] == name), None)
        if member is None:
            raise Absent(
                "hosted.unknown",
                f"no member is called {name[:60]!r}",
                hint="`kizuna key hosted list` prints them",
                name=name[:60],
            )
        code = f"{name}.{secrets.token_urlsafe(24)}"
        self._write(self._read() | {name: _hash(code)})
        return {"name": name, "identity": member["identity"], "code": code}

    def end(self, name: str) -> dict[str, Any]:
        """Let nobody in by a member's code any more.

        Raises:
            Absent: ``hosted.no-code``.
        """
        known = self._read()
        if name not in known:
            raise Absent(
                "hosted.no-code",
                f"{name[:60]!r} has no code",
                hint="`kizuna key hosted code NAME` makes one",
                name=name[:60],
            )
        self._write({k: v for k, v in known.items() if k != name})
        return {"name": name}

    def who(self, shown: str) -> Guest | None:
        """The member whose code this is."""
        code = shown.strip()[:_LONGEST]
        name, _, _ = code.rpartition(".")
        kept = self._read().get(name, "")
        if not kept or not compare_digest(_hash(code), kept):
            return None
        members = Hosted(self._workspace).members()
        found = next((m for m in members if m["name"] == name), None)
        if found is None:
            return None
        from kizuna.model.identifier import SubjectId

        return Guest(name, SubjectId(found["identity"]), kept)

    def still(self, guest: Guest) -> bool:
        """Whether the code that let a member in counts yet."""
        return compare_digest(self._read().get(guest.name, ""), guest.code)

    @property
    def _path(self) -> Path:
        return self._workspace.path / _FILE

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}

    def _write(self, codes: dict[str, str]) -> None:
        write_whole(self._path, json.dumps(codes, indent=2).encode() + b"\n")


def pen_of(workspace: Workspace, name: str | None) -> Pen:
    """The pen of a member by its short name; of the store's organisation without one.

    Raises:
        Absent: ``hosted.unknown``.
    """
    if name is None:
        return own_pen(workspace)
    handle, identity = Hosted(workspace).key_of(name)
    return HandPen(workspace, handle, identity)


def _hash(code: str) -> str:
    return sha256(code.encode()).hexdigest()
