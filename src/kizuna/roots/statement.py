# SPDX-License-Identifier: Apache-2.0
"""From envelope to statement: the one door through which unverified bytes become verified ones.

Keeps: 1. ``checked`` checks the signature and gives a ``Statement`` or raises; ``decoded`` is the
same for callers that have just checked many signatures at once. 2. A payload of our own kinds is
decoded whole, and every identifier in it is in its one spelling. 3. The key is named by its
thumbprint, whatever ``kid`` the signer wrote.
Does not: decide whether the key may speak for the issuer; that is ``roots.identity``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.identifier import Digest, canonical, digest_of, readable
from kizuna.model.kind import Kind, kind_of, media_type_of
from kizuna.model.payload import Payload, decode_payload, identifiers_of
from kizuna.model.statement import Envelope, Statement
from kizuna.roots.cose import check_signature, open_document
from kizuna.roots.keys import PublicKey

__all__ = ["checked", "decoded", "payload_of"]

_OWN: Final = frozenset(media_type_of(kind) for kind in Kind)


def checked(envelope: Envelope, key: PublicKey, document: bytes | None = None) -> Statement:
    """The statement of an envelope that ``key`` signed.

    Args:
        envelope: what ``parse_sign1`` gave.
        key: a key of the issuer.
        document: for a hash envelope, the bytes that stand beside the log (salt included); None
            where they are not at hand.

    Raises:
        Tampered: ``envelope.signature-wrong``, ``envelope.document-differs``.
        Malformed: ``payload.*``, ``identifier.malformed``, ``identifier.not-canonical``.
    """
    if not check_signature(envelope, key):
        raise Tampered(
            "envelope.signature-wrong",
            f"the signature is not that of key {key.thumbprint.hex()[:16]}",
            why="the statement was changed after signing, or somebody else signed it",
            hint="ask the issuer for the statement as it was signed",
            statement=envelope.digest.hex(),
            issuer=envelope.issuer,
            key=key.thumbprint.hex(),
        )
    return decoded(envelope, key, document)


def decoded(
    envelope: Envelope,
    key: PublicKey,
    document: bytes | None = None,
    *,
    again: bool = False,
    new: bool = False,
) -> Statement:
    """As ``checked``, for a caller that checked this very signature with this very key.

    ``again``: the caller had these very bytes decoded before, so that the spelling of the names in
    them is known to be right. ``new``: it is about to be registered, so that its names must be in
    the one spelling of today; what was registered before is read by the rules of its day.

    Raises:
        Tampered: ``envelope.document-differs``.
        Malformed: ``payload.*``, ``identifier.malformed``, ``identifier.not-canonical``.
    """
    media_type = envelope.media_type
    payload = payload_of(envelope, document, again=again, new=new)
    document_digest = Digest(envelope.payload) if envelope.by_hash else None
    if media_type not in _OWN and not envelope.by_hash:
        document_digest = digest_of(envelope.payload)
    return Statement(
        digest=envelope.digest,
        content=envelope.content,
        issuer=envelope.issuer,
        subject=envelope.subject,
        kind=kind_of(media_type),
        media_type=media_type,
        key_id=key.thumbprint,
        payload=payload,
        document=document_digest,
        issued_at=envelope.issued_at,
        audience=envelope.audience,
    )


def payload_of(
    envelope: Envelope,
    document: bytes | None = None,
    *,
    again: bool = False,
    new: bool = False,
) -> Payload | None:
    """The payload that ``decoded`` gives its statement, under the same rules; none for a document
    of the field, or where the document of a hash envelope is not at hand.

    Raises:
        As ``decoded``.
    """
    media_type, content = envelope.media_type, envelope.payload
    if envelope.by_hash:
        content = b"" if document is None else open_document(envelope, document)
    payload: Payload | None = None
    if media_type in _OWN and not (envelope.by_hash and document is None):
        payload = decode_payload(kind_of(media_type), content)
        if not again:
            _spelt(identifiers_of(payload), new=new)
    if new:
        _spelt((envelope.issuer, envelope.subject, *envelope.audience), new=True)
    return payload


def _spelt(names: Iterable[str], *, new: bool) -> None:
    rule = canonical if new else readable
    for name in names:
        one = rule(name)
        if one != name:
            raise Malformed(
                "identifier.not-canonical",
                f"identifier not in its one spelling: {name[:80]!r}",
                why=f"it is written {one[:80]!r}; signed bytes cannot be mended",
                hint="write identifiers canonically before signing",
                identifier=name[:80],
                canonical=one[:80],
            )
