# SPDX-License-Identifier: Apache-2.0
"""Questionnaires, answers and their forms: what goes out comes back, and planned is not done."""

import io
import json
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level, decode_payload, encode_payload
from kizuna.proof.assurance import (
    Answer,
    Answers,
    File,
    Question,
    Questionnaire,
    State,
    answers_from_oscal,
    claims_of,
    read_sheet,
    summary_of,
    to_csv,
    to_cyclonedx,
    to_poam,
    to_results,
    to_xlsx,
)
from kizuna.proof.assurance.answers import read_summary, renewed
from kizuna.proof.assurance.rows import fields_of
from kizuna.proof.documents import read

AT = 1_795_305_600
ASKED = Questionnaire(
    profile="small",
    version="1",
    digest="a" * 64,
    subject=SubjectId("pkg:generic/fuji/pump@4.2"),
    questions=(
        Question(
            id="contact",
            title={"en": "Somebody takes reports", "ja": "報告窓口がある"},
            claims=("vulnerability-contact",),
            kinds=(Kind.CAPABILITY,),
            fields=("contact",),
            control="CRA-I-II-5",
        ),
        Question(
            id="update",
            title={"en": "=Updates", "ja": "更新"},
            claims=("secure-update",),
            kinds=(Kind.CAPABILITY, Kind.CERTIFICATE),
        ),
        Question(
            id="label",
            title={"en": "A label"},
            claims=("jc-star",),
            kinds=(Kind.CERTIFICATE,),
        ),
        Question(id="4:odd/id", title={"en": "Odd"}, claims=("odd",), kinds=(Kind.EVIDENCE,)),
    ),
)
GIVEN = Answers(
    answers=(
        Answer(
            requirement="contact",
            state=State.IMPLEMENTED,
            fields={"contact": "psirt@bar.example", "open": 0, "good": True},
            files=(File(name="ev.txt", sha256="b" * 64),),
            note="see the page",
        ),
        Answer(requirement="update", state=State.PLANNED, due="2027-03-31", owner="佐藤"),
        Answer(requirement="label", state=State.IMPLEMENTED),
        Answer(requirement="4:odd/id", state=State.NOT_APPLICABLE, reason="no such thing"),
    )
)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_table_that_goes_out_comes_back(encoding, lang):
    back = read_sheet(to_csv(ASKED, lang, GIVEN, encoding=encoding)).check(ASKED)
    assert [(a.requirement, a.state, a.due, a.owner, a.reason) for a in back.answers] == [
        (a.requirement, a.state, a.due, a.owner, a.reason) for a in GIVEN.answers
    ]
    assert back.answers[0].fields == GIVEN.answers[0].fields
    assert back.answers[0].names == ("ev.txt",)


def test_a_workbook_that_goes_out_comes_back():
    back = read_sheet(to_xlsx(ASKED, "ja", GIVEN))
    assert [a.state for a in back.answers] == [a.state for a in GIVEN.answers]


def test_no_cell_of_a_questionnaire_is_a_formula():
    assert b",'=Updates," in to_csv(ASKED, "en", encoding="utf-8-sig")


def test_a_cell_that_was_kept_from_being_a_formula_comes_back_as_it_was():
    given = Answers(
        answers=(
            Answer(requirement="update", state=State.PLANNED, due="2027-03-31", owner="\uff1da"),
        )
    )
    data = to_csv(ASKED, "ja", given, encoding="utf-8-sig")
    assert "'\uff1da".encode() in data
    assert read_sheet(data).check(ASKED).answers[0].owner == "\uff1da"


def test_planned_and_not_applicable_become_no_claim():
    made = claims_of(ASKED, GIVEN, level=Level.SELF)
    assert [(kind, claim.type) for kind, claim in made] == [
        (Kind.CAPABILITY, "vulnerability-contact")
    ]
    assert made[0][1].evidence[0].sha256 == "b" * 64


def test_who_is_assessed_certifies_nothing():
    answers = Answers(answers=(Answer(requirement="label", state=State.IMPLEMENTED),))
    assert claims_of(ASKED, answers.check(ASKED), level=Level.THIRD) == ()


def test_a_summary_holds_every_answer_and_reads_back():
    claim = summary_of(ASKED, GIVEN, level=Level.SECOND)
    again = decode_payload(Kind.EVIDENCE, encode_payload(claim))
    assert isinstance(again, Claim)
    assert again.type == "assessment/small"
    assert again.claims["planned"] == ["update"]
    assert again.claims["implemented"] == ["contact", "label"]
    back = {a.requirement: a for a in read_summary(again)}
    assert back["update"].owner == "佐藤"
    assert back["contact"].fields == GIVEN.answers[0].fields
    assert back["contact"].files == GIVEN.answers[0].files


