# SPDX-License-Identifier: Apache-2.0
"""Importing: what is new is registered, what stands is named, what is restricted stays so."""

import json
from pathlib import Path
from typing import Any

import pytest

from kizuna.app.wiring.entries import parse_digest
from kizuna.app.wiring.judging.answers import import_json
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Links, Notice, Status, Target, encode_payload
from kizuna.model.statement import Registered
from kizuna.record.lists import Role, grant, service_for
from kizuna.record.log.keys import subject_key
from kizuna.record.store import PUBLIC
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.ephemeral import EphemeralUnit
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
SERIAL = "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def workspace(tmp_path, clock):
    settings = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as made:
        yield made


def part(name: str, **members: object) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": "1",
        "purl": f"pkg:generic/{name}@1",
        **members,
    }


def bom(root: str, *components: dict[str, Any], **members: object) -> bytes:
    metadata = {"component": part(root), **members.pop("metadata", {})}  # type: ignore[dict-item]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": SERIAL,
        "version": 1,
        "metadata": metadata,
        "components": list(components),
        **members,
    }
    return json.dumps(document).encode()


def bring(workspace: Workspace, clock: SetClock, *documents: bytes) -> Any:  # noqa: ANN401
    """Import some documents, a minute later than whatever came before."""
    clock.now += 60
    return workspace.import_files([(f"{n}.json", data) for n, data in enumerate(documents)])


def size(workspace: Workspace) -> int:
    return workspace.head().size


def subjects_and_kinds(workspace: Workspace, digests: set[str]) -> list[tuple[str, Kind]]:
    found = workspace.store.reader().by_digests([parse_digest(d) for d in sorted(digests)])
    return sorted((row.statement.subject, row.statement.kind) for row in found.values())


def about(workspace: Workspace, name: str) -> list[Registered]:
    key = subject_key(canonical(name))
    return list(workspace.store.reader().by_keys([key]).get(key, ()))


def test_importing_the_same_again_registers_nothing(workspace, clock):
    data = bom("unit", part("a"), part("b"), vulnerabilities=[{"id": "X-1"}])
    first = bring(workspace, clock, data)
    before = size(workspace)
    again = bring(workspace, clock, data)
    assert size(workspace) == before
    assert again.statements == first.statements
    assert (first.unchanged, again.unchanged) == (0, len(first.statements))
    assert (again.duplicates, again.refused, again.root) == (0, (), "pkg:generic/unit@1")


def test_importing_again_a_day_later_confirms_what_stands(workspace, clock):
    data = bom("unit", part("a"), part("b"))
    first = bring(workspace, clock, data)
    assert (first.registered, first.renewed) == (len(first.statements), 0)
    clock.now += 86_400
    again = bring(workspace, clock, data)
    assert not set(again.statements) & set(first.statements)
    assert (again.registered, again.unchanged, again.renewed) == (0, 0, len(first.statements))
    third = bring(workspace, clock, data)
    assert third.statements == again.statements
    assert (third.registered, third.unchanged, third.renewed) == (0, len(first.statements), 0)
    told = import_json(third, "en")
    assert (told["registered"], told["unchanged"], told["renewed"]) == (0, third.unchanged, 0)


def test_what_is_new_a_day_later_is_told_apart_from_what_is_renewed(workspace, clock):
    first = bring(workspace, clock, bom("unit", part("a")))
    clock.now += 2 * 86_400
    again = bring(workspace, clock, bom("unit", part("a", group="changed")))
    assert again.registered == 3  # the part, the document and what is said of it
    assert again.renewed == len(first.statements) - 3


def test_old_evidence_counts_again_after_the_same_import(workspace, clock):
    data = bom("unit", part("a"))
    bring(workspace, clock, data)
    clock.now += 40 * 86_400
    before = {r.index for r in about(workspace, "pkg:generic/unit@1")}
    bring(workspace, clock, data)
    fresh = [r for r in about(workspace, "pkg:generic/unit@1") if r.index not in before]
    assert any(r.statement.kind is Kind.EVIDENCE for r in fresh)
    assert all(clock.now - r.registered.latest < 60 for r in fresh)


def test_what_two_bills_share_is_registered_once(workspace, clock):
    shared = [part(f"p{n}") for n in range(20)]
    first = bring(workspace, clock, bom("unit", *shared))
    second = bring(workspace, clock, bom("other", *shared, part("new")))
    fresh = subjects_and_kinds(workspace, set(second.statements) - set(first.statements))
    assert second.unchanged == 20
    assert {subject for subject, _ in fresh} == {"pkg:generic/other@1", "pkg:generic/new@1"}


