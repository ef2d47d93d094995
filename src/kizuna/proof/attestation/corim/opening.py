# SPDX-License-Identifier: Apache-2.0
"""Opening a CoRIM: whose it is and whether it is of now, before what it says.

Keeps: 1. Only a signature by a key the verifier gave makes values count as signed; names inside the
header are words. 2. An expired document, or one not valid yet, is refused whole. 3. An unsigned
document is refused unless it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from kizuna.model.errors import Malformed, Refused, Tampered
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.corim.parts import malformed
from kizuna.proof.attestation.corim.reading import MAX_CORIM, Corim, read_corim, read_validity
from kizuna.roots.cose import check_sign1, decode, read_sign1
from kizuna.roots.keys import PublicKey

__all__ = ["open_corim"]

_META = 8
_CONTENT_TYPES = frozenset({"application/rim+cbor", "application/corim-unsigned+cbor"})


def open_corim(
    data: bytes, *, keys: Sequence[PublicKey], now: int, allow_unsigned: bool = False
) -> Corim:
    """The content of a CoRIM that may be believed.

    Args:
        data: the document, signed (COSE_Sign1) or not (tag 501).
        keys: the keys whose signature counts.
        now: the moment, for its validity.
        allow_unsigned: take a document without signature; its values then say so.

    Raises:
        Malformed: ``corim.malformed``, ``corim.profile``.
        Refused: ``corim.unsigned``, ``corim.expired``, ``corim.not-yet-valid``,
            ``envelope.critical``.
        Tampered: ``corim.signature-wrong``.
    """
    if len(data) > MAX_CORIM:
        raise malformed(f"{len(data)} bytes, at most {MAX_CORIM}")
    digest = Digest(sha256(data).digest())
    if data[:3] == b"\xd9\x01\xf5":
        if not allow_unsigned:
            raise Refused(
                "corim.unsigned",
                "the reference values are not signed",
                why="anyone could have written them",
                hint="get the signed document, or accept it as it is with --allow-unsigned",
            )
        corim = read_corim(data)
    else:
        corim = _signed(data, keys)
    corim = replace(corim, digest=digest)
    _check_validity(corim, now)
    return corim


def _signed(data: bytes, keys: Sequence[PublicKey]) -> Corim:
    try:
        message = read_sign1(data, understood=(_META,))
    except Malformed as fault:
        raise malformed(fault.why or fault.what) from fault
    if message.payload is None or message.protected.get(3) not in _CONTENT_TYPES:
        raise malformed("the signed content is not application/rim+cbor")
    hint = message.protected.get(4)
    ordered = sorted(keys, key=lambda key: key.thumbprint != hint)
    signer = next((key for key in ordered if check_sign1(message, key)), None)
    if signer is None:
        raise Tampered(
            "corim.signature-wrong",
            "no accepted key made the signature of the reference values",
            why="they were changed, or someone else signed them",
            hint="check the document and the signer's key",
        )
    corim = read_corim(message.payload)
    name, since, until = _meta(message.protected.get(_META))
    return replace(
        corim,
        signed=True,
        signer=name,
        signer_key=signer.thumbprint,
        since=max((t for t in (corim.since, since) if t is not None), default=None),
        until=min((t for t in (corim.until, until) if t is not None), default=None),
    )


def _meta(value: object) -> tuple[str, int | None, int | None]:
    """Name of the signer and validity of the signature, from the ``corim-meta`` header."""
    if isinstance(value, bytes):
        try:
            value = decode(value)
        except Malformed as fault:
            raise malformed(fault.why) from fault
    if not isinstance(value, Mapping):
        return "", None, None
    signer = value.get(0)
    name = signer.get(0, "") if isinstance(signer, Mapping) else ""
    since, until = read_validity(value.get(1))
    return (name if isinstance(name, str) else "")[:200], since, until


def _check_validity(corim: Corim, now: int) -> None:
    if corim.until is not None and now > corim.until:
        raise Refused(
            "corim.expired",
            "the reference values have expired",
            why=f"they were valid until {corim.until} (seconds since 1970)",
            hint="ask the maker for the current document",
            until=corim.until,
        )
    if corim.since is not None and now < corim.since:
        raise Refused(
            "corim.not-yet-valid",
            "the reference values are not valid yet",
            why=f"they are valid from {corim.since} (seconds since 1970)",
            hint="check the clock, or wait",
            since=corim.since,
        )
