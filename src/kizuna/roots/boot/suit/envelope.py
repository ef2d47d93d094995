# SPDX-License-Identifier: Apache-2.0
"""The envelope of a manifest: digest, signatures or MACs, the manifest, and what travels beside it.

Keeps: 1. Verify before parse: ``Envelope.open`` checks a signature over the digest and the digest
over the manifest's bytes, and only then reads the manifest. 2. The signature covers the digest's
own encoding, as received. 3. Nobody is trusted here: the caller says which keys count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.roots.boot.suit.machine import Dependency
from kizuna.roots.boot.suit.manifest import (
    SEVERABLE,
    TEXT,
    Manifest,
    SuitDigest,
    read_digest,
    read_manifest,
    suit_malformed,
)
from kizuna.roots.cose import Sign1, check_sign1, decode, encode, read_sign1, sign1
from kizuna.roots.cose.cbor import bytes_of, head
from kizuna.roots.cose.mac0 import HMAC_256, SharedKey, mac_structure
from kizuna.roots.keys import PublicKey
from kizuna.roots.units import Handle, Unit

__all__ = ["Envelope", "mac_manifest", "read_envelope", "sign_manifest"]

TAG: Final = 107
MAX_ENVELOPE: Final = 1 << 20
"""Largest envelope; images that travel inside it must fit."""
MAX_BLOCKS: Final = 8
_SHA256: Final = -16


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope taken apart; nothing in it is believed yet."""

    digest: SuitDigest
    digest_bytes: bytes
    """The digest as it is encoded: what is signed."""
    signatures: tuple[Sign1, ...]
    tags: tuple[Sign1, ...]
    """MAC blocks (COSE_Mac0), framed alike."""
    manifest: bytes
    severed: Mapping[int, bytes]
    payloads: Mapping[str, bytes]
    """Images that travel inside, by the name with which a fetch asks for them (``#name``)."""

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """The key ids that the signers named; hints, no proof."""
        found = (s.protected.get(4, s.unprotected.get(4)) for s in self.signatures)
        return tuple(one for one in found if isinstance(one, bytes))

    def signers(self, keys: Sequence[PublicKey | SharedKey]) -> tuple[PublicKey | SharedKey, ...]:
        """Those of ``keys`` that signed this manifest; empty also where its digest is wrong."""
        if not self.digest.fits(bytes_of(self.manifest)):
            return ()
        return tuple(key for key in keys if self._is_signed(key))

    def open(self, keys: Sequence[PublicKey | SharedKey]) -> Manifest:
        """The manifest, if one of ``keys`` signed it.

        Raises:
            Tampered: ``suit.digest``, ``suit.signature``.
            Refused: ``suit.unsigned`` where no given key could have signed it.
            Malformed: ``suit.malformed``.
        """
        if not self.digest.fits(bytes_of(self.manifest)):
            raise Tampered(
                "suit.digest",
                "a part of the manifest is another than the one that was signed",
                why="the digest of the manifest differs",
                hint="fetch the manifest again from its maker",
                member=3,
            )
        if not self.signers(keys):
            raise self._unsigned(keys)
        return read_manifest(self.manifest, self.severed)

    def open_dependency(self, keys: Sequence[PublicKey | SharedKey]) -> Dependency:
        """The manifest as one on which another depends, with what travelled beside it.

        Raises:
            Tampered, Refused, Malformed: as ``open``.
        """
        return Dependency(self.open(keys), self.digest, self.payloads)

    def _is_signed(self, key: PublicKey | SharedKey) -> bool:
        if isinstance(key, PublicKey):
            return any(check_sign1(one, key, self.digest_bytes) for one in self.signatures)
        return any(
            one.algorithm == HMAC_256
            and key.holds(one.signature, mac_structure(one.protected_bytes, self.digest_bytes))
            for one in self.tags
        )

    def _unsigned(self, keys: Sequence[PublicKey | SharedKey]) -> Problem:
        named = {key.thumbprint for key in keys if isinstance(key, PublicKey)}
        given = bool(self.signatures or self.tags)
        if given and keys and (not self.key_ids or not named.isdisjoint(self.key_ids)):
            return Tampered(
                "suit.signature",
                "no signature of the manifest holds under the keys of its maker",
                why="it was altered, or signed with another key",
                hint="fetch the manifest again from its maker",
            )
        return Refused(
            "suit.unsigned",
            "nobody whose keys are accepted signed this manifest",
            why="its signers are unknown here",
            hint="let a listed maker sign it, or accept the signer",
        )


