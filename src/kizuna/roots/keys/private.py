# SPDX-License-Identifier: Apache-2.0
"""Private keys, for units only: made, used, kept sealed; never shown.

Keeps: 1. ECDSA signatures leave here with the smaller of the two possible s, so that our own
statements have one signature, not two. 2. The secret bytes go to a unit that seals them and
nowhere else; the text form of a key shows nothing.
Standard: FIPS 186-5, RFC 6979 (seeded keys only), RFC 8032.
"""

from __future__ import annotations

from hashlib import sha512
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from kizuna.model.errors import Malformed
from kizuna.roots.keys.algorithm import Algorithm
from kizuna.roots.keys.public import PublicKey

__all__ = ["PrivateKey", "low_s"]

_ORDER_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF_P256: Final = _ORDER_P256 // 2
_SHA256: Final = hashes.SHA256()
_MAX_PEM: Final = 16 << 10
_RANDOM: Final = ec.ECDSA(_SHA256)
_DETERMINISTIC: Final = ec.ECDSA(_SHA256, deterministic_signing=True)


class PrivateKey:
    """One private key: P-256 (ES256) or Ed25519 (EdDSA)."""

    __slots__ = ("_key", "_scheme", "public")

    public: PublicKey

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
        *,
        deterministic: bool = False,
    ) -> None:
        self._key = key
        self._scheme = _DETERMINISTIC if deterministic else _RANDOM
        self.public = PublicKey.from_loaded(key.public_key())

    def __repr__(self) -> str:
        return f"<private key of {self.public.thumbprint.hex()[:16]}>"

    @staticmethod
    def generate(algorithm: Algorithm) -> PrivateKey:
        """A new key from the system's randomness.

        Raises:
            Malformed: ``key.unsupported`` for an algorithm that is read but not signed with.
        """
        if algorithm is Algorithm.ES256:
            return PrivateKey(ec.generate_private_key(ec.SECP256R1()))
        if algorithm is Algorithm.EDDSA:
            return PrivateKey(ed25519.Ed25519PrivateKey.generate())
        raise _unsupported(algorithm)

    @staticmethod
    def derive(algorithm: Algorithm, seed: bytes) -> PrivateKey:
        """The key that belongs to ``seed``, with reproducible signatures: for worlds and tests."""
        wide = int.from_bytes(sha512(b"kizuna key " + seed).digest(), "big")
        if algorithm is Algorithm.ES256:
            scalar = wide % (_ORDER_P256 - 1) + 1
            return PrivateKey(ec.derive_private_key(scalar, ec.SECP256R1()), deterministic=True)
        if algorithm is Algorithm.EDDSA:
            raw = (wide >> 256).to_bytes(32, "big")
            return PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(raw))
        raise _unsupported(algorithm)

    @staticmethod
    def from_bytes(data: bytes) -> PrivateKey:
        """The key of what ``to_bytes`` gave.

        Raises:
            Malformed: ``key.malformed``.
        """
        try:
            key = serialization.load_der_private_key(data, None)
        except (ValueError, TypeError) as fault:
            raise Malformed("key.malformed", "not a private key", fault="not PKCS#8") from fault
        if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
            return PrivateKey(key)
        raise Malformed("key.malformed", "not a private key of a supported kind", fault="kind")

    @staticmethod
    def from_pem(data: bytes) -> PrivateKey:
        """The key of a PEM block without a passphrase, for what is opened once, outside a unit.

        Raises:
            Malformed: ``key.malformed``.
        """
        try:
            key = serialization.load_pem_private_key(data[:_MAX_PEM], None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
            raise Malformed("key.malformed", "not a private key", fault="not PEM") from fault
        if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
            return PrivateKey(key)
        raise Malformed("key.malformed", "not a private key of a supported kind", fault="kind")

    def to_bytes(self) -> bytes:
        """PKCS#8 bytes, for the unit that seals them."""
        return self._key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def exchange(self, peer: PublicKey) -> bytes:
        """The x coordinate of the point shared with a peer's P-256 key, for a unit that derives.

        Raises:
            Malformed: ``key.unsupported`` where the keys are not of one curve.
        """
        other = peer.load()
        if (
            not isinstance(self._key, ec.EllipticCurvePrivateKey)
            or not isinstance(other, ec.EllipticCurvePublicKey)
            or self._key.curve.name != other.curve.name
        ):
            raise _unsupported(peer.algorithm)
        return self._key.exchange(ec.ECDH(), other)

    def sign(self, message: bytes) -> bytes:
        """The raw signature (64 bytes) over ``message``."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = decode_dss_signature(self._key.sign(message, self._scheme))
        if s > _HALF_P256:
            s = _ORDER_P256 - s
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def low_s(signature: bytes) -> bytes:
    """A raw P-256 signature in its form with the smaller s, for units that sign elsewhere."""
    s = int.from_bytes(signature[32:], "big")
    if s <= _HALF_P256:
        return signature
    return signature[:32] + (_ORDER_P256 - s).to_bytes(32, "big")


def _unsupported(algorithm: Algorithm) -> Malformed:
    return Malformed(
        "key.unsupported",
        f"keys for {algorithm.jose_name} are read, not made",
        hint="make a key for ES256 or EdDSA",
        kind=algorithm.jose_name,
    )
