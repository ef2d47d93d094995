# SPDX-License-Identifier: Apache-2.0
"""Keys for firmware that only some devices may read: whom to encrypt for, and what opens it.

Keeps: a file is a PEM key or a JSON Web Key; a private key that stands where a public one belongs
is refused before anything is done with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kizuna.model.errors import Malformed, Problem

if TYPE_CHECKING:
    from kizuna.roots.cose import SharedKey
    from kizuna.roots.cose.encrypted import Opener
    from kizuna.roots.keys import PublicKey

__all__ = ["opener", "recipient"]


def recipient(name: str, data: bytes) -> PublicKey | SharedKey:
    """Whom to encrypt for: a public key (PEM, JWK), or a shared wrapping key (JWK of kty ``oct``).

    Raises:
        Malformed: ``key.file-unknown``, ``key.private``, ``key.unsupported``.
    """
    from kizuna.roots.keys import PublicKey

    if data.lstrip().startswith(b"-----BEGIN"):
        return PublicKey.from_pem(data)
    jwk = _jwk(name, data)
    return _shared(name, jwk) if jwk.get("kty") == "oct" else PublicKey.from_jwk(jwk)


def opener(name: str, data: bytes) -> Opener:
    """What opens: a private key (PEM), or a shared wrapping key (JWK of kty ``oct``).

    Raises:
        Malformed: ``key.file-unknown``, ``key.malformed``.
    """
    from kizuna.roots.keys import PrivateKey

    if data.lstrip().startswith(b"-----BEGIN"):
        return PrivateKey.from_pem(data)
    return _shared(name, _jwk(name, data))


def _jwk(name: str, data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise _unknown(name) from fault


def _shared(name: str, jwk: dict[str, Any]) -> SharedKey:
    from kizuna.roots import base64url
    from kizuna.roots.cose import SharedKey

    secret = jwk.get("k")
    if jwk.get("kty") != "oct" or not isinstance(secret, str):
        raise _unknown(name)
    try:
        return SharedKey(base64url.decode(secret))
    except Problem as fault:
        raise _unknown(name) from fault


def _unknown(name: str) -> Malformed:
    return Malformed(
        "key.file-unknown",
        f"{name} holds no key",
        why="it is neither PEM nor a JSON Web Key",
        hint="give a key in PEM, or a JWK (kty oct for a shared key)",
        path=name,
    )
