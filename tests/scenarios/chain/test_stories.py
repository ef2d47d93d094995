# SPDX-License-Identifier: Apache-2.0
"""What happens to honest chains: time passes, parts break and are mended, papers go missing."""

import pytest

from kizuna.chain.graph import Graph, MemoryEvidence
from kizuna.chain.verify import Watches, explain, impact, judge, judgement
from kizuna.model.errors import Absent, Malformed
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.outcome import Outcome
from kizuna.model.payload import Action, Level, Standing
from kizuna.model.relation import Relation
from kizuna.model.verdict import Known

ACME, BOLT, CERT = "did:example:acme", "did:example:bolt", "did:example:cert"
CSIRT, VERIFIER = "did:example:csirt", "did:example:verifier"


def thing(name):
    return f"pkg:generic/acme/{name}@1"


@pytest.fixture
def world(shop):
    made = shop.World()
    made.member(ACME, scope=["pkg:generic/acme"])
    made.member(CSIRT, "csirt", kinds=[Kind.NOTICE])
    made.member(CERT, "certifier")
    return made


def build(world, whole, *parts, **more):
    world.claim(ACME, thing(whole))
    world.parts(ACME, thing(whole), *(thing(p) for p in parts), **more)


def ask(shop, world, name="a", *, at=None, known=None, **more):
    more.setdefault("follow", (shop.Follow(relation=Relation.PART_OF),))
    return judge(
        world.statements, thing(name), shop.profile(**more), world.anchors(),
        at=world.now + 1 if at is None else at, known=known,
    )  # fmt: skip


def codes(verdict, *, counting=True):
    return {(f.code, f.subject) for f in verdict.findings if f.counts or not counting}


# --- shapes ---------------------------------------------------------------------------------


def test_a_cycle_without_a_defect_is_trusted_breaks_and_is_trusted_again_when_mended(shop, world):
    for whole, part in (("a", "b"), ("b", "c"), ("c", "a")):
        build(world, whole, part)
    graph = Graph.of(world.statements)
    kept = judgement(
        graph, shop.profile(follow=(shop.Follow(relation=Relation.PART_OF),)), world.anchors(),
        at=world.now,
    )  # fmt: skip
    kept.settle_all()
    assert kept.verdict(thing("a")).value is Value.TRUSTED
    notice = world.notice(CSIRT, thing("c"))
    graph.add([notice])
    kept.update()
    kept.advance(world.now)
    assert [kept.verdict(thing(n)).value for n in "abc"] == [Value.UNTRUSTED] * 3
    graph.add([world.status(CSIRT, Action.WITHDRAW, notice)])
    kept.advance(world.now)
    kept.update()
    assert [kept.verdict(thing(n)).value for n in "abc"] == [Value.TRUSTED] * 3


def test_a_diamond_reports_what_is_at_its_foot_once(shop, world):
    build(world, "a", "b", "c")
    build(world, "b", "d")
    build(world, "c", "d")
    build(world, "d")
    world.notice(CSIRT, thing("d"))
    verdict = ask(shop, world)
    assert codes(verdict) == {(Code.NOTICE_ADVERSE, thing("d"))}
    assert (len(verdict.findings), verdict.coverage.subjects) == (1, 4)


def test_of_alternatives_one_good_one_is_enough(shop, world):
    world.claim(ACME, thing("a"))
    world.links(
        ACME, thing("a"),
        *(shop.Link(relation=Relation.PART_OF, subject=thing(p), alternative="x") for p in "bc"),
    )  # fmt: skip
    build(world, "b")
    build(world, "c")
    world.notice(CSIRT, thing("b"))
    verdict = ask(shop, world)
    assert verdict.value is Value.TRUSTED
    assert codes(verdict, counting=False) == {(Code.NOTICE_ADVERSE, thing("b"))}
    assert codes(verdict) == set(), "it is shown, and does not count"
    world.notice(CSIRT, thing("c"))
    verdict = ask(shop, world)
    assert (verdict.value, len(codes(verdict))) == (Value.UNTRUSTED, 2)


