# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.proof.documents.merged import bills_of, links_of, statements_of

from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import decode_payload
from kizuna.model.relation import Relation
from kizuna.proof.documents import Imported, read

ARTIFACT = "ni:///sha-256;q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s"


def statement(kind: str, predicate: object, **members: object) -> bytes:
    whole = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app.tar", "digest": {"sha256": "ab" * 32}}],
        "predicateType": kind,
        "predicate": predicate,
    }
    return json.dumps({**whole, **members}).encode()


def payloads(imported: Imported, kind: Kind) -> list[Any]:
    return [
        decode_payload(draft.kind, draft.payload)
        for draft in imported.statements
        if draft.kind is kind and draft.payload != imported.document
    ]


PROVENANCE = {
    "buildDefinition": {
        "buildType": "https://build.example/type",
        "externalParameters": {"ref": "main"},
        "resolvedDependencies": [
            {"uri": "git+https://git.example/app", "digest": {"gitCommit": "cd" * 20}},
            {"uri": "pkg:npm/left-pad@1.3.0"},
        ],
    },
    "runDetails": {"builder": {"id": "https://build.example/runner"}},
}


def test_provenance_ties_the_artifact_to_sources_and_builder():
    imported = read(statement("https://slsa.dev/provenance/v1", PROVENANCE))
    assert imported.root == ARTIFACT
    links = links_of(imported)
    assert {(link.relation, link.object) for link in links.links} == {
        (Relation.DERIVED_FROM, "swh:1:rev:" + "cd" * 20),
        (Relation.DERIVED_FROM, "pkg:npm/left-pad@1.3.0"),
        (Relation.PERFORMED_BY, "https://build.example/runner"),
    }
    (claim,) = payloads(imported, Kind.EVIDENCE)
    assert claim.type == "slsa-provenance"
    assert claim.claims["builder"] == "https://build.example/runner"
    assert claim.claims["source"] == "git+https://git.example/app"
    assert claim.claims["slsa"] == "v1"


def test_materials_of_several_artifacts_are_described_once():
    several = [{"name": f"{n}", "digest": {"sha256": f"{n:064x}"}} for n in range(5)]
    imported = read(statement("https://slsa.dev/provenance/v1", PROVENANCE, subject=several))
    subjects = [subject for subject, _ in statements_of(imported)]
    assert len(subjects) == len(set(subjects)) == 5 + 2 + 1
    assert [len(bill.links) for bill in bills_of(imported).values()] == [3] * 5


def test_older_provenance_reads_the_same():
    older = {
        "buildType": "https://build.example/type",
        "builder": {"id": "https://build.example/runner"},
        "invocation": {"configSource": {"uri": "git+https://git.example/app"}},
        "materials": [{"uri": "git+https://git.example/app", "digest": {"gitCommit": "cd" * 20}}],
    }
    imported = read(
        statement(
            "https://slsa.dev/provenance/v0.2", older, _type="https://in-toto.io/Statement/v0.1"
        )
    )
    (claim,) = payloads(imported, Kind.EVIDENCE)
    assert claim.claims["builder"] == "https://build.example/runner"
    assert claim.claims["source"] == "git+https://git.example/app"


def test_any_other_predicate_becomes_evidence_of_its_own_type():
    imported = read(statement("https://acme.example/check/v2", {"ok": True, "score": 0.5}))
    (claim,) = payloads(imported, Kind.EVIDENCE)
    assert claim.type == "acme.example/check/v2"
    assert (claim.claims["ok"], claim.claims["score"]) == (True, "0.5")


