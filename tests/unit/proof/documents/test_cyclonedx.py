# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from tests.unit.proof.documents.merged import links_of, statements_of

from kizuna.model.errors import Malformed
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Notice, Severity, decode_payload
from kizuna.model.relation import Relation
from kizuna.proof.documents import Imported, read, read_all
from kizuna.proof.documents.bill import Bill, Part, Told

SERIAL = "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"
LINK = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1"


def bom(**members: object) -> bytes:
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": SERIAL, "version": 1}
    return json.dumps({**whole, **members}).encode()


def part(name: str, **members: object) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": "1",
        "purl": f"pkg:generic/{name}@1",
        **members,
    }


def product(*components: dict[str, Any], **members: object) -> bytes:
    return bom(metadata={"component": part("root")}, components=list(components), **members)


def name(short: str) -> str:
    return f"pkg:generic/{short}@1"


def payloads(imported: Imported, kind: Kind) -> list[tuple[str, Any]]:
    return [
        (draft.subject, decode_payload(draft.kind, draft.payload))
        for draft in imported.statements
        if draft.kind is kind and draft.payload != imported.document
    ]


def ties(imported: Imported, relation: Relation = Relation.PART_OF) -> set[tuple[str, str, bool]]:
    root = str(imported.root)
    return {
        (link.subject or root, link.object or root, link.transitive)
        for link in links_of(imported).links
        if link.relation is relation
    }


def codes(imported: Imported) -> dict[str, str]:
    return {remark.where: remark.code for remark in imported.remarks}


# parts and ties ------------------------------------------------------------------------------


def test_direct_parts_hang_plainly_and_deeper_ones_also_transitively():
    imported = read(
        product(
            part("a"),
            part("b"),
            dependencies=[
                {"ref": "root", "dependsOn": ["a"]},
                {"ref": "a", "dependsOn": ["b"]},
            ],
        )
    )
    assert imported.root == name("root")
    assert ties(imported) == {
        (name("a"), name("root"), False),
        (name("b"), name("a"), False),
        (name("b"), name("root"), True),
    }


def test_components_inside_components_are_parts_of_them():
    inner = part("c", components=[part("d")])
    imported = read(product(part("a", components=[inner])))
    assert (name("d"), name("c"), False) in ties(imported)
    assert (name("c"), name("a"), False) in ties(imported)
    assert (name("d"), name("root"), True) in ties(imported)


def test_parts_that_the_document_ties_to_nothing_hang_on_the_root():
    imported = read(product(part("a"), part("b"), dependencies=[{"ref": "root", "dependsOn": []}]))
    assert ties(imported) == {
        (name("a"), name("root"), False),
        (name("b"), name("root"), False),
    }


def test_a_circle_of_dependencies_is_kept_and_hangs_on_the_root():
    imported = read(
        product(
            part("a"),
            part("b"),
            dependencies=[{"ref": "a", "dependsOn": ["b"]}, {"ref": "b", "dependsOn": ["a"]}],
        )
    )
    assert (name("a"), name("b"), False) in ties(imported)
    assert (name("b"), name("a"), False) in ties(imported)
    assert any(whole == name("root") and not far for _, whole, far in ties(imported))
    assert imported.remarks == ()


def test_a_reference_that_leads_nowhere_is_listed_and_loses_nothing_else():
    imported = read(product(part("a"), dependencies=[{"ref": "root", "dependsOn": ["a", "ghost"]}]))
    assert imported.not_understood == ("/dependencies/0/dependsOn/1",)
    assert ties(imported) == {(name("a"), name("root"), False)}


def test_a_hundred_components_inside_each_other_are_read():
    deep = part("p0")
    for number in range(1, 100):
        deep = part(f"p{number}", components=[deep])
    imported = read(product(deep))
    assert len(links_of(imported).described) == 101


def test_components_nested_beyond_the_bound_are_refused():
    deep = part("p0")
    for number in range(1, 400):
        deep = part(f"p{number}", components=[deep])
    with pytest.raises(Malformed) as caught:
        read(product(deep))
    assert caught.value.code == "document.too-deep"