@pytest.mark.parametrize(
    ("bad", "unsure", "value"),
    [(0, 0, Value.TRUSTED), (1, 0, Value.TRUSTED), (2, 0, Value.UNTRUSTED),
     (1, 1, Value.UNDETERMINED), (0, 2, Value.UNDETERMINED)],
)  # fmt: skip
def test_a_bounded_share_of_parts_may_be_bad(shop, world, bad, unsure, value):
    names = "bcde"
    world.claim(ACME, thing("a"))
    world.links(
        ACME, thing("a"),
        *(shop.Link(relation=Relation.PART_OF, subject=thing(p), category="minor") for p in names),
    )  # fmt: skip
    for name in names[: 4 - unsure]:
        build(world, name)
    for name in names[:bad]:
        world.notice(CSIRT, thing(name))
    follow = shop.Follow(
        relation=Relation.PART_OF, category="minor", counts=shop.Counting.SHARE, share=7_500
    )
    verdict = ask(shop, world, follow=(follow,))
    assert verdict.value is value
    if value is not Value.TRUSTED:
        worst = min(f.code.value_given for f in verdict.findings if f.counts)
        assert worst is value, "what counts gives the value"


def test_one_thing_under_two_names_has_the_papers_of_both(shop, world):
    lei, product = "urn:gtin:0950", thing("a")
    world.member("did:example:registry", "registry", kinds=[Kind.LINK], claims=["same-as"])
    world.claim(ACME, product)
    verdict = ask(shop, world, follow=())
    world.notice(CSIRT, lei)
    assert ask(shop, world, follow=()).value is verdict.value is Value.TRUSTED
    world.links("did:example:registry", lei, shop.Link(relation=Relation.SAME_AS, object=product))
    verdict = ask(shop, world, follow=())
    assert codes(verdict) == {(Code.NOTICE_ADVERSE, product)}
    other = judge(world.statements, lei, shop.profile(follow=()), world.anchors(), at=world.now + 1)
    assert (other.value, other.subject) == (Value.UNTRUSTED, lei)
    asked = judgement(world.statements, shop.profile(follow=()), world.anchors(), at=world.now)
    assert explain(asked, product)["names"] == [product, lei]


def test_whose_turn_it_is_is_said_by_the_name_that_was_asked_about(shop, world):
    """Else whoever is to act would be called by an identifier that happens to sort later."""
    world.member("did:example:registry", "registry", kinds=[Kind.LINK], claims=["same-as"])
    product, other = thing("a"), "urn:gtin:0950"
    world.links("did:example:registry", other, shop.Link(relation=Relation.SAME_AS, object=product))
    for name in (product, other):
        verdict = judge(
            world.statements, name, shop.profile(follow=()), world.anchors(), at=world.now + 1
        )
        assert {(f.subject, f.turn) for f in verdict.findings} == {(name, name)}


def test_two_owners_may_agree_that_their_names_are_one(shop, world):
    world.member(BOLT, scope=["pkg:generic/bolt"])
    same = "pkg:generic/bolt/a@1"
    world.claim(ACME, thing("a"))
    world.links(ACME, thing("a"), shop.Link(relation=Relation.SAME_AS, object=same))
    world.notice(CSIRT, same)
    assert ask(shop, world, follow=()).value is Value.TRUSTED
    world.links(BOLT, same, shop.Link(relation=Relation.SAME_AS, object=thing("a")))
    assert ask(shop, world, follow=()).value is Value.UNTRUSTED


