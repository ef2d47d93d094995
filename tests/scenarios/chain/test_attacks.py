# SPDX-License-Identifier: Apache-2.0
"""What somebody might try against a chain, and what comes of it."""

from dataclasses import replace
from hashlib import sha256

import pytest

from kizuna.chain.graph import MemoryEvidence, closure
from kizuna.chain.verify import judge
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import Digest, Element
from kizuna.model.kind import Kind
from kizuna.model.outcome import Outcome
from kizuna.model.payload import Action, Level, Severity, Standing, Status, Target
from kizuna.model.relation import Relation
from kizuna.model.trust import Anchors
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

ACME, BOLT, CERT = "did:example:acme", "did:example:bolt", "did:example:cert"
CSIRT, STRANGER, VERIFIER = "did:example:csirt", "did:example:stranger", "did:example:verifier"
FAN, MOTOR = "pkg:generic/acme/fan@1", "pkg:generic/bolt/motor@1"


@pytest.fixture
def world(shop):
    """A fan with a motor, both sound, each made by a listed maker."""
    made = shop.World()
    made.member(ACME, scope=["pkg:generic/acme"], level=Level.SELF)
    made.member(BOLT, scope=["pkg:generic/bolt"], level=Level.SELF)
    made.member(CERT, "certifier", kinds=[Kind.CERTIFICATE, Kind.STATUS])
    made.member(CSIRT, "csirt", kinds=[Kind.NOTICE])
    for maker, thing in ((ACME, FAN), (BOLT, MOTOR)):
        made.claim(maker, thing)
        made.made_by(maker, thing, maker)
    made.parts(ACME, FAN, MOTOR)
    return made


def ask(shop, world, subject=FAN, *, at=None, **more):
    chosen = shop.profile(**more)
    return judge(world.statements, subject, chosen, world.anchors(), at=at or world.now + 1)


def codes(verdict):
    return {(f.code, f.subject) for f in verdict.findings}


def test_the_world_begins_trusted(shop, world):
    verdict = ask(shop, world)
    assert (verdict.value, verdict.findings, verdict.outcome) == (
        Value.TRUSTED, (), Outcome.HOLDS,
    )  # fmt: skip
    assert verdict.coverage.subjects == verdict.coverage.proven == 4


def test_two_strangers_who_vouch_for_each_other_stay_strangers(shop, world):
    world.member(STRANGER, by="did:example:friend")
    world.member("did:example:friend", by=STRANGER)
    world.member(STRANGER, by=STRANGER)
    world.claim(STRANGER, "pkg:generic/new@1")
    verdict = ask(shop, world, "pkg:generic/new@1", follow=())
    assert codes(verdict) == {(Code.PARTY_SILENT, "pkg:generic/new@1")}


def test_a_deputy_enters_others_but_neither_himself_nor_above_himself(shop, world):
    deputy, newcomer = "did:example:deputy", "did:example:newcomer"
    world.member(
        deputy, "deputy", kinds=[Kind.MEMBERSHIP], claims=["maker"],
        scope=["did:example", "pkg:generic"], level=Level.SELF,
    )  # fmt: skip
    world.member(deputy, "maker", by=deputy)
    world.member(newcomer, "maker", by=deputy, level=Level.THIRD)
    world.member("did:example:forger", "certifier", by=deputy)
    for issuer in (deputy, newcomer, "did:example:forger"):
        world.claim(issuer, f"pkg:generic/{issuer[12:]}@1")
    need = shop.requirement(services=("maker", "certifier"))
    third = shop.requirement(services=("maker", "certifier"), level=Level.THIRD)

    def of(issuer, rule):
        return ask(shop, world, f"pkg:generic/{issuer[12:]}@1", requirements=[rule], follow=())

    assert of(newcomer, need).value is Value.TRUSTED
    assert codes(of(newcomer, third)) == {(Code.LEVEL_TOO_LOW, "pkg:generic/newcomer@1")}
    assert of(deputy, need).value is Value.UNDETERMINED
    assert of("did:example:forger", need).value is Value.UNDETERMINED


