# SPDX-License-Identifier: Apache-2.0
"""The building: everything its profile asks is said by whoever may say it, and nothing is real."""

import json
from collections import defaultdict

import pytest

from kizuna.criteria.profiles import SUPPLIER, shipped_profile
from kizuna.model.finding import Value
from kizuna.model.identifier import Element, canonical, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Links, Membership, Notice, Status
from kizuna.model.relation import Relation
from kizuna.record.lists import in_scope
from kizuna.roots.cose import parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.statement import checked
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.building import ROOT, building
from kizuna.worlds.party import SetClock, new_party

NOW = 1_800_000_000


def opened(raw, documents=None):
    envelope = parse_sign1(raw)
    (key,) = genesis_keys(envelope.issuer)
    document = (documents or {}).get(envelope.payload)
    return checked(envelope, key, document)


@pytest.fixture(scope="module")
def world():
    return building(NOW, seed=b"test")


@pytest.fixture(scope="module")
def members(world):
    entries = [opened(raw) for raw in world.memberships]
    return {e.subject: e.payload.services for e in entries if isinstance(e.payload, Membership)}


@pytest.fixture(scope="module")
def said(world):
    return [opened(raw, world.documents) for raw in world.statements]


def tied(said):
    """Parts and other ties by the end that depends on them."""
    ties = defaultdict(list)
    for statement in said:
        if isinstance(statement.payload, Links):
            for link in statement.payload.links:
                if not link.relation.is_dependence:
                    continue
                subject = link.subject or statement.subject
                target = link.object or statement.subject
                ends = (target, subject) if link.relation.object_depends else (subject, target)
                ties[ends[0]].append((link.relation, ends[1], statement.issuer))
    return ties


def chain_of(ties, root):
    seen, frontier = {root}, [root]
    while frontier:
        fresh = {end for _, end, _ in ties[frontier.pop()]} - seen
        seen |= fresh
        frontier += fresh
    return seen


def elements_of(said):
    return {
        entry.subject or s.subject: entry.element
        for s in said
        if isinstance(s.payload, Links)
        for entry in s.payload.described
    }


def test_a_seed_makes_the_same_statements_and_none_makes_new_keys(world):
    assert building(NOW, seed=b"test").statements == world.statements
    assert building(NOW).parties["aoba"].id != building(NOW).parties["aoba"].id


def test_four_tiers_and_a_dozen_organisations_hang_on_the_root(world, said):
    chain = chain_of(tied(said), ROOT)
    elements = elements_of(said)
    firms = [s for s in chain if elements.get(s) is Element.ORGANIZATION]
    things = [s for s in chain if elements.get(s) in (Element.COMPONENT, Element.DATA)]
    assert len(firms) == 12
    assert len(things) == 13
    assert chain == {*firms, *things}, "everything in the chain is described"


def test_hidden_names_everything_below_the_first_tier(world, said):
    chain = chain_of(tied(said), ROOT)
    first = {ROOT, "pkg:generic/aoba-air/ac-9@2.3"}
    first |= {world.parties["aoba"].id, world.parties["shiomi"].id}
    assert chain - first == set(world.hidden) - {"pkg:generic/hinode-firmware/ac9-firmware@2.3.2"}
    assert not first & set(world.hidden)


def test_every_tie_is_asserted_by_a_member_who_may_speak_for_the_dependent(world, said, members):
    for dependent, ties in tied(said).items():
        for relation, _, issuer in ties:
            assert any(
                Kind.LINK in s.kinds and in_scope(dependent, s.scope, issuer)
                for s in members[issuer]
            ), (dependent, relation)


def test_every_requirement_of_the_profile_is_met_by_somebody_entitled(world, said, members):
    profile = shipped_profile(world.profile)
    elements = elements_of(said)
    ties = tied(said)
    claims = defaultdict(list)
    for s in said:
        if isinstance(s.payload, Claim):
            fields = s.payload.claims
            claims[s.subject, s.payload.type].append((s.issuer, s.kind, s.payload.level, fields))
        elif isinstance(s.payload, Links):
            for entry in s.payload.described:
                fields = {"name": entry.name, "version": entry.version, "hashes": entry.hashes}
                subject = entry.subject or s.subject
                claims[subject, "description"].append(
                    (s.issuer, Kind.CAPABILITY, None, fields | entry.claims)
                )
    for node in chain_of(ties, ROOT):
        suppliers = {node} | {
            end for relation, end, _ in ties[node] if relation is Relation.MADE_BY
        }
        for requirement in profile.requirements:
            if requirement.applies(elements[node], is_root=node == ROOT):
                claimed = [claim for word in requirement.claim for claim in claims[node, word]]
                if not claimed and requirement.missing is Value.TRUSTED:
                    continue  # it concerns only those about whom it is claimed
                assert any(
                    met(requirement, node, claim, suppliers, members) for claim in claimed
                ), (
                    requirement.id,
                    world.titles[node]["en"],
                )


