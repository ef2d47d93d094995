# SPDX-License-Identifier: Apache-2.0
"""What was registered about some things, for those who publish here without a store of their own.

Keeps: bounded questions, bounded answers, under the view of whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import cbor2
import msgspec
from litestar import Request, Response, post
from litestar.params import Body
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import as_subject, digest_hex
from kizuna.app.api.context import Context
from kizuna.app.wiring.member.lookup import MOST_NAMES, look_up
from kizuna.model.identifier import Digest
from kizuna.model.kind import Kind

__all__ = ["Names", "lookup"]

CBOR: Final = "application/cbor"


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked for."""

    subjects: Annotated[list[str], msgspec.Meta(max_length=MOST_NAMES)] = []
    statements: Annotated[list[str], msgspec.Meta(max_length=MOST_NAMES)] = []
    dependents: Annotated[list[str], msgspec.Meta(max_length=MOST_NAMES)] = []
    """Of these, what says that it depends on them; asked for alone."""
    issuer: str | None = None
    kinds: Annotated[list[Kind], msgspec.Meta(max_length=16)] = []


def lookup(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    @post(
        "/api/lookup",
        opt={"permission": "view"},
        tags=["statements"],
        status_code=200,
        media_type=CBOR,
        summary="What was said about some subjects, and done to some statements",
        description="Answers in CBOR: `rows` of index, earliest and latest instant of "
        "registration, erased, statement, document; `under`: indices by name; `left`: names to "
        "ask for again; `too_much`: names that one answer cannot hold.",
    )
    async def asked(
        request: Request[Any, Any, Any], data: Annotated[Names, Body()]
    ) -> Response[bytes]:
        view = await context.view(request.scope, await request.body())
        subjects = [as_subject(name) for name in data.subjects]
        statements = [Digest(digest_hex(name)) for name in data.statements]
        dependents = [as_subject(name) for name in data.dependents]

        def tell() -> bytes:
            return cbor2.dumps(
                look_up(
                    workspace,
                    subjects=subjects,
                    statements=statements,
                    dependents=dependents,
                    issuer=data.issuer,
                    kinds=data.kinds,
                    view=view,
                )
            )

        return Response(await context.ask(tell), media_type=CBOR)

    return (asked,)