def test_a_stolen_key_that_backdates_is_void_from_the_theft_on(shop, world):
    theft = world.now
    world.claim(BOLT, "pkg:generic/bolt/fake@1", key="stolen", at=theft + 600)
    fake = "pkg:generic/bolt/fake@1"
    assert ask(shop, world, fake, follow=()).value is Value.TRUSTED
    world.compromise(BOLT, BOLT, "stolen", theft)
    verdict = ask(shop, world, fake, follow=())
    assert (Code.KEY_COMPROMISED, fake) in codes(verdict)
    assert verdict.value is Value.UNDETERMINED
    # what the key signed before the theft stands
    world.claim(BOLT, "pkg:generic/bolt/old@1", key="stolen", at=theft - 600)
    assert ask(shop, world, "pkg:generic/bolt/old@1", follow=()).value is Value.TRUSTED


def test_where_the_theft_falls_inside_a_registration_interval_nobody_can_tell(shop, world):
    thing = "pkg:generic/bolt/unsure@1"
    world.claim(BOLT, thing, key="stolen", at=world.now, until=world.now + 100)
    world.compromise(BOLT, BOLT, "stolen", world.now)
    world.statements[-1] = replace(world.statements[-1])
    verdict = ask(shop, world, thing, follow=(), at=world.now + 1_000)
    assert codes(verdict) <= {(Code.CLAIM_TIME_UNCERTAIN, thing), (Code.KEY_COMPROMISED, thing)}
    assert verdict.value is Value.UNDETERMINED


def test_a_thief_cannot_free_himself_by_enrolling_a_key_of_his_own(shop, world):
    unit = EphemeralUnit(b"thief")
    key = unit.public(unit.generate(Algorithm.EDDSA, "second"))
    theft = world.now
    enrol = Status(action=Action.ENROL, target=Target(key=key.thumbprint.hex()), key=key.to_jwk())
    world.say(BOLT, Kind.STATUS, BOLT, enrol, key="stolen")
    fake = world.claim(BOLT, "pkg:generic/bolt/fake@1")
    world.statements[-1] = replace(fake, statement=replace(fake.statement, key_id=key.thumbprint))
    world.compromise(BOLT, BOLT, "stolen", theft)
    verdict = ask(shop, world, "pkg:generic/bolt/fake@1", follow=())
    assert (Code.KEY_COMPROMISED, "pkg:generic/bolt/fake@1") in codes(verdict)
    assert verdict.value is Value.UNDETERMINED


def test_only_the_holder_or_the_operator_of_his_list_declares_a_key_compromised(shop, world):
    world.compromise(STRANGER, BOLT, BOLT, 0)
    assert ask(shop, world).value is Value.TRUSTED
    declared = world.compromise(world.OPERATOR, BOLT, BOLT, 0)
    assert ask(shop, world).value is not Value.TRUSTED
    world.status(world.OPERATOR, Action.WITHDRAW, declared)
    assert ask(shop, world).value is Value.TRUSTED


def test_a_revocation_outlives_the_standing_of_who_revoked(shop, world):
    certified = world.claim(CERT, MOTOR, level=Level.THIRD)
    world.status(CERT, Action.REVOKE, certified)
    world.member(CERT, "certifier", state=Standing.WITHDRAWN)
    rule = shop.requirement(services=("certifier",))
    verdict = ask(shop, world, MOTOR, requirements=[rule])
    assert (Code.CLAIM_REVOKED, MOTOR) in codes(verdict)
    assert verdict.outcome is Outcome.NOT_TRUSTED