def test_one_reference_for_two_things_is_refused():
    with pytest.raises(Malformed) as caught:
        read(product(part("a"), part("b", **{"bom-ref": "a"})))
    assert caught.value.code == "document.reference-ambiguous"
    assert caught.value.about["first"] == "/components/0"
    assert caught.value.about["second"] == "/components/1"


def test_one_thing_listed_twice_is_no_fault():
    imported = read(product(part("a"), part("a", description="again")))
    assert codes(imported) == {"/components/1/bom-ref": "reference-twice"}


def test_scope_and_quantity_stand_on_the_tie():
    imported = read(
        product(
            part("a", scope="optional"),
            part("b", properties=[{"name": "cdx:device:quantity", "value": "8"}]),
        )
    )
    by_part = {link.subject: link for link in links_of(imported).links}
    assert by_part[name("a")].category == "optional"
    assert by_part[name("b")].quantity == 8


def test_what_a_library_provides_is_a_category_of_its_own():
    imported = read(
        product(
            part("lib"),
            part("aes"),
            dependencies=[
                {"ref": "root", "dependsOn": ["lib"]},
                {"ref": "lib", "provides": ["aes"]},
            ],
        )
    )
    (tie,) = [t for t in links_of(imported).links if t.subject == name("aes") and t.object]
    assert (tie.object, tie.category) == (name("lib"), "provided")


def test_suppliers_and_makers_are_tied_and_named_by_their_address():
    acme = {"name": "Acme", "url": ["https://acme.example/"]}
    imported = read(
        bom(
            metadata={"component": part("root"), "supplier": acme},
            components=[part("a", supplier={"name": "Acme"}, manufacturer={"name": "Beta"})],
        )
    )
    assert ties(imported, Relation.SUPPLIED_BY) == {
        (name("root"), "https://acme.example", False),
        (name("a"), "https://acme.example", False),
    }
    assert ties(imported, Relation.MADE_BY) == {
        (name("a"), f"{LINK}#/components/0/manufacturer", False)
    }


def test_a_party_known_by_name_alone_is_named_by_the_importers_word():
    data = bom(
        metadata={"component": part("root"), "supplier": {"name": " Sato　軸受 "}},
        components=[part("a", manufacturer={"name": "Beta", "bom-ref": "b"})],
    )
    imported = read(data, issuer=canonical("did:web:bar.example"))
    assert ties(imported, Relation.SUPPLIED_BY) == {
        (
            name("root"),
            "did:web:bar.example/parties/sato%20%E8%BB%B8%E5%8F%97",
            False,
        )
    }
    assert ties(imported, Relation.MADE_BY) == {
        (name("a"), "did:web:bar.example/parties/beta", False)
    }


def test_several_identifiers_of_one_component_are_the_same_thing():
    cpe = "cpe:2.3:a:acme:a:1:*:*:*:*:*:*:*"
    imported = read(product(part("a", cpe=cpe, swid={"tagId": "tag 1", "name": "a"})))
    assert ties(imported, Relation.SAME_AS) == {
        (name("root"), f"{LINK}#root", False),
        (name("a"), cpe, False),
        (name("a"), "swid:tag%201", False),
    }


def test_a_cpe_for_all_versions_is_told_but_names_nothing():
    cpe = "cpe:2.3:a:acme:a:*:*:*:*:*:*:*:*"
    imported = read(product(part("a", cpe=cpe)))
    (described,) = [d for d in links_of(imported).described if d.subject == name("a")]
    assert described.claims["cpe"] == cpe
    assert not any(link.object == cpe for link in links_of(imported).links)


def test_what_is_said_of_a_part_stands_in_a_statement_of_its_own():
    imported = read(
        product(
            part("a", supplier={"name": "Acme", "url": ["https://acme.example"]}),
            part("b"),
            dependencies=[
                {"ref": "root", "dependsOn": ["a"]},
                {"ref": "a", "dependsOn": ["b", "pkg:generic/unlisted@1"]},
            ],
        )
    )
    said = statements_of(imported)
    assert [subject for subject, _ in said] == [
        name("root"), name("a"), "https://acme.example", name("b")
    ]  # fmt: skip
    assert {(p.part, bool(p.ext)) for s, p in said if s == name("root")} == {("cyclonedx", True)}
    assert {(p.part, p.ext["bill"]) for s, p in said if s != name("root")} == {
        ("cyclonedx:as-part", name("root"))
    }


