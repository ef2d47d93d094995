# SPDX-License-Identifier: Apache-2.0
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.chain.graph import Graph, MemoryEvidence
from kizuna.chain.verify import (
    Judgement,
    explain,
    how_requirements_stand,
    impact,
    judge,
    judgement,
)
from kizuna.chain.verify.authority import Authority
from kizuna.model.errors import Malformed
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.payload import (
    Action,
    Described,
    Level,
    Link,
    Links,
    decode_payload,
    encode_payload,
)
from kizuna.model.relation import Relation
from kizuna.model.verdict import Known


def _module(name, file):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


reference = _module("chain_reference", "reference.py")
worlds = _module("chain_random_worlds", "test_against_reference.py")

A, B, X, Y, GOOD, BAD = (
    f"pkg:generic/{name}@1" for name in ("product-a", "product-b", "lib-x", "lib-y", "good", "bad")
)
OTHER = "pkg:generic/other-x@1"
THINGS = [A, B, X, Y, GOOD, BAD, OTHER]
IMPORTER = "did:example:importer"
MAKER = "did:example:maker"
IMPORTERS = [IMPORTER, "did:example:second", MAKER]
SETTINGS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def begin(shop, *, started=False):
    """Who may say what; and two products of one library, of which something bad is known."""
    world = shop.World()
    for importer in IMPORTERS[:2]:
        world.member(importer, "importer")
    world.member(MAKER, "maker")
    if started:
        world.notice(MAKER, BAD)
        world.links(IMPORTER, A, *part(X), part="p")
        world.links(IMPORTER, B, *part(X, Y), part="p")
        world.links(MAKER, X, *part(Y), part="p")
    return world


def part(*names, **more):
    return [Link(relation=Relation.PART_OF, subject=name, **more) for name in names]


def populate(world, draw, count):
    """Bills of few things by few importers, what befalls them, and who may still say so."""
    thing = st.sampled_from(THINGS)
    issuer = st.sampled_from([IMPORTER, IMPORTER, IMPORTER, *IMPORTERS])
    often_none = [None] * 7
    for _ in range(count):
        more = {}
        if draw(st.integers(0, 12)) == 0:
            more["origin"] = "other.example"
        if draw(st.integers(0, 12)) == 0:
            more["until"] = world.now + 60 + draw(st.sampled_from([30, 100, 5000]))
        if draw(st.integers(0, 15)) == 0:
            more["key"] = "stolen"
        what = draw(st.integers(0, 24))
        who = draw(issuer)
        if what < 17:
            moment = draw(st.sampled_from([*often_none, -100, 200]))
            ends = draw(st.sampled_from([*often_none, 150, 100_000]))
            links = part(
                *draw(st.lists(st.sampled_from([X, Y, Y, GOOD, BAD, OTHER]), max_size=2)),
                alternative=draw(st.sampled_from([*often_none, "x"])),
                category=draw(st.sampled_from([*often_none, "minor", "loose"])),
            )
            if draw(st.integers(0, 6)) == 0:
                links.append(Link(relation=Relation.MADE_BY, object=draw(issuer)))
            described = []
            if draw(st.integers(0, 4)) == 0:
                described.append(
                    Described(
                        subject=draw(st.sampled_from([None, None, X])),
                        element=draw(st.sampled_from([None, Element.DATA, Element.ORGANIZATION])),
                        name="n",
                    )
                )
            world.links(
                who, draw(st.sampled_from([A, X, X, Y, Y, B, OTHER])), *links,
                described=described,
                since=None if moment is None else world.now + moment,
                ends=None if ends is None else world.now + ends,
                bill=draw(st.sampled_from([None, None, A, A, B])),
                ext=draw(st.sampled_from([{}, {"bill": A}])),
                part=draw(st.sampled_from(["p", "p", "p", "q"])),
                complete=draw(st.sampled_from([(), (), (Relation.PART_OF,)])), **more,
            )  # fmt: skip
        elif what == 17:
            world.claim(MAKER, draw(thing), fields={"n": draw(st.integers(0, 1))}, **more)
        elif what == 18:
            world.notice(MAKER, draw(thing), **more)
        elif what == 19:
            pair = Link(relation=Relation.SAME_AS, subject=X, object=OTHER)
            world.links(who, X, pair, part="same", **more)
        elif what == 20:
            world.compromise(who, who, draw(st.sampled_from(["stolen", who])), world.now, **more)
        elif what == 21:
            world.member(
                who, "importer", state=draw(st.sampled_from(worlds.Standing)),
                kinds=draw(st.sampled_from([list(Kind), [Kind.CAPABILITY]])), **more,
            )  # fmt: skip
        elif what == 22:
            world.waive(world.VERIFIER, draw(thing), "good", **more)
        elif world.statements:
            target = draw(st.sampled_from(world.statements[-12:]))
            world.status(
                target.statement.issuer,
                draw(st.sampled_from([Action.REVOKE, Action.SUSPEND, Action.REINSTATE])),
                target, **more,
            )  # fmt: skip


