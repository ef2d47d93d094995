# SPDX-License-Identifier: Apache-2.0
"""Assessments of a store: levels come from lists, planned closes no gap, what ends is withdrawn."""

import pytest

from kizuna.app.wiring.assess import (
    gaps,
    given_answers,
    level_of,
    questionnaire,
    register_answers,
)
from kizuna.app.wiring.assess_export import exported, read_answers, table
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed
from kizuna.model.identifier import Element, canonical
from kizuna.model.payload import Level
from kizuna.proof.assurance import Answer, Answers, State
from kizuna.record.store import PUBLIC
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
PUMP = canonical("pkg:generic/fuji/pump@4.2")


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as made:
        yield made


@pytest.fixture
def profile(workspace):
    return workspace.profile("software-product")


@pytest.fixture
def asked(workspace, profile):
    return questionnaire(workspace, PUMP, profile, element=Element.COMPONENT)


def said(requirement, state, **more):
    return Answers(answers=(Answer(requirement=requirement, state=state, **more),))


def told(workspace, profile):
    found = gaps(workspace, PUMP, profile, lang="en", element=Element.COMPONENT)
    return found, {g["requirement"]: g for g in found["gaps"]}


def test_a_part_is_asked_nothing_of_its_parts(asked):
    ids = [q.id for q in asked.questions]
    assert "vulnerability-contact" in ids
    assert "part-fingerprint" not in ids


def test_implemented_closes_a_gap_and_planned_does_not(workspace, profile, asked):
    register_answers(workspace, asked, said("secure-update", State.IMPLEMENTED))
    register_answers(
        workspace,
        asked,
        said("secure-defaults", State.PLANNED, due="2026-10-01", owner="Sato"),
    )
    found, open_ = told(workspace, profile)
    assert "secure-update" not in open_
    assert found["met"] == 1
    gap = open_["secure-defaults"]
    assert (gap["answer"], gap["owner"], gap["overdue"]) == ("planned", "Sato", True)


def test_what_is_no_longer_implemented_is_withdrawn(workspace, profile, asked):
    register_answers(workspace, asked, said("secure-update", State.IMPLEMENTED))
    register_answers(workspace, asked, said("secure-update", State.IMPLEMENTED))
    register_answers(workspace, asked, said("secure-update", State.IMPLEMENTED, note="better"))
    register_answers(
        workspace, asked, said("secure-update", State.PLANNED, due="2027-03-31", owner="Sato")
    )
    _, open_ = told(workspace, profile)
    assert open_["secure-update"]["answer"] == "planned"


def test_the_level_is_that_of_the_lists_and_not_of_the_file(workspace, asked):
    assert level_of(workspace, PUMP) is Level.SELF
    made = register_answers(workspace, asked, said("secure-update", State.IMPLEMENTED))
    assert made["level"] == "self-declared"


def test_said_to_be_implemented_and_not_shown_is_still_a_gap(workspace, profile, asked):
    register_answers(workspace, asked, said("vulnerability-contact", State.IMPLEMENTED))
    _, open_ = told(workspace, profile)
    assert open_["vulnerability-contact"]["answer"] == "implemented"


def test_evidence_is_kept_by_hash_and_for_the_organisation_alone(workspace, asked):
    answers = said("secure-update", State.IMPLEMENTED, names=("ev.txt",))
    with pytest.raises(Absent) as caught:
        register_answers(workspace, asked, answers)
    assert caught.value.code == "assess.file-absent"
    before = workspace.store.head().size
    made = register_answers(workspace, asked, answers, {"ev.txt": b"seen"})
    assert made["files"] == 1
    public = workspace.store.reader(PUBLIC)
    seen = public.by_indices(range(before, workspace.store.head().size))
    assert all(not r.statement.audience for r in seen)


@pytest.mark.parametrize("form", ["csv", "csv-cp932", "xlsx", "oscal-results", "oscal-poam"])
def test_every_form_comes_back(workspace, asked, form):
    register_answers(workspace, asked, said("secure-update", State.IMPLEMENTED))
    register_answers(
        workspace, asked, said("secure-defaults", State.PLANNED, due="2027-03-31", owner="Sato")
    )
    given, by = given_answers(workspace, asked)
    assert by == workspace.identity
    back = read_answers(asked, exported(workspace, asked, given, form, "en")).check(asked)
    assert "secure-defaults" in {a.requirement for a in back.answers}


def test_bad_answers_register_nothing(workspace, asked):
    before = workspace.store.head()
    with pytest.raises(Malformed):
        register_answers(workspace, asked, said("secure-update", State.PLANNED))
    with pytest.raises(Malformed) as caught:
        table(asked, "pdf", "en")
    assert caught.value.code == "assess.form-unknown"
    assert workspace.store.head() == before