def test_two_bills_say_the_same_of_a_part_that_they_share():
    def of(bill: Imported) -> set[bytes]:
        return {  # but for the product in whose bill it says so
            d.payload.replace(bill.root.encode(), b"")
            for d in bill.statements
            if d.subject == name("a")
        }

    shared = part("a", scope="required", supplier={"name": "Acme", "url": ["https://a.example"]})
    first = read(product(shared, part("b")))
    second = read(
        json.dumps(
            {
                **json.loads(bom(metadata={"component": part("other")}, components=[shared])),
                "serialNumber": "urn:uuid:00000000-395b-41f5-a30f-a58921a69b79",
            }
        ).encode()
    )
    assert of(first) == of(second) != set()


def test_the_bill_of_a_part_is_not_replaced_by_what_another_bill_says_of_it():
    own = read(product(part("a")))
    inside = read(bom(metadata={"component": part("box")}, components=[part("root")]))
    assert not {(s, p.part) for s, p in statements_of(own)} & {
        (s, p.part) for s, p in statements_of(inside)
    }


def test_a_component_without_identifier_is_named_inside_its_document():
    imported = read(product({"type": "file", "name": "x", "bom-ref": "a b"}))
    assert (f"{LINK}#a%20b", name("root"), False) in ties(imported)


def test_an_identifier_that_cannot_be_read_is_listed():
    imported = read(product(part("a", purl="not a purl")))
    assert codes(imported) == {"/components/0/purl": "identifier-unreadable"}
    assert (f"{LINK}#a", name("root"), False) in ties(imported)


# the root ------------------------------------------------------------------------------------


def test_a_bill_without_a_product_is_named_by_its_bom_link():
    imported = read(bom(components=[part("a")]))
    assert imported.root == LINK
    assert ties(imported) == {(name("a"), LINK, False)}


def test_a_bill_without_product_and_serial_number_is_named_by_its_hash():
    data = json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [part("a")]}
    ).encode()
    imported = read(data)
    assert str(imported.root).startswith("ni:///sha-256;")


def test_an_empty_bill_has_no_root():
    imported = read(bom())
    assert imported.root is None
    assert {draft.kind for draft in imported.statements} == {Kind.EVIDENCE}


# completeness --------------------------------------------------------------------------------


def test_completeness_is_claimed_where_the_document_claims_it():
    imported = read(
        product(
            part("a"),
            part("b"),
            dependencies=[{"ref": "root", "dependsOn": ["a"]}, {"ref": "a", "dependsOn": ["b"]}],
            compositions=[{"aggregate": "complete", "dependencies": ["root", "a"]}],
        )
    )
    claimed = {subject: p.complete for subject, p in statements_of(imported) if p.complete}
    assert claimed == {name("root"): [Relation.PART_OF], name("a"): [Relation.PART_OF]}


@pytest.mark.parametrize("aggregate", ["incomplete", "unknown", "incomplete_first_party_only"])
def test_incompleteness_is_never_read_as_completeness(aggregate: str):
    imported = read(
        product(
            part("a"),
            compositions=[
                {"aggregate": "complete", "assemblies": ["root"]},
                {"aggregate": aggregate, "dependencies": ["root"]},
            ],
        )
    )
    assert links_of(imported).complete == []


def test_a_composition_without_references_is_about_the_whole_bill():
    whole = read(product(part("a"), compositions=[{"aggregate": "complete"}]))
    assert links_of(whole).complete == [Relation.PART_OF]


# unknown members -----------------------------------------------------------------------------


