# SPDX-License-Identifier: Apache-2.0
"""TPM evidence: a quote over registers, the values, and the log that explains them.

Keeps: 1. A quote counts when nonce, selection, digest, signature and signer's name all fit; the
registers that the reference values name must all be among those quoted, or the attester would
choose what is looked at. 2. A register is known by its value, or by a log that replays to it and
whose every event is known. 3. A log that does not replay counts against the device, with the first
event that does not fit.
Standard: TPM 2.0 Library; TCG PC Client Platform Firmware Profile; Linux IMA.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from kizuna.model.errors import Problem
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Counters,
    Measurement,
    Tier,
    Vector,
)
from kizuna.proof.attestation.judgement import AFFIRMS, judged, opening
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading
from kizuna.proof.attestation.schemes.tpm.evidence import Parts, read_parts, with_log
from kizuna.proof.attestation.schemes.tpm.registers import known_of, register_findings
from kizuna.roots.boot.quote import Bank, Selection, digest_of
from kizuna.roots.boot.signature import TpmSignature, as_check, is_signed
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.reference import References

__all__ = ["Tpm"]

_GOOD: Final = Vector(instance_identity=AFFIRMS, hardware=AFFIRMS)
_MOST_KEPT: Final = 16
"""Most selections of one shape: its devices quote one, and nobody needs more."""
_NAMES: Final = {"sha1": "sha-1", "sha256": "sha-256", "sha384": "sha-384", "sha512": "sha-512"}


class _Chip:
    """A signature in the chip's own form, where it is not the usual pair of curve and hash."""

    __slots__ = ("_key", "_signature")

    def __init__(self, key: PublicKey, signature: TpmSignature) -> None:
        self._key, self._signature = key, signature

    def holds(self, signature: bytes, message: bytes) -> bool:  # noqa: ARG002 - it is held here
        return is_signed(self._key, self._signature, message)


class Tpm:
    """The scheme ``tpm``."""

    name = "tpm"
    tier = Tier.HARDWARE

    def read(self, evidence: bytes) -> Reading:
        """A quote and what belongs to it, in one of three forms.

        Raises:
            Malformed: ``attestation.malformed``.
        """
        parts = read_parts(evidence)
        quote = parts.quote
        claims: dict[str, object] = {
            "firmware-version": quote.firmware,
            "pcr-selection": list(_places(quote.selection)),
            "pcr-digest": quote.digest,
            "clock-safe": quote.safe,
        }
        if parts.node is not None:
            claims["node-id"] = parts.node
        return Reading(
            scheme=self.name,
            evidence=Digest(sha256(evidence).digest()),
            identity=parts.node,
            names_itself=False,
            model=_model(parts.node),
            nonce=quote.nonce,
            epoch=parts.epoch,
            counters=Counters(clock=quote.clock, resets=quote.resets, restarts=quote.restarts),
            measurements=_measurements(parts),
            claims=claims,
            key_hint=parts.key_id,
            faults=_faults(parts),
            uttered=(parts.quote_bytes, parts.signature.first),
            body=parts,
        )

    def checks(self, reading: Reading, enrolled: Enrolled) -> tuple[Check, ...]:
        """The quote's signature, and that of a key certified beside it."""
        key, parts = enrolled.key, reading.body
        if not isinstance(key, PublicKey):
            return ()
        found = [_check(key, parts.signature, parts.quote_bytes)]
        if parts.certified is not None:
            found.append(_check(key, parts.certified[1], parts.certified[2]))
        return tuple(found)

    def appraise(
        self,
        reading: Reading,
        *,
        authentic: bool | None,
        enrolled: Enrolled,
        references: References,
        freshness: Freshness,
    ) -> Appraisal:
        """Judge selection, signer, registers and log."""
        now = freshness.now
        first = opening(reading, authentic=authentic, enrolled=enrolled, freshness=freshness)
        if first is not None:
            return judged(reading, tier=self.tier, enrolled=enrolled, now=now, findings=(first,))
        try:
            parts = with_log(reading.body)
        except Problem as fault:
            about = {"claim": "log", "fault": (fault.why or fault.what)[:200]}
            slip = AppraisalFinding(AppraisalCode.CLAIMS_INVALID, about)
            return judged(reading, tier=self.tier, enrolled=enrolled, now=now, findings=(slip,))
        findings = list(_quote_findings(parts, enrolled.about))
        executables = 0
        if not findings:
            model = enrolled.reference or reading.model or ""
            known = known_of(references, model, now)
            bound = enrolled.about.get("selection") is not None
            executables, more = register_findings(parts, known, model, bound=bound)
            findings += more
        return judged(
            reading,
            tier=self.tier,
            enrolled=enrolled,
            now=now,
            vector=_vector(executables),
            findings=findings,
        )


