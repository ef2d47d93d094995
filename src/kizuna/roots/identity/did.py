# SPDX-License-Identifier: Apache-2.0
"""Identities: the keys that a name begins with.

Keeps: 1. ``did:key`` and ``did:jwk`` carry their key in their name; every other identity has the
keys that were pinned for it by the verifier or by a trust list, and none beyond. 2. Nothing here
ever asks the network. 3. One key has one ``did:key``.
Standard: did:key (multicodec, multibase z), did:jwk, did:web (by pinned document only).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from kizuna.model.errors import Absent, Malformed
from kizuna.model.identifier import SubjectId
from kizuna.roots import base64url
from kizuna.roots.identity import base58
from kizuna.roots.keys import Algorithm, PublicKey

__all__ = ["did_jwk", "did_key", "did_web_url", "genesis_keys", "pinned_keys"]

_CODECS: Final[dict[bytes, Algorithm]] = {
    b"\xed\x01": Algorithm.EDDSA,  # ed25519-pub 0xed
    b"\x80\x24": Algorithm.ES256,  # p256-pub 0x1200
    b"\x81\x24": Algorithm.ES384,  # p384-pub 0x1201
    b"\x82\x24": Algorithm.ES512,  # p521-pub 0x1202
}
_CODEC_OF: Final = {algorithm: codec for codec, algorithm in _CODECS.items()}


def did_key(public: PublicKey) -> SubjectId:
    """The ``did:key`` of a key.

    Raises:
        Malformed: ``identity.no-name`` for RSA keys, whose names would be too long to handle.
    """
    codec = _CODEC_OF.get(public.algorithm)
    if codec is None:
        raise Malformed(
            "identity.no-name",
            "an RSA key has no did:key here",
            hint="pin the key to a did:web or https identity",
        )
    raw = public.to_raw()
    if public.algorithm is not Algorithm.EDDSA:  # curves are compressed: sign of y, then x
        size = (len(raw) - 1) // 2
        raw = (b"\x03" if raw[-1] & 1 else b"\x02") + raw[1 : 1 + size]
    return SubjectId("did:key:z" + base58.encode(codec + raw))


def did_jwk(public: PublicKey) -> SubjectId:
    """The ``did:jwk`` of a key."""
    return SubjectId(
        "did:jwk:" + base64url.encode(msgspec.json.encode(public.to_jwk(), order="sorted"))
    )


def genesis_keys(
    did: str, pinned: Mapping[str, Sequence[PublicKey]] | None = None
) -> tuple[PublicKey, ...]:
    """The keys that an identity begins with: from its own name, and those pinned for it.

    Args:
        did: the identity.
        pinned: keys by identity, from the verifier's anchors or an accepted membership.

    Raises:
        Malformed: ``identity.malformed`` and ``key.*`` for a name that carries no good key.
        Absent: ``identity.not-pinned`` for a name that carries no key and has none pinned.
    """
    extra = tuple((pinned or {}).get(did, ()))
    own = _own_key(did)
    if own is not None:
        return (own, *(key for key in extra if key != own))
    if not extra:
        raise Absent(
            "identity.not-pinned",
            f"no key is known for {did[:120]}",
            why="its name carries no key, none was pinned, and the network is never asked",
            hint="pin its key document: in the trust file under identities, or in its list entry",
            identity=did[:120],
        )
    return extra


def pinned_keys(jwks: Sequence[Mapping[str, object]]) -> tuple[PublicKey, ...]:
    """The keys of a pinned document or list entry (public JWKs).

    Raises:
        Malformed: ``key.*``.
    """
    return tuple(PublicKey.from_jwk(jwk) for jwk in jwks)


def did_web_url(did: str) -> str:
    """Where the document of a ``did:web`` stands, for a person who pins it. Nothing is fetched.

    Raises:
        Malformed: ``identity.malformed``.
    """
    host, _, path = did.removeprefix("did:web:").partition(":")
    if not did.startswith("did:web:") or not host or "/" in did:
        raise _malformed(did, "not a did:web")
    host = host.replace("%3A", ":").replace("%3a", ":")
    place = "/" + path.replace(":", "/") if path else "/.well-known"
    return f"https://{host}{place}/did.json"


@lru_cache(maxsize=32_768)
def _own_key(did: str) -> PublicKey | None:
    if did.startswith("did:key:"):
        return _of_did_key(did)
    if did.startswith("did:jwk:"):
        return _of_did_jwk(did)
    return None


def _of_did_key(did: str) -> PublicKey:
    text = did.removeprefix("did:key:")
    if not text.startswith("z"):
        raise _malformed(did, "a did:key begins with z")
    data = base58.decode(text[1:])
    algorithm = _CODECS.get(data[:2])
    if algorithm is None:
        raise _malformed(did, "the key is of a kind that is not supported")
    key = PublicKey.from_raw(algorithm, data[2:])
    if did_key(key) != did:
        raise _malformed(did, "the key is not in its one spelling")
    return key


def _of_did_jwk(did: str) -> PublicKey:
    text = did.removeprefix("did:jwk:")
    try:
        jwk = msgspec.json.decode(base64url.decode(text), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise _malformed(did, "not a JWK in JSON") from fault
    return PublicKey.from_jwk(jwk)


def _malformed(did: str, why: str) -> Malformed:
    return Malformed(
        "identity.malformed",
        f"not an identity: {did[:80]!r}",
        why=why,
        hint="copy the identifier whole",
        identity=did[:80],
    )
