# SPDX-License-Identifier: Apache-2.0
"""Which stores are asked about which names, and what is read of a question and its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.chain.exchange.asking import MOST_KEYS, Answer, Question
from kizuna.chain.exchange.routing import Routing
from kizuna.model.errors import Malformed, Unavailable
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Link, Links, Membership, Service, Standing
from kizuna.model.relation import Relation
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.model.trust import Anchors, ListAnchor, LogAnchor
from kizuna.record.lists import in_scope
from kizuna.worlds.network import Network, tiers_of

LIST = "https://example.org/list"
OPERATOR = "did:example:operator"
ANCHORS = Anchors(lists=[ListAnchor(id=LIST, operator=OPERATOR, name="own")])
LOGS = frozenset({"a.example", "b.example", "c.example"})
NAMES = [
    "pkg:generic/acme/fan@1",
    "pkg:generic/acme-evil/fan@1",
    "https://shop.example/1",
    "urn:x:1",
]
SCOPES = [
    "*",
    "pkg:generic/acme",
    "pkg:generic/",
    "https://shop.example/",
    "urn:x:1",
    "pkg:generic",
]


def said(subject, payload, issuer=OPERATOR, kind=Kind.MEMBERSHIP, origin="a.example"):
    digest = Digest(bytes(32))
    return Registered(
        statement=Statement(
            digest=digest, content=digest, issuer=SubjectId(issuer), subject=SubjectId(subject),
            kind=kind, media_type="x", key_id=b"", payload=payload,
        ),
        origin=origin, index=0, registered=Interval(0, 0),
    )  # fmt: skip


def entry(member, *scope, logs=(), kinds=(Kind.CERTIFICATE,)):
    service = Service(
        type="x", kinds=list(kinds), claims=["*"], scope=list(scope), level=Level.SELF
    )
    payload = Membership(list_id=LIST, state=Standing.GRANTED, services=[service], logs=list(logs))
    return said(member, payload)


def test_a_name_is_asked_where_those_speak_who_may_speak_of_it():
    routing = Routing(ANCHORS, LOGS)
    routing.see(entry("did:example:acme", "pkg:generic/acme", logs=["a.example"]))
    routing.see(entry("did:example:lab", "*", logs=["b.example"]))
    assert routing.of_name("pkg:generic/acme/fan@1") == {"a.example", "b.example"}
    assert routing.of_name("pkg:generic/acme-evil/fan@1") == {"b.example"}
    assert routing.of_name("did:example:acme") == {"a.example", "b.example"}


def test_who_names_no_log_may_have_spoken_in_any():
    routing = Routing(ANCHORS, LOGS)
    routing.see(entry("did:example:lab", "*"))
    assert routing.of_name(NAMES[0]) == LOGS
    routing.see(entry("did:example:lab", "*", logs=["b.example"]))
    assert (
        routing.of_name(NAMES[0]) == LOGS
    )  # no later entry takes back what an earlier one left open


def test_a_maker_nobody_listed_is_looked_for_everywhere():
    routing = Routing(ANCHORS, LOGS)
    assert routing.of_name(NAMES[0]) == frozenset()
    link = Link(relation=Relation.MADE_BY, object="did:example:stranger")
    routing.see(said(NAMES[0], Links(links=[link]), "did:example:lister", Kind.LINK))
    assert routing.of_name(NAMES[0]) == LOGS


def test_entries_are_looked_for_where_operator_and_deputies_speak():
    routing = Routing(ANCHORS, LOGS)
    assert routing.of_lists() == LOGS
    routing.see(entry(OPERATOR, "*", logs=["a.example"], kinds=[Kind.MEMBERSHIP]))
    assert routing.of_lists() == {"a.example"}
    routing.see(entry("did:example:deputy", "did:", logs=["c.example"], kinds=[Kind.MEMBERSHIP]))
    assert routing.of_lists() == {"a.example", "c.example"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["did:example:p", "did:example:q"]),
            st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3),
            st.lists(st.sampled_from(sorted(LOGS)), max_size=2),
        ),
        max_size=6,
    ),
    st.sampled_from(NAMES),
)
def test_never_a_store_too_few(entries, name):
    routing = Routing(ANCHORS, LOGS)
    for member, scope, logs in entries:
        routing.see(entry(member, *scope, logs=logs))
    asked = routing.of_name(name)
    for _, scope, logs in entries:
        if in_scope(name, scope):
            assert set(logs or LOGS) <= asked


@given(st.binary(max_size=200))
def test_any_bytes_are_a_question_or_refused(data):
    for read in (Question.from_bytes, Answer.from_bytes):
        try:
            read(data)
        except Malformed as fault:
            assert fault.code in ("exchange.question", "exchange.answer")


@given(
    st.lists(st.binary(min_size=32, max_size=32), max_size=5, unique=True), st.integers(0, 2**40)
)
def test_a_question_is_read_as_it_was_sent(keys, since):
    asked = Question(keys=tuple(keys), since=since)
    assert Question.from_bytes(asked.to_bytes()) == asked
    told = Answer(bundle=b"x", grown=tuple(keys))
    assert Answer.from_bytes(told.to_bytes()) == told


def test_a_question_is_bounded():
    keys = tuple(n.to_bytes(32, "big") for n in range(MOST_KEYS + 1))
    with pytest.raises(Malformed):
        Question.from_bytes(Question(keys=keys).to_bytes())


def test_the_simulated_network_delays_and_falls_silent():
    network = Network({"a": lambda q: q + b"!"}, delay=0.0, dead=frozenset({"b"}))
    assert network(LogAnchor(origin="a", keys=[]), b"x") == b"x!"
    assert (network.questions, network.received) == (1, 2)
    for origin in ("b", "c"):
        with pytest.raises(Unavailable):
            network(LogAnchor(origin=origin, keys=[]), b"x")
    assert sorted(n for tier in tiers_of(100, 6) for n in tier) == list(range(100))
