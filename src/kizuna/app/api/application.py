# SPDX-License-Identifier: Apache-2.0
"""The application: all routes of one workspace, inside their bounds.

Keeps: 1. Every route declares who may use it (``opt["permission"]``); one that does not is refused
when the application is made. 2. Errors of every origin become problems in one place. 3. Nothing is
read from the environment here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.types import ControllerRouterHandler

from kizuna.app.api.answers_away import answers_away
from kizuna.app.api.assess import assess
from kizuna.app.api.catalog import catalog
from kizuna.app.api.catalogs import catalogs
from kizuna.app.api.comparing import comparing
from kizuna.app.api.context import Context
from kizuna.app.api.devices import HOT, devices, heartbeat
from kizuna.app.api.evidence import evidence
from kizuna.app.api.federation import federation
from kizuna.app.api.health import health
from kizuna.app.api.intake import intake
from kizuna.app.api.joining import joining
from kizuna.app.api.judging import judging
from kizuna.app.api.limits import Limits
from kizuna.app.api.lists import lists
from kizuna.app.api.lookup import lookup
from kizuna.app.api.metrics import Metrics
from kizuna.app.api.openapi import configuration
from kizuna.app.api.pages import Pages
from kizuna.app.api.problems import from_framework
from kizuna.app.api.processes import processes
from kizuna.app.api.procure import keeping, procure
from kizuna.app.api.readers import Readers
from kizuna.app.api.records import records
from kizuna.app.api.refusals import telling
from kizuna.app.api.repeated import Repeated
from kizuna.app.api.scrapi import scrapi
from kizuna.app.api.shell import Shell, render
from kizuna.app.api.streams import Streams
from kizuna.app.api.tiles import tiles
from kizuna.app.api.watches import watches
from kizuna.app.api.workers import Workers
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from kizuna.record.store.view import View

__all__ = ["PERMISSIONS", "make"]

PERMISSIONS: Final = frozenset({"public", "view", "signature", "operator", "invite"})
"""Who may use a route: anyone; anyone, who sees what their view shows; whoever signed what is sent;
the store's organisation; whoever has an invitation."""

_INTAKE: Final = (
    "/api/statements",
    "/entries",
    "/api/import",
    "/answer",
    "/answer/signed",
    "/api/assess/prepare",
    "/api/assess/signed",
    *HOT,
)
_ENDLESS: Final = ("/api/events",)


def make(
    workspace: Workspace,
    *,
    limits: Limits,
    hosts: Collection[str] = (),
    console: str | None = "kizuna.app.console",
    console_view: View | None = None,
    console_token: str | None = None,
    behind_tls: bool = False,
    authority: str = "",
) -> Shell:
    """See ``kizuna.app.api.create_app``."""
    from kizuna.record.store.view import PUBLIC  # noqa: PLC0415 - the workspace has it loaded

    metrics = Metrics()
    questions = Workers("kizuna-ask", limits.readers, limits.waiting)
    entering = Workers("kizuna-intake", limits.writers, limits.waiting)
    streams = Streams(workspace, questions, limits)
    context = Context(
        workspace=workspace,
        limits=limits,
        metrics=metrics,
        questions=questions,
        intake=entering,
        streams=streams,
        readers=Readers(workspace, questions),
        repeated=Repeated(limits.remembered),
    )
    pages: Pages | None = None
    if console is not None:
        # by name: the doors are strangers, and a server may run without pages
        pages = import_module(console).pages(
            workspace,
            questions.run,
            console_view or PUBLIC,
            token=console_token,
            secure=behind_tls,
        )
    routes: list[ControllerRouterHandler] = [
        *health(context),
        *intake(context),
        *scrapi(context),
        *tiles(context),
        *records(context),
        *lookup(context),
        *judging(context),
        *assess(context),
        *answers_away(context),
        *procure(context),
        *comparing(context),
        *evidence(context),
        *catalog(context),
        *catalogs(context),
        *lists(context),
        *watches(context),
        *joining(context),
        *devices(context),
        *federation(context),
        *processes(context),
        *(pages.routes if pages is not None else ()),
    ]
    _check(routes)
    metered: list[Shell] = []

    def answer(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
        status, headers, body = render(request.scope, problem, pages)
        return Response(
            body,
            status_code=status,
            media_type=headers.pop("content-type"),
            headers={k: v for k, v in headers.items() if k != "content-length"},
        )

    def refused(request: Request[Any, Any, Any], fault: HTTPException) -> Response[bytes]:
        problem = from_framework(fault.status_code, fault.detail, fault.extra)
        allow = (fault.headers or {}).get("allow")
        if allow:
            problem.about["allow"] = allow.upper()
        return answer(request, problem)

    def too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[bytes]:
        return answer(request, from_framework(400, "the body is nested too deeply", None))

    def broken(request: Request[Any, Any, Any], _: Exception) -> Response[bytes]:
        return answer(request, metered[0].fault())

    @asynccontextmanager
    async def life(_: Litestar) -> AsyncIterator[None]:
        streams.attach(asyncio.get_running_loop())
        try:
            async with heartbeat(context), keeping(context), telling(context):
                yield
        finally:
            streams.close()
            questions.close()
            entering.close()

    app = Litestar(
        routes,
        openapi_config=configuration(),
        exception_handlers={
            Problem: answer,
            HTTPException: refused,
            RecursionError: too_deep,
            Exception: broken,
        },
        lifespan=[life],
        logging_config=None,
        request_max_body_size=None,
        debug=False,
        pdb_on_exception=False,
    )
    shell = Shell(
        app,  # type: ignore[arg-type] # the framework's own names for the same ASGI shapes
        limits=limits,
        metrics=metrics,
        pages=pages,
        intake=_INTAKE,
        endless=_ENDLESS,
        hosts=hosts,
        authority=authority,
    )
    metered.append(shell)
    return shell


def _check(routes: Sequence[ControllerRouterHandler]) -> None:
    for route in routes:
        if isinstance(route, BaseRouteHandler) and route.opt.get("permission") not in PERMISSIONS:
            raise Misconfigured(
                "http.route-undeclared",
                f"the route {sorted(route.paths)} does not say who may use it",
                hint="give it opt={'permission': ...}",
                route=str(sorted(route.paths)),
            )
