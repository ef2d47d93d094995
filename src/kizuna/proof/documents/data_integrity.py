# SPDX-License-Identifier: Apache-2.0
"""Data-integrity proofs inside credentials: the suites over canonical JSON are judged.

Keeps: 1. Only keys in the issuer's own name, or handed in for it, are believed; a proof by somebody
else's key is wrong. 2. A proof is judged for making statements (``assertionMethod``), never for
another purpose. 3. Suites that need RDF (``*-rdfc-*``) and forms unknown here stay ``unverified``:
they could not be verified, which is not "wrong". 4. A contradiction between the contexts of proof
and document is wrong: the words could mean something else.
Standard: W3C Data Integrity 1.0; ``eddsa-jcs-2022``, ``ecdsa-jcs-2019`` (RFC 8785).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256, sha384
from typing import Any, Final

import rfc8785

from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import SubjectId
from kizuna.proof.documents.names import clean
from kizuna.proof.documents.values import InnerSignature, SignatureResult, Source
from kizuna.roots.identity import base58, genesis_keys
from kizuna.roots.keys import Algorithm, PublicKey, verify

__all__ = ["judge_proof", "proof_message"]

FORM: Final = "data-integrity"

_SUITES: Final = {
    "eddsa-jcs-2022": (Algorithm.EDDSA,),
    "ecdsa-jcs-2019": (Algorithm.ES256, Algorithm.ES384),
}
_CHAINED: Final = ("previousProof", "challenge", "domain")
"""Members whose meaning depends on something that is not at hand."""


def judge_proof(
    document: Mapping[str, Any],
    proof: Mapping[str, Any],
    *,
    where: str,
    issuer: SubjectId,
    source: Source,
) -> InnerSignature:
    """What one proof of a credential is worth."""
    suite = proof.get("cryptosuite")
    method = proof.get("verificationMethod")

    def verdict(
        result: SignatureResult, reason: str = "", key: PublicKey | None = None, key_from: str = ""
    ) -> InnerSignature:
        return InnerSignature(
            where=where,
            form=FORM,
            result=result,
            algorithm=clean(suite or proof.get("type"), 80),
            key_id=clean(method, 200),
            thumbprint="" if key is None else key.thumbprint.hex(),
            key_from=key_from,
            reason=reason,
            signer=issuer,
        )

    known = _SUITES.get(suite) if isinstance(suite, str) else None
    if proof.get("type") != "DataIntegrityProof" or known is None:
        return verdict(SignatureResult.UNVERIFIED, "form")
    if any(name in proof for name in _CHAINED):
        return verdict(SignatureResult.UNVERIFIED, "form")
    if proof.get("proofPurpose") != "assertionMethod" or not isinstance(method, str):
        return verdict(SignatureResult.WRONG, "purpose")
    named = method.partition("#")[0]
    if named.startswith("did:") and named != issuer:
        return verdict(SignatureResult.WRONG, "other-signer")
    key, key_from = _key(method, issuer, source)
    if key is None:
        return verdict(SignatureResult.UNVERIFIED, "no-key")
    if key.algorithm not in known:
        return verdict(SignatureResult.WRONG, "algorithm-of-key", key, key_from)
    value = proof.get("proofValue")
    try:
        if not isinstance(value, str) or value[:1] != "z":
            return verdict(SignatureResult.UNVERIFIED, "encoding", key, key_from)
        signature = base58.decode(value[1:])
    except Malformed:
        return verdict(SignatureResult.UNVERIFIED, "encoding", key, key_from)
    try:
        message = proof_message(document, proof, key.algorithm)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError):
        return verdict(SignatureResult.UNVERIFIED, "no-canonical-form", key, key_from)
    if message is None:
        return verdict(SignatureResult.WRONG, "context", key, key_from)
    holds = verify(key, signature, message)
    if holds and "expires" in proof:  # whether it still does depends on the day of who asks
        return verdict(SignatureResult.UNVERIFIED, "expires", key, key_from)
    return verdict(SignatureResult.VALID if holds else SignatureResult.WRONG, "", key, key_from)


def proof_message(
    document: Mapping[str, Any], proof: Mapping[str, Any], algorithm: Algorithm
) -> bytes | None:
    """What the proof signs: the hashes of its own options and of the document without proofs.

    None where the contexts of the two contradict each other.

    Raises:
        ValueError: where there is no canonical form.
    """
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    if "@context" in options:
        mine, theirs = _several(options["@context"]), _several(unsecured.get("@context"))
        if theirs[: len(mine)] != mine:
            return None
        unsecured["@context"] = options["@context"]
    digest = sha384 if algorithm is Algorithm.ES384 else sha256
    return digest(rfc8785.dumps(options)).digest() + digest(rfc8785.dumps(unsecured)).digest()


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _key(method: str, issuer: SubjectId, source: Source) -> tuple[PublicKey | None, str]:
    """The issuer's key that the proof names: handed in, or in the issuer's own name."""
    handed = source.key_of(issuer, method)
    if handed is not None:
        return handed, "caller"
    try:
        keys = genesis_keys(issuer)
    except Problem:
        return None, ""
    return keys[0], "document"
