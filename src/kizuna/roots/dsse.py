# SPDX-License-Identifier: Apache-2.0
"""DSSE envelopes at the edge: in-toto and its relatives, read and written.

Keeps: 1. The type is signed together with the payload. 2. What counts is which *given* keys
signed; ``keyid`` is a hint without effect. 3. ECDSA signatures are written in DER, as the field
does, and read in either form.
Standard: DSSE protocol v1.0.

Example:
    >>> pae("text/plain", b"hello")
    b'DSSEv1 10 text/plain 5 hello'
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kizuna.roots.keys import PublicKey, from_der, to_der, verify
from kizuna.roots.strict_json import malformed, read_object
from kizuna.roots.units import Handle, Unit

__all__ = ["MAX_DSSE", "Dsse", "pae", "parse_dsse", "sign_dsse", "signers_of"]

MAX_DSSE: Final = 64 << 20
"""Largest envelope in bytes."""

MAX_SIGNATURES: Final = 64

_CODE: Final = "envelope.dsse-malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsse:
    """A parsed envelope whose signatures nobody has checked: (keyid, signature) pairs."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE signature covers."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse_dsse(data: bytes) -> Dsse:
    """The envelope of a JSON document.

    Raises:
        Malformed: ``envelope.dsse-malformed``.
    """
    whole = read_object(data, _CODE, MAX_DSSE)
    kind, payload, listed = (whole.get(name) for name in ("payloadType", "payload", "signatures"))
    if not isinstance(kind, str) or not isinstance(payload, str) or not isinstance(listed, list):
        raise malformed(_CODE, "payloadType, payload or signatures is missing")
    if not 1 <= len(listed) <= MAX_SIGNATURES:
        raise malformed(_CODE, f"1 to {MAX_SIGNATURES} signatures")
    signatures: list[tuple[str, bytes]] = []
    for one in listed:
        value = one.get("sig") if isinstance(one, dict) else None
        hint = one.get("keyid", "") if isinstance(one, dict) else None
        if not isinstance(value, str) or not isinstance(hint, str | None):
            raise malformed(_CODE, "a signature without sig")
        signatures.append((hint or "", _bytes(value)))
    try:
        kind.encode()
    except UnicodeEncodeError as fault:
        raise malformed(_CODE, "payloadType is no text") from fault
    return Dsse(payload_type=kind, payload=_bytes(payload), signatures=tuple(signatures))


def signers_of(envelope: Dsse, keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """Those of ``keys`` that signed the envelope, each once, in the order given."""
    message = pae(envelope.payload_type, envelope.payload)
    signed: dict[bytes, PublicKey] = {}
    for key in keys:
        for _, signature in envelope.signatures:
            raw = from_der(key, signature)
            if verify(key, signature, message) or (raw is not None and verify(key, raw, message)):
                signed[key.thumbprint] = key
                break
    return tuple(signed.values())


def sign_dsse(unit: Unit, handle: Handle, payload_type: str, payload: bytes) -> bytes:
    """An envelope with one signature; ``keyid`` is the thumbprint in hexadecimal."""
    signature = unit.sign(handle, pae(payload_type, payload))
    return json.dumps(
        {
            "payloadType": payload_type,
            "payload": b64encode(payload).decode(),
            "signatures": [
                {
                    "keyid": handle.id,
                    "sig": b64encode(to_der(unit.public(handle), signature)).decode(),
                }
            ],
        },
        separators=(",", ":"),
    ).encode()


def _bytes(text: str) -> bytes:
    """Base64, standard or URL-safe: the protocol allows both."""
    try:
        return b64decode(text.replace("-", "+").replace("_", "/").encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise malformed(_CODE, "not base64") from fault