def test_unknown_members_lose_nothing_and_are_listed():
    data = json.loads(product(part("a", flavour="mint", licenses=[{"license": {"id": "MIT"}}])))
    data["x-own"] = {"deep": [1]}
    data["metadata"]["mood"] = "good"
    data["components"][0]["licenses"][0]["license"]["colour"] = "blue"
    imported = read(json.dumps(data).encode())
    assert set(imported.not_understood) == {
        "/components/0/flavour",
        "/components/0/licenses/0/license/colour",
        "/metadata/mood",
        "/x-own",
    }
    (described,) = [d for d in links_of(imported).described if d.subject == name("a")]
    assert described.licenses == ["MIT"]


def test_ten_thousand_unknown_members_are_listed_too():
    imported = read(product(*(part(f"p{n}", flavour=n) for n in range(10_000))))
    assert len(imported.remarks) == 10_000


def test_members_of_later_versions_are_listed_in_earlier_ones():
    data = json.loads(product(part("a")))
    data["specVersion"] = "1.4"
    data["metadata"]["lifecycles"] = [{"phase": "build"}]
    assert read(json.dumps(data).encode()).not_understood == ("/metadata/lifecycles",)


def test_a_mark_of_limited_distribution_that_is_not_understood_is_refused():
    with pytest.raises(Malformed) as caught:
        read(bom(metadata={"distribution": "internal"}))
    assert caught.value.code == "document.shape"


def test_a_mark_of_limited_distribution_is_told():
    limited = {"metadata": {"distributionConstraints": {"tlp": "AMBER"}}, "specVersion": "1.7"}
    assert read(bom(**limited)).handling == "TLP:AMBER"
    limited["metadata"]["distributionConstraints"]["tlp"] = "CLEAR"  # type: ignore[index]
    assert read(bom(**limited)).handling == ""


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.8", "2.0", "", None, 1.6, ["1.6"]])
def test_other_versions_are_refused_by_name(version: object):
    with pytest.raises(Malformed) as caught:
        read(bom(specVersion=version))
    assert caught.value.code == "document.version-unsupported"


