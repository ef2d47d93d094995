# SPDX-License-Identifier: Apache-2.0
"""DICE evidence: the certificate chain of the boot layers, and proof that the last key is there.

Keeps: 1. A chain counts under an anchor that was enrolled, and only then do its digests. 2. A chain
by itself says nothing of now: freshness needs the last layer's signature over the nonce. 3. The
device's key, which stays when firmware changes, must be the one enrolled. 4. A layer that was
started open (debug) counts against the device.

Evidence is a chain by itself (PEM, DER, CBOR), or a CBOR map of ``chain`` and ``proof``, a
COSE_Sign1 by the leaf's key whose content is the nonce.
Standard: TCG DICE Attestation Architecture; Open Profile for DICE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Problem
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Measurement,
    Tier,
    Vector,
)
from kizuna.proof.attestation.judgement import AFFIRMS, judged, measured, opening
from kizuna.proof.attestation.scheme import Check, Enrolled, Reading
from kizuna.proof.attestation.token import malformed
from kizuna.roots.boot.dice import Chain, chain_faults, read_chain
from kizuna.roots.boot.path import Anchor, PathFault, read_anchors
from kizuna.roots.cose import Sign1, decode, encode, read_sign1
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.proof.attestation.freshness import Freshness
    from kizuna.proof.attestation.reference import References

__all__ = ["Dice", "write_evidence"]

MAX_EVIDENCE: Final = 256 << 10

_GOOD: Final = Vector(instance_identity=AFFIRMS, hardware=AFFIRMS)
_TIME: Final = frozenset({PathFault.EXPIRED, PathFault.EARLY})
_OPEN: Final = frozenset({"debug", "not-secure"})


@dataclass(frozen=True, slots=True)
class _Parts:
    chain: Chain
    proof: Sign1 | None


class _Links:
    """The links of a chain up to an anchor, as one thing to check."""

    __slots__ = ("_anchors", "_chain")

    def __init__(self, chain: Chain, anchors: tuple[Anchor, ...]) -> None:
        self._chain, self._anchors = chain, anchors

    def holds(self, signature: bytes, message: bytes) -> bool:  # noqa: ARG002 - they are held here
        # an anchor that is not known is no forgery: ``checks`` leaves such a chain unchecked
        return not chain_faults(self._chain, self._anchors, now=None)


class Dice:
    """The scheme ``dice``."""

    name = "dice"
    tier = Tier.HARDWARE

    def read(self, evidence: bytes) -> Reading:
        """A chain, with the proof of its last key where there is one.

        Raises:
            Malformed: ``attestation.malformed``.
        """
        if len(evidence) > MAX_EVIDENCE:
            raise malformed(f"{len(evidence)} bytes, at most {MAX_EVIDENCE}")
        try:
            parts = _parts(evidence)
        except Problem as fault:
            if fault.code == "attestation.malformed":
                raise
            raise malformed(fault.why or fault.what) from fault
        chain, proof = parts.chain, parts.proof
        device = chain.device_key
        vendor = next((f"{m.vendor}/{m.model}" for m in chain.measured if m.model), None)
        claims: dict[str, object] = {
            "layers": [layer.name for layer in reversed(chain.layers)],
            "device-key": device.thumbprint,
        }
        if chain.ueid is not None:
            claims["ueid"] = chain.ueid
        if chain.flags:
            claims["flags"] = list(chain.flags)
        return Reading(
            scheme=self.name,
            evidence=Digest(sha256(evidence).digest()),
            identity=chain.ueid or device.thumbprint,
            model=vendor,
            nonce=None if proof is None else proof.payload,
            measurements=_measurements(chain),
            claims=claims,
            key_hint=chain.leaf.key.thumbprint,
            uttered=None if proof is None else _uttered(proof),
            body=parts,
        )

    def checks(self, reading: Reading, enrolled: Enrolled) -> tuple[Check, ...]:
        """The chain under its anchors, and the proof under the chain's last key."""
        parts: _Parts = reading.body
        anchors = _anchors(enrolled)
        if not anchors:
            return ()
        if PathFault.ANCHOR in chain_faults(parts.chain, anchors, now=None):
            return ()
        found = [Check(_Links(parts.chain, anchors), b"", b"")]
        if parts.proof is not None:
            key = parts.chain.leaf.key
            named = parts.proof.algorithm
            fits = named is not None and key.algorithm.answers_to(named)
            signature = parts.proof.signature if fits else b""
            found.append(Check(key, signature, parts.proof.to_be_signed()))
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
        """Judge time, device key, flags and measured layers."""
        now = freshness.now
        first = opening(reading, authentic=authentic, enrolled=enrolled, freshness=freshness)
        chain: Chain = reading.body.chain
        if first is None and _TIME.intersection(chain_faults(chain, _anchors(enrolled), now=now)):
            first = AppraisalFinding(AppraisalCode.STALE, {"epoch": "certificate"})
        if first is not None:
            return judged(reading, tier=self.tier, enrolled=enrolled, now=now, findings=(first,))
        findings: list[AppraisalFinding] = []
        if isinstance(enrolled.key, PublicKey) and enrolled.key != chain.device_key:
            about = {
                "key": chain.device_key.thumbprint.hex(),
                "enrolled": enrolled.key.thumbprint.hex(),
            }
            findings.append(AppraisalFinding(AppraisalCode.KEY_CHANGED, about))
        executables, more = measured(reading, enrolled=enrolled, references=references, now=now)
        findings += more
        for flag in chain.flags:
            code = AppraisalCode.DEVICE_OPEN if flag in _OPEN else AppraisalCode.DEBUG_OPEN
            findings.append(AppraisalFinding(code, {"state": flag}))
        return judged(
            reading,
            tier=self.tier,
            enrolled=enrolled,
            now=now,
            vector=_GOOD.worsened("executables", executables),
            findings=findings,
        )