def test_a_bill_is_renewed_whole(shop, world):
    build(world, "a", "b")
    assert codes(ask(shop, world)) == {(Code.PARTY_SILENT, thing("b"))}
    build(world, "c")
    world.parts(ACME, thing("a"), thing("c"))
    verdict = ask(shop, world)
    assert (verdict.value, verdict.coverage.subjects) == (Value.TRUSTED, 2)
    world.parts(ACME, thing("a"), thing("d"), part="options")
    assert ask(shop, world).coverage.subjects == 3, "another part of the bill stands beside it"


def test_a_renewal_that_begins_later_takes_the_place_when_it_begins(shop, world):
    world.claim(ACME, thing("a"), ends=world.now + 1_000)
    world.claim(ACME, thing("a"), since=world.now + 900)
    begin = world.now + 840
    early = ask(shop, world, follow=(), at=begin - 10)
    assert early.value is Value.TRUSTED
    for at in (begin - 10, begin, begin + 1_000):
        assert ask(shop, world, follow=(), at=at).value is Value.TRUSTED


def test_a_sloppy_bill_of_one_product_spoils_no_other(shop, world):
    world.member(VERIFIER, "self")
    rule = shop.requirement(claim=("description",), services=("self",), present=("version",))
    part = "pkg:npm/lodash@4"
    for name, version in (("a", "4"), ("b", None)):
        world.claim(ACME, thing(name))
        world.links(
            VERIFIER, thing(name), shop.Link(relation=Relation.PART_OF, subject=part),
            described=[
                shop.Described(version="1"),
                shop.Described(subject=part, name="lodash", version=version),
            ],
        )  # fmt: skip
    good, sloppy = (ask(shop, world, n, requirements=[rule]) for n in "ab")
    assert good.value is Value.TRUSTED
    assert (Code.CLAIM_MISSING, part) in codes(sloppy)


# --- time -----------------------------------------------------------------------------------


def test_expiry_staleness_and_beginning_change_at_their_very_second(shop, world):
    begin, end = world.now + 500, world.now + 1_000
    world.claim(ACME, thing("a"), since=begin, ends=end)
    seen = {at: ask(shop, world, follow=(), at=at) for at in (begin - 1, begin, end - 1, end)}
    assert [{f.code for f in v.findings} for v in seen.values()] == [
        {Code.CLAIM_NOT_YET_VALID}, set(), set(), {Code.CLAIM_EXPIRED},
    ]  # fmt: skip
    assert [v.next_change for v in seen.values()] == [begin, end, end, None]
    assert seen[end].outcome is Outcome.STALE
    rule = shop.requirement(claim=("fresh",), max_age=100)
    world.claim(ACME, thing("b"), "fresh")
    registered = world.now
    fresh = ask(shop, world, "b", requirements=[rule], at=registered + 100)
    assert (fresh.value, fresh.next_change) == (Value.TRUSTED, registered + 101)
    stale = ask(shop, world, "b", requirements=[rule], at=registered + 101)
    assert {f.code for f in stale.findings} == {Code.CLAIM_STALE}


def test_where_a_boundary_falls_inside_a_registration_interval_it_cannot_be_told(shop, world):
    rule = shop.requirement(claim=("fresh",), max_age=100)
    start = world.now + 60
    world.claim(ACME, thing("a"), "fresh", at=start, until=start + 50)
    for at, found in (
        (start + 100, set()), (start + 101, {Code.CLAIM_TIME_UNCERTAIN}),
        (start + 150, {Code.CLAIM_TIME_UNCERTAIN}), (start + 151, {Code.CLAIM_STALE}),
    ):  # fmt: skip
        verdict = ask(shop, world, requirements=[rule], at=at)
        assert {f.code for f in verdict.findings} == found


