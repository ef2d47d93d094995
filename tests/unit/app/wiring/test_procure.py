# SPDX-License-Identifier: Apache-2.0
"""Buying: lines, candidates and substitutes over the one verdict; nothing is registered."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from kizuna.app.wiring.demo import open_demo
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.procure.answer import outcome_of
from kizuna.app.wiring.procure.buying import check
from kizuna.app.wiring.procure.opening import ask, opened
from kizuna.app.wiring.procure.request import Line, Request, read_request, when
from kizuna.app.wiring.procure.substitute import substitute
from kizuna.app.wiring.procure.table import cell, table_of
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.finding import Value
from kizuna.model.outcome import Outcome
from kizuna.record.store import PUBLIC

MODEL = "pkg:generic/aoba-air/ac-9@2.3"
SERIAL = "https://id.aoba-air.example/01/09520123456788/21/AC9-0271"
BOARD = "pkg:generic/kawase-boards/cb-40@c"
DRIVE = "pkg:generic/misaki-drives/dd-12@3.0"
STRANGER = "did:web:unknown.example"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    settings = Settings(store=tmp_path_factory.mktemp("procure") / "store")
    demo = open_demo(settings, named=False)
    demo.register()
    with demo.workspace as workspace:
        yield workspace


@pytest.fixture(scope="module")
def profile(shop):
    return shop.profile("building-services")


def maker_of(shop, profile, part):
    answer = check(shop, Request(product=MODEL, lines=[Line(part=part)]), profile)
    return answer.lines[0]["suppliers"][0][0]


def test_lines_are_judged_as_the_parts_that_they_are(shop, profile):
    before = shop.store.head()
    request = Request(product=MODEL, lines=[Line(part=BOARD), Line(part=DRIVE)])
    answer = check(shop, request, profile)
    told = answer.told("en")
    assert told["decision"] == "go"
    assert [line["decision"] for line in told["lines"]] == ["go", "go"]
    assert [line["line"] for line in told["lines"]] == ["10", "20"]
    assert told["lines"][0]["suppliers"][0]["name"] == "Kawase Control Boards"
    assert outcome_of(answer) is Outcome.HOLDS
    assert shop.store.head() == before


def test_a_candidate_of_whom_nothing_is_known_is_hold_and_not_no_go(shop, profile):
    good = maker_of(shop, profile, BOARD)
    request = Request(
        product=MODEL, deadline="2026-12-15", lines=[Line(part=BOARD, suppliers=[STRANGER, good])]
    )
    (line,) = check(shop, request, profile).told("en")["lines"]
    assert [s["decision"] for s in line["suppliers"]] == ["hold", "go"]
    assert line["decision"] == "go"
    assert line["choose"] == good
    missing = line["suppliers"][0]["missing"][0]
    assert missing["code"] == "party.silent"
    assert missing["by"] == when("2026-12-15")
    alone = Request(product=MODEL, lines=[Line(part=BOARD, suppliers=[STRANGER])])
    answer = check(shop, alone, profile)
    assert answer.value is Value.UNDETERMINED
    assert outcome_of(answer) is Outcome.CHAIN_INCOMPLETE


def test_without_a_product_each_line_is_what_is_bought(shop, profile):
    answer = check(shop, Request(lines=[Line(part=BOARD)]), profile)
    (line,) = answer.told("ja")["lines"]
    assert line["decision"] == "hold"
    by = {one["requirement"]: one for one in line["missing"]}
    assert any(one["can_supply"] for one in by.values())


def test_an_unknown_substitute_is_shown_and_changes_nothing(shop, profile):
    request = Request(
        product=MODEL, lines=[Line(part=BOARD, substitutes=[DRIVE, "pkg:generic/no/one@1"])]
    )
    answer = check(shop, request, profile)
    (line,) = answer.told("en")["lines"]
    assert [s["decision"] for s in line["substitutes"]] == ["go", "hold"]
    assert answer.value is Value.TRUSTED
    assert answer.verdict.value is shop.verify(Question(MODEL, profile)).value


def test_a_substitute_is_judged_before_anyone_switches(shop, profile):
    before = shop.store.head()
    bad = substitute(shop, SERIAL, BOARD, STRANGER, profile)
    assert (bad["before"].value, bad["after"].value) == (Value.TRUSTED, Value.UNDETERMINED)
    other = maker_of(shop, profile, DRIVE)
    good = substitute(shop, SERIAL, BOARD, other, profile, other=DRIVE)
    assert good["after"].value is Value.TRUSTED
    assert good["changed"] > 0
    assert shop.store.head() == before
    assert shop.verify(Question(SERIAL, profile)).value is Value.TRUSTED


def test_a_line_that_is_no_part_is_refused(shop, profile):
    with pytest.raises(Absent) as caught:
        substitute(shop, SERIAL, "pkg:generic/no/one@1", STRANGER, profile)
    assert caught.value.code == "procure.no-such-line"


def test_a_withdrawn_certificate_makes_a_line_no_go(shop, profile, tmp_path):
    settings = Settings(store=tmp_path / "store")
    demo = open_demo(settings, named=False)
    demo.register()
    demo.break_it()
    with demo.workspace as workspace:
        answer = check(workspace, Request(product=SERIAL), profile)
        assert answer.value is Value.UNTRUSTED
        assert answer.told("en")["decision"] == "no-go"
        assert outcome_of(answer) in (Outcome.NOT_TRUSTED, Outcome.NONCONFORMANT, Outcome.TAMPERED)


BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {
        "component": {"type": "device", "bom-ref": "r", "name": "Rig", "purl": "pkg:x/rig@1"}
    },
    "components": [
        {"type": "library", "bom-ref": "a", "name": "A", "version": "1", "purl": "pkg:npm/a@1"},
        {"type": "library", "bom-ref": "b", "name": "B", "version": "1", "purl": "pkg:npm/b@1"},
    ],
    "dependencies": [{"ref": "r", "dependsOn": ["a", "b"]}],
}


def test_one_call_from_a_bill_of_materials_registers_nothing(shop):
    before = shop.store.head()
    asked = opened(shop, json.dumps(BOM).encode(), "rig.json", suppliers=[STRANGER])
    told = ask(shop, asked, "software-product", shop.profile).told("en")
    assert [line["name"] for line in told["lines"]] == ["A", "B"]
    assert {line["decision"] for line in told["lines"]} == {"hold"}
    assert told["product"]["part"] == "pkg:x/rig@1"
    assert shop.store.head() == before
    assert table_of(told).decode("utf-8-sig").count("\r\n") == 3


def test_what_a_bill_claims_beside_its_parts_is_not_heard(shop):
    blessed = {
        **BOM,
        "declarations": {
            "assessors": [{"bom-ref": "s", "thirdParty": True, "organization": {"name": "Me"}}],
            "claims": [{"bom-ref": "c", "target": "r", "predicate": "fine"}],
            "attestations": [{"assessor": "s", "map": [{"requirement": "q", "claims": ["c"]}]}],
        },
        "definitions": {
            "standards": [{"bom-ref": "st", "name": "S", "requirements": [{"bom-ref": "q"}]}]
        },
    }
    plain = opened(shop, json.dumps(BOM).encode(), "a.json")
    more = opened(shop, json.dumps(blessed).encode(), "b.json")
    assert [x.links for _, _, x in more.bill if x.links] == [
        x.links for _, _, x in plain.bill if x.links
    ]


def test_a_request_names_its_profile_or_the_call_does(shop):
    asked = opened(shop, b"product: pkg:x/rig@1\n", "r.yaml")
    with pytest.raises(Malformed) as caught:
        ask(shop, asked, None, shop.profile)
    assert caught.value.code == "procure.no-profile"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"prodcut: pkg:x/y", "procure.request"),
        (b"lines: [{part: x}]", "procure.request"),
        (b"lines: [{part: not an identifier}]", "identifier.malformed"),
        (b"lines: [{part: 'pkg:x/y', line: a}, {part: 'pkg:x/z', line: a}]", "procure.line-twice"),
        (b"deadline: tomorrow-ish", "procure.deadline"),
        (b"a: &x 1\nb: *x", "procure.request"),
        (b"!!python/object:os.system {}", "procure.request"),
        (b"request: 1\nrequest: 2", "procure.request"),
        (b"\xff\xfe\x00", "procure.request"),
        (b"", "procure.request"),
    ],
)
def test_a_bad_request_is_refused_with_its_line(text, code):
    with pytest.raises(Malformed) as caught:
        read_request(text)
    assert caught.value.code == code


@given(st.binary(max_size=300))
@trials(max_examples=150, deadline=None)
def test_any_bytes_are_a_request_or_a_problem(data):
    try:
        read_request(data)
    except Problem as problem:
        assert problem.code


def test_an_empty_request_buys_nothing(shop, profile):
    with pytest.raises(Malformed) as caught:
        check(shop, Request(), profile)
    assert caught.value.code == "procure.nothing"


def test_no_cell_is_a_formula():
    assert cell("=HYPERLINK()") == "'=HYPERLINK()"
    assert cell("\uff1dHYPERLINK()") == "'\uff1dHYPERLINK()"  # of full width: one in Japanese
    assert cell("plain") == "plain"


def test_a_restricted_store_shows_a_stranger_no_more(shop, profile):
    told = check(shop, Request(product=MODEL), profile, view=PUBLIC).told("en")
    assert told["product"]["verdict"] in ("trusted", "undetermined")