def asked(shop, draw):
    claim = draw(st.sampled_from(["good", "description"]))
    return shop.profile(
        requirements=(
            shop.requirement(
                claim=(claim,), services=("maker", "importer", "supplier"), level=Level.SELF,
                kinds=tuple(Kind),
                missing=draw(st.sampled_from([Value.UNDETERMINED, *[Value.TRUSTED] * 3])),
            ),
        ),
        follow=(
            shop.Follow(relation=Relation.PART_OF, complete=draw(st.booleans()),
                        elements=draw(st.sampled_from([(), (Element.COMPONENT,)]))),
            shop.Follow(relation=Relation.PART_OF, category="minor",
                        counts=shop.Counting.SHARE, share=5000),
            shop.Follow(relation=Relation.PART_OF, category="loose",
                        counts=shop.Counting.INFORMATIVE),
            shop.Follow(relation=Relation.MADE_BY),
        ),
        silent=shop.Silent(
            default=draw(st.sampled_from([*[shop.Silence.IGNORED] * 3, *shop.Silence]))
        ),
    )  # fmt: skip


def unknown(verdict):
    return {f.code for f in verdict.findings} == {Code.SUBJECT_UNKNOWN}


@SETTINGS
@given(data=st.data())
def test_bills_are_read_as_the_definitions_say(shop, data):
    world = begin(shop, started=True)
    populate(world, data.draw, data.draw(st.integers(2, 16)))
    chosen, anchors = asked(shop, data.draw), world.anchors()
    at = world.now + data.draw(st.sampled_from([0, 60, 250, -400]))
    known = None
    if data.draw(st.integers(0, 3)) == 0:
        known = tuple(
            Known(origin=o, size=data.draw(st.integers(0, s)), root="")
            for o, s in sorted(world.sizes.items())
        )
    plain = reference.Reference(world.statements, chosen, anchors, at, known)
    for subject in (A, B, X):
        verdict = judge(world.statements, subject, chosen, anchors, at=at, known=known)
        if not unknown(verdict):
            worlds.compare(plain.judge(subject), verdict)


@SETTINGS
@given(data=st.data())
def test_bills_one_chain_the_whole_world_and_the_closure_give_the_same_bytes(shop, data):
    world = begin(shop, started=True)
    populate(world, data.draw, data.draw(st.integers(2, 20)))
    chosen, anchors = asked(shop, data.draw), world.anchors()
    at = world.now + data.draw(st.sampled_from([0, 250]))
    whole = judgement(world.statements, chosen, anchors, at=at)
    whole.settle_all()
    backwards = judgement(world.statements[::-1], chosen, anchors, at=at)
    several = judgement(world.statements, chosen, anchors, at=at)
    evidence = MemoryEvidence(world.statements)
    for subject in THINGS:
        one = judge(world.statements, subject, chosen, anchors, at=at).canonical_bytes()
        assert whole.verdict(subject).canonical_bytes() == one
        assert several.verdict(subject).canonical_bytes() == one
        assert backwards.verdict(subject).canonical_bytes() == one
        assert judge(evidence, subject, chosen, anchors, at=at).canonical_bytes() == one
        if whole.node_of(subject) >= 0:
            tree = explain(whole, subject)
            assert tree["value"] is whole.verdict(subject).value
            impact(whole, subject)