@pytest.mark.parametrize("kind", ["https://cyclonedx.org/bom", "https://cyclonedx.org/bom/v1.6"])
def test_a_bill_in_a_predicate_is_read_as_a_bill_of_the_artifact(kind: str):
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": "app", "purl": "pkg:x/app@1"}},
        "components": [{"type": "library", "name": "a", "purl": "pkg:x/a@1"}],
    }
    imported = read(statement(kind, bom))
    assert imported.root == "pkg:x/app@1"
    same = [
        (draft.subject, link.object)
        for draft in imported.statements
        if draft.kind is Kind.LINK
        for link in decode_payload(draft.kind, draft.payload).links  # type: ignore[union-attr]
        if link.relation is Relation.SAME_AS
    ]
    assert same == [(ARTIFACT, "pkg:x/app@1")]


def test_faults_of_a_bill_in_a_predicate_are_named():
    with pytest.raises(Malformed) as caught:
        read(statement("https://cyclonedx.org/bom", {"bomFormat": "CycloneDX"}))
    assert caught.value.code == "document.version-unsupported"


def test_unknown_members_and_nameless_subjects_are_listed():
    imported = read(
        statement(
            "https://acme.example/check/v2",
            {"ok": True},
            extra=1,
            subject=[
                {"name": "x", "digest": {"md5": "00" * 16}},
                {"digest": {"sha256": "00" * 32}},
            ],
        )
    )
    assert set(imported.not_understood) == {"/extra", "/subject/0"}


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"subject": []}, "/subject"),
        ({"subject": [{"name": "x"}]}, "/subject/0"),
        ({"subject": "x"}, "/subject"),
        ({"predicateType": None}, "/predicateType"),
        ({"predicate": [1]}, "/predicate"),
    ],
)
def test_faults_are_refused_with_their_place(members: dict[str, Any], where: str):
    with pytest.raises(Malformed) as caught:
        read(json.dumps({**json.loads(statement("https://a.example/v2", {})), **members}).encode())
    assert (caught.value.code, caught.value.about["where"]) == ("document.shape", where)


@pytest.mark.parametrize(
    "document",
    [
        {"payload": 1, "payloadType": "x", "signatures": []},
        {"payload": "!!!", "payloadType": "application/vnd.in-toto+json", "signatures": {}},
        {"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": []},
        {"payload": "eA==", "payloadType": "text/plain", "signatures": []},
        {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "messageSignature": {}},
        {"_type": "https://in-toto.io/Statement/v9", "subject": [], "predicateType": "x"},
    ],
)
def test_envelopes_of_something_else_are_refused(document: dict[str, Any]):
    with pytest.raises(Malformed) as caught:
        read(json.dumps(document).encode())
    assert caught.value.code.startswith("document.")


@pytest.mark.vectors
@pytest.mark.parametrize("folder", ["demo_files", "demo_dsse_files"])
def test_a_published_link_ties_its_product_to_its_material(shared: Path, folder: str):
    data = (shared / "vectors/in-toto" / folder / "package.2f89b927.link").read_bytes()
    imported = read(data)
    assert imported.root == "ni:///sha-256;UpR8t4uRrQH-gc1q70LR9oF-krnmk2weWqu3yYUU81U"
    links = links_of(imported)
    assert [(link.relation, link.object) for link in links.links] == [
        (Relation.DERIVED_FROM, "ni:///sha-256;dNw3J8bokwiznk3-33h-N4QRmLH6FlonwBNUSmBQJUk")
    ]
    (claim,) = payloads(imported, Kind.EVIDENCE)
    assert claim.type == "in-toto-link:package"
    assert claim.claims["return_value"] == 0


@pytest.mark.vectors
@pytest.mark.parametrize("folder", ["demo_files", "demo_dsse_files"])
def test_a_published_layout_becomes_a_norm(shared: Path, folder: str):
    data = (shared / "vectors/in-toto" / folder / "demo.layout.template").read_bytes()
    imported = read(data, "demo.layout.template")
    assert imported.root is None
    (norm,) = payloads(imported, Kind.NORM)
    assert (norm.type, norm.name) == ("in-toto-layout", "demo")
    assert [step["name"] for step in norm.document["steps"]] == ["write-code", "package"]
