# SPDX-License-Identifier: Apache-2.0
"""What all in-toto metadata have in common here: how faults are told, what an import comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Reference
from kizuna.proof.documents import names
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.values import (
    Draft,
    Imported,
    InnerSignature,
    Remark,
    SignatureResult,
    Source,
)

__all__ = [
    "DSSE",
    "FORMAT",
    "MOST_SUBJECTS",
    "MOST_TIES",
    "STATEMENT",
    "Json",
    "fault",
    "imported",
    "reference",
    "signature_claims",
    "too_many",
    "unknown",
]

Json = dict[str, Any]

FORMAT: Final = "in-toto"
STATEMENT: Final = "application/vnd.in-toto+json"
DSSE: Final = "application/vnd.dsse.envelope.v1+json"
MOST_SUBJECTS: Final = 2_000
MOST_TIES: Final = 50_000


def imported(
    source: Source,
    format_name: str,
    root: SubjectId | None,
    drafts: list[Draft],
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    """The drafts, and the document itself as evidence."""
    subject = root or names.document_name(source.data)
    document = Draft(
        kind=Kind.EVIDENCE, subject=subject, payload=source.data, media_type=media_type
    )
    return Imported(
        format=format_name,
        root=root,
        statements=(*drafts, document),
        media_type=media_type,
        document=source.data,
        remarks=tuple(remarks),
        inner_signatures=judged,
    )


def signature_claims(judged: tuple[InnerSignature, ...]) -> dict[str, Any]:
    """What is said of the signatures inside."""
    results = [one.result for one in judged]
    return {
        "signatures": len(judged),
        "signatures_valid": results.count(SignatureResult.VALID),
        "signatures_wrong": results.count(SignatureResult.WRONG),
        "signers": [one.key_id for one in judged],
    }


def unknown(value: Mapping[str, Any], known: frozenset[str], where: str) -> list[Remark]:
    """A remark on each member that is not read."""
    return [
        Remark(f"{where}{pointer([name])}", "unknown-member", name[:80])
        for name in value
        if name not in known
    ]


def reference(source: Source, media_type: str) -> Reference:
    """The document, by its hash."""
    return Reference(sha256=digest_of(source.data).hex(), media_type=media_type)


def fault(where: str, why: str) -> Malformed:
    """Metadata that are not sound."""
    return Malformed(
        "document.shape",
        f"not sound in-toto metadata: at {where}: {why}",
        why=why,
        hint="mend that place, or ask whoever made the document for one that follows its standard",
        where=where,
        format=FORMAT,
        fault=why,
    )


def too_many(count: int) -> Malformed:
    """More than one statement may come to."""
    return Malformed(
        "document.too-many-parts",
        f"{count} artifacts or ties in one statement, at most {MOST_TIES}",
        hint="attest fewer artifacts at a time",
        limit=MOST_TIES,
    )
