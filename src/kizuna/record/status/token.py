# SPDX-License-Identifier: Apache-2.0
"""Token Status List: the signed file around the array, as JWT and as CWT, and references to it.

Keeps: 1. The file's type, its subject (its own address) and its time stand under the signature, and
all three are demanded. 2. Nobody's key comes from the file: who may sign it is the verifier's
business. 3. A file past ``exp`` says nothing any more; past ``ttl`` it should be fetched anew.
Standard: draft-ietf-oauth-status-list-21 sections 5 and 6.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.record.status.bits import MAX_ENTRIES, Bits, malformed
from kizuna.roots import base64url
from kizuna.roots.cose import check_sign1, decode, encode, read_sign1, sign1
from kizuna.roots.jws import check_jws, parse_jws, sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object
from kizuna.roots.units import Handle, Unit

__all__ = ["Reference", "StatusList", "read_status_list", "reference_in", "write_status_list"]

_JWT_TYPE: Final = "statuslist+jwt"
_CWT_TYPE: Final = "application/statuslist+cwt"
_MAX_BYTES: Final = 24 << 20
_SUB, _EXP, _IAT, _TTL, _LIST = 2, 4, 6, 65534, 65533
_STATUS: Final = 65535
_TYPE: Final = 16
_COSE: Final = (b"\xd2", b"\x84", b"\xd8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where the status of one thing stands."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusList:
    """One status list at one moment."""

    uri: str
    bits: Bits
    issued: int
    expires: int | None = None
    lifetime: int | None = None
    """Seconds for which a copy may be used (``ttl``)."""

    def fresh(self, now: int) -> bool:
        """Whether it still says anything."""
        return self.expires is None or now < self.expires

    def due(self, now: int, fetched: int) -> bool:
        """Whether a copy fetched at ``fetched`` should be fetched anew."""
        return not self.fresh(now) or (self.lifetime is not None and now >= fetched + self.lifetime)


def write_status_list(
    unit: Unit, handle: Handle, status: StatusList, *, as_cwt: bool = False
) -> bytes:
    """The signed file, as JWT, or as CWT where ``as_cwt``."""
    packed = status.bits.packed()
    if as_cwt:
        claims: dict[Any, Any] = {_SUB: status.uri, _IAT: status.issued}
        claims |= {_EXP: status.expires} if status.expires is not None else {}
        claims |= {_TTL: status.lifetime} if status.lifetime is not None else {}
        claims[_LIST] = {"bits": status.bits.width, "lst": packed}
        header = {_TYPE: _CWT_TYPE, 4: bytes.fromhex(handle.id)}
        return sign1(unit, handle, header, encode(claims))
    words: dict[str, Any] = {
        "sub": status.uri,
        "iat": status.issued,
        "status_list": {"bits": status.bits.width, "lst": base64url.encode(packed)},
    }
    words |= {"exp": status.expires} if status.expires is not None else {}
    words |= {"ttl": status.lifetime} if status.lifetime is not None else {}
    payload = json.dumps(words, sort_keys=True, separators=(",", ":")).encode()
    return sign_jws(unit, handle, payload, {"typ": _JWT_TYPE})


def read_status_list(data: bytes, key: PublicKey, *, uri: str | None = None) -> StatusList:
    """A status list that ``key`` signed, JWT or CWT; ``uri`` is where it was asked for.

    Raises:
        Malformed: ``status.malformed``, ``envelope.*``. Tampered: ``status.signature-wrong``,
        ``status.other-list``.
    """
    if len(data) > _MAX_BYTES:
        raise malformed(f"{len(data)} bytes, at most {_MAX_BYTES}")
    found = _from_cwt(data, key) if data[:1] in _COSE else _from_jwt(data, key)
    if uri is not None and found.uri != uri:
        raise Tampered(
            "status.other-list",
            f"this is the status list of {found.uri}, not of {uri}",
            why="a list was put in the place of another",
            hint="ask the publisher for the list at its own address",
            uri=uri[:200],
            found=found.uri[:200],
        )
    return found


def reference_in(claims: Mapping[Any, Any]) -> Reference | None:
    """The reference in the claims of a token (JSON names or CWT labels); None where it has none.

    Raises:
        Malformed: ``status.malformed`` for a status that is there and cannot be read.
    """
    status = claims.get("status", claims.get(_STATUS))
    if status is None:
        return None
    inner = status.get("status_list") if isinstance(status, Mapping) else None
    if not isinstance(inner, Mapping):
        raise malformed("a status of an unknown kind")
    index, uri = inner.get("idx"), inner.get("uri")
    if type(index) is not int or not 0 <= index < MAX_ENTRIES:
        raise malformed("no index in the reference")
    if not isinstance(uri, str) or not 0 < len(uri) <= 2000:
        raise malformed("no address in the reference")
    return Reference(uri=uri, index=index)


def _from_jwt(data: bytes, key: PublicKey) -> StatusList:
    token = parse_jws(data)
    if token.header.get("typ") != _JWT_TYPE:
        raise malformed(f"its type is not {_JWT_TYPE}")
    if not check_jws(token, key):
        raise _wrong()
    words = read_object(token.payload, "status.malformed", _MAX_BYTES)
    inner = words.get("status_list")
    if not isinstance(inner, dict) or not isinstance(packed := inner.get("lst"), str):
        raise malformed("no status_list with lst")
    try:
        raw = base64url.decode(packed)
    except Malformed as fault:
        raise malformed("lst is not base64url") from fault
    return _made(words, ("sub", "iat", "exp", "ttl"), inner.get("bits"), raw)


def _from_cwt(data: bytes, key: PublicKey) -> StatusList:
    message = read_sign1(data)
    if message.protected.get(_TYPE) != _CWT_TYPE or message.payload is None:
        raise malformed(f"its type is not {_CWT_TYPE}")
    if not check_sign1(message, key):
        raise _wrong()
    claims = decode(message.payload)
    inner = claims.get(_LIST) if isinstance(claims, dict) else None
    if not isinstance(inner, dict) or not isinstance(packed := inner.get("lst"), bytes):
        raise malformed("no status list with lst")
    return _made(claims, (_SUB, _IAT, _EXP, _TTL), inner.get("bits"), packed)


def _made(
    claims: Mapping[Any, Any], labels: tuple[Any, Any, Any, Any], width: object, packed: bytes
) -> StatusList:
    uri, issued, expires, lifetime = (claims.get(label) for label in labels)
    if not isinstance(uri, str) or not 0 < len(uri) <= 2000:
        raise malformed("sub is not its address")
    for value, demanded in ((issued, True), (expires, False), (lifetime, False)):
        if value is None and not demanded:
            continue
        if type(value) is not int or not 0 <= value < 2**53:
            raise malformed("iat, exp or ttl is not a number")
    if type(width) is not int:
        raise malformed("bits is not a number")
    return StatusList(
        uri=uri,
        bits=Bits.unpacked(packed, width=width),
        issued=issued,  # type: ignore[arg-type] # shown to be a number above
        expires=expires,
        lifetime=lifetime,
    )


def _wrong() -> Tampered:
    return Tampered(
        "status.signature-wrong",
        "the status list was not signed with the key that its publisher is known by",
        why="it was altered, or the publisher has a new key that is not enrolled",
        hint="ask the publisher for the list again, and for its key",
    )
