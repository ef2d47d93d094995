# SPDX-License-Identifier: Apache-2.0
"""What a request asks: language, media type, instant, checkpoint, cursor, as typed values.

Keeps: every text from outside is bounded and parsed here once; a text that does not parse gives a
problem that names the parameter. Nothing here looks at a file: a profile is asked by name only.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, canonical

__all__ = [
    "accepted_codings",
    "as_instant",
    "as_known",
    "as_subject",
    "cursor_of",
    "digest_hex",
    "header",
    "language",
    "method",
    "position_of",
    "prefers",
    "query",
]

_LANGUAGES: Final = ("en", "ja")
_HEX = re.compile(r"[0-9a-f]{64}")
_KNOWN = re.compile(r"([\x21-\x7e]{1,200})@([0-9]{1,15})(?::([0-9a-f]{64}))?")


def header(scope: Mapping[str, Any], name: bytes) -> str:
    """The first header of that name, or an empty text."""
    for key, value in scope.get("headers", ()):
        if key == name:
            return bytes(value).decode("latin-1")
    return ""


def method(scope: Mapping[str, Any]) -> str:
    """The request's method."""
    return str(scope["method"])


def query(scope: Mapping[str, Any], name: str) -> str:
    """The last value of a query parameter, or an empty text."""
    raw = bytes(scope.get("query_string", b"")).decode("latin-1")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=100, errors="replace")
    except ValueError:
        return ""
    return next((value for key, value in reversed(pairs) if key == name), "")


def language(scope: Mapping[str, Any]) -> str:
    """``en`` or ``ja``: ``?lang=`` first, then ``Accept-Language``, else English."""
    asked = query(scope, "lang")
    if asked in _LANGUAGES:
        return asked
    for tag in _ranked(header(scope, b"accept-language")):
        short = tag.partition("-")[0]
        if short in _LANGUAGES:
            return short
    return "en"


def prefers(scope: Mapping[str, Any], offered: Iterable[str]) -> str:
    """The media type among ``offered`` that the caller likes best; the first when it says nothing.

    An empty text when it says something and likes none.
    """
    choices = list(offered)
    accept = header(scope, b"accept")
    if not accept:
        return choices[0]
    for wanted in _ranked(accept):
        if wanted == "*/*":
            return choices[0]
        group = wanted.removesuffix("*") if wanted.endswith("/*") else ""
        for choice in choices:
            if choice == wanted or (group and choice.startswith(group)):
                return choice
    return ""


def accepted_codings(scope: Mapping[str, Any]) -> list[str]:
    """The content codings that the caller names as welcome, best first."""
    return _ranked(header(scope, b"accept-encoding"))


def _ranked(text: str) -> list[str]:
    """The items of a comma list by their ``q``, best first; those of ``q=0`` left out."""
    ranked: list[tuple[float, int, str]] = []
    for place, item in enumerate(text[:1000].split(",")[:40]):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = float(value) if re.fullmatch(r"[01](\.[0-9]{0,3})?", value) else 0.0
        if name and quality > 0:
            ranked.append((-quality, place, name.lower()))
    return [name for _, _, name in sorted(ranked)]


def as_subject(text: str) -> SubjectId:
    """A subject identifier. Raises Malformed ``identifier.malformed``."""
    return canonical(text.strip())


def as_instant(text: str | None, name: str = "at") -> int | None:
    """RFC 3339 with a zone, a plain date (its first second, UTC) or seconds since 1970.

    Raises:
        Malformed: ``http.time-malformed``.
    """
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,11}", text):
        return int(text)
    try:
        # a '+' of the zone arrives as a space where the caller did not escape it
        moment = datetime.fromisoformat(re.sub(r" (?=[0-9]{2}:?[0-9]{2}$)", "+", text[:40]))
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            moment = moment.replace(tzinfo=UTC)
        seconds = int(moment.timestamp() // 1)
    except (ValueError, OverflowError) as fault:
        raise _no_instant(text, name, str(fault)[:100]) from fault
    if moment.tzinfo is None:
        raise _no_instant(text, name, "it has no zone")
    return seconds


def _no_instant(text: str, name: str, why: str) -> Malformed:
    return Malformed(
        "http.time-malformed",
        f"{name} is not an instant: {text[:40]!r}",
        why=why,
        hint="write 2026-11-22T09:00:00Z, 2026-11-22, or seconds since 1970",
        parameter=name,
        value=text[:40],
    )


def as_known(texts: Iterable[str]) -> list[tuple[str, int, str | None]]:
    """Checkpoints as ``ORIGIN@SIZE`` or ``ORIGIN@SIZE:ROOT``, root in hexadecimal.

    Raises:
        Malformed: ``http.known-malformed``.
    """
    known: list[tuple[str, int, str | None]] = []
    for text in texts:
        match = _KNOWN.fullmatch(text)
        if match is None:
            raise Malformed(
                "http.known-malformed",
                f"not a checkpoint: {text[:80]!r}",
                hint="write known=ORIGIN@SIZE or known=ORIGIN@SIZE:ROOT, root in hexadecimal",
                value=text[:80],
            )
        known.append((match[1], int(match[2]), match[3]))
    return known


def digest_hex(text: str) -> bytes:
    """32 bytes from hexadecimal.

    Raises:
        Malformed: ``http.digest-malformed``.
    """
    if not _HEX.fullmatch(text):
        raise Malformed(
            "http.digest-malformed",
            f"not a digest: {text[:80]!r}",
            hint="a digest is 64 lower-case hexadecimal digits",
            value=text[:80],
        )
    return bytes.fromhex(text)


def cursor_of(position: int) -> str:
    """An opaque cursor for the page that begins at ``position``."""
    return base64.urlsafe_b64encode(b"k1:%d" % position).decode().rstrip("=")


def position_of(cursor: str | None) -> int:
    """Where the page begins; 0 without a cursor.

    Raises:
        Malformed: ``http.cursor-malformed``.
    """
    if not cursor:
        return 0
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        position = int(raw[3:18])
    except (ValueError, binascii.Error):
        position = -1
    if position < 0 or cursor_of(position) != cursor:
        raise Malformed(
            "http.cursor-malformed",
            "the cursor is not one of ours",
            hint="take it from `next` of the page before",
        )
    return position
