# SPDX-License-Identifier: Apache-2.0
"""Letting organisations in, and importing documents in the store's own name.

Keeps: 1. Who joins shows by the request's signature (RFC 9421) that they hold the key of the
identity that joins. 2. Only the store's own organisation may import here, since an import signs in
its name; to everybody else the address looks absent.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, post
from litestar.params import Body, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import language
from kizuna.app.api.context import Context
from kizuna.app.wiring.judging.answers import import_json
from kizuna.model.errors import Malformed, Refused
from kizuna.model.identifier import canonical

__all__ = ["Joining", "joining"]

_CODE: Final = msgspec.Meta(min_length=1, max_length=200)
_NAME: Final = msgspec.Meta(min_length=1, max_length=200)


class Joining(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An organisation that asks to be let in."""

    invite: Annotated[str, _CODE]
    name: Annotated[str, _NAME]
    identity: str | None = None
    """Its identifier; the same as in the request's signature."""


def joining(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    @post(
        "/api/join",
        opt={"permission": "invite"},
        tags=["statements"],
        status_code=201,
        summary="Join this store by an invite",
        description="The request is signed (RFC 9421) with the key of the organisation that joins. "
        "The answer holds its membership and what is needed to check this store's receipts.",
    )
    async def join(
        request: Request[Any, Any, Any], data: Annotated[Joining, Body()]
    ) -> dict[str, Any]:
        body = await request.body()
        who = await context.ask(lambda: context.readers.signer(request.scope, body))
        if data.identity is not None and canonical(data.identity) != who:
            raise Refused(
                "identity.request-key",
                "another identity signed the request than the one that joins",
                hint="sign the request with a key of the organisation that joins",
                identity=data.identity[:120],
            )

        def admit() -> dict[str, Any]:
            from kizuna.record.store.hosting import Hosting  # noqa: PLC0415 - the store is open

            accepted = Hosting(workspace.store).join(
                data.invite, who, data.name, now=workspace.clock()
            )
            receipt = workspace.store.receipt(accepted.digest)
            return {
                "organization": {"id": who, "name": data.name.strip()},
                "store": {
                    "origin": workspace.log.origin,
                    "name": workspace.name,
                    "organization": workspace.identity,
                    "list": workspace.list_id,
                    "log_keys": [key.vkey for key in workspace.log.keys],
                },
                "membership": accepted.digest.hex(),
                "index": accepted.index,
                "receipt": base64.b64encode(receipt).decode(),
            }

        return await context.repeated.once(
            request.scope, who, body, lambda: context.intake.run(admit)
        )

    @post(
        "/api/import",
        opt={"permission": "operator"},
        tags=["statements"],
        status_code=201,
        summary="Read a document and register what it says (signed by the store's organisation)",
        description="The body is the document as it is: CycloneDX, SPDX, in-toto, CSV or .xlsx. As "
        "`kizuna import`; an import proves only that the importer says so.",
    )
    async def bring(
        request: Request[Any, Any, Any],
        name: Annotated[
            str, QueryParameter(description="File name, for the messages.", max_length=200)
        ] = "document",
    ) -> dict[str, Any]:
        body = await request.body()
        await context.readers.operator(request.scope, body)
        if not body:
            raise Malformed(
                "document.empty",
                "the body holds no document",
                hint="send the file as the body of the request",
            )
        lang = language(request.scope)

        async def act() -> dict[str, Any]:
            return await context.intake.run(
                lambda: import_json(workspace.import_files([(name, body)]), lang)
            )

        return await context.repeated.once(request.scope, workspace.identity, body, act)

    return (join, bring)
