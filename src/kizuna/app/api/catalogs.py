# SPDX-License-Identifier: Apache-2.0
"""Catalogs and mappings over HTTP: what is at hand, and what a verdict says under a catalog.

Keeps: 1. Catalogs and mappings come in as signed statements like everything else, so there is
nothing to write here. 2. No text of a control is given out: it is its publisher's. 3. Coverage is
judged with the eyes of whoever asks, and is what `kizuna catalog coverage` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import as_instant, as_subject, language
from kizuna.app.api.context import Context
from kizuna.app.wiring import showing
from kizuna.app.wiring.coverage import coverage
from kizuna.app.wiring.criteria.catalogs import catalogs_of, control_json, find_catalog
from kizuna.app.wiring.criteria.mappings import find_mapping, mapping_json, mappings_of
from kizuna.criteria.catalogs import Catalog

__all__ = ["catalogs"]

_PUBLIC: Final = {"permission": "public"}
_READ: Final = {"permission": "view"}
_Subject = Annotated[
    str, QueryParameter(description="Identifier of what is judged.", max_length=2048)
]
_Profile = Annotated[
    str, QueryParameter(description="Name of a profile, see /api/profiles.", max_length=200)
]


def catalogs(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of these resources."""
    workspace = context.workspace
    settings = workspace.settings

    @get("/api/catalogs", opt=_PUBLIC, tags=["catalogs"], summary="Catalogs of controls at hand")
    async def every() -> dict[str, Any]:
        found = await context.ask(lambda: catalogs_of(settings))
        return {"catalogs": [_head(c) | {"origin": origin} for c, origin in found]}

    @get(
        "/api/catalogs/{name:str}",
        opt=_PUBLIC,
        tags=["catalogs"],
        summary="One catalog: its controls by identifier and title, without their text",
    )
    async def one(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        lang = language(request.scope)

        def tell() -> dict[str, Any]:
            found = find_catalog(name, settings)
            return _head(found) | {
                "note": found.note,
                "controls": [control_json(c, lang) for c in found.controls],
            }

        return await context.ask(tell)

    @get(
        "/api/catalogs/{name:str}/coverage",
        opt=_READ,
        tags=["catalogs"],
        summary="What the verdict about a subject says under a catalog, and what it does not",
    )
    async def covered(
        request: Request[Any, Any, Any],
        name: FromPath[str],
        subject: _Subject,
        profile: _Profile,
        at: Annotated[str | None, QueryParameter(max_length=40)] = None,
        mappings: Annotated[
            list[str] | None,
            QueryParameter(
                name="mapping", description="Only these mappings, by name.", max_items=16
            ),
        ] = None,
        lists: Annotated[
            list[str] | None,
            QueryParameter(
                name="list", description="Believe only these lists, by name.", max_items=32
            ),
        ] = None,
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        lang = language(request.scope)
        what = as_subject(subject)
        when = None if at is None else as_instant(at)

        def tell() -> dict[str, Any]:
            chosen = showing.profile_named(workspace, profile)
            told, outcome = coverage(
                workspace,
                what,
                chosen,
                name,
                mappings=mappings or (),
                at=when,
                lists=lists,
                view=view,
                lang=lang,
            )
            return told | {"exit": int(outcome)}

        return await context.ask(tell)

    @get("/api/mappings", opt=_PUBLIC, tags=["catalogs"], summary="Mappings between catalogs")
    async def all_mappings(request: Request[Any, Any, Any]) -> dict[str, Any]:
        lang = language(request.scope)
        found = await context.ask(lambda: mappings_of(settings))
        return {"mappings": [mapping_json(m, origin, lang) for m, origin in found]}

    @get(
        "/api/mappings/{name:str}",
        opt=_PUBLIC,
        tags=["catalogs"],
        summary="One mapping: every tie with its kind, confidence and whether it is accepted here",
    )
    async def one_mapping(request: Request[Any, Any, Any], name: FromPath[str]) -> dict[str, Any]:
        lang = language(request.scope)

        def tell() -> dict[str, Any]:
            found = find_mapping(name, settings)
            known = {c.id: c for c, _ in catalogs_of(settings)}
            sides = ((found.origin, True), (found.goal, False))
            return mapping_json(found, "", lang) | {
                "document": found.document(),
                "unmapped": {
                    catalog: list(found.unmapped(known[catalog], left=left))
                    for catalog, left in sides
                    if catalog in known
                },
            }

        return await context.ask(tell)

    return (every, one, covered, all_mappings, one_mapping)


def _head(catalog: Catalog) -> dict[str, Any]:
    return {
        "name": catalog.id,
        "title": catalog.title,
        "version": catalog.version,
        "controls_known": len(catalog.controls),
        "active": catalog.active,
        "withdrawn": catalog.withdrawn,
    }
