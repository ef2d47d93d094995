# SPDX-License-Identifier: Apache-2.0
"""A list is what its registered entries make of it, in their order, and nobody enters himself."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from msgspec.structs import replace as replace_struct

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Level, Membership, Standing, Status, Target
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.record.lists import (
    ListState,
    Role,
    difference,
    grant,
    list_id_of,
    service_for,
    suspend,
    withdraw,
)
from kizuna.record.lists.state import What

OPERATOR, AKI, BEN, CHO = (SubjectId(f"did:web:{n}.example") for n in ("op", "aki", "ben", "cho"))
LIST = list_id_of(OPERATOR, "makers")
MAKER = service_for(Role.MAKER, scope=["pkg:generic/aki"])
DEPUTY = service_for(Role.LIST_OPERATOR, scope=["did:web:cho.example"])


class Book:
    """Registers statements one after another, a day apart."""

    def __init__(self) -> None:
        self.items: list[Registered] = []

    def add(self, issuer, subject, payload):
        kind = Kind.STATUS if isinstance(payload, Status) else Kind.MEMBERSHIP
        index = len(self.items)
        digest = Digest(sha256(bytes([index])).digest())
        statement = Statement(
            digest=digest,
            content=digest,
            issuer=issuer,
            subject=subject,
            kind=kind,
            media_type=media_type_of(kind),
            key_id=b"k",
            payload=payload,
        )
        at = Interval(index * 86_400, index * 86_400)
        self.items.append(Registered(statement=statement, origin="o", index=index, registered=at))
        return digest.hex()

    def state(self, below=None):
        return ListState.of(LIST, OPERATOR, reversed(self.items), below_index=below)


def act(action, statement, reason="because"):
    return Status(action=action, target=Target(statement=statement), reason=reason)


@pytest.fixture
def book():
    return Book()


def test_an_entry_has_state_reason_and_history(book):
    entry = grant(LIST, [MAKER], name="Aki Seiki", reason="audited")
    first = book.add(OPERATOR, AKI, entry)
    book.add(OPERATOR, AKI, suspend(entry, "no answer since May"))
    book.add(OPERATOR, AKI, entry)
    last = book.add(OPERATOR, AKI, withdraw(entry, "closed"))
    states = [(e.state, e.reason) for e in book.state().history(AKI)]
    assert states == [
        (Standing.WITHDRAWN, "closed"),
        (Standing.GRANTED, "audited"),
        (Standing.SUSPENDED, "no answer since May"),
        (Standing.GRANTED, "audited"),
    ]
    assert book.state().entries[AKI].statement == last
    assert book.state(below=1).entries[AKI].statement == first
    assert book.state().history(BEN) == ()


def test_what_a_member_may_say_depends_on_kind_word_scope_and_date(book):
    until = datetime(1970, 1, 11, tzinfo=UTC)
    book.add(OPERATOR, AKI, grant(LIST, [MAKER], valid_until=until))
    state = book.state()
    fan = "pkg:generic/aki/fan@1"
    assert state.may(AKI, Kind.CAPABILITY, fan, "description", at=0)
    assert state.may(AKI, Kind.CAPABILITY, AKI, "description", at=0)
    assert not state.may(AKI, Kind.CERTIFICATE, fan, "ce", at=0)
    assert not state.may(AKI, Kind.CAPABILITY, "pkg:generic/ben/fan@1", "description", at=0)
    assert not state.may(BEN, Kind.CAPABILITY, fan, "description", at=0)
    assert not state.may(AKI, Kind.CAPABILITY, fan, "description", at=10 * 86_400)
    assert [e.member for e in state.in_force(0)] == [AKI]
    assert state.in_force(10 * 86_400) == ()


def test_nobody_enters_himself_nor_do_strangers_vouch_for_each_other(book):
    book.add(AKI, AKI, grant(LIST, [DEPUTY]))
    book.add(AKI, BEN, grant(LIST, [DEPUTY]))
    book.add(BEN, AKI, grant(LIST, [DEPUTY]))
    state = book.state()
    assert state.entries == {}
    assert [d.code for d in state.disregarded] == [
        "list.own-entry",
        "list.not-entitled",
        "list.not-entitled",
    ]


def test_a_deputy_enters_others_within_its_scope_from_its_own_entry_on(book):
    early = grant(LIST, [MAKER])
    book.add(BEN, CHO, early)
    book.add(OPERATOR, BEN, grant(LIST, [DEPUTY]))
    book.add(BEN, CHO, early)
    book.add(BEN, AKI, early)
    book.add(BEN, BEN, grant(LIST, [MAKER, DEPUTY]))
    state = book.state()
    assert set(state.entries) == {BEN, CHO}
    assert state.entries[CHO].index == 2
    assert [d.index for d in state.disregarded] == [0, 3, 4]


def test_a_deputy_hands_on_no_more_than_it_has(book):
    held = service_for(Role.LIST_OPERATOR, scope=["did:web:cho.example", "pkg:generic/cho"])
    book.add(OPERATOR, BEN, grant(LIST, [held]))
    everything = service_for(Role.CERTIFICATION_BODY, scope=["*"])
    wide = service_for(Role.MAKER, scope=["pkg:generic", "pkg:npm"])
    narrow = service_for(Role.MAKER, scope=["pkg:generic/cho/fans"])
    foreign = service_for(Role.MAKER, scope=["pkg:generic/aki"])
    book.add(BEN, CHO, grant(LIST, [everything, wide, narrow, foreign]))
    given = book.state().entries[CHO].services
    assert [s.scope for s in given] == [
        ["did:web:cho.example", "pkg:generic/cho"],
        ["pkg:generic/cho"],
        ["pkg:generic/cho/fans"],
        [],
    ]
    later = book.state()
    assert not later.may(CHO, Kind.CERTIFICATE, "pkg:generic/aki/x@1", "iso-9001", 90_000)
    assert later.may(CHO, Kind.CERTIFICATE, "pkg:generic/cho/x@1", "iso-9001", 90_000)
    book.add(OPERATOR, CHO, grant(LIST, [everything]))  # the operator may
    assert book.state().entries[CHO].services == (everything,)


def test_a_deputy_hands_on_its_own_level_and_words_only(book):
    held = replace_struct(
        service_for(Role.LIST_OPERATOR, scope=["*"]), claims=["maker"], level=Level.SECOND
    )
    book.add(OPERATOR, BEN, grant(LIST, [held]))
    body = service_for(Role.CERTIFICATION_BODY, scope=["*"])
    high = replace_struct(MAKER, level=Level.THIRD)
    book.add(BEN, CHO, grant(LIST, [body, high]))
    (given,) = book.state().entries[CHO].services
    assert (given.type, given.level, given.scope) == ("maker", Level.SECOND, MAKER.scope)


def test_a_deputy_taken_off_the_list_keeps_what_it_entered_before(book):
    deputy = grant(LIST, [DEPUTY])
    book.add(OPERATOR, BEN, deputy)
    book.add(BEN, CHO, grant(LIST, [MAKER]))
    book.add(OPERATOR, BEN, withdraw(deputy, "left"))
    book.add(BEN, CHO, grant(LIST, [MAKER], reason="again"))
    state = book.state()
    assert state.entries[CHO].index == 1
    assert [d.index for d in state.disregarded] == [3]


def test_a_status_suspends_reinstates_and_ends_an_entry(book):
    entry = book.add(OPERATOR, AKI, grant(LIST, [MAKER]))
    book.add(BEN, AKI, act(Action.REVOKE, entry))
    book.add(OPERATOR, AKI, act(Action.SUSPEND, entry, "inquiry"))
    assert book.state().entries[AKI].state is Standing.SUSPENDED
    book.add(OPERATOR, AKI, act(Action.REINSTATE, entry, "cleared"))
    assert book.state().entries[AKI].state is Standing.GRANTED
    book.add(OPERATOR, AKI, act(Action.REVOKE, entry, "forged"))
    book.add(OPERATOR, AKI, act(Action.REINSTATE, entry, "no"))
    state = book.state()
    assert [e.state.value for e in state.history(AKI)] == [
        "withdrawn",
        "granted",
        "suspended",
        "granted",
    ]
    assert [d.index for d in state.disregarded] == [1]


def test_a_status_on_a_replaced_entry_changes_nothing(book):
    old = book.add(OPERATOR, AKI, grant(LIST, [MAKER]))
    book.add(OPERATOR, AKI, grant(LIST, [MAKER, DEPUTY]))
    book.add(OPERATOR, AKI, act(Action.REVOKE, old))
    assert book.state().entries[AKI].state is Standing.GRANTED


def test_other_lists_and_other_kinds_are_passed_over(book):
    other = list_id_of(OPERATOR, "testers")
    book.add(OPERATOR, AKI, grant(other, [MAKER]))
    book.add(OPERATOR, BEN, grant(LIST, [MAKER]))
    assert set(book.state().entries) == {BEN}


def test_differences_say_what_became_of_each_member(book):
    maker = grant(LIST, [MAKER])
    book.add(OPERATOR, AKI, maker)
    book.add(OPERATOR, BEN, maker)
    before = book.state()
    book.add(OPERATOR, AKI, suspend(maker, "late"))
    book.add(OPERATOR, BEN, grant(LIST, [MAKER, DEPUTY]))
    book.add(OPERATOR, CHO, maker)
    middle = book.state()
    assert [(c.member, c.what) for c in difference(before, middle)] == [
        (AKI, What.SUSPENDED),
        (BEN, What.SERVICES),
        (CHO, What.ADDED),
    ]
    book.add(OPERATOR, AKI, maker)
    book.add(OPERATOR, BEN, withdraw(maker, "left"))
    book.add(OPERATOR, CHO, maker)
    assert [(c.member, c.what) for c in difference(middle, book.state())] == [
        (AKI, What.REINSTATED),
        (BEN, What.WITHDRAWN),
        (CHO, What.RENEWED),
    ]
    assert difference(middle, middle) == ()
    assert {c.what for c in difference(middle, before)} >= {What.REMOVED}


def test_an_entry_needs_services_and_its_end_a_reason():
    with pytest.raises(Malformed) as fault:
        grant(LIST, [])
    assert fault.value.code == "list.no-services"
    with pytest.raises(Malformed) as fault:
        withdraw(grant(LIST, [MAKER]), " ")
    assert fault.value.code == "list.reason-missing"


def test_a_list_is_named_below_its_operator():
    assert list_id_of(SubjectId("did:key:z1"), "own") == "did:key:z1/lists/own"
    assert list_id_of(SubjectId("https://a.example/"), "x") == "https://a.example/lists/x"


def test_entries_survive_any_order_of_reading(book):
    entry = grant(LIST, [MAKER])
    book.add(OPERATOR, AKI, entry)
    book.add(OPERATOR, AKI, withdraw(entry, "closed"))
    backwards = ListState.of(LIST, OPERATOR, [replace(r) for r in book.items[::-1]])
    assert backwards == ListState.of(LIST, OPERATOR, book.items)
    assert isinstance(book.items[0].statement.payload, Membership)
