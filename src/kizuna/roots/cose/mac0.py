# SPDX-License-Identifier: Apache-2.0
"""COSE_Mac0 with HMAC-SHA-256: for devices that can hash and nothing more.

Keeps: 1. What is authenticated are the bytes received. 2. Tags are compared in constant time, and
whole: the 64-bit truncation (HMAC 256/64) is refused. 3. A shared key never shows in text, and it
proves less than a signature: whoever can check a tag can make it.
Standard: RFC 9052 section 6.2, RFC 9053 section 3.1 (algorithm 5).

Example:
    >>> key = SharedKey(b"0" * 32)
    >>> message = read_mac0(mac0(key, {}, b"hello"))
    >>> check_mac0(message, key), key
    (True, <shared key c4735f56ca2b4c51>)
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.roots.cose.cbor import bytes_of, encode, malformed
from kizuna.roots.cose.message import Sign1, read_sign1

__all__ = [
    "HMAC_256",
    "MIN_SECRET",
    "Mac0",
    "SharedKey",
    "check_mac0",
    "mac0",
    "mac_structure",
    "read_mac0",
]

HMAC_256: Final = 5
MIN_SECRET: Final = 16
"""Shortest secret in bytes."""
_MAX_SECRET: Final = 256
_TAG: Final = b"\xd1"
_SIGN1_TAG: Final = b"\xd2"
_hmac: Final = hmac.digest
_equal: Final = hmac.compare_digest


@dataclass(frozen=True, slots=True, repr=False)
class SharedKey:
    """A secret that the device and its verifier share; ``id`` is a name that gives nothing away."""

    secret: bytes
    id: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not MIN_SECRET <= len(self.secret) <= _MAX_SECRET:
            raise Malformed(
                "key.shared-size",
                f"a shared key has {MIN_SECRET} to {_MAX_SECRET} bytes, not {len(self.secret)}",
                hint="make one with 32 random bytes",
                size=len(self.secret),
            )
        name = _hmac(self.secret, b"kizuna key id", sha256)
        object.__setattr__(self, "id", name)

    def __repr__(self) -> str:
        return f"<shared key {self.id.hex()[:16]}>"

    def tag(self, message: bytes) -> bytes:
        """HMAC-SHA-256 of ``message``."""
        return _hmac(self.secret, message, "sha256")

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is the tag of ``message``, in constant time."""
        return _equal(signature, _hmac(self.secret, message, "sha256"))


@dataclass(frozen=True, slots=True)
class Mac0:
    """A parsed COSE_Mac0 whose tag nobody has checked."""

    frame: Sign1
    """The four parts; ``signature`` is the tag."""

    @property
    def protected(self) -> Mapping[Any, Any]:
        """The protected header."""
        return self.frame.protected

    @property
    def payload(self) -> bytes:
        """The content."""
        return self.frame.payload or b""

    @property
    def tag(self) -> bytes:
        """The authentication tag."""
        return self.frame.signature

    @property
    def algorithm(self) -> int | None:
        """The algorithm that the header names."""
        return self.frame.algorithm

    def to_be_maced(self, external_aad: bytes = b"") -> bytes:
        """The MAC_structure."""
        return mac_structure(self.frame.protected_bytes, self.payload, external_aad)


def read_mac0(data: bytes, understood: Collection[int | str] = ()) -> Mac0:
    """A COSE_Mac0, tagged (17) or not.

    Raises:
        Malformed: ``envelope.too-large``, ``envelope.malformed``, ``envelope.payload-missing``.
        Refused: ``envelope.critical``.
    """
    bare = data[1:] if data[:1] == _TAG else data
    if bare[:1] == _SIGN1_TAG:
        raise malformed("it is tagged as a signature")
    frame = read_sign1(bare, understood)
    if frame.payload is None:
        raise Malformed(
            "envelope.payload-missing",
            "the authenticated content is detached and was not given",
            hint="give the content beside the message",
        )
    return Mac0(frame)


def check_mac0(message: Mac0, key: SharedKey, external_aad: bytes = b"") -> bool:
    """Whether ``key`` made the tag."""
    return message.algorithm == HMAC_256 and key.holds(
        message.tag, message.to_be_maced(external_aad)
    )


def mac0(
    key: SharedKey,
    protected: Mapping[Any, Any],
    payload: bytes,
    *,
    external_aad: bytes = b"",
) -> bytes:
    """A COSE_Mac0 with tag 17; ``alg`` is put into the protected header."""
    header = encode({**protected, 1: HMAC_256})
    tag = key.tag(mac_structure(header, payload, external_aad))
    return b"".join((b"\xd1\x84", bytes_of(header), b"\xa0", bytes_of(payload), bytes_of(tag)))


def mac_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """The bytes that a COSE_Mac0 tag covers."""
    if protected == b"\xa0":
        protected = b""
    return b"".join(
        (b"\x84\x64MAC0", bytes_of(protected), bytes_of(external_aad), bytes_of(payload))
    )
