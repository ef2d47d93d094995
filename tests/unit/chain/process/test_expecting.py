# SPDX-License-Identifier: Apache-2.0
"""Expectations at borders, what is shown of them, and the course of an agreement."""

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.chain.process import (
    AGREEMENT,
    EXPECTATION,
    State,
    agreement_norm,
    agreement_terms,
    course_of,
    expectation_norm,
    expectations,
    gaps,
    narrowed,
    offer_norm,
    offered_in,
    point_subject,
    set_against,
)
from kizuna.criteria.process import process_of
from kizuna.criteria.profiles import Counting, shipped_profile
from kizuna.model.errors import Malformed
from kizuna.model.finding import Code, Finding, Value
from kizuna.model.identifier import Digest, SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm, encode_payload
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.model.verdict import Coverage, Verdict

MAKER, USER = canonical("did:web:maker.example"), canonical("did:web:user.example")
STRANGER = canonical("did:web:stranger.example")
FAN = canonical("pkg:generic/acme/fan@1")
PROFILE = shipped_profile("building-services")
PROCESS = process_of(
    {
        "process": "fan",
        "version": "1",
        "title": {"en": "A fan"},
        "organizations": [
            {"id": "maker", "title": {"en": "Maker"}, "identifier": MAKER},
            {"id": "user", "title": {"en": "User"}, "identifier": USER},
        ],
        "elements": [
            {"id": "fan", "element": "component", "title": {"en": "Fan"}, "identifier": FAN},
            {"id": "manual", "element": "data", "title": {"en": "Manual"}},
        ],
        "activities": [
            {
                "id": "make",
                "title": {"en": "Make"},
                "organization": "maker",
                "layer": 1,
                "produces": ["fan", "manual"],
            },
            {
                "id": "run",
                "title": {"en": "Run"},
                "organization": "user",
                "layer": 2,
                "consumes": ["fan", "manual"],
            },
        ],
    }
)
POINT = PROCESS.points[0]
EXPECTED = expectations(PROCESS, PROFILE)
OWNER = USER


def verdict(subject, profile, *findings):
    worst = min((f.code.value_given for f in findings if f.counts), default=Value.TRUSTED)
    return Verdict(
        value=worst,
        subject=subject,
        profile=profile.name,
        profile_digest=profile.digest,
        at=0,
        known=(),
        lists=(),
        findings=tuple(findings),
        coverage=Coverage(subjects=1, known=1, proven=1, silent=0),
    )


def nothing_wrong(subject, profile):
    return verdict(subject, profile)


# --- expectations -------------------------------------------------------------------------------


def test_the_organisation_is_asked_first_then_the_thing():
    at_point = [e for e in EXPECTED if e.point == POINT.id]
    of_party = [e.of_party for e in at_point]
    assert of_party == sorted(of_party, reverse=True)
    assert {e.subject for e in at_point} == {MAKER, FAN}
    ids = {e.requirement.id for e in at_point if e.of_party}
    assert "organisation-security" in ids
    assert "device-certified" not in ids


def test_parts_are_asked_less_than_what_is_judged_as_a_whole():
    document = PROCESS.document()
    document["elements"][1]["whole"] = True
    parted = expectations(process_of(document), PROFILE)
    fan = {e.requirement.id for e in parted if e.subject == FAN}
    assert "device-certified" not in fan
    assert "device-certified" in {e.requirement.id for e in EXPECTED if e.subject == FAN}


def test_the_judge_is_asked_about_the_one_subject_alone():
    requirements = [e.requirement for e in EXPECTED if e.subject == FAN]
    asked = narrowed(PROFILE, requirements)
    assert asked.name == PROFILE.name
    assert all(not r.elements for r in asked.requirements)
    assert all(f.counts is Counting.INFORMATIVE for f in asked.follow)
    assert [r.id for r in asked.requirements] == [r.id for r in requirements]


# --- what is shown ------------------------------------------------------------------------------


