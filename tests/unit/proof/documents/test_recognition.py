# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kizuna.model.errors import Malformed
from kizuna.proof.documents import IMPORTERS, csv_template, read, read_all, recognise, xlsx_template
from kizuna.proof.documents.values import Source

CYCLONEDX = b'{"bomFormat": "CycloneDX", "specVersion": "1.6"}'
SPDX = json.dumps(
    {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "x",
        "documentNamespace": "https://spdx.example/x",
        "creationInfo": {},
    }
).encode()
STATEMENT = json.dumps(
    {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": "00" * 32}}],
        "predicateType": "https://x.example/v1",
    }
).encode()
CREDENTIAL = json.dumps(
    {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": "did:web:issuer.example",
        "credentialSubject": {"id": "pkg:generic/x@1"},
    }
).encode()
DOCUMENTS = {
    "W3C VC": CREDENTIAL,
    "CycloneDX": CYCLONEDX,
    "SPDX": SPDX,
    "in-toto": STATEMENT,
    "CSV": csv_template("ja").encode("cp932"),
    "XLSX": xlsx_template("en"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_format_is_told_by_content_whatever_the_file_is_called(name: str):
    for called in ("", "x.json", "x.csv", "x.xlsx", "x.exe"):
        assert recognise(DOCUMENTS[name], called).format == name


def test_no_document_is_claimed_by_two_importers():
    assert {importer.format for importer in IMPORTERS} == DOCUMENTS.keys()
    for data in DOCUMENTS.values():
        value = json.loads(data) if data[:1] == b"{" else None
        source = Source(data=data, name="", value=value)
        assert sum(importer.matches(source) for importer in IMPORTERS) == 1


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (b'<?xml?><bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>', "CycloneDX XML"),
        (b"<rdf:RDF xmlns:spdx='http://spdx.org/rdf/terms#'/>", "SPDX RDF/XML"),
        (b"<html></html>", "XML"),
        (b"SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n", "SPDX tag-value"),
        (b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}', "SPDX 3 (JSON-LD)"),
        (b'{"@context": "https://openvex.dev/ns/v0.2.0"}', "OpenVEX"),
        (b'{"document": {"csaf_version": "2.0"}}', "CSAF"),
        (b"%PDF-1.7", "PDF"),
    ],
)  # fmt: skip
def test_formats_that_are_known_and_not_read_are_named(data: bytes, known: str):
    with pytest.raises(Malformed) as caught:
        read(data)
    assert caught.value.code == "document.format-unsupported"
    assert caught.value.about["format"] == known
    assert caught.value.about["instead"]


@pytest.mark.parametrize("data", [b"{}", b"[]", b"[1, 2]", b'"x"', b"7", b'{"a": 1}', b"\x00" * 9])
def test_anything_else_is_refused_with_what_is_read(data: bytes):
    with pytest.raises(Malformed) as caught:
        read(data)
    assert caught.value.code == "document.unrecognised"
    assert "CycloneDX" in caught.value.why


def test_fifty_megabytes_are_refused():
    with pytest.raises(Malformed) as caught:
        read(b" " * (50 << 20))
    assert caught.value.code == "document.too-large"


def test_one_bad_file_of_several_is_named_and_nothing_comes_of_the_others():
    with pytest.raises(Malformed) as caught:
        read_all([("a.json", CYCLONEDX), ("b.json", b"{}")])
    assert caught.value.about["name"] == "b.json"


def test_the_document_goes_along_as_it_was_received():
    for data in DOCUMENTS.values():
        imported = read(data)
        assert imported.document == data
        assert [d.payload for d in imported.statements if d.payload == data] == [data]


def test_importing_the_room_stays_cheap():
    """Schema engine and workbook library load when they are needed."""
    code = (
        "import sys, kizuna.proof.documents;"
        "print([m for m in ('openpyxl', 'jsonschema_rs', 'cyclonedx') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"


# small documents that would come to much ------------------------------------------------------


def test_a_small_document_with_very_many_ties_is_refused():
    count = 800
    components = [{"type": "file", "name": str(n), "bom-ref": str(n)} for n in range(count)]
    every = [str(n) for n in range(count)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": components,
        "dependencies": [{"ref": one, "dependsOn": every} for one in every],
    }
    with pytest.raises(Malformed) as caught:
        read(json.dumps(document).encode())
    assert caught.value.code == "document.too-many-ties"


def test_one_long_text_about_very_many_parts_is_refused():
    affects = [{"ref": f"pkg:npm/a{n}@1"} for n in range(20_000)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "vulnerabilities": [{"id": "X-1", "description": "x" * 4000, "affects": affects}],
    }
    with pytest.raises(Malformed) as caught:
        read(json.dumps(document).encode())
    assert caught.value.code == "document.too-many-statements"


def test_one_statement_about_very_many_artifacts_and_materials_is_refused():
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": f"{n:064x}"}} for n in range(1000)],
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"materials": [{"uri": f"pkg:npm/a{n}@1"} for n in range(1000)]},
    }
    with pytest.raises(Malformed) as caught:
        read(json.dumps(statement).encode())
    assert caught.value.code == "document.too-many-parts"
