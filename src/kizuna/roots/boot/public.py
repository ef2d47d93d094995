# SPDX-License-Identifier: Apache-2.0
"""Keys as a TPM spells them (TPMT_PUBLIC), and their names.

Keeps: 1. A name is the digest of the whole public area, so two keys that differ in an attribute
have two names. 2. ``is_attestation_key`` says whether the TPM itself refuses to sign forged
statements with this key: restricted, made inside, bound to this TPM.
Standard: TPM 2.0 Library, part 2 (structures) and part 1, section 16 (names).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import new
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kizuna.roots.boot.wire import Reader, malformed
from kizuna.roots.keys import PublicKey

__all__ = ["ENDORSEMENT", "HASH_NAMES", "OWNER", "PublicArea", "qualified_name", "read_public"]

HASH_NAMES: Final = {0x0004: "sha1", 0x000B: "sha256", 0x000C: "sha384", 0x000D: "sha512"}
"""Hash algorithms by their TPM number."""
DIGEST_SIZES: Final = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}

OWNER: Final = bytes.fromhex("40000001")
"""The qualified name of the owner hierarchy: its handle."""
ENDORSEMENT: Final = bytes.fromhex("4000000b")
"""The qualified name of the endorsement hierarchy."""

MAX_PUBLIC: Final = 2048

_RSA, _ECC, _NULL, _ECDAA, _RSAES = 0x0001, 0x0023, 0x0010, 0x001A, 0x0015
_CURVES: Final[dict[int, ec.EllipticCurve]] = {
    0x0003: ec.SECP256R1(),
    0x0004: ec.SECP384R1(),
    0x0005: ec.SECP521R1(),
}
_FIXED_TPM, _FIXED_PARENT, _ORIGIN = 1 << 1, 1 << 4, 1 << 5
_RESTRICTED, _DECRYPT, _SIGN = 1 << 16, 1 << 17, 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicArea:
    """A public area that was read; ``raw`` is TPMT_PUBLIC without a length before it."""

    raw: bytes
    key: PublicKey
    name: bytes
    name_hash: str
    attributes: int
    policy: bytes
    symmetric_bits: int
    """Bits of the storage cipher (AES-CFB), 0 where the key is no storage key."""

    @property
    def is_attestation_key(self) -> bool:
        """Whether the TPM signs with it only what it made itself."""
        wanted = _FIXED_TPM | _FIXED_PARENT | _ORIGIN | _RESTRICTED | _SIGN
        return self.attributes & (wanted | _DECRYPT) == wanted

    @property
    def is_storage_key(self) -> bool:
        """Whether it can hold other keys and take part in credential activation."""
        wanted = _FIXED_TPM | _FIXED_PARENT | _ORIGIN | _RESTRICTED | _DECRYPT
        return self.attributes & (wanted | _SIGN) == wanted and self.symmetric_bits > 0


def read_public(data: bytes) -> PublicArea:
    """The public area of TPMT_PUBLIC, or of TPM2B_PUBLIC with its length before it.

    Raises:
        Malformed: ``boot.malformed``, ``key.unsupported``, ``key.weak``, ``key.malformed``.
    """
    what = "TPM public area"
    if len(data) > MAX_PUBLIC:
        raise malformed(what, "too long")
    if len(data) > 2 and int.from_bytes(data[:2], "big") == len(data) - 2:
        data = data[2:]
    reader = Reader(data, what)
    kind, name_alg = reader.number(2), reader.number(2)
    attributes, policy = reader.number(4), reader.sized(64)
    name_hash = HASH_NAMES.get(name_alg)
    if name_hash is None or name_hash == "sha1":
        raise malformed(what, f"name algorithm {name_alg:#06x}")
    bits = 0
    if (cipher := reader.number(2)) != _NULL:
        bits, mode = reader.number(2), reader.number(2)
        if cipher != 0x0006 or mode != 0x0043 or bits not in (128, 256):
            raise malformed(what, "storage cipher other than AES-CFB")
    if (scheme := reader.number(2)) != _NULL and scheme != _RSAES:
        reader.take(4 if scheme == _ECDAA else 2)
    loaded: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    if kind == _RSA:
        size, exponent = reader.number(2), reader.number(4) or 65537
        modulus = reader.sized(1024)
        try:
            loaded = rsa.RSAPublicNumbers(exponent, int.from_bytes(modulus, "big")).public_key()
        except ValueError as fault:
            raise malformed(what, "no RSA key") from fault
        if loaded.key_size != size:
            raise malformed(what, "RSA key of another size than it says")
    elif kind == _ECC:
        curve = _CURVES.get(reader.number(2))
        if curve is None:
            raise malformed(what, "curve not supported")
        if reader.number(2) != _NULL:
            reader.take(2)
        x, y = reader.sized(66), reader.sized(66)
        width = (curve.key_size + 7) // 8
        if max(len(x), len(y)) > width:
            raise malformed(what, "coordinate too long")
        try:
            loaded = ec.EllipticCurvePublicKey.from_encoded_point(
                curve, b"\x04" + x.rjust(width, b"\0") + y.rjust(width, b"\0")
            )
        except ValueError as fault:
            raise malformed(what, "not a point of its curve") from fault
    else:
        raise malformed(what, f"kind of key {kind:#06x}")
    reader.end()
    return PublicArea(
        raw=data,
        key=PublicKey.from_loaded(loaded),
        name=data[2:4] + new(name_hash, data).digest(),
        name_hash=name_hash,
        attributes=attributes,
        policy=policy,
        symmetric_bits=bits,
    )


def qualified_name(name: bytes, parent: bytes = ENDORSEMENT) -> bytes:
    """The qualified name of a key under ``parent`` (a qualified name, or a hierarchy's handle).

    Raises:
        Malformed: ``boot.malformed``.
    """
    hash_name = HASH_NAMES.get(int.from_bytes(name[:2], "big"))
    if hash_name is None or len(name) != 2 + DIGEST_SIZES[hash_name]:
        raise malformed("TPM name", "unknown algorithm or wrong length")
    return name[:2] + new(hash_name, parent + name).digest()
