# SPDX-License-Identifier: Apache-2.0
"""COSE_Encrypt beside a detached ciphertext: who may open it, and opening it.

Keeps: 1. Only ciphers that show an alteration (AES-GCM) are taken; counter and chaining modes are
refused by name, because with them a stranger steers what comes out. 2. A content key is made anew
for each message and is wrapped for each recipient by itself (A128KW, A192KW, A256KW, or a P-256
agreement with an ephemeral key and A128KW). 3. Recipients, headers and keys are bounded. 4. Nothing
of a text that does not open is given out.
Standard: RFC 9052 section 5.1, RFC 9053 sections 4.1, 5.2, 6.2.1 and 6.4.1;
draft-ietf-suit-firmware-encryption for the derivation's context.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from kizuna.model.errors import Malformed, Refused, Tampered
from kizuna.roots.cose.cbor import Tag, decode, encode, malformed
from kizuna.roots.cose.mac0 import SharedKey
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey

__all__ = ["SUIT_CONTEXT", "Encrypted", "Opener", "decrypt", "encrypt", "read_encrypted"]

Opener = SharedKey | PrivateKey
"""What opens a message: a wrapping key of 16, 24 or 32 bytes, or a P-256 private key."""

SUIT_CONTEXT: Final = b"SUIT Payload Encryption"
"""What binds a derived key to firmware (SuppPubInfo.other)."""
MAX_RECIPIENTS: Final = 256
_TAG: Final = 96
_MAX_SIZE: Final = 64 << 10
_MAX_LABEL: Final = 64
_MAX_HEADER: Final = 16
_GCM: Final = {1: 16, 2: 24, 3: 32}
"""Sizes of content keys by algorithm."""
_WRAPS: Final = {-3: 16, -4: 24, -5: 32}
_AGREE: Final = -29


@dataclass(frozen=True, slots=True)
class _Recipient:
    algorithm: int
    protected: bytes
    key_id: bytes | None
    ephemeral: PublicKey | None
    salt: bytes | None
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Encrypted:
    """How a detached ciphertext is opened; nothing in it is secret and nothing is proven."""

    algorithm: int
    protected: bytes
    nonce: bytes
    recipients: tuple[_Recipient, ...]

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """For whom the sender says it is; hints only."""
        return tuple(one.key_id for one in self.recipients if one.key_id is not None)


def read_encrypted(data: bytes) -> Encrypted:
    """A COSE_Encrypt (tag 96 or bare) whose ciphertext travels elsewhere.

    Raises:
        Malformed: ``envelope.malformed``.
        Refused: ``envelope.cipher`` for algorithms that are not taken.
    """
    if len(data) > _MAX_SIZE:
        raise malformed(f"{len(data)} bytes, at most {_MAX_SIZE}")
    value = decode(data)
    if isinstance(value, Tag):
        if value.tag != _TAG:
            raise malformed(f"tag {value.tag} is not that of an encrypted message")
        value = value.value
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise malformed("an encrypted message has four parts")
    protected, unprotected, ciphertext, recipients = value
    if ciphertext is not None:
        raise malformed("the ciphertext must travel beside the message")
    header = _header(protected)
    algorithm = header.get(1)
    if type(algorithm) is not int or algorithm not in _GCM:
        raise _cipher(algorithm)
    both = header | {k: v for k, v in _map(unprotected).items() if k not in header}
    nonce = both.get(5)
    if type(nonce) is not bytes or len(nonce) != 12:
        raise malformed("the nonce has 12 bytes")
    if not isinstance(recipients, list | tuple) or not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise malformed(f"1 to {MAX_RECIPIENTS} recipients")
    return Encrypted(algorithm, protected, nonce, tuple(_recipient(one) for one in recipients))


def decrypt(
    message: Encrypted,
    ciphertext: bytes,
    openers: Sequence[Opener],
    *,
    context: bytes = SUIT_CONTEXT,
) -> bytes:
    """The plaintext.

    Raises:
        Refused: ``envelope.not-for-us`` where no key of ``openers`` unwraps the content key.
        Tampered: ``envelope.ciphertext`` where it does not open under that key.
    """
    for recipient in message.recipients:
        for opener in openers:
            wrapping = _wrapping(recipient, opener, context)
            if wrapping is None:
                continue
            try:
                key = aes_key_unwrap(wrapping, recipient.wrapped)
            except (InvalidUnwrap, ValueError):
                continue
            if len(key) != _GCM[message.algorithm]:
                continue
            try:
                return AESGCM(key).decrypt(message.nonce, ciphertext, _structure(message.protected))
            except (InvalidTag, ValueError) as fault:
                raise Tampered(
                    "envelope.ciphertext",
                    "the encrypted content is another than the one that was encrypted",
                    why="its authentication tag does not fit",
                    hint="fetch it again from its maker",
                ) from fault
    raise Refused(
        "envelope.not-for-us",
        "none of the given keys opens the content",
        why="it was encrypted for others",
        hint="give the key for which it was encrypted",
    )


def encrypt(
    plaintext: bytes,
    recipients: Sequence[PublicKey | SharedKey],
    *,
    key_ids: Sequence[bytes] | None = None,
    context: bytes = SUIT_CONTEXT,
) -> tuple[bytes, bytes]:
    """The COSE_Encrypt and the ciphertext (AES-256-GCM, tag at its end) for these recipients.

    A public key gets the content key by agreement, a shared key of 16, 24 or 32 bytes by wrapping.

    Raises:
        Malformed: ``envelope.recipient`` for none, too many, or a key of another kind.
    """
    if not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise _no_recipient(f"1 to {MAX_RECIPIENTS} of them")
    names = key_ids or [_name(one) for one in recipients]
    key, nonce = AESGCM.generate_key(256), os.urandom(12)
    protected = encode({1: 3})
    blocks = [
        _wrapped_for(one, name, key, context) for one, name in zip(recipients, names, strict=True)
    ]
    message = encode(Tag(_TAG, [protected, {5: nonce}, None, blocks]))
    return message, AESGCM(key).encrypt(nonce, plaintext, _structure(protected))


def _wrapped_for(
    recipient: PublicKey | SharedKey, name: bytes, key: bytes, context: bytes
) -> list[object]:
    if isinstance(recipient, SharedKey):
        size = len(recipient.secret)
        algorithm = next((one for one, want in _WRAPS.items() if want == size), None)
        if algorithm is None:
            raise _no_recipient("a wrapping key has 16, 24 or 32 bytes")
        return [b"", {1: algorithm, 4: name}, aes_key_wrap(recipient.secret, key)]
    if recipient.algorithm is not Algorithm.ES256:
        raise _no_recipient("agreement needs a P-256 key")
    ephemeral = PrivateKey.generate(Algorithm.ES256)
    protected = encode({1: _AGREE})
    wrapping = _derived(ephemeral.exchange(recipient), protected, None, context)
    spoken = decode(ephemeral.public.cose_key)
    return [protected, {-1: spoken, 4: name}, aes_key_wrap(wrapping, key)]


def _wrapping(recipient: _Recipient, opener: Opener, context: bytes) -> bytes | None:
    """The wrapping key that this recipient shares with the sender; None where the kinds differ."""
    if isinstance(opener, SharedKey):
        fits = _WRAPS.get(recipient.algorithm) == len(opener.secret)
        return opener.secret if fits else None
    if recipient.ephemeral is None or opener.public.algorithm is not Algorithm.ES256:
        return None
    shared = opener.exchange(recipient.ephemeral)
    return _derived(shared, recipient.protected, recipient.salt, context)


def _derived(shared: bytes, protected: bytes, salt: bytes | None, context: bytes) -> bytes:
    nobody = [None, None, None]
    info = encode([-3, nobody, nobody, [128, protected, context]])
    return HKDF(hashes.SHA256(), 16, salt, info).derive(shared)


def _structure(protected: bytes) -> bytes:
    return encode(["Encrypt", protected, b""])


def _recipient(value: object) -> _Recipient:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise malformed("a recipient has three parts")
    protected, unprotected, wrapped = value
    header, beside = _header(protected), _map(unprotected)
    key_id = header.get(4, beside.get(4))
    if key_id is not None and (type(key_id) is not bytes or len(key_id) > _MAX_LABEL):
        raise malformed("key id of a recipient")
    if type(wrapped) is not bytes or not 24 <= len(wrapped) <= 40:
        raise malformed("wrapped key of a wrong size")
    algorithm = header.get(1, beside.get(1))
    if type(algorithm) is not int or (algorithm not in _WRAPS and algorithm != _AGREE):
        raise _cipher(algorithm)
    if algorithm != _AGREE:
        return _Recipient(algorithm, protected, key_id, None, None, wrapped)
    if header.get(1) != _AGREE:
        raise malformed("the way of agreement is not protected")
    salt = header.get(-20, beside.get(-20))
    if salt is not None and (type(salt) is not bytes or len(salt) > _MAX_LABEL):
        raise malformed("salt of a recipient")
    ephemeral = _point(header.get(-1, beside.get(-1)))
    return _Recipient(algorithm, protected, key_id, ephemeral, salt, wrapped)


def _point(value: object) -> PublicKey:
    try:
        point = PublicKey.from_cose_map(_map(value))
    except Malformed as fault:
        raise malformed("the ephemeral key is no point of its curve") from fault
    if point.algorithm is not Algorithm.ES256:
        raise malformed("the ephemeral key is not on P-256")
    return point


def _header(data: object) -> dict[Any, Any]:
    if type(data) is not bytes:
        raise malformed("a protected header is no byte string")
    if len(data) > 1024:
        raise malformed("a protected header is too large")
    found = _map(decode(data)) if data else {}
    if 2 in found:
        raise malformed("a header marks critical what is not understood")
    return found


def _map(value: object) -> dict[Any, Any]:
    if not isinstance(value, Mapping) or len(value) > _MAX_HEADER:
        raise malformed("a header is no small map")
    return dict(value)


def _name(recipient: PublicKey | SharedKey) -> bytes:
    return recipient.thumbprint if isinstance(recipient, PublicKey) else recipient.id


def _cipher(algorithm: object) -> Refused:
    name = str(algorithm)[:20]
    return Refused(
        "envelope.cipher",
        f"encryption algorithm {name} is not taken",
        why="only AES-GCM under AES key wrap or a P-256 agreement is: the others do not show an "
        "alteration, or are unknown here",
        hint="encrypt with A128GCM or A256GCM for A128KW or ECDH-ES+A128KW",
        algorithm=name,
    )


def _no_recipient(fault: str) -> Malformed:
    return Malformed(
        "envelope.recipient",
        f"nobody to encrypt for: {fault}",
        why=fault,
        hint="give P-256 public keys, or wrapping keys of 16, 24 or 32 bytes",
        fault=fault,
    )