@given(st.data())
def test_gaps_are_expectations_minus_capabilities(data):
    named = [e for e in EXPECTED if e.subject is not None]
    missing = set(data.draw(st.lists(st.sampled_from([e.key for e in named]), unique=True)))
    codes = st.sampled_from([Code.CLAIM_MISSING, Code.CLAIM_EXPIRED, Code.CONDITION_FAILED])

    def ask(subject, profile):
        asked = {r.id for r in profile.requirements}
        found = [
            Finding(subject=subject, code=data.draw(codes), requirement=e.requirement.id)
            for e in named
            if e.key in missing and e.subject == subject and e.requirement.id in asked
        ]
        return verdict(subject, profile, *found)

    shown = set_against(PROFILE, EXPECTED, ask)
    assert [s.expectation for s in shown] == list(EXPECTED)
    unnamed = {e.key for e in EXPECTED if e.subject is None}
    # one maker gives two things: what is missing of it is missing at both points
    same = {(e.subject, e.requirement.id) for e in named if e.key in missing}
    expected = {e.key for e in named if (e.subject, e.requirement.id) in same} | unnamed
    assert {s.expectation.key for s in gaps(shown)} == expected


def test_what_nobody_can_be_asked_about_is_a_gap():
    shown = set_against(PROFILE, EXPECTED, nothing_wrong)
    assert {s.state for s in shown if s.expectation.subject is None} == {State.UNNAMED}
    assert {s.state for s in shown if s.expectation.subject} == {State.SHOWN}


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (Code.SUBJECT_UNKNOWN, State.NOT_SHOWN),
        (Code.PARTY_SILENT, State.NOT_SHOWN),
        (Code.ANCHORS_MISSING, State.NOT_SHOWN),
        (Code.TAMPERED, State.LACKING),
        (Code.NOTICE_ADVERSE, State.LACKING),
    ],
)
def test_what_is_wrong_with_the_subject_itself_speaks_against_everything(code, state):
    def ask(subject, profile):
        if subject != FAN:
            return verdict(subject, profile)
        return verdict(subject, profile, Finding(subject=subject, code=code, requirement="other"))

    shown = set_against(PROFILE, EXPECTED, ask)
    assert {s.state for s in shown if s.expectation.subject == FAN} == {state}


def test_a_verdict_without_a_reason_shows_nothing():
    def ask(subject, profile):
        return replace(verdict(subject, profile), value=Value.UNDETERMINED)

    shown = set_against(PROFILE, EXPECTED, ask)
    assert not any(s.state is State.SHOWN for s in shown)


def test_a_waived_requirement_is_no_gap_and_not_shown_either():
    def ask(subject, profile):
        waived = [
            Finding(subject=subject, code=Code.WAIVED, requirement=r.id)
            for r in profile.requirements
        ]
        return verdict(subject, profile, *waived)

    shown = set_against(PROFILE, EXPECTED, ask)
    assert {s.state for s in shown if s.expectation.subject} == {State.WAIVED}
    assert {s.state for s in gaps(shown)} == {State.UNNAMED}


# --- expectation, offer, agreement --------------------------------------------------------------


def said(issuer, norm, index):
    data = encode_payload(norm)
    digest = Digest(sha256(issuer.encode() + data + bytes([index])).digest())
    return Registered(
        statement=Statement(
            digest=digest,
            content=digest,
            issuer=SubjectId(issuer),
            subject=point_subject(OWNER, PROCESS.name, POINT.id),
            kind=Kind.NORM,
            media_type="",
            key_id=b"",
            payload=norm,
        ),
        origin="log",
        index=index,
        registered=Interval(0, 0),
    )


def course(*rows, day="2026-11-22"):
    return course_of(PROCESS, POINT, rows, day)


AT_POINT = [e for e in EXPECTED if e.point == POINT.id]
ASKS = expectation_norm(PROCESS, POINT, PROFILE, AT_POINT)


def lacking(*ids):
    def ask(subject, profile):
        found = [
            Finding(subject=subject, code=Code.CLAIM_MISSING, requirement=r.id)
            for r in profile.requirements
            if r.id in ids
        ]
        return verdict(subject, profile, *found)

    return set_against(PROFILE, AT_POINT, ask)


def offered(answers, *ids, until=None):
    return offer_norm(PROCESS, POINT, answers, lacking(*ids), until or {})


def hex_of(row):
    return row.statement.digest.hex()


def agreed(expectation, offer):
    given_offer = offered_in(offer.statement.payload)
    return agreement_norm(PROCESS, POINT, hex_of(expectation), hex_of(offer), given_offer)


def test_the_course_goes_from_open_to_agreed():
    assert course().state == "open"
    assert course().waiting == (USER,)
    one = said(USER, ASKS, 1)
    assert (course(one).state, course(one).waiting) == ("expected", (MAKER,))
    two = said(MAKER, offered(hex_of(one)), 2)
    assert course(one, two).state == "offered"
    terms = agreed(one, two)
    three = said(USER, terms, 3)
    assert (course(one, two, three).state, course(one, two, three).waiting) == (
        "half-agreed",
        (MAKER,),
    )
    four = said(MAKER, terms, 4)
    found = course(one, two, three, four)
    assert (found.state, found.waiting, found.renewing) == ("agreed", (), False)
    assert agreement_terms(terms) == agreement_terms(agreed(one, two))


