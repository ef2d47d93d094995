# SPDX-License-Identifier: Apache-2.0
"""JWS at the edge: compact and flattened, read and written.

Keeps: 1. The algorithm is the key's; ``none`` and shared secrets do not exist here, and keys
inside a header (``jwk``, ``jku``, ``x5c``) are never believed. 2. Only the protected header counts;
critical extensions are refused. 3. No member stands twice, no text has two spellings.
Standard: RFC 7515, RFC 8725 (best practice).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.roots import base64url
from kizuna.roots.keys import PublicKey, algorithm_named, verify
from kizuna.roots.strict_json import malformed, read_object
from kizuna.roots.units import Handle, Unit

__all__ = ["MAX_JWS", "Jws", "check_jws", "parse_jws", "sign_jws"]

MAX_JWS: Final = 16 << 20
"""Largest token in bytes."""

MAX_HEADER: Final = 64 << 10
_CODE: Final = "envelope.jws-malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jws:
    """A parsed JWS whose signature nobody has checked."""

    header: Mapping[str, Any]
    payload: bytes
    signature: bytes
    signed: bytes
    """The signing input: both parts as received."""

    @property
    def key_id(self) -> str:
        """``kid``, a hint; empty where there is none."""
        value = self.header.get("kid", "")
        return value if isinstance(value, str) else ""


def parse_jws(
    data: bytes | str,
    payload: bytes | None = None,
    *,
    understood: frozenset[str] = frozenset(),
    limit: int = MAX_JWS,
) -> Jws:
    """A compact token or a flattened JSON document; ``payload`` stands in for a detached one.

    ``understood``: header members that the caller looks at, and that may therefore be critical.

    Raises:
        Malformed: ``envelope.jws-malformed``, ``key.encoding``.
    """
    try:
        raw = data.encode("ascii") if isinstance(data, str) else bytes(data)
        text = raw.decode("utf-8")
    except UnicodeError as fault:
        raise malformed(_CODE, "not text") from fault
    if len(raw) > limit:
        raise malformed(_CODE, f"{len(raw)} bytes, at most {limit}")
    parts: list[object]
    if text.lstrip().startswith("{"):
        whole = read_object(raw, _CODE, limit)
        if "header" in whole or "signatures" in whole:
            raise malformed(_CODE, "unprotected headers and several signatures are not read")
        parts = [whole.get("protected"), whole.get("payload", ""), whole.get("signature")]
    else:
        parts = [*text.split(".")]
    match parts:
        case [str() as protected, str() as content, str() as signature] if protected:
            pass
        case _:
            raise malformed(_CODE, "not three parts: header, payload, signature")
    if payload is not None:
        if content:
            raise malformed(_CODE, "the payload is inside and beside it")
        content = base64url.encode(payload)
    header = read_object(base64url.decode(protected), _CODE, MAX_HEADER)
    critical = header.get("crit", [])
    if "b64" in header or not isinstance(critical, list) or ("crit" in header and not critical):
        raise malformed(_CODE, "critical extensions are not understood")
    if any(not isinstance(c, str) or c not in understood or c not in header for c in critical):
        raise malformed(_CODE, "critical extensions are not understood")
    return Jws(
        header=header,
        payload=base64url.decode(content),
        signature=base64url.decode(signature),
        signed=f"{protected}.{content}".encode("ascii"),
    )


def check_jws(token: Jws, key: PublicKey) -> bool:
    """Whether ``key`` signed ``token``, with the algorithm that belongs to the key."""
    named = token.header.get("alg")
    try:
        if not isinstance(named, str) or algorithm_named(named) is not key.algorithm:
            return False
    except Malformed:
        return False
    return verify(key, token.signature, token.signed)


def sign_jws(
    unit: Unit,
    handle: Handle,
    payload: bytes,
    header: Mapping[str, Any] | None = None,
    *,
    flattened: bool = False,
) -> bytes:
    """A JWS; ``alg`` and ``kid`` (the thumbprint) come from the key."""
    members = {**(header or {}), "alg": handle.algorithm.jose_name, "kid": handle.id}
    protected = base64url.encode(
        json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    )
    content = base64url.encode(payload)
    signature = base64url.encode(unit.sign(handle, f"{protected}.{content}".encode("ascii")))
    if flattened:
        return json.dumps(
            {"protected": protected, "payload": content, "signature": signature},
            separators=(",", ":"),
        ).encode()
    return f"{protected}.{content}.{signature}".encode("ascii")
