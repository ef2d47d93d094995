# SPDX-License-Identifier: Apache-2.0
"""Evidence for verifiers elsewhere: the complete lists of some map keys, with proof.

Keeps: bounded questions; the view of whoever asks; nothing that asks to be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from litestar import Request, Response, post
from litestar.types import ControllerRouterHandler

from kizuna.app.api.context import Context
from kizuna.app.wiring.telling import Teller

__all__ = ["evidence"]

CBOR: Final = "application/cbor"


def evidence(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    teller = Teller(context.workspace)

    @post(
        "/api/evidence",
        opt={"permission": "view"},
        tags=["judgement"],
        status_code=200,
        media_type=CBOR,
        summary="Everything that stands under some keys of the map, with proof",
        description="Asks in CBOR: 1: list of map keys (32 bytes each), 2: size of the log that "
        "the asker remembers, or 0. Answers in CBOR: 1: a proof bundle over these keys, 2: hashes "
        "that show that the log only grew since that size.",
    )
    async def asked(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        view = await context.view(request.scope, body)
        told = await context.ask(lambda: teller.answer(body, view))
        return Response(told, media_type=CBOR)

    return (asked,)
