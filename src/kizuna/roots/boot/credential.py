# SPDX-License-Identifier: Apache-2.0
"""Credential activation: prove that a signing key lives in the TPM of an endorsement key.

Keeps: 1. Only the TPM that holds the endorsement key *and* the named key can open what is made
here. 2. It is done in software alone, so that a registrar needs no TPM. 3. The secret is fresh; who
brings it back is compared in constant time.
Standard: TPM 2.0 Library, part 1, section 24 (credential protection), KDFa and KDFe of 11.4.10.
"""

from __future__ import annotations

import hmac
import os
from hashlib import new
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES

try:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
except (
    ImportError
):  # pragma: no cover - where the primitives library still keeps it in its old place
    from cryptography.hazmat.primitives.ciphers.modes import CFB

from kizuna.roots.boot.public import DIGEST_SIZES, PublicArea
from kizuna.roots.boot.wire import malformed

__all__ = ["Challenge", "is_answer", "make_challenge"]

_LABEL: Final = b"IDENTITY\0"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class Challenge:
    """What goes to the device, and the secret that must come back."""

    __slots__ = ("credential", "encrypted", "secret")

    def __init__(self, credential: bytes, encrypted: bytes, secret: bytes) -> None:
        self.credential = credential
        """TPM2B_ID_OBJECT."""
        self.encrypted = encrypted
        """TPM2B_ENCRYPTED_SECRET."""
        self.secret = secret

    def __repr__(self) -> str:
        return "<challenge>"

    def to_file(self) -> bytes:
        """The form that ``tpm2_activatecredential`` reads."""
        return bytes.fromhex("badcc0de00000001") + self.credential + self.encrypted


def make_challenge(endorsement: PublicArea, name: bytes, secret: bytes | None = None) -> Challenge:
    """A secret that only the TPM of ``endorsement`` opens, and only if it holds key ``name``.

    Raises:
        Malformed: ``boot.malformed`` where the endorsement key is no storage key.
    """
    if not endorsement.is_storage_key or endorsement.name_hash not in _HASHES:
        raise malformed("TPM endorsement key", "not a restricted storage key bound to its TPM")
    secret = os.urandom(32) if secret is None else secret
    size = DIGEST_SIZES[endorsement.name_hash]
    if not 0 < len(secret) <= size:
        raise malformed("TPM credential", f"a secret has 1 to {size} bytes")
    seed, encrypted = _seed(endorsement, size)
    hash_name = endorsement.name_hash
    bits = endorsement.symmetric_bits
    cipher_key = _kdfa(hash_name, seed, b"STORAGE", name, bits)
    encryptor = Cipher(AES(cipher_key), CFB(bytes(16))).encryptor()
    hidden = encryptor.update(_sized(secret)) + encryptor.finalize()
    mac_key = _kdfa(hash_name, seed, b"INTEGRITY", b"", size * 8)
    mac = hmac.digest(mac_key, hidden + name, hash_name)
    return Challenge(_sized(_sized(mac) + hidden), _sized(encrypted), secret)


def is_answer(challenge: Challenge, answer: bytes) -> bool:
    """Whether the device opened the challenge."""
    return hmac.compare_digest(challenge.secret, answer)


def _seed(endorsement: PublicArea, size: int) -> tuple[bytes, bytes]:
    """A fresh seed, and how the TPM gets it."""
    loaded = endorsement.key.load()
    digest = _HASHES[endorsement.name_hash]
    if isinstance(loaded, rsa.RSAPublicKey):
        seed = os.urandom(size)
        oaep = padding.OAEP(padding.MGF1(digest), digest, _LABEL)
        return seed, loaded.encrypt(seed, oaep)
    if not isinstance(loaded, ec.EllipticCurvePublicKey):
        raise malformed("TPM endorsement key", "neither RSA nor a curve")
    once = ec.generate_private_key(loaded.curve)
    width = (loaded.curve.key_size + 7) // 8
    mine, theirs = once.public_key().public_numbers(), loaded.public_numbers()
    x, y = mine.x.to_bytes(width, "big"), mine.y.to_bytes(width, "big")
    shared = once.exchange(ec.ECDH(), loaded)
    seed = _kdfe(endorsement.name_hash, shared, x, theirs.x.to_bytes(width, "big"), size * 8)
    return seed, _sized(x) + _sized(y)


def _kdfa(hash_name: str, key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    made, count = b"", 0
    while len(made) * 8 < bits:
        count += 1
        block = count.to_bytes(4, "big") + label + b"\0" + context + bits.to_bytes(4, "big")
        made += hmac.digest(key, block, hash_name)
    return made[: bits // 8]


def _kdfe(hash_name: str, shared: bytes, mine: bytes, theirs: bytes, bits: int) -> bytes:
    made, count = b"", 0
    while len(made) * 8 < bits:
        count += 1
        block = count.to_bytes(4, "big") + shared + _LABEL + mine + theirs
        made += new(hash_name, block).digest()
    return made[: bits // 8]


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
