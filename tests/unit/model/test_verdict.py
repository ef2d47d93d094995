# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.finding import Code, Finding, Value
from kizuna.model.outcome import PRECEDENCE, Outcome, worst
from kizuna.model.verdict import Coverage, Known, Verdict


def verdict(value, findings=()):
    return Verdict(
        value=value,
        subject="urn:example:product",
        profile="p",
        profile_digest="00" * 32,
        at=1,
        known=(Known(origin="log", size=1, root="00"),),
        lists=(),
        findings=tuple(findings),
        coverage=Coverage(subjects=1, known=1, proven=1, silent=0),
    )


@pytest.mark.parametrize("code", list(Code))
def test_the_value_a_code_gives_agrees_with_its_outcome(code):
    negative = {Outcome.TAMPERED, Outcome.NONCONFORMANT, Outcome.NOT_TRUSTED}
    unknown = {
        Outcome.STALE,
        Outcome.EVIDENCE_MISSING,
        Outcome.CHAIN_INCOMPLETE,
        Outcome.UNREACHABLE,
    }
    expected = {
        Value.UNTRUSTED: negative,
        Value.UNDETERMINED: unknown,
        Value.TRUSTED: {Outcome.HOLDS},
    }
    assert code.outcome in expected[code.value_given]


@given(st.lists(st.sampled_from(list(Code))))
def test_undetermined_never_exits_as_trusted_or_as_untrusted(codes):
    unknown = [c for c in codes if c.value_given is Value.UNDETERMINED]
    found = verdict(Value.UNDETERMINED, [Finding(subject="urn:a:b", code=c) for c in unknown])
    assert found.outcome in {12, 13, 14, 20}


def test_what_does_not_count_does_not_decide_the_outcome():
    shown = Finding(subject="urn:a:b", code=Code.TAMPERED, counts=False)
    deciding = Finding(subject="urn:a:b", code=Code.CLAIM_MISSING)
    assert verdict(Value.UNDETERMINED, [shown, deciding]).outcome is Outcome.EVIDENCE_MISSING


@given(st.lists(st.sampled_from(PRECEDENCE)))
def test_the_first_of_the_order_wins(outcomes):
    expected = min(outcomes, key=PRECEDENCE.index, default=Outcome.HOLDS)
    assert worst(outcomes) is expected


def test_the_same_verdict_has_the_same_bytes():
    assert verdict(Value.TRUSTED).canonical_bytes() == verdict(Value.TRUSTED).canonical_bytes()
    assert verdict(Value.TRUSTED).canonical_bytes() != verdict(Value.UNTRUSTED).canonical_bytes()


def test_the_wire_names_do_not_change():
    assert {o.name: int(o) for o in Outcome} == {
        "HOLDS": 0, "FAULT": 1, "USAGE": 2, "NOT_TRUSTED": 10, "TAMPERED": 11, "STALE": 12,
        "EVIDENCE_MISSING": 13, "CHAIN_INCOMPLETE": 14, "NONCONFORMANT": 15, "UNREACHABLE": 20,
        "MISCONFIGURED": 21, "INTERRUPTED": 130,
    }  # fmt: skip
