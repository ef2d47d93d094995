# SPDX-License-Identifier: Apache-2.0
"""What a form sends back becomes answers within bounds, or is refused; nothing else happens."""

from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.console.form import PAGE, Sent, answers_in, pages_of, question_rows
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.proof.assurance import Answer, Question, Questionnaire, State
from kizuna.proof.assurance.answers import FILE

ASKED = Questionnaire(
    profile="p",
    version="1",
    digest="d" * 64,
    subject=SubjectId("pkg:generic/fuji/pump@4.2"),
    questions=tuple(
        Question(
            id=f"r{n}",
            title={"en": f"Question {n}"},
            claims=("first", "second"),
            kinds=(Kind.EVIDENCE,),
            fields=("days",),
        )
        for n in range(PAGE + 5)
    ),
)


def sent(files=None, **texts):
    return Sent({k.replace("_", "-"): [v] for k, v in texts.items()}, files or {})


def test_what_is_on_another_page_stays():
    before = [Answer(requirement=f"r{PAGE}", state=State.PLANNED, owner="Sato")]
    answers, _ = answers_in(sent(q0_state="implemented"), ASKED, before, 1)
    assert {a.requirement: a.state for a in answers} == {
        "r0": State.IMPLEMENTED,
        f"r{PAGE}": State.PLANNED,
    }
    assert pages_of(ASKED) == 2


def test_an_answer_taken_back_is_gone():
    before = [Answer(requirement="r0", state=State.IMPLEMENTED)]
    assert answers_in(sent(q0_state="open"), ASKED, before, 1)[0] == []


def test_fields_are_what_they_are_and_files_go_by_hash():
    form = sent(
        {"q0-file": [("../../etc/passwd", b"x"), ("", b"")]},
        q0_state="implemented",
        q0_f0="30",
        q0_claim="second",
        q0_due="2027/3/31",
        q0_evidence=f"https://a.example/x {'ab' * 32} nowhere",
    )
    ((answer,), evidence) = answers_in(form, ASKED, [], 1)
    assert answer.fields == {"days": 30}
    assert answer.claim == "second"
    assert answer.due == "2027-03-31"
    assert answer.links == ("https://a.example/x", "nowhere")
    file, statement = answer.files
    assert (file.name, file.media_type) == ("passwd", FILE)
    assert statement.sha256 == "ab" * 32
    assert evidence == {file.sha256: b"x"}
    dropped = Sent({"q0-state": ["implemented"], "q0-drop": [file.sha256]})
    ((left,), _) = answers_in(dropped, ASKED, [answer], 1)
    assert not left.files


@given(
    st.dictionaries(
        st.builds(
            "q{}-{}".format,
            st.integers(0, PAGE + 5),
            st.sampled_from(
                ["state", "due", "owner", "reason", "note", "claim", "evidence", "f0", "f1", "drop"]
            ),
        ),
        st.lists(
            st.one_of(
                st.text(max_size=60),
                st.sampled_from([*(s.value for s in State), "2027-03-31", "ab" * 32, "https://x"]),
            ),
            max_size=3,
        ),
        max_size=30,
    ),
    st.dictionaries(
        st.sampled_from(["q0-file", "q1-file"]),
        st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=20)), max_size=12),
    ),
    st.integers(1, 3),
)
def test_any_form_becomes_answers_within_bounds_or_is_refused(texts, files, page):
    try:
        answers, evidence = answers_in(Sent(texts, files), ASKED, [], page)
    except Malformed:
        return
    held = {f.sha256 for a in answers for f in a.files}
    assert set(evidence) <= held
    assert len({a.requirement for a in answers}) == len(answers) <= len(ASKED.questions)
    for answer in answers:
        assert len(answer.note) <= 2_000
        assert answer.claim in ("", "second")
        assert all("/" not in f.name and "\\" not in f.name for f in answer.files)
    # what the page shows of them comes back as the same answers
    if page <= pages_of(ASKED):
        rows = question_rows(ASKED, answers, page, "ja")
        assert {r["id"] for r in rows} >= {
            a.requirement for a in answers if a.requirement in {r["id"] for r in rows}
        }
