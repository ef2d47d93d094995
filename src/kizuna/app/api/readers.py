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
from urllib.parse import quote

from kizuna.app.api.asked import header
from kizuna.app.api.workers import Workers
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Problem
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Membership, Standing

if TYPE_CHECKING:
    from kizuna.record.store import View
    from kizuna.roots.http_signatures import NonceMemory, Request
    from kizuna.roots.keys import PublicKey

__all__ = ["Readers"]


class Readers:
    """The readers of one server. Nonces are remembered in the store, for all its servers."""

    def __init__(self, workspace: Workspace, workers: Workers) -> None:
        self._workspace = workspace
        self._workers = workers
        self._nonces: NonceMemory | None = None

    async def view(self, scope: Mapping[str, Any], body: bytes) -> View:
        """The view of whoever signed the request; the public's without a signature.

        Raises:
            Problem: ``identity.request-*`` for a signature that does not hold.
        """
        from kizuna.record.store import OPERATOR, PUBLIC, View  # noqa: PLC0415 - loaded by now

        if not header(scope, b"signature-input") and not header(scope, b"signature"):
            return PUBLIC
        who = await self._workers.run(lambda: self.signer(scope, body))
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

    def signer(self, scope: Mapping[str, Any], body: bytes) -> SubjectId:
        """The identity that signed a request; blocks."""
        from kizuna.record.store.nonces import TableNonces  # noqa: PLC0415 - see below
        from kizuna.roots.http_signatures import (  # noqa: PLC0415 - only signed requests pay
            verify_request,
        )

        if self._nonces is None:
            self._nonces = TableNonces(self._workspace.store.backend)
        return verify_request(
            _request(scope, body),
            self._key,
            now=self._workspace.clock(),
            nonces=self._nonces,
        ).identity

    def _key(self, identity: SubjectId, thumbprint: bytes) -> PublicKey | None:
        """The key of an identity, where it may be used now."""
        from kizuna.record.log.keys import subject_key  # noqa: PLC0415 - see above
        from kizuna.roots.identity import (  # noqa: PLC0415 - see above
            KeyHistory,
            genesis_keys,
            key_event,
            pinned_keys,
        )

        workspace = self._workspace
        pinned = {p.id: pinned_keys(p.keys) for p in workspace.anchors().identities}
        try:
            genesis = genesis_keys(identity, pinned)
        except Problem:
            genesis = ()
        history = KeyHistory.of(identity, genesis)
        reader = workspace.store.reader()
        key = subject_key(identity)
        listed = workspace.store.members.get(identity) is not None
        for row in reader.by_keys([key]).get(key, ()):
            said = row.statement.payload
            if (
                isinstance(said, Membership)
                and said.list_id == workspace.list_id
                and said.state is Standing.GRANTED
                and row.statement.issuer == workspace.identity
                and row.statement.subject == identity
            ):
                for pin in pinned_keys(said.keys):
                    history = history.pin(pin, row.index)
            event = key_event(row)
            if event is not None and event.identity == identity:
                # a stranger's word about somebody's key events may stand in the log, without effect
                above = event.issuer == workspace.identity and listed
                history = history.apply(event, superior=above)
        return next((k for k in history.current(reader.size) if k.thumbprint == thumbprint), None)


def _request(scope: Mapping[str, Any], body: bytes) -> Request:
    from kizuna.roots.http_signatures import Request as Parts  # noqa: PLC0415 - see above

    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = bytes(key).decode("latin-1").lower(), bytes(value).decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    raw = scope.get("raw_path")
    return Parts(
        method=str(scope.get("method_sent") or scope["method"]),
        authority=headers.get("host", ""),
        path=bytes(raw).decode("latin-1") if raw else quote(str(scope["path"])),
        query=bytes(scope.get("query_string", b"")).decode("latin-1"),
        headers=headers,
        body=body,
    )