def test_bills_imported_together_share_too(workspace, clock):
    one, other = bom("unit", part("a"), part("b")), bom("other", part("a"))
    outcome = bring(workspace, clock, one, other)
    files = outcome.files
    assert len(set(files[0].statements) & set(files[1].statements)) == 1
    before = size(workspace)
    bring(workspace, clock, one, other)
    assert size(workspace) == before


def test_bills_that_differ_about_a_part_come_to_rest(workspace, clock):
    one, other = bom("unit", part("a", group="x")), bom("other", part("a", group="y"))
    outcome = bring(workspace, clock, one, other)
    before = size(workspace)
    assert bring(workspace, clock, one, other).statements == outcome.statements
    assert size(workspace) == before
    # each says its own: importing one of them again takes nothing from the other
    for document in (one, other):
        bring(workspace, clock, document)
        assert size(workspace) == before


def test_a_change_is_registered_and_nothing_else(workspace, clock):
    first = bring(workspace, clock, bom("unit", part("a"), part("b")))
    second = bring(workspace, clock, bom("unit", part("a", group="changed"), part("b")))
    fresh = subjects_and_kinds(workspace, set(second.statements) - set(first.statements))
    assert fresh == [
        ("pkg:generic/a@1", Kind.LINK),
        ("pkg:generic/unit@1", Kind.EVIDENCE),  # the document and the claim about it; its ties
        ("pkg:generic/unit@1", Kind.EVIDENCE),  # are as they were
    ]


def test_what_was_revoked_is_said_again(workspace, clock):
    data = bom("unit", part("a"))
    bring(workspace, clock, data)
    (row,) = [r for r in about(workspace, "pkg:generic/a@1") if r.statement.kind is Kind.LINK]
    revoke = Status(action=Action.REVOKE, target=Target(statement=row.statement.digest.hex()))
    workspace.register_one(workspace.sign(Kind.STATUS, row.statement.subject, revoke))
    again = bring(workspace, clock, data)
    assert row.statement.digest.hex() not in again.statements
    before = size(workspace)
    bring(workspace, clock, data)
    assert size(workspace) == before


def test_a_new_entry_in_a_list_makes_everything_worth_saying_again(workspace, clock):
    data = bom("unit", part("a"))
    first = bring(workspace, clock, data)
    services = [service_for(Role.SELF), service_for(Role.ASSESSOR)]
    entry = grant(workspace.list_id, services, name="Bar")
    workspace.register_one(workspace.sign(Kind.MEMBERSHIP, workspace.identity, entry))
    again = bring(workspace, clock, data)
    assert not set(again.statements) & set(first.statements)
    assert bring(workspace, clock, data).unchanged == len(again.statements)


def test_what_others_say_is_nobody_elses_word(workspace, clock, tmp_path):
    data = bom("unit", part("a"))
    settings = Settings(store=tmp_path / "elsewhere", clock=clock)
    with Workspace.init(settings.store, "Foo", now=NOW, settings=settings) as other:
        bring(other, clock, data)
    assert bring(workspace, clock, data).unchanged == 0


def test_pages_that_the_new_version_lacks_are_emptied_once(workspace, clock):
    long = "x" * 300
    many = [part(f"p{n}-{long}") for n in range(3_000)]
    bring(workspace, clock, bom("unit", *many))
    renewed = bring(workspace, clock, bom("unit", *many[:10]))
    ties: dict[str, Links] = {}
    for row in about(workspace, "pkg:generic/unit@1"):
        payload = row.statement.payload
        if isinstance(payload, Links):
            ties[payload.part or ""] = payload
    assert set(ties) == {"cyclonedx", "cyclonedx:2"}
    assert ties["cyclonedx:2"] == Links(part="cyclonedx:2", imported=True)
    assert len(ties["cyclonedx"].links) == 10 + 1
    before = size(workspace)
    assert set(bring(workspace, clock, bom("unit", *many[:10])).statements) <= set(
        renewed.statements
    )
    assert size(workspace) == before


def test_a_settled_notice_is_withdrawn_once(workspace, clock):
    entry = {"id": "X-1", "affects": [{"ref": "a"}], "analysis": {"state": "exploitable"}}
    bring(workspace, clock, bom("unit", part("a"), vulnerabilities=[entry]))
    settled = bom(
        "unit", part("a"), vulnerabilities=[{**entry, "analysis": {"state": "not_affected"}}]
    )
    bring(workspace, clock, settled)
    before = size(workspace)
    bring(workspace, clock, settled)
    assert size(workspace) == before
    said = [r.statement.payload for r in about(workspace, "pkg:generic/a@1")]
    assert sum(isinstance(payload, Notice) for payload in said) == 1
    assert [p.action for p in said if isinstance(p, Status)] == [Action.WITHDRAW]


