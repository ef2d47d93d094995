# SPDX-License-Identifier: Apache-2.0
"""Which importer a document belongs to, by its content; and the ways in.

Keeps: 1. Importers stand in one tuple; the first that claims a document reads it, and no document
is claimed by two (a test holds that over all known documents). 2. Formats that are known and not
read are named in the refusal, with what to convert them to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.proof.documents.cyclonedx import CYCLONEDX
from kizuna.proof.documents.intoto import IN_TOTO
from kizuna.proof.documents.jsontext import MAX_DOCUMENT, decode_json, decode_text, too_large
from kizuna.proof.documents.spdx import SPDX
from kizuna.proof.documents.table import CSV, XLSX
from kizuna.proof.documents.values import Imported, Importer, Source
from kizuna.proof.documents.vc import VC
from kizuna.roots.keys import PublicKey

__all__ = ["IMPORTERS", "read", "read_all", "recognise"]

IMPORTERS: Final[tuple[Importer, ...]] = (CYCLONEDX, SPDX, IN_TOTO, VC, XLSX, CSV)
"""Every format that is read; a new one is its file and its line here."""


def recognise(data: bytes, name: str = "") -> Importer:
    """The importer for a document.

    Raises:
        Malformed: ``document.empty``, ``document.too-large``, ``document.format-unsupported``,
            ``document.unrecognised``, and those of ``decode_json``.
    """
    importer, _ = _opened(Source(data=data, name=name))
    return importer


def read(
    data: bytes,
    name: str = "",
    *,
    issuer: SubjectId | None = None,
    others: Mapping[str, SubjectId] | None = None,
    keys: Mapping[str, PublicKey] | None = None,
) -> Imported:
    """The statements that a document comes to.

    Args:
        data: the document as received.
        name: what the file is called; used in messages only.
        issuer: who imports; things that a table names only by word get names below this one.
        others: what other documents call their parts (``Imported.names``).
        keys: public keys at hand, by the key id that signatures inside documents use, or by the
            identity whose keys they are (``did:…``, ``did:…#thumbprint``).

    Raises:
        Malformed: as ``recognise``, and those of the importer.
    """
    importer, source = _opened(
        Source(data=data, name=name, issuer=issuer, others=others or {}, keys=keys or {})
    )
    return _named(importer.read(source), source)


def _named(made: Imported, source: Source) -> Imported:
    """With whose keys the signatures inside are, as far as the caller handed in names."""
    owners = {
        key.thumbprint.hex(): name.partition("#")[0]
        for name, key in source.keys.items()
        if name.startswith("did:")
    }
    judged = tuple(
        replace(one, identity=owners.get(one.thumbprint, "")) for one in made.inner_signatures
    )
    return made if judged == made.inner_signatures else replace(made, inner_signatures=judged)


def read_all(
    files: Sequence[tuple[str, bytes]],
    *,
    issuer: SubjectId | None = None,
    others: Mapping[str, SubjectId] | None = None,
    keys: Mapping[str, PublicKey] | None = None,
) -> tuple[Imported, ...]:
    """Several documents that may speak of each other's parts and list each other's keys, in the
    order given.

    Raises:
        Malformed: as ``read``, for the first document that cannot be read.
    """
    first = [read(data, name, issuer=issuer, others=others, keys=keys) for name, data in files]
    known: dict[str, SubjectId] = dict(others or {})
    lent: dict[str, PublicKey] = {}
    for one in first:
        known.update(one.names)
        lent.update(one.keys)
    made: list[Imported] = []
    for one, (name, data) in zip(first, files, strict=True):
        signers = {signature.key_id for signature in one.inner_signatures}
        if one.unresolved & known.keys() or signers & lent.keys():
            importer, source = _opened(
                Source(
                    data=data, name=name, issuer=issuer, others=known, keys=keys or {}, lent=lent
                )
            )
            made.append(_named(importer.read(source), source))
        else:
            made.append(one)
    return tuple(made)


def _opened(source: Source) -> tuple[Importer, Source]:
    """The source with its content decoded, and the importer that claims it."""
    data, name = source.data, source.name
    if len(data) > MAX_DOCUMENT:
        raise too_large(len(data))
    if not data.strip():
        raise Malformed(
            "document.empty", "the document is empty", hint="check the file", name=name[:200]
        )
    value: Any = None
    text: str | None = None
    if not data.startswith(b"PK\x03\x04"):
        text = decode_text(data)
        if text is not None and text.lstrip()[:1] in ("{", "["):
            value = decode_json(data)
    source = replace(source, value=value, text=text)
    for importer in IMPORTERS:
        if importer.matches(source):
            return importer, source
    raise _unknown(source)


_XML = re.compile(r"\s*<(?:\?xml|!--|[A-Za-z])")


def _unknown(source: Source) -> Malformed:
    known = _known_format(source)
    if known:
        what, instead = known
        return Malformed(
            "document.format-unsupported",
            f"{what} is not read here",
            why=f"the content looks like {what}",
            hint=f"write it as {instead}",
            format=what,
            instead=instead,
            name=source.name[:200],
        )
    return Malformed(
        "document.unrecognised",
        "the content fits none of the formats that are read here",
        why=f"read are {', '.join(importer.format for importer in IMPORTERS)}",
        hint="for a table, print the template and keep its headings",
        name=source.name[:200],
    )


def _known_format(source: Source) -> tuple[str, str] | None:
    value, text = source.value, source.text or ""
    if isinstance(value, dict):
        context = str(value.get("@context", ""))[:500]
        if "spdx.org/rdf/3" in context:
            return "SPDX 3 (JSON-LD)", "SPDX 2.3 JSON"
        if "openvex" in context:
            return "OpenVEX", "CycloneDX JSON with vulnerabilities"
        if "csaf_version" in (
            value.get("document") or {} if isinstance(value.get("document"), dict) else {}
        ):
            return "CSAF", "CycloneDX JSON with vulnerabilities"
    elif _XML.match(text):
        if "cyclonedx.org/schema/bom" in text[:4000]:
            return "CycloneDX XML", "CycloneDX JSON"
        if "spdx.org/rdf" in text[:8000]:
            return "SPDX RDF/XML", "SPDX 2.3 JSON"
        return "XML", "CycloneDX JSON or SPDX 2.3 JSON"
    elif text.lstrip().startswith("SPDXVersion:"):
        return "SPDX tag-value", "SPDX 2.3 JSON"
    elif source.data[:4] == b"\xd0\xcf\x11\xe0":
        return "an old Excel workbook (.xls)", "an .xlsx workbook or CSV"
    elif source.data[:5] == b"%PDF-":
        return "PDF", "a spreadsheet by the template, or CycloneDX JSON"
    return None
