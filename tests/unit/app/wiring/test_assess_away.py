# SPDX-License-Identifier: Apache-2.0
"""Sheets of answers and what comes back: whatever is sent, it is read or refused with a reason."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.wiring.assess.away import SHEET, SIGNED, Sheet, read_sheet, read_signed
from kizuna.app.wiring.assess.plan import Saying
from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target

SHEETS = Sheet(
    store="fuji.example/log",
    issuer=SubjectId("did:web:sato.example"),
    subject=SubjectId("pkg:generic/sato/pump@1"),
    profiles=("software-product",),
    element="component",
    sayings=(
        Saying(kind=None, name="policy.txt", document=b"reports", why="document"),
        Saying(kind=Kind.CAPABILITY, payload=Claim(type="secure-update"), why="claim"),
        Saying(
            kind=Kind.STATUS,
            payload=Status(action=Action.WITHDRAW, target=Target(statement="ab" * 32)),
            why="withdrawal",
        ),
        Saying(kind=Kind.EVIDENCE, payload=Claim(type="assessment/x"), why="summary"),
    ),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


def paths(value, here=()):
    yield here
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*here, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from paths(inner, (*here, place))


DOCUMENT = json.loads(SHEETS.to_json())
PATHS = [path for path in paths(DOCUMENT) if path]


def put(document, path, value):
    for step in path[:-1]:
        document = document[step]
    document[path[-1]] = value


def test_a_sheet_is_read_as_it_was_written():
    again = read_sheet(SHEETS.to_json())
    assert again == SHEETS
    assert again.seen == SHEETS.seen == DOCUMENT["seen"]


@given(path=st.sampled_from(PATHS), value=ANYTHING)
def test_whatever_is_changed_in_a_sheet_is_told_and_never_signed(path, value):
    document = json.loads(SHEETS.to_json())
    put(document, path, value)
    try:
        found = read_sheet(json.dumps(document).encode())
    except Problem as problem:
        assert problem.code
        return
    # what may differ without another digest says where it belongs, not what is signed
    assert found.sayings == SHEETS.sayings
    assert (found.issuer, found.subject) == (SHEETS.issuer, SHEETS.subject)


@given(data=st.binary(max_size=200) | ANYTHING.map(lambda v: json.dumps(v).encode()))
def test_anything_at_all_is_read_or_refused(data):
    for read in (read_sheet, read_signed):
        with pytest.raises(Problem):
            read(data)


@given(value=ANYTHING, member=st.sampled_from(["statements", "salts", "profiles", "seen", "more"]))
def test_signed_files_are_as_strict(value, member):
    good = {
        "format": SIGNED, "store": "x", "subject": "y", "profiles": ["p"], "element": "",
        "seen": "ab", "statements": [base64.b64encode(b"s").decode()], "salts": [],
    }  # fmt: skip
    assert read_signed(json.dumps(good).encode()).statements == (b"s",)
    try:
        found = read_signed(json.dumps(good | {member: value}).encode())
    except Problem as problem:
        assert problem.code == "assess.sheet-malformed"
        return
    assert all(isinstance(one, bytes) for one in (*found.statements, *found.salts))


def test_a_member_that_stands_twice_is_refused():
    text = SHEETS.to_json().decode().replace('"format"', '"seen": "00", "format"', 1)
    with pytest.raises(Problem) as refused:
        read_sheet(text.encode())
    assert refused.value.code == "assess.sheet-malformed"


def test_another_payload_under_the_old_digest_is_refused():
    document = json.loads(SHEETS.to_json())
    document["statements"][1]["payload"] = '{"type":"other"}'
    with pytest.raises(Refused) as refused:
        read_sheet(json.dumps(document).encode())
    assert refused.value.code == "assess.sheet-changed"


def test_a_payload_in_another_spelling_is_refused():
    document = json.loads(SHEETS.to_json())
    document["statements"][1]["payload"] = '{ "type": "secure-update" }'
    with pytest.raises(Problem) as refused:
        read_sheet(json.dumps(document).encode())
    assert refused.value.code == "assess.sheet-malformed"
    assert document["format"] == SHEET
