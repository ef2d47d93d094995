# SPDX-License-Identifier: Apache-2.0
"""UNTP credentials: conformity (DCC), product passport (DPP), identity anchor (DIA), out of a VC.

Only names of members that the published models use are known here; no schema file is carried. What
is not known is kept as a field under its own name.

Keeps: 1. A conformity attestation becomes one claim for each thing assessed, of the standard's
type; where nothing names a thing, about the credential's own subject. 2. The assessor's level is
*stated*, in a field; the level of the claim stays the importer's. 3. A passport ties its product to
whoever it says made it, in the importer's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Links
from kizuna.model.payload.link import Described, Link
from kizuna.model.relation import Relation
from kizuna.proof.documents.bill import claim_values, flatten
from kizuna.proof.documents.names import clean, machine_name

__all__ = ["ATTESTATION", "Said", "kind_of_credential", "read_untp"]

Json = Mapping[str, Any]
Resolve = Callable[[object], SubjectId | None]

ATTESTATION: Final = "DigitalConformityCredential"
_PASSPORT: Final = "DigitalProductPassport"
_ANCHOR: Final = "DigitalIdentityAnchor"
_KNOWN: Final = (ATTESTATION, _PASSPORT, _ANCHOR)
_MOST: Final = 500

_THIRD: Final = frozenset({"3rdparty", "third party", "thirdparty", "third-party", "accredited"})
_SECOND: Final = frozenset({"commercial", "buyer", "membership"})
_NOT: Final = frozenset({"false", "no"})
_CERTIFYING: Final = frozenset({"certification", "certificate"})


@dataclass(frozen=True, slots=True)
class Said:
    """One thing a credential says: a claim's type and fields, or ties."""

    subject: SubjectId
    kind: Kind
    type: str
    fields: dict[str, Any]
    links: Links | None = None


def kind_of_credential(types: list[str]) -> str:
    """The UNTP credential among the types of a credential; empty where it is none."""
    return next((name for name in _KNOWN if name in types), "")


def read_untp(name: str, subject: Json, resolve: Resolve) -> list[Said]:
    """What the subject of a UNTP credential says."""
    if name == ATTESTATION:
        return _conformity(subject, resolve)
    if name == _PASSPORT:
        return _passport(subject, resolve)
    return _anchor(subject, resolve)


def _conformity(subject: Json, resolve: Resolve) -> list[Said]:
    party = subject.get("issuedToParty") or subject.get("issuedTo")
    issued_to = resolve(party.get("id") if isinstance(party, Mapping) else None)
    assessor = str(subject.get("assessorLevel", "")).casefold()
    attestation = str(subject.get("attestationType", "")).casefold()
    level = (
        Level.THIRD if assessor in _THIRD else Level.SECOND if assessor in _SECOND else Level.SELF
    )
    kind = Kind.CERTIFICATE if attestation in _CERTIFYING else Kind.EVIDENCE
    plain = {
        "level_stated": level.value,
        "assessor_level": subject.get("assessorLevel"),
        "assessment_level": subject.get("assessmentLevel"),
        "attestation": subject.get("attestationType"),
        "number": subject.get("registeredId") or subject.get("id"),
        "issued_to": issued_to,
        "scheme": _named(subject.get("scope") or subject.get("conformityScheme")),
    }
    said: list[Said] = []
    assessments = _list(subject.get("assessment")) or [{}]
    for one in assessments[:_MOST]:
        standard = _named(one.get("referenceStandard")) or _named(subject.get("referenceStandard"))
        conforms = _first(one, "compliance", "conformance")
        kind_name = _type_of(standard, "conformity", conforms)
        fields = claim_values(
            {
                **plain,
                "standard": standard,
                "requirements": [
                    w for c in _list(one.get("assessmentCriteria")) if (w := _named(c))
                ],
                "conformance": conforms,
                "assessed_on": one.get("assessmentDate"),
                "topic": one.get("conformityTopic"),
            }
        )
        things = _list(one.get("assessedProduct")) + _list(one.get("assessedFacility"))
        things += _list(one.get("assessedOrganisation"))
        found = [resolve(t.get("id") or _nested(t)) for t in things[:_MOST]]
        about = [f for f in found if f is not None] or [
            s for s in (issued_to, resolve(subject.get("id"))) if s is not None
        ][:1]
        said += [Said(s, kind, kind_name, fields) for s in about]
    return said


def _passport(subject: Json, resolve: Resolve) -> list[Said]:
    product = subject.get("product") if isinstance(subject.get("product"), Mapping) else subject
    assert isinstance(product, Mapping)  # noqa: S101 - one of two mappings
    about = resolve(product.get("id") or subject.get("id"))
    if about is None:
        return []
    party = product.get("producedByParty") or product.get("producer")
    maker = resolve(party.get("id") if isinstance(party, Mapping) else None)
    said = [
        Said(
            about,
            Kind.EVIDENCE,
            "digital-product-passport",
            flatten({k: v for k, v in subject.items() if k not in ("type", "conformityClaim")}),
        )
    ]
    said.append(
        Said(
            about,
            Kind.LINK,
            "",
            {},
            Links(
                links=[Link(relation=Relation.MADE_BY, object=maker)] if maker else [],
                described=[
                    Described(
                        name=clean(product.get("name"), 400) or None,
                        version=clean(product.get("version") or product.get("batchNumber"), 200)
                        or None,
                    )
                ],
                part="untp-dpp",
                imported=True,
            ),
        )
    )
    for one in _list(subject.get("conformityClaim"))[:_MOST]:
        standard = _named(one.get("referenceStandard")) or _named(one.get("referenceRegulation"))
        conforms = _first(one, "conformance", "compliance")
        said.append(
            Said(
                about,
                Kind.EVIDENCE,
                _type_of(standard, "conformity-claim", conforms),
                claim_values(
                    {
                        "level_stated": Level.SELF.value,
                        "standard": standard,
                        "topic": one.get("conformityTopic"),
                        "conformance": conforms,
                        "evidence": _nested(one.get("conformityEvidence")),
                    }
                ),
            )
        )
    return said


def _anchor(subject: Json, resolve: Resolve) -> list[Said]:
    about = resolve(subject.get("id"))
    if about is None:
        return []
    fields = flatten({k: v for k, v in subject.items() if k != "type"})
    return [Said(about, Kind.EVIDENCE, "digital-identity-anchor", fields)]


def _type_of(standard: str, otherwise: str, conforms: object) -> str:
    """The claim's type. What was assessed and found wanting is no claim of that standard: who asks
    for one must not be given it.
    """
    if conforms is False or str(conforms).casefold() in _NOT:
        return "non-conformity"
    return machine_name(standard) or otherwise


def _list(value: object) -> list[Json]:
    items = value if isinstance(value, list) else [value]
    return [one for one in items if isinstance(one, Mapping)]


def _named(value: object) -> str:
    if isinstance(value, Mapping):
        return clean(value.get("name") or value.get("id"), 200)
    return clean(value, 200)


def _nested(value: object) -> str:
    """The identifier of a thing that stands one member deeper, or of a link."""
    if isinstance(value, Mapping):
        for member in ("id", "linkURL", "href"):
            if isinstance(value.get(member), str):
                return str(value[member])
        inner = next((v for v in value.values() if isinstance(v, Mapping) and "id" in v), None)
        if inner is not None:
            return str(inner["id"])
    return ""


def _first(one: Json, *names: str) -> object:
    return next((one[n] for n in names if n in one), None)
