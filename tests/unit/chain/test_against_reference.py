# SPDX-License-Identifier: Apache-2.0
import importlib.util
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.chain.graph import Graph, MemoryEvidence
from kizuna.chain.verify import Judgement, judge, judgement
from kizuna.chain.verify.authority import Authority
from kizuna.criteria.profiles import Place
from kizuna.model.finding import Code
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Described, Level, Link, Severity, Standing
from kizuna.model.relation import Relation
from kizuna.model.verdict import Known

_spec = importlib.util.spec_from_file_location(
    "chain_reference", Path(__file__).parent / "reference.py"
)
reference = importlib.util.module_from_spec(_spec)
sys.modules["chain_reference"] = reference
_spec.loader.exec_module(reference)

MAKERS = ["did:example:acme", "did:example:bolt", "did:example:chip"]
OTHERS = ["did:example:cert", "did:example:csirt", "did:example:verifier", "did:example:stranger",
          "did:example:operator", "did:example:deputy"]  # fmt: skip
THINGS = [f"pkg:generic/{m}/{n}@1" for m in ("acme", "bolt", "chip") for n in ("a", "b")]
THINGS += ["urn:gtin:1", "https://shop.example/item/1"]
SUBJECTS = THINGS + MAKERS
SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def populate(world, draw, count):
    """Say random things; every choice is drawn, so failures shrink."""
    issuer = st.sampled_from(MAKERS + OTHERS)
    thing = st.sampled_from(THINGS)
    subject = st.sampled_from(SUBJECTS)
    instant = st.sampled_from([None, None, None, -5000, -100, 0, 60, 200, 100_000])
    for _ in range(count):
        say(world, draw, issuer, thing, subject, instant)


