# SPDX-License-Identifier: Apache-2.0
"""Several questionnaires as one: what is alike is asked once; every answer finds its way back."""

from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.identifier import SubjectId
from kizuna.proof.assurance import (
    Answer,
    Answers,
    Question,
    Questionnaire,
    State,
    apart,
    back_together,
    together,
)

NAMES = st.sampled_from(["a", "b", "c"])
QUESTIONS = st.dictionaries(NAMES, st.sampled_from(["x", "y"]), max_size=3)


def asked(profile, questions):
    return Questionnaire(
        profile=profile,
        version="1",
        digest=profile * 8,
        subject=SubjectId("pkg:generic/fuji/pump@4.2"),
        questions=tuple(Question(id=n, title={}, claims=(c,)) for n, c in questions.items()),
    )


def said(questionnaire):
    return Answers(
        answers=tuple(
            Answer(requirement=q.id, state=State.IMPLEMENTED, note=q.id)
            for q in questionnaire.questions
        )
    )


def test_what_is_alike_is_asked_once_and_what_is_not_keeps_its_profile():
    one = together([asked("p", {"a": "x", "b": "x"}), asked("q", {"a": "x", "b": "y"})])
    assert [q.id for q in one.questions] == ["a", "b", "q/b"]
    assert one.profile == "p + q"


def test_one_alone_stays_what_it_is():
    alone = asked("p", {"a": "x"})
    assert together([alone]) is alone
    assert apart(alone, said(alone)) == [(alone, said(alone))]


@given(st.lists(QUESTIONS, min_size=1, max_size=4))
def test_every_answer_finds_its_way_to_every_profile_and_back(questions):
    parts = [asked(f"p{n}", one) for n, one in enumerate(questions)]
    one = together(parts)
    given_ = said(one)
    split = apart(one, given_)
    assert [part for part, _ in split] == parts
    for part, answers in split:
        assert [a.requirement for a in answers.answers] == [q.id for q in part.questions]
    again = back_together(one, [answers for _, answers in split])
    assert {a.requirement: a for a in again.answers} == {a.requirement: a for a in given_.answers}