def test_nobody_speaks_for_somebody_else():
    one = said(USER, ASKS, 1)
    assert course(said(STRANGER, ASKS, 1)).state == "open"
    assert course(said(MAKER, ASKS, 1)).state == "open"
    assert course(one, said(STRANGER, offered(hex_of(one)), 2)).state == "expected"
    two = said(MAKER, offered(hex_of(one)), 2)
    terms = agreed(one, two)
    strangers = said(STRANGER, terms, 3), said(STRANGER, terms, 4)
    assert course(one, two, *strangers).state == "offered"
    assert course(one, two, said(USER, terms, 3), said(STRANGER, terms, 4)).state == "half-agreed"


def test_two_signatures_under_different_terms_are_no_agreement():
    one = said(USER, ASKS, 1)
    two = said(MAKER, offered(hex_of(one)), 2)
    three = said(MAKER, offered(hex_of(one), "maintained"), 3)
    rows = [one, two, three, said(USER, agreed(one, two), 4), said(MAKER, agreed(one, three), 5)]
    assert course(*rows).state == "half-agreed"


def test_an_agreement_about_an_offer_that_is_not_there_binds_nobody():
    one = said(USER, ASKS, 1)
    two = said(MAKER, offered(hex_of(one)), 2)
    terms = agreed(one, two)
    both = said(USER, terms, 3), said(MAKER, terms, 4)
    assert course(one, *both).state == "expected"
    assert course(two, *both).state == "open"


def test_a_newer_offer_does_not_end_an_agreement_and_shows():
    one = said(USER, ASKS, 1)
    two = said(MAKER, offered(hex_of(one)), 2)
    terms = agreed(one, two)
    rows = [one, two, said(USER, terms, 3), said(MAKER, terms, 4)]
    newer = said(MAKER, offered(hex_of(one), "maintained"), 5)
    found = course(*rows, newer)
    assert (found.state, found.renewing) == ("agreed", True)
    assert found.offer is two


def test_a_promise_is_overdue_after_its_day():
    one = said(USER, ASKS, 1)
    offer = offered(hex_of(one), "maintained", until={"maintained": "2026-12-01"})
    two = said(MAKER, offer, 2)
    terms = agreed(one, two)
    rows = [one, two, said(USER, terms, 3), said(MAKER, terms, 4)]
    assert course(*rows, day="2026-12-01").overdue == ()
    (late,) = course(*rows, day="2026-12-02").overdue
    assert (late.requirement, late.subject) == ("maintained", FAN)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"answers": 1},
        {"answers": "x", "shows": [1], "lacks": []},
        {"answers": "x", "shows": {}},
        *(  # a promise for no day would never be overdue
            {
                "answers": "x",
                "shows": [],
                "lacks": [{"subject": FAN, "requirement": "r", "state": "open", "until": until}],
            }
            for until in ("soon", "~", "20261201", "2026-13-01")
        ),
    ],
)
def test_an_offer_without_its_form_is_passed_over(document):
    one = said(USER, ASKS, 1)
    document = document | ({"answers": hex_of(one)} if document.get("answers") == "x" else {})
    norm = Norm(type="offer", name="x", version="1", document=document)
    assert course(one, said(MAKER, norm, 2)).state == "expected"
    with pytest.raises(Malformed):
        offered_in(norm)


def test_a_party_without_identifier_can_sign_nothing():
    document = PROCESS.document()
    del document["organizations"][0]["identifier"]
    process = process_of(document)
    with pytest.raises(Malformed) as caught:
        expectation_norm(process, process.points[0], PROFILE, AT_POINT)
    assert caught.value.code == "vcp.unnamed"
    assert course_of(process, process.points[0], [said(USER, ASKS, 1)], "2026-11-22").waiting == ()


def test_the_three_are_norms_of_three_types():
    assert ASKS.type == EXPECTATION
    one = said(USER, ASKS, 1)
    two = said(MAKER, offered(hex_of(one)), 2)
    assert agreed(one, two).type == AGREEMENT
    assert ASKS.document["profile"]["sha256"] == PROFILE.digest
    assert ASKS.document["process"]["sha256"] == PROCESS.digest
