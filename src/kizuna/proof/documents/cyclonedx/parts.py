# SPDX-License-Identifier: Apache-2.0
"""Components, services and organisations of a CycloneDX document, as parts and subjects.

Keeps: 1. A reference of the document leads to one subject; one that stands for two different
things is refused. 2. A component is named by its PURL, else GTIN, CPE (of one version), SWHID,
gitoid or SWID tag, else by its BOM-Link; further names of the same sort of certainty become
``same-as``. 3. An organisation is named by its web address, else by its place in the document.
"""

from __future__ import annotations

from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.relation import Relation
from kizuna.proof.documents import names
from kizuna.proof.documents.bill import MAX_PARTS, Bill, Part, claim_values, flatten
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.names import clean
from kizuna.proof.documents.values import Remark, Source

__all__ = ["Reader"]

Json = dict[str, Any]
Path = tuple[str | int, ...]

_ELEMENTS: Final = {
    "data": Element.DATA,
    "file": Element.DATA,
    "firmware": Element.DATA,
    "machine-learning-model": Element.DATA,
    "platform": Element.SYSTEM,
}
_CRYPTO_ELEMENTS: Final = {"algorithm": Element.PROCEDURE, "protocol": Element.PROCEDURE}
_QUANTITY: Final = "cdx:device:quantity"
_GTIN: Final = "cdx:device:gs1:gtin"
_TELLING_REFERENCES: Final = frozenset(
    {
        "advisories",
        "attestation",
        "bom",
        "certification-report",
        "component-analysis-report",
        "dynamic-analysis-report",
        "evidence",
        "exploitability-statement",
        "maturity-report",
        "pentest-report",
        "poam",
        "quality-metrics",
        "risk-assessment",
        "rfc-9116",
        "runtime-analysis-report",
        "security-contact",
        "static-analysis-report",
        "threat-model",
        "vulnerability-assertion",
    }
)