@SETTINGS
@given(data=st.data())
def test_bills_what_is_kept_true_equals_what_is_judged_anew(shop, data):
    world = begin(shop, started=True)
    populate(world, data.draw, data.draw(st.integers(0, 12)))
    chosen = asked(shop, data.draw)
    anchors = world.anchors(logs=[*world.anchors().logs, shop.log("other.example")])
    graph = Graph.of(world.statements)
    at = world.now
    kept = judgement(graph, chosen, anchors, at=at)
    kept.settle_all()
    values = {s: kept.verdict(s).value for s in THINGS}
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.integers(0, 3)):
            count = len(world.statements)
            populate(world, data.draw, data.draw(st.integers(1, 3)))
            graph.add(world.statements[count:])
            touched = kept.update()
        else:
            at += data.draw(st.sampled_from([1, 59, 60, 300, 5000]))
            touched = kept.advance(at)
        fresh = judgement(world.statements, chosen, anchors, at=at)
        fresh.settle_all()
        assert kept.next_change == fresh.next_change or kept.next_change > at
        for subject in THINGS:
            before, verdict = values[subject], kept.verdict(subject)
            values[subject] = verdict.value
            assert verdict.canonical_bytes() == fresh.verdict(subject).canonical_bytes()
            if before is not verdict.value and kept.node_of(subject) >= 0:
                roots = np.asarray([kept.node_of(subject)], dtype=np.int64)
                assert kept.stands_on(roots, touched)[0]


@SETTINGS
@given(data=st.data())
def test_bills_what_would_be_without_a_statement_equals_a_world_that_never_heard_it(shop, data):
    world = begin(shop, started=True)
    populate(world, data.draw, data.draw(st.integers(2, 16)))
    chosen, anchors = asked(shop, data.draw), world.anchors()
    kept = judgement(world.statements, chosen, anchors, at=world.now + 60)
    kept.settle_all()
    for row in data.draw(st.permutations(list(range(len(kept.graph)))))[:6]:
        before = {s: kept.verdict(s).canonical_bytes() for s in THINGS}
        value, _ = kept.without(row)
        fresh = Judgement(Authority(kept.graph, anchors, without=(row,)), chosen, world.now + 60)
        fresh.settle_all()
        things = fresh.frame.representatives()
        things = things[~fresh.frame.bills.within(things)]
        assert (value[things] == fresh.value[things]).all()
        assert {s: kept.verdict(s).canonical_bytes() for s in THINGS} == before


# --- in words -------------------------------------------------------------------------------


def shelf(shop, *, first=BAD, second=GOOD):
    """Two products whose bills, by one importer, differ about the library both contain."""
    world = begin(shop)
    for thing in (A, B, X, Y, GOOD):
        world.claim(MAKER, thing)
    world.links(IMPORTER, A, *part(X), *part(first, transitive=True), part="bom")
    world.links(IMPORTER, X, *part(first), part="bom:as-part", imported=True, ext={"bill": A})
    world.links(IMPORTER, B, *part(X), *part(second, transitive=True), part="bom")
    world.links(IMPORTER, X, *part(second), part="bom:as-part", imported=True, bill=B)
    return world


def measure(shop):
    return shop.profile(
        requirements=(shop.requirement(level=Level.SELF, services=("maker",)),),
        silent=shop.Silent(default=shop.Silence.IGNORED),
        follow=(shop.Follow(relation=Relation.PART_OF),),
    )


def test_each_product_is_judged_by_its_own_bill(shop):
    for first, second in ((GOOD, BAD), (BAD, GOOD)):
        world = shelf(shop, first=first, second=second)
        world.notice(MAKER, BAD)
        chosen, anchors = measure(shop), world.anchors()
        found = {s: judge(world.statements, s, chosen, anchors, at=world.now) for s in (A, B)}
        assert found[A if first == GOOD else B].value is Value.TRUSTED
        assert found[B if first == GOOD else A].value is Value.UNTRUSTED