def say(world, draw, issuer, thing, subject, instant):
    def moment():
        chosen = draw(instant)
        return None if chosen is None else world.now + chosen

    more = {}
    if draw(st.integers(0, 9)) == 0:
        more["origin"] = "other.example"
    if draw(st.integers(0, 5)) == 0:
        more["until"] = world.now + 60 + draw(st.sampled_from([30, 100, 5000]))
    if draw(st.integers(0, 12)) == 0:
        more["key"] = "stolen"
    who = draw(issuer)
    what = draw(st.integers(0, 13))
    if what <= 1:
        world.member(
            draw(issuer), draw(st.sampled_from(["maker", "certifier", "csirt", "deputy"])),
            kinds=draw(st.sampled_from([list(Kind), [Kind.LINK, Kind.CAPABILITY], [Kind.MEMBERSHIP],
                                        [Kind.STATUS, Kind.CERTIFICATE]])),
            claims=draw(st.sampled_from([["*"], ["*"], ["good"], ["part-of", "same-as"]])),
            scope=draw(
                st.sampled_from([["*"], ["pkg:generic/acme"], ["did:", "pkg:generic/bolt"]])
            ),
            level=draw(st.sampled_from(list(Level))),
            state=draw(st.sampled_from([Standing.GRANTED] * 4 + list(Standing))),
            by=draw(st.sampled_from([world.OPERATOR, world.OPERATOR, who])),
            since=moment(), ends=moment(), **more,
        )  # fmt: skip
    elif what <= 4:
        world.claim(
            who, draw(subject), draw(st.sampled_from(["good", "good", "fresh", "described"])),
            kind=draw(st.sampled_from([Kind.CERTIFICATE, Kind.CAPABILITY, Kind.EVIDENCE])),
            level=draw(st.sampled_from(list(Level))), since=moment(), ends=moment(),
            imported=draw(st.booleans()), fields=draw(st.sampled_from([{}, {"n": 0}, {"n": 2}])),
            **more,
        )  # fmt: skip
    elif what <= 8:
        links = [
            Link(
                relation=draw(st.sampled_from(
                    [Relation.PART_OF] * 4 + [Relation.MADE_BY] * 2
                    + [Relation.SUPPLIED_BY, Relation.SAME_AS, Relation.RUNS_ON]
                )),
                subject=draw(st.sampled_from([None, *SUBJECTS])),
                object=draw(st.sampled_from([None, *SUBJECTS])),
                category=draw(st.sampled_from([None, None, "minor", "loose"])),
                alternative=draw(st.sampled_from([None, None, None, "x"])),
                valid_from=None,
            )
            for _ in range(draw(st.integers(0, 4)))
        ]  # fmt: skip
        bill = draw(st.sampled_from([None, None, None, *THINGS[:3]]))
        if bill is not None and draw(st.integers(0, 9)):  # speaking of its own subject alone
            links = [
                msgspec.structs.replace(
                    link, **{"object" if link.relation.object_depends else "subject": None}
                )
                for link in links
            ]
        described = [
            Described(
                subject=draw(st.sampled_from([None, *SUBJECTS])),
                element=draw(st.sampled_from([None, *Element])),
                name=draw(st.sampled_from([None, "n"])),
            )
            for _ in range(draw(st.integers(0, 2)))
        ]
        world.links(
            who, draw(subject), *links, described=described,
            complete=draw(st.sampled_from([(), (Relation.PART_OF,)])),
            part=draw(st.sampled_from([None, "p"])), since=moment(), ends=moment(), bill=bill,
            imported=draw(st.booleans()), **more,
        )  # fmt: skip
    elif what == 9:
        world.notice(
            who, draw(subject), draw(st.sampled_from(["vulnerability", "tampering"])),
            draw(st.sampled_from([Severity.LOW, Severity.HIGH])), since=moment(), ends=moment(),
            imported=draw(st.booleans()), **more,
        )  # fmt: skip
    elif what == 10:
        world.waive(
            who, draw(subject),
            draw(st.sampled_from(["good", "follow:part-of", "silent", "notice:tampering", "bad"])),
            ends=moment() or world.now + 100_000, **more,
        )  # fmt: skip
    elif what == 11 and draw(st.booleans()):
        world.compromise(
            who, draw(st.sampled_from([who, *MAKERS])), draw(st.sampled_from(["stolen", who])),
            moment(), **more,
        )  # fmt: skip
    elif what == 11:
        owner = draw(st.sampled_from([who, *MAKERS]))
        world.on_key(
            draw(st.sampled_from([owner, world.OPERATOR])), owner,
            draw(st.sampled_from(["stolen", owner])),
            draw(st.sampled_from([Action.REVOKE, Action.SUSPEND, Action.REINSTATE])), **more,
        )  # fmt: skip
    elif what == 12 and draw(st.booleans()):
        kind = draw(st.sampled_from([Kind.CERTIFICATE, Kind.LINK, Kind.NOTICE, Kind.EVIDENCE]))
        world.say(
            who, kind, draw(subject), None, erased=draw(st.booleans()),
            media_type=draw(st.sampled_from([None, "application/pdf"]))
            if kind is Kind.EVIDENCE else None, **more,
        )  # fmt: skip
    elif world.statements:
        target = draw(st.sampled_from(world.statements[-12:]))
        world.status(
            draw(st.sampled_from([target.statement.issuer, who])),
            draw(st.sampled_from(
                [Action.REVOKE, Action.SUSPEND, Action.REINSTATE, Action.WITHDRAW, Action.REPLACE]
            )),
            target, since=moment(), **more,
        )  # fmt: skip


