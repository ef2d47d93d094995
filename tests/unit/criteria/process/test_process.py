# SPDX-License-Identifier: Apache-2.0
"""Processes: text and BPMN in, interaction points and pictures out."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.criteria.process import (
    draw_process,
    from_norm,
    is_bpmn,
    process_of,
    read_bpmn,
    read_process,
    to_norm,
)
from kizuna.criteria.process.layout import stand
from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.payload import decode_payload, encode_payload

TEXT = b"""
process: fan
version: 1.0
title: {en: A fan, ja: "\xe6\x89\x87"}
organizations:
  - {id: maker, title: Maker, identifier: "did:web:maker.example"}
  - {id: user, title: User, domain: city}
elements:
  - {id: fan, element: component, title: Fan, identifier: "pkg:generic/acme/fan@1", whole: true}
  - {id: staff, element: person, title: Staff, organization: user}
  - {id: air, element: service, title: Air}
activities:
  - {id: make, title: Make, organization: maker, layer: 1, produces: fan}
  - {id: run, title: Run, organization: user, layer: 2, consumes: [fan, staff], produces: air}
points:
  - {id: delivery, element: fan, from: maker, to: user, title: Delivery}
"""


def test_interaction_points_follow_from_activities():
    process = read_process(TEXT)
    (point,) = process.points
    assert (point.id, point.giver, point.taker) == ("delivery", "maker", "user")
    assert point.layers == (1, 2)
    assert point.foreign
    assert (point.makers, point.users) == (("make",), ("run",))


def test_a_process_survives_its_document_and_its_norm():
    process = read_process(TEXT)
    norm = decode_payload(Kind.NORM, encode_payload(to_norm(process)))
    assert from_norm(norm).digest == process_of(process.document()).digest == process.digest


def test_what_nobody_makes_or_owns_is_named():
    text = TEXT.replace(b", organization: user}", b"}", 1)
    assert read_process(text).loose == ("staff",)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"produces: fan}", b"produces: van}", "document.value"),
        (b"organization: maker,", b"organization: baker,", "document.value"),
        (b"layer: 1", b"layer: 4", "document.value"),
        (b"layer: 1", b"layer: one", "document.value"),
        (b"whole: true", b"whole: maybe", "document.value"),
        (b"from: maker, to: user", b"from: user, to: maker", "vcp.point-nowhere"),
        (b"element: person", b"element: persona", "document.value"),
        (b"id: staff", b"id: fan", "document.id-twice"),
        (b"id: staff", b"id: a/b", "document.value"),
        (b"did:web:maker.example", b"maker", "document.value"),
        (b"produces: fan}", b"makes: fan}", "document.member-unknown"),
        (b", title: Air}", b"}", "document.member-missing"),
        (b"title: Air}", b"title: Air, organization: user}", "document.value"),
        (b"process: fan", b"process: &x fan", "document.alias"),
    ],
)
def test_a_wrong_process_is_refused_with_its_line(old, new, code):
    assert old in TEXT
    with pytest.raises(Malformed) as caught:
        read_process(TEXT.replace(old, new, 1), "fan.yaml")
    assert caught.value.code == code
    assert caught.value.about["line"] > 1
    assert "fan.yaml" in caught.value.what


@given(st.binary(max_size=300))
def test_any_bytes_are_a_process_or_a_problem(data):
    with pytest.raises(Problem):
        read_process(data)


@given(st.integers(0, len(TEXT)), st.integers(1, 120))
def test_a_text_with_any_piece_cut_out_is_a_process_or_a_problem(start, length):
    try:
        read_process(TEXT[:start] + TEXT[start + length :])
    except Problem as problem:
        assert problem.code.startswith(("document.", "vcp."))


# --- pictures ---------------------------------------------------------------------------------


@st.composite
def processes(draw):
    parties = [f"p{i}" for i in range(draw(st.integers(1, 4)))]
    things = [f"t{i}" for i in range(draw(st.integers(1, 6)))]
    some = st.lists(st.sampled_from(things), unique=True, max_size=3)
    activities = [
        {
            "id": f"a{i}",
            "title": {"en": draw(st.sampled_from(["Do", 'Do <b> & "that" for very long']))},
            "organization": draw(st.sampled_from(parties)),
            "layer": draw(st.integers(1, 3)),
        }
        | {k: v for k, v in (("consumes", draw(some)), ("produces", draw(some))) if v}
        for i in range(draw(st.integers(1, 6)))
    ]
    return process_of(
        {
            "process": "x",
            "version": "1",
            "title": {"en": "X"},
            "organizations": [
                {"id": p, "title": {"en": p}}
                | ({"domain": d} if (d := draw(st.sampled_from(["", "one", "two"]))) else {})
                for p in parties
            ],
            "elements": [
                {"id": t, "element": draw(st.sampled_from(list(Element))).value, "title": {"en": t}}
                for t in things
            ],
            "activities": activities,
        }
    )


@given(processes(), st.sampled_from(["en", "ja"]))
def test_the_same_process_is_drawn_the_same_way(process, lang):
    drawn = draw_process(process, lang)
    assert drawn == draw_process(process_of(process.document()), lang)
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own


@given(processes())
def test_nothing_stands_on_anything_else(process):
    found = stand(process)
    places = [*found.activities.values(), *found.things.values()]
    assert len(set(places)) == len(places)
    assert set(found.activities) == {a.id for a in process.activities}
    assert set(found.things) == {t.id for t in process.things}


@given(processes())
def test_points_lie_where_something_crosses_and_nowhere_else(process):
    crossing = {
        (thing, maker.party, user.party)
        for user in process.activities
        for thing in user.consumes
        for maker in process.makers.get(thing, ())
        if maker.party != user.party
    }
    assert {(p.thing, p.giver, p.taker) for p in process.points} == crossing
    assert all(p.layers[0] == 1 for p in process.points)


# --- BPMN -------------------------------------------------------------------------------------

HEAD = (
    b'<?xml version="1.0"?><definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    b'id="d" targetNamespace="urn:x">'
)
POOLS = (
    HEAD
    + b"""
