# SPDX-License-Identifier: Apache-2.0
"""What predicates of in-toto statements say: claims, and ties to builders and to what was used.

Keeps: 1. Provenance speaks under the names that profiles ask for, whichever version wrote it; any
other predicate under its own. 2. A resource without a readable name is told of and left out.
"""

from __future__ import annotations

from typing import Any, Final

from kizuna.model.identifier import Element, SubjectId
from kizuna.model.relation import Relation
from kizuna.proof.documents import names
from kizuna.proof.documents.bill import Bill, Part, claim_values, flatten
from kizuna.proof.documents.names import clean, machine_name
from kizuna.proof.documents.values import Remark

__all__ = [
    "KNOWN_PREDICATES",
    "artifact",
    "listing",
    "mapping",
    "predicate_claims",
    "resource_name",
    "tie_provenance",
    "tie_resources",
]

Json = dict[str, Any]

KNOWN_PREDICATES: Final = {
    "https://slsa.dev/provenance/v1": "slsa-provenance",
    "https://slsa.dev/provenance/v0.2": "slsa-provenance",
    "https://slsa.dev/provenance/v0.1": "slsa-provenance",
    "https://slsa.dev/verification_summary/v1": "slsa-verification-summary",
    "https://slsa.dev/verification_summary/v0.2": "slsa-verification-summary",
    "https://in-toto.io/attestation/test-result/v0.1": "test-result",
    "https://in-toto.io/attestation/vulns/v0.1": "vulnerability-scan",
    "https://in-toto.io/attestation/vulns/v0.2": "vulnerability-scan",
    "https://in-toto.io/attestation/release/v0.1": "release",
    "https://in-toto.io/attestation/link/v0.3": "in-toto-link",
    "https://in-toto.io/attestation/scai/attribute-report/v0.2": "scai",
    "https://in-toto.io/attestation/scai/attribute-report": "scai",
    "https://in-toto.io/attestation/reference/v0.1": "reference",
    "https://in-toto.io/attestation/svr/v0.1": "simple-verification-result",
}


def predicate_claims(sort: str, kind: str, predicate: Json) -> dict[str, Any]:
    """What a predicate says, as claims; provenance under the names that profiles ask for."""
    if sort != "slsa-provenance":
        return flatten(predicate)
    built = mapping(predicate.get("buildDefinition"))
    details = mapping(predicate.get("runDetails"))
    metadata = mapping(details.get("metadata")) or mapping(predicate.get("metadata"))
    builder = mapping(details.get("builder")) or mapping(predicate.get("builder"))
    source = mapping(mapping(predicate.get("invocation")).get("configSource")).get("uri")
    sources = [
        one.get("uri")
        for one in (
            listing(built.get("resolvedDependencies")) or listing(predicate.get("materials"))
        )
        if isinstance(one, dict) and one.get("uri")
    ]
    return claim_values(
        {
            "builder": builder.get("id"),
            "source": source or (sources[0] if sources else None),
            "build_type": built.get("buildType") or predicate.get("buildType"),
            "materials": sources[:100],
            "invocation": metadata.get("invocationId") or metadata.get("buildInvocationId"),
            "started": metadata.get("startedOn") or metadata.get("buildStartedOn"),
            "finished": metadata.get("finishedOn") or metadata.get("buildFinishedOn"),
            "slsa": kind.rpartition("/")[2],
            **flatten(built.get("externalParameters") or {}, "parameter", most=30),
        }
    )


def tie_provenance(
    bill: Bill, subject: SubjectId, predicate: Json, remarks: list[Remark], where: str
) -> None:
    """Tie what was built to its builder and to what it was built from."""
    built = mapping(predicate.get("buildDefinition"))
    if "resolvedDependencies" in built:
        place = f"{where}/buildDefinition/resolvedDependencies"
        tie_resources(bill, subject, built["resolvedDependencies"], remarks, place)
    else:
        tie_resources(bill, subject, predicate.get("materials"), remarks, f"{where}/materials")
    builder = mapping(mapping(predicate.get("runDetails")).get("builder")) or mapping(
        predicate.get("builder")
    )
    named = names.identifier(builder.get("id"))
    if named is not None:
        bill.add(Part(id=named, where=where, element=Element.SERVICE))
        bill.tie(subject, Relation.PERFORMED_BY, named)


def tie_resources(
    bill: Bill, subject: SubjectId, resources: object, remarks: list[Remark], where: str
) -> None:
    """Tie a subject to the resources that it was derived from."""
    for place, one in enumerate(listing(resources)):
        if not isinstance(one, dict):
            continue
        other = resource_name(one)
        if other is None:
            remarks.append(Remark(f"{where}/{place}", "identifier-unreadable"))
            continue
        bill.add(artifact(other, one, here=f"{where}/{place}"))
        bill.tie(subject, Relation.DERIVED_FROM, other)


def resource_name(entry: Json) -> SubjectId | None:
    """The name of a resource: a PURL, else its digests, else its URI."""
    package = names.purl(entry.get("uri")) or names.purl(entry.get("name"))
    return (
        package or names.named_by_digests(entry.get("digest")) or names.identifier(entry.get("uri"))
    )


def artifact(subject: SubjectId, entry: Json, here: str) -> Part:
    """A resource as a part, with its digests."""
    hashes = {}
    for algorithm, value in mapping(entry.get("digest")).items():
        text = str(value).lower()
        if 32 <= len(text) <= 128 and all(letter in "0123456789abcdef" for letter in text):
            spelt = algorithm.lower().replace("_", "-")
            hashes[f"sha-{spelt[3:]}" if spelt[:3] == "sha" and spelt[3:].isdigit() else spelt] = (
                text
            )
    return Part(
        id=subject,
        where=here,
        element=Element.DATA,
        name=clean(entry.get("name") or entry.get("uri")),
        hashes={machine_name(name): value for name, value in hashes.items() if machine_name(name)},
        claims=claim_values({"uri": entry.get("uri"), "download": entry.get("downloadLocation")}),
    )


def mapping(value: object) -> Json:
    """The object that a member is, else an empty one."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[Any]:
    """The list that a member is, else an empty one."""
    return value if isinstance(value, list) else []
