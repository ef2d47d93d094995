# SPDX-License-Identifier: Apache-2.0
"""Appraising one piece of evidence from a file: with a store's reference values, or without one.

Keeps: 1. Keys and reference values come from the caller; nothing inside the evidence chooses whom
to believe. 2. A key that vouches for reference values is never taken for the device's own: a device
cannot vouch for itself. 3. The same evidence and the same inputs give the same answer.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kizuna.app.wiring.messages import text
from kizuna.model.errors import Malformed
from kizuna.model.identifier import canonical

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.proof.attestation.appraisal import Appraisal, AppraisalFinding
    from kizuna.proof.attestation.reference import References
    from kizuna.roots.cose import SharedKey
    from kizuna.roots.keys import PublicKey

__all__ = ["Keyring", "appraisal_json", "appraise", "finding_words", "read_keys", "result"]

MAX_KEYS = 64


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys from files: of devices or signers, shared ones, and certificates as anchors."""

    public: tuple[PublicKey, ...] = ()
    shared: tuple[SharedKey, ...] = ()
    roots: tuple[bytes, ...] = ()


def read_keys(files: Iterable[tuple[str, bytes]]) -> Keyring:
    """The keys of files: PEM (public key or certificate) or JWK (public, or ``oct`` for HMAC).

    Raises:
        Malformed: ``key.file-unknown``, ``key.malformed``, ``key.private``, ``key.shared-size``.
    """
    from kizuna.roots.keys import PublicKey

    public: list[PublicKey] = []
    shared: list[SharedKey] = []
    roots: list[bytes] = []
    for name, data in files:
        words = data.lstrip()
        if words.startswith(b"-----BEGIN CERTIFICATE"):
            roots.append(data)
        elif words.startswith(b"-----BEGIN PUBLIC KEY"):
            public.append(PublicKey.from_pem(data))
        elif words.startswith(b"-----BEGIN"):
            raise Malformed(
                "key.private",
                "a private key stands where a public one belongs",
                why="whoever has read it may have it: treat it as compromised",
                hint="give the public key",
            )
        elif words.startswith(b"{"):
            jwk = _jwk(name, data)
            if jwk.get("kty") == "oct":
                shared.append(_shared(name, jwk))
            else:
                public.append(PublicKey.from_jwk(jwk))
        else:
            raise _unknown(name)
        if len(public) + len(shared) + len(roots) > MAX_KEYS:
            raise Malformed(
                "key.too-many",
                f"more than {MAX_KEYS} keys",
                hint="enrol the devices, or give fewer keys",
                limit=MAX_KEYS,
            )
    return Keyring(tuple(public), tuple(shared), tuple(roots))


def appraise(
    evidence: bytes,
    *,
    scheme: str,
    settings: Settings,
    keys: Keyring,
    signers: Sequence[PublicKey] = (),
    references: Iterable[tuple[str, bytes]] = (),
    nonce: str | None = None,
    subject: str | None = None,
    model: str | None = None,
    closed: bool = False,
    allow_unsigned: bool = False,
    use_store: bool = False,
    registers: str | None = None,
) -> Appraisal:
    """The appraisal of one piece of evidence.

    Args:
        evidence: as the device made it.
        scheme: its class.
        settings: clock and store.
        keys: the device's key or keys, of which one must fit.
        signers: keys that may vouch for reference values, besides ``keys``.
        references: CoRIM documents or digest lists, by file name.
        nonce: what the evidence must show, in hexadecimal.
        subject: whom it is about, for the answer.
        model: the class of its reference values; without it the one that the evidence names.
        closed: the values are all there are, so any other digest tells against the device.
        allow_unsigned: take reference values that nobody signed; the answer then warns.
        use_store: add the reference values of the store.
        registers: those that a TPM's quote must be over (``0-7,16``).

    Raises:
        Malformed: ``attestation.no-scheme``, ``attestation.nonce-form``, ``device.registers``, and
            what is wrong with a reference document. Refused, Tampered: a document that may not be
            believed.
    """
    from kizuna.app.wiring.devices.reference import load
    from kizuna.proof.attestation.appraiser import Appraiser, Task
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.schemes import SCHEMES

    if scheme not in {one.name for one in SCHEMES}:
        known = ", ".join(sorted(one.name for one in SCHEMES))
        raise Malformed(
            "attestation.no-scheme",
            f"no scheme {scheme[:40]!r}",
            why="evidence is read by the rules of its class",
            hint=f"one of {known}",
            scheme=scheme[:40],
            known=known,
        )
    now = settings.clock()
    known_values, vouching = load(
        references,
        signers=(*signers, *keys.public),
        now=now,
        model=model,
        allow_unsigned=allow_unsigned,
    )
    if use_store:
        _add_store(known_values, settings)
    if closed:
        for name in known_values.models:
            known_values.close(name)
    appraiser = Appraiser(known_values, SCHEMES)
    freshness = Freshness(now=now, nonce=None if nonce is None else _nonce(nonce))
    about = None if subject is None else canonical(subject)
    answers = [
        appraiser.appraise(Task(evidence, scheme, freshness, enrolled))
        for enrolled in _candidates(scheme, keys, vouching, about, model, registers)
    ]
    return min(answers, key=_unfit)