<collaboration id="c">
  <participant id="P1" name="Maker Ltd" processRef="R1"/>
  <participant id="P2" name="User Inc" processRef="R2"/>
  <participant id="P3" name="Carrier"/>
  <messageFlow id="M1" name="Fan order" sourceRef="T3" targetRef="S1"/>
  <messageFlow id="M2" name="Parcel" sourceRef="T2" targetRef="P3"/>
  <messageFlow id="M3" name="Lost" sourceRef="T2" targetRef="nobody"/>
</collaboration>
<process id="R1" name="Making">
  <startEvent id="S1"/><sequenceFlow id="F1" sourceRef="S1" targetRef="T1"/>
  <manualTask id="T1" name="Make the fan">
    <dataOutputAssociation id="o"><targetRef>D1r</targetRef></dataOutputAssociation></manualTask>
  <serviceTask id="T2" name="Send it">
    <dataInputAssociation id="i"><sourceRef>D1r</sourceRef></dataInputAssociation></serviceTask>
  <dataObject id="D1"/><dataObjectReference id="D1r" name="Test report" dataObjectRef="D1"/>
  <exclusiveGateway id="G1"/><exclusiveGateway id="G2"/>
</process>
<process id="R2"><userTask id="T3" name="Order"/></process>
</definitions>"""
)
LANES = (
    HEAD
    + b"""
<process id="R1" name="Cleaning"><laneSet id="L">
  <lane id="L1" name="Office"><flowNodeRef>T1</flowNodeRef></lane>
  <lane id="L2" name="Cleaner"><flowNodeRef>T2</flowNodeRef></lane></laneSet>
  <task id="T1" name="Ask"/><task id="T2" name="Clean"/>
  <sequenceFlow id="F" sourceRef="T1" targetRef="T2"/>
</process></definitions>"""
)


def test_pools_become_organisations_and_messages_cross_their_borders():
    assert is_bpmn(POOLS)
    draft = read_bpmn(POOLS, "fan")
    process = draft.process
    assert [p.title["en"] for p in process.parties] == ["Maker Ltd", "User Inc", "Carrier"]
    assert {(p.thing, p.giver, p.taker) for p in process.points} == {
        ("fan-order", "user-inc", "maker-ltd"),
        ("parcel", "maker-ltd", "carrier"),
    }
    report = next(t for t in process.things if t.title["en"] == "Test report")
    assert [a.id for a in process.makers[report.id]] == ["make-the-fan"]
    assert {a.id: a.layer for a in process.activities}["send-it"] == 3


def test_what_is_guessed_or_not_understood_is_told():
    draft = read_bpmn(POOLS, "fan")
    assert draft.not_understood == {"exclusiveGateway": 2, "messageFlow": 1}
    assert "layer 3 for serviceTask" in draft.guesses
    assert any("inside is not drawn" in guess for guess in draft.guesses)


def test_lanes_of_one_pool_become_organisations():
    draft = read_bpmn(LANES, "cleaning")
    (point,) = draft.process.points
    assert (point.giver, point.taker) == ("office", "cleaner")
    assert draft.process.thing_of[point.thing].element is Element.PROCEDURE


def test_a_draft_can_be_read_back_from_its_own_text():
    draft = read_bpmn(POOLS, "fan")
    assert process_of(draft.process.document()).digest == draft.process.digest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a/>",
        HEAD + b"</definitions>",
        HEAD + b'<process id="p"><task id="t"/></process></definitions>',
        b'<!DOCTYPE x [<!ENTITY e "e">]>' + LANES[21:],
        LANES[:-20],
        HEAD + b'<process id="p"><task name="no id"/></process></definitions>',
    ],
)
def test_what_is_no_collaboration_is_refused(data):
    with pytest.raises(Malformed) as caught:
        read_bpmn(data, "x")
    assert caught.value.code == "vcp.bpmn"


@given(st.sampled_from([POOLS, LANES]), st.data())
def test_a_file_with_any_piece_cut_out_is_a_draft_or_a_problem(source, data):
    start = data.draw(st.integers(0, len(source)))
    length = data.draw(st.integers(1, 60))
    try:
        read_bpmn(source[:start] + source[start + length :], "x")
    except Problem as problem:
        assert problem.code.startswith(("document.", "vcp."))