def test_authority_across_logs_counts_only_when_it_was_surely_there_before(shop, world):
    world.member(BOLT, scope=["pkg:generic/bolt"], at=world.now, until=world.now + 100)
    base, name = world.now, "pkg:generic/bolt/x@1"
    for at, value, code in (
        (base - 500, Value.UNDETERMINED, Code.PARTY_SILENT),
        (base - 20, Value.UNDETERMINED, Code.CLAIM_TIME_UNCERTAIN),
        (base + 500, Value.TRUSTED, None),
    ):
        one = shop.World()
        one.statements, one.sizes = list(world.statements), dict(world.sizes)
        one._count = len(one.statements)
        one.claim(BOLT, name, origin="other.example", at=at, until=at + 10)
        verdict = judge(
            one.statements, name, shop.profile(follow=()), one.anchors(), at=base + 10_000
        )
        assert verdict.value is value
        assert {f.code for f in verdict.findings} == ({code} if code else set())


def test_both_times_can_be_asked_for_and_the_answer_stays(shop, world):
    build(world, "a")
    size, then = len(world.statements), world.now + 1
    known = (Known(origin=world.ORIGIN, size=size, root="00"),)
    before = ask(shop, world, at=then)
    assert before.value is Value.TRUSTED
    world.notice(CSIRT, thing("a"), since=then - 10_000)
    assert ask(shop, world, at=then).value is Value.UNTRUSTED, "known now, true then"
    again = ask(shop, world, at=then, known=known)
    assert (again.value, again.findings, again.known) == (Value.TRUSTED, (), known)
    with pytest.raises(Absent, match="no accepted log"):
        ask(shop, world, known=(Known(origin="nowhere", size=1, root=""),))


def test_a_membership_that_ends_takes_nothing_back(shop, world):
    build(world, "a")
    world.member(ACME, state=Standing.WITHDRAWN)
    assert ask(shop, world).value is Value.TRUSTED
    world.claim(ACME, thing("b"))
    assert ask(shop, world, "b").value is Value.UNDETERMINED


# --- what is missing ------------------------------------------------------------------------


def test_erased_and_restricted_evidence_leaves_the_answer_open_with_a_finding_each(shop, world):
    world.say(ACME, Kind.CERTIFICATE, thing("a"), None, erased=True)
    world.say(ACME, Kind.CERTIFICATE, thing("b"), None, audience=("did:example:x",))
    world.say("did:example:nobody", Kind.CERTIFICATE, thing("b"), None, erased=True)
    assert codes(ask(shop, world, "a")) == {(Code.CLAIM_ERASED, thing("a"))}
    assert codes(ask(shop, world, "b")) == {(Code.CLAIM_RESTRICTED, thing("b"))}
    world.say(ACME, Kind.LINK, thing("c"), None, erased=True)
    world.claim(ACME, thing("c"))
    assert codes(ask(shop, world, "c")) == {(Code.CLAIM_ERASED, thing("c"))}
    assert ask(shop, world, "c").value is Value.UNDETERMINED


def test_two_issuers_who_contradict_each_other_leave_the_answer_open(shop, world):
    rule = shop.requirement(claim=("test",), services=("certifier",), condition="claim.score > 50")
    world.member("did:example:cert2", "certifier")
    world.claim(CERT, thing("a"), "test", fields={"score": 90})
    assert ask(shop, world, requirements=[rule]).value is Value.TRUSTED
    world.claim("did:example:cert2", thing("a"), "test", fields={"score": 10})
    verdict = ask(shop, world, requirements=[rule])
    assert codes(verdict) == {(Code.CLAIM_CONTRADICTED, thing("a"))}
    assert verdict.value is Value.UNDETERMINED


def test_a_condition_that_cannot_be_answered_condemns_nobody(shop, world):
    rule = shop.requirement(claim=("test",), services=("certifier",), condition="claim.score > 50")
    world.claim(CERT, thing("a"), "test", fields={"other": 90})
    verdict = ask(shop, world, requirements=[rule])
    assert codes(verdict) == {(Code.CONDITION_UNDECIDED, thing("a"))}
    (finding,) = verdict.findings
    assert dict(finding.about)["expression"] == "claim.score > 50"