def test_a_revoked_revocation_ends_and_only_from_above_or_by_its_author(shop, world):
    certified = world.claim(CERT, MOTOR, level=Level.THIRD)
    revoked = world.status(CERT, Action.REVOKE, certified)
    world.status(BOLT, Action.WITHDRAW, revoked)
    rule = shop.requirement(services=("certifier",), elements=(Element.COMPONENT,))

    def value():
        return ask(shop, world, MOTOR, requirements=[rule], follow=()).value

    assert value() is Value.UNTRUSTED
    taken_back = world.status(CERT, Action.WITHDRAW, revoked)
    assert value() is Value.TRUSTED
    world.status(CERT, Action.WITHDRAW, taken_back)
    assert value() is Value.UNTRUSTED


def test_what_a_superior_suspended_its_issuer_cannot_reinstate(shop, world):
    world.member("did:example:authority", "authority", kinds=[Kind.STATUS])
    claim = world.claim(BOLT, MOTOR)
    world.status("did:example:authority", Action.SUSPEND, claim)
    world.status(BOLT, Action.REINSTATE, claim)
    verdict = ask(shop, world, MOTOR)
    assert (Code.CLAIM_SUSPENDED, MOTOR) in codes(verdict)
    world.status("did:example:authority", Action.REINSTATE, claim)
    assert ask(shop, world, MOTOR).value is Value.TRUSTED


def test_a_maker_takes_nothing_back_that_others_say_against_its_product(shop, world):
    notice = world.notice(CSIRT, MOTOR)
    world.status(BOLT, Action.WITHDRAW, notice)
    assert ask(shop, world).value is Value.UNTRUSTED
    world.status(CERT, Action.WITHDRAW, notice)
    assert ask(shop, world).value is Value.UNTRUSTED
    world.status(world.OPERATOR, Action.WITHDRAW, notice)
    assert ask(shop, world).value is Value.TRUSTED


def test_a_stranger_revokes_nothing(shop, world):
    world.status(STRANGER, Action.REVOKE, world.statements[4])
    world.status(CERT, Action.REVOKE, world.statements[4], subject="pkg:generic/acme/fan@1")
    assert ask(shop, world, MOTOR).value is Value.TRUSTED


def test_the_subject_its_maker_and_its_supplier_waive_nothing_even_when_they_judge(shop, world):
    world.notice(CSIRT, MOTOR)
    world.waive(BOLT, MOTOR, "notice:vulnerability")
    accepted = {"waivers_from": (BOLT, "maker")}
    assert ask(shop, world, **accepted).value is Value.UNTRUSTED
    chosen = shop.profile(**accepted)
    as_maker = world.anchors(verifier=BOLT)
    verdict = judge(world.statements, FAN, chosen, as_maker, at=world.now + 1)
    assert verdict.value is Value.UNTRUSTED
    world.waive(VERIFIER, MOTOR, "notice:vulnerability")
    verdict = ask(shop, world)
    assert verdict.value is Value.TRUSTED
    assert codes(verdict) == {(Code.WAIVED, MOTOR)}
    assert verdict.coverage.proven == verdict.coverage.known - 1


def test_a_waiver_counts_for_its_profile_its_finding_and_until_its_end_only(shop, world):
    world.notice(CSIRT, MOTOR)
    world.waive(VERIFIER, MOTOR, "notice:vulnerability", profile="other")
    world.waive(VERIFIER, MOTOR, "good")
    world.waive(STRANGER, MOTOR, "notice:vulnerability")
    assert ask(shop, world).value is Value.UNTRUSTED
    end = world.now + 1_000
    world.waive(VERIFIER, MOTOR, "notice:vulnerability", ends=end)
    assert ask(shop, world, at=end - 1).value is Value.TRUSTED
    assert ask(shop, world, at=end - 1).next_change == end
    assert ask(shop, world, at=end).value is Value.UNTRUSTED


def test_tampering_is_waived_by_nobody(shop, world):
    world.notice(CSIRT, MOTOR, "tampering", Severity.NONE)
    world.waive(VERIFIER, MOTOR, "notice:tampering")
    verdict = ask(shop, world)
    assert verdict.value is Value.UNTRUSTED
    assert codes(verdict) == {(Code.TAMPERED, MOTOR)}
    assert verdict.outcome is Outcome.TAMPERED


