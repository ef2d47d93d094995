# SPDX-License-Identifier: Apache-2.0
"""Is it alive, can it answer, how much does it do.

Keeps: ``/health`` says only that the process answers; ``/ready`` asks the store, and names what is
not ready by code without showing paths or secrets; ``/health/lists`` is red while a list that is
followed is out of date or does not load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from kizuna import __version__
from kizuna.app.api.context import Context
from kizuna.app.wiring.lists.taken import lists_in_trouble
from kizuna.model.errors import Problem

__all__ = ["health"]

_PUBLIC: Final = {"permission": "public"}
_PATIENCE: Final = 5.0


def health(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""

    @get("/health", opt=_PUBLIC, tags=["server"], summary="The process answers")
    async def alive() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @get("/ready", opt=_PUBLIC, tags=["server"], summary="The store answers")
    async def ready() -> Response[dict[str, Any]]:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await context.ask(context.workspace.store.head)
        except Problem as problem:
            return Response({"status": "not ready", "code": problem.code}, status_code=503)
        except TimeoutError:
            return Response({"status": "not ready", "code": "http.timeout"}, status_code=503)
        return Response({"status": "ready", "size": head.size})

    @get(
        "/health/lists",
        opt=_PUBLIC,
        tags=["server"],
        summary="The lists of others that are followed here are up to date",
        description="503 where one is out of date or could not be loaded the last time; the last "
        "good issue is in force meanwhile, and what is judged by it is not trusted once it is out "
        "of date.",
    )
    async def followed() -> Response[dict[str, Any]]:
        def look() -> list[dict[str, str]]:
            return lists_in_trouble(context.workspace.path, context.workspace.clock())

        try:
            trouble = await context.ask(look)
        except Problem as problem:
            trouble = [{"name": "", "code": problem.code}]
        if trouble:
            return Response({"status": "out of date", "lists": trouble}, status_code=503)
        return Response({"status": "ok", "lists": []})

    @get(
        "/metrics",
        opt=_PUBLIC,
        tags=["server"],
        media_type="text/plain; version=0.0.4",
        summary="Counters in the text format of Prometheus",
    )
    async def metrics() -> Response[bytes]:
        try:
            size = (await context.ask(context.workspace.store.head)).size
        except Problem:
            size = 0
        text = context.metrics.text(
            {
                "event_listeners": context.streams.clients,
                "questions_pending": context.questions.pending,
                "intake_pending": context.intake.pending,
                "log_size": size,
            }
        )
        return Response(text.encode(), media_type="text/plain; version=0.0.4")

    return (alive, ready, followed, metrics)
