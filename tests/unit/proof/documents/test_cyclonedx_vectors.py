# SPDX-License-Identifier: Apache-2.0
"""Conformance: the published valid and invalid documents, and real bills of materials."""

from pathlib import Path

import pytest
from tests.unit.proof.documents.merged import links_of

from kizuna.model.errors import Malformed
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import decode_payload, identifiers_of
from kizuna.proof.documents import Imported, read, read_all

pytestmark = pytest.mark.vectors

VERSIONS = ("1.5", "1.6", "1.7")
COUNTS = {"1.5": (36, 22), "1.6": (45, 25), "1.7": (61, 29)}


def assert_sound(imported: Imported) -> None:
    """Every draft is a payload that the intake will take."""
    for draft in imported.statements:
        assert canonical(draft.subject) == draft.subject
        if draft.media_type == media_type_of(draft.kind):
            payload = decode_payload(draft.kind, draft.payload)
            assert payload.imported is True
            assert all(canonical(name) == name for name in identifiers_of(payload))
        else:
            assert draft.payload == imported.document


@pytest.mark.parametrize("version", VERSIONS)
def test_every_valid_document_imports(shared: Path, version: str):
    files = sorted((shared / "vectors/cyclonedx" / version).glob("valid-*.json"))
    assert len(files) == COUNTS[version][0]
    for file in files:
        imported = read(file.read_bytes(), file.name)
        assert imported.format == f"CycloneDX {version}"
        assert_sound(imported)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_invalid_document_is_refused_with_place_and_reason(shared: Path, version: str):
    files = sorted((shared / "vectors/cyclonedx" / version).glob("invalid-*.json"))
    assert len(files) == COUNTS[version][1]
    for file in files:
        with pytest.raises(Malformed) as caught:
            read(file.read_bytes(), file.name)
        assert caught.value.code == "document.shape", file.name
        assert str(caught.value.about["where"]).startswith("/"), file.name
        assert caught.value.why, file.name


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("invalid-hash-sha256-1.6.json", "/components/0/hashes/2/content"),
        ("invalid-license-id-1.6.json", "/components/0/licenses/0/license/id"),
        ("invalid-metadata-timestamp-1.6.json", "/metadata/timestamp"),
        ("invalid-service-data-1.6.json", "/services/0/data/0/flow"),
        ("invalid-serialnumber-1.6.json", "/serialNumber"),
    ],
)
def test_the_place_of_a_fault_is_exact(shared: Path, name: str, where: str):
    with pytest.raises(Malformed) as caught:
        read((shared / "vectors/cyclonedx/1.6" / name).read_bytes(), name)
    assert caught.value.about["where"] == where


BOARD = "urn:cdx:e8c355aa-2142-4084-a8c7-6d42c8610ba2/1"
CLOUD = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1"
PHP = "pkg:composer/cyclonedx/cyclonedx-php-composer-demo@dev-master"
ROOTS = {
    "SBOM/dropwizard-1.3.15/bom.json": "pkg:maven/io.dropwizard/dropwizard-parent@1.3.15",
    "SBOM/cern-lhc-vdm-editor-e564943/bom.json": "pkg:npm/lhc-vdm-editor@0.0.1",
    "SBOM/laravel-7.12.0/bom.1.4.json": PHP,
    "HBOM/PCIe-SATA-adapter-board/bom.json": f"{BOARD}#pcie-sata-adaptor-board",
    "SaaSBOM/apigateway-microservices-datastores/bom.json": f"{CLOUD}#acme-application",
    "CBOM/Protocol/bom.json": f"{BOARD}#/metadata/component",
    "VEX/Use-Cases/Case-6/vex.json": None,
}


def test_every_real_bill_imports_with_the_right_root(shared: Path):
    folder = shared / "data/bom"
    files = sorted(folder.rglob("*.json"))
    assert len(files) == 32
    for file in files:
        imported = read(file.read_bytes(), file.name)
        assert_sound(imported)
        assert not imported.inner_signatures
        name = str(file.relative_to(folder))
        if name in ROOTS:
            assert imported.root == ROOTS[name]


def test_every_part_of_a_real_bill_hangs_on_its_root(shared: Path):
    imported = read((shared / "data/bom/SBOM/dropwizard-1.3.15/bom.json").read_bytes())
    links = links_of(imported)
    hanging = {link.subject for link in links.links if link.object is None}
    assert len(links.described) == 168  # 167 components and the product
    assert {d.subject for d in links.described} - hanging == {imported.root}


def test_quantities_and_article_numbers_of_a_hardware_bill_are_read(shared: Path):
    data = (shared / "data/bom/HBOM/PCIe-SATA-adapter-board/bom.json").read_bytes()
    links = links_of(read(data))
    quantities = {link.subject: link.quantity for link in links.links if link.quantity}
    assert quantities["https://id.gs1.org/01/00822348522712"] == 8
    assert "https://www.molex.com" in {link.object for link in links.links}


def test_a_vex_finds_the_products_of_the_bills_beside_it(shared: Path):
    folder = shared / "data/bom/VEX/Use-Cases/Case-13"
    files = [(file.name, file.read_bytes()) for file in sorted(folder.glob("*.json"))]
    *bills, vex = read_all(files)
    products = {bill.root for bill in bills}
    assert vex.unresolved == frozenset()
    concerned = {d.subject for d in vex.statements if d.kind is Kind.NOTICE}
    assert concerned
    assert concerned | {s.subject for s in vex.settled} == products
