# SPDX-License-Identifier: Apache-2.0
"""For what: the purpose of a signature, read off the bytes that are to be signed.

Keeps: 1. The caller's word is not asked: every message that this house signs begins in a way that
no other kind does (COSE's Sig_structure, a JWS signing input, a DSSE envelope, a TLS handshake, a
checkpoint), and names the media type inside what is signed. 2. What is none of these is ``other``:
never an error, and never one of the named purposes by accident.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kizuna.model.errors import Problem
from kizuna.roots import base64url
from kizuna.roots.cose.cbor import decode
from kizuna.roots.strict_json import read_object

__all__ = ["purpose_of"]

_TLS: Final = b" " * 64
_TLS_END: Final = {
    b"TLS 1.3, client CertificateVerify\x00": "tls-client",
    b"TLS 1.3, server CertificateVerify\x00": "tls-server",
}
_CHECKPOINT: Final = re.compile(
    rb"[^\n+\s]{1,200}\n[0-9]{1,20}\n[A-Za-z0-9+/]{43}=\n(?:[^\n]+\n)*\Z"
)
_CERTIFICATE: Final = bytes.fromhex("a003020102")
"""How the signed part of an X.509 certificate of version 3 begins, after its length."""
_DSSE: Final = re.compile(rb"DSSEv1 [0-9]{1,3} ([!-~]{1,200}) [0-9]{1,9} ")
_JWS: Final = re.compile(rb"[A-Za-z0-9_-]{4,65536}\.[A-Za-z0-9_-]*\Z")
_MAX_LOOK: Final = 16 << 20


def purpose_of(message: bytes) -> str:
    """What a message that is to be signed is, in at most 200 characters."""
    if not message or len(message) > _MAX_LOOK:
        return "other"
    if message[:1] == b"\x84":
        return _cose(message)
    if message.startswith(_TLS):
        return next((n for end, n in _TLS_END.items() if message[64:].startswith(end)), "other")
    if message[:1] == b"\x30" and message[2:10].find(_CERTIFICATE) >= 0:
        return "certificate"
    if _CHECKPOINT.match(message):
        return "checkpoint"
    if _JWS.match(message):
        return _jws(message)
    if wrapped := _DSSE.match(message):
        return f"dsse:{wrapped[1].decode()}"[:200]
    return "other"


def _cose(message: bytes) -> str:
    try:
        parts = decode(message)
        if type(parts) is not list or len(parts) != 4 or parts[0] != "Signature1":
            return "other"
        header: Any = decode(parts[1]) if parts[1] else {}
    except (Problem, TypeError, ValueError):
        return "other"
    if not isinstance(header, dict):
        return "other"
    named = header.get(259 if 258 in header else 3)
    if 15 in header and isinstance(named, str):
        return f"statement:{named}"[:200]
    return f"cose:{named}"[:200] if isinstance(named, str) else "cose"


def _jws(message: bytes) -> str:
    try:
        header = read_object(
            base64url.decode(message.split(b".")[0].decode()), "envelope.jws-malformed", 65_536
        )
    except Problem:
        return "other"
    if not isinstance(header.get("alg"), str):
        return "other"
    named = header.get("typ")
    return f"jws:{named}"[:200] if isinstance(named, str) else "jws"