def test_a_later_partial_answer_keeps_the_others_and_their_fields():
    later = Answers(answers=(Answer(requirement="contact", state=State.IMPLEMENTED),))
    both = {a.requirement: a for a in renewed(GIVEN, later).answers}
    assert both["contact"].fields == GIVEN.answers[0].fields
    assert both["update"].state is State.PLANNED


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(requirement="nothing", state=State.IMPLEMENTED), "assess.unknown-requirement"),
        (Answer(requirement="update", state=State.PLANNED, owner="x"), "assess.no-date"),
        (Answer(requirement="update", state=State.PLANNED, due="2027-1-1"), "assess.no-owner"),
        (
            Answer(requirement="update", state=State.PLANNED, due="soon", owner="x"),
            "assess.date",
        ),
        (Answer(requirement="label", state=State.NOT_APPLICABLE), "assess.no-reason"),
        (Answer(requirement="label", state=State.IMPLEMENTED, claim="x"), "assess.claim-unknown"),
    ],
)
def test_half_an_answer_is_refused(answer, code):
    with pytest.raises(Malformed) as caught:
        Answers(answers=(answer,)).check(ASKED)
    assert caught.value.code == code


def test_a_requirement_answered_twice_is_refused():
    one = Answer(requirement="label", state=State.IMPLEMENTED)
    with pytest.raises(Malformed) as caught:
        Answers(answers=(one, one)).check(ASKED)
    assert caught.value.code == "assess.twice"


def test_fields_are_what_they_look_like():
    assert fields_of("a=1; b=true;c=1.0; d=-5; e; =f; g= x = y") == {
        "a": 1,
        "b": True,
        "c": "1.0",
        "d": -5,
        "g": "x = y",
    }


def test_results_say_satisfied_only_of_what_is_implemented_and_come_back():
    made = to_results(ASKED, GIVEN, at=AT)
    assert made == to_results(ASKED, GIVEN, at=AT)
    body = json.loads(made)["assessment-results"]
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", body["uuid"]
    )
    (result,) = body["results"]
    states = {
        next(p["value"] for p in f["props"] if p["name"] == "requirement"): f["target"]["status"][
            "state"
        ]
        for f in result["findings"]
    }
    assert states == {
        "contact": "satisfied",
        "update": "not-satisfied",
        "label": "satisfied",
        "4:odd/id": "not-satisfied",
    }
    for finding in result["findings"]:
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9._-]*", finding["target"]["target-id"])
    back = answers_from_oscal(ASKED, made).check(ASKED)
    assert [(a.requirement, a.state, a.due, a.owner) for a in back.answers] == [
        (a.requirement, a.state, a.due, a.owner) for a in GIVEN.answers
    ]


def test_results_of_another_tool_are_matched_by_control():
    document = {
        "assessment-results": {
            "results": [
                {
                    "findings": [
                        {
                            "target": {
                                "target-id": "CRA-I-II-5",
                                "status": {"state": "satisfied"},
                            }
                        }
                    ]
                }
            ]
        }
    }
    (one,) = answers_from_oscal(ASKED, json.dumps(document).encode()).answers
    assert (one.requirement, one.state) == ("contact", State.IMPLEMENTED)


def test_a_plan_names_owner_and_day_and_comes_back_as_planned():
    made = to_poam(ASKED, GIVEN, at=AT)
    body = json.loads(made)["plan-of-action-and-milestones"]
    assert body["risks"][0]["deadline"] == "2027-03-31T23:59:59Z"
    (one,) = answers_from_oscal(ASKED, made).check(ASKED).answers
    assert (one.requirement, one.state, one.due, one.owner) == (
        "update",
        State.PLANNED,
        "2027-03-31",
        "佐藤",
    )


def test_there_is_no_empty_plan():
    done = Answers(
        answers=tuple(Answer(requirement=q.id, state=State.IMPLEMENTED) for q in ASKED.questions)
    )
    with pytest.raises(Absent) as caught:
        to_poam(ASKED, done, at=AT)
    assert caught.value.code == "assess.no-gaps"


def test_attestations_are_read_by_our_own_importer():
    made = to_cyclonedx(ASKED, GIVEN, assessor="Bar", level=Level.SELF)
    imported = read(made, "attestation.json")
    claims = [
        decode_payload(d.kind, d.payload)
        for d in imported.statements
        if d.kind is Kind.EVIDENCE and d.media_type.endswith("evidence+json")
    ]
    (said,) = [c for c in claims if isinstance(c, Claim) and c.type == "small-1"]
    assert said.claims["requirements"] == ["contact", "label"]
    assert said.imported


def test_a_workbook_with_a_document_type_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>")
    with pytest.raises(Malformed) as caught:
        read_sheet(out.getvalue())
    assert caught.value.code == "assess.sheet"


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@trials(max_examples=200, deadline=None)
def test_any_bytes_are_answers_or_a_problem(data):
    for reader in (read_sheet, lambda d: answers_from_oscal(ASKED, d)):
        try:
            reader(data)
        except Problem as problem:
            assert problem.code


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["results", "findings", "target", "status", "state", "props", "poam-items", "risks"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_JSON, st.sampled_from(["assessment-results", "plan-of-action-and-milestones"]))
@trials(max_examples=200, deadline=None)
def test_any_shape_of_oscal_is_answers_or_a_problem(body, root):
    try:
        answers_from_oscal(ASKED, json.dumps({root: body}).encode())
    except Problem as problem:
        assert problem.code
