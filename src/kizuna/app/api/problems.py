# SPDX-License-Identifier: Apache-2.0
"""Problems over HTTP: RFC 9457 in JSON, RFC 9290 in CBOR where SCRAPI asks for it.

Keeps: 1. Every answer of 400 and above is a problem with one of our codes, whoever found it: our
own rooms, the framework (404, 405, a parameter that does not parse) or this door's bounds. 2. The
status comes from the class of the problem, never from its text. 3. A fault of ours shows a
reference and nothing else: no traceback, no path, no value.
Standard: RFC 9457, RFC 9290, draft-ietf-scitt-scrapi-11.
"""

from __future__ import annotations

from typing import Any, Final

import cbor2
import msgspec

from kizuna.app.wiring.judging.answers import problem_json
from kizuna.model.errors import Absent, Malformed, Problem, Refused, Unavailable

__all__ = [
    "CONCISE",
    "JSON",
    "BadHost",
    "BadMethod",
    "Busy",
    "Conflict",
    "Fault",
    "HeaderTooLarge",
    "NotAcceptable",
    "Slow",
    "TooLarge",
    "TooSlow",
    "UnknownMedia",
    "concise",
    "from_framework",
    "problem_body",
    "status_of",
]

JSON: Final = "application/problem+json"
CONCISE: Final = "application/concise-problem-details+cbor"


class TooLarge(Malformed):
    """A body beyond the bound of its route."""

    status = 413


class HeaderTooLarge(Malformed):
    """Headers and target beyond the bound."""

    status = 431


class UnknownMedia(Malformed):
    """A body under a media type that the route does not read."""

    status = 415


class BadMethod(Malformed):
    """A method that the address does not know."""

    status = 405


class NotAcceptable(Malformed):
    """A media type that the route cannot give."""

    status = 406


class BadHost(Malformed):
    """A name that this server does not answer to."""

    status = 421


class TooSlow(Malformed):
    """A body that did not arrive in time."""

    status = 408


class Conflict(Refused):
    """An ``Idempotency-Key`` that was used for something else."""

    status = 422


class Busy(Unavailable):
    """Too many requests at once."""

    status = 503


class Slow(Unavailable):
    """An answer that took longer than the server allows."""

    status = 504


class Fault(Problem):
    """A fault of this program. Its reference stands in the server's log beside the cause."""


def status_of(problem: Problem) -> int:
    """The HTTP status of a problem."""
    return problem.status


def problem_body(problem: Problem, lang: str, *, instance: str = "") -> bytes:
    """The RFC 9457 document."""
    told = problem_json(problem, lang)
    document: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": told["message"],
        "status": problem.status,
        "detail": told["why"] or told["hint"] or told["message"],
        **told,
    }
    if instance:
        document["instance"] = instance
    return msgspec.json.encode(document)


def concise(problem: Problem, lang: str) -> bytes:
    """The RFC 9290 document: title, detail, response code and, as a custom entry, our code."""
    told = problem_json(problem, lang)
    detail = " ".join(part for part in (told["why"], told["hint"]) if part)
    return cbor2.dumps(
        {
            -1: told["message"],
            -2: detail or told["message"],
            -4: problem.status,
            "kizuna": {"code": problem.code},
        }
    )


def from_framework(status: int, detail: str, extra: object) -> Problem:
    """What the web framework refused, as one of our problems."""
    if status == 404:
        return Absent(
            "http.not-found",
            "nothing is at this address",
            hint="the addresses that exist are described at /schema/openapi.json",
        )
    if status == 405:
        return BadMethod(
            "http.method",
            "this address does not take that method",
            hint="the `Allow` header names those it takes",
        )
    if status == 413:
        return TooLarge(
            "http.body-too-large",
            "the body is larger than this address takes",
            hint="send it in smaller batches",
        )
    if status == 415:
        return UnknownMedia(
            "http.media-type",
            "this address does not read that media type",
            hint="the media types it reads are described at /schema/openapi.json",
        )
    where = _where(extra)
    return Malformed(
        "http.request-malformed",
        f"the request does not fit its description{': ' + where if where else ''}",
        why=where or detail[:200],
        hint="the description is at /schema/openapi.json",
        fault=where or detail[:200],
    )


def _where(extra: object) -> str:
    if not isinstance(extra, list):
        return ""
    return "; ".join(
        f"{item.get('key', 'body')}: {str(item.get('message', ''))[:160]}"
        for item in extra[:5]
        if isinstance(item, dict)
    )
