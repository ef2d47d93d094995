# SPDX-License-Identifier: Apache-2.0
"""Buying: go, hold or no-go for a request or a bill of materials, in one call.

Keeps: 1. Nothing is registered. 2. The answer is that of the command line, member for member,
under the view of whoever asks. 3. Profiles are asked by name only; lines are bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import Body, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import as_instant, as_subject, language
from kizuna.app.api.context import Context
from kizuna.app.wiring import showing
from kizuna.app.wiring.procure.inbox import Seen, inbox, with_decisions
from kizuna.app.wiring.procure.opening import Asked, ask, opened
from kizuna.app.wiring.procure.quoting import quotations as quoted
from kizuna.app.wiring.procure.request import Request as Wanted
from kizuna.app.wiring.procure.request import checked
from kizuna.app.wiring.procure.substitute import substitute as judged_without
from kizuna.app.wiring.procure.table import table_of
from kizuna.app.wiring.procure.watch import Keeper
from kizuna.model.errors import Malformed

__all__ = ["Swap", "Upto", "keeping", "procure"]

_READ: Final = {"permission": "view"}
_LINES: Final = 2_000
_Profile = Annotated[
    str | None, QueryParameter(description="Name of a profile, see /api/profiles.", max_length=200)
]
_Format = Annotated[
    str | None, QueryParameter(name="format", description="json or csv.", max_length=10)
]


class Swap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line of a product, and who or what could take its place."""

    product: str
    line: str
    supplier: str
    profile: str
    part: str | None = None
    at: str | int | None = None
    lists: list[str] | None = None


class Upto(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A place in the log, as the list of what came in names it."""

    last: Annotated[int, msgspec.Meta(ge=-1, le=2**53)]


@asynccontextmanager
async def keeping(context: Context) -> AsyncIterator[None]:
    """Kept requests are renewed for as long as the server runs."""
    keeper = Keeper(context.workspace)
    try:
        yield
    finally:
        await asyncio.to_thread(keeper.close)


def procure(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    async def answer(
        request: Request[Any, Any, Any],
        asked: Callable[[bytes], Asked],
        profile: str | None,
        form: str | None,
    ) -> Response[Any]:
        body = await request.body()
        view = await context.view(request.scope, body)
        lang = language(request.scope)

        def judge() -> dict[str, Any]:
            wanted = asked(body)
            if len(wanted.request.lines) > _LINES:
                raise Malformed(
                    "procure.too-many-lines",
                    f"{len(wanted.request.lines)} lines, at most {_LINES}",
                    hint="ask for one assembly after the other",
                    count=len(wanted.request.lines),
                    limit=_LINES,
                )
            found = ask(
                workspace,
                wanted,
                profile,
                lambda name: showing.profile_named(workspace, name),
                view=view,
            )
            return found.told(lang)

        told = await context.ask(judge)
        if form == "csv":
            return Response(
                table_of(told),
                media_type="text/csv; charset=utf-8",
                headers={"content-disposition": 'attachment; filename="answer.csv"'},
            )
        return Response(told)

    @post(
        "/api/procure/check",
        opt=_READ,
        tags=["procurement"],
        status_code=200,
        summary="Judge a request for quotation",
        description="Lines with candidates and substitutes; nothing is registered.",
    )
    async def check(
        request: Request[Any, Any, Any],
        data: Annotated[Wanted, Body()],
        profile: _Profile = None,
        form: _Format = None,
    ) -> Response[Any]:
        return await answer(request, lambda _: Asked(request=checked(data)), profile, form)

    @post(
        "/api/procure/bom",
        opt=_READ,
        tags=["procurement"],
        status_code=200,
        summary="Judge a bill of materials in one call",
        description="The body is the document as it is (CycloneDX, SPDX, CSV, XLSX); every direct "
        "part of its product is a line. Nothing is registered.",
    )
    async def bom(
        request: Request[Any, Any, Any],
        profile: _Profile = None,
        supplier: Annotated[list[str] | None, QueryParameter(max_items=50)] = None,
        deadline: Annotated[str | None, QueryParameter(max_length=40)] = None,
        form: _Format = None,
    ) -> Response[Any]:
        def asked(body: bytes) -> Asked:
            return opened(workspace, body, "", suppliers=supplier or (), deadline=deadline)

        return await answer(request, asked, profile, form)

    @post(
        "/api/procure/substitute",
        opt=_READ,
        tags=["procurement"],
        status_code=200,
        summary="Judge a substitute before switching to it",
    )
    async def substitute(
        request: Request[Any, Any, Any], data: Annotated[Swap, Body()]
    ) -> dict[str, Any]:
        view = await context.view(request.scope, await request.body())
        lang = language(request.scope)

        def judge() -> dict[str, Any]:
            found = judged_without(
                workspace,
                as_subject(data.product),
                as_subject(data.line),
                as_subject(data.supplier),
                showing.profile_named(workspace, data.profile),
                other=None if data.part is None else as_subject(data.part),
                at=None if data.at is None else as_instant(str(data.at)),
                lists=data.lists,
                view=view,
            )
            told: dict[str, Any] = found["answer"].told(lang)
            return told | {
                "before": found["before"].value.word,
                "after": found["after"].value.word,
                "changed": found["changed"],
            }

        return await context.ask(judge)

    @get(
        "/api/procure/quotations",
        opt=_READ,
        tags=["procurement"],
        summary="Requests for quotation, offers and agreements that this reader may see",
        description="They come in as signed statements, like everything (`POST /api/statements`): "
        "norms of type `quotation-request`, `quotation-offer`, `quotation-agreement` about the "
        "request's own name. Sign this request to see what is meant for you. Each offer says under "
        "which request it stands, how it stands (`complete`, `incomplete`, `agreed`, `ended`) and "
        "what it lacks; `new` is what came after the place that was marked as seen.",
    )
    async def quotations(
        request: Request[Any, Any, Any],
        *,
        judged: Annotated[
            bool,
            QueryParameter(
                name="check", description="Also judge each open offer by its supplier's evidence."
            ),
        ] = False,
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        lang = language(request.scope)

        def tell() -> dict[str, Any]:
            me = workspace.identity if view.everything else view.reader
            seen = Seen(workspace.path).last() if view.everything else -1
            found = inbox(quoted(workspace, view=view), me, workspace.clock(), seen=seen)
            return with_decisions(workspace, found, lang, view=view) if judged else found

        return await context.ask(tell)

    @post(
        "/api/procure/seen",
        opt={"permission": "operator"},
        tags=["procurement"],
        status_code=200,
        summary="Mark what came in up to a place in the log as seen (the store's organisation)",
    )
    async def seen(
        request: Request[Any, Any, Any], data: Annotated[Upto, Body()]
    ) -> dict[str, int]:
        await context.readers.operator(request.scope, await request.body())
        return {"seen": await context.ask(lambda: Seen(workspace.path).mark(data.last))}

    return (check, bom, substitute, quotations, seen)
