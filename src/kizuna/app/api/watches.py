# SPDX-License-Identifier: Apache-2.0
"""Verdicts kept true: the portfolio, and the stream of their changes.

Keeps: 1. A watch costs work for as long as it stands, so only the store's own operator sets one.
2. The stream shows a change as the listener's own view judges it, or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Request, asgi, delete, get, post
from litestar.params import Body, QueryParameter
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from kizuna.app.api.asked import as_subject, header, language, method, query
from kizuna.app.api.context import Context
from kizuna.app.api.events import number_of
from kizuna.app.api.problems import BadMethod
from kizuna.app.wiring import showing
from kizuna.app.wiring.judging.answers import standing_json

if TYPE_CHECKING:
    pass

__all__ = ["Watch", "watches"]

_OPERATOR: Final = {"permission": "operator"}
_READ: Final = {"permission": "view"}
_REMEMBERED: Final = 20_000


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to keep true."""

    subject: str
    profile: str
    lists: list[str] | None = None
    through: list[str] = []
    """Names of mappings through which claims made under another catalog count."""


def watches(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    @get(
        "/api/watches",
        opt=_READ,
        tags=["watches"],
        summary="Watched subjects and how they stand now",
    )
    async def portfolio(request: Request[Any, Any, Any]) -> dict[str, Any]:
        view = await context.view(request.scope)
        return await context.ask(
            lambda: {"watches": [standing_json(s) for s in workspace.portfolio(view=view)]}
        )

    @post(
        "/api/watches",
        opt=_OPERATOR,
        tags=["watches"],
        status_code=200,
        summary="Keep a verdict true (signed by the store's organisation)",
    )
    async def watch(
        request: Request[Any, Any, Any], data: Annotated[Watch, Body()]
    ) -> dict[str, Any]:
        await context.readers.operator(request.scope, await request.body())
        subject = as_subject(data.subject)

        def begin() -> dict[str, Any]:
            profile = showing.profile_named(workspace, data.profile)
            return standing_json(
                workspace.watch(subject, profile, data.lists, through=data.through)
            )

        return await context.repeated.once(
            request.scope,
            workspace.identity,
            await request.body(),
            lambda: context.intake.run(begin),
        )

    @delete(
        "/api/watches",
        opt=_OPERATOR,
        tags=["watches"],
        status_code=200,
        summary="Stop keeping a verdict true (signed by the store's organisation)",
    )
    async def unwatch(
        request: Request[Any, Any, Any],
        subject: Annotated[str, QueryParameter(max_length=2048)],
        profile: Annotated[str, QueryParameter(max_length=200)],
        through: Annotated[
            list[str] | None,
            QueryParameter(
                description="Only what is read through these mappings; none: all.", max_items=16
            ),
        ] = None,
    ) -> dict[str, Any]:
        await context.readers.operator(request.scope, b"")
        what = as_subject(subject)

        def end() -> dict[str, int]:
            return {"removed": workspace.unwatch(what, profile, through=through)}

        return await context.intake.run(end)

    @asgi("/api/events", opt=_READ, copy_scope=False, name="events")
    async def events(scope: Scope, receive: Receive, send: Send) -> None:
        if method(scope) != "GET":
            raise BadMethod("http.method", "the stream is read with GET", allow="GET")
        view = await context.view(scope)
        subject = query(scope, "subject")
        only = as_subject(subject) if subject else None
        said = header(scope, b"last-event-id") or query(scope, "after")
        hub = await context.streams.of(view)
        stream = hub.listen(
            number_of(hub.epoch, said),
            wanted=lambda change: only is None or change.subject == only,
        )
        first = await anext(stream)  # refuses before the answer begins
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-store"),
                    (b"x-accel-buffering", b"no"),
                    (b"content-language", language(scope).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": first, "more_body": True})
        gone = asyncio.ensure_future(_until_gone(receive))
        coming: asyncio.Future[bytes | None] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    return
                text = coming.result()
                await send(
                    {"type": "http.response.body", "body": text or b"", "more_body": bool(text)}
                )
                if not text:
                    return
        finally:
            gone.cancel()
            if coming is not None and not coming.done():
                coming.cancel()
                await asyncio.wait({coming})
            await stream.aclose()

    return (portfolio, watch, unwatch, events)


async def _until_gone(receive: Receive) -> None:
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return
