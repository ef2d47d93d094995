# SPDX-License-Identifier: Apache-2.0
import copy
import json
from typing import Any

import pytest
from tests.unit.proof.documents.merged import links_of

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element, canonical
from kizuna.model.relation import Relation
from kizuna.proof.documents import Imported, read, read_all

SPACE = "https://spdx.example/app-1"
DOCUMENT: dict[str, Any] = {
    "spdxVersion": "SPDX-2.3",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": "app",
    "dataLicense": "CC0-1.0",
    "documentNamespace": SPACE,
    "creationInfo": {"created": "2024-01-01T00:00:00Z", "creators": ["Tool: t-1"]},
    "documentDescribes": ["SPDXRef-App"],
    "packages": [
        {
            "SPDXID": "SPDXRef-App",
            "name": "app",
            "versionInfo": "1.0",
            "downloadLocation": "NOASSERTION",
            "supplier": "Organization: Acme (https://acme.example)",
            "originator": "Person: Ann (ann@acme.example)",
            "primaryPackagePurpose": "APPLICATION",
            "externalRefs": [
                {
                    "referenceCategory": "SECURITY",
                    "referenceType": "cpe23Type",
                    "referenceLocator": "cpe:2.3:a:acme:app:1.0:*:*:*:*:*:*:*",
                },
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": "pkg:generic/app@1.0",
                },
            ],
        },
        {
            "SPDXID": "SPDXRef-Lib",
            "name": "lib",
            "versionInfo": "NOASSERTION",
            "downloadLocation": "NONE",
            "licenseConcluded": "MIT",
            "licenseDeclared": "NOASSERTION",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "AB" * 32}],
            "supplier": "NOASSERTION",
        },
        {"SPDXID": "SPDXRef-Fw", "name": "fw", "downloadLocation": "NONE",
         "primaryPackagePurpose": "FIRMWARE"},
    ],
    "relationships": [
        {
            "spdxElementId": "SPDXRef-App",
            "relatedSpdxElement": "SPDXRef-Lib",
            "relationshipType": "DEPENDS_ON",
        },
    ],
}  # fmt: skip


def document(**members: object) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENT), **members}


def load(value: object, issuer: str | None = None) -> Imported:
    return read(json.dumps(value).encode(), issuer=None if issuer is None else canonical(issuer))


def tied(imported: Imported, relation: Relation) -> set[tuple[str | None, str | None, bool]]:
    return {
        (link.subject, link.object, link.transitive)
        for link in links_of(imported).links
        if link.relation is relation
    }


def relate(kind: str, first: str = "SPDXRef-App", second: str = "SPDXRef-Lib") -> dict[str, str]:
    return {"spdxElementId": first, "relatedSpdxElement": second, "relationshipType": kind}


def test_the_described_package_is_the_root_and_all_hangs_on_it():
    imported = load(DOCUMENT)
    assert (imported.format, imported.root) == ("SPDX 2.3", "pkg:generic/app@1.0")
    assert imported.remarks == ()
    assert tied(imported, Relation.PART_OF) == {
        (f"{SPACE}#SPDXRef-Lib", None, False),
        (f"{SPACE}#SPDXRef-Fw", None, False),
    }
    assert tied(imported, Relation.SAME_AS) == {
        (None, "cpe:2.3:a:acme:app:1.0:*:*:*:*:*:*:*", False)
    }
    assert tied(imported, Relation.SUPPLIED_BY) == {(None, "https://acme.example", False)}
    assert tied(imported, Relation.MADE_BY) == {(None, f"{SPACE}#Person:%20Ann", False)}


def test_a_party_known_by_name_alone_is_named_by_the_importers_word():
    imported = load(DOCUMENT, "did:web:bar.example")
    assert tied(imported, Relation.SUPPLIED_BY) == {(None, "https://acme.example", False)}
    assert tied(imported, Relation.MADE_BY) == {(None, "did:web:bar.example/parties/ann", False)}


def test_what_is_not_asserted_is_not_said():
    described = {d.subject: d for d in links_of(load(DOCUMENT)).described}
    lib = described[f"{SPACE}#SPDXRef-Lib"]
    assert (lib.version, lib.licenses, lib.hashes) == (None, ["MIT"], {"sha-256": "ab" * 32})
    assert described[f"{SPACE}#SPDXRef-Fw"].element is Element.DATA
    assert described["https://acme.example"].element is Element.ORGANIZATION


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        ("CONTAINS", None),
        ("DEPENDS_ON", None),
        ("DYNAMIC_LINK", None),
    ],
)
def test_ties_that_begin_with_the_whole(kind: str, category: str | None):
    imported = load(document(relationships=[relate(kind)]))
    (link,) = [i for i in links_of(imported).links if i.subject == f"{SPACE}#SPDXRef-Lib"]
    assert (link.relation, link.object, link.category) == (Relation.PART_OF, None, category)


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        ("DEPENDENCY_OF", None),
        ("CONTAINED_BY", None),
        ("OPTIONAL_DEPENDENCY_OF", "optional"),
        ("DEV_DEPENDENCY_OF", "excluded"),
        ("BUILD_TOOL_OF", "excluded"),
    ],
)
def test_ties_that_begin_with_the_part(kind: str, category: str | None):
    imported = load(document(relationships=[relate(kind, "SPDXRef-Lib", "SPDXRef-App")]))
    (link,) = [i for i in links_of(imported).links if i.subject == f"{SPACE}#SPDXRef-Lib"]
    assert (link.relation, link.object, link.category) == (Relation.PART_OF, None, category)


