# SPDX-License-Identifier: Apache-2.0
"""SCRAPI: how any SCITT client registers a statement and fetches its receipt.

Keeps: 1. ``POST /entries`` answers 201 with the receipt, which exists only when the statement is
durable; there is nothing to poll. 2. An entry is named by the digest of its statement in
hexadecimal (or by its index). 3. Problems are RFC 9290 in CBOR. 4. Keys are COSE keys under their
RFC 9679 thumbprints.
Standard: draft-ietf-scitt-scrapi-11, RFC 9942, RFC 9943.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

import cbor2
from litestar import Request, Response, asgi, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from kizuna.app.api.asked import header, method
from kizuna.app.api.context import Context
from kizuna.app.api.intake import body_of, send_bytes
from kizuna.app.api.problems import BadMethod, UnknownMedia
from kizuna.app.wiring import showing
from kizuna.model.errors import Absent, Malformed
from kizuna.model.identifier import Digest

__all__ = ["COSE", "scrapi"]

COSE: Final = "application/cose"
_CBOR: Final = "application/cbor"


def scrapi(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    @asgi("/entries", opt={"permission": "signature"}, copy_scope=False, name="scrapi register")
    async def register(scope: Scope, receive: Receive, send: Send) -> None:
        if method(scope) != "POST":
            raise BadMethod(
                "http.method",
                "statements are registered here with POST",
                hint="a receipt is at /entries/{id}",
                allow="POST",
            )
        media_type = header(scope, b"content-type").partition(";")[0].strip().lower()
        if media_type != COSE:
            raise UnknownMedia(
                "http.media-type",
                f"SCRAPI takes {COSE}, not {media_type[:80] or 'a body without media type'}",
                hint="batches are sent to /api/statements",
                media_type=media_type[:80],
            )
        body = await body_of(receive)
        if not body:
            raise Malformed(
                "batch.empty", "the body holds no statement", hint="send at least one statement"
            )

        def enter() -> tuple[Digest, bool, bytes]:
            from kizuna.record.store import Refusal  # noqa: PLC0415 - the store is open by now

            (outcome,) = workspace.store.submit([body], now=workspace.clock())
            if isinstance(outcome, Refusal):
                context.metrics.refused += 1
                raise outcome.problem
            context.metrics.registered += not outcome.duplicate
            context.metrics.duplicates += outcome.duplicate
            receipt = workspace.store.receipt(outcome.digest)
            return outcome.digest, outcome.duplicate, receipt

        digest, _, receipt = await context.intake.run(enter)
        await send_bytes(
            send, 201, COSE, receipt, [(b"location", f"/entries/{digest.hex()}".encode())]
        )

    @get(
        "/entries/{entry:str}",
        opt={"permission": "view"},
        tags=["SCRAPI"],
        media_type=COSE,
        summary="The receipt of an entry",
        description="`entry` is the digest of the statement in hexadecimal, or its index.",
    )
    async def receipt(request: Request[Any, Any, Any], entry: FromPath[str]) -> Response[bytes]:
        view = await context.view(request.scope)

        def resolve() -> tuple[Digest, bytes]:
            if entry.isascii() and entry.isdigit() and len(entry) < 16:
                found, _ = showing.entries(workspace, int(entry), 1, view)
                if not found or found[0]["index"] != int(entry):
                    raise _unknown(entry)
                digest = Digest(bytes.fromhex(found[0]["digest"]))
            else:
                try:
                    digest = Digest(bytes.fromhex(entry))
                except ValueError:
                    raise _unknown(entry) from None
                if len(digest) != 32:
                    raise _unknown(entry)
                showing.registered(workspace, digest, view)
            return digest, workspace.store.receipt(digest)

        digest, data = await context.ask(resolve)
        return Response(data, media_type=COSE, headers={"location": f"/entries/{digest.hex()}"})

    @get(
        "/.well-known/scitt-keys",
        opt={"permission": "public"},
        tags=["SCRAPI"],
        media_type=_CBOR,
        summary="The keys that sign receipts, as a COSE key set",
    )
    async def keys() -> Response[bytes]:
        found = await context.ask(lambda: _keys(context))
        return Response(
            cbor2.dumps([cbor2.loads(key) for key in found.values()], canonical=True),
            media_type=_CBOR,
            headers={"cache-control": "public, max-age=3600"},
        )

    @get(
        "/.well-known/scitt-keys/{kid:str}",
        opt={"permission": "public"},
        tags=["SCRAPI"],
        media_type=_CBOR,
        summary="One key that signs receipts",
        description="`kid` in base64url without padding, or in hexadecimal.",
    )
    async def key(kid: FromPath[str]) -> Response[bytes]:
        found = (await context.ask(lambda: _keys(context))).get(_kid(kid))
        if found is None:
            raise Absent(
                "log.key-unknown",
                "no such key",
                why="no key could be found for this kid value",
                hint="the keys are listed at /.well-known/scitt-keys",
                kid=kid[:80],
            )
        return Response(found, media_type=_CBOR, headers={"cache-control": "public, max-age=3600"})

    return (register, receipt, keys, key)


def _keys(context: Context) -> dict[bytes, bytes]:
    """COSE keys (with their kid inside) by kid."""
    found: dict[bytes, bytes] = {}
    for named in context.workspace.log.keys:
        members = cbor2.loads(named.public.cose_key)
        kid = named.public.thumbprint
        found[kid] = cbor2.dumps({**members, 2: kid}, canonical=True)
    return found


def _kid(text: str) -> bytes:
    try:
        if len(text) == 64 and set(text) <= set("0123456789abcdef"):
            return bytes.fromhex(text)
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""


def _unknown(entry: FromPath[str]) -> Absent:
    return Absent(
        "statement.unknown",
        f"no entry {entry[:80]!r} in this log",
        hint="an entry is named by the digest of its statement in hexadecimal",
        digest=entry[:80],
    )
