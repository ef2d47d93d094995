# SPDX-License-Identifier: Apache-2.0
"""Reading in stores elsewhere as oneself: which of them know this organisation, and its signature.

A store shows what is restricted to those whom it names. So a question to it is signed where this
organisation is known there: an entry of a believed list about it names the log, or the anchors say
so (``kizuna trust log --signed``). Everywhere else one reads as the public, and tells no store who
is asking.

Keeps: 1. Only the operator's own questions are signed: whoever else asks through this store sees
what the public sees elsewhere. 2. A signature fits one question at one address, once.
3. Where the key cannot be used, reading goes on as the public, which sees less.
Standard: RFC 9421.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Problem
from kizuna.model.payload import Membership, Standing
from kizuna.model.trust import Anchors

if TYPE_CHECKING:
    from kizuna.record.store import View

__all__ = ["Oneself"]

_USUAL: dict[str, str] = {"http": ":80", "https": ":443"}


class Oneself:
    """One organisation as it reads elsewhere. Safe to use from several threads."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()

    def known_in(self, anchors: Anchors, view: View | None) -> frozenset[str]:
        """Origins of the logs in whose stores questions are signed, for whoever reads here."""
        if view is not None and not view.everything:
            return frozenset()
        named = {log.origin for log in anchors.logs if log.signed}
        return frozenset(named | self._listed(anchors))

    def _listed(self, anchors: Anchors) -> set[str]:
        """The logs that the newest entry of this organisation in each believed list names."""
        from kizuna.record.log.keys import subject_key

        workspace = self._workspace
        key = subject_key(workspace.identity)
        operators = {found.id: found.operator for found in anchors.lists}
        newest: dict[str, Membership] = {}
        for row in workspace.store.reader().by_keys([key]).get(key, ()):
            said = row.statement
            if (
                isinstance(said.payload, Membership)
                and said.subject == workspace.identity
                and operators.get(said.payload.list_id) == said.issuer
            ):
                newest[said.payload.list_id] = said.payload
        granted = (entry for entry in newest.values() if entry.state is Standing.GRANTED)
        return {origin for entry in granted for origin in entry.logs}

    def signature(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The headers that sign a question; none where the key cannot be used."""
        from kizuna.roots.http_signatures import Request, sign_request

        parts = urlsplit(url)
        workspace = self._workspace
        asked = Request(
            method=method,
            authority=parts.netloc.removesuffix(_USUAL.get(parts.scheme, "")),
            path=parts.path,
            query=parts.query,
            body=body,
        )
        try:
            with self._lock:
                return sign_request(
                    workspace.unit,
                    workspace.handle,
                    asked,
                    identity=workspace.identity,
                    created=workspace.clock(),
                    nonce=secrets.token_urlsafe(18),
                )
        except Problem:
            return {}
