# SPDX-License-Identifier: Apache-2.0
"""Checking signatures: the wall of the whole system, so key objects are kept and threads used.

Keeps: 1. The answer is yes or no; nothing an attacker sends raises. 2. The algorithm is the key's.
3. The cache of key objects is bounded, keyed by thumbprint, and ``forget`` empties one place.
Owner of the mutable state: this module alone; the cache changes speed, never an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from kizuna.roots.keys.algorithm import Algorithm
from kizuna.roots.keys.public import Loaded, PublicKey

__all__ = ["Check", "forget", "from_der", "to_der", "verify", "verify_many"]

Check = tuple[PublicKey, bytes, bytes]
"""One signature to check: key, signature, message."""

MAX_LOADED: Final = 32_768
"""Key objects kept in memory (about 2 KiB each)."""

_CHUNK: Final = 128

_Verifier = Callable[[bytes, bytes], None]
_loaded: dict[tuple[bytes, int], _Verifier] = {}
_lock = threading.Lock()

_ECDSA: Final[dict[Algorithm, tuple[ec.ECDSA, int]]] = {
    Algorithm.ES256: (ec.ECDSA(hashes.SHA256()), 32),
    Algorithm.ES384: (ec.ECDSA(hashes.SHA384()), 48),
    Algorithm.ES512: (ec.ECDSA(hashes.SHA512()), 66),
}
_PSS: Final[dict[Algorithm, hashes.HashAlgorithm]] = {
    Algorithm.PS256: hashes.SHA256(),
    Algorithm.PS384: hashes.SHA384(),
    Algorithm.PS512: hashes.SHA512(),
}


def verify(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` (raw form: r and s, not DER) is ``key``'s over ``message``."""
    check = _loaded.get((key.thumbprint, key.algorithm)) or _keep(key)
    try:
        check(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_many(checks: Iterable[Check], threads: int = 2) -> list[bool]:
    """The answers of ``verify`` in the order asked, worked out on several threads.

    The primitives let go of the interpreter lock, so threads are enough. The pool lives as long as
    the call.
    """
    items = checks if isinstance(checks, Sequence) else list(checks)
    chunks = [items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK)]
    if threads < 2 or len(chunks) < 2:
        return _verify_chunk(items)
    with ThreadPoolExecutor(min(threads, len(chunks)), "verify") as pool:
        return [answer for answers in pool.map(_verify_chunk, chunks) for answer in answers]


def forget(thumbprint: bytes) -> None:
    """Drop the kept key object, for a key that was revoked."""
    with _lock:
        for algorithm in Algorithm:
            _loaded.pop((thumbprint, algorithm), None)


def to_der(key: PublicKey, signature: bytes) -> bytes:
    """An ECDSA signature in DER, as tools outside COSE and JOSE write it; others unchanged."""
    if key.algorithm not in _ECDSA:
        return signature
    size = len(signature) // 2
    return encode_dss_signature(
        int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    )


def from_der(key: PublicKey, signature: bytes) -> bytes | None:
    """The raw form of an ECDSA signature in DER; None where it is none."""
    found = _ECDSA.get(key.algorithm)
    if found is None:
        return None
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(found[1], "big") + s.to_bytes(found[1], "big")
    except (ValueError, OverflowError):
        return None


def _verify_chunk(checks: Sequence[Check]) -> list[bool]:
    return [verify(key, signature, message) for key, signature, message in checks]


def _keep(key: PublicKey) -> _Verifier:
    check = _checker(key.algorithm, key.load())
    with _lock:
        while len(_loaded) >= MAX_LOADED:
            _loaded.pop(next(iter(_loaded)))
        _loaded[key.thumbprint, key.algorithm] = check
    return check


def _checker(algorithm: Algorithm, loaded: Loaded) -> _Verifier:
    if isinstance(loaded, ed25519.Ed25519PublicKey):
        return loaded.verify
    if isinstance(loaded, ec.EllipticCurvePublicKey):
        scheme, size = _ECDSA[algorithm]
        whole, check, number = 2 * size, loaded.verify, int.from_bytes

        def ecdsa(signature: bytes, message: bytes) -> None:
            if len(signature) != whole:
                raise InvalidSignature
            r, s = number(signature[:size], "big"), number(signature[size:], "big")
            check(encode_dss_signature(r, s), message, scheme)

        return ecdsa
    return _pss(loaded, _PSS[algorithm])


def _pss(loaded: rsa.RSAPublicKey, digest: hashes.HashAlgorithm) -> _Verifier:
    scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)

    def pss(signature: bytes, message: bytes) -> None:
        loaded.verify(signature, message, scheme, digest)

    return pss
