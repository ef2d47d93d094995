# SPDX-License-Identifier: Apache-2.0
"""Forms as browsers send them: where they come from, what is in them, where one goes on.

Keeps: 1. A form that another site sent changes nothing. 2. What came is text and files, bounded in
number; nothing of it is believed to be a number before it was looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from litestar import Request, Response
from litestar.datastructures import UploadFile

from kizuna.app.console.form import Sent
from kizuna.model.errors import Malformed, Refused

if TYPE_CHECKING:
    from kizuna.app.console.asked import Asked

__all__ = [
    "KEPT",
    "foreign",
    "number",
    "of_this_site",
    "onward",
    "read_form",
    "to_sign_in",
    "whole",
]

_PARTS: Final = 900
_PLAIN: Final = 1 << 20
"""Bytes of a form without files."""
_URLENCODED: Final = "application/x-www-form-urlencoded"
KEPT: Final = {"referrer-policy": "same-origin", "cache-control": "no-store", "vary": "cookie"}
"""A page with a form lets the browser name it as the origin of what it sends to us."""


def of_this_site(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser says that a page of this server sent the form."""
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    return origin.partition("://")[2] == headers.get("host", "")


def _plain_fields(body: bytes) -> dict[str, list[str]]:
    """The texts of a form without files; bounded before anything of it is taken apart."""
    try:
        # beyond its bound a form has one field too many
        most = _PARTS if len(body) <= _PLAIN else 0
        pairs = parse_qsl(
            body[: _PLAIN + 1].decode("ascii"),
            keep_blank_values=True,
            max_num_fields=most,
            errors="replace",
        )
    except ValueError as fault:
        raise Malformed(
            "assess.form",
            "the form came back as something else: too many fields",
            hint="open the page again and fill it in",
            fault="too many fields, or no form",
        ) from fault
    texts: dict[str, list[str]] = {}
    for name, value in pairs:
        texts.setdefault(name, []).append(value)
    return texts


async def read_form(request: Request[Any, Any, Any]) -> Sent:
    """The texts and files of a form.

    Raises:
        Malformed: ``assess.form``.
    """
    texts: dict[str, list[str]] = {}
    files: dict[str, list[tuple[str, bytes]]] = {}
    if request.headers.get("content-type", "").lower().startswith(_URLENCODED):
        return Sent(_plain_fields(await request.body()))
    form = await request.form()
    for count, (name, value) in enumerate(form.multi_items()):
        if count >= _PARTS:
            raise Malformed(
                "assess.form",
                "the form came back as something else: too many fields",
                hint="open the page again and fill it in",
                fault="too many fields",
            )
        if isinstance(value, UploadFile):
            files.setdefault(name, []).append((value.filename or "", await value.read()))
            await value.close()
        else:
            texts.setdefault(name, []).append(str(value))
    return Sent(texts, files)


def foreign() -> Refused:
    """The problem of a form that somebody else's page sent."""
    return Refused(
        "console.form-foreign",
        "this form does not come from a page of yours here",
        why="another site, or a page of a session that ended, could have sent it",
        hint="open the page again and send it from there",
    )


def number(text: str) -> int:
    """The number of a page; the first for anything else."""
    return max(1, whole(text, wrong=1))


def whole(text: str, wrong: int = 0) -> int:
    """A whole number, or ``wrong``."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else wrong


def to_sign_in(asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
    """To the page that asks who it is, and back."""
    raw = bytes(request.scope.get("query_string", b"")).decode("latin-1")
    here = str(request.scope["path"]) + (f"?{raw}" if raw else "")
    return onward(asked.url("/sign-in", next=here[:1_500]))


def onward(where: str) -> Response[bytes]:
    """To another page, once something was done."""
    return Response(
        b"", status_code=303, media_type="text/html", headers={"location": where, **KEPT}
    )