def measure(shop, draw):
    """A random profile."""
    requirement, follow = shop.requirement, shop.Follow
    rules = [
        requirement(
            services=draw(st.sampled_from([("maker", "supplier"), ("certifier",), ("self",)])),
            level=draw(st.sampled_from([Level.SELF, Level.SELF, Level.THIRD])),
            place=draw(st.sampled_from([Place.ANY, Place.ROOT, Place.PARTS])),
        ),
        requirement(
            "fresh", claim=("fresh",), services=("maker", "certifier", "supplier"), elements=(),
            max_age=draw(st.sampled_from([None, 300])),
            condition=draw(st.sampled_from([None, "claim.n == 0"])),
            missing=draw(st.sampled_from([shop.Value.UNDETERMINED, shop.Value.TRUSTED])),
        ),
        requirement(
            "described", claim=("description",), services=("maker", "supplier", "self"),
            present=("name",),
        ),
    ]  # fmt: skip
    ties = [
        follow(
            relation=Relation.PART_OF, complete=draw(st.booleans()),
            elements=draw(st.sampled_from([(), (Element.COMPONENT,)])),
        ),
        follow(relation=Relation.PART_OF, category="minor", counts=shop.Counting.SHARE, share=5000),
        follow(relation=Relation.PART_OF, category="loose", counts=shop.Counting.INFORMATIVE),
        follow(
            relation=Relation.MADE_BY, required=draw(st.booleans()),
            elements=draw(st.sampled_from([(), (Element.COMPONENT,)])),
            place=draw(st.sampled_from([Place.ANY, Place.ROOT])),
        ),
    ]  # fmt: skip
    return shop.profile(
        requirements=rules[: draw(st.integers(1, 3))],
        follow=ties,
        notices=(
            shop.NoticeRule(types=("tampering",), services=("csirt", "self")),
            shop.NoticeRule(types=("*",), services=("csirt", "maker", "supplier"),
                            severity=Severity.MEDIUM),
        ),
        silent=shop.Silent(default=draw(st.sampled_from(list(shop.Silence)))),
        waivers_from=draw(st.sampled_from([(), ("certifier",), (OTHERS[0],)])),
    )  # fmt: skip


def begin(shop):
    world = shop.World()
    world.member(MAKERS[0], scope=["pkg:generic/acme", "urn:"])
    world.member(MAKERS[1], scope=["pkg:generic/bolt", "https://shop.example/"])
    world.member("did:example:cert", "certifier")
    world.member("did:example:csirt", "csirt")
    return world


def compare(said, verdict):
    assert verdict.value is said["value"]
    found = {}  # of a thing that several bills describe one may decide where another does not
    for f in verdict.findings:
        named = (f.code, f.subject, f.requirement)
        found[named] = found.get(named, False) or f.counts
    assert {(*named, counts) for named, counts in found.items()} == said["findings"]
    coverage = verdict.coverage
    assert (coverage.subjects, coverage.known, coverage.proven, coverage.silent) == said["coverage"]
    assert verdict.next_change == said["next"]


@SETTINGS
@given(data=st.data())
def test_the_engine_says_what_the_plain_reading_of_the_definitions_says(shop, data):
    world = begin(shop)
    populate(world, data.draw, data.draw(st.integers(1, 25)))
    chosen = measure(shop, data.draw)
    at = world.now + data.draw(st.sampled_from([0, 60, 250, 4000, -400]))
    anchors = world.anchors()
    known = None
    if data.draw(st.integers(0, 3)) == 0:
        known = tuple(
            Known(origin=o, size=data.draw(st.integers(0, s)), root="")
            for o, s in sorted(world.sizes.items())
        )
    subject = data.draw(st.sampled_from(SUBJECTS))
    verdict = judge(world.statements, subject, chosen, anchors, at=at, known=known)
    plain = reference.Reference(world.statements, chosen, anchors, at, known)
    if {f.code.value for f in verdict.findings} == {"subject.unknown"}:
        return
    compare(plain.judge(subject), verdict)


@settings(parent=SETTINGS, max_examples=80)
@given(data=st.data())
def test_what_stores_could_not_tell_takes_trust_and_nothing_else(shop, data):
    world = begin(shop)
    populate(world, data.draw, data.draw(st.integers(1, 20)))
    chosen, anchors = measure(shop, data.draw), world.anchors()
    codes = st.sampled_from([Code.STORE_UNREACHABLE, Code.STORE_STALE, Code.LOG_FORKED])
    gaps = data.draw(
        st.dictionaries(
            st.sampled_from(SUBJECTS),
            st.lists(st.tuples(codes, st.just("far.example")), min_size=1, max_size=2, unique=True),
            max_size=3,
        )
    )
    subject = data.draw(st.sampled_from(SUBJECTS))
    without = judge(world.statements, subject, chosen, anchors, at=world.now)
    graph = Graph.of(world.statements)
    graph.gaps = gaps
    verdict = judgement(graph, chosen, anchors, at=world.now).verdict(subject)
    assert verdict.value <= without.value
    if {f.code.value for f in verdict.findings} == {"subject.unknown"}:
        return
    plain = reference.Reference(world.statements, chosen, anchors, world.now, gaps=gaps)
    compare(plain.judge(subject), verdict)