def test_a_notice_of_the_unlisted_is_shown_and_does_nothing(shop, world):
    for _ in range(40):
        world.notice(STRANGER, MOTOR, "tampering", Severity.CRITICAL)
    verdict = ask(shop, world)
    assert verdict.value is Value.TRUSTED
    assert {f.code for f in verdict.findings} == {Code.NOTICE_UNCONFIRMED}
    assert len(verdict.findings) <= 16, "a flood does not fill the verdict"


def test_nobody_hangs_his_trouble_on_somebody_elses_product(shop, world):
    bad = "pkg:generic/stranger/bad@1"
    world.notice(CSIRT, bad)
    before = ask(shop, world)
    world.parts(STRANGER, FAN, bad)
    world.made_by(STRANGER, FAN, STRANGER)
    world.parts(BOLT, FAN, bad)
    after = ask(shop, world)
    assert (after.value, after.findings, after.coverage) == (
        before.value, before.findings, before.coverage,
    )  # fmt: skip
    read = closure(MemoryEvidence(world.statements), FAN, shop.profile(), world.anchors())
    assert bad not in {r.statement.subject for r in read.statements}


def test_nobody_takes_over_a_name_by_calling_it_the_same(shop, world):
    evil = "pkg:generic/stranger/evil@1"
    for issuer in (STRANGER, BOLT):
        world.links(
            issuer, evil, shop.Link(relation=Relation.SAME_AS, object=FAN), part=issuer[-4:]
        )
    world.notice(CSIRT, evil)
    assert ask(shop, world).value is Value.TRUSTED


def test_an_import_is_never_the_suppliers_own_word(shop, world):
    thing = "pkg:generic/bolt/imported@1"
    rule = shop.requirement(services=("supplier",))
    world.made_by(BOLT, thing, BOLT)
    world.claim(BOLT, thing, imported=True)
    verdict = ask(shop, world, thing, requirements=[rule], follow=())
    assert codes(verdict) == {(Code.CLAIM_UNAUTHORISED, thing)}
    world.claim(BOLT, thing)
    assert ask(shop, world, thing, requirements=[rule], follow=()).value is Value.TRUSTED


def test_the_word_of_a_maker_about_his_own_product_is_self_declared_at_most(shop, world):
    world.member("did:example:big", "certifier", level=Level.THIRD, scope=["*"])
    thing = "pkg:generic/big/thing@1"
    world.made_by("did:example:big", thing, "did:example:big")
    world.claim("did:example:big", thing, level=Level.THIRD)
    rule = shop.requirement(services=("certifier",), level=Level.THIRD)
    verdict = ask(shop, world, thing, requirements=[rule], follow=())
    assert codes(verdict) == {(Code.LEVEL_TOO_LOW, thing)}


@pytest.mark.parametrize("element", [Element.PERSON, Element.ORGANIZATION, Element.PROCEDURE])
def test_a_description_takes_nothing_out_of_its_requirements(shop, world, element):
    """A package stays a component, and an organisation does not describe itself as something
    from which nothing is asked.
    """
    thing = "pkg:generic/bolt/dodger@1"
    world.links(BOLT, thing, described=[shop.Described(element=element)])
    world.links(BOLT, BOLT, described=[shop.Described(element=Element.DATA)], part="self")
    world.made_by(BOLT, thing, BOLT)
    rule = shop.requirement(elements=(Element.COMPONENT,))
    of_parties = shop.requirement("iso", claim=("iso",), elements=(Element.ORGANIZATION,))
    verdict = ask(shop, world, thing, requirements=[rule, of_parties])
    assert (Code.CLAIM_MISSING, thing) in codes(verdict)
    assert (Code.CLAIM_MISSING, BOLT) in codes(verdict)


def test_a_strangers_description_changes_nothing(shop, world):
    before = ask(shop, world)
    world.links(STRANGER, MOTOR, described=[shop.Described(element=Element.PERSON, name="x")])
    after = ask(shop, world)
    assert (after.value, after.findings) == (before.value, before.findings)


