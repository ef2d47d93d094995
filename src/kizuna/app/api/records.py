# SPDX-License-Identifier: Apache-2.0
"""Statements and entries of the log, one by one and page by page.

Keeps: 1. A statement is given as the bytes its issuer signed; they never change, and the answer
says so. 2. A page is a range of the log, so a page that was read stays true; what the reader may
not see is simply not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath, PathParameter, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import (
    as_subject,
    cursor_of,
    digest_hex,
    header,
    position_of,
    prefers,
)
from kizuna.app.api.context import Context
from kizuna.app.api.problems import NotAcceptable
from kizuna.app.wiring import showing
from kizuna.model.errors import Absent
from kizuna.model.identifier import Digest

__all__ = ["records"]

COSE: Final = "application/cose"
_READ: Final = {"permission": "view"}
_Digest = Annotated[str, PathParameter(description="Digest of the statement, hexadecimal.")]


def records(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    @get(
        "/api/statements/{digest:str}",
        opt=_READ,
        tags=["statements"],
        summary="A registered statement",
        description="`application/cose`: the bytes its issuer signed. `application/json`: what it "
        "says, with its place in the log and the proof.",
    )
    async def statement(request: Request[Any, Any, Any], digest: _Digest) -> Response[Any]:
        view = await context.view(request.scope)
        wanted = Digest(digest_hex(digest))
        form = prefers(request.scope, (COSE, "application/json"))
        if not form:
            raise NotAcceptable(
                "http.not-acceptable",
                "this address answers in application/cose or application/json",
                hint="ask for one of them in `Accept`",
            )
        if form == "application/json":
            told = await context.ask(lambda: showing.entry(workspace, wanted, view))
            return Response(told, media_type="application/json", headers={"vary": "accept"})
        tag = f'"{digest}"'
        found = await context.ask(lambda: workspace.store.reader(view).raw([wanted]))
        data = found.get(wanted)
        if data is None:
            raise Absent(
                "statement.unknown",
                f"no statement {digest[:16]}… here",
                hint="check the digest, and which store registered it",
                digest=digest,
            )
        caching = "public" if view.name == "public" else "private"
        headers = {
            "etag": tag,
            "vary": "accept",
            "cache-control": f"{caching}, max-age=31536000, immutable",
        }
        if tag in header(request.scope, b"if-none-match"):
            return Response(b"", status_code=304, media_type=COSE, headers=headers)
        return Response(data, media_type=COSE, headers=headers)

    @get(
        "/api/statements/{digest:str}/transparent",
        opt=_READ,
        tags=["statements"],
        media_type=COSE,
        summary="A statement with its receipt inside",
    )
    async def transparent(request: Request[Any, Any, Any], digest: _Digest) -> Response[bytes]:
        view = await context.view(request.scope)
        wanted = Digest(digest_hex(digest))

        def tell() -> bytes:
            showing.registered(workspace, wanted, view)
            return workspace.store.transparent(wanted)

        return Response(await context.ask(tell), media_type=COSE)

    @get(
        "/api/statements/{digest:str}/document",
        opt=_READ,
        tags=["statements"],
        media_type="application/octet-stream",
        summary="The document beside a statement that was signed by its hash, salt included",
    )
    async def document(request: Request[Any, Any, Any], digest: _Digest) -> Response[bytes]:
        view = await context.view(request.scope)
        wanted = Digest(digest_hex(digest))

        def tell() -> bytes:
            name = showing.registered(workspace, wanted, view).statement.document
            reader = workspace.store.reader(view)
            data = None if name is None else reader.documents([name]).get(name)
            if data is None:
                raise Absent(
                    "document.absent",
                    f"no document stands beside statement {digest[:16]}… here",
                    why="it carries its payload itself, or its document was erased or never came",
                    hint=f"read the statement itself at /api/statements/{digest}",
                    statement=digest,
                )
            return data

        return Response(
            await context.ask(tell),
            media_type="application/octet-stream",
            headers={"cache-control": "no-store"},  # it may be erased any day
        )

    @get(
        "/api/entries",
        opt=_READ,
        tags=["log"],
        summary="The log, page by page, or what was said about one subject",
    )
    async def entries(
        request: Request[Any, Any, Any],
        subject: Annotated[
            str | None, QueryParameter(description="Only what names this subject.", max_length=2048)
        ] = None,
        cursor: Annotated[str | None, QueryParameter(max_length=80)] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
    ) -> Response[dict[str, Any]]:
        view = await context.view(request.scope)
        start = position_of(cursor)
        bound = min(limit, context.limits.page)
        if subject is not None:
            what = as_subject(subject)
            found = await context.ask(lambda: showing.about(workspace, what, bound, view))
            return Response({"entries": found, "next": None})
        page, following = await context.ask(lambda: showing.entries(workspace, start, bound, view))
        onward = None if following is None else cursor_of(following)
        headers = {}
        if onward is not None:
            headers["link"] = f'</api/entries?cursor={onward}&limit={bound}>; rel="next"'
        return Response({"entries": page, "next": onward}, headers=headers)

    @get(
        "/api/log",
        opt={"permission": "public"},
        tags=["log"],
        summary="The last published checkpoint: origin, size, root",
    )
    async def log() -> dict[str, Any]:
        return await context.ask(lambda: showing.log_head(workspace))

    @get(
        "/api/log/proof/{index:int}",
        opt={"permission": "public"},
        tags=["log"],
        summary="The path from an entry to the root of the last checkpoint",
    )
    async def proof(index: FromPath[int]) -> dict[str, Any]:
        found = (
            await context.ask(lambda: showing.proof_of(workspace, index)) if index >= 0 else None
        )
        if found is None:
            raise Absent(
                "log.no-entry",
                f"the log has no entry {index}",
                hint="the size of the log stands at /api/log",
                index=index,
            )
        return found

    return (statement, transparent, document, entries, log, proof)