def write_evidence(chain: bytes, proof: bytes) -> bytes:
    """A chain with the proof of its last key: a COSE_Sign1 over the nonce."""
    return encode({"chain": chain, "proof": proof})


def _parts(evidence: bytes) -> _Parts:
    if evidence[:1] in (b"\xa2", b"\xa1"):
        value: Any = decode(evidence, 4)
        if type(value) is not dict or value.keys() != {"chain", "proof"}:
            raise malformed("members other than chain and proof")
        chain, proof = value["chain"], value["proof"]
        if type(chain) is not bytes or type(proof) is not bytes:
            raise malformed("chain and proof are byte strings")
        signed = read_sign1(proof)
        if signed.payload is None or not 8 <= len(signed.payload) <= 64:
            raise malformed("the proof's content is a nonce of 8 to 64 bytes")
        return _Parts(read_chain(chain), signed)
    return _Parts(read_chain(evidence), None)


def _uttered(proof: Sign1) -> tuple[bytes, bytes]:
    return proof.to_be_signed(), proof.signature[: len(proof.signature) // 2]


def _measurements(chain: Chain) -> tuple[Measurement, ...]:
    found: list[Measurement] = []
    layers = [layer for layer in reversed(chain.layers) if layer.measured]
    for place, layer in enumerate(layers):
        for one in layer.measured:
            if one.kind != "firmware":
                component = f"layer-{place}.{one.kind}"
            else:
                component = one.model or one.kind
            found.append(
                Measurement(
                    component=component,
                    digest_alg=one.digest_alg,
                    digest=one.digest,
                    version=one.version,
                    svn=one.svn,
                    flags=one.flags,
                )
            )
    return tuple(found)


def _anchors(enrolled: Enrolled) -> tuple[Anchor, ...]:
    found: list[Anchor] = []
    for root in enrolled.roots:
        if isinstance(root, Anchor):
            found.append(root)
        elif isinstance(root, PublicKey):
            found.append(Anchor(root))
        else:
            found.extend(_read(root if isinstance(root, bytes) else root.certificates))
    return tuple(found)


@lru_cache(maxsize=1024)
def _read(data: bytes) -> Sequence[Anchor]:
    return read_anchors(data)
