# SPDX-License-Identifier: Apache-2.0
"""The fast way in: many signed statements in one request, one answer for each.

Keeps: 1. A statement authenticates itself by its signature; sending it again changes nothing and
gives the same answer. 2. One bad statement refuses itself, never the batch. 3. What is answered as
registered is durable and has a receipt. 4. This route goes round the framework's own reading of
bodies, because that costs half of the rate; it is described in the API's document by hand.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import cbor2
import msgspec
from litestar import asgi
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from kizuna.app.api.asked import header, language, method, prefers, query
from kizuna.app.api.batch import Batch, read_batch
from kizuna.app.api.context import Context
from kizuna.app.api.problems import BadMethod, NotAcceptable
from kizuna.app.wiring.judging.answers import problem_json
from kizuna.model.errors import Problem, Unavailable

if TYPE_CHECKING:
    from kizuna.record.store import Accepted, Refusal

__all__ = ["body_of", "intake", "send_bytes"]

_OPEN: Final = {"permission": "signature"}
_AT_ONCE: Final = 64 << 10
"""Bytes of a body that are split without leaving the event loop."""


def intake(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""

    @asgi("/api/statements", opt=_OPEN, copy_scope=False, name="statements")
    async def statements(scope: Scope, receive: Receive, send: Send) -> None:
        if method(scope) != "POST":
            raise BadMethod(
                "http.method",
                "statements are sent here with POST",
                hint="read them at /api/statements/{digest} or /api/entries",
                allow="POST",
            )
        form = prefers(scope, ("application/json", "application/cbor"))
        if not form:
            raise NotAcceptable(
                "http.not-acceptable",
                "this address answers in application/json or application/cbor",
                hint="ask for one of them in `Accept`",
            )
        media_type = header(scope, b"content-type").partition(";")[0].strip().lower()
        body = await body_of(receive)

        def split() -> Batch:
            return read_batch(media_type, body, limit=context.limits.batch)

        batch = await context.intake.run(split) if len(body) > _AT_ONCE else split()
        receipts = query(scope, "receipts") in ("1", "true", "yes")
        lang = language(scope)

        def register() -> tuple[int, bytes]:
            outcomes = context.workspace.store.submit(
                batch.statements,
                documents=batch.documents,
                now=context.workspace.clock(),
            )
            return _answered(context, batch, outcomes, lang, form, receipts=receipts)

        status, body = await context.intake.run(register)
        await send_bytes(send, status, form, body)

    return (statements,)


def _answered(
    context: Context,
    batch: Batch,
    outcomes: Sequence[Accepted | Refusal],
    lang: str,
    form: str,
    *,
    receipts: bool,
) -> tuple[int, bytes]:
    from kizuna.record.store import Refusal  # noqa: PLC0415 - the store is open by now

    if batch.single and isinstance(outcomes[0], Refusal):
        context.metrics.refused += 1
        raise outcomes[0].problem
    results: list[dict[str, Any]] = []
    registered = duplicates = refused = 0
    for outcome in outcomes:
        if isinstance(outcome, Refusal):
            refused += 1
            results.append(_refusal(outcome.problem, outcome.digest, lang))
            continue
        duplicates += outcome.duplicate
        registered += not outcome.duplicate
        told: dict[str, Any] = {
            "digest": outcome.digest.hex(),
            "index": outcome.index,
            "registered_at": outcome.registered_at,
            "duplicate": outcome.duplicate,
        }
        if receipts:
            receipt = context.workspace.store.receipt(outcome.digest)
            told["receipt"] = (
                receipt if form == "application/cbor" else base64.b64encode(receipt).decode()
            )
        results.append(told)
    context.metrics.registered += registered
    context.metrics.duplicates += duplicates
    context.metrics.refused += refused
    if refused == len(outcomes) and all(
        isinstance(o, Refusal) and isinstance(o.problem, Unavailable) for o in outcomes
    ):
        first = outcomes[0]
        if isinstance(first, Refusal):
            raise first.problem  # the store itself cannot take anything now
    document = {
        "registered": registered,
        "duplicates": duplicates,
        "refused": refused,
        "results": results,
    }
    encoded = cbor2.dumps(document) if form == "application/cbor" else msgspec.json.encode(document)
    return (201 if registered else 200), encoded


def _refusal(problem: Problem, digest: bytes | None, lang: str) -> dict[str, Any]:
    return {
        "digest": None if digest is None else digest.hex(),
        **problem_json(problem, lang),
        "status": problem.status,
    }


async def body_of(receive: Receive) -> bytes:
    """The whole body; the shell bounds it."""
    parts: list[bytes] = []
    while True:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise Unavailable("http.gone", "the sender went away before its body was whole")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def send_bytes(
    send: Send,
    status: int,
    media_type: str,
    body: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """A whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", media_type.encode()),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