class Reader:
    """Reads the parts of one document. Owns the table of its references."""

    def __init__(self, source: Source, document: Json) -> None:
        self.source = source
        self.document = document
        serial = str(document.get("serialNumber") or "").lower()
        number = document.get("version") if isinstance(document.get("version"), int) else 1
        link = names.bom_link(f"urn:cdx:{serial.removeprefix('urn:uuid:')}/{number}")
        self.link: SubjectId | None = link
        self.base: SubjectId = link or names.document_name(source.data)
        self.references: dict[str, SubjectId] = {}
        self.unresolved: set[str] = set()
        self.remarks: list[Remark] = []
        self.inside: list[SubjectId] = []
        """Parts of the bill, in document order: what must hang on the root."""
        self._places: dict[str, tuple[str, tuple[object, ...]]] = {}
        self._parties: dict[str, SubjectId] = {}
        self._later: list[tuple[SubjectId, str, Path]] = []
        self.bill: Bill = Bill(self.base, "CycloneDX")

    # references --------------------------------------------------------------------------------

    def resolve(self, reference: object, path: Path) -> SubjectId | None:
        """The subject that a reference of the document means; a remark where there is none."""
        if not isinstance(reference, str) or not reference:
            return None
        known = self.references.get(reference)
        if known is not None:
            return known
        if link := names.bom_link(reference):
            if self.link is not None and link.startswith(f"{self.link}#"):
                inner = self.references.get(names.unquote(link.split("#", 1)[1]))
                if inner is not None:
                    return inner
            else:
                if link in self.source.others:
                    return self.source.others[link]
                self.unresolved.add(link)
                return names.purl(names.unquote(link.partition("#")[2])) or link
        elif package := names.purl(reference):
            return package
        self.remarks.append(Remark(pointer(path), "reference-dangling", clean(reference, 200)))
        return None

    def keep_reference(self, entry: Json, subject: SubjectId, path: Path) -> None:
        """Remember what the document calls ``subject``.

        Raises:
            Malformed: ``document.reference-ambiguous``.
        """
        reference = entry.get("bom-ref")
        if not isinstance(reference, str) or not reference:
            return
        described: tuple[object, ...] = (subject,)
        if subject.startswith(f"{self.base}#"):  # named by this very reference
            described = (subject, entry.get("name"), entry.get("version"))
        known = self._places.get(reference)
        if known is not None:
            where, other = known
            if other != described:
                raise Malformed(
                    "document.reference-ambiguous",
                    f"the reference {reference[:80]!r} stands for two things:"
                    f" {where} and {pointer(path)}",
                    why="what depends on it cannot be told",
                    hint="give each component a bom-ref of its own",
                    reference=reference[:80],
                    first=where,
                    second=pointer(path),
                )
            self.remarks.append(Remark(pointer([*path, "bom-ref"]), "reference-twice", reference))
            return
        self._places[reference] = (pointer(path), described)
        self.references[reference] = subject

    def place_name(self, entry: Json, path: Path) -> SubjectId:
        """The name of something that has none: its reference or its place in the document."""
        reference = entry.get("bom-ref")
        if isinstance(reference, str) and reference:
            named = names.part_of_document(self.base, reference)
            if named is not None:
                return named
        place = names.part_of_document(self.base, pointer(path))
        return place if place is not None else self.base

    # components and services -------------------------------------------------------------------

    def component(self, entry: Json, path: Path) -> Part:
        """One component as a part, with its other names and its suppliers tied to it."""
        found = [
            name
            for name in (
                names.purl(entry.get("purl")),
                self._gtin(entry),
                names.cpe(entry.get("cpe")),
                self._only(entry.get("swhid"), "swh:"),
                self._only(entry.get("omniborId"), "gitoid:"),
                names.swid((entry.get("swid") or {}).get("tagId")),
            )
            if name is not None
        ]
        for member in ("purl", "cpe"):
            text = entry.get(member)
            if text and not (names.purl(text) if member == "purl" else _is_cpe(text)):
                self.remarks.append(
                    Remark(pointer([*path, member]), "identifier-unreadable", clean(text, 200))
                )
        subject = found[0] if found else self.place_name(entry, path)
        kind = entry.get("type", "")
        crypto = entry.get("cryptoProperties") or {}
        element = _ELEMENTS.get(kind, Element.COMPONENT)
        if kind == "cryptographic-asset":
            element = _CRYPTO_ELEMENTS.get(crypto.get("assetType", ""), Element.DATA)
        claims: dict[str, object] = {
            "type": kind,
            "group": entry.get("group"),
            "scope": entry.get("scope"),
            "publisher": entry.get("publisher"),
            "author": entry.get("author"),
            "authors": [author.get("name") for author in entry.get("authors") or ()],
            "version-range": entry.get("versionRange"),
            "external": entry.get("isExternal"),
            "modified": entry.get("modified"),
            "tags": entry.get("tags"),
        }
        if entry.get("cpe") and not names.cpe(entry["cpe"]):
            claims["cpe"] = entry["cpe"]
        self._common(entry, claims)
        part = Part(
            id=subject,
            where=pointer(path),
            element=element,
            name=clean(entry.get("name")),
            version=clean(entry.get("version")),
            hashes=_hashes(entry),
            licenses=_licenses(entry),
            claims={**claim_values(claims), **(flatten(crypto, "crypto") if crypto else {})},
            category=entry["scope"] if entry.get("scope") in ("optional", "excluded") else None,
            quantity=self._quantity(entry),
        )
        self.keep_reference(entry, subject, path)
        for other in found[1:]:
            self.bill.tie(subject, Relation.SAME_AS, other)
        for member, relation in (
            ("supplier", Relation.SUPPLIED_BY),
            ("manufacturer", Relation.MADE_BY),
        ):
            if isinstance(party := entry.get(member), dict):
                made = self.party(party, (*path, member))
                if made is not None:
                    self.bill.tie(subject, relation, made)
        self._pedigree(entry, subject, path)
        for place, reference in enumerate(entry.get("externalReferences") or ()):
            if reference.get("type") == "bom":
                self._later.append(
                    (subject, str(reference.get("url", "")), (*path, "externalReferences", place))
                )
        return part

    def service(self, entry: Json, path: Path) -> Part:
        """One service as a part, with its provider tied to it."""
        subject = self.place_name(entry, path)
        claims: dict[str, object] = {
            "type": "service",
            "group": entry.get("group"),
            "endpoints": entry.get("endpoints"),
            "authenticated": entry.get("authenticated"),
            "x-trust-boundary": entry.get("x-trust-boundary"),
            "trust-zone": entry.get("trustZone"),
            "data": [
                f"{flow.get('flow', '')} {flow.get('classification', '')}".strip()
                for flow in entry.get("data") or ()
                if isinstance(flow, dict)
            ],
            "tags": entry.get("tags"),
        }
        self._common(entry, claims)
        self.keep_reference(entry, subject, path)
        if isinstance(provider := entry.get("provider"), dict):
            made = self.party(provider, (*path, "provider"))
            if made is not None:
                self.bill.tie(subject, Relation.OPERATED_BY, made)
        return Part(
            id=subject,
            where=pointer(path),
            element=Element.SERVICE,
            name=clean(entry.get("name")),
            version=clean(entry.get("version")),
            licenses=_licenses(entry),
            claims=claim_values(claims),
        )

    def tree(self, member: str, holder: Json, path: Path, whole: SubjectId | None) -> None:
        """All components (or services) of ``holder`` and of those inside them.

        Raises:
            Malformed: ``document.too-many-parts``, ``document.reference-ambiguous``.
        """
        make = self.component if member == "components" else self.service
        level: list[tuple[SubjectId | None, Json, Path]] = [
            (whole, entry, (*path, member, place))
            for place, entry in enumerate(holder.get(member) or ())
        ]
        while level:
            inner: list[tuple[SubjectId | None, Json, Path]] = []
            for around, entry, here in level:
                if len(self.inside) >= MAX_PARTS:
                    raise Malformed(
                        "document.too-many-parts",
                        f"more than {MAX_PARTS} components",
                        hint="split it: one bill of materials for each assembly",
                        limit=MAX_PARTS,
                    )
                part = self.bill.add(make(entry, here))
                self.inside.append(part.id)
                if around is not None:
                    self.bill.needs(around, part.id, part.category, part.quantity)
                inner += [
                    (part.id, nested, (*here, member, place))
                    for place, nested in enumerate(entry.get(member) or ())
                ]
            level = inner

    def party(self, entry: Json, path: Path) -> SubjectId | None:
        """The subject of an organisation: by address, known name, the importer's word, or place."""
        addresses = entry.get("url")
        if isinstance(addresses, str):
            addresses = [addresses]
        found = next(
            (name for address in addresses or () if (name := names.web_address(address))), None
        )
        label = clean(entry.get("name"), 400)
        if found is None and not label and not entry.get("bom-ref"):
            return None
        if found is None and label in self._parties:
            found = self._parties[label]
        if found is None and label and self.source.issuer:
            # a name inside the document would be that of a part: its element could not be heard
            found = names.named_by_word(self.source.issuer, "parties", label)
        if found is None:
            found = self.place_name(entry, path)
        if label:
            self._parties.setdefault(label, found)
        self.keep_reference(entry, found, path)
        self.bill.add(
            Part(
                id=found,
                where=pointer(path),
                element=Element.ORGANIZATION,
                name=label,
            )
        )
        return found

    def external_bills(self) -> None:
        """Tie components to the elements of other documents that describe them further."""
        for subject, address, path in self._later:
            link = names.bom_link(address)
            if link is None:
                continue
            if "#" in link or link in self.source.others:
                other = self.resolve(address, (*path, "url"))
                if other is not None:
                    self.bill.tie(subject, Relation.SAME_AS, other)
            else:
                self.unresolved.add(link)

    # details -----------------------------------------------------------------------------------

    def _pedigree(self, entry: Json, subject: SubjectId, path: Path) -> None:
        ancestors = (entry.get("pedigree") or {}).get("ancestors") or ()
        for place, ancestor in enumerate(ancestors):
            here = (*path, "pedigree", "ancestors", place)
            found = names.purl(ancestor.get("purl")) or names.cpe(ancestor.get("cpe"))
            older = found or self.place_name(ancestor, here)
            self.keep_reference(ancestor, older, here)
            self.bill.add(
                Part(
                    id=older,
                    where=pointer(here),
                    element=Element.COMPONENT,
                    name=clean(ancestor.get("name")),
                    version=clean(ancestor.get("version")),
                    hashes=_hashes(ancestor),
                    licenses=_licenses(ancestor),
                )
            )
            self.bill.tie(subject, Relation.DERIVED_FROM, older)

    def _common(self, entry: Json, claims: dict[str, object]) -> None:
        several: dict[str, list[object]] = {}
        for reference in entry.get("externalReferences") or ():
            if reference.get("type") in _TELLING_REFERENCES:
                several.setdefault(f"reference:{reference['type']}", []).append(
                    reference.get("url")
                )
        for own in (entry.get("properties") or ())[:50]:
            if isinstance(own, dict) and own.get("name"):
                several.setdefault(f"property:{own['name']}", []).append(own.get("value"))
        for name, values in several.items():
            claims[name] = values[0] if len(values) == 1 else values

    def _gtin(self, entry: Json) -> SubjectId | None:
        for own in entry.get("properties") or ():
            if isinstance(own, dict) and str(own.get("name", "")).startswith(_GTIN):
                return names.gtin(own.get("value"))
        return None

    def _quantity(self, entry: Json) -> int | None:
        for own in entry.get("properties") or ():
            if isinstance(own, dict) and own.get("name") == _QUANTITY:
                value = str(own.get("value", ""))
                if value.isascii() and value.isdigit() and len(value) < 16:
                    return int(value)
        return None

    @staticmethod
    def _only(values: object, scheme: str) -> SubjectId | None:
        """The one name of a list that has one: of several, each names another object."""
        if isinstance(values, list) and len(values) == 1 and str(values[0]).startswith(scheme):
            return names.identifier(values[0])
        return None


def _is_cpe(text: object) -> bool:
    return isinstance(text, str) and text[:4].lower() == "cpe:"


def _hashes(entry: Json) -> dict[str, str]:
    return {
        str(one["alg"]).lower(): str(one["content"]).lower()
        for one in entry.get("hashes") or ()
        if isinstance(one, dict) and one.get("alg") and one.get("content")
    }


def _licenses(entry: Json) -> list[str]:
    made: list[str] = []
    for choice in entry.get("licenses") or ():
        inner = choice.get("license") or {}
        text = clean(choice.get("expression") or inner.get("id") or inner.get("name"))
        if text and text not in made:
            made.append(text)
    return made