def _check(key: PublicKey, signature: TpmSignature, message: bytes) -> Check:
    usual = as_check(key, signature, message)
    if usual is not None:
        return Check(*usual)
    return Check(_Chip(key, signature), b"", message)


def _quote_findings(parts: Parts, about: Mapping[str, object]) -> tuple[AppraisalFinding, ...]:
    """What does not fit between quote, values and what was enrolled."""
    quote = parts.quote
    signer, selection = about.get("signer"), about.get("selection")
    if signer is not None and signer != quote.signer:
        return (
            AppraisalFinding(
                AppraisalCode.KEY_CHANGED,
                {"key": quote.signer.hex()[:80], "enrolled": str(signer)[:80]},
            ),
        )
    if selection is not None and selection != quote.selection:
        return (_registers_differ("the selection is another than the one asked for"),)
    if parts.registers is not None:
        made = _digest(parts, parts.registers)
        if made != quote.digest:
            what = "the values do not give the digest that was signed"
            return (_registers_differ(what, vouched=False),)
    return ()


def _digest(parts: Parts, registers: Bank) -> bytes | None:
    """The digest over the values that came along; worked out once for evidence of one shape."""
    place = (parts.quote.selection, parts.signature.hash_name)
    if parts.alike is None:
        return digest_of(place[0], registers, place[1])
    kept = parts.alike.digests
    if place not in kept:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[place] = digest_of(place[0], registers, place[1])
    return kept.get(place)


def _registers_differ(fault: str, *, vouched: bool = True) -> AppraisalFinding:
    return AppraisalFinding(AppraisalCode.REGISTERS_DIFFER, {"what": fault}, vouched)


def _measurements(parts: Parts) -> tuple[Measurement, ...]:
    if parts.registers is None:
        digest_alg = _NAMES[parts.signature.hash_name]
        quoted = parts.quote.digest
        return (Measurement(component="pcr-digest", digest_alg=digest_alg, digest=quoted),)
    if parts.alike is not None:
        kept = parts.alike.shown
        found = kept.get(parts.quote.selection)
        if found is None:
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            found = kept[parts.quote.selection] = _shown(parts, parts.registers)
        return found
    return _shown(parts, parts.registers)


def _shown(parts: Parts, held: Bank) -> tuple[Measurement, ...]:
    values = [held.get((b, n)) for b, numbers in parts.quote.selection for n in numbers]
    return _all_measured(parts.quote.selection, tuple(values))


@lru_cache(maxsize=512)
def _all_measured(
    selection: Selection, values: tuple[bytes | None, ...]
) -> tuple[Measurement, ...]:
    """One tuple for all devices that show the same."""
    places = [(bank, number) for bank, numbers in selection for number in numbers]
    return tuple(
        _measurement(bank, number, value)
        for (bank, number), value in zip(places, values, strict=True)
        if value is not None
    )


@lru_cache(maxsize=512)
def _places(selection: Selection) -> tuple[int | str, ...]:
    alone = len(selection) == 1
    return tuple(n if alone else f"{bank}:{n}" for bank, numbers in selection for n in numbers)


@lru_cache(maxsize=1 << 15)
def _measurement(bank: str, number: int, value: bytes) -> Measurement:
    """Devices of a class share values, so most are made once."""
    return Measurement(component=str(number), digest_alg=_NAMES[bank], digest=value)


@lru_cache(maxsize=256)
def _vector(executables: int) -> Vector:
    return _GOOD.worsened("executables", executables)


def _faults(parts: Parts) -> tuple[AppraisalFinding, ...]:
    if parts.certified is None:
        return ()
    certified, _, _, area = parts.certified
    slip = ""
    if certified.name != area.name:
        slip = "the key beside is another than the one certified"
    elif certified.nonce != parts.quote.nonce:
        slip = "the two halves answer two nonces"
    if not slip:
        return ()
    return (AppraisalFinding(AppraisalCode.CLAIMS_INVALID, {"claim": "kat", "fault": slip}),)


def _model(node: bytes | None) -> str | None:
    """A node named by a UUID is its own class, where its values are published for it alone."""
    if node is None or len(node) != 16:
        return None
    text = node.hex()
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
