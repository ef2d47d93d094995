# SPDX-License-Identifier: Apache-2.0
"""in-toto: Statements v0.1 and v1 (bare, in a DSSE envelope, in a Sigstore bundle), and the links
and layouts of before.

Keeps: 1. What a statement is about is named by its digests (RFC 6920, SWHID), or by its own URI or
PURL. 2. A predicate that carries a CycloneDX or SPDX document is read as that document. 3. A
layout becomes a norm, a link becomes evidence and ties of its products to its materials.
4. Signatures are kept and judged with the keys at hand; unsigned is not refused, because an import
is the importer's word either way.
Standard: in-toto Attestation Framework v1, in-toto 0.9 metadata, DSSE v1, SLSA provenance v0.2, v1.
"""

from __future__ import annotations

from kizuna.proof.documents.intoto.reading import is_in_toto, read_in_toto
from kizuna.proof.documents.intoto.shape import FORMAT, STATEMENT
from kizuna.proof.documents.values import Importer

__all__ = ["IN_TOTO"]

IN_TOTO = Importer(format=FORMAT, media_type=STATEMENT, matches=is_in_toto, read=read_in_toto)