def test_completeness_and_missing_suppliers_are_findings_of_their_own(shop, world):
    follow = (
        shop.Follow(relation=Relation.PART_OF, complete=True, elements=(Element.COMPONENT,)),
        shop.Follow(relation=Relation.MADE_BY, required=True, elements=(Element.COMPONENT,)),
    )
    build(world, "a")
    verdict = ask(shop, world, follow=follow)
    assert codes(verdict) == {
        (Code.COMPLETENESS_UNPROVEN, thing("a")), (Code.LINK_MISSING, thing("a")),
    }  # fmt: skip
    assert verdict.outcome is Outcome.CHAIN_INCOMPLETE
    world.parts(ACME, thing("a"), complete=[Relation.PART_OF])
    world.made_by(ACME, thing("a"), ACME)
    assert ask(shop, world, follow=follow).value is Value.TRUSTED


@pytest.mark.parametrize(
    ("silence", "value"),
    [("undetermined", Value.UNDETERMINED), ("refused", Value.UNTRUSTED),
     ("ignored", Value.TRUSTED)],
)  # fmt: skip
def test_what_silence_means_is_said_by_the_profile(shop, world, silence, value):
    build(world, "a", "b")
    silent = shop.Silent(default=shop.Silence(silence))
    verdict = ask(shop, world, silent=silent)
    assert verdict.value is value
    assert verdict.coverage.silent == 1
    assert len(verdict.findings) == (silence != "ignored"), "one finding, not a dozen"


def test_a_level_counts_only_as_high_as_its_issuer_may_go(shop, world):
    rule = shop.requirement(services=("certifier",), level=Level.THIRD)
    world.member("did:example:lab", "certifier", level=Level.SECOND)
    world.claim("did:example:lab", thing("a"), level=Level.THIRD)
    assert codes(ask(shop, world, requirements=[rule])) == {(Code.LEVEL_TOO_LOW, thing("a"))}
    world.claim(CERT, thing("a"), level=Level.THIRD)
    assert ask(shop, world, requirements=[rule]).value is Value.TRUSTED


def test_witnesses_and_freshness_of_a_remote_record_are_asked_for(shop, world):
    build(world, "a")
    chosen = shop.profile(follow=(), max_store_age=1_000)
    anchors = world.anchors(quorum=2)
    evidence = MemoryEvidence(world.statements, quorum=1, as_of=world.now)
    verdict = judge(evidence, thing("a"), chosen, anchors, at=world.now + 1_000)
    assert {f.code for f in verdict.findings} == {Code.QUORUM_MISSING}
    assert (verdict.quorum, verdict.next_change) == (1, world.now + 1_001)
    evidence.quorum = 2
    verdict = judge(evidence, thing("a"), chosen, anchors, at=world.now + 1_001)
    assert {f.code for f in verdict.findings} == {Code.STORE_STALE}


def test_only_lists_that_the_verifier_accepted_can_be_named(shop, world):
    build(world, "a")
    verdict = judge(
        world.statements, thing("a"), shop.profile(), world.anchors(), at=world.now, lists=["main"]
    )
    assert verdict.lists == (world.LIST,)
    with pytest.raises(Malformed, match="no accepted trust list"):
        judge(world.statements, thing("a"), shop.profile(), world.anchors(), at=0, lists=["x"])


# --- why, and what depends on it ----------------------------------------------------------------


def test_the_tree_of_reasons_opens_each_thing_once_and_the_worst_first(shop, world):
    build(world, "a", "b", "c")
    build(world, "b", "d")
    build(world, "c", "d")
    build(world, "d")
    world.notice(CSIRT, thing("d"))
    asked = judgement(
        world.statements, shop.profile(follow=(shop.Follow(relation=Relation.PART_OF),)),
        world.anchors(), at=world.now + 1,
    )  # fmt: skip
    tree = explain(asked, thing("a"))
    assert (tree["value"], tree["own"]) == (Value.UNTRUSTED, Value.TRUSTED)
    first, second = tree["children"]
    assert [first["relation"], first["children"][0]["subject"]] == ["part-of", thing("d")]
    assert [f.code for f in first["children"][0]["findings"]] == [Code.NOTICE_ADVERSE]
    assert second["children"][0]["repeated"]
    small = explain(asked, thing("a"), depth=1, width=1)
    assert (len(small["children"]), small["left_out"]) == (1, 1)
    assert small["children"][0]["left_out"] == 1


