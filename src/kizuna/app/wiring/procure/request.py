# SPDX-License-Identifier: Apache-2.0
"""Requests for quotation: what is to be bought, from whom it could come, by what measure, by when.

Keeps: 1. Read whole or refused, with the line that is wrong. 2. Identifiers are canonical after
reading. 3. A request decides nothing and names no keys or lists of its own making: whom to believe
stays with the verifier.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.payload import Name, Text
from kizuna.roots.strict_yaml import read_as

__all__ = ["MAX_LINES", "MAX_REQUEST", "Line", "Request", "checked", "read_request", "when"]

MAX_REQUEST: Final = 8 << 20
"""Largest request in bytes."""

MAX_LINES: Final = 20_000
"""Most lines of one request."""

_Uri = Annotated[str, Meta(min_length=3, max_length=2048)]
_Day = Annotated[str, Meta(min_length=8, max_length=40)]
_Few = Annotated[list[_Uri], Meta(max_length=50)]


class Line(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One line: a part, who could supply it, and what could stand in for it."""

    part: _Uri
    line: Name | None = None
    quantity: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    suppliers: _Few = []
    """Candidates; empty: whoever is registered as its supplier or maker."""
    substitutes: _Few = []
    """Other parts that would do as well."""
    deadline: _Day | None = None


class Request(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A request for quotation."""

    request: Name = "request"
    title: Text | None = None
    profile: Name | None = None
    product: _Uri | None = None
    """What the lines are parts of; without it each line is judged as the thing that is bought."""
    suppliers: _Few = []
    """Candidates for every line that names none."""
    lines: Annotated[list[Line], Meta(max_length=MAX_LINES)] = []
    deadline: _Day | None = None


def read_request(data: bytes, name: str = "request") -> Request:
    """The request that a YAML or JSON document holds.

    Raises:
        Malformed: ``procure.request`` with the line, ``procure.deadline``,
            ``identifier.malformed``, ``procure.line-twice``.
    """
    if len(data) > MAX_REQUEST:
        raise Malformed(
            "procure.request",
            f"{name}: {len(data)} bytes, at most {MAX_REQUEST}",
            hint="ask for one assembly after the other",
            fault=f"{len(data)} bytes, at most {MAX_REQUEST}",
        )
    return checked(read_as(data, Request, code="procure.request", name=name, limit=MAX_REQUEST))


def checked(request: Request) -> Request:
    """The request with canonical identifiers and numbered lines.

    Raises:
        Malformed: ``procure.deadline``, ``identifier.malformed``, ``procure.line-twice``.
    """
    when(request.deadline)
    lines: list[Line] = []
    seen: set[str] = set()
    for number, line in enumerate(request.lines, start=1):
        when(line.deadline)
        named = line.line or str(number * 10)
        if named in seen:
            raise Malformed(
                "procure.line-twice",
                f"line {named} stands in the request twice",
                hint="give every line a name of its own, or none",
                line=named,
            )
        seen.add(named)
        lines.append(
            msgspec.structs.replace(
                line,
                line=named,
                part=canonical(line.part),
                suppliers=_each(line.suppliers or request.suppliers),
                substitutes=_each(line.substitutes),
            )
        )
    return msgspec.structs.replace(
        request,
        product=None if request.product is None else canonical(request.product),
        suppliers=_each(request.suppliers),
        lines=lines,
    )


def when(text: str | None) -> int | None:
    """Seconds since 1970 of a day (its last second, UTC) or an instant with a zone.

    Raises:
        Malformed: ``procure.deadline``.
    """
    if text is None:
        return None
    try:
        if len(text) == 10:
            return int(datetime.fromisoformat(f"{text}T23:59:59+00:00").timestamp())
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() // 1)
    except (ValueError, OverflowError) as fault:
        raise Malformed(
            "procure.deadline",
            f"not a day or instant: {text[:40]!r}",
            why=str(fault)[:100],
            hint="write 2026-12-15 or 2026-12-15T17:00:00+09:00",
            value=text[:40],
        ) from fault


def _each(texts: list[str]) -> list[str]:
    made: dict[SubjectId, None] = {}
    for text in texts:
        made[canonical(text)] = None
    return list(made)
