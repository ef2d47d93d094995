# SPDX-License-Identifier: Apache-2.0
"""Declarations of a CycloneDX document: attestations that a target conforms to a standard.

Keeps: 1. One claim for each attestation, target and standard, holding the requirements met, the
lowest conformance among them, and what speaks against. 2. A third-party assessor makes the claim a
certificate and is named in it; the level stays what an importer can vouch for: self-declared, with
the stated level beside it. 3. The claim ends when the first piece of its evidence expires.
"""

from __future__ import annotations

import math
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from typing import Any, Final

from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level, Reference
from kizuna.proof.documents.bill import (
    MAX_STATEMENT_BYTES,
    Bill,
    claim_values,
    draft,
    too_many_statements,
)
from kizuna.proof.documents.cyclonedx.vulnerabilities import instant
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.names import clean, machine_name
from kizuna.proof.documents.values import Draft, Remark

__all__ = ["read_declarations"]

Json = dict[str, Any]
Path = tuple[str | int, ...]
Resolve = Callable[[object, Path], SubjectId | None]

_MOST_ENTRIES: Final = 1_000


def read_declarations(
    document: Json, resolve: Resolve, bill: Bill, root: SubjectId | None
) -> list[Draft]:
    """The claims that the attestations of a document come to; remarks go to the bill.

    Raises:
        Malformed: ``document.too-many-statements``.
    """
    room = MAX_STATEMENT_BYTES
    declared: Json = document["declarations"]
    tables: dict[str, dict[str, tuple[Json, Path]]] = {
        member: {
            entry["bom-ref"]: (entry, ("declarations", member, place))
            for place, entry in enumerate(declared.get(member) or ())
            if entry.get("bom-ref")
        }
        for member in ("assessors", "claims", "evidence")
    }
    standards = _requirements(document)
    drafts: list[Draft] = []
    for number, attestation in enumerate(declared.get("attestations") or ()):
        path: Path = ("declarations", "attestations", number)
        groups: dict[tuple[SubjectId, str], _Gathered] = {}
        for place, entry in enumerate(attestation.get("map") or ()):
            here = (*path, "map", place)
            standard, requirement = standards.get(
                entry.get("requirement", ""), (None, entry.get("requirement", ""))
            )
            if standard is None and requirement:
                bill.remarks.append(
                    Remark(pointer([*here, "requirement"]), "requirement-undefined", requirement)
                )
            kind = (
                machine_name(standard.get("name"), standard.get("version")) if standard else ""
            ) or "attestation"
            for member in ("claims", "counterClaims"):
                for spot, reference in enumerate(entry.get(member) or ()):
                    claim, _ = tables["claims"].get(reference, ({}, ()))
                    if not claim:
                        where = pointer([*here, member, spot])
                        if member == "claims":
                            bill.remarks.append(Remark(where, "reference-dangling", reference))
                        continue
                    target = resolve(
                        claim.get("target"), ("declarations", "claims", reference, "target")
                    )
                    subject = target or root
                    if subject is None:
                        continue
                    group = groups.setdefault((subject, kind), _Gathered(standard))
                    group.take(claim, entry, requirement, counter=member == "counterClaims")
        assessor, _ = tables["assessors"].get(attestation.get("assessor", ""), ({}, ()))
        for (subject, kind), group in groups.items():
            third = assessor.get("thirdParty") is True
            evidence = [
                tables["evidence"].get(name, ({}, ()))[0]
                for name in list(group.evidence)[:_MOST_ENTRIES]
            ]
            drafts.append(
                draft(
                    Kind.CERTIFICATE if third else Kind.EVIDENCE,
                    subject,
                    _claim(kind, attestation, assessor, group, evidence, third=third),
                )
            )
            room -= len(drafts[-1].payload)
            if room < 0:
                raise too_many_statements()
    return drafts


class _Gathered:
    """What the entries of one attestation say about one target and one standard."""

    def __init__(self, standard: Json | None) -> None:
        self.standard = standard or {}
        self.requirements: list[str] = []
        self.predicates: list[str] = []
        self.against: list[str] = []
        self.evidence: dict[str, None] = {}
        self.conformance: float | None = None
        self.confidence: float | None = None

    def take(self, claim: Json, entry: Json, requirement: str, *, counter: bool) -> None:
        (self.against if counter else self.predicates).append(str(claim.get("predicate", "")))
        if requirement and requirement not in self.requirements and not counter:
            self.requirements.append(requirement)
        self.evidence.update(dict.fromkeys(claim.get("evidence") or ()))
        for name in ("conformance", "confidence"):
            score = (entry.get(name) or {}).get("score")
            if isinstance(score, int | float) and not isinstance(score, bool):
                before = getattr(self, name)
                setattr(self, name, score if before is None else min(before, score))


def _claim(
    kind: str,
    attestation: Json,
    assessor: Json,
    group: _Gathered,
    evidence: list[Json],
    *,
    third: bool,
) -> Claim:
    ends = [end for one in evidence if (end := instant(one.get("expires"))) is not None]
    return Claim(
        type=kind,
        valid_until=min(ends) if ends else None,
        claims=claim_values(
            {
                "standard": group.standard.get("name"),
                "standard_version": group.standard.get("version"),
                "requirements": group.requirements,
                "predicates": group.predicates,
                "counter_claims": group.against,
                "conformance": _percent(group.conformance),
                "confidence": _percent(group.confidence),
                "assessor": (assessor.get("organization") or {}).get("name"),
                "level_stated": (Level.THIRD if third else Level.SELF).value if assessor else None,
                "signed": "signature" in attestation,
            }
        ),
        evidence=_references(evidence),
        note=clean(attestation.get("summary")) or None,
        imported=True,
    )


def _percent(score: float | None) -> int | None:
    """A score of 0 to 1 as whole percents, rounded down."""
    return None if score is None else math.floor(score * 100 + 1e-9)


def _references(evidence: list[Json]) -> list[Reference]:
    """The attachments of evidence by their digests; what lies elsewhere has none to give."""
    made: list[Reference] = []
    for one in evidence:
        for data in one.get("data") or ():
            attachment = (data.get("contents") or {}).get("attachment") or {}
            content = attachment.get("content")
            if not isinstance(content, str):
                continue
            raw = content.encode()
            if attachment.get("encoding") == "base64":
                try:
                    raw = b64decode(content, validate=False)
                except (NotBase64, ValueError):
                    continue
            made.append(
                Reference(
                    sha256=digest_of(raw).hex(),
                    media_type=clean(attachment.get("contentType"), 200) or None,
                    note=clean(one.get("description"), 1000) or None,
                )
            )
    return made[:200]


def _requirements(document: Json) -> dict[str, tuple[Json | None, str]]:
    """Every requirement that the document defines: its standard and its identifier there."""
    made: dict[str, tuple[Json | None, str]] = {}
    for standard in (document.get("definitions") or {}).get("standards") or ():
        for requirement in standard.get("requirements") or ():
            reference = requirement.get("bom-ref")
            if reference:
                made[reference] = (
                    standard,
                    clean(requirement.get("identifier"), 200) or reference,
                )
    return made
