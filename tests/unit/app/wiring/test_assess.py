# SPDX-License-Identifier: Apache-2.0
"""Assessments of a store: levels come from lists, planned closes no gap, what ends is withdrawn."""

from hashlib import sha256

import pytest

from kizuna.app.wiring.assess.asking import (
    gaps,
    given_answers,
    level_of,
    questionnaire,
    questionnaire_of,
    register_answers,
)
from kizuna.app.wiring.assess.catalogs import gaps_under
from kizuna.app.wiring.assess.export import exported, read_answers, table
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.criteria.profiles import read_profile
from kizuna.model.errors import Absent, Malformed
from kizuna.model.identifier import Element, canonical
from kizuna.model.payload import Level
from kizuna.proof.assurance import Answer, Answers, State
from kizuna.record.log.keys import subject_key
from kizuna.record.store import PUBLIC
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
TAKEN_OUT = b"""
profile: taken-out
version: "1"
title: {en: Taken out of CPSF}
requirements:
  - id: inventory
    title: {en: Inventory}
    kind: capability
    claim: inventory
    from: [self]
    control: CPS.AM-1
  - id: training
    title: {en: Training}
    kind: capability
    claim: training
    from: [self]
    control: CPS.AT-1
"""
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


def test_evidence_kept_back_withholds_nothing_about_what_is_assessed(workspace, asked, profile):
    answers = said("secure-update", State.IMPLEMENTED, names=("ev.txt",))
    register_answers(workspace, asked, answers, {"ev.txt": b"seen"})
    about = subject_key(PUMP)
    everything = workspace.store.reader().by_keys([about])[about]
    assert len(everything) == 2  # the claim and the summary, both for everybody
    assert workspace.store.reader(PUBLIC).by_keys([about])[about] == everything
    own = subject_key(f"{workspace.identity}/evidence/{sha256(b'seen').hexdigest()}")
    (kept,) = workspace.store.reader().by_keys([own])[own]
    assert kept.statement.audience == (workspace.identity,)


def test_a_question_names_the_fields_that_its_condition_looks_at(asked):
    fields = {q.id: q.fields for q in asked.questions}
    assert fields["vulnerabilities-reviewed"] == ("exploitable",)
    assert "contact" in fields["vulnerability-contact"]


def test_several_profiles_are_measured_together_and_told_one_by_one(workspace, asked):
    own = read_profile(TAKEN_OUT)
    joint = questionnaire_of(
        workspace, PUMP, [workspace.profile("software-product"), own], element=Element.COMPONENT
    )
    answered = tuple(
        Answer(requirement=q.id, state=State.IMPLEMENTED)
        for q in joint.questions
        if q.id in ("secure-update", "inventory")
    )
    register_answers(workspace, joint, Answers(answers=answered))
    chosen = [workspace.profile("software-product"), own]
    found = gaps_under(
        workspace,
        PUMP,
        chosen,
        ["cpsf-1.0", "eu-cra-annex-i"],
        lang="en",
        workspace=workspace,
        element=Element.COMPONENT,
    )
    alone = [gaps_under(workspace, PUMP, [p], lang="en", element=Element.COMPONENT) for p in chosen]
    assert [p["met"] for p in found["profiles"]] == [one["met"] for one in alone] == [1, 1]
    assert (found["met"], found["asked"]) == (2, sum(one["asked"] for one in alone))
    assert {g["profile"] for g in found["gaps"]} == {"software-product", "taken-out"}
    counts = {one["catalog"]: one["counts"]["covered"] for one in found["under"]}
    assert counts == {"cpsf-1.0": 1, "eu-cra-annex-i": 1}
    assert found["verdict"] == "undetermined"


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
