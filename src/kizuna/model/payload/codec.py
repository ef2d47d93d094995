# SPDX-License-Identifier: Apache-2.0
"""Bytes to payload and back, and the published JSON Schemas.

Keeps: decoding is bounded (size and depth before anything else) and either gives a whole valid
value or raises ``Malformed``; encoding is canonical (RFC 8785 for our float-free values), so equal
payloads have equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, Final

import msgspec

from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload.claim import Claim
from kizuna.model.payload.link import Links
from kizuna.model.payload.membership import Membership
from kizuna.model.payload.norm import Norm
from kizuna.model.payload.notice import Notice
from kizuna.model.payload.status import Status
from kizuna.model.payload.verdict import PublishedVerdict
from kizuna.model.payload.waiver import Waiver

__all__ = [
    "MAX_DEPTH",
    "MAX_PAYLOAD",
    "Payload",
    "decode_payload",
    "encode_payload",
    "identifiers_of",
    "payload_type",
    "schemas",
]

MAX_PAYLOAD: Final = 1 << 20
"""Largest inline payload in bytes; larger documents go by hash."""

MAX_DEPTH: Final = 32
"""Deepest nesting of arrays and objects."""

_SAFE_INTEGER: Final = 2**53

Payload = Claim | Links | Notice | Waiver | Membership | Norm | Status | PublishedVerdict

_TYPES: Final[dict[Kind, type[Payload]]] = {
    Kind.CERTIFICATE: Claim,
    Kind.CAPABILITY: Claim,
    Kind.EVIDENCE: Claim,
    Kind.LINK: Links,
    Kind.NOTICE: Notice,
    Kind.WAIVER: Waiver,
    Kind.MEMBERSHIP: Membership,
    Kind.NORM: Norm,
    Kind.STATUS: Status,
    Kind.VERDICT: PublishedVerdict,
}
_DECODERS: Final = {kind: msgspec.json.Decoder(t) for kind, t in _TYPES.items()}
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def payload_type(kind: Kind) -> type[Payload]:
    """The struct that a payload of ``kind`` decodes to."""
    return _TYPES[kind]


def decode_payload(kind: Kind, data: bytes) -> Payload:
    """One payload of our own kinds.

    Raises:
        Malformed: ``payload.too-large``, ``payload.too-deep``, ``payload.malformed`` (not JSON, a
            member missing, unknown or of the wrong type, ``bill`` with words about others),
            ``payload.number`` (a float, or an integer beyond ±2^53 in a free-form member).
    """
    if len(data) > MAX_PAYLOAD:
        raise Malformed(
            "payload.too-large",
            f"payload of {len(data)} bytes, at most {MAX_PAYLOAD}",
            hint="send the document beside the statement and sign its hash",
            size=len(data),
            limit=MAX_PAYLOAD,
        )
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise Malformed(
            "payload.too-deep", f"payload nested deeper than {MAX_DEPTH}", limit=MAX_DEPTH
        )
    try:
        value: Payload = _DECODERS[kind].decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Malformed(
            "payload.malformed",
            f"not a {kind.value} payload: {fault}",
            why=str(fault),
            hint="the JSON Schemas of all payloads are printed by `kizuna statement schema`",
            kind=kind.value,
            fault=str(fault),
        ) from fault
    if isinstance(value, Links) and value.bill is not None:
        _check_bill(value)
    for free in (
        getattr(value, "claims", None),
        getattr(value, "ext", None),
        getattr(value, "document", None),
    ):
        if free:
            _check_numbers(free)
    return value


def encode_payload(payload: Payload) -> bytes:
    """Canonical JSON of a payload: sorted members, no white space, defaults left out."""
    return _ENCODER.encode(payload)


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of every kind's payload, by kind name, generated from the types."""
    made: dict[str, dict[str, Any]] = {}
    for kind, payload in _TYPES.items():
        (reference,), definitions = msgspec.json.schema_components(
            (payload,), ref_template="#/$defs/{name}"
        )
        # Python ends a pattern with \Z where JSON Schema (ECMA 262) has $
        definitions = json.loads(json.dumps(definitions).replace("\\\\Z", "$"))
        for definition in definitions.values():  # from 3.13 on docstrings come without indentation
            if "description" in definition:
                definition["description"] = cleandoc(definition["description"])
        made[kind.value] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": kind.value,
            **reference,
            "$defs": definitions,
        }
    return made


def identifiers_of(payload: Payload) -> Iterator[str]:
    """Every subject identifier inside a payload: the ones the intake holds to one spelling."""
    match payload:
        case Links():
            for link in payload.links:
                if link.subject is not None:
                    yield link.subject
                if link.object is not None:
                    yield link.object
            for described in payload.described:
                if described.subject is not None:
                    yield described.subject
            if payload.bill is not None:
                yield payload.bill
        case Membership():
            yield payload.list_id
        case Waiver():
            yield from payload.parties
        case Status():
            if payload.holder is not None:
                yield payload.holder
        case PublishedVerdict():
            yield from payload.lists
        case _:
            return


def _depth(data: bytes) -> int:
    """Nesting depth of JSON text, brackets inside strings left out; linear, no recursion."""
    depth = deepest = 0
    in_text = escaped = False
    for byte in data:
        if in_text:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_text = False
        elif byte == 0x22:
            in_text = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
        elif byte in (0x5D, 0x7D):
            depth -= 1
    return deepest


def _check_bill(value: Links) -> None:
    """What is said in a bill of materials only is said of the statement's own subject."""
    strange = any(described.subject is not None for described in value.described) or any(
        link.relation.both_depend
        or (link.object if link.relation.object_depends else link.subject) is not None
        for link in value.links
    )
    if strange:
        raise Malformed(
            "payload.malformed",
            "not a link payload: with `bill` every tie and description is of the subject itself",
            why="with `bill` every tie and description is of the subject itself",
            hint="leave out the end that depends, and `subject` in `described`",
            kind=Kind.LINK.value,
            fault="`bill`: every tie and description is of the subject itself",
        )


def _check_numbers(value: Any) -> None:  # noqa: ANN401 - free-form JSON
    if isinstance(value, dict):
        for member in value.values():
            _check_numbers(member)
    elif isinstance(value, list):
        for member in value:
            _check_numbers(member)
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) > _SAFE_INTEGER):
        raise Malformed(
            "payload.number",
            f"number without a canonical form: {value!r}",
            why="floats and integers beyond 2^53 read differently in different programs",
            hint="write it as text",
            value=str(value),
        )
