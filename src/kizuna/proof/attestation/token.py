# SPDX-License-Identifier: Apache-2.0
"""Entity attestation tokens: the COSE frame around claims, read once for every scheme that uses it.

Keeps: 1. Size, depth and count are bounded before anything is built. 2. What is checked are the
bytes received. 3. Only the protected header says how a token was made; the key id is a hint.
4. Claims that cannot be read are told apart from a frame that cannot: a changed byte inside the
signed part is then found by the signature.
Standard: RFC 9711 (EAT), RFC 9052, RFC 8392.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import AppraisalCode, AppraisalFinding
from kizuna.proof.attestation.scheme import Check, Reading
from kizuna.roots.cose import (
    HMAC_256,
    SharedKey,
    decode,
    decode_header,
    decode_unprotected,
    read_frame,
)
from kizuna.roots.cose.message import refuse_critical
from kizuna.roots.keys import PublicKey

__all__ = [
    "MAX_TOKEN",
    "Token",
    "broken",
    "check_of",
    "claims_of",
    "malformed",
    "read_token",
    "slip",
]

Faults = tuple[AppraisalFinding, ...]

MAX_TOKEN: Final = 64 << 10
"""Largest token in bytes; real ones have some hundred."""

_MAX_HEADER: Final = 1024
_CWT: Final = b"\xd8\x3d"
_EMPTY: Final = b"\xa0"
_MAC_CONTEXT: Final = b"\x84\x64MAC0"
_SIGN1_CONTEXT: Final = len(b"\x84\x6aSignature1")
"""What a COSE_Sign1 covers differs from what a COSE_Mac0 covers in its first words alone."""


@dataclass(frozen=True, slots=True)
class Token:
    """The frame of a token; nothing in it is believed yet."""

    evidence: Digest
    maced: bool
    """COSE_Mac0 and not COSE_Sign1."""
    algorithm: int | None
    key_id: bytes | None
    payload: bytes
    covered: bytes
    """What signature or tag are over."""
    signature: bytes

    @property
    def uttered(self) -> tuple[bytes, bytes]:
        """What its key said; see ``Reading``."""
        return self.covered, self.signature[: len(self.signature) // 2]


def read_token(data: bytes, *, bare: bool = False) -> Token:
    """The frame of a token: COSE_Sign1 or COSE_Mac0, tagged as such (a CWT tag may stand before).

    Args:
        data: the token.
        bare: nothing may stand outside what is signed, as in the formats that are fixed here: the
            same token then has no second spelling.

    Raises:
        Malformed: ``attestation.malformed``.
    """
    if len(data) > MAX_TOKEN:
        raise malformed(f"{len(data)} bytes, at most {MAX_TOKEN}")
    inner = data[2:] if data[:2] == _CWT and not bare else data
    maced = inner[:1] == b"\xd1"
    if inner[:2] not in (b"\xd1\x84", b"\xd2\x84"):
        raise malformed("neither a COSE_Sign1 (tag 18) nor a COSE_Mac0 (tag 17)")
    try:
        protected, unprotected, payload, signature, _, covered = read_frame(
            inner[1:] if maced else inner
        )
        if len(protected) > _MAX_HEADER or len(unprotected) > _MAX_HEADER:
            raise malformed(f"a header of more than {_MAX_HEADER} bytes")
        algorithm, key_id = _header(protected)
        if unprotected != _EMPTY:
            if bare:
                raise malformed("the unprotected header is not empty")
            beside = decode_unprotected(unprotected, decode_header(protected))
            if key_id is None and type(hint := beside.get(4)) is bytes:
                key_id = hint
    except Problem as fault:
        if fault.code == "attestation.malformed":
            raise
        raise malformed(fault.why or fault.what) from fault
    if payload is None:
        raise malformed("the claims are not in the token")
    if maced:
        covered = _MAC_CONTEXT + covered[_SIGN1_CONTEXT:]
    return Token(
        Digest(sha256(data).digest()), maced, algorithm, key_id, payload, covered, signature
    )


@lru_cache(maxsize=4096)
def _header(protected: bytes) -> tuple[int | None, bytes | None]:
    """Algorithm and key id of a protected header; devices of a class share it, so it is kept."""
    header = decode_header(protected) if protected else {}
    refuse_critical(header)
    algorithm, key_id = header.get(1), header.get(4)
    return (
        algorithm if type(algorithm) is int else None,
        key_id if type(key_id) is bytes else None,
    )


def claims_of(
    token: Token, rules: Callable[[Mapping[Any, Any]], Faults]
) -> tuple[Mapping[Any, Any], Faults]:
    """The claims of a token, and what keeps them from being read or breaks the rules of their
    profile.
    """
    try:
        claims = decode(token.payload, 8)
    except Malformed as fault:
        return {}, (slip("claims", fault.why),)
    if type(claims) is not dict:
        return {}, (slip("claims", "no map"),)
    for label in claims:
        if type(label) is not int and type(label) is not str:
            return {}, (slip("claims", "a label is neither integer nor text"),)
    return claims, rules(claims)


def broken(
    scheme: str, token: Token, faults: Faults, *, identity: object = None, model: object = None
) -> Reading:
    """The reading of a token whose claims break their profile: who it says it is, for the key that
    shows whether it is a slip or a changed byte, and nothing else of it.
    """
    return Reading(
        scheme=scheme,
        evidence=token.evidence,
        identity=identity if type(identity) is bytes else None,
        model=model.hex() if type(model) is bytes else None,
        key_hint=token.key_id,
        faults=faults,
        body=token,
    )


def check_of(token: Token, key: PublicKey | SharedKey | None) -> tuple[Check, ...]:
    """The one check of a token. A token made in another way than the key's own fails it."""
    if key is None:
        return ()
    if isinstance(key, SharedKey):
        fits = token.maced and token.algorithm == HMAC_256
    else:
        named = token.algorithm
        fits = not token.maced and named is not None and key.algorithm.answers_to(named)
    return (Check(key, token.signature if fits else b"", token.covered),)


def slip(claim: str, why: str) -> AppraisalFinding:
    """The finding of a claim that breaks its profile."""
    return AppraisalFinding(AppraisalCode.CLAIMS_INVALID, {"claim": claim, "fault": why[:200]})


def malformed(why: str) -> Malformed:
    """The problem of bytes that are no evidence of their scheme."""
    return Malformed(
        "attestation.malformed",
        f"the evidence cannot be read: {why}",
        why=why,
        hint="send it as the device made it, and name its scheme",
        fault=why[:200],
    )
