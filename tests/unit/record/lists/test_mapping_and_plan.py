# SPDX-License-Identifier: Apache-2.0
"""What a foreign list is worth here is the mapping's business; only differences are planned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Level, Standing
from kizuna.record.lists import ListState
from kizuna.record.lists.authoring import check_names, plan
from kizuna.record.lists.foreign import ForeignEntry, ForeignList
from kizuna.record.lists.mapping import apply_mapping, read_mapping
from kizuna.record.lists.state import What
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW = 1_790_000_000
AKI, BEN = SubjectId("did:web:aki.example"), SubjectId("did:web:ben.example")
LAB, MAKER = "urn:x:lab", "urn:x:maker"
RULES = b"""
types:
  "urn:x:lab": {role: certification-body, claims: [iso-27001], level: second-party}
  "urn:x:maker": {role: maker, scope: [listed]}
members:
  did:web:ben.example: {id: did:web:benjamin.example, scope: [pkg:npm/ben]}
"""
EMPTY = ListState(list_id=SubjectId("did:web:me.example/l"), operator=AKI, entries={})


def entry(member=AKI, kind=LAB, state=Standing.GRANTED, **more):
    words = {"name": "Name", "types": (kind,), "since": NOW - 10, **more}
    return ForeignEntry(member=member, state=state, **words)


def a_list(*entries):
    return ForeignList(
        id=SubjectId("https://list.example/"),
        operator="Op",
        title="",
        sequence=1,
        issued=NOW,
        next_update=None,
        entries=entries,
        document=bytes(32),
    )


def mapped(*entries, rules=RULES):
    return apply_mapping(a_list(*entries), read_mapping(rules))


def test_the_mapping_says_role_words_and_level():
    (service,) = mapped(entry()).wanted[AKI].services
    assert (service.type, service.claims, service.level) == (
        "certification-body",
        ["iso-27001"],
        Level.SECOND,
    )


def test_scope_comes_from_the_list_only_where_the_mapping_asks_for_it():
    assert mapped(entry(scope=("pkg:npm/aki",))).wanted[AKI].services[0].scope == ["*"]
    made = mapped(entry(kind=MAKER, scope=("pkg:npm/aki",)))
    assert made.wanted[AKI].services[0].scope == ["pkg:npm/aki"]
    alone = mapped(entry(kind=MAKER))
    assert alone.wanted[AKI].services[0].scope == [AKI], "without a scope it speaks of itself"


def test_a_member_may_have_another_name_and_narrower_scope_here():
    found = mapped(entry(BEN, MAKER, scope=("*",))).wanted
    assert list(found) == ["did:web:benjamin.example"]
    assert found[SubjectId("did:web:benjamin.example")].services[0].scope == ["pkg:npm/ben"]


def test_of_several_services_only_granted_ones_give_something():
    made = mapped(entry(), entry(kind=MAKER, state=Standing.WITHDRAWN)).wanted[AKI]
    assert [s.type for s in made.services] == ["certification-body"]
    ended = mapped(entry(until=NOW - 1)).wanted[AKI]
    assert ended.state is Standing.WITHDRAWN


def test_what_has_no_rule_gives_nothing_and_is_counted():
    found = mapped(entry(kind="urn:x:else"), entry(BEN, kind="urn:x:else"))
    assert (found.wanted, found.not_understood) == ({}, {"urn:x:else": 2})


@pytest.mark.parametrize(
    "rules",
    [
        b"types: {x: {role: self}}",
        b"types: {x: {role: king}}",
        b"types: {x: {role: maker}}",
        b"types: {x: {role: assessor, level: third-party}}",
        b"types: {x: {role: assessor, scope: ['NO']}}",
        b"types: {x: {role: assessor, more: 1}}",
        b"members: {x: {id: nobody}}",
        b"types: 3",
        b"",
        b"\xff",
    ],
)
def test_a_mapping_that_is_none_is_told(rules):
    with pytest.raises(Malformed) as caught:
        read_mapping(rules)
    assert caught.value.hint


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_told(data):
    try:
        read_mapping(data)
    except Problem:
        return


def test_nothing_is_planned_for_who_never_was_on_the_list():
    assert plan(EMPTY, mapped(entry(state=Standing.WITHDRAWN)).wanted, gone="x") == ()
    (step,) = plan(EMPTY, mapped(entry()).wanted, gone="x")
    assert (step.what, step.entry.ext["source"]["sequence"]) == (What.ADDED, 1)


def test_a_name_that_another_list_pins_to_another_key_is_refused():
    unit = EphemeralUnit()
    one, two = (unit.public(unit.generate(Algorithm.ES256, n)) for n in "ab")
    wanted = mapped(entry(keys=(one,))).wanted
    check_names(wanted, {AKI: ("others", [one])}, {AKI: [one]}, "mine")
    with pytest.raises(Tampered) as caught:
        check_names(wanted, {AKI: ("others", [two])}, {AKI: [one]}, "mine")
    assert caught.value.code == "list.claimed-twice"