def test_registering_again_elsewhere_makes_nothing_fresh_and_escapes_no_revocation(shop, world):
    rule = shop.requirement(max_age=1_000)
    old = world.claim(BOLT, MOTOR)
    twin = replace(
        old,
        statement=replace(old.statement, digest=Digest(sha256(b"other signature").digest())),
        origin="other.example",
        index=0,
        registered=replace(old.registered, earliest=world.now + 5_000, latest=world.now + 5_000),
    )
    world.sizes["other.example"] = 1
    world.statements.append(twin)
    at = world.now + 5_001
    verdict = ask(shop, world, MOTOR, requirements=[rule], follow=(), at=at)
    assert codes(verdict) == {(Code.CLAIM_STALE, MOTOR)}
    world.status(BOLT, Action.REVOKE, old)
    for order in (world.statements, world.statements[::-1]):
        verdict = judge(order, MOTOR, shop.profile(follow=()), world.anchors(), at=at)
        assert codes(verdict) == {(Code.CLAIM_REVOKED, MOTOR)}


def test_a_chain_of_ten_thousand_withdrawals_is_judged_without_recursion(shop, world):
    target = world.claim(BOLT, MOTOR)
    for _ in range(10_001):
        target = world.status(BOLT, Action.WITHDRAW, target)
    assert ask(shop, world, MOTOR).value is Value.UNTRUSTED


def test_without_anchors_nothing_is_trusted_however_well_it_fits(shop, world):
    verdict = judge(world.statements, FAN, shop.profile(), Anchors(), at=world.now + 1)
    assert (verdict.value, verdict.outcome) == (Value.UNDETERMINED, Outcome.EVIDENCE_MISSING)
    assert codes(verdict) == {(Code.ANCHORS_MISSING, FAN)}
    no_logs = world.anchors(logs=[])
    verdict = judge(world.statements, FAN, shop.profile(), no_logs, at=world.now + 1)
    assert codes(verdict) == {(Code.ANCHORS_MISSING, FAN)}


def test_what_stands_in_a_log_that_is_not_accepted_was_never_said(shop, world):
    world.claim(BOLT, "pkg:generic/bolt/x@1", origin="rogue.example")
    anchors = world.anchors(logs=[shop.log(world.ORIGIN)])
    verdict = judge(
        world.statements, "pkg:generic/bolt/x@1", shop.profile(), anchors, at=world.now + 1
    )
    assert codes(verdict) == {(Code.SUBJECT_UNKNOWN, "pkg:generic/bolt/x@1")}


def test_a_thing_of_which_the_profile_asks_nothing_is_not_thereby_trusted(shop, world):
    """Whoever calls his component a service leaves the requirements on components; but not so."""
    thing = "pkg:generic/bolt/dodger@1"
    world.links(BOLT, thing, described=[shop.Described(element=Element.SERVICE)])
    rule = shop.requirement(elements=(Element.COMPONENT,))
    verdict = ask(shop, world, thing, requirements=(rule,), follow=())
    assert verdict.value is Value.UNDETERMINED
    assert (Code.NOTHING_ASKED, thing) in codes(verdict)
    assert verdict.outcome is Outcome.EVIDENCE_MISSING


def test_a_waiver_of_what_the_profile_does_not_ask_is_shown_without_effect(shop, world):
    def judged():
        return ask(shop, world, MOTOR, requirements=[shop.requirement()], follow=())

    before = judged()
    world.waive(VERIFIER, MOTOR, "godo")
    world.waive("did:example:stranger", MOTOR, "goood")  # whoever may waive nothing is not shown
    after = judged()
    assert after.value is before.value
    fresh = set(after.findings) - set(before.findings)
    assert [(f.code, f.requirement, f.turn) for f in fresh] == [
        (Code.WAIVER_IDLE, "godo", VERIFIER)
    ]
