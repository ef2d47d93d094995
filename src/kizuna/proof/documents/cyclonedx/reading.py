# SPDX-License-Identifier: Apache-2.0
"""From a CycloneDX document to statements: the order in which its sections are read.

Keeps: references are collected before anything that uses them is read; signatures are judged on
the document as received, before unknown members are taken out of the copy that is read.
"""

from __future__ import annotations

from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Reference
from kizuna.model.relation import Relation
from kizuna.proof.documents import names
from kizuna.proof.documents.bill import claim_values, draft
from kizuna.proof.documents.cyclonedx.declarations import read_declarations
from kizuna.proof.documents.cyclonedx.parts import Reader
from kizuna.proof.documents.cyclonedx.shape import VERSIONS, check_shape
from kizuna.proof.documents.cyclonedx.vulnerabilities import read_vulnerabilities
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.names import clean
from kizuna.proof.documents.signatures import judge_jsf
from kizuna.proof.documents.values import (
    Draft,
    Imported,
    InnerSignature,
    Remark,
    Settled,
    SignatureResult,
    Source,
)

__all__ = ["read_cyclonedx"]

_FORMAT: Final = "CycloneDX"
_MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"
_KEPT_ONLY: Final = ("annotations", "citations", "formulation")

Json = dict[str, Any]


def read_cyclonedx(source: Source) -> Imported:
    """The statements that a CycloneDX document comes to.

    Raises:
        Malformed: ``document.version-unsupported``, ``document.shape``,
            ``document.reference-ambiguous``, ``document.too-many-parts``.
    """
    document: Json = source.value
    version = document.get("specVersion")
    if version not in VERSIONS:
        raise Malformed(
            "document.version-unsupported",
            f"CycloneDX {str(version)[:20]!r} is not read here",
            why=f"read are {', '.join(VERSIONS)}",
            hint="write the document in one of these versions",
            format=_FORMAT,
            version=str(version)[:20],
        )
    signatures = judge_jsf(document, source.key_ring()) if b'"signature"' in source.data else ()
    unknown = check_shape(document, version)
    reader = Reader(source, document)
    metadata: Json = document.get("metadata") or {}
    root = _read_root(reader, metadata)
    bill = reader.bill
    reader.tree("components", document, (), None)
    reader.tree("services", document, (), None)
    _read_targets(reader, document)
    _read_dependencies(reader, document)
    reader.external_bills()
    bill.remarks[:0] = unknown
    bill.remarks += [
        Remark(pointer([member]), "kept-only") for member in _KEPT_ONLY if document.get(member)
    ]
    if root is None and (reader.inside or not bill.is_empty):
        root = bill.root
    _read_compositions(reader, document)
    drafts: list[Draft] = []
    settled: list[Settled] = []
    if document.get("vulnerabilities"):
        made, settled = read_vulnerabilities(
            document["vulnerabilities"], reader.resolve, bill, root
        )
        drafts += made
    if document.get("declarations"):
        drafts += read_declarations(document, reader.resolve, bill, root)
    subject = root or bill.root
    links: list[Draft] = []
    if root is not None and (reader.inside or not bill.is_empty or metadata.get("component")):
        links = bill.drafts(reader.inside, part=_part(reader, document), ext=_origin(reader))
    evidence = [
        draft(
            Kind.EVIDENCE, subject, _about_document(source, document, reader, signatures, metadata)
        ),
        Draft(kind=Kind.EVIDENCE, subject=subject, payload=source.data, media_type=_MEDIA_TYPE),
    ]
    handling = (metadata.get("distributionConstraints") or {}).get("tlp") or ""
    return Imported(
        format=f"{_FORMAT} {version}",
        root=root,
        statements=(*links, *evidence, *drafts),
        media_type=_MEDIA_TYPE,
        document=source.data,
        remarks=(*bill.remarks, *reader.remarks),
        inner_signatures=signatures,
        settled=tuple(settled),
        names=_names(reader, root),
        unresolved=frozenset(reader.unresolved),
        handling=f"TLP:{handling}" if handling not in ("", "CLEAR") else "",
    )


def _read_root(reader: Reader, metadata: Json) -> SubjectId | None:
    """The product that the metadata describe, with all who answer for it."""
    bill = reader.bill
    entry = metadata.get("component")
    if not isinstance(entry, dict):
        return None
    part = reader.component(entry, ("metadata", "component"))
    bill.root = part.id
    bill.add(part)
    if reader.link is not None and not part.id.startswith(f"{reader.link}#"):
        named = reader.place_name(entry, ("metadata", "component"))
        bill.tie(part.id, Relation.SAME_AS, named)
    reader.tree("components", entry, ("metadata", "component"), part.id)
    for member, relation in (
        ("manufacture", Relation.MADE_BY),
        ("supplier", Relation.SUPPLIED_BY),
    ):
        if isinstance(party := metadata.get(member), dict):
            made = reader.party(party, ("metadata", member))
            if made is not None:
                bill.tie(part.id, relation, made)
    return part.id


