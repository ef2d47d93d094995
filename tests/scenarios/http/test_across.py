# SPDX-License-Identifier: Apache-2.0
"""A chain crosses stores of several operators: what holds, what is missing, who must act."""

from contextlib import ExitStack

import pytest

from kizuna.model.finding import Code, Value
from kizuna.model.outcome import Outcome
from tests.scenarios.http.conftest import running
from tests.scenarios.http.operators import FAN, PUMP, Operators, codes


@pytest.fixture
def three(tmp_path, clock):
    with ExitStack() as stack:
        yield Operators(tmp_path, clock, running, stack)


def test_a_chain_over_three_operators_is_one_verdict(three):
    verdict = three.judge()
    assert verdict.value is Value.TRUSTED, codes(verdict)
    assert {k.origin for k in verdict.known} == {
        "buyer.example/log",
        "maker.example/log",
        "lab.example/log",
    }
    assert verdict.coverage.subjects == 2


def test_a_revocation_elsewhere_counts_at_the_next_question(three):
    assert three.judge().value is Value.TRUSTED
    three.revoke(FAN)
    verdict = three.judge()
    assert verdict.value is Value.UNTRUSTED
    assert (Code.CLAIM_REVOKED.value, FAN) in codes(verdict)
    assert verdict.outcome is Outcome.NOT_TRUSTED


def test_warm_answers_are_renewed_when_any_store_grew(three):
    first = three.judge(fresh=False)
    assert three.judge(fresh=False) == first
    three.revoke(PUMP)
    assert three.judge(fresh=False).value is Value.UNTRUSTED


def test_judged_alone_or_joined_it_is_the_same(three, tmp_path):
    """What three stores tell together is judged as if one store held it all."""
    alone = three.judge()
    again = three.judge()
    assert alone.canonical_bytes() == again.canonical_bytes()
