# SPDX-License-Identifier: Apache-2.0
"""Trust lists, profiles and what this server is.

Keeps: lists and profiles are changed by registering signed statements, so there is nothing to write
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna import __version__
from kizuna.app.api.asked import language
from kizuna.app.api.context import Context
from kizuna.app.wiring import showing
from kizuna.app.wiring.messages import text
from kizuna.model.errors import Absent

__all__ = ["catalog"]

_PUBLIC: Final = {"permission": "public"}


def catalog(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of these resources."""
    workspace = context.workspace

    @get("/api", opt=_PUBLIC, tags=["server"], summary="What this server is")
    async def about() -> dict[str, Any]:
        head = await context.ask(workspace.store.head)
        return {
            "kizuna": __version__,
            "organization": {"id": workspace.identity, "name": workspace.name},
            "log": {"origin": head.origin, "size": head.size, "root": head.root},
            "list": workspace.list_id,
            "openapi": "/schema/openapi.json",
        }

    @get("/api/limits", opt=_PUBLIC, tags=["server"], summary="How much one caller may ask for")
    async def limits() -> dict[str, Any]:
        known = context.limits
        return {
            "body": known.body,
            "intake_body": known.intake_body,
            "batch": known.batch,
            "page": known.page,
            "seconds": int(known.seconds),
            "intake_seconds": int(known.intake_seconds),
        }

    @get("/api/lists", opt=_PUBLIC, tags=["lists"], summary="The trust lists believed here")
    async def lists() -> dict[str, Any]:
        anchors = await context.ask(workspace.anchors)
        return {
            "lists": [
                {"name": found.name, "id": found.id, "operator": found.operator}
                for found in anchors.lists
            ]
        }

    @get("/api/lists/{name:str}", opt=_PUBLIC, tags=["lists"], summary="The members of a list")
    async def one_list(name: FromPath[str]) -> dict[str, Any]:
        return await context.ask(lambda: workspace.lists.show(name))

    @get(
        "/api/lists/{name:str}/history",
        opt=_PUBLIC,
        tags=["lists"],
        summary="Every change of a list, the oldest first",
    )
    async def history(
        name: FromPath[str], member: Annotated[str | None, QueryParameter(max_length=2048)] = None
    ) -> dict[str, Any]:
        return await context.ask(lambda: workspace.lists.history(member, name))

    @get("/api/profiles", opt=_PUBLIC, tags=["profiles"], summary="Profiles that can be named")
    async def profiles() -> dict[str, Any]:
        found = await context.ask(workspace.profiles)
        return {
            "profiles": [
                {
                    "name": p.name,
                    "version": p.version,
                    "title": dict(p.title),
                    "digest": p.digest,
                }
                for p in found
            ]
        }

    @get("/api/profiles/{name:str}", opt=_PUBLIC, tags=["profiles"], summary="One profile")
    async def one_profile(name: FromPath[str]) -> dict[str, Any]:
        return await context.ask(
            lambda: showing.profile_json(showing.profile_named(workspace, name))
        )

    @get(
        "/problems/{code:str}",
        opt=_PUBLIC,
        tags=["server"],
        summary="What a problem's code means",
        description="Where `type` of a problem (RFC 9457) leads.",
    )
    async def problem(request: Request[Any, Any, Any], code: FromPath[str]) -> dict[str, Any]:
        lang = language(request.scope)
        key = f"problem.{code}"
        message = text(key, lang)
        if message == key:
            raise Absent(
                "http.not-found",
                f"no problem has the code {code[:80]!r}",
                hint="codes stand in the answers that carry them",
            )
        hint = text(f"{key}.hint", lang)
        return {
            "code": code,
            "message": message,
            "hint": "" if hint.startswith("problem.") else hint,
        }

    return (problem, about, limits, lists, one_list, history, profiles, one_profile)
