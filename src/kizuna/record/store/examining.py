# SPDX-License-Identifier: Apache-2.0
"""What the bytes of a statement tell by themselves: parts, key of the issuer's name, signature,
payload and map keys. Made by helper processes in bulk, so that the one writer need not.

Keeps: 1. The order is the pipeline's: nothing of a payload is read before its signature held with a
key that the issuer's own name carries. 2. An answer is given for the plain case alone; whatever is
unusual (a document beside the log, readers, receipts that came along, a key that was enrolled, a
payload that is refused, or that acts on keys, members or statements) is left open, and the writer
looks for itself: it refuses in its own words.
3. What is told decides nothing: whether that key still counts is judged by the writer, in the order
of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from kizuna.model.errors import Problem
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.statement import Envelope
from kizuna.record.log.keys import keys_under
from kizuna.roots.cose import check_signature, envelope_of, parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.keys import PublicKey
from kizuna.roots.statement import payload_of

__all__ = ["Examined", "Examiner", "envelope_from"]

_MOST_NAMES: Final = 65_536
_TELLING: Final = frozenset(
    media_type_of(kind) for kind in Kind if kind not in {Kind.STATUS, Kind.MEMBERSHIP}
)


class Examined(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was seen in the bytes of one statement."""

    digest: bytes
    content: bytes
    algorithm: int
    key_id: bytes
    issuer: str
    subject: str
    media_type: str
    issued_at: int | None
    header_end: int
    payload_at: int
    payload_end: int
    signature_size: int
    key: bytes
    """Thumbprint of the key from the issuer's name; empty where its name told none."""
    holds: bool
    """Whether the signature is that key's."""
    keys: bytes | None
    """Its map keys, one after the other, where its payload was read, is in order, and acts on
    nothing that the intake itself looks at."""


class Examiner:
    """Looks at statements, remembering the keys of names. Owned by one helper process."""

    def __init__(self) -> None:
        self._names: dict[str, PublicKey | None] = {}

    def examine(self, data: bytes) -> Examined | None:
        """What ``data`` tells; none where the writer must look for itself."""
        return self.examine_all((data,))[0]

    def examine_all(self, statements: Sequence[bytes]) -> list[Examined | None]:
        """As ``examine``, one step after the other for all of them: the primitives keep their
        tables in the processor's nearest memory for as long as nothing else comes between.
        """
        opened = [_opened(data) for data in statements]
        keys = [None if envelope is None else self._key(envelope) for envelope in opened]
        signed = [
            envelope is not None and key is not None and check_signature(envelope, key)
            for envelope, key in zip(opened, keys, strict=True)
        ]
        return [
            None if envelope is None else _seen(envelope, key, holds=holds)
            for envelope, key, holds in zip(opened, keys, signed, strict=True)
        ]

    def _key(self, envelope: Envelope) -> PublicKey | None:
        issuer, named = envelope.issuer, envelope.key_id
        key = self._names.get(issuer)
        if key is None and issuer not in self._names:
            if len(self._names) > _MOST_NAMES:
                self._names.clear()
            try:
                found = genesis_keys(issuer)
            except Problem:
                found = ()
            key = self._names[issuer] = found[0] if len(found) == 1 else None
        if key is None or (len(named) == 32 and key.thumbprint != named):
            return None
        return key if key.algorithm.answers_to(envelope.algorithm) else None


def _opened(data: bytes) -> Envelope | None:
    """The envelope of a plain statement."""
    try:
        envelope = parse_sign1(data)
    except Problem:
        return None
    if envelope.raw != data or envelope.by_hash or envelope.audience or envelope.certificates:
        return None
    return envelope


def _seen(envelope: Envelope, key: PublicKey | None, *, holds: bool) -> Examined:
    payload, signature = envelope.payload, envelope.signature
    payload_end = len(envelope.raw) - len(signature) - _head_size(len(signature))
    payload_at = payload_end - len(payload)
    return Examined(
        envelope.digest,
        envelope.content,
        envelope.algorithm,
        envelope.key_id,
        envelope.issuer,
        envelope.subject,
        envelope.media_type,
        envelope.issued_at,
        payload_at - _head_size(len(payload)) - 1,
        payload_at,
        payload_end,
        len(signature),
        b"" if key is None else key.thumbprint,
        holds,
        _map_keys(envelope) if holds else None,
    )


def envelope_from(data: bytes, seen: Examined) -> Envelope:
    """The envelope of a statement that was examined: what ``parse_sign1`` gives."""
    return envelope_of(
        data,
        Digest(seen.digest),
        Digest(seen.content),
        b"".join(
            (
                b"\x84\x6aSignature1",
                data[2 : seen.header_end],
                b"\x40",
                data[seen.header_end + 1 : seen.payload_end],
            )
        ),
        data[-seen.signature_size :] if seen.signature_size else b"",
        seen.algorithm,
        seen.key_id,
        SubjectId(seen.issuer),
        SubjectId(seen.subject),
        seen.media_type,
        data[seen.payload_at : seen.payload_end],
        seen.issued_at,
    )


def _map_keys(envelope: Envelope) -> bytes | None:
    if envelope.media_type not in _TELLING:
        return None
    try:
        payload = payload_of(envelope, new=True)
    except Problem:
        return None
    return b"".join(keys_under(envelope.subject, envelope.issuer, payload))


def _head_size(length: int) -> int:
    """Bytes of the head of a CBOR byte string in its shortest form."""
    return 1 if length < 24 else 2 if length < 0x100 else 3 if length < 0x10000 else 5
