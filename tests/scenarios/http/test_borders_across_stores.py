# SPDX-License-Identifier: Apache-2.0
"""What a giver shows at a border stands in a store of its own: the taker's store asks there."""

from contextlib import ExitStack

import pytest
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import PUMP, Operators

from kizuna.app.wiring.vcp.ground import ground_of
from kizuna.app.wiring.vcp.kept import Kept
from kizuna.app.wiring.vcp.standing import shown_of
from kizuna.chain.process import State
from kizuna.criteria.process import read_process


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ExitStack() as stack:
        yield Operators(tmp_path_factory.mktemp("borders"), Hand(NOW), running, stack)


@pytest.fixture(scope="module")
def kept(world):
    process = read_process(
        f"""
process: delivery
version: "1"
title: {{en: Delivery}}
organizations:
  - {{id: kyoto, title: {{en: Kyoto}}, identifier: "{world.maker.identity}"}}
  - {{id: buyer, title: {{en: Buyer}}, identifier: "{world.buyer.identity}"}}
elements:
  - {{id: pump, element: component, title: {{en: Pump}}, identifier: "pkg:generic/kyoto/pump@4.2"}}
activities:
  - {{id: build, title: {{en: Build}}, organization: kyoto, layer: 2, produces: pump}}
  - {{id: accept, title: {{en: Accept}}, organization: buyer, layer: 1, consumes: pump}}
""".encode()
    )
    return Kept(process, "", "")


def shown(world, kept, *, across, offline=False, **asked):
    world.anew()
    return of_the_pump(world, kept, ground_of(world.buyer, across=across, offline=offline), **asked)


def of_the_pump(world, kept, ground, **asked):
    found = shown_of(world.buyer, kept, world.profile(), ground=ground, **asked)
    return [s for s in found if s.expectation.subject == PUMP]


def test_what_a_giver_shows_in_its_own_store_is_found_from_the_takers(world, kept):
    assert {s.state for s in shown(world, kept, across=True)} == {State.SHOWN}


def test_who_asks_nobody_elsewhere_finds_it_missing(world, kept):
    for more in ({"across": False}, {"across": True, "offline": True}):
        assert {s.state for s in shown(world, kept, **more)} == {State.NOT_SHOWN}


def test_what_is_there_is_judged_by_the_lists_that_were_asked_for(world, kept):
    world.buyer.lists.create("others")
    found = shown(world, kept, across=True, lists=["others"])
    assert {s.state for s in found} == {State.NOT_SHOWN}


def test_an_unreachable_store_is_named_in_the_gap(world, kept):
    world.anew()
    world.believe("lab", "http://127.0.0.1:9")
    ground = ground_of(world.buyer, across=True)
    found = of_the_pump(world, kept, ground)
    world.believe("lab", world.urls["lab"])
    (gap,) = found
    assert gap.state is State.NOT_SHOWN
    assert "lab.example/log" in {dict(f.about).get("what") for f in gap.findings}