def _read_targets(reader: Reader, document: Json) -> None:
    """What attestations are about, where it is described beside them."""
    declared = document.get("declarations") or {}
    targets = declared.get("targets") or {}
    for place, entry in enumerate(targets.get("organizations") or ()):
        reader.party(entry, ("declarations", "targets", "organizations", place))
    for member, make in (("components", reader.component), ("services", reader.service)):
        for place, entry in enumerate(targets.get(member) or ()):
            reader.bill.add(make(entry, ("declarations", "targets", member, place)))
    for place, entry in enumerate(declared.get("assessors") or ()):
        organization = entry.get("organization")
        if isinstance(organization, dict):
            reader.party(organization, ("declarations", "assessors", place, "organization"))


def _read_dependencies(reader: Reader, document: Json) -> None:
    bill = reader.bill
    for place, entry in enumerate(document.get("dependencies") or ()):
        path = ("dependencies", place)
        needed = entry.get("dependsOn") or ()
        provided = entry.get("provides") or ()
        whole = reader.resolve(entry.get("ref"), (*path, "ref"))
        if whole is None:
            continue
        for member, references in (("dependsOn", needed), ("provides", provided)):
            for spot, reference in enumerate(references):
                part = reader.resolve(reference, (*path, member, spot))
                if part is None:
                    continue
                known = bill.parts.get(part)
                category = known.category if known else None
                if member == "provides":
                    category = "provided"
                bill.needs(whole, part, category, known.quantity if known else None)


def _read_compositions(reader: Reader, document: Json) -> None:
    bill = reader.bill
    for place, entry in enumerate(document.get("compositions") or ()):
        complete = entry.get("aggregate") == "complete"
        named = False
        for member in ("assemblies", "dependencies"):
            for spot, reference in enumerate(entry.get(member) or ()):
                named = True
                subject = reader.resolve(reference, ("compositions", place, member, spot))
                if subject is not None:
                    bill.complete(subject, claimed=complete)
        if not named and not entry.get("vulnerabilities"):
            bill.complete(bill.root, claimed=complete)


def _part(reader: Reader, document: Json) -> str:
    """Which bill of its subject this is: a VEX must not take the place of the bill of parts, nor a
    bill of cryptography that of the software.
    """
    if not reader.inside:
        return "cyclonedx:description"
    kinds = {entry.get("type") for entry in document.get("components") or ()}
    if kinds == {"cryptographic-asset"} and not document.get("services"):
        return "cyclonedx:cryptography"
    return "cyclonedx"


def _origin(reader: Reader) -> dict[str, Any]:
    return {"bom": str(reader.base)}


def _about_document(
    source: Source,
    document: Json,
    reader: Reader,
    signatures: tuple[InnerSignature, ...],
    metadata: Json,
) -> Claim:
    """A short claim about the document itself: what a profile may ask of a bill of materials."""
    tools = metadata.get("tools") or ()
    if isinstance(tools, dict):
        tools = [*(tools.get("components") or ()), *(tools.get("services") or ())]
    results = [signature.result for signature in signatures]
    return Claim(
        type="bom",
        imported=True,
        claims=claim_values(
            {
                "format": f"{_FORMAT} {document['specVersion']}",
                "bom": reader.link,
                "timestamp": metadata.get("timestamp"),
                "components": len(reader.inside),
                "lifecycles": [
                    phase.get("phase") or phase.get("name")
                    for phase in metadata.get("lifecycles") or ()
                ],
                "tools": [clean(tool.get("name"), 200) for tool in tools],
                "author": [author.get("name") for author in metadata.get("authors") or ()],
                "manufacturer": (metadata.get("manufacturer") or {}).get("name"),
                "signatures": len(signatures),
                "signatures_valid": results.count(SignatureResult.VALID),
                "signatures_wrong": results.count(SignatureResult.WRONG),
                "signatories": [
                    signatory.get("name")
                    for signatory in (
                        (document.get("declarations") or {}).get("affirmation") or {}
                    ).get("signatories")
                    or ()
                ],
                "affirmation": ((document.get("declarations") or {}).get("affirmation") or {}).get(
                    "statement"
                ),
            }
        ),
        evidence=[Reference(sha256=digest_of(source.data).hex(), media_type=_MEDIA_TYPE)],
    )


def _names(reader: Reader, root: SubjectId | None) -> dict[str, SubjectId]:
    """BOM-Links of the document's parts, for other documents that speak of them."""
    if reader.link is None:
        return {}
    made: dict[str, SubjectId] = {}
    if root is not None:
        made[reader.link] = root
    for reference, subject in reader.references.items():
        link = names.part_of_document(reader.link, reference)
        if link is not None:
            made[link] = subject
    return made