def read_envelope(data: bytes) -> Envelope:
    """The parts of an envelope, tagged 107 or bare.

    Raises:
        Malformed: ``suit.malformed``, ``envelope.malformed``.
        Refused: ``envelope.critical``.
    """
    if len(data) > MAX_ENVELOPE:
        raise suit_malformed(f"{len(data)} bytes, at most {MAX_ENVELOPE}")
    tagged = head(6, TAG)
    value = _decode(data.removeprefix(tagged))
    if type(value) is not dict:
        raise suit_malformed("the envelope is no map")
    wrapper, manifest = value.get(2), value.get(3)
    if type(wrapper) is not bytes or type(manifest) is not bytes:
        raise suit_malformed("authentication or manifest is missing")
    severed: dict[int, bytes] = {}
    payloads: dict[str, bytes] = {}
    for key, part in value.items():
        if type(key) is int and key in (2, 3):
            continue
        if type(part) is not bytes:
            raise suit_malformed("a part of the envelope is no byte string")
        if type(key) is str and len(key) <= 256:
            payloads[key] = part
        elif type(key) is int and (key in SEVERABLE or key == TEXT):
            severed[key] = part
        else:
            known = " (delegation of keys)" if key == 1 else ""
            raise suit_malformed(f"member {str(key)[:20]}{known} of the envelope is not understood")
    blocks = _decode(wrapper)
    if not isinstance(blocks, list | tuple) or not 0 < len(blocks) <= 1 + MAX_BLOCKS:
        raise suit_malformed("authentication of a wrong shape")
    if any(type(block) is not bytes for block in blocks):
        raise suit_malformed("authentication of a wrong shape")
    signatures, tags = [], []
    for block in blocks[1:]:
        if block[:1] == b"\xd1":
            tags.append(read_sign1(block[1:]))
        else:
            signatures.append(read_sign1(block))
    if any(one.payload is not None for one in (*signatures, *tags)):
        raise suit_malformed("a signature carries content of its own")
    return Envelope(
        digest=read_digest(blocks[0]),
        digest_bytes=blocks[0],
        signatures=tuple(signatures),
        tags=tuple(tags),
        manifest=manifest,
        severed=severed,
        payloads=payloads,
    )


def sign_manifest(
    manifest: bytes,
    signers: Sequence[tuple[Unit, Handle]],
    *,
    severed: Mapping[int, bytes] | None = None,
    payloads: Mapping[str, bytes] | None = None,
) -> bytes:
    """An envelope around a manifest, signed by each of ``signers``, with their key ids."""
    digest = _digest(manifest)
    blocks = [
        sign1(unit, handle, {4: bytes.fromhex(handle.id)}, digest, detached=True)
        for unit, handle in signers
    ]
    return _wrapped(manifest, digest, blocks, severed, payloads)


def mac_manifest(manifest: bytes, key: SharedKey) -> bytes:
    """An envelope under a shared key, for a device that cannot check signatures."""
    digest = _digest(manifest)
    header = encode({1: HMAC_256})
    tag = key.tag(mac_structure(header, digest))
    block = b"".join((b"\xd1\x84", bytes_of(header), b"\xa0\xf6", bytes_of(tag)))
    return _wrapped(manifest, digest, [block], None, None)


def _digest(manifest: bytes) -> bytes:
    return encode([_SHA256, sha256(bytes_of(manifest)).digest()])


def _wrapped(
    manifest: bytes,
    digest: bytes,
    blocks: Sequence[bytes],
    severed: Mapping[int, bytes] | None,
    payloads: Mapping[str, bytes] | None,
) -> bytes:
    envelope: dict[Any, bytes] = {2: encode([digest, *blocks]), 3: manifest}
    envelope |= severed or {}
    envelope |= payloads or {}
    whole = head(6, TAG) + encode(envelope)
    if len(whole) > MAX_ENVELOPE:
        raise suit_malformed(f"{len(whole)} bytes, at most {MAX_ENVELOPE}")
    return whole


def _decode(data: bytes) -> Any:  # noqa: ANN401 - CBOR holds anything
    try:
        return decode(data)
    except Malformed as fault:
        raise suit_malformed(fault.why or fault.what) from fault