def test_origins_are_told_in_the_direction_of_dependence():
    imported = load(
        document(
            relationships=[
                relate("GENERATED_FROM"),
                relate("ANCESTOR_OF", "SPDXRef-Fw", "SPDXRef-App"),
            ]
        )
    )
    assert tied(imported, Relation.DERIVED_FROM) == {
        (None, f"{SPACE}#SPDXRef-Lib", False),
        (None, f"{SPACE}#SPDXRef-Fw", False),
    }


def test_nothing_more_is_contained_means_complete():
    imported = load(
        document(relationships=[*DOCUMENT["relationships"], relate("CONTAINS", second="NONE")])
    )
    assert links_of(imported).complete == [Relation.PART_OF]


def test_unknown_ties_members_and_references_are_listed():
    odd = document(
        relationships=[relate("ADMIRES"), relate("CONTAINS", second="SPDXRef-Ghost")], mood="good"
    )
    odd["packages"][1]["flavour"] = "mint"
    imported = load(odd)
    assert {r.where: r.code for r in imported.remarks} == {
        "/mood": "unknown-member",
        "/packages/1/flavour": "unknown-member",
        "/relationships/0": "relationship-unknown",
        "/relationships/1/relatedSpdxElement": "reference-dangling",
    }


def test_a_document_that_describes_several_things_stands_for_them():
    imported = load(document(documentDescribes=["SPDXRef-App", "SPDXRef-Fw"]))
    assert imported.root == SPACE
    assert {s for s, o, far in tied(imported, Relation.PART_OF) if o is None and not far} == {
        "pkg:generic/app@1.0",
        f"{SPACE}#SPDXRef-Fw",
    }


def test_elements_of_other_documents_are_found_beside_it():
    outer = document(
        externalDocumentRefs=[
            {
                "externalDocumentId": "DocumentRef-fw",
                "spdxDocument": "https://spdx.example/fw-1",
                "checksum": {"algorithm": "SHA1", "checksumValue": "00"},
            }
        ],
        relationships=[relate("CONTAINS", second="DocumentRef-fw:SPDXRef-App")],
    )
    alone = load(outer)
    assert alone.unresolved == {"https://spdx.example/fw-1#SPDXRef-App"}
    inner = document(documentNamespace="https://spdx.example/fw-1")
    inner["packages"][0]["externalRefs"][1]["referenceLocator"] = "pkg:generic/fw@2"
    both = read_all([("a", json.dumps(outer).encode()), ("b", json.dumps(inner).encode())])
    assert ("pkg:generic/fw@2", None, False) in tied(both[0], Relation.PART_OF)


def test_files_are_parts():
    filed = document(
        files=[{"SPDXID": "SPDXRef-F", "fileName": "./a.c", "checksums": [], "fileTypes": ["X"]}]
    )
    filed["packages"][1]["hasFiles"] = ["SPDXRef-F"]
    imported = load(filed)
    assert (f"{SPACE}#SPDXRef-F", f"{SPACE}#SPDXRef-Lib", False) in tied(imported, Relation.PART_OF)
    assert (f"{SPACE}#SPDXRef-F", None, True) in tied(imported, Relation.PART_OF)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["documentNamespace"], "no uri", "/documentNamespace"),
        (["documentNamespace"], None, "/documentNamespace"),
        (["creationInfo"], None, "/creationInfo"),
        (["packages"], {}, "/packages"),
        (["packages", 0], 7, "/packages/0"),
        (["packages", 0, "name"], "", "/packages/0/name"),
        (["packages", 0, "SPDXID"], "App", "/packages/0/SPDXID"),
        (["packages", 0, "externalRefs"], 1, "/packages/0/externalRefs"),
        (["packages", 1, "checksums", 0, "algorithm"], ["x"], "/packages/1/checksums/0/algorithm"),
        (["packages", 1, "checksums", 0, "checksumValue"], "xyz",
         "/packages/1/checksums/0/checksumValue"),
        (["relationships", 0], [], "/relationships/0"),
        (["relationships", 0, "relationshipType"], None, "/relationships/0"),
    ],
)  # fmt: skip
def test_faults_are_refused_with_their_place(path: list[Any], value: object, where: str):
    broken = document()
    holder: Any = broken
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(Malformed) as caught:
        load(broken)
    assert (caught.value.code, caught.value.about["where"]) == ("document.shape", where)


def test_one_element_id_for_two_things_is_refused():
    double = document()
    double["packages"][1]["SPDXID"] = "SPDXRef-App"
    with pytest.raises(Malformed) as caught:
        load(double)
    assert caught.value.code == "document.reference-ambiguous"


def test_other_versions_are_refused_by_name():
    with pytest.raises(Malformed) as caught:
        load(document(spdxVersion="SPDX-2.1"))
    assert caught.value.code == "document.version-unsupported"
    assert load(document(spdxVersion="SPDX-2.2")).format == "SPDX 2.2"
