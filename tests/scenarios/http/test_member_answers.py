# SPDX-License-Identifier: Apache-2.0
"""A member who keeps its own key answers a questionnaire: signed here, registered there."""

import json

import pytest
from typer.testing import CliRunner

from kizuna.app.cli import assess as command
from kizuna.app.cli.tree import build
from kizuna.app.wiring.assess.asking import gaps, given_answers, level_of, questionnaire_of
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Unavailable
from kizuna.model.identifier import Digest, Element, SubjectId
from kizuna.model.payload import Level
from kizuna.proof.assurance import Answer, Answers, State
from kizuna.record.lists import Role, service_for
from kizuna.record.store.hosting import Hosting

from .conftest import NOW

PUMP = SubjectId("pkg:generic/sato/pump@1")
PROFILE = shipped_profile("software-product")
TABLE = """requirement,answer,fields,due,owner,reason,evidence
vulnerability-contact,implemented,contact=psirt@sato.example,,,,policy.txt
secure-update,planned,,2027-03-31,Sato,,
"""
WORDS = (PUMP, "-p", "software-product", "--element", "component")


@pytest.fixture
def settings(tmp_path, clock):
    return Settings(store=tmp_path / "member", clock=clock)


@pytest.fixture
def member(served, tmp_path, settings):
    services = [service_for(Role.MAKER, scope=["pkg:generic/sato"])]
    hosting = Hosting(served.workspace.store)
    code = hosting.invite(now=NOW, expires_at=NOW + 3600, services=services)
    return Member.join(tmp_path / "member", served.url, code, "Sato Bearings", settings=settings)


@pytest.fixture
def kizuna(member, settings, monkeypatch, tmp_path):
    """The command in the member's folder; the clock is the test's."""
    monkeypatch.setattr(Settings, "from_environment", lambda **_: settings)
    (tmp_path / "q.csv").write_text(TABLE)
    (tmp_path / "policy.txt").write_text("Reports go to psirt@sato.example")

    def run(*words, code=0):
        done = CliRunner().invoke(build(), [*map(str, words), "--json"])
        assert code is None or done.exit_code == code, done.stdout
        return json.loads(done.stdout)

    return run


@pytest.fixture
def asked(member):
    return questionnaire_of(member, PUMP, [PROFILE], element=Element.COMPONENT)


def answered(served, asked, member):
    answers, by = given_answers(served.workspace, asked)
    assert by == member.identity
    return {a.requirement: a.state for a in answers.answers}


def test_a_table_is_signed_by_the_members_key_and_registered_there(
    served, member, kizuna, asked, tmp_path
):
    told = kizuna("assess", "answer", *WORDS, tmp_path / "q.csv")
    assert told["issuer"] == member.identity
    assert (len(told["statements"]), told["beyond"]) == (3, [])  # the file, the claim, the summary
    assert answered(served, asked, member)["secure-update"] is State.PLANNED
    key = member.unit.public(member.handle).thumbprint
    digests = [Digest(bytes.fromhex(digest)) for digest in told["statements"]]
    found = served.workspace.store.reader().by_digests(digests)
    assert {(r.statement.issuer, r.statement.key_id) for r in found.values()} == {
        (member.identity, key)
    }
    assert len(found) == 3


def test_both_sides_see_the_same_gaps(served, member, kizuna, tmp_path):
    kizuna("assess", "answer", *WORDS, tmp_path / "q.csv")
    here = kizuna("assess", "gaps", *WORDS, code=None)
    there = gaps(served.workspace, PUMP, PROFILE, lang="en", element=Element.COMPONENT)
    assert here["gaps"] == json.loads(json.dumps(there["gaps"]))
    assert (here["met"], here["answered_by"]) == (there["met"], member.identity)


def test_a_second_answer_withdraws_what_ended_and_says_nothing_twice(
    served, member, kizuna, asked, tmp_path
):
    first = kizuna("assess", "answer", *WORDS, tmp_path / "q.csv")
    again = kizuna("assess", "answer", *WORDS, tmp_path / "q.csv", "--preview")
    assert [s["why"] for s in again["statements"] if s["why"] != "document"] == ["summary"]
    (tmp_path / "later.csv").write_text(
        "requirement,answer,fields,due,owner,reason,evidence\n"
        "vulnerability-contact,planned,,2027-01-31,Ito,,\n"
    )
    shown = kizuna("assess", "answer", *WORDS, tmp_path / "later.csv", "--preview")
    (ended,) = [s for s in shown["statements"] if s["why"] == "withdrawal"]
    assert ended["payload"]["target"]["statement"] in first["statements"]
    kizuna("assess", "answer", *WORDS, tmp_path / "later.csv")
    states = answered(served, asked, member)
    assert states["vulnerability-contact"] is State.PLANNED
    assert states["secure-update"] is State.PLANNED, "what it does not speak of stays"
    lacking = [g["requirement"] for g in kizuna("assess", "gaps", *WORDS, code=None)["gaps"]]
    assert "vulnerability-contact" in lacking


def test_the_questions_come_with_the_answers_given_before(kizuna, tmp_path):
    kizuna("assess", "answer", *WORDS, tmp_path / "q.csv")
    out = tmp_path / "again.csv"
    told = kizuna("assess", "questions", *WORDS, "--out", out)
    assert "vulnerability-contact" in [q["id"] for q in told["questions"]]
    assert "psirt@sato.example" in out.read_text(encoding="utf-8-sig")
    plan = tmp_path / "plan.json"
    kizuna("assess", "export", *WORDS, "--form", "oscal-poam", "--out", plan)
    assert "secure-update" in plan.read_text()


def test_it_may_be_asked_line_by_line(served, member, kizuna, asked, monkeypatch):
    def interview(_door, questions):
        one = next(q for q in questions.questions if q.id == "secure-update")
        return Answers(answers=(Answer(requirement=one.id, state=State.IMPLEMENTED),))

    monkeypatch.setattr(command, "_interview", interview)
    kizuna("assess", "answer", *WORDS)
    assert answered(served, asked, member)["secure-update"] is State.IMPLEMENTED


def test_the_level_is_the_one_that_believed_lists_give(served, member):
    assert level_of(member, PUMP) is level_of(served.workspace, PUMP, member.identity)
    assert level_of(member, SubjectId("pkg:generic/other/thing@1")) is Level.SELF


def test_nobody_signs_for_others_in_a_members_folder(kizuna, tmp_path):
    told = kizuna("assess", "answer", *WORDS, tmp_path / "q.csv", "--for", "fuji", code=2)
    assert told["code"] == "assess.for-elsewhere"


def test_evidence_that_is_registered_nowhere_is_refused_before_anything_is_signed(
    served, kizuna, tmp_path
):
    size = served.workspace.store.head().size
    (tmp_path / "q.csv").write_text(
        "requirement,answer,fields,due,owner,reason,evidence\n"
        f"vulnerability-contact,implemented,contact=x@y.example,,,,{'ab' * 32}\n"
    )
    told = kizuna("assess", "answer", *WORDS, tmp_path / "q.csv", code=13)
    assert told["code"] == "assess.statement-absent"
    assert served.workspace.store.head().size == size


def test_a_store_that_does_not_answer_leaves_nothing_half_done(
    served, member, kizuna, tmp_path, monkeypatch
):
    def gone(*_):
        raise Unavailable("request.unreachable", "no answer", hint="try again")

    size = served.workspace.store.head().size
    monkeypatch.setattr("kizuna.app.wiring.member.joined.Joined.submit", gone)
    kizuna("assess", "answer", *WORDS, tmp_path / "q.csv", code=20)
    assert served.workspace.store.head().size == size