@pytest.mark.parametrize("version", ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"])
def test_every_version_is_read(version: str):
    assert read(bom(specVersion=version, components=[part("a")])).format == f"CycloneDX {version}"


# services ------------------------------------------------------------------------------------


def test_services_are_parts_operated_by_their_provider():
    service = {
        "bom-ref": "api",
        "name": "API",
        "provider": {"name": "Acme", "url": ["https://acme.example"]},
        "services": [{"bom-ref": "db", "name": "DB"}],
    }
    imported = read(bom(metadata={"component": part("root")}, services=[service]))
    assert ties(imported, Relation.OPERATED_BY) == {(f"{LINK}#api", "https://acme.example", False)}
    assert (f"{LINK}#db", f"{LINK}#api", False) in ties(imported)


# vulnerabilities -----------------------------------------------------------------------------


def vex(state: str, **members: object) -> Imported:
    entry = {
        "id": "CVE-2024-1",
        "ratings": [{"severity": "low"}, {"severity": "critical"}, {"score": 5.0}],
        "analysis": {"state": state},
        "affects": [{"ref": "a"}],
        **members,
    }
    return read(product(part("a"), vulnerabilities=[entry]))


@pytest.mark.parametrize("state", ["exploitable", "in_triage"])
def test_what_may_be_exploited_makes_a_notice(state: str):
    imported = vex(state)
    ((subject, notice),) = payloads(imported, Kind.NOTICE)
    assert isinstance(notice, Notice)
    assert subject == name("a")
    assert (notice.type, notice.id, notice.severity) == (
        "vulnerability",
        "CVE-2024-1",
        Severity.CRITICAL,
    )
    assert imported.settled == ()


@pytest.mark.parametrize("state", ["not_affected", "false_positive", "resolved"])
def test_what_does_not_apply_makes_evidence_and_is_settled(state: str):
    imported = vex(state)
    assert payloads(imported, Kind.NOTICE) == []
    (claim,) = [p for _, p in payloads(imported, Kind.EVIDENCE) if p.type == "vex:CVE-2024-1"]
    assert claim.claims["state"] == state
    assert [(s.subject, s.notice) for s in imported.settled] == [(name("a"), "CVE-2024-1")]


def test_a_review_counts_what_was_analysed():
    (review,) = [
        p
        for s, p in payloads(vex("not_affected"), Kind.EVIDENCE)
        if p.type == "vulnerability-review"
    ]
    assert review.claims == {"exploitable": 0, "in_triage": 0, "settled": 1}


def test_what_nobody_analysed_is_no_review():
    imported = vex("x", analysis={})
    assert len(payloads(imported, Kind.NOTICE)) == 1
    assert not [p for _, p in payloads(imported, Kind.EVIDENCE) if p.type == "vulnerability-review"]


@pytest.mark.parametrize(
    ("versions", "notices"),
    [
        ([{"version": "1", "status": "unaffected"}, {"version": "2"}], 0),
        ([{"version": "1", "status": "affected"}], 1),
        ([{"version": "9", "status": "unaffected"}], 0),
        ([{"version": "9", "status": "affected"}], 1),
    ],
)
def test_the_list_of_versions_decides_for_the_version_at_hand(
    versions: list[dict[str, str]], notices: int
):
    imported = vex("exploitable", affects=[{"ref": "a", "versions": versions}])
    assert len(payloads(imported, Kind.NOTICE)) == notices


def test_a_vex_of_its_own_does_not_take_the_place_of_the_bill():
    bill = links_of(read(product(part("a"))))
    own = links_of(read(bom(metadata={"component": part("root")}, vulnerabilities=[{"id": "X-1"}])))
    assert bill.part != own.part


def test_a_vex_by_package_url_needs_no_bill():
    imported = read(bom(vulnerabilities=[{"id": "X-1", "affects": [{"ref": "pkg:npm/a@1"}]}]))
    ((subject, _),) = payloads(imported, Kind.NOTICE)
    assert subject == "pkg:npm/a@1"
    assert imported.root is None


def test_a_vex_by_bom_link_finds_the_component_in_the_bill_beside_it():
    outer = json.loads(bom(vulnerabilities=[{"id": "X-1", "affects": [{"ref": f"{LINK}#a"}]}]))
    del outer["serialNumber"]
    data = json.dumps(outer).encode()
    alone = read(data)
    assert alone.unresolved == {f"{LINK}#a"}
    together, _ = read_all([("vex.json", data), ("bom.json", product(part("a")))])
    ((subject, _),) = payloads(together, Kind.NOTICE)
    assert subject == name("a")


# declarations --------------------------------------------------------------------------------

DECLARED: dict[str, Any] = {
    "definitions": {
        "standards": [
            {
                "bom-ref": "std",
                "name": "ASVS",
                "version": "4.0.3",
                "requirements": [
                    {"bom-ref": "r1", "identifier": "v1.1"},
                    {"bom-ref": "r2", "identifier": "v1.2"},
                ],
            }
        ]
    },
    "declarations": {
        "assessors": [
            {"bom-ref": "as", "thirdParty": True, "organization": {"name": "Assessors Inc"}}
        ],
        "attestations": [
            {
                "summary": "Tested",
                "assessor": "as",
                "map": [
                    {"requirement": "r1", "claims": ["c1"], "conformance": {"score": 0.8}},
                    {"requirement": "r2", "claims": ["c1"], "counterClaims": ["c2"],
                     "conformance": {"score": 1}},
                ],
            }
        ],
        "claims": [
            {"bom-ref": "c1", "target": "root", "predicate": "it holds", "evidence": ["e1", "e2"]},
            {"bom-ref": "c2", "target": "root", "predicate": "it does not"},
        ],
        "evidence": [
            {"bom-ref": "e1", "expires": "2027-01-01T00:00:00Z",
             "data": [{"name": "report", "contents": {"attachment": {"content": "hello"}}}]},
            {"bom-ref": "e2", "expires": "2026-12-01T00:00:00Z"},
        ],
    },
}  # fmt: skip


def test_a_third_partys_attestation_becomes_one_certificate_for_target_and_standard():
    imported = read(product(**DECLARED))
    ((subject, claim),) = payloads(imported, Kind.CERTIFICATE)
    assert isinstance(claim, Claim)
    assert subject == name("root")
    assert claim.type == "asvs-4.0.3"
    assert claim.level.value == "self-declared"  # an importer cannot vouch for more
    assert claim.claims["level_stated"] == "third-party"
    assert claim.claims["assessor"] == "Assessors Inc"
    assert claim.claims["requirements"] == ["v1.1", "v1.2"]
    assert claim.claims["conformance"] == 80
    assert claim.claims["counter_claims"] == ["it does not"]
    assert claim.valid_until is not None
    assert claim.valid_until.isoformat() == "2026-12-01T00:00:00+00:00"
    assert claim.evidence[0].sha256 == (
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    )


def test_a_self_assessment_is_evidence():
    declared = json.loads(json.dumps(DECLARED))
    declared["declarations"]["assessors"][0]["thirdParty"] = False
    imported = read(product(**declared))
    assert payloads(imported, Kind.CERTIFICATE) == []
    assert "asvs-4.0.3" in {p.type for _, p in payloads(imported, Kind.EVIDENCE)}


def test_a_claim_that_leads_nowhere_is_listed():
    declared = json.loads(json.dumps(DECLARED))
    declared["declarations"]["attestations"][0]["map"][0]["claims"] = ["ghost"]
    imported = read(product(**declared))
    assert codes(imported)["/declarations/attestations/0/map/0/claims/0"] == "reference-dangling"


# size ----------------------------------------------------------------------------------------


def test_a_large_bill_becomes_several_statements_none_of_them_too_large():
    long = "x" * 60
    many = [part(f"p{n}-{long}", hashes=HASHES) for n in range(10_000)]
    refs = [{"ref": "root", "dependsOn": [entry["bom-ref"] for entry in many]}]
    data = product(*many, dependencies=refs, compositions=[{"aggregate": "complete"}])
    imported = read(data)
    made = [p for s, p in statements_of(imported) if s == imported.root]
    assert len(made) > 1
    assert all(len(d.payload) <= 1 << 20 for d in imported.statements if d.payload != data)
    assert sum(len(p.links) for p in made) == 10_001
    assert [len(p.described) for p in made] == [1] + [0] * (len(made) - 1)
    assert len(links_of(imported).described) == 10_001
    assert len({p.part for p in made}) == len(made)
    assert [p.complete for p in made[:-1]] == [[]] * (len(made) - 1)
    assert made[-1].complete == [Relation.PART_OF]


def test_a_flood_of_words_about_one_part_is_cut_and_told():
    flood = [{"license": {"name": f"{n} " + "x" * 3_000}} for n in range(200)]
    imported = read(product(part("a", licenses=flood), part("b")))
    assert codes(imported) == {"/components/0": "description-cut"}
    described = {d.subject: d for d in links_of(imported).described}
    assert (described[name("a")].name, described[name("a")].licenses) == ("a", [])
    assert all(len(d.payload) <= 1 << 20 for d in imported.statements if d.kind is Kind.LINK)


def test_more_statements_than_there_is_room_for_are_refused():
    bill = Bill(canonical(name("root")), "test")
    for n in range(200):
        bill.add(Part(id=canonical(name(f"p{n}")), where=f"/{n}", name="x" * 100))
    assert len(bill.drafts(bill.parts, part="test", told=Told(room=60_000))) == 201
    with pytest.raises(Malformed) as caught:
        bill.drafts(bill.parts, part="test", told=Told(room=20_000))
    assert caught.value.code == "document.too-many-statements"


HASHES = [{"alg": "SHA-256", "content": "AB" * 32}]


def test_hashes_are_told_in_one_spelling():
    imported = read(product(part("a", hashes=HASHES)))
    (described,) = [d for d in links_of(imported).described if d.subject == name("a")]
    assert described.hashes == {"sha-256": "ab" * 32}


def test_reading_is_deterministic():
    data = product(*(part(f"p{n}", supplier={"name": f"s{n % 7}"}) for n in range(50)))
    assert read(data) == read(data)