def test_both_products_are_told_that_the_bills_differ(shop):
    world = shelf(shop)
    for subject, others in ((A, B), (B, A)):
        verdict = judge(world.statements, subject, measure(shop), world.anchors(), at=world.now)
        told = [f for f in verdict.findings if f.code is Code.BILLS_DIFFER]
        assert [f.subject for f in told] == [X]
        about = dict(told[0].about)
        assert (about["bill"], about["others"], about["issuer"]) == (subject, others, IMPORTER)
        assert told[0].turn == IMPORTER
        tree = explain(
            judgement(world.statements, measure(shop), world.anchors(), at=world.now), subject
        )
        (below,) = [c for c in tree["children"] if c["subject"] == X]
        assert Code.BILLS_DIFFER in {f.code for f in below["findings"]}
        assert [c["subject"] for c in below["children"]] == [BAD if subject == A else GOOD]


def test_a_part_at_large_and_in_a_bill_is_asked_once(shop):
    world = shelf(shop)
    world.links(MAKER, B, *part(Y), part="own")
    world.links(MAKER, Y, *part(X), part="own")  # and so X as everybody has it, with what is bad
    judged = judgement(world.statements, measure(shop), world.anchors(), at=world.now)
    judged.settle(judged.node_of(B))
    things = judged.frame.things(judged.reach(judged.node_of(B)).nodes).tolist()
    assert len(things) > len(set(things))  # X is there as the bill has it, and at large
    (stands,) = how_requirements_stand(judged, B).values()
    assert (stands.met, stands.asked) == (4, 4)  # B, X, Y, GOOD; BAD publishes nothing at all


def test_bills_that_agree_are_not_told_of(shop):
    world = shelf(shop, first=GOOD, second=GOOD)
    verdict = judge(world.statements, A, measure(shop), world.anchors(), at=world.now)
    assert not verdict.findings


def test_a_stranger_draws_nobody_into_a_bill_of_his_own(shop):
    world = shelf(shop)
    before = [
        judge(world.statements, s, measure(shop), world.anchors(), at=world.now) for s in (A, B, X)
    ]
    for subject in (A, X, Y, GOOD, BAD):
        for bill in (A, B):
            world.links("did:example:stranger", subject, *part(Y), part="bom:as-part", bill=bill)
    after = [
        judge(world.statements, s, measure(shop), world.anchors(), at=world.now) for s in (A, B, X)
    ]
    assert [(v.value, v.findings) for v in before] == [(v.value, v.findings) for v in after]


def test_who_depends_on_a_thing_is_found_through_each_bill_and_named_once(shop):
    world = shelf(shop)
    judged = judgement(world.statements, measure(shop), world.anchors(), at=world.now)
    for thing, above in ((GOOD, {X, B}), (BAD, {X, A}), (X, {A, B})):
        found = [item["subject"] for item in impact(judged, thing)]
        assert len(found) == len(set(found))
        assert set(found) == above


@pytest.mark.parametrize(
    "links",
    [
        Links(bill=A, links=[Link(relation=Relation.PART_OF, subject=Y, object=X)]),
        Links(bill=A, links=[Link(relation=Relation.MADE_BY, subject=Y, object=MAKER)]),
        Links(bill=A, links=[Link(relation=Relation.SAME_AS, object=Y)]),
        Links(bill=A, described=[Described(subject=Y, name="y")]),
    ],
)
def test_what_is_said_in_a_bill_only_speaks_of_its_own_subject(links):
    with pytest.raises(Malformed, match="of the subject itself"):
        decode_payload(Kind.LINK, encode_payload(links))
    fine = Links(bill=A, links=part(Y), described=[Described(name="x")])
    assert decode_payload(Kind.LINK, encode_payload(fine)) == fine
