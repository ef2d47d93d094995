# SPDX-License-Identifier: Apache-2.0
"""Value creation processes and risk over HTTP: what is registered, drawn and missing; read only.

Keeps: processes, placements, expectations, offers and agreements come in as signed statements like
everything else, so there is nothing to write here. What is shown at a border is judged with the
eyes of whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import language
from kizuna.app.api.context import Context
from kizuna.app.wiring import showing
from kizuna.app.wiring.risk import frameworks, telling
from kizuna.app.wiring.vcp.kept import Kept, named_process, processes_of
from kizuna.app.wiring.vcp.shapes import outcome_of, process_json, shown_json
from kizuna.app.wiring.vcp.standing import draw, shown_of, status_of
from kizuna.criteria.risk import Framework

__all__ = ["processes"]

_PUBLIC: Final = {"permission": "public"}
_READ: Final = {"permission": "view"}
_Name = Annotated[str, QueryParameter(max_length=200)]
_SVG: Final = "image/svg+xml"


def processes(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of these resources."""
    workspace = context.workspace

    def kept(name: str) -> Kept:
        return named_process(name, workspace.settings)

    def table(name: str) -> Framework:
        return frameworks.named_framework(name, workspace.settings)

    @get("/api/processes", opt=_PUBLIC, tags=["processes"], summary="Value creation processes")
    async def every(request: Request[Any, Any, Any]) -> dict[str, Any]:
        lang = language(request.scope)
        found = await context.ask(lambda: processes_of(workspace.settings))
        return {
            "processes": [
                {
                    "name": k.process.name,
                    "version": k.process.version,
                    "title": k.process.title.get(lang) or k.process.title["en"],
                    "digest": k.process.digest,
                    "owner": k.owner,
                    "statement": k.statement,
                    "points": len(k.process.points),
                }
                for k in found
            ]
        }

    @get("/api/processes/{name:str}", opt=_PUBLIC, tags=["processes"], summary="One process")
    async def one(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        lang = language(request.scope)
        return await context.ask(lambda: process_json(kept(name), lang))

    @get(
        "/api/processes/{name:str}/picture",
        opt=_PUBLIC,
        tags=["processes"],
        summary="The process as SVG",
    )
    async def picture(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        lang = language(request.scope)
        drawn = await context.ask(lambda: draw(kept(name), lang))
        return Response(drawn.encode(), media_type=_SVG)

    @get(
        "/api/processes/{name:str}/gaps",
        opt=_READ,
        tags=["processes"],
        summary="What is expected at the borders, beside what is shown",
    )
    async def missing(
        request: Request[Any, Any, Any],
        name: FromPath[str],
        profile: _Name,
        point: Annotated[str | None, QueryParameter(max_length=200)] = None,
    ) -> dict[str, Any]:
        lang = language(request.scope)
        view = await context.view(request.scope)

        def ask() -> dict[str, Any]:
            chosen = showing.profile_named(workspace, profile)
            found = kept(name)
            shown = shown_of(workspace, found, chosen, point=point, view=view)
            rows = shown_json(found, shown, chosen, lang)
            outcome = int(outcome_of(rows))
            return {"process": name, "profile": chosen.name, "exit": outcome, "rows": rows}

        return await context.ask(ask)

    @get(
        "/api/processes/{name:str}/status",
        opt=_READ,
        tags=["processes"],
        summary="How far each interaction point has come",
    )
    async def status(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        view = await context.view(request.scope)
        rows = await context.ask(lambda: status_of(workspace, kept(name), view=view))
        return {"process": name, "points": rows}

    @get("/api/risk", opt=_PUBLIC, tags=["risk"], summary="Tables of risk")
    async def tables(request: Request[Any, Any, Any]) -> dict[str, Any]:
        lang = language(request.scope)
        found = await context.ask(lambda: frameworks.frameworks_of(workspace.settings))
        return {
            "frameworks": [
                telling.framework_json(f, lang) | {"from": origin} for f, origin in found
            ]
        }

    @get("/api/risk/{name:str}", opt=_PUBLIC, tags=["risk"], summary="One table of risk")
    async def one_table(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        lang = language(request.scope)
        return await context.ask(lambda: telling.framework_json(table(name), lang))

    @get(
        "/api/risk/{name:str}/categories",
        opt=_PUBLIC,
        tags=["risk"],
        summary="Categories side by side: what each asks for from every viewpoint",
    )
    async def categories(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        lang = language(request.scope)
        return await context.ask(lambda: telling.comparison(table(name), lang))

    @get(
        "/api/risk/{name:str}/placements",
        opt=_READ,
        tags=["risk"],
        summary="What was placed by a table, and what is inconsistent",
    )
    async def placed(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        lang = language(request.scope)
        view = await context.view(request.scope)
        return await context.ask(
            lambda: telling.shown_placements(workspace, table(name), lang, view=view)
        )

    @get("/api/risk/{name:str}/plane", opt=_READ, tags=["risk"], summary="The plane as SVG")
    async def plane(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        lang = language(request.scope)
        view = await context.view(request.scope)
        drawn = await context.ask(lambda: telling.plane_of(workspace, table(name), lang, view=view))
        return Response(drawn.encode(), media_type=_SVG)

    return (every, one, picture, missing, status, tables, one_table, categories, placed, plane)
