# SPDX-License-Identifier: Apache-2.0
"""Any input ends in statements that the intake takes, or in a problem: never in a traceback."""

import copy
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Problem
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import media_type_of
from kizuna.model.payload import decode_payload, identifiers_of
from kizuna.proof.documents import csv_template, read, xlsx_template
from kizuna.proof.documents.table.headings import COLUMNS

OWN = SubjectId("did:web:small.example")

BOM: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "version": 1,
    "metadata": {
        "timestamp": "2024-01-01T00:00:00Z",
        "component": {"type": "device", "bom-ref": "root", "name": "Unit"},
        "supplier": {"name": "Acme", "url": ["https://acme.example"]},
    },
    "components": [
        {
            "type": "library",
            "bom-ref": "a",
            "name": "a",
            "purl": "pkg:npm/a@1",
            "cpe": "cpe:2.3:a:acme:a:1:*:*:*:*:*:*:*",
            "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
            "licenses": [{"license": {"id": "MIT"}}],
            "supplier": {"name": "Beta"},
            "properties": [{"name": "x", "value": "y"}],
            "components": [{"type": "file", "name": "inner"}],
            "pedigree": {"ancestors": [{"type": "library", "name": "old"}]},
        },
        {
            "type": "cryptographic-asset",
            "bom-ref": "c",
            "name": "AES",
            "cryptoProperties": {"assetType": "algorithm"},
        },
    ],
    "services": [{"bom-ref": "s", "name": "API", "provider": {"name": "Acme"}}],
    "dependencies": [{"ref": "root", "dependsOn": ["a", "s"]}, {"ref": "a", "provides": ["c"]}],
    "compositions": [{"aggregate": "complete", "assemblies": ["root"]}],
    "vulnerabilities": [
        {
            "id": "CVE-2024-1",
            "ratings": [{"severity": "high", "score": 7.5}],
            "analysis": {"state": "exploitable"},
            "affects": [{"ref": "a", "versions": [{"version": "1", "status": "affected"}]}],
        }
    ],
    "declarations": {
        "assessors": [{"bom-ref": "as", "thirdParty": True}],
        "attestations": [
            {"assessor": "as", "map": [{"claims": ["cl"], "conformance": {"score": 0.5}}]}
        ],
        "claims": [{"bom-ref": "cl", "target": "root", "evidence": ["ev"]}],
        "evidence": [{"bom-ref": "ev", "expires": "2027-01-01T00:00:00Z"}],
    },
    "signature": {"algorithm": "ES256", "value": "AA", "publicKey": {"kty": "OKP"}},
}
SPDX: dict[str, Any] = {
    "spdxVersion": "SPDX-2.3",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": "x",
    "documentNamespace": "https://spdx.example/x",
    "creationInfo": {"created": "2024-01-01T00:00:00Z", "creators": ["Tool: t"]},
    "documentDescribes": ["SPDXRef-A"],
    "externalDocumentRefs": [{"externalDocumentId": "DocumentRef-o", "spdxDocument": "https://o"}],
    "packages": [
        {
            "SPDXID": "SPDXRef-A",
            "name": "a",
            "supplier": "Organization: Acme (https://acme.example)",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "ab" * 32}],
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:npm/a@1"}],
            "hasFiles": ["SPDXRef-F"],
        }
    ],
    "files": [{"SPDXID": "SPDXRef-F", "fileName": "f"}],
    "relationships": [
        {
            "spdxElementId": "SPDXRef-A",
            "relatedSpdxElement": "DocumentRef-o:SPDXRef-B",
            "relationshipType": "CONTAINS",
        }
    ],
}
STATEMENT: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "a", "digest": {"sha256": "ab" * 32}}],
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {
        "buildDefinition": {
            "externalParameters": {"n": 1.5},
            "resolvedDependencies": [{"uri": "git+https://x", "digest": {"gitCommit": "ab" * 20}}],
        },
        "runDetails": {"builder": {"id": "https://b.example"}},
    },
}
LINK: dict[str, Any] = {
    "signed": {
        "_type": "link",
        "name": "package",
        "command": ["tar"],
        "materials": {"a": {"sha256": "ab" * 32}},
        "products": {"b": {"sha256": "cd" * 32}},
        "byproducts": {"return-value": 0},
    },
    "signatures": [{"keyid": "k", "sig": "00"}],
}
LAYOUT: dict[str, Any] = {
    "signed": {
        "_type": "layout",
        "expires": "2030-01-01T00:00:00Z",
        "keys": {"k": {"keyval": {"public": "00" * 32}}},
        "steps": [{"name": "s", "expected_command": ["x"], "pubkeys": ["k"], "threshold": 1}],
        "inspect": [],
    },
    "signatures": [],
}
INSIDE = {**STATEMENT, "predicateType": "https://cyclonedx.org/bom", "predicate": BOM}
SEEDS = (BOM, SPDX, STATEMENT, LINK, LAYOUT, INSIDE)

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(2**80),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=30),
    st.sampled_from(["pkg:npm/a@1", "urn:cdx:x/1#a", "root", "a", "\ud800", "x" * 5000, "NONE"]),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=3),
    st.dictionaries(st.text(max_size=8), st.one_of(st.none(), st.text(max_size=5)), max_size=3),
    st.sampled_from(SEEDS),
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    steps: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    for step, member in steps:
        found += places(member, (*path, step))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    document = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        spots = places(document)
        if not spots:
            break
        *around, last = draw(st.sampled_from(spots))
        holder: Any = document
        for step in around:
            holder = holder[step]
        match draw(st.integers(0, 3)):
            case 0:
                holder[last] = copy.deepcopy(draw(JUNK))
            case 1:
                del holder[last]
            case 2 if isinstance(holder, dict):
                holder[draw(st.text(min_size=1, max_size=8))] = copy.deepcopy(draw(JUNK))
            case _ if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
            case _:
                holder[last] = [holder[last]]
    return json.dumps(document).encode()


