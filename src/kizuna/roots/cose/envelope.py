# SPDX-License-Identifier: Apache-2.0
"""SCITT signed statements: bytes to envelope, and a payload signed into one.

Keeps: 1. ``parse_sign1`` gives an envelope, which is unverified by type; ``check_signature`` says
yes or no. 2. Issuer, subject and audience are in their one spelling or the statement is refused:
signed bytes cannot be mended. 3. Everything that decides comes from the protected header.
4. Validity stands in the payload, where every kind has it; CWT ``exp`` and ``nbf`` are refused
rather than overlooked.
Standard: RFC 9943, RFC 9597 (CWT claims in headers), RFC 8392, the COSE hash envelope (258-260).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Malformed, Refused, Tampered
from kizuna.model.identifier import Digest, SubjectId, canonical, readable
from kizuna.model.payload.codec import MAX_PAYLOAD
from kizuna.model.statement import Envelope
from kizuna.roots.cose.cbor import Tag, bytes_of, decode, encode, malformed
from kizuna.roots.cose.message import (
    RECEIPTS,
    X5CHAIN,
    byte_strings,
    check_labels,
    decode_header,
    read_frame,
    refuse_critical,
    sig_structure,
)
from kizuna.roots.keys import PublicKey, verify
from kizuna.roots.units import Handle, Unit

__all__ = [
    "MAX_AUDIENCE",
    "SALT_SIZE",
    "check_signature",
    "envelope_of",
    "open_document",
    "parse_sign1",
    "sign_statement",
]

SALTED: Final = "kizuna-salted"
SALT_SIZE: Final = 16
MAX_AUDIENCE: Final = 64
"""Most parties that one restricted statement may name."""

_new: Final = object.__new__
(
    _put_raw,
    _put_digest,
    _put_content,
    _put_to_be_signed,
    _put_signature,
    _put_algorithm,
    _put_key_id,
    _put_issuer,
    _put_subject,
    _put_media_type,
    _put_payload,
    _put_by_hash,
    _put_salted,
    _put_issued_at,
    _put_audience,
    _put_receipts,
    _put_certificates,
) = (getattr(Envelope, member.name).__set__ for member in fields(Envelope))
# the envelope's own constructor, frozen and with keywords, would take a third of the parsing time

_SHA256: Final = -16
_CLAIMS: Final = 15
_MEDIA_TYPE: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r"(?:; ?[A-Za-z0-9-]{1,40}=[A-Za-z0-9._+\"/:-]{1,80}){0,4}"
)
_COAP_TYPES: Final = {
    0: "text/plain; charset=utf-8",
    42: "application/octet-stream",
    50: "application/json",
    60: "application/cbor",
}
_UNDERSTOOD: Final = frozenset({SALTED})
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z


def parse_sign1(data: bytes) -> Envelope:
    """The envelope of a signed statement; its signature is *not* checked.

    Raises:
        Malformed: ``envelope.too-large``, ``envelope.malformed``, ``envelope.header``,
            ``envelope.detached``, ``identifier.malformed``, ``identifier.not-canonical``.
        Refused: ``envelope.critical``, ``envelope.validity``, ``envelope.hash-algorithm``.
    """
    protected, unprotected, payload, signature, plain, to_be_signed = read_frame(data)
    if payload is None:
        raise Malformed(
            "envelope.detached",
            "the statement carries no payload",
            why="a statement holds its content, or the hash of its document",
            hint="sign the hash of the document and send the document beside it",
        )
    header = decode_header(protected)
    if 2 in header:
        refuse_critical(header, _UNDERSTOOD)
    algorithm, key_id, claims = header.get(1), header.get(4, b""), header.get(_CLAIMS)
    if type(algorithm) is not int:
        raise _header("alg (1)", "an integer")
    if type(key_id) is not bytes or len(key_id) > 256:
        raise _header("kid (4)", "a byte string of at most 256 bytes")
    if type(claims) is not dict:
        raise _header("CWT claims (15)", "a map")
    check_labels(claims)
    issuer, subject = claims.get(1), claims.get(2)
    if type(issuer) is not str:
        raise _header("iss (CWT claim 1)", "a text")
    if type(subject) is not str:
        raise _header("sub (CWT claim 2)", "a text")
    if 4 in claims or 5 in claims:
        raise Refused(
            "envelope.validity",
            "the header limits the validity (exp or nbf)",
            why="validity is part of what is said, so it stands in the payload",
            hint="write valid_from and valid_until into the payload",
        )
    audience = claims.get(3)
    if 258 in header:
        by_hash, media_type = True, header.get(259)
        salted = header.get(SALTED) is True
        if header[258] != _SHA256 or len(payload) != 32:
            raise Refused(
                "envelope.hash-algorithm",
                "the document is hashed with another algorithm than SHA-256",
                why="the store finds documents by their SHA-256",
                hint="hash with SHA-256 (payload-hash-alg -16)",
            )
        if 3 in header:
            raise _header("content type (3)", "absent in a hash envelope; the type stands in 259")
    else:
        by_hash, media_type, salted = False, header.get(3), False
        if len(payload) > MAX_PAYLOAD:
            raise Malformed(
                "payload.too-large",
                f"payload of {len(payload)} bytes, at most {MAX_PAYLOAD}",
                hint="send the document beside the statement and sign its hash",
                size=len(payload),
                limit=MAX_PAYLOAD,
            )
    certificates, receipts = header.get(X5CHAIN), byte_strings(None)
    if unprotected != b"\xa0":
        beside = decode(unprotected)
        if type(beside) is not dict:
            raise malformed("the unprotected header is no map")
        receipts = byte_strings(beside.get(RECEIPTS))
        certificates = certificates or beside.get(X5CHAIN)
    envelope = _new(Envelope)
    _put_raw(envelope, plain)
    _put_digest(envelope, sha256(plain).digest())
    _put_content(envelope, sha256(to_be_signed).digest())
    _put_to_be_signed(envelope, to_be_signed)
    _put_signature(envelope, signature)
    _put_algorithm(envelope, algorithm)
    _put_key_id(envelope, key_id)
    _put_issuer(envelope, _one_spelling(issuer))
    _put_subject(envelope, _one_spelling(subject))
    _put_media_type(envelope, _media_type(media_type))
    _put_payload(envelope, payload)
    _put_by_hash(envelope, by_hash)
    _put_salted(envelope, salted)
    _put_issued_at(envelope, _instant(claims[6]) if 6 in claims else None)
    _put_audience(envelope, () if audience is None else _audience(audience))
    _put_receipts(envelope, receipts)
    _put_certificates(envelope, byte_strings(certificates) if certificates else ())
    return envelope


def envelope_of(
    raw: bytes,
    digest: Digest,
    content: Digest,
    to_be_signed: bytes,
    signature: bytes,
    algorithm: int,
    key_id: bytes,
    issuer: SubjectId,
    subject: SubjectId,
    media_type: str,
    payload: bytes,
    issued_at: int | None,
) -> Envelope:
    """A plain envelope from parts that ``parse_sign1`` found before, in another process: without
    document, readers, receipts or certificates.
    """
    envelope = _new(Envelope)
    _put_raw(envelope, raw)
    _put_digest(envelope, digest)
    _put_content(envelope, content)
    _put_to_be_signed(envelope, to_be_signed)
    _put_signature(envelope, signature)
    _put_algorithm(envelope, algorithm)
    _put_key_id(envelope, key_id)
    _put_issuer(envelope, issuer)
    _put_subject(envelope, subject)
    _put_media_type(envelope, media_type)
    _put_payload(envelope, payload)
    _put_by_hash(envelope, False)  # noqa: FBT003 - a slot's own setter
    _put_salted(envelope, False)  # noqa: FBT003
    _put_issued_at(envelope, issued_at)
    _put_audience(envelope, ())
    _put_receipts(envelope, ())
    _put_certificates(envelope, ())
    return envelope


def check_signature(envelope: Envelope, key: PublicKey) -> bool:
    """Whether ``key`` signed this envelope, with the algorithm that belongs to the key."""
    return key.algorithm.answers_to(envelope.algorithm) and verify(
        key, envelope.signature, envelope.to_be_signed
    )


def sign_statement(
    unit: Unit,
    handle: Handle,
    *,
    issuer: str,
    subject: str,
    media_type: str,
    payload: bytes,
    issued_at: int,
    audience: Sequence[str] = (),
    by_hash: bool = False,
    salt: bytes = b"",
    location: str | None = None,
) -> bytes:
    """A signed statement.

    Args:
        unit: where the key lives.
        handle: the key; its thumbprint goes into the header as ``kid``.
        issuer: who says it; the key must be one of theirs.
        subject: what it is about.
        media_type: what the payload is.
        payload: the payload, or with ``by_hash`` the document that is hashed.
        issued_at: when it was said, as the issuer claims; seconds since 1970.
        audience: who may read it; empty for everyone.
        by_hash: sign the SHA-256 of the document, which then travels beside the statement.
        salt: 16 random bytes before the document (only ``by_hash``): needed wherever the document
            is personal or restricted, because an unsalted hash can be guessed.
        location: where the document may be found (only ``by_hash``).

    Raises:
        Malformed: ``identifier.malformed``, ``envelope.header``, ``payload.too-large``.
    """
    claims: dict[int, Any] = {
        1: canonical(issuer),
        2: canonical(subject),
        6: _instant(issued_at),
    }
    if audience:
        names = sorted({canonical(name) for name in audience})
        claims[3] = names[0] if len(names) == 1 else _audience(names)
    header: dict[int | str, Any] = {4: bytes.fromhex(handle.id), _CLAIMS: claims}
    media_type = _media_type(media_type)
    if by_hash:
        header |= {258: _SHA256, 259: media_type}
        if location is not None:
            header[260] = location
        if salt:
            header[SALTED] = True
        payload = sha256(salted(payload, salt) if salt else payload).digest()
    else:
        header[3] = media_type
        if len(payload) > MAX_PAYLOAD:
            raise Malformed(
                "payload.too-large",
                f"payload of {len(payload)} bytes, at most {MAX_PAYLOAD}",
                hint="sign it by hash and send the document beside it",
                size=len(payload),
                limit=MAX_PAYLOAD,
            )
    header[1] = handle.algorithm.value
    protected = encode(header)
    signature = unit.sign(handle, sig_structure(protected, payload))
    return b"".join(
        (b"\xd2\x84", bytes_of(protected), b"\xa0", bytes_of(payload), bytes_of(signature))
    )


def salted(document: bytes, salt: bytes) -> bytes:
    """The bytes that stand beside the log for a salted document: salt, then document.

    Raises:
        Malformed: ``envelope.header`` when the salt has not 16 bytes.
    """
    if len(salt) != SALT_SIZE:
        raise _header("salt", f"{SALT_SIZE} random bytes")
    return salt + document


def open_document(envelope: Envelope, stored: bytes) -> bytes:
    """The document of a hash envelope, from the bytes stored beside the log.

    Raises:
        Tampered: ``envelope.document-differs`` when they are not the bytes that were signed.
    """
    if sha256(stored).digest() != envelope.payload or (envelope.salted and len(stored) < SALT_SIZE):
        raise Tampered(
            "envelope.document-differs",
            "the document is not the one whose hash was signed",
            why="it was changed, or belongs to another statement",
            hint="send the document as it was when it was signed",
            statement=envelope.digest.hex(),
        )
    return stored[SALT_SIZE:] if envelope.salted else stored


def _one_spelling(name: str) -> SubjectId:
    spelt = readable(name)
    if spelt != name:
        raise Malformed(
            "identifier.not-canonical",
            f"identifier not in its one spelling: {name[:80]!r}",
            why=f"it is written {spelt[:80]!r}; signed bytes cannot be mended",
            hint="write identifiers canonically before signing",
            identifier=name[:80],
            canonical=spelt[:80],
        )
    return spelt


@lru_cache(maxsize=4096)
def _checked_media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise _header("content type (3 or 259)", "a media type")
    return text


def _media_type(value: object) -> str:
    if type(value) is str and len(value) <= 600:
        return _checked_media_type(value)
    if type(value) is int and value in _COAP_TYPES:
        return _COAP_TYPES[value]
    raise _header("content type (3 or 259)", "a media type")


def _instant(value: object) -> int:
    if isinstance(value, Tag) and value.tag == 1:
        value = value.value  # field statements write the date with its tag
    if type(value) is int and 0 <= value <= _LAST_SECOND:
        return value
    if type(value) is float and 0 <= value <= _LAST_SECOND:
        return int(value)
    raise _header("iat (CWT claim 6)", "seconds since 1970")


def _audience(value: object) -> tuple[SubjectId, ...]:
    names: Sequence[object] = (value,) if type(value) is str else ()
    if isinstance(value, list | tuple):
        names = value
    if not 1 <= len(names) <= MAX_AUDIENCE:
        raise _header("aud (CWT claim 3)", f"a text or 1 to {MAX_AUDIENCE} texts")
    spelt: list[SubjectId] = []
    for name in names:
        if type(name) is not str:
            raise _header("aud (CWT claim 3)", f"a text or 1 to {MAX_AUDIENCE} texts")
        spelt.append(_one_spelling(name))
    return tuple(spelt)


def _header(label: str, wanted: str) -> Malformed:
    return Malformed(
        "envelope.header",
        f"header {label} must be {wanted}",
        why="it is missing or of another type",
        hint="sign with `kizuna statement sign`, or see RFC 9943 section 6",
        label=label,
        wanted=wanted,
    )
