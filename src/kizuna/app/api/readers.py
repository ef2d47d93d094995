# SPDX-License-Identifier: Apache-2.0
"""Who reads: the signer of a request, or the public.

Keeps: 1. A request without a signature is the public's; one with a signature that does not hold is
refused, never silently read as the public's. 2. A nonce is taken once within its life. 3. The keys
of an identity are those in force now, by the same history that judges its statements.
Standard: RFC 9421, RFC 9530.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kizuna.app.api.asked import header
from kizuna.app.api.workers import Workers
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent

if TYPE_CHECKING:
    from kizuna.record.store.view import View

__all__ = ["Readers"]


class Readers:
    """The readers of one server."""

    def __init__(self, workspace: Workspace, workers: Workers) -> None:
        self._workspace = workspace
        self._workers = workers

    async def view(self, scope: Mapping[str, Any], body: bytes) -> View:
        """The view of whoever signed the request; the public's without a signature."""
        from kizuna.record.store.view import OPERATOR, PUBLIC, View  # noqa: PLC0415 - the store is open

        if not header(scope, b"signature-input"):
            return PUBLIC
        who = await self._workers.run(lambda: self._signer(scope, body))
        return OPERATOR if who == self._workspace.identity else View.of(who)

    async def operator(self, scope: Mapping[str, Any], body: bytes) -> None:
        """Go on only for the store's own organisation.

        Raises:
            Absent: ``http.not-found`` for everybody else: what may not be done looks absent.
        """
        view = await self.view(scope, body)
        if not view.everything:
            raise Absent(
                "http.not-found",
                "nothing is at this address",
                hint="the addresses that exist are described at /schema/openapi.json",
            )
