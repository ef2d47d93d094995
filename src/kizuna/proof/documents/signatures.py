# SPDX-License-Identifier: Apache-2.0
"""Signatures inside documents: JSF, DSSE and the old in-toto form, kept and judged.

Keeps: 1. A signature is checked only with a key that stands beside it or that the caller hands
in; nothing is fetched and no certificate path is trusted. 2. ``valid`` means that the bytes are
those which the holder of that key signed; who that is nobody here knows. 3. Work is bounded in
number of signatures and in bytes made canonical; what lies beyond stays ``unverified``. 4. The key
id of DSSE is a hint: where it names no key at hand, those that the caller handed in are tried, and
one that fits makes ``valid``; that none fits says nothing.
Standard: JSF 0.82 over RFC 8785, DSSE v1, the canonical JSON of OLPC (in-toto before DSSE).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from kizuna.model.errors import Malformed
from kizuna.proof.documents.jsontext import pointer, walk
from kizuna.proof.documents.names import clean
from kizuna.proof.documents.values import InnerSignature, SignatureResult
from kizuna.roots import base64url
from kizuna.roots.keys import PublicKey, algorithm_named, from_der, verify

__all__ = ["judge_dsse", "judge_in_toto", "judge_jsf"]

_MOST: Final = 1_000
_MOST_BYTES: Final = 96 << 20
_MOST_TRIED: Final = 64
"""Keys that are tried for one signature whose key id says nothing."""

Keys = Mapping[str, tuple[PublicKey, str]]
"""Keys by the id that signatures use, each with where it came from."""


@dataclass(slots=True)
class _Budget:
    signatures: int = _MOST
    size: int = _MOST_BYTES


def judge_jsf(document: Any, keys: Keys) -> tuple[InnerSignature, ...]:  # noqa: ANN401 - JSON
    """Every JSF signature in a JSON document: simple, several signers, and chains."""
    found: list[InnerSignature] = []
    budget = _Budget()
    for path, holder in walk(document):
        if not isinstance(holder, dict) or not isinstance(holder.get("signature"), dict):
            continue
        signature: dict[str, Any] = holder["signature"]
        for form in ("signers", "chain"):
            several = signature.get(form)
            if isinstance(several, list):
                for place, one in enumerate(several):
                    if not isinstance(one, dict):
                        continue
                    bare = _without_value(one)
                    before = several[:place] if form == "chain" else []
                    shown = {form: [*before, bare]}
                    where = pointer([*path, "signature", form, place])
                    found.append(_jsf(where, holder, one, shown, keys, budget))
                break
        else:
            if "value" in signature or "algorithm" in signature:
                where = pointer([*path, "signature"])
                bare = _without_value(signature)
                found.append(_jsf(where, holder, signature, bare, keys, budget))
    return tuple(sorted(found, key=lambda one: one.where))


def _without_value(signer: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in signer.items() if name != "value"}


def _jsf(
    where: str,
    holder: dict[str, Any],
    signer: dict[str, Any],
    shown: dict[str, Any],
    keys: Keys,
    budget: _Budget,
) -> InnerSignature:
    algorithm = clean(signer.get("algorithm"), 80)
    key_id = clean(signer.get("keyId"), 200)
    name = clean(holder.get("name"), 200)

    def verdict(result: SignatureResult, reason: str = "", **more: str) -> InnerSignature:
        return InnerSignature(
            where=where,
            form="jsf",
            result=result,
            algorithm=algorithm,
            key_id=key_id,
            reason=reason,
            signer=name,
            **more,
        )

    try:
        wanted = algorithm_named(algorithm)
        signature = base64url.decode(str(signer.get("value", "")))
    except Malformed as fault:
        named = fault.code == "key.algorithm-unknown"
        return verdict(SignatureResult.UNVERIFIED, "algorithm" if named else "encoding")
    try:
        key, key_from = _jsf_key(signer, algorithm, keys)
    except Malformed:
        return verdict(SignatureResult.UNVERIFIED, "key-unusable")
    if key is None:
        return verdict(SignatureResult.UNVERIFIED, "no-key")
    about = {"thumbprint": key.thumbprint.hex(), "key_from": key_from}
    if key.algorithm is not wanted:
        return verdict(SignatureResult.WRONG, "algorithm-of-key", **about)
    excluded = signer.get("excludes")
    left_out = set(map(str, excluded)) if isinstance(excluded, list) else set()
    signed = {member: value for member, value in holder.items() if member not in left_out}
    signed["signature"] = shown
    budget.signatures -= 1
    if budget.signatures < 0 or budget.size <= 0:
        return verdict(SignatureResult.UNVERIFIED, "too-many", **about)
    try:
        message = rfc8785.dumps(signed)
    except (rfc8785.CanonicalizationError, ValueError):
        return verdict(SignatureResult.UNVERIFIED, "no-canonical-form", **about)
    budget.size -= len(message)
    holds = verify(key, signature, message)
    if holds and left_out:
        return verdict(SignatureResult.VALID, "excludes-members", **about)
    return verdict(SignatureResult.VALID if holds else SignatureResult.WRONG, **about)


def _jsf_key(signer: dict[str, Any], algorithm: str, keys: Keys) -> tuple[PublicKey | None, str]:
    key_id = signer.get("keyId")
    if isinstance(key_id, str) and key_id in keys:
        return keys[key_id]
    jwk = signer.get("publicKey")
    if isinstance(jwk, dict):
        named = {"alg": algorithm} if jwk.get("kty") == "RSA" else {}
        return PublicKey.from_jwk({**jwk, **named}), "document"
    path = signer.get("certificatePath")
    if isinstance(path, list) and path and isinstance(path[0], str):
        spki = _key_of_certificate(_base64(path[0]))
        wanted = algorithm_named(algorithm)
        return PublicKey.from_spki(
            spki, wanted if wanted.name.startswith("PS") else None
        ), "document"
    return None, ""


def judge_dsse(
    payload_type: str, payload: bytes, signatures: list[Any], keys: Keys
) -> tuple[InnerSignature, ...]:
    """The signatures of a DSSE envelope, by keys that the caller hands in."""
    kind = payload_type.encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    return _judge_list("dsse", signatures, message, keys, _base64)


def judge_in_toto(
    signed: Any,  # noqa: ANN401 - JSON
    signatures: list[Any],
    keys: Keys,
) -> tuple[InnerSignature, ...]:
    """The signatures of in-toto metadata from before DSSE, over its canonical JSON."""
    try:
        message = _olpc(signed).encode()
    except TypeError:
        message = b""
    return _judge_list("in-toto", signatures, message, keys, bytes.fromhex)


def _judge_list(
    form: str, signatures: list[Any], message: bytes, keys: Keys, decode: Callable[[str], bytes]
) -> tuple[InnerSignature, ...]:
    budget = _Budget()
    handed = {key.thumbprint: key for key, key_from in keys.values() if key_from == "caller"}
    tried = list(handed.values())[:_MOST_TRIED]
    return tuple(
        _listed(f"/signatures/{place}", form, one, message, (keys, tried), decode, budget)
        for place, one in enumerate(signatures[:_MOST])
        if isinstance(one, dict)
    )


def _listed(
    where: str,
    form: str,
    one: dict[str, Any],
    message: bytes,
    at_hand: tuple[Keys, list[PublicKey]],
    decode: Callable[[str], bytes],
    budget: _Budget,
) -> InnerSignature:
    key_id = clean(one.get("keyid"), 200)
    keys, tried = at_hand
    key, key_from = keys.get(key_id, (None, ""))
    candidates = tried if key is None else [key]
    signature, reason, holds = b"", "no-key", False
    try:
        signature = decode(str(one.get("sig", "")))
    except (ValueError, Malformed):
        candidates, reason = [], "no-key" if key is None else "encoding"
    for candidate in candidates:
        if budget.size <= 0:
            key, reason = None, "too-many"
            break
        budget.size -= len(message)
        holds = bool(message) and _fits(candidate, signature, message)
        if holds:
            key, key_from = candidate, key_from or "caller"
            break
    if key is None:
        return InnerSignature(
            where=where,
            form=form,
            result=SignatureResult.UNVERIFIED,
            key_id=key_id,
            reason=reason,
        )
    return InnerSignature(
        where=where,
        form=form,
        result=SignatureResult.VALID if holds else SignatureResult.WRONG,
        algorithm=key.algorithm.jose_name,
        key_id=key_id,
        thumbprint=key.thumbprint.hex(),
        key_from=key_from,
        reason=reason if reason == "encoding" else "",
    )


def _fits(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether a signature, raw or in DER as the tools of the field write it, is the key's."""
    raw = from_der(key, signature)
    return verify(key, signature, message) or (raw is not None and verify(key, raw, message))


