# SPDX-License-Identifier: Apache-2.0
"""Devices: evidence and bundles in, epochs and challenges out, standings shown.

Keeps: 1. What devices send goes round the framework's reading of bodies: it is small, frequent,
and CBOR. 2. Evidence authenticates itself by the enrolled key; a sender needs no account, and can
change nobody's standing but its own. 3. Every answer is bounded by what was asked. 4. Doors only
translate: everything ends in ``wiring.devices.fleet``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from litestar import Request, Response, asgi, get
from litestar.params import QueryParameter
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from kizuna.app.api.asked import header, method, query
from kizuna.app.api.context import Context
from kizuna.app.api.intake import body_of, send_bytes
from kizuna.app.api.problems import BadMethod, UnknownMedia
from kizuna.app.wiring.devices import messages
from kizuna.app.wiring.devices.activation import Activation
from kizuna.app.wiring.devices.fleet import Keeper, keeper_of, seen
from kizuna.app.wiring.devices.shown import fleet_json, standing_json
from kizuna.model.errors import Problem
from kizuna.roots.cose import encode

__all__ = ["HOT", "devices", "heartbeat"]

CBOR: Final = "application/cbor"
COSE: Final = "application/cose"
HOT: Final = ("/api/devices/evidence", "/api/devices/bundle", "/api/devices/opening")
"""Paths whose bodies may be as large as a batch."""

_SIGNED: Final = {"permission": "signature"}
_PUBLIC: Final = {"permission": "public"}
_READ: Final = {"permission": "view"}
_BEAT: Final = 0.25


def devices(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    def keeper() -> Keeper:
        return keeper_of(workspace)

    def hot(path: str, answer: Callable[[Keeper, bytes, str], bytes]) -> ControllerRouterHandler:
        @asgi(path, opt=_SIGNED, copy_scope=False, name=path)
        async def handler(scope: Scope, receive: Receive, send: Send) -> None:
            if method(scope) != "POST":
                raise BadMethod(
                    "http.method",
                    "what devices send is sent with POST",
                    hint="standings are read at /api/devices",
                    allow="POST",
                )
            media_type = header(scope, b"content-type").partition(";")[0].strip().lower()
            if media_type != CBOR:
                raise UnknownMedia(
                    "http.media-type",
                    f"devices speak {CBOR} here, not {media_type[:80] or 'nothing named'}",
                    hint="see the guide `run a fleet` for the messages",
                    media_type=media_type[:80],
                )
            body = await body_of(receive)
            client = scope.get("client")
            source = str(client[0]) if client else ""
            told = await context.intake.run(lambda: answer(keeper(), body, source))
            await send_bytes(send, 200, CBOR, told)

        return handler

    def proving(path: str, answer: Callable[[Activation, bytes], bytes]) -> ControllerRouterHandler:
        """Few and small: a chip asks for a challenge, or answers one."""

        @asgi(path, opt=_SIGNED, copy_scope=False, name=path)
        async def handler(scope: Scope, receive: Receive, send: Send) -> None:
            if method(scope) != "POST":
                raise BadMethod(
                    "http.method",
                    "what devices send is sent with POST",
                    hint="standings are read at /api/devices",
                    allow="POST",
                )
            body = await body_of(receive)
            activation = Activation(workspace)
            told = await context.intake.run(lambda: answer(activation, body))
            await send_bytes(send, 200, CBOR, told)

        return handler

    @asgi("/api/devices/epoch", opt=_PUBLIC, copy_scope=False, name="device epoch")
    async def epoch(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - no body
        if method(scope) != "GET":
            raise BadMethod(
                "http.method", "the epoch is read with GET", hint="use GET", allow="GET"
            )
        await send_bytes(send, 200, COSE, await context.ask(lambda: keeper().epoch()))

    @asgi("/api/devices/challenge", opt=_PUBLIC, copy_scope=False, name="device challenge")
    async def challenge(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        if method(scope) not in ("GET", "POST"):
            raise BadMethod(
                "http.method", "a challenge is asked for with GET", hint="use GET", allow="GET"
            )
        subject = query(scope, "subject")
        nonce = await context.ask(lambda: keeper().challenge(subject))
        await send_bytes(send, 200, "application/octet-stream", nonce)

    @get(
        "/api/devices",
        opt=_READ,
        tags=["devices"],
        summary="The fleet: how many devices stand how, and the worst of them",
    )
    async def fleet(
        request: Request[Any, Any, Any],
        status: Annotated[
            str | None,
            QueryParameter(description="Only devices that stand like this.", max_length=20),
        ] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
        after: Annotated[
            str | None, QueryParameter(description="Go on after this device.", max_length=2048)
        ] = None,
    ) -> Response[Any]:
        await context.view(request.scope)
        told = await context.ask(
            lambda: fleet_json(seen(workspace), status=status, limit=limit, after=after)
        )
        for one in told["standings"]:
            del one["source"]  # addresses are the operator's business
        return Response(told, media_type="application/json")

    @get(
        "/api/devices/standing",
        opt=_READ,
        tags=["devices"],
        summary="How one device stands, and why",
    )
    async def standing(
        request: Request[Any, Any, Any],
        subject: Annotated[str, QueryParameter(max_length=2048)],
    ) -> Response[Any]:
        await context.view(request.scope)
        told = await context.ask(lambda: standing_json(seen(workspace).standing(subject)))
        del told["source"]
        return Response(told, media_type="application/json")

    return (
        hot("/api/devices/evidence", messages.evidence),
        hot("/api/devices/bundle", messages.bundle),
        hot("/api/devices/opening", messages.opening),
        proving("/api/devices/endorsement", lambda held, body: held.challenge(body)),
        proving("/api/devices/activation", lambda held, body: encode(held.answer(body))),
        epoch,
        challenge,
        fleet,
        standing,
    )


@asynccontextmanager
async def heartbeat(context: Context) -> AsyncIterator[None]:
    """While the server runs: silence is noticed and changes are said, four times a second.

    The keeper is made by the first device that speaks, or here where somebody was enrolled already.
    """
    workspace = context.workspace
    kept: list[Keeper] = []

    def beat() -> None:
        if not kept:
            if not (workspace.path / "fleet" / "devices").exists():
                return
            kept.append(keeper_of(workspace))
        kept[0].tick()
        kept[0].settle()

    async def run() -> None:
        while True:
            with contextlib.suppress(Problem):  # told to whoever asks; the next beat tries again
                await context.intake.run(beat)
            await asyncio.sleep(_BEAT)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for keeper in kept:
            keeper.close()
