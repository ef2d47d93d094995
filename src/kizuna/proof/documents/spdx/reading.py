# SPDX-License-Identifier: Apache-2.0
"""One SPDX document on its way to statements.

Keeps: 1. An element is named by its PURL, else CPE (of one version), SWHID or gitoid, else by the
URI that SPDX itself gives it: document namespace and element id. 2. The root is what the document
describes; where it describes several things the document itself stands for them all.
3. A relationship becomes a tie in the direction of dependence, or is listed.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element, SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Reference
from kizuna.model.relation import Relation
from kizuna.proof.documents import names
from kizuna.proof.documents.bill import MAX_PARTS, Bill, Part, claim_values, draft
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.names import clean
from kizuna.proof.documents.spdx.vocabulary import (
    ALGORITHMS,
    DERIVED,
    DOCUMENT,
    ELEMENT_ID,
    FILE,
    NOTHING,
    ORIGIN,
    PACKAGE,
    PART_FIRST,
    PARTY,
    PURPOSES,
    RELATIONSHIP,
    WHOLE_FIRST,
)
from kizuna.proof.documents.values import Draft, Imported, Remark, Source

__all__ = ["FORMAT", "MEDIA_TYPE", "read_spdx"]

Json = dict[str, Any]

FORMAT: Final = "SPDX"
MEDIA_TYPE: Final = "application/spdx+json"
_VERSIONS: Final = ("SPDX-2.2", "SPDX-2.3")


def read_spdx(source: Source) -> Imported:
    """The statements that an SPDX document comes to.

    Raises:
        Malformed: ``document.version-unsupported``, ``document.shape``,
            ``document.reference-ambiguous``, ``document.too-many-parts``.
    """
    document: Json = source.value
    version = document.get("spdxVersion")
    if version not in _VERSIONS:
        raise Malformed(
            "document.version-unsupported",
            f"SPDX {str(version)[:20]!r} is not read here",
            why=f"read are {', '.join(_VERSIONS)}",
            hint="write the document in one of these versions",
            format=FORMAT,
            version=str(version)[:20],
        )
    return _Reading(source, document).finish()


class _Reading:
    """One document on its way to statements."""

    def __init__(self, source: Source, document: Json) -> None:
        self.source = source
        self.document = document
        self._check_head()
        namespace = names.identifier(document.get("documentNamespace"))
        if namespace is None:
            raise _fault("/documentNamespace", "a document namespace is an absolute URI")
        self.namespace = SubjectId(namespace.partition("#")[0])
        self.bill = Bill(self.namespace, FORMAT)
        self.elements: dict[str, SubjectId] = {}
        self.inside: list[SubjectId] = []
        self.unresolved: set[str] = set()
        self.same: list[tuple[SubjectId, SubjectId]] = []
        self.outer = self._outer_documents()

    def _check_head(self) -> None:
        document = self.document
        for member in ("SPDXID", "name", "documentNamespace"):
            if not isinstance(document.get(member), str) or not document[member]:
                raise _fault(f"/{member}", f"{member} is missing")
        if not isinstance(document.get("creationInfo"), dict):
            raise _fault("/creationInfo", "creationInfo is missing")

    def _outer_documents(self) -> dict[str, str]:
        made: dict[str, str] = {}
        for place, entry in enumerate(_listed(self.document, "externalDocumentRefs", "")):
            if not isinstance(entry, dict):
                raise _fault(f"/externalDocumentRefs/{place}", "an object")
            label, address = entry.get("externalDocumentId"), entry.get("spdxDocument")
            if isinstance(label, str) and isinstance(address, str):
                made[label] = address
        return made

    def finish(self) -> Imported:
        """Everything the document says."""
        document, bill = self.document, self.bill
        self._remark_unknown(document, DOCUMENT, "")
        for place, entry in enumerate(_listed(document, "packages", "")):
            self._package(entry, f"/packages/{place}")
        for place, entry in enumerate(_listed(document, "files", "")):
            self._file(entry, f"/files/{place}")
        for place, entry in enumerate(_listed(document, "packages", "")):
            for spot, file in enumerate(_listed(entry, "hasFiles", f"/packages/{place}")):
                where = f"/packages/{place}/hasFiles/{spot}"
                part = self._resolve(file, where)
                if part is not None:
                    bill.needs(self.elements[entry["SPDXID"]], part)
        described = self._described()
        for member in ("snippets", "annotations"):
            if document.get(member):
                bill.remarks.append(Remark(f"/{member}", "kept-only"))
        self._relationships()
        root: SubjectId | None = None
        if len(described) == 1:
            root = described[0]
        elif self.inside:
            root = self.namespace
        if root is not None:
            bill.root = root
            for one in described:
                bill.needs(root, one)
        for one, other in self.same:
            bill.tie(one, Relation.SAME_AS, other)
        subject = root or self.namespace
        drafts: list[Draft] = []
        if root is not None:
            loose = [part for part in dict.fromkeys(self.inside) if part != root]
            drafts += bill.drafts(loose, part="spdx", ext={"bom": str(self.namespace)})
        drafts.append(draft(Kind.EVIDENCE, subject, self._about()))
        drafts.append(
            Draft(
                kind=Kind.EVIDENCE,
                subject=subject,
                payload=self.source.data,
                media_type=MEDIA_TYPE,
            )
        )
        return Imported(
            format=f"SPDX {document['spdxVersion'].removeprefix('SPDX-')}",
            root=root,
            statements=tuple(drafts),
            media_type=MEDIA_TYPE,
            document=self.source.data,
            remarks=tuple(bill.remarks),
            names={
                f"{self.namespace}#{reference}": subject
                for reference, subject in self.elements.items()
            },
            unresolved=frozenset(self.unresolved),
        )

    # elements ----------------------------------------------------------------------------------

    def _package(self, entry: object, where: str) -> None:
        entry, reference = self._element(entry, where, PACKAGE)
        if not isinstance(entry.get("name"), str) or not entry["name"]:
            raise _fault(f"{where}/name", "a package has a name")
        found: list[SubjectId] = []
        claims: dict[str, object] = {}
        for place, outer in enumerate(_listed(entry, "externalRefs", where)):
            if not isinstance(outer, dict):
                raise _fault(f"{where}/externalRefs/{place}", "an object")
            kind = str(outer.get("referenceType", "")).rpartition("/")[2]
            locator = outer.get("referenceLocator")
            named: SubjectId | None = None
            if kind == "purl":
                named = names.purl(locator)
            elif kind in ("cpe23Type", "cpe22Type"):
                named = names.cpe(locator)
                if named is None:
                    claims["cpe"] = locator
                    continue
            elif kind in ("swh", "gitoid"):
                named = names.identifier(locator)
            elif kind == "swid":
                named = names.identifier(locator) if str(locator)[:5] == "swid:" else None
            else:
                claims[f"reference:{kind}"] = locator
                continue
            if named is None:
                spot = f"{where}/externalRefs/{place}"
                self.bill.remarks.append(Remark(spot, "identifier-unreadable", clean(locator, 200)))
            elif named not in found:
                found.append(named)
        found.sort(key=lambda name: not name.startswith("pkg:"))
        subject = found[0] if found else self._own_name(reference)
        self.elements[reference] = subject
        purpose = str(entry.get("primaryPackagePurpose", ""))
        claims |= {
            "type": purpose.lower().replace("_", "-"),
            "file": entry.get("packageFileName"),
            "download": _said(entry.get("downloadLocation")),
            "homepage": _said(entry.get("homepage")),
            "valid-until": entry.get("validUntilDate"),
        }
        licences = dict.fromkeys(
            text
            for member in ("licenseConcluded", "licenseDeclared")
            if (text := clean(_said(entry.get(member))))
        )
        self.bill.add(
            Part(
                id=subject,
                where=where,
                element=PURPOSES.get(purpose, Element.COMPONENT),
                name=clean(entry["name"]),
                version=clean(_said(entry.get("versionInfo"))),
                hashes=self._hashes(entry, where),
                licenses=list(licences),
                claims=claim_values(claims),
            )
        )
        self.inside.append(subject)
        self.same += [(subject, other) for other in found[1:]]
        for member, relation in (
            ("supplier", Relation.SUPPLIED_BY),
            ("originator", Relation.MADE_BY),
        ):
            party = self._party(entry.get(member), f"{where}/{member}")
            if party is not None:
                self.bill.tie(subject, relation, party)

    def _file(self, entry: object, where: str) -> None:
        entry, reference = self._element(entry, where, FILE)
        if not isinstance(entry.get("fileName"), str):
            raise _fault(f"{where}/fileName", "a file has a name")
        hashes = self._hashes(entry, where)
        subject = self._own_name(reference)
        self.elements[reference] = subject
        licence = clean(_said(entry.get("licenseConcluded")))
        self.bill.add(
            Part(
                id=subject,
                where=where,
                element=Element.DATA,
                name=clean(entry["fileName"]),
                hashes=hashes,
                licenses=[licence] if licence else [],
                claims=claim_values({"file-types": entry.get("fileTypes")}),
            )
        )
        self.inside.append(subject)

    def _element(self, entry: object, where: str, known: frozenset[str]) -> tuple[Json, str]:
        if not isinstance(entry, dict):
            raise _fault(where, "an object")
        reference = entry.get("SPDXID")
        if not isinstance(reference, str) or not ELEMENT_ID.fullmatch(reference):
            raise _fault(f"{where}/SPDXID", "an element id begins with SPDXRef-")
        if reference in self.elements:
            raise Malformed(
                "document.reference-ambiguous",
                f"the element id {reference[:80]!r} stands for two things",
                why="what depends on it cannot be told",
                hint="give each element an id of its own",
                reference=reference[:80],
                first="",
                second=where,
            )
        if len(self.inside) >= MAX_PARTS:
            raise Malformed(
                "document.too-many-parts",
                f"more than {MAX_PARTS} elements",
                hint="split it: one document for each assembly",
                limit=MAX_PARTS,
            )
        self._remark_unknown(entry, known, where)
        return entry, reference

    def _own_name(self, reference: str) -> SubjectId:
        return names.part_of_document(self.namespace, reference) or self.namespace

    def _hashes(self, entry: Json, where: str) -> dict[str, str]:
        made: dict[str, str] = {}
        for place, one in enumerate(_listed(entry, "checksums", where)):
            here = f"{where}/checksums/{place}"
            if not isinstance(one, dict):
                raise _fault(here, "an object")
            algorithm, value = str(one.get("algorithm")), str(one.get("checksumValue", "")).lower()
            if algorithm not in ALGORITHMS:
                raise _fault(f"{here}/algorithm", f"{algorithm[:40]!r} is no algorithm")
            if not re.fullmatch(r"[0-9a-f]+", value):
                raise _fault(f"{here}/checksumValue", "not hexadecimal")
            if 32 <= len(value) <= 128:
                name = algorithm.lower()
                made[f"sha-{name[3:]}" if re.fullmatch(r"sha\d+", name) else name] = value
        return made

    def _party(self, text: object, where: str) -> SubjectId | None:
        said = _said(text)
        if not said:
            return None
        found = PARTY.fullmatch(said)
        if found is None or not found[2]:
            self.bill.remarks.append(Remark(where, "party-unreadable", clean(said, 200)))
            return None
        element = {"Organization": Element.ORGANIZATION, "Person": Element.PERSON}.get(found[1])
        contact = found[3] or ""
        named = names.web_address(contact)
        if named is None and element is not None and self.source.issuer:
            named = names.named_by_word(self.source.issuer, "parties", clean(found[2], 400))
        if named is None:
            named = names.part_of_document(self.namespace, f"{found[1]}: {found[2]}")
        if named is None:
            return None
        self.bill.add(Part(id=named, where=where, element=element, name=clean(found[2])))
        return named

    # relationships -----------------------------------------------------------------------------

    def _described(self) -> list[SubjectId]:
        made: dict[SubjectId, None] = {}
        for place, reference in enumerate(_listed(self.document, "documentDescribes", "")):
            subject = self._resolve(reference, f"/documentDescribes/{place}")
            if subject is not None:
                made[subject] = None
        for place, entry in enumerate(_listed(self.document, "relationships", "")):
            where = f"/relationships/{place}"
            if not isinstance(entry, dict):
                raise _fault(where, "an object")
            first, second = entry.get("spdxElementId"), entry.get("relatedSpdxElement")
            kind = entry.get("relationshipType")
            if not (isinstance(first, str) and isinstance(second, str) and isinstance(kind, str)):
                raise _fault(where, "a relationship has two ends and a type")
            self._remark_unknown(entry, RELATIONSHIP, where)
            target = None
            if kind == "DESCRIBES" and first == self.document["SPDXID"]:
                target = self._resolve(second, f"{where}/relatedSpdxElement")
            elif kind == "DESCRIBED_BY" and second == self.document["SPDXID"]:
                target = self._resolve(first, f"{where}/spdxElementId")
            if target is not None:
                made[target] = None
        return list(made)

    def _relationships(self) -> None:
        bill, own = self.bill, self.document["SPDXID"]
        for place, entry in enumerate(_listed(self.document, "relationships", "")):
            where = f"/relationships/{place}"
            first, second = entry["spdxElementId"], entry["relatedSpdxElement"]
            kind = entry["relationshipType"]
            if kind in ("DESCRIBES", "DESCRIBED_BY") or own in (first, second):
                continue
            if second in NOTHING or first in NOTHING:
                if second == "NONE" and kind in ("CONTAINS", "DEPENDS_ON"):
                    whole = self._resolve(first, f"{where}/spdxElementId")
                    if whole is not None:
                        bill.complete(whole, claimed=True)
                continue
            one = self._resolve(first, f"{where}/spdxElementId")
            other = self._resolve(second, f"{where}/relatedSpdxElement")
            if one is None or other is None:
                continue
            if kind in WHOLE_FIRST:
                bill.needs(one, other, WHOLE_FIRST[kind])
            elif kind in PART_FIRST:
                bill.needs(other, one, PART_FIRST[kind])
            elif kind in DERIVED:
                bill.tie(one, Relation.DERIVED_FROM, other)
            elif kind in ORIGIN:
                bill.tie(other, Relation.DERIVED_FROM, one)
            else:
                bill.remarks.append(Remark(where, "relationship-unknown", clean(kind, 80)))

    def _resolve(self, reference: object, where: str) -> SubjectId | None:
        if not isinstance(reference, str):
            raise _fault(where, "an element id is text")
        known = self.elements.get(reference)
        if known is not None:
            return known
        label, colon, element = reference.partition(":")
        if colon and label in self.outer:
            link = names.part_of_document(SubjectId(self.outer[label]), element)
            if link is not None:
                found = self.source.others.get(link)
                if found is None:
                    self.unresolved.add(link)
                return found or link
        if reference not in NOTHING:
            self.bill.remarks.append(Remark(where, "reference-dangling", clean(reference, 200)))
        return None

    # the document itself -----------------------------------------------------------------------

    def _remark_unknown(self, entry: Json, known: frozenset[str], where: str) -> None:
        self.bill.remarks += [
            Remark(f"{where}{pointer([name])}", "unknown-member", name[:80])
            for name in entry
            if name not in known
        ]

    def _about(self) -> Claim:
        created = self.document["creationInfo"]
        creators = created.get("creators")
        return Claim(
            type="bom",
            imported=True,
            claims=claim_values(
                {
                    "format": f"SPDX {self.document['spdxVersion'].removeprefix('SPDX-')}",
                    "bom": str(self.namespace),
                    "name": self.document["name"],
                    "timestamp": created.get("created"),
                    "author": creators if isinstance(creators, list) else None,
                    "components": len(self.inside),
                    "signatures": 0,
                }
            ),
            evidence=[Reference(sha256=digest_of(self.source.data).hex(), media_type=MEDIA_TYPE)],
        )


def _listed(entry: Json, member: str, where: str) -> list[Any]:
    """A member that is a list, or nothing.

    Raises:
        Malformed: ``document.shape``.
    """
    value = entry.get(member)
    if value is not None and not isinstance(value, list):
        raise _fault(f"{where}/{member}", "a list")
    return value or []


def _said(value: object) -> str:
    """A text that says something; NOASSERTION and NONE say nothing."""
    return value if isinstance(value, str) and value.strip() not in NOTHING else ""


def _fault(where: str, why: str) -> Malformed:
    return Malformed(
        "document.shape",
        f"not a sound SPDX document: at {where}: {why}",
        why=why,
        hint="mend that place, or ask whoever made the document for one that follows its standard",
        where=where,
        format=FORMAT,
        fault=why,
    )