def holds_for(data: bytes) -> None:
    """Sound statements or a problem with all its parts."""
    try:
        imported = read(data, "any", issuer=OWN)
    except Problem as problem:
        assert problem.code.startswith("document.")
        assert problem.what
        json.dumps(problem.as_json()).encode()
        return
    for draft in imported.statements:
        assert canonical(draft.subject) == draft.subject
        if draft.media_type == media_type_of(draft.kind):
            payload = decode_payload(draft.kind, draft.payload)
            assert all(canonical(name) == name for name in identifiers_of(payload))
    assert imported.root is None or canonical(imported.root) == imported.root
    "".join(imported.not_understood).encode()


@given(mutated())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_changed_documents(data: bytes):
    holds_for(data)


@given(st.binary(max_size=300))
@example(b"{" * 5000)
@example(b"\xef\xbb\xbf{}")
@example(b"\xff\xfe{\x00}\x00")
@example("\ufeff\ufeff{}".encode())
def test_any_bytes(data: bytes):
    holds_for(data)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_changed_bytes_of_real_files(data: st.DataObject):
    seeds = [json.dumps(BOM).encode(), csv_template("ja").encode("cp932"), xlsx_template("ja")]
    raw = bytearray(data.draw(st.sampled_from(seeds)))
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    holds_for(bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))]))


CELLS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["A", "B", "自社", "=1", '="1"', "4912345678904", "pkg:npm/a@1", "令和9年3月31日",
         "ISO 9001", "2027-02-30", "1,000個", "https://a.example", "8000000000001", "\x00", "ＡＢ"]
    ),
)  # fmt: skip


@given(
    st.permutations([heading for column in COLUMNS.values() for heading in column[:2]]),
    st.lists(st.lists(CELLS, max_size=25), max_size=8),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=100, deadline=None)
def test_any_table(headings: list[str], rows: list[list[str]], encoding: str):
    out = io.StringIO()
    csv.writer(out).writerows([headings[:20], *rows])
    holds_for(out.getvalue().encode(encoding, "ignore"))


@pytest.mark.vectors
def test_changed_vectors(shared: Path):
    """A fixed walk over the published documents: every member taken out once, or made null."""
    folder = shared / "vectors/cyclonedx"
    wanted = ("attestation-1.7", "vulnerability-1.7", "bom-1.6", "standard-1.7", "saasbom-1.5")
    for name in wanted:
        (file,) = folder.rglob(f"valid-{name}.json")
        document = json.loads(file.read_bytes())
        spots = places(document)
        step = max(1, len(spots) // (400 if os.environ.get("CI") else 120))
        for spot in spots[::step]:
            for value in (None, [], "x"):
                changed = copy.deepcopy(document)
                holder: Any = changed
                for one in spot[:-1]:
                    holder = holder[one]
                holder[spot[-1]] = value
                holds_for(json.dumps(changed).encode())
