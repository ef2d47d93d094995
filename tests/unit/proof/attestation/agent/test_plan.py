# SPDX-License-Identifier: Apache-2.0
"""The measuring plan: deadlines by risk, within the budget; what it promises is what happens."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.agent import Region, make_plan
from kizuna.proof.attestation.agent.kizuna_agent import CHUNK, Agent

regions = st.lists(
    st.builds(
        Region,
        name=st.uuids().map(str),
        size=st.integers(1, 200_000),
        threat=st.integers(1, 10),
        exposure=st.integers(1, 10),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda r: r.name,
)


@given(regions, st.integers(10_000, 10_000_000), st.sampled_from([0.001, 0.01, 0.05, 0.5]))
@settings(deadline=None, max_examples=60)
def test_a_plan_stays_within_its_budget_and_its_deadlines_follow_the_risk(found, rate, budget):
    plan = make_plan(found, rate=rate, budget=budget, shortest=0.1)
    assert plan.load <= plan.budget
    free = [e for e in plan.entries if e.period_ms > 100]
    for a in free:
        for b in free:
            if a.region.risk > b.region.risk:
                assert a.period_ms <= b.period_ms


@given(regions, st.integers(10_000, 1_000_000))
@settings(deadline=None, max_examples=30)
def test_the_expected_time_is_never_better_than_the_schedule_nor_beyond_the_worst(found, rate):
    plan = make_plan(found, rate=rate, budget=0.1)
    for entry in plan.entries:
        seen = plan.detection()[entry.region.name]
        assert entry.cost_ms / 1000 <= seen.expected <= seen.worst


def _follow(plan, *, strike_ms, victim, offset):
    """Run the agent itself in virtual time; milliseconds from the change to the digest showing."""
    state = {"now": 0.0, "clock": 0.0, "changed": False}
    rate = plan.rate

    def reader(name):
        def read(at, length):
            state["clock"] += length * 1e6 / rate
            hit = state["changed"] and name == victim and at <= offset < at + length
            return (b"\1" if hit else b"\0") * length

        return read

    agent = Agent(b"\1" + bytes(16), 1, secret=bytes(32), budget=round(plan.budget * 10_000))
    for name, size, period in json.loads(plan.for_device())["regions"]:
        agent.add(name, size, period, reader(name))
    while not agent.news:
        if not state["changed"] and state["now"] >= strike_ms:
            state["changed"] = True
        before = state["clock"]
        rest = agent.step(int(state["now"]), lambda: int(state["clock"]))
        ran = (state["clock"] - before) / 1000
        state["now"] += max(ran + rest, 0.5)
        assert state["now"] < strike_ms + 10 * max(e.period_ms for e in plan.entries)
    return state["now"] - strike_ms


def test_the_agent_detects_as_soon_as_the_plan_says():
    plan = make_plan(
        [
            Region("boot", 8 * CHUNK, threat=5, exposure=2),
            Region("application", 64 * CHUNK, threat=2, exposure=2),
            Region("settings", 2 * CHUNK, threat=3, exposure=3),
        ],
        rate=400_000,
        budget=0.05,
    )
    promised = plan.detection()
    chance = random.Random(7)  # noqa: S311 - a seeded simulation
    for entry in plan.entries:
        size, period = entry.region.size, entry.period_ms
        delays = [
            _follow(
                plan,
                strike_ms=2 * max(e.period_ms for e in plan.entries) + chance.random() * 4 * period,
                victim=entry.region.name,
                offset=chance.randrange(size),
            )
            / 1000
            for _ in range(60)
        ]
        said = promised[entry.region.name]
        assert max(delays) <= said.worst
        assert sum(delays) / len(delays) == pytest.approx(said.expected, rel=0.25)


def test_twice_the_risk_means_half_the_deadline():
    plan = make_plan(
        [Region("a", 50_000, threat=1), Region("b", 50_000, threat=2)], rate=100_000, budget=0.01
    )
    a, b = plan.entries
    assert a.period_ms == pytest.approx(2 * b.period_ms, abs=2)


@pytest.mark.parametrize(
    ("code", "given_"),
    [
        ("plan.empty", {"regions": []}),
        ("plan.budget", {"budget": 0}),
        ("plan.budget", {"budget": 0.9}),
        ("plan.budget", {"rate": 0}),
        ("plan.region", {"regions": [Region("a", 0)]}),
        ("plan.region", {"regions": [Region("a", 1), Region("a", 1)]}),
        ("plan.region", {"regions": [Region("a", 1, threat=11)]}),
        ("plan.too-slow", {"regions": [Region("a", 1 << 40)], "rate": 10}),
    ],
)
def test_what_cannot_be_planned_is_refused_by_name(code, given_):
    wanted = {"regions": [Region("a", 1000)], "rate": 1000, "budget": 0.01} | given_
    with pytest.raises(Malformed) as found:
        make_plan(**wanted)
    assert found.value.code == code


def test_the_device_reads_whole_numbers_only():
    plan = make_plan([Region("a", 1000)], rate=1000, budget=0.01)
    read = json.loads(plan.for_device())
    assert read == {"budget": 100, "regions": [["a", 1000, 100_000]]}
