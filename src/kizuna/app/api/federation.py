# SPDX-License-Identifier: Apache-2.0
"""The store as an entity of a federation: what others fetch to find out who stands under whom.

Keeps: 1. What is answered is signed, and follows from the public part of the store's own list.
2. A request makes the store ask nobody. 3. What is not in force is answered like what never was.
Standard: OpenID Federation 1.0 sections 8 and 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.context import Context
from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from kizuna.app.wiring.federation.publishing import Publishing

__all__ = ["federation"]

_PUBLIC: Final = {"permission": "public"}
_STATEMENT: Final = "application/entity-statement+jwt"
_MARK: Final = "application/trust-mark+jwt"
_STATUS: Final = "application/trust-mark-status-response+jwt"
_RESOLVED: Final = "application/resolve-response+jwt"
_KEYS: Final = "application/jwk-set+jwt"
_CACHED: Final = {"cache-control": "public, max-age=300"}
_Flag = Annotated[bool, QueryParameter(description="Only those that may have members.")]
_MAX_FORM: Final = 128 << 10
_Name = Annotated[str, QueryParameter(max_length=2048, min_length=1)]
_Maybe = Annotated[str | None, QueryParameter(max_length=2048)]


def federation(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace
    made: list[Publishing] = []

    def published() -> Publishing:
        if not made:
            from kizuna.app.wiring.federation.publishing import (  # noqa: PLC0415 - few stores are asked
                Publishing,
            )

            made.append(Publishing(workspace))
        return made[0]

    @get(
        "/.well-known/openid-federation",
        opt=_PUBLIC,
        tags=["federation"],
        media_type=_STATEMENT,
        summary="What this store says of itself as an entity",
    )
    async def configuration() -> Response[bytes]:
        data = await context.ask(lambda: published().configuration())
        return Response(data, media_type=_STATEMENT, headers=_CACHED)

    @get(
        "/members/{name:str}/.well-known/openid-federation",
        opt=_PUBLIC,
        tags=["federation"],
        media_type=_STATEMENT,
        summary="What a member without a server says of itself, signed by its own key",
    )
    async def hosted(name: FromPath[str]) -> Response[bytes]:
        data = await context.ask(lambda: published().hosted(name))
        return Response(data, media_type=_STATEMENT, headers=_CACHED)

    @get(
        "/federation/fetch",
        opt=_PUBLIC,
        tags=["federation"],
        media_type=_STATEMENT,
        summary="What this store says of one of its members",
    )
    async def fetch(sub: _Name) -> Response[bytes]:
        data = await context.ask(lambda: published().about(sub))
        return Response(data, media_type=_STATEMENT, headers=_CACHED)

    @get(
        "/federation/list",
        opt=_PUBLIC,
        tags=["federation"],
        summary="The members of this store as entities",
    )
    async def listed(
        *, entity_type: _Maybe = None, trust_mark_type: _Maybe = None, intermediate: _Flag = False
    ) -> list[str]:
        return await context.ask(
            lambda: published().listed(
                kind=entity_type, marked=trust_mark_type, operators=intermediate
            )
        )

    @get(
        "/federation/resolve",
        opt=_PUBLIC,
        tags=["federation"],
        media_type=_RESOLVED,
        summary="A chain that this store can show from what it has",
        description="Only what the store has already is looked at: a request never makes it ask "
        "the network.",
    )
    async def resolve(sub: _Name, trust_anchor: _Name) -> Response[bytes]:
        data = await context.ask(lambda: published().resolved(sub, trust_anchor))
        return Response(data, media_type=_RESOLVED, headers=_CACHED)

    @get(
        "/federation/trust-mark",
        opt=_PUBLIC,
        tags=["federation"],
        media_type=_MARK,
        summary="The trust mark of a service that is granted to a member",
    )
    async def trust_mark(trust_mark_type: _Name, sub: _Name) -> Response[bytes]:
        data = await context.ask(lambda: published().mark(trust_mark_type, sub))
        return Response(data, media_type=_MARK, headers=_CACHED)

    @get(
        "/federation/trust-mark-list",
        opt=_PUBLIC,
        tags=["federation"],
        summary="Whom a trust mark is granted to",
    )
    async def marked(trust_mark_type: _Name, sub: _Maybe = None) -> list[str]:
        found = await context.ask(lambda: published().listed(marked=trust_mark_type))
        return [entity for entity in found if sub in (None, entity)]

    @post(
        "/federation/trust-mark-status",
        opt=_PUBLIC,
        tags=["federation"],
        status_code=200,
        media_type=_STATUS,
        summary="Whether a trust mark of this store's still stands",
        description="A form (`application/x-www-form-urlencoded`) with the member `trust_mark`.",
    )
    async def status(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        try:
            form = parse_qs(body[:_MAX_FORM].decode("ascii"), max_num_fields=8)
        except ValueError:
            form = {}
        given = form.get("trust_mark", [])
        if len(given) != 1 or len(body) > _MAX_FORM:
            raise Malformed(
                "federation.form",
                "the form names one trust mark",
                hint="send trust_mark=... as application/x-www-form-urlencoded",
            )
        data = await context.ask(lambda: published().mark_status(given[0]))
        return Response(data, media_type=_STATUS)

    @get(
        "/federation/historical-keys",
        opt=_PUBLIC,
        tags=["federation"],
        media_type=_KEYS,
        summary="Every key that signed for this entity",
    )
    async def historical() -> Response[bytes]:
        data = await context.ask(lambda: published().historical_keys())
        return Response(data, media_type=_KEYS, headers=_CACHED)

    return (
        configuration,
        hosted,
        fetch,
        listed,
        resolve,
        trust_mark,
        marked,
        status,
        historical,
    )
