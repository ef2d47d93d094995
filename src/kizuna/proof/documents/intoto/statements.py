# SPDX-License-Identifier: Apache-2.0
"""in-toto Statements v0.1 and v1, and the documents that stand in them as predicates.

Keeps: 1. What a statement is about is named by its digests (RFC 6920, SWHID), or by its own URI or
PURL. 2. A predicate that carries a CycloneDX or SPDX document is read as that document.
Standard: in-toto Attestation Framework v1, SLSA provenance v0.2, v1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, encode_payload
from kizuna.model.relation import Relation
from kizuna.proof.documents.bill import (
    MAX_STATEMENT_BYTES,
    Bill,
    Told,
    claim_values,
    draft,
    too_many_statements,
)
from kizuna.proof.documents.cyclonedx import CYCLONEDX
from kizuna.proof.documents.intoto.predicates import (
    KNOWN_PREDICATES,
    artifact,
    listing,
    mapping,
    predicate_claims,
    resource_name,
    tie_provenance,
    tie_resources,
)
from kizuna.proof.documents.intoto.shape import (
    FORMAT,
    MOST_SUBJECTS,
    MOST_TIES,
    Json,
    fault,
    imported,
    reference,
    signature_claims,
    too_many,
    unknown,
)
from kizuna.proof.documents.names import clean, machine_name
from kizuna.proof.documents.spdx import SPDX
from kizuna.proof.documents.values import Draft, Imported, Importer, InnerSignature, Remark, Source

__all__ = ["read_other", "read_statement"]

_STATEMENTS: Final = ("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1")
_STATEMENT_MEMBERS: Final = frozenset({"_type", "subject", "predicateType", "predicate"})
_RESOURCE_MEMBERS: Final = frozenset(
    {"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}
)


def read_statement(
    source: Source,
    value: Json,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    """What a statement comes to."""
    if value.get("_type") not in _STATEMENTS:
        raise Malformed(
            "document.version-unsupported",
            f"in-toto Statement {str(value.get('_type'))[:80]!r} is not read here",
            why="read are v0.1 and v1",
            hint="write the statement in one of these versions",
            format=FORMAT,
            version=str(value.get("_type"))[:80],
        )
    remarks = [*remarks, *unknown(value, _STATEMENT_MEMBERS, where)]
    kind = value.get("predicateType")
    entries = value.get("subject")
    if not isinstance(kind, str) or not kind:
        raise fault(f"{where}/predicateType", "predicateType is missing")
    if not isinstance(entries, list) or not entries:
        raise fault(f"{where}/subject", "a statement is about at least one subject")
    if len(entries) > MOST_SUBJECTS:
        raise too_many(len(entries))
    predicate = value.get("predicate")
    if predicate is not None and not isinstance(predicate, dict):
        raise fault(f"{where}/predicate", "predicate is an object")
    predicate = predicate or {}
    subjects: list[tuple[SubjectId, Json]] = []
    for place, entry in enumerate(entries):
        here = f"{where}/subject/{place}"
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), dict):
            raise fault(here, "a subject has a digest")
        remarks += unknown(entry, _RESOURCE_MEMBERS, here)
        name = resource_name(entry)
        if name is None:
            remarks.append(Remark(here, "identifier-unreadable", clean(entry.get("name"), 200)))
        else:
            subjects.append((name, entry))
    root = subjects[0][0] if len(subjects) == 1 else None
    if _carried(kind) is not None and isinstance(predicate, dict):
        inner = predicate.get("Data", predicate)
        if isinstance(inner, dict):
            body = source.data
            return read_other(
                source, inner, body, f"{where}/predicate", media_type, judged, remarks, root
            )
    sort = KNOWN_PREDICATES.get(kind) or machine_name(
        kind.removeprefix("https://").removeprefix("http://")
    )
    sort = sort or f"predicate:{digest_of(kind.encode()).hex()[:16]}"
    said = predicate_claims(sort, kind, predicate)
    about = {**said, "predicate_type": kind, **signature_claims(judged)}
    if not said and predicate:
        remarks.append(Remark(f"{where}/predicate", "kept-only"))
    claim = Claim(
        type=sort,
        claims=claim_values(about),
        evidence=[reference(source, media_type)],
        imported=True,
    )
    tied = max(
        len(listing(mapping(predicate.get("buildDefinition")).get("resolvedDependencies"))),
        len(listing(predicate.get("materials"))),
    )
    if len(subjects) * tied > MOST_TIES:
        raise too_many(len(subjects) * tied)
    if len(subjects) * len(encode_payload(claim)) > MAX_STATEMENT_BYTES:
        raise too_many_statements()
    drafts: list[Draft] = []
    told = Told()
    for subject, entry in subjects:
        bill = Bill(subject, FORMAT)
        bill.add(artifact(subject, entry, here=f"{where}/subject"))
        if sort == "slsa-provenance":
            tie_provenance(bill, subject, predicate, remarks, f"{where}/predicate")
        if sort == "in-toto-link":
            materials = predicate.get("materials")
            tie_resources(bill, subject, materials, remarks, f"{where}/predicate/materials")
        drafts += bill.drafts([], part=f"in-toto:{sort}"[:180], told=told)
        drafts.append(draft(Kind.EVIDENCE, subject, claim))
    return imported(source, f"{FORMAT} Statement", root, drafts, media_type, judged, remarks)


def read_other(
    source: Source,
    inner: object,
    body: bytes,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
    about: SubjectId | None,
) -> Imported:
    """A document of another format inside an envelope or a predicate, read as what it is."""
    found = replace(source, data=body, value=inner)
    importer = next((one for one in (CYCLONEDX, SPDX) if one.matches(found)), None)
    if importer is None:
        raise Malformed(
            "document.unrecognised",
            f"what stands at {where} fits none of the formats that are read here",
            why="read are in-toto statements, CycloneDX and SPDX",
            hint="import the inner document on its own",
            name=source.name[:200],
        )
    inside = importer.read(found)
    drafts = [
        one
        if one.media_type != inside.media_type
        else replace(one, payload=source.data, media_type=media_type)
        for one in inside.statements
    ]
    if about is not None and inside.root is not None and about != inside.root:
        bill = Bill(about, FORMAT)
        bill.tie(about, Relation.SAME_AS, inside.root)
        drafts += bill.drafts([], part="in-toto:bill")
    return replace(
        inside,
        root=inside.root or about,
        statements=tuple(drafts),
        media_type=media_type,
        document=source.data,
        remarks=(
            *remarks,
            *(replace(one, where=f"{where}{one.where}") for one in inside.remarks),
        ),
        inner_signatures=(
            *judged,
            *(replace(one, where=f"{where}{one.where}") for one in inside.inner_signatures),
        ),
    )


def _carried(predicate_type: str) -> Importer | None:
    if predicate_type.startswith("https://cyclonedx.org/bom"):
        return CYCLONEDX
    if predicate_type.startswith("https://spdx.dev/Document"):
        return SPDX
    return None