def appraisal_json(appraisal: Appraisal, lang: str) -> dict[str, Any]:
    """What every door shows of an appraisal."""
    vector = appraisal.vector
    return {
        "status": appraisal.status.value,
        "tier": appraisal.tier.value,
        "scheme": appraisal.scheme,
        "subject": appraisal.subject,
        "identity": None if appraisal.identity is None else appraisal.identity.hex(),
        "at": appraisal.at,
        "evidence": appraisal.evidence.hex(),
        "vector": {
            name.replace("_", "-"): getattr(vector, name) for name in type(vector).__slots__
        },
        "claims": {name: _shown(value) for name, value in appraisal.claims.items()},
        "measurements": [
            {
                "component": one.component,
                "version": one.version,
                "algorithm": one.digest_alg,
                "digest": one.digest.hex(),
            }
            for one in appraisal.measurements
        ],
        "findings": [_finding_json(finding, lang) for finding in appraisal.findings],
    }


def result(appraisal: Appraisal, workspace: Workspace, *, as_jwt: bool) -> bytes:
    """The appraisal as an EAR signed by the store's key: a CWT, or a JWT."""
    from kizuna import __version__
    from kizuna.proof.attestation.ear import sign_ear, sign_jwt

    make = sign_jwt if as_jwt else sign_ear
    return make(workspace.unit, workspace.handle, appraisal, version=__version__)


def finding_words(finding: AppraisalFinding, lang: str) -> tuple[str, str]:
    """What was found and what would mend it, in one sentence each."""
    code = finding.code.value
    about = {name: str(value) or "–" for name, value in finding.about.items()}
    return (
        text(f"appraisal.{code}.message", lang, **about),
        text(f"appraisal.{code}.mend", lang, **about),
    )


def _finding_json(finding: AppraisalFinding, lang: str) -> dict[str, Any]:
    message, mend = finding_words(finding, lang)
    return {
        "code": finding.code.value,
        "message": message,
        "mend": mend,
        "about": dict(finding.about),
        "status": finding.code.status.value,
    }


def _candidates(
    scheme: str,
    keys: Keyring,
    vouching: frozenset[bytes],
    subject: Any,  # noqa: ANN401 - a SubjectId or None
    model: str | None,
    registers: str | None,
) -> Iterable[Any]:
    """The devices that the evidence may come from: one for each key, or one without."""
    from kizuna.app.wiring.devices import chips
    from kizuna.proof.attestation.scheme import Enrolled
    from kizuna.roots.keys import PublicKey

    usable: list[Any] = [key for key in keys.public if key.thumbprint not in vouching]
    usable += keys.shared
    bound = {} if registers is None else chips.bound(chips.said(registers, None, None))
    for key in usable or [None]:
        roots: tuple[Any, ...] = keys.roots
        if scheme == "dice" and not roots and isinstance(key, PublicKey):
            roots = (key,)  # the device's own key, under which its layers stand
        yield Enrolled(
            scheme=scheme, subject=subject, key=key, roots=roots, reference=model, about=bound
        )


def _unfit(appraisal: Appraisal) -> int:
    """With several keys, the answer of the one that fits."""
    from kizuna.proof.attestation.appraisal import AppraisalCode

    codes = {finding.code for finding in appraisal.findings}
    return int(AppraisalCode.SIGNATURE_WRONG in codes) + 2 * int(AppraisalCode.KEY_UNKNOWN in codes)


def _add_store(known: References, settings: Settings) -> None:
    from kizuna.app.wiring.devices.shelf import Shelf
    from kizuna.app.wiring.workspace import Workspace

    workspace = Workspace.open(settings=settings, read_only=True)
    try:
        kept = Shelf(workspace).references()
    finally:
        workspace.close()
    known.merge(kept)


def _nonce(words: str) -> bytes:
    try:
        nonce = binascii.unhexlify(words.strip())
    except (binascii.Error, ValueError):
        nonce = b""
    if not 8 <= len(nonce) <= 64:
        raise Malformed(
            "attestation.nonce-form",
            "the nonce is not 8 to 64 bytes in hexadecimal",
            hint="give the bytes that the device was asked to show",
        )
    return nonce


def _jwk(name: str, data: bytes) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise _unknown(name) from fault


def _shared(name: str, jwk: Mapping[str, Any]) -> SharedKey:
    from kizuna.roots import base64url
    from kizuna.roots.cose import SharedKey

    secret = jwk.get("k")
    if not isinstance(secret, str):
        raise _unknown(name)
    return SharedKey(base64url.decode(secret))


def _unknown(name: str) -> Malformed:
    return Malformed(
        "key.file-unknown",
        f"{name} holds no key",
        why="it is neither PEM nor a JSON Web Key",
        hint="give a public key in PEM, or a JWK (kty oct for a shared key)",
        path=name,
    )


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(_shown(key)): _shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return value if isinstance(value, str | int | bool) or value is None else str(value)
