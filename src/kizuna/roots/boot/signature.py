# SPDX-License-Identifier: Apache-2.0
"""Signatures as a TPM writes them (TPMT_SIGNATURE): ECDSA, RSASSA and RSAPSS.

Keeps: 1. The kind of key decides what is checked; the hash is the one the signature names, and
SHA-1 is no hash here. 2. The answer is yes or no, nothing an attacker sends raises after reading.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kizuna.roots.boot.public import HASH_NAMES
from kizuna.roots.boot.wire import Reader, malformed
from kizuna.roots.keys import Algorithm, Check, PublicKey, verify
from kizuna.roots.keys.public import Loaded

__all__ = ["TpmSignature", "as_check", "is_signed", "read_signature", "write_ecdsa"]

RSASSA: Final = 0x0014
RSAPSS: Final = 0x0016
ECDSA: Final = 0x0018

_P256: Final = b"\x00\x18\x00\x0b\x00\x20"
"""How an ECDSA signature by P-256 with SHA-256 begins: what nearly every device sends."""
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_USUAL: Final = {
    (Algorithm.ES256, "sha256"): 32,
    (Algorithm.ES384, "sha384"): 48,
    (Algorithm.ES512, "sha512"): 66,
}


class TpmSignature(msgspec.Struct, frozen=True):
    """A signature: ``first`` is r, or the whole RSA signature; ``second`` is s, else empty."""

    scheme: int
    hash_name: str
    first: bytes
    second: bytes = b""


def read_signature(data: bytes) -> TpmSignature:
    """The signature of TPMT_SIGNATURE.

    Raises:
        Malformed: ``boot.malformed``.
    """
    if len(data) == 72 and data[:6] == _P256 and data[38:40] == b"\x00\x20":
        return TpmSignature(ECDSA, "sha256", data[6:38], data[40:])
    reader = Reader(data, "TPM signature")
    signature = take_signature(reader)
    reader.end()
    return signature


def take_signature(reader: Reader) -> TpmSignature:
    """The signature at the reader's place.

    Raises:
        Malformed: ``boot.malformed``.
    """
    scheme, number = reader.number(2), reader.number(2)
    hash_name = HASH_NAMES.get(number, "")
    if hash_name not in _HASHES:
        raise malformed("TPM signature", f"hash {number:#06x} is not accepted")
    if scheme == ECDSA:
        return TpmSignature(scheme, hash_name, reader.sized(66), reader.sized(66))
    if scheme in (RSASSA, RSAPSS):
        return TpmSignature(scheme, hash_name, reader.sized(1024))
    raise malformed("TPM signature", f"scheme {scheme:#06x} is not accepted")


def as_check(key: PublicKey, signature: TpmSignature, message: bytes) -> Check | None:
    """The check in the form that ``verify_many`` takes; None where only ``is_signed`` can do it."""
    size = _USUAL.get((key.algorithm, signature.hash_name))
    if size is None or signature.scheme != ECDSA:
        return None
    r, s = signature.first, signature.second
    if len(r) > size or len(s) > size:
        return None
    return key, r.rjust(size, b"\0") + s.rjust(size, b"\0"), message


def is_signed(key: PublicKey, signature: TpmSignature, message: bytes) -> bool:
    """Whether ``key`` made ``signature`` over ``message``."""
    usual = as_check(key, signature, message)
    if usual is not None:
        return verify(*usual)
    loaded, digest = _load(key), _HASHES[signature.hash_name]
    try:
        if isinstance(loaded, ec.EllipticCurvePublicKey) and signature.scheme == ECDSA:
            r = int.from_bytes(signature.first, "big")
            s = int.from_bytes(signature.second, "big")
            loaded.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
        elif isinstance(loaded, rsa.RSAPublicKey) and signature.scheme == RSASSA:
            loaded.verify(signature.first, message, padding.PKCS1v15(), digest)
        elif isinstance(loaded, rsa.RSAPublicKey) and signature.scheme == RSAPSS:
            # a TPM salts with as much as fits, or with the hash's length: both are found
            pss = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
            loaded.verify(signature.first, message, pss, digest)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=8192)
def _load(key: PublicKey) -> Loaded:
    return key.load()


def write_ecdsa(raw: bytes) -> bytes:
    """TPMT_SIGNATURE of a raw P-256 signature (r and s) over SHA-256.

    Raises:
        Malformed: ``boot.malformed``.
    """
    if len(raw) != 64:
        raise malformed("TPM signature", "r and s of P-256 have 32 bytes each")
    return b"\x00\x18\x00\x0b\x00\x20" + raw[:32] + b"\x00\x20" + raw[32:]