def met(requirement, node, claim, suppliers, members):
    issuer, kind, level, fields = claim
    if kind not in requirement.kinds or not all(fields.get(f) for f in requirement.present):
        return False
    granted = [
        s
        for s in members.get(issuer, [])
        if s.type in requirement.services and kind in s.kinds and in_scope(node, s.scope, issuer)
    ]
    if not granted and not (SUPPLIER in requirement.services and issuer in suppliers):
        return False
    reached = max((s.level.rank for s in granted), default=0)
    if min(reached, level.rank if level else 0) < requirement.level.rank:
        return False
    condition = requirement.compiled()
    return condition is None or condition.evaluate(fields) is True


def test_all_ties_are_named_of_everything_that_may_have_parts(said):
    elements = elements_of(said)
    complete = {
        s.subject
        for s in said
        if isinstance(s.payload, Links) and Relation.PART_OF in s.payload.complete
    }
    assert {s for s, e in elements.items() if e is Element.COMPONENT} <= complete


def test_the_firmware_carries_its_bill_of_materials(world, said):
    (document,) = world.documents.items()
    assert digest_of(document[1]) == document[0]
    bom = json.loads(world.firmware_bom)
    assert bom["bomFormat"] == "CycloneDX"
    assert bom["metadata"]["component"]["purl"].endswith("ac9-firmware@2.3.1")
    assert bom["dependencies"][0]["dependsOn"] == [c["purl"] for c in bom["components"]]
    carried = [s for s in said if s.document is not None]
    assert [s.media_type for s in carried] == ["application/vnd.cyclonedx+json"]


def test_the_first_story_revokes_a_certificate_in_the_third_tier(world, said):
    story = world.stories[0]
    (broken,) = map(opened, story.break_(NOW + 60))
    assert isinstance(broken.payload, Status)
    certificate = next(s for s in said if s.kind is Kind.CERTIFICATE and s.subject == story.subject)
    assert broken.payload.target.statement == certificate.digest.hex()
    assert broken.issuer == certificate.issuer
    (mended,) = map(opened, story.mend(NOW + 120))
    assert (mended.issuer, mended.subject, mended.payload.type) == (
        certificate.issuer,
        certificate.subject,
        certificate.payload.type,
    )
    assert story.party == world.parties["nagisa"].id


def test_the_second_story_replaces_a_firmware_lot_that_was_tampered_with(world, said, members):
    story = world.stories[1]
    (broken,) = map(opened, story.break_(NOW + 60))
    assert isinstance(broken.payload, Notice)
    assert (broken.payload.type, broken.subject) == ("tampering", story.subject)
    assert {s.type for s in members[broken.issuer]} == {"coordinator"}
    mended = [opened(raw) for raw in story.mend(NOW + 120)]
    renewed = [
        *(s for s in said if s.subject != "pkg:generic/aoba-air/ac-9@2.3"),
        *mended,
    ]
    chain = chain_of(tied(renewed), ROOT)
    assert story.subject in chain_of(tied(said), ROOT)
    assert mended[0].subject in chain
    assert story.subject not in chain


def test_names_are_given_in_both_languages(world, said):
    for node in chain_of(tied(said), ROOT):
        assert world.titles[node]["en"]
        assert not world.titles[node]["ja"].isascii()
    for story in world.stories:
        for words in (story.title, story.broken, story.mended):
            assert {"en", "ja"} <= set(words)


def test_identifiers_are_in_their_one_spelling(world):
    for identifier in world.titles:
        assert canonical(identifier) == identifier


def test_a_store_can_operate_the_list_itself():
    own = new_party(EphemeralUnit(b"own"), "Own Organisation", "自組織")
    world = building(NOW, council=own, list_id=canonical("https://own.example/list"))
    assert world.council is own
    assert world.anchors.lists[0].operator == own.id
    for raw in world.memberships:
        entry = opened(raw)
        assert entry.issuer == own.id
        assert entry.payload.list_id == "https://own.example/list"


def test_a_set_clock_stands_until_it_is_moved():
    clock = SetClock(NOW)
    assert clock() == clock() == NOW
    assert clock.forward(60) == clock() == NOW + 60
