# SPDX-License-Identifier: Apache-2.0
"""Published lists and status, as readers of other standards fetch them.

Keeps: 1. What is served is the issue that was registered, as it was signed; nothing is signed for
who asks. 2. Caches are told how long it may be kept: no longer than it says. 3. An issue past
its end is still served, marked so that nobody keeps it: its readers find out by its own words.
4. A JWT travels under gzip to whoever takes that: it is base64 twice, and so a third smaller.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import accepted_codings, header, prefers
from kizuna.app.api.context import Context
from kizuna.app.api.problems import NotAcceptable
from kizuna.app.wiring.lists.publishing import Publishing
from kizuna.app.wiring.lists.status import CWT, JWT, StatusLists
from kizuna.record.lists.etsi602 import LIST_MEDIA_TYPE

__all__ = ["lists"]

_PUBLIC: Final = {"permission": "public"}
_LONGEST: Final = 3_600
"""Seconds for which a list may be kept without asking again."""


def lists(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of these resources."""
    workspace = context.workspace

    @get(
        "/api/lists/{name:str}/etsi-602",
        opt=_PUBLIC,
        tags=["lists"],
        media_type=LIST_MEDIA_TYPE,
        summary="A published list, ETSI TS 119 602 in compact JAdES",
    )
    async def issue(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        made, data = await context.ask(lambda: Publishing(workspace, workspace.lists).served(name))
        left = made.next_update - workspace.clock()
        return _kept(request, data, LIST_MEDIA_TYPE, made.document, min(left, _LONGEST))

    @get(
        "/api/status-list",
        opt=_PUBLIC,
        tags=["lists"],
        media_type=JWT,
        summary="What became of every statement: Token Status List",
        description="`application/statuslist+jwt` or `application/statuslist+cwt`; the index of a "
        "statement is its place in the log.",
    )
    async def status(request: Request[Any, Any, Any]) -> Response[bytes]:
        form = prefers(request.scope, (JWT, CWT))
        if not form:
            raise NotAcceptable(
                "http.not-acceptable",
                f"this address answers in {JWT} or {CWT}",
                hint="ask for one of them in `Accept`",
            )
        made, jwt, cwt = await context.ask(StatusLists(workspace).served)
        left = made.expires - workspace.clock()
        ttl = (made.expires - made.issued) // 4
        if form == CWT:
            return _kept(request, cwt, form, made.cwt, min(left, ttl))
        small = "gzip" in accepted_codings(request.scope)
        return _kept(request, jwt, form, made.jwt, min(left, ttl), small=small)

    return (issue, status)


def _kept(
    request: Request[Any, Any, Any],
    data: bytes,
    media_type: str,
    digest: str,
    seconds: int,
    *,
    small: bool | None = None,
) -> Response[bytes]:
    """An answer that a cache may keep for some seconds, or must ask for again; ``small`` says
    whether it travels under gzip, None where it never does.
    """
    tag = f'"{digest}-gzip"' if small else f'"{digest}"'
    headers = {
        "etag": tag,
        "vary": "accept" if small is None else "accept, accept-encoding",
        "cache-control": f"public, max-age={seconds}" if seconds > 0 else "no-cache",
    }
    if tag in header(request.scope, b"if-none-match"):
        return Response(b"", status_code=304, media_type=media_type, headers=headers)
    if small:
        headers["content-encoding"] = "gzip"
        data = gzip.compress(data, 9, mtime=0)
    return Response(data, media_type=media_type, headers=headers)
