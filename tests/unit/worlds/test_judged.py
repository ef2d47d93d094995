# SPDX-License-Identifier: Apache-2.0
"""Worlds before the judge: what they say of themselves is what the engine finds."""

from collections import Counter

import msgspec
import pytest

from kizuna.chain.verify import judge, judgement
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.finding import Code, Value
from kizuna.model.outcome import Outcome
from kizuna.model.statement import Interval, Registered
from kizuna.model.trust import LogAnchor
from kizuna.roots.cose import parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.statement import decoded
from kizuna.worlds.building import building
from kizuna.worlds.supply import Fault, Faults, Scale, Supply
from kizuna.worlds.supply.faults import draw_faults
from kizuna.worlds.supply.shape import shape_of

NOW = 1_800_000_000
LOG = "worlds.example/log"


class Log:
    """Registers statements in memory, in order."""

    def __init__(self) -> None:
        self.entries: list[Registered] = []

    def register(self, statements, now):
        for raw in statements:
            envelope = parse_sign1(raw)
            (key,) = genesis_keys(envelope.issuer)
            self.entries.append(
                Registered(
                    statement=decoded(envelope, key),
                    origin=LOG,
                    index=len(self.entries),
                    registered=Interval(now, now),
                )
            )


def believing(anchors):
    return msgspec.structs.replace(anchors, logs=[LogAnchor(origin=LOG, keys=["key"])])


@pytest.mark.parametrize(
    ("number", "code", "outcome"),
    [(0, Code.CLAIM_REVOKED, Outcome.NOT_TRUSTED), (1, Code.TAMPERED, Outcome.TAMPERED)],
)
def test_the_building_is_trusted_broken_and_mended(number, code, outcome):
    world = building(NOW, seed=b"judged")
    story = world.stories[number]
    profile = shipped_profile(world.profile)
    anchors = believing(world.anchors)
    log = Log()
    log.register([*world.memberships, *world.statements], NOW)
    before = judge(log.entries, world.root, profile, anchors, at=NOW + 1)
    assert (before.value, before.findings) == (Value.TRUSTED, ())
    assert before.coverage.subjects == before.coverage.proven == 25

    log.register(story.break_(NOW + 60), NOW + 60)
    broken = judge(log.entries, world.root, profile, anchors, at=NOW + 61)
    assert (broken.value, broken.outcome) == (Value.UNTRUSTED, outcome)
    assert [(f.code, f.subject, f.turn) for f in broken.findings] == [
        (code, story.subject, story.party)
    ]

    log.register(story.mend(NOW + 120), NOW + 120)
    mended = judge(log.entries, world.root, profile, anchors, at=NOW + 121)
    assert (mended.value, mended.findings) == (Value.TRUSTED, ())
    still_known = judge(log.entries, world.root, profile, anchors, at=NOW + 61)
    assert still_known.at == NOW + 61


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_defect_of_a_supply_chain_is_found_and_nothing_else(seed):
    shape = shape_of(Scale.of(3_000), seed)
    faults = draw_faults(shape, seed, 0.02)
    world = Supply(shape, faults, seed, NOW)
    log = Log()
    for batch in world.batches(threads=1):
        log.register(batch.statements, batch.now)
    asked = judgement(log.entries, world.profile, believing(world.anchors), at=NOW)
    verdicts = {product: asked.verdict(product) for product in world.products}
    assert {product: v.value for product, v in verdicts.items()} == world.truth.products
    reported = {(f.subject, f.code) for v in verdicts.values() for f in v.findings}
    result = world.truth.compare(reported)
    assert Counter(code for _, code in result.missed) == {}
    assert Counter(code for _, code in result.false) == {}
    assert result.found == len(world.truth.defects)


def test_a_world_without_faults_gives_no_findings_at_all():
    world = Supply.generate(Scale.of(2_000), seed=4, at=NOW, rate=0)
    log = Log()
    for batch in world.batches(threads=1):
        log.register(batch.statements, batch.now)
    asked = judgement(log.entries, world.profile, believing(world.anchors), at=NOW)
    for product in world.products:
        verdict = asked.verdict(product)
        assert (verdict.value, verdict.findings) == (Value.TRUSTED, ())


def test_faults_can_be_set_by_hand():
    shape = shape_of(Scale.of(1_000), 1)
    none = draw_faults(shape, 1, 0)
    broken = none.organisation.copy()
    broken[int(shape.maker[0])] = list(Fault).index(Fault.REVOKED)
    world = Supply(shape, Faults(component=none.component, organisation=broken), 1, NOW)
    assert world.truth.products[world.products[0]] is Value.UNTRUSTED
