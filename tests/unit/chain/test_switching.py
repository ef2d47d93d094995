# SPDX-License-Identifier: Apache-2.0
"""Whose standing changes with another profile, and how requirements stand over a chain."""

from dataclasses import replace

import msgspec
import pytest

from kizuna.chain.graph import Graph
from kizuna.chain.verify import Judgement, how_requirements_stand
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.switching import switch
from kizuna.criteria.profiles import Counting, Silence, Silent
from kizuna.criteria.profiles.comparison import looser
from kizuna.model.finding import Value
from kizuna.model.payload import Level
from kizuna.model.statement import Interval, Registered
from kizuna.model.trust import LogAnchor
from kizuna.roots.cose import parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.statement import decoded
from kizuna.worlds.supply import Scale, Supply

NOW = 1_800_000_000
ORIGIN = "example.test/log"


@pytest.fixture(scope="module")
def world():
    return Supply.generate(Scale.of(1_000), seed=3, at=NOW)


@pytest.fixture(scope="module")
def authority(world):
    graph, made, keys = Graph(), [], {}
    for batch in world.batches():
        for raw in batch.statements:
            envelope = parse_sign1(raw)
            if envelope.issuer not in keys:
                (keys[envelope.issuer],) = genesis_keys(envelope.issuer)
            made.append(
                Registered(
                    statement=decoded(envelope, keys[envelope.issuer]),
                    origin=ORIGIN,
                    index=len(made),
                    registered=Interval(batch.now, batch.now),
                )
            )
    graph.add(made)
    graph.prepare()
    anchors = msgspec.structs.replace(world.anchors, logs=[LogAnchor(origin=ORIGIN, keys=["k"])])
    return Authority(graph, anchors)


def shorter(profile):
    rows = [replace(r, max_age=None if r.max_age is None else 1) for r in profile.requirements]
    return replace(profile, version="2", requirements=tuple(rows))


def higher(profile):
    rows = [replace(r, level=Level.THIRD) for r in profile.requirements]
    return replace(profile, version="2", requirements=tuple(rows))


def wordy(profile):
    return replace(profile, version="2", title={"en": "Other words"})


def stricter_silence(profile):
    return replace(profile, version="2", silent=Silent(default=Silence.REFUSED))


def blocking(profile):
    rules = [replace(f, counts=Counting.BLOCKING, share=10_000) for f in profile.follow]
    return replace(profile, version="2", follow=tuple(rules))


CHANGES = [shorter, higher, wordy, stricter_silence, blocking]


@pytest.mark.parametrize("change", CHANGES)
def test_whole_or_over_some_subjects_the_answer_is_the_same(world, authority, change):
    before, after = world.profile, change(world.profile)
    whole = switch(authority, before, after, at=NOW)
    some = switch(authority, before, after, at=NOW, subjects=world.products)
    moved = {m.subject: m for m in whole.moved}
    products = set(world.products)
    assert {m.subject: m for m in some.moved} == {n: m for n, m in moved.items() if n in products}
    old, new = Judgement(authority, before, NOW), Judgement(authority, after, NOW)
    for one in whole.moved:
        assert old.verdict(one.subject).value is one.before
        assert new.verdict(one.subject).value is one.after


@pytest.mark.parametrize("change", CHANGES)
def test_nobody_rises_under_a_profile_that_asks_no_less(world, authority, change):
    after = change(world.profile)
    assert looser(world.profile, after) == []
    done = switch(authority, world.profile, after, at=NOW)
    assert all(m.after < m.before for m in done.moved)
    back = switch(authority, after, world.profile, at=NOW)
    assert {(m.subject, m.after, m.before) for m in back.moved} == {
        (m.subject, m.before, m.after) for m in done.moved
    }


def test_other_words_move_nobody_and_a_shorter_age_moves_somebody(world, authority):
    assert switch(authority, world.profile, wordy(world.profile), at=NOW).moved == ()
    assert switch(authority, world.profile, shorter(world.profile), at=NOW).moved


def test_requirements_stand_as_the_verdict_says(world, authority):
    judged = Judgement(authority, world.profile, NOW)
    for product in world.products[:40]:
        verdict = judged.verdict(product)
        asked = how_requirements_stand(judged, product)
        assert set(asked) == {r.id for r in world.profile.requirements}
        wrong = {
            f.requirement
            for f in verdict.findings
            if f.counts and f.code.value_given is not Value.TRUSTED and f.requirement in asked
        }
        assert {name for name, a in asked.items() if a.open or a.unmet} >= wrong
        if verdict.value is Value.TRUSTED:
            assert any(a.met for a in asked.values())
            assert not any(a.unmet for a in asked.values())


def test_nothing_is_asked_of_what_nobody_knows(world, authority):
    judged = Judgement(authority, world.profile, NOW)
    asked = how_requirements_stand(judged, "urn:example:nobody")
    assert all(not a.asked for a in asked.values())
