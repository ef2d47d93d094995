# SPDX-License-Identifier: Apache-2.0
"""What one DICE layer does: derive the secrets of the next, and certify its key.

Keeps: 1. A layer's secret depends on everything measured so far, so that other code gets another
key. 2. Secrets go in and out as bytes because they belong to the device's own first code; a host
uses this to simulate devices and to check real ones, never to keep secrets.
Standard: Open Profile for DICE 2.5 (HKDF-SHA-512, Ed25519, CBOR certificates).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha512
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from kizuna.roots.boot.wire import malformed
from kizuna.roots.cose import encode
from kizuna.roots.cose.cbor import bytes_of
from kizuna.roots.cose.message import sig_structure
from kizuna.roots.keys import PrivateKey, PublicKey

__all__ = ["Inputs", "Secrets", "certificate_id", "certify_layer", "layer_key", "next_secrets"]

_KEY_SALT: Final = bytes.fromhex(
    "63b6a04d2c077fc10f639f21da793844356cc2b0b441b3a77124035c03f8e1be"
    "6035d31f282821a7450a02222ab1b3cff1679b05ab1ca5d1affb789ccd2b0b3b"
)
_ID_SALT: Final = bytes.fromhex(
    "dbdbaebc8020da9ff0dd5a24c83aa5a54286dfc263031e329b4da148430659fe"
    "62cdb5b7e1e00fc680306711eb444af77209359496fcff1db9520ba51c7b29ea"
)


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The two compound device identifiers of a layer: for attesting, and for sealing."""

    attest: bytes
    seal: bytes

    def __repr__(self) -> str:
        return "<secrets of a layer>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is measured of the next layer; digests and inline configuration have 64 bytes."""

    code: bytes
    config: bytes = bytes(64)
    authority: bytes = bytes(64)
    mode: int = 1
    hidden: bytes = bytes(64)

    def __post_init__(self) -> None:
        parts = (self.code, self.config, self.authority, self.hidden)
        if any(len(part) != 64 for part in parts) or not 0 <= self.mode <= 3:
            raise malformed("DICE input", "digests of 64 bytes and a mode from 0 to 3")


def next_secrets(secrets: Secrets, inputs: Inputs) -> Secrets:
    """The secrets of the layer that ``inputs`` describe."""
    sealed = inputs.authority + bytes((inputs.mode,)) + inputs.hidden
    attested = sha512(inputs.code + inputs.config + sealed).digest()
    return Secrets(
        _derive(secrets.attest, attested, b"CDI_Attest", 32),
        _derive(secrets.seal, sha512(sealed).digest(), b"CDI_Seal", 32),
    )


def layer_key(attest: bytes) -> PrivateKey:
    """The Ed25519 key of a layer."""
    seed = _derive(attest, _KEY_SALT, b"Key Pair", 32)
    return PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(seed))


def certificate_id(key: PublicKey) -> bytes:
    """The name that certificates give a layer's key: 20 bytes."""
    made = _derive(key.to_raw(), _ID_SALT, b"ID", 20)
    return bytes((made[0] & 0x7F,)) + made[1:]


def certify_layer(issuer: PrivateKey, subject: PublicKey, inputs: Inputs) -> bytes:
    """The CBOR certificate (COSE_Sign1, untagged) of the layer that ``inputs`` describe."""
    payload = encode(
        {
            1: certificate_id(issuer.public).hex(),
            2: certificate_id(subject).hex(),
            -4670545: inputs.code,
            -4670547: inputs.config,
            -4670549: inputs.authority,
            -4670551: bytes((inputs.mode,)),
            -4670552: subject.cose_key,
            -4670553: b"\x20",
        }
    )
    header = encode({1: int(issuer.public.algorithm)})
    signature = issuer.sign(sig_structure(header, payload))
    return b"\x84" + bytes_of(header) + b"\xa0" + bytes_of(payload) + bytes_of(signature)


def chain_of(root: PublicKey, certificates: list[bytes]) -> bytes:
    """The chain as it travels: the root's key, then one certificate a layer, first layer first."""
    count = 1 + len(certificates)
    if count > 23:
        raise malformed("DICE chain", "too long")
    return bytes((0x80 | count,)) + root.cose_key + b"".join(certificates)


def _derive(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """HKDF-SHA-512."""
    key = hmac.digest(salt, secret, "sha512")
    return hmac.digest(key, info + b"\x01", "sha512")[:size]