@settings(parent=SETTINGS, max_examples=60)
@given(data=st.data())
def test_one_chain_the_whole_world_and_the_closure_give_the_same_bytes(shop, data):
    world = begin(shop)
    populate(world, data.draw, data.draw(st.integers(1, 25)))
    chosen, anchors = measure(shop, data.draw), world.anchors()
    at = world.now + data.draw(st.sampled_from([0, 250, 4000]))
    whole = judgement(world.statements, chosen, anchors, at=at)
    whole.settle_all()
    backwards = judgement(world.statements[::-1], chosen, anchors, at=at)
    evidence = MemoryEvidence(world.statements)
    for subject in SUBJECTS:
        one = judge(world.statements, subject, chosen, anchors, at=at).canonical_bytes()
        assert whole.verdict(subject).canonical_bytes() == one
        assert backwards.verdict(subject).canonical_bytes() == one
        assert judge(evidence, subject, chosen, anchors, at=at).canonical_bytes() == one


@settings(parent=SETTINGS, max_examples=60)
@given(data=st.data())
def test_what_is_kept_true_equals_what_is_judged_anew(shop, data):
    world = begin(shop)
    populate(world, data.draw, data.draw(st.integers(0, 15)))
    chosen = measure(shop, data.draw)
    anchors = world.anchors(logs=[*world.anchors().logs, shop.log("other.example")])
    graph = Graph.of(world.statements)
    at = world.now
    kept = judgement(graph, chosen, anchors, at=at)
    kept.settle_all()
    verdicts = {s: kept.verdict(s) for s in SUBJECTS}
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            count = len(world.statements)
            populate(world, data.draw, data.draw(st.integers(1, 3)))
            graph.add(world.statements[count:])
            touched = kept.update()
        else:
            at += data.draw(st.sampled_from([1, 59, 60, 300, 5000]))
            touched = kept.advance(at)
        known = set(touched.tolist())
        fresh = judgement(world.statements, chosen, anchors, at=at)
        for subject in SUBJECTS:
            before, verdicts[subject] = verdicts[subject], kept.verdict(subject)
            assert verdicts[subject].canonical_bytes() == fresh.verdict(subject).canonical_bytes()
            if before.value is not verdicts[subject].value and kept.node_of(subject) >= 0:
                # whoever keeps watches looks at the touched nodes and at what stands on them
                roots = np.asarray([kept.node_of(subject)], dtype=np.int64)
                assert kept.stands_on(roots, np.asarray(sorted(known), dtype=np.int64))[0]


@settings(parent=SETTINGS, max_examples=60)
@given(data=st.data())
def test_what_would_be_without_a_statement_equals_a_world_that_never_heard_it(shop, data):
    world = begin(shop)
    populate(world, data.draw, data.draw(st.integers(1, 20)))
    chosen, anchors = measure(shop, data.draw), world.anchors()
    kept = judgement(world.statements, chosen, anchors, at=world.now + 60)
    kept.settle_all()
    rows = list(range(len(kept.graph)))
    for row in data.draw(st.permutations(rows))[:6]:
        before = kept.value.copy()
        value, base = kept.without(row)
        fresh = Judgement(Authority(kept.graph, anchors, without=(row,)), chosen, world.now + 60)
        fresh.settle_all()
        things = fresh.frame.representatives()
        assert (value[things] == fresh.value[things]).all()
        assert (base[things] == fresh.base[things]).all()
        assert (kept.value == before).all()


@pytest.mark.slow
@settings(parent=SETTINGS, max_examples=30)
@given(data=st.data())
def test_larger_worlds_agree_too(shop, data):
    world = begin(shop)
    populate(world, data.draw, 60)
    chosen, anchors = measure(shop, data.draw), world.anchors()
    plain = reference.Reference(world.statements, chosen, anchors, world.now)
    for subject in SUBJECTS:
        verdict = judge(world.statements, subject, chosen, anchors, at=world.now)
        if {f.code.value for f in verdict.findings} != {"subject.unknown"}:
            compare(plain.judge(subject), verdict)