def test_what_a_stranger_does_to_a_statement_changes_nothing_of_it(workspace, clock):
    entry = {"id": "X-1", "affects": [{"ref": "a"}], "analysis": {"state": "exploitable"}}
    data = bom("unit", part("a"), vulnerabilities=[entry])
    first = bring(workspace, clock, data)
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "rival")
    rival = did_key(unit.public(handle))
    workspace.lists.add(rival, roles=["maker"], scope=("pkg:generic/rival",), name="Rival")
    for digest in first.statements:
        acts = Status(action=Action.SUSPEND, target=Target(statement=digest), reason="so I say")
        workspace.register_one(
            sign_statement(
                unit,
                handle,
                issuer=rival,
                subject=canonical("pkg:generic/a@1"),
                media_type=media_type_of(Kind.STATUS),
                payload=encode_payload(acts),
                issued_at=clock.now,
            )
        )
    before = size(workspace)
    bring(workspace, clock, data)  # it stands: nothing is said again
    assert size(workspace) == before
    settled = {**entry, "analysis": {"state": "not_affected"}}
    bring(workspace, clock, bom("unit", part("a"), vulnerabilities=[settled]))
    withdrawn = [
        row.statement.payload.action
        for row in about(workspace, "pkg:generic/a@1")
        if row.statement.issuer == workspace.identity and isinstance(row.statement.payload, Status)
    ]
    assert withdrawn == [Action.WITHDRAW]


def test_what_is_settled_and_not_settled_at_once_is_not_settled(workspace, clock):
    entry = {"id": "X-1", "affects": [{"ref": "a"}]}
    both = [
        {**entry, "analysis": {"state": "exploitable"}},
        {**entry, "analysis": {"state": "resolved"}},
    ]
    data = bom("unit", part("a"), vulnerabilities=both)
    bring(workspace, clock, data)
    before = size(workspace)
    bring(workspace, clock, data)
    assert size(workspace) == before


def test_everything_in_a_restricted_document_is_restricted(workspace, clock):
    marked = {"distributionConstraints": {"tlp": "AMBER"}}
    data = bom("unit", part("secret", group="hidden"), metadata=marked)
    outcome = bring(workspace, clock, data)
    assert not outcome.refused
    own = workspace.store.reader()
    rows = own.by_digests([parse_digest(d) for d in outcome.statements]).values()
    assert len(rows) == len(outcome.statements) > 3
    assert {row.statement.audience for row in rows} == {(workspace.identity,)}
    assert not workspace.store.reader(PUBLIC).by_digests([r.statement.digest for r in rows])
    raw = b"".join(own.raw([row.statement.digest for row in rows]).values())
    assert b"hidden" not in raw
    before = size(workspace)
    assert bring(workspace, clock, data).unchanged == len(outcome.statements)
    assert size(workspace) == before


def test_a_document_that_becomes_public_is_said_to_everybody(workspace, clock):
    marked = {"distributionConstraints": {"tlp": "AMBER"}}
    bring(workspace, clock, bom("unit", part("a"), metadata=marked))
    opened = bring(workspace, clock, bom("unit", part("a")))
    public = workspace.store.reader(PUBLIC)
    assert len(public.by_digests([parse_digest(d) for d in opened.statements])) == len(
        opened.statements
    )


@pytest.mark.vectors
def test_signatures_inside_a_document_are_shown(workspace, clock, shared: Path):
    folder = shared / "vectors/in-toto/demo_files"
    link = min(folder.glob("package.*.link"))
    told = import_json(bring(workspace, clock, link.read_bytes()), "en")
    (signature,) = told["signatures"]
    assert signature["file"] == "0.json"
    assert signature["form"] == "in-toto"
    assert signature["result"] == "unverified"
    assert signature["reason"] == "no-key"
    assert signature["where"] == "/signatures/0"
    json.dumps(told)


def test_a_document_without_signatures_shows_none(workspace, clock):
    told = import_json(bring(workspace, clock, bom("unit", part("a"))), "en")
    assert (told["signatures"], told["unchanged"]) == ([], 0)
    assert SubjectId("pkg:generic/a@1") in told["subjects"]
