# SPDX-License-Identifier: Apache-2.0
"""CycloneDX 1.2 to 1.7 in JSON: bills of software, hardware, services and cryptography, statements
on vulnerabilities (VEX), and attestations.

Keeps: 1. The document itself goes along as evidence, byte for byte. 2. Every component and service
hangs on the root, every reference that leads nowhere is listed. 3. The root is the component that
the metadata describe; a bill without one is named by its BOM-Link, and a document that lists no
parts and names no product has no root. 4. A vulnerability that the document says does not apply
makes evidence, never a notice.
"""

from __future__ import annotations

from kizuna.proof.documents.cyclonedx.reading import read_cyclonedx
from kizuna.proof.documents.values import Importer, Source

__all__ = ["CYCLONEDX", "MEDIA_TYPE"]

MEDIA_TYPE = "application/vnd.cyclonedx+json"


def _matches(source: Source) -> bool:
    value = source.value
    return isinstance(value, dict) and (
        "bomFormat" in value
        or ("specVersion" in value and ("components" in value or "metadata" in value))
        or "cyclonedx.org/schema/bom-" in str(value.get("$schema", ""))[:200]
    )


CYCLONEDX = Importer(
    format="CycloneDX", media_type=MEDIA_TYPE, matches=_matches, read=read_cyclonedx
)