def test_impact_says_who_depends_on_a_thing_and_who_would_lose(shop, world):
    build(world, "a", "b")
    build(world, "x", "b")
    build(world, "b", "c")
    build(world, "c")
    chosen = shop.profile(follow=(shop.Follow(relation=Relation.PART_OF),))
    asked = judgement(world.statements, chosen, world.anchors(), at=world.now + 1)
    found = impact(asked, thing("c"))
    assert [(i["subject"], i["distance"], i["loses"]) for i in found] == [
        (thing("b"), 1, True), (thing("a"), 2, True), (thing("x"), 2, True),
    ]  # fmt: skip
    assert (found[1]["through"], found[1]["relation"]) == (thing("b"), "part-of")
    assert asked.verdict(thing("a")).value is Value.TRUSTED, "nothing was changed by asking"
    only_named = judgement(world.statements, chosen, world.anchors(), at=world.now + 1)
    assert [i["subject"] for i in impact(only_named, thing("c"), losses=False)] == [
        i["subject"] for i in found
    ]
    with pytest.raises(Absent):
        impact(asked, "urn:none:1")


@pytest.mark.parametrize("which", ["claim", "membership", "link"])
def test_impact_of_a_statement_is_what_falls_without_it(shop, world, which):
    build(world, "a", "b")
    claim = world.claim(ACME, thing("b"))
    link = world.statements[-2]
    digest = {"claim": claim, "membership": world.statements[0], "link": link}[which]
    chosen = shop.profile(follow=(shop.Follow(relation=Relation.PART_OF),))
    asked = judgement(world.statements, chosen, world.anchors(), at=world.now + 1)
    before = asked.verdict(thing("a")).canonical_bytes()
    losing = {i["subject"] for i in impact(asked, digest.statement.digest.hex()) if i["loses"]}
    expected = {"claim": {thing("a"), thing("b")}, "membership": {thing("a"), thing("b")},
                "link": set()}[which]  # fmt: skip
    assert expected <= losing
    assert asked.verdict(thing("a")).canonical_bytes() == before
    with pytest.raises(Absent):
        impact(asked, "0" * 64)


def test_watches_are_renewed_by_statements_and_by_time(shop, world):
    build(world, "a", "b")
    build(world, "b")
    build(world, "c")
    end = world.now + 5_000
    world.claim(ACME, thing("c"), ends=end)
    graph = Graph.of(world.statements)
    chosen = shop.profile(follow=(shop.Follow(relation=Relation.PART_OF),))
    watches = Watches(judgement(graph, chosen, world.anchors(), at=world.now))
    assert {watches.add(thing(n)) for n in "abc"} == {Value.TRUSTED}
    assert watches.next_change == end
    world.notice(CSIRT, thing("b"), since=world.now)
    graph.add(world.statements[-1:])
    renewed = {r.subject: (r.before, r.after) for r in watches.update()}
    assert renewed == {
        thing("a"): (Value.TRUSTED, Value.UNTRUSTED), thing("b"): (Value.TRUSTED, Value.UNTRUSTED),
    }  # fmt: skip
    assert [(r.subject, r.after) for r in watches.advance(end) if r.changed] == [
        (thing("c"), Value.UNDETERMINED)
    ]
    assert watches.values[thing("c")] is watches.verdict(thing("c")).value
    watches.remove(thing("c"))
    assert len(watches) == 2
