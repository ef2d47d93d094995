# SPDX-License-Identifier: Apache-2.0
"""Simulated supply chains: reproducible, varied, in order, and true to what they say."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from kizuna.criteria.profiles import read_profile
from kizuna.model.errors import Malformed
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Links, Membership, Notice, Status
from kizuna.model.relation import Relation
from kizuna.roots.cose import parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.statement import checked
from kizuna.worlds.supply import RATE, Fault, Scale, Supply, growth, supply_profile
from kizuna.worlds.supply.faults import Faults, Where, draw_faults
from kizuna.worlds.supply.shape import TIERS, Category, shape_of
from kizuna.worlds.supply.truth import values_of

AT = 1_800_000_000
DAY = 86_400


@pytest.fixture(scope="module")
def world():
    return Supply.generate(Scale.of(3_000), seed=3, at=AT)


@pytest.fixture(scope="module")
def said(world):
    """(registration time, checked statement) of everything, in order."""
    made = []
    for batch in world.batches(size=300):
        for raw in batch.statements:
            envelope = parse_sign1(raw)
            (key,) = genesis_keys(envelope.issuer)
            made.append((batch.now, checked(envelope, key)))
    return made


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    def all_of(seed, **how):
        world = Supply.generate(Scale.of(1_000), seed=seed, at=AT)
        return [s for batch in world.batches(**how) for s in batch.statements]

    first = all_of(1)
    assert first == all_of(1, size=97, threads=1)
    assert first != all_of(2)


def test_every_statement_is_signed_by_its_issuer_and_said_before_it_is_registered(said):
    assert len(said) > 900
    for now, statement in said:
        assert statement.issued_at <= now < AT


def test_batches_come_in_order_of_time(world):
    times = [batch.now for batch in world.batches(size=100)]
    assert times == sorted(times)
    assert len(times) > 10


def test_all_kinds_that_the_story_needs_are_said(said):
    kinds = Counter(statement.kind for _, statement in said)
    assert set(kinds) == {
        Kind.MEMBERSHIP,
        Kind.CERTIFICATE,
        Kind.CAPABILITY,
        Kind.EVIDENCE,
        Kind.LINK,
        Kind.NOTICE,
        Kind.STATUS,
        Kind.WAIVER,
    }


def test_every_component_is_described_once_and_tied_to_a_maker_unless_that_is_its_fault(
    world, said
):
    described = Counter()
    made_by = Counter()
    for _, statement in said:
        if isinstance(statement.payload, Links):
            for entry in statement.payload.described:
                described[entry.subject or statement.subject] += 1
            for link in statement.payload.links:
                if link.relation is Relation.MADE_BY:
                    made_by[link.subject or statement.subject] += 1
    components = set(world.components)
    assert {c for c in components if described[c] != 1} == set()
    unmade = {s for s, code in world.truth.defects if code is Code.LINK_MISSING}
    assert {c for c in components if not made_by[c]} == unmade
    assert unmade


def test_identifiers_are_in_their_one_spelling(world):
    for identifier in list(world.components)[:500]:
        assert canonical(identifier) == identifier


def test_some_things_have_two_identifiers_and_both_are_in_their_makers_scope(said):
    scopes = {
        s.subject: s.payload.services[0].scope for _, s in said if isinstance(s.payload, Membership)
    }
    aliases = [
        (s.issuer, link)
        for _, s in said
        if isinstance(s.payload, Links)
        for link in s.payload.links
        if link.relation is Relation.SAME_AS
    ]
    assert aliases
    for issuer, link in aliases:
        site, space = scopes[issuer]
        assert link.subject.startswith(f"{site}/01/")
        assert link.object.startswith(f"{space}/")
        digits = [int(d) for d in link.subject.rsplit("/", 1)[1]]
        assert len(digits) == 14
        assert sum(d * (3, 1)[i % 2] for i, d in enumerate(digits)) % 10 == 0


def test_old_declarations_are_registered_when_they_were_said(said):
    ages = [
        (AT - now) // DAY
        for now, s in said
        if s.kind is Kind.CAPABILITY and s.payload.type == "supply-chain-management"
    ]
    assert any(age > 400 for age in ages)
    assert all(age > 405 or age < 395 for age in ages), "too close to the limit to be told apart"


def test_notices_that_are_taken_back_name_a_registered_notice(said):
    notices = {s.digest.hex() for _, s in said if isinstance(s.payload, Notice)}
    taken_back = [
        s for _, s in said if isinstance(s.payload, Status) and s.payload.action == "withdraw"
    ]
    assert taken_back
    assert all(s.payload.target.statement in notices for s in taken_back)


def test_the_profile_has_a_dozen_requirements_and_at_most_two_conditions():
    profile = supply_profile()
    assert len(profile.requirements) == 12
    assert sum(r.condition is not None for r in profile.requirements) == 2
    assert read_profile(profile.canonical_bytes()) == profile


def test_products_come_out_in_all_three_ways(world):
    assert set(world.truth.products.values()) == set(Value)
    assert list(world.truth.products) == world.products


def test_a_world_without_faults_is_trusted_throughout():
    world = Supply.generate(Scale.of(2_000), seed=5, at=AT, rate=0)
    assert set(world.truth.products.values()) == {Value.TRUSTED}
    assert not world.truth.defects
    assert not world.truth.shown


def test_comparison_names_what_was_missed_and_what_is_false(world):
    truth = world.truth
    everything = truth.defects | truth.shown
    perfect = truth.compare(everything)
    assert (perfect.found, perfect.missed, perfect.false) == (len(truth.defects), set(), set())
    (left_out, *_), invented = sorted(truth.defects), ("pkg:generic/x", Code.CLAIM_EXPIRED)
    flawed = truth.compare({*everything, invented} - {left_out})
    assert flawed.missed == {left_out}
    assert flawed.false == {invented}


@pytest.mark.parametrize("components", [1_000, 10_000, 100_000])
def test_shapes_have_six_tiers_and_everything_is_part_of_a_product(components):
    shape = shape_of(Scale.of(components), 1)
    assert set(shape.tier.tolist()) == set(range(TIERS))
    assert len(shape.tier) == components
    reached = np.zeros(components, bool)
    reached[: shape.products] = True
    before = -1
    while reached.sum() != before:
        before = reached.sum()
        reached[shape.part[reached[shape.whole]]] = True
    assert reached.all()
    assert len(np.unique(shape.maker)) == shape.scale.organisations
    pairs = shape.whole * components + shape.part
    assert len(np.unique(pairs)) == len(pairs)
    downwards = shape.tier[shape.part] - shape.tier[shape.whole]
    assert set(downwards.tolist()) == {1, -2}, "parts lie one tier below, but for the cycles"


def test_fan_out_and_use_are_skewed():
    shape = shape_of(Scale.of(100_000), 1)
    fan_out = np.bincount(shape.whole)
    uses = np.bincount(shape.part)
    assert fan_out.max() > 10 * np.median(fan_out[fan_out > 0])
    assert uses.max() > 20 * np.median(uses[uses > 0])


def test_each_kind_of_fault_occurs_at_its_rate():
    shape = shape_of(Scale.of(100_000), 1)
    faults = draw_faults(shape, 1, RATE)
    population = {
        Where.ORGANISATION: shape.scale.organisations,
        Where.ASSEMBLY: int(shape.has_parts.sum()) - shape.products,
        Where.LEAF: int((~shape.has_parts).sum()),
        Where.PRODUCT: shape.products,
    }
    for fault in Fault:
        count = len(faults.components_with(fault)) + len(faults.organisations_with(fault))
        expected = RATE * population[fault.where]
        assert 0.9 * expected <= count <= 1.1 * expected + 1, fault


def test_truth_agrees_with_a_plain_search_from_every_product():
    """The slow and obvious way, one product at a time, over shape and faults."""
    for seed in range(6):
        shape = shape_of(Scale.of(1_500), seed)
        faults = draw_faults(shape, seed, 0.02)
        fast = values_of(shape, faults, 9_000)
        parts = {}
        ties = zip(shape.whole.tolist(), shape.part.tolist(), shape.category, strict=True)
        for whole, part, category in ties:
            parts.setdefault(whole, []).append((part, Category(int(category))))
        for product in range(shape.products):
            assert fast[product] == slow_value(shape, faults, parts, product)


def slow_value(shape, faults: Faults, parts, product):
    def own(node):
        fault = faults.of_component(node)
        values = [Value.TRUSTED if fault is None or fault.code is None else fault.code.value_given]
        if fault is not Fault.UNMADE:
            maker = faults.of_organisation(int(shape.maker[node]))
            if maker is not None:
                values.append(maker.code.value_given)
        return min(values)

    seen = {product}
    frontier = [product]
    worst = Value.TRUSTED
    while frontier:
        node = frontier.pop()
        worst = min(worst, own(node))
        mine = parts.get(node, [])
        some = [own(p) for p, c in mine if c is Category.CONSUMABLE]
        if some and 10 * sum(v is Value.TRUSTED for v in some) < 9 * len(some):
            possible = sum(v is not Value.UNTRUSTED for v in some)
            hopeless = 10 * possible < 9 * len(some)
            worst = min(worst, Value.UNTRUSTED if hopeless else Value.UNDETERMINED)
        either = [own(p) for p, c in mine if c is Category.ALTERNATIVE]
        if either:
            worst = min(worst, max(either))
        fresh = {p for p, c in mine if c is Category.PLAIN} - seen
        seen |= fresh
        frontier += fresh
    return worst


def test_helpers_name_nodes_of_the_world(world):
    components = set(world.components)
    assert world.most_used() in components
    assert world.sound_component(3) in components
    assert (world.sound_component(3), Code.CLAIM_MISSING) not in world.truth.defects
    raw = world.notice(world.sound_component(), AT)
    assert parse_sign1(raw).subject == world.sound_component()
    assert world.title_of(0)["ja"]
    assert len(world.organisations) == world.scale.organisations
    digest = parse_sign1(raw).digest.hex()
    assert parse_sign1(world.withdrawal(world.sound_component(), digest, AT)).issued_at == AT


def test_a_single_product_may_have_all_components():
    world = Supply.generate(Scale.single(1_000), seed=1, at=AT)
    assert list(world.truth.products.values()) == [Value.TRUSTED]


@pytest.mark.parametrize(
    "scale",
    [
        lambda: Scale.of(10),
        lambda: shape_of(Scale(components=100, organisations=1, products=1, families=2), 1),
        lambda: shape_of(Scale(components=10, organisations=9, products=9, families=9), 1),
    ],
)
def test_impossible_scales_are_refused(scale):
    with pytest.raises(Malformed) as fault:
        scale()
    assert fault.value.code == "world.scale"


def test_makers_draw_dates_and_levels_one_by_one(said):
    certificates = [
        s.payload for _, s in said if s.kind is Kind.CERTIFICATE and s.payload.type == "iso-27001"
    ]
    ends = {c.valid_until for c in certificates}
    assert len(ends) > len(certificates) // 2
    assert len({c.level for c in certificates}) == 3
    assert all(a is not None for a, _ in pairwise(sorted(ends)))


def test_growth_gives_the_sizes_at_which_figures_are_taken():
    sizes = [world.scale.components for world in growth(seed=1, at=AT, most=100_000)]
    assert sizes == [10_000, 100_000]
