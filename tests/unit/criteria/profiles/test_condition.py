# SPDX-License-Identifier: Apache-2.0
"""Conditions answer yes, no or undecided, and are bounded on both sides."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.profiles import Condition, Facts, Undecided
from kizuna.model.errors import Malformed


@pytest.mark.parametrize(
    ("text", "claim", "answer"),
    [
        ("claim.n == 0", {"n": 0}, True),
        ("claim.n == 0", {"n": 3}, False),
        ("has(claim.n) && claim.n > 1", {}, False),
        ("'b' in claim.words", {"words": ["a", "b"]}, True),
        ("claim.words.all(w, w != 'bad')", {"words": ["a", "bad"]}, False),
        ("claim['built in'] == true", {"built in": True}, True),
        ("claim.version.matches('^1[.]')", {"version": "1.4"}, True),
        ("issuer.startsWith('did:') && level == 'third-party'", {}, True),
        ("claim.a == 1 || claim.b == 1", {"a": 1}, True),
    ],
)
def test_a_condition_answers_yes_or_no(text, claim, answer):
    condition = Condition.compile(text)
    assert condition.evaluate(claim, issuer="did:web:a", level="third-party") is answer


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("claim.n == 0", {}),
        ("1 / claim.n == 1", {"n": 0}),
        ("claim.n > 1", {"n": "many"}),
        ("claim.n + 9223372036854775807 > 0", {"n": 9}),
        ("claim.words[7] == 'x'", {"words": []}),
        ("claim.n", {"n": 1}),
        ("timestamp(claim.when) < timestamp('2026-01-01T00:00:00Z')", {"when": "never"}),
        ("claim.word.matches('(')", {"word": "x"}),
        ("claim.word.matches(claim.word)", {"word": "("}),
    ],
)
def test_what_cannot_be_answered_is_undecided_never_false(text, claim):
    answer = Condition.compile(text).evaluate(claim)
    assert isinstance(answer, Undecided)
    assert answer.reason


def test_undecided_cannot_be_mistaken_for_an_answer():
    with pytest.raises(TypeError):
        bool(Undecided("no such field"))


def test_one_context_serves_several_conditions():
    facts = Facts({"n": 2}, subject="pkg:generic/a")
    assert Condition.compile("claim.n == 2").evaluate(facts) is True
    assert Condition.compile("subject == 'pkg:generic/b'").evaluate(facts) is False


def test_the_same_text_is_compiled_once():
    assert Condition.compile("claim.x == 1") is Condition.compile("claim.x == 1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("claim.n ==", "Syntax|syntax|mismatched|extraneous|input"),
        ("claim.n == 1 " + "|| claim.n == 1 " * 200, "characters long"),
        ("(" * 40 + "true" + ")" * 40, "nested"),
        ("!" * 400 + "true", "nested"),
        ("claim.a.all(x, claim.a.all(y, x == y))", "loop inside a loop"),
        ("claim.a.exists (x, claim.b.filter(y, true).size() > 0)", "loop inside a loop"),
        ("claim.a.map(x, x + x).size() > 0", "map"),
        ("secret == 'x'", "secret"),
        ("claims.n == 1", "claims"),
        ("nope(claim.n)", "no function nope"),
        ("claim.n.isSorted() || claim.n > 1", "no function isSorted"),
        ("1 + 1", "no yes or no"),
        ("'yes'", "no yes or no"),
        ("1 / 0 == 1", "division"),
    ],
)
def test_unusable_conditions_are_refused_with_a_reason(text, why):
    with pytest.raises(Malformed, match=why) as fault:
        Condition.compile(text)
    assert fault.value.code == "profile.condition"
    assert fault.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "size([1]) == 1 && 'ab'.contains('a') && 'ab'.startsWith('a') && 'ab'.endsWith('b')",
        "'ab'.matches('a.') && type(1) == type(2) && dyn(1) == 1 && string(1) == '1'",
        "int('1') == 1 && uint(1) == 1u && double(1) == 1.0 && bytes('a') == b'a'",
        "duration('3h') > duration('1h')",
        *(
            f"timestamp('2026-01-02T03:04:05Z').get{part}() >= 0"
            for part in (
                "FullYear",
                "Month",
                "Date",
                "DayOfMonth",
                "DayOfWeek",
                "DayOfYear",
                "Hours",
                "Minutes",
                "Seconds",
                "Milliseconds",
            )
        ),
        "true",
    ],
)
def test_every_function_that_is_let_through_is_there(text):
    assert Condition.compile(text).evaluate({}) is True


def test_the_fields_that_a_condition_looks_at_are_told():
    text = "claim.open == 0 && claim['by'] != '' && has(claim.open) && claim.size() > 0"
    assert Condition.compile(text).fields == ("open", "by")
    assert Condition.compile("issuer == 'claim.no' || level == 'x'").fields == ()


def test_loops_after_each_other_and_loop_words_inside_text_are_fine():
    text = "claim.a.all(x, x > 0) && claim.b.exists(y, y == 'all(z') && !claim.a.exists(x, x > 9)"
    assert Condition.compile(text).evaluate({"a": [1], "b": ["all(z"]}) is True


def test_a_claim_too_large_for_conditions_is_undecided():
    condition = Condition.compile("claim.n == 1")
    assert isinstance(condition.evaluate({"n": 1, "text": "x" * 20_000}), Undecided)
    assert isinstance(condition.evaluate({"n": 1, "list": [1] * 1_000}), Undecided)


_SCALARS = st.one_of(
    st.text(max_size=8), st.integers(-(2**53), 2**53), st.booleans(), st.lists(st.integers())
)


@given(
    st.sampled_from(["claim.a == 1", "claim.a / claim.b > 2", "claim.a in claim.b", "claim.a"]),
    st.dictionaries(st.sampled_from(["a", "b"]), _SCALARS),
)
def test_any_claim_gives_one_of_the_three_answers(text, claim):
    answer = Condition.compile(text).evaluate(claim)
    assert answer is True or answer is False or isinstance(answer, Undecided)


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused(text):
    try:
        Condition.compile(text)
    except Malformed as fault:
        assert fault.code == "profile.condition"


def test_the_engine_comes_without_the_command_line_around_it():
    program = (
        "import sys\n"
        "from kizuna.criteria.profiles import Condition\n"
        "assert 'cel.cel' not in sys.modules\n"
        "Condition.compile('claim.n == 1')\n"
        "assert not [m for m in sys.modules if m.startswith(('prompt_toolkit', 'rich'))]\n"
        "import cel\n"
        "assert cel.evaluate('1 + 1') == 2\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
