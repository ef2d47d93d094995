# SPDX-License-Identifier: Apache-2.0
"""SPDX 2.2 and 2.3 in JSON: packages, files and their relationships.

Keeps: 1. An element is named by its PURL, else CPE (of one version), SWHID or gitoid, else by the
URI that SPDX itself gives it: document namespace and element id. 2. The root is what the document
describes; where it describes several things the document itself stands for them all.
3. A relationship becomes a tie in the direction of dependence, or is listed. 4. NOASSERTION and
NONE say nothing.
Standard: SPDX 2.3 (and 2.2, which it extends).
"""

from __future__ import annotations

from kizuna.proof.documents.spdx.reading import FORMAT, MEDIA_TYPE, read_spdx
from kizuna.proof.documents.values import Importer, Source

__all__ = ["SPDX"]


def _matches(source: Source) -> bool:
    value = source.value
    return isinstance(value, dict) and (
        "spdxVersion" in value or ("SPDXID" in value and "documentNamespace" in value)
    )


SPDX = Importer(format=FORMAT, media_type=MEDIA_TYPE, matches=_matches, read=read_spdx)
