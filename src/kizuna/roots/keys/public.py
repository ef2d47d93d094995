# SPDX-License-Identifier: Apache-2.0
"""Public keys: one value, one spelling, one name.

Keeps: 1. A key is its COSE_Key in deterministic CBOR with the required members only, so that equal
keys have equal bytes; its name is the RFC 9679 thumbprint of those. 2. Every way in checks the
key: the point lies on its curve, RSA has at least 2048 bits, and an Ed25519 key is neither of low
order (one signature would then fit many messages) nor spelt in a second way.
Standard: RFC 9052, RFC 9053, RFC 9679, RFC 7517, RFC 8037.

Example:
    >>> key = PublicKey.from_jwk({"kty": "OKP", "crv": "Ed25519",
    ...     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    >>> key.algorithm.name, len(key.thumbprint)
    ('EDDSA', 32)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kizuna.model.errors import Malformed
from kizuna.roots import base64url
from kizuna.roots.keys.algorithm import Algorithm, algorithm_named

__all__ = ["Loaded", "PublicKey"]

Loaded = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

MAX_KEY: Final = 4096
"""Largest encoded key in bytes (RSA 16,384 would need 2,100): bounds the work of loading."""

_P25519: Final = 2**255 - 19
_LOW_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _P25519 - 1,
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
            "little",
        ),
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
            "little",
        ),
    }
)
"""The y coordinates of the eight points of low order."""
_CURVES: Final[dict[int, tuple[Algorithm, ec.EllipticCurve, int, str]]] = {
    1: (Algorithm.ES256, ec.SECP256R1(), 32, "P-256"),
    2: (Algorithm.ES384, ec.SECP384R1(), 48, "P-384"),
    3: (Algorithm.ES512, ec.SECP521R1(), 66, "P-521"),
}
_CURVE_NAMED: Final = {entry[3]: number for number, entry in _CURVES.items()}
_CURVE_OF: Final = {entry[0]: number for number, entry in _CURVES.items()}
_CURVE_OPENSSL: Final = {entry[1].name: number for number, entry in _CURVES.items()}
_RSA: Final = (Algorithm.PS256, Algorithm.PS384, Algorithm.PS512)
_RSA_BITS: Final = range(2048, 8193)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that was checked when it was made; make one with a ``from_...`` method."""

    algorithm: Algorithm
    cose_key: bytes
    """The COSE_Key in deterministic CBOR, required members only."""
    thumbprint: bytes = field(init=False, compare=False, repr=False)
    """RFC 9679 thumbprint (SHA-256): the name of the key, 32 bytes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "thumbprint", sha256(self.cose_key).digest())

    @staticmethod
    def from_loaded(loaded: object, algorithm: Algorithm | None = None) -> PublicKey:
        """The value of a key object of the primitives library; ``algorithm`` chooses for RSA.

        Raises:
            Malformed: ``key.unsupported`` for other kinds of key, ``key.weak``.
        """
        if isinstance(loaded, ec.EllipticCurvePublicKey):
            number = _CURVE_OPENSSL.get(loaded.curve.name)
            if number is None:
                raise _unsupported(f"curve {loaded.curve.name}")
            fixed, _, size, _ = _CURVES[number]
            point = loaded.public_numbers()
            members: dict[int, int | bytes] = {
                1: 2,
                -1: number,
                -2: point.x.to_bytes(size, "big"),
                -3: point.y.to_bytes(size, "big"),
            }
        elif isinstance(loaded, ed25519.Ed25519PublicKey):
            fixed = Algorithm.EDDSA
            raw = loaded.public_bytes_raw()
            y = int.from_bytes(raw, "little") & (2**255 - 1)
            if y >= _P25519 or y in _LOW_ORDER_Y:
                raise Malformed(
                    "key.weak",
                    "Ed25519 key of low order, or not in its one spelling",
                    why="with such a key one signature fits many messages",
                    hint="make a new key",
                )
            members = {1: 1, -1: 6, -2: raw}
        elif isinstance(loaded, rsa.RSAPublicKey):
            fixed = algorithm if algorithm in _RSA else Algorithm.PS256
            algorithm = fixed
            numbers = loaded.public_numbers()
            if loaded.key_size not in _RSA_BITS or not 3 <= numbers.e < 2**32:
                raise Malformed(
                    "key.weak",
                    f"RSA key of {loaded.key_size} bits",
                    why="RSA keys of 2048 to 8192 bits with a small exponent are accepted",
                    hint="use a P-256 key",
                )
            members = {1: 3, -1: _big(numbers.n), -2: _big(numbers.e)}
        else:
            raise _unsupported(type(loaded).__name__)
        if algorithm is not None and algorithm is not fixed:
            raise Malformed(
                "key.algorithm-mismatch",
                f"a key for {fixed.jose_name} cannot serve {algorithm.jose_name}",
                hint="name the algorithm that belongs to the key",
            )
        return PublicKey(fixed, cbor2.dumps(members, canonical=True))

    @staticmethod
    def from_jwk(jwk: Mapping[str, object]) -> PublicKey:
        """The key of a public JWK; members other than the required ones have no effect.

        Raises:
            Malformed: ``key.malformed``, ``key.private`` (a private member is in it),
                ``key.encoding``, ``key.unsupported``, ``key.weak``, ``key.algorithm-mismatch``.
        """
        if "d" in jwk or "k" in jwk or "p" in jwk:
            raise Malformed(
                "key.private",
                "a private key stands where a public one belongs",
                why="whoever has read it may have it: treat it as compromised",
                hint="remove the members d, p, q, dp, dq, qi and k, and make a new key",
            )
        named = jwk.get("alg")
        algorithm = algorithm_named(named) if isinstance(named, str) else None
        kind, curve = jwk.get("kty"), jwk.get("crv")
        if kind == "EC" and isinstance(curve, str) and curve in _CURVE_NAMED:
            _, shape, size, _ = _CURVES[_CURVE_NAMED[curve]]
            x, y = _member(jwk, "x"), _member(jwk, "y")
            if len(x) != size or len(y) != size:
                raise _malformed(f"coordinates of {curve} have {size} bytes each")
            return PublicKey.from_loaded(_point(shape, b"\x04" + x + y), algorithm)
        if kind == "OKP" and curve == "Ed25519":
            return PublicKey.from_loaded(_edwards(_member(jwk, "x")), algorithm)
        if kind == "RSA":
            return PublicKey.from_loaded(_modulus(_member(jwk, "n"), _member(jwk, "e")), algorithm)
        raise _unsupported(f"kty {str(kind)[:20]!r}, crv {str(curve)[:20]!r}")

    @staticmethod
    def from_cose(cose_key: bytes, algorithm: Algorithm | None = None) -> PublicKey:
        """The key of a COSE_Key; members other than the required ones have no effect.

        Raises:
            Malformed: as ``from_jwk``.
        """
        try:
            if len(cose_key) > MAX_KEY:
                raise _malformed("too long")
            value = cbor2.loads(
                cose_key, max_depth=3, allow_indefinite=False, allow_duplicate_keys=False
            )
        except (cbor2.CBORError, ValueError, OverflowError) as fault:
            raise _malformed("not a COSE_Key in CBOR") from fault
        if not isinstance(value, dict):
            raise _malformed("not a COSE_Key: no map")
        return PublicKey.from_cose_map(value, algorithm)

    @staticmethod
    def from_cose_map(value: Mapping[Any, Any], algorithm: Algorithm | None = None) -> PublicKey:
        """The key of a decoded COSE_Key.

        Raises:
            Malformed: as ``from_jwk``.
        """
        if any(value.get(label) is not None for label in ((-4,) if value.get(1) != 3 else (-3,))):
            raise Malformed(
                "key.private",
                "a private key stands where a public one belongs",
                why="whoever has read it may have it: treat it as compromised",
                hint="send the public part only, and make a new key",
            )
        kind, first, second, third = (value.get(label) for label in (1, -1, -2, -3))
        if algorithm is None and type(named := value.get(3)) is int:
            algorithm = next((a for a in Algorithm if a.answers_to(named)), None)
        if kind == 2 and type(first) is int and first in _CURVES and isinstance(second, bytes):
            _, shape, size, _ = _CURVES[first]
            if len(second) == size and isinstance(third, bytes) and len(third) == size:
                return PublicKey.from_loaded(_point(shape, b"\x04" + second + third), algorithm)
            if len(second) == size and isinstance(third, bool):
                sign = b"\x03" if third else b"\x02"
                return PublicKey.from_loaded(_point(shape, sign + second), algorithm)
            raise _malformed("coordinates of the wrong length")
        if kind == 1 and first == 6 and isinstance(second, bytes):
            return PublicKey.from_loaded(_edwards(second), algorithm)
        if kind == 3 and isinstance(first, bytes) and isinstance(second, bytes):
            return PublicKey.from_loaded(_modulus(first, second), algorithm)
        raise _unsupported("this COSE_Key")

    @staticmethod
    def from_spki(data: bytes, algorithm: Algorithm | None = None) -> PublicKey:
        """The key of a DER SubjectPublicKeyInfo.

        Raises:
            Malformed: as ``from_jwk``.
        """
        if len(data) > MAX_KEY:
            raise _malformed("too long")
        try:
            loaded = serialization.load_der_public_key(data)
        except (ValueError, UnsupportedAlgorithm, TypeError) as fault:
            raise _malformed("not a SubjectPublicKeyInfo of a supported key") from fault
        return PublicKey.from_loaded(loaded, algorithm)

    @staticmethod
    def from_pem(data: bytes, algorithm: Algorithm | None = None) -> PublicKey:
        """The key of a PEM ``PUBLIC KEY`` block.

        Raises:
            Malformed: as ``from_jwk``.
        """
        if len(data) > 2 * MAX_KEY:
            raise _malformed("too long")
        try:
            loaded = serialization.load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm, TypeError) as fault:
            raise _malformed("not a PEM public key of a supported kind") from fault
        return PublicKey.from_loaded(loaded, algorithm)

    @staticmethod
    def from_raw(algorithm: Algorithm, data: bytes) -> PublicKey:
        """The key of its bare bytes: 32 for Ed25519, a SEC 1 point (either form) for a curve.

        Raises:
            Malformed: as ``from_jwk``.
        """
        if algorithm is Algorithm.EDDSA:
            return PublicKey.from_loaded(_edwards(data), algorithm)
        number = _CURVE_OF.get(algorithm)
        if number is None:
            raise _unsupported("a bare RSA key")
        return PublicKey.from_loaded(_point(_CURVES[number][1], data), algorithm)

    def to_jwk(self) -> dict[str, str]:
        """The public JWK with the required members (and ``alg`` for RSA)."""
        members = self._members()
        kind = members[1]
        if kind == 2:
            curve = _CURVES[members[-1]][3]
            return {
                "kty": "EC",
                "crv": curve,
                "x": base64url.encode(members[-2]),
                "y": base64url.encode(members[-3]),
            }
        if kind == 1:
            return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(members[-2])}
        return {
            "kty": "RSA",
            "n": base64url.encode(members[-1]),
            "e": base64url.encode(members[-2]),
            "alg": self.algorithm.jose_name,
        }

    def to_raw(self) -> bytes:
        """Bare bytes: 32 for Ed25519, the uncompressed SEC 1 point for a curve, PKCS#1 for RSA."""
        members = self._members()
        if members[1] == 2:
            return b"\x04" + bytes(members[-2]) + bytes(members[-3])
        if members[1] == 1:
            return bytes(members[-2])
        loaded = self.load()
        return loaded.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.PKCS1,
        )

    def to_spki(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        return self.load().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def to_pem(self) -> bytes:
        """PEM ``PUBLIC KEY`` block."""
        return self.load().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def load(self) -> Loaded:
        """The key object of the primitives library. Costs microseconds: ``verify`` keeps them."""
        members = self._members()
        if members[1] == 2:
            return _point(
                _CURVES[members[-1]][1], b"\x04" + bytes(members[-2]) + bytes(members[-3])
            )
        if members[1] == 1:
            return _edwards(members[-2])
        return _modulus(members[-1], members[-2])

    def _members(self) -> dict[int, Any]:
        members: dict[int, Any] = cbor2.loads(self.cose_key)
        return members


def _member(jwk: Mapping[str, object], name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or len(text) > MAX_KEY:
        raise _malformed(f"member {name} is missing")
    return base64url.decode(text)


def _point(curve: ec.EllipticCurve, data: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, data)
    except ValueError as fault:
        raise _malformed(f"not a point of {curve.name}") from fault


def _edwards(data: bytes) -> ed25519.Ed25519PublicKey:
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(data)
    except ValueError as fault:
        raise _malformed("an Ed25519 key has 32 bytes") from fault


def _modulus(modulus: bytes, exponent: bytes) -> rsa.RSAPublicKey:
    if len(modulus) > MAX_KEY // 4 or len(exponent) > 4:
        raise _malformed("RSA key too large")
    try:
        return rsa.RSAPublicNumbers(
            int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
        ).public_key()
    except ValueError as fault:
        raise _malformed("not an RSA key") from fault


def _big(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _malformed(why: str) -> Malformed:
    return Malformed(
        "key.malformed",
        f"not a public key: {why}",
        why=why,
        hint="give a JWK, COSE_Key or SubjectPublicKeyInfo of a P-256 or Ed25519 key",
        fault=why,
    )


def _unsupported(what: str) -> Malformed:
    return Malformed(
        "key.unsupported",
        f"kind of key not supported: {what}",
        hint="use P-256 or Ed25519 (P-384, P-521 and RSA-PSS are read)",
        kind=what,
    )