def _olpc(value: object) -> str:
    """Canonical JSON as in-toto used it before DSSE; numbers other than whole ones have none."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_olpc, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_olpc(name)}:{_olpc(value[name])}" for name in sorted(value)) + "}"
    raise TypeError


def _base64(text: str) -> bytes:
    """Base64 of either alphabet, padded or not, as these formats have it."""
    plain = text.replace("-", "+").replace("_", "/").replace("\n", "").rstrip("=")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Malformed(
            "document.encoding", "not base64", hint="encode the binary value again"
        ) from fault


def _key_of_certificate(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of an X.509 certificate, cut out of its DER.

    Only found, not judged: neither the certificate's signature nor its path says anything here.
    """
    _, whole, _ = _tlv(der, 0)
    _, start, _ = _tlv(der, whole)
    place = start
    tag, inner, end = _tlv(der, place)
    if tag == 0xA0:  # explicit version
        place = end
    for _field in ("serial", "algorithm", "issuer", "validity", "subject"):
        _, inner, place = _tlv(der, place)
    tag, inner, end = _tlv(der, place)
    if tag != 0x30 or inner > end:
        raise _no_certificate()
    return der[place:end]


def _tlv(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start of the value and end of the value at ``at``."""
    if at + 2 > len(der):
        raise _no_certificate()
    tag, length, start = der[at], der[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(der):
            raise _no_certificate()
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    if start + length > len(der):
        raise _no_certificate()
    return tag, start, start + length


def _no_certificate() -> Malformed:
    return Malformed(
        "document.certificate",
        "not an X.509 certificate",
        hint="the path holds base64 of DER certificates",
    )
