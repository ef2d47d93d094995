# SPDX-License-Identifier: Apache-2.0
"""A purchase over stores of several operators: judged as ``verify`` judges, nothing registered."""

from contextlib import ExitStack

import pytest
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import Operators, Wire, passed_on

from kizuna.app.wiring.procure.buying import check
from kizuna.app.wiring.procure.request import Line, Request
from kizuna.app.wiring.procure.substitute import substitute
from kizuna.chain.exchange.asking import Question
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Links
from kizuna.model.relation import Relation
from kizuna.record.log.keys import subject_key
from kizuna.record.store import PUBLIC

PUMP = canonical("pkg:generic/kyoto/pump@4.2")
FAN = canonical("pkg:generic/kyoto/fan@1.0")
SPARE = canonical("pkg:generic/kyoto/spare@1.0")
BARE = canonical("pkg:generic/kyoto/bare@1.0")
LAB = "lab.example/log"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ExitStack() as stack:
        made = Operators(tmp_path_factory.mktemp("buying"), Hand(NOW), running, stack)
        made.product(SPARE)
        yield made


@pytest.fixture
def three(world):
    world.anew()
    return world


def asked(*parts, **more):
    return Request(request="rfq", lines=[Line(part=part) for part in parts], **more)


def values(answer):
    return {line["line"].part: line["value"] for line in answer.lines}


def test_lines_are_judged_by_what_other_stores_hold(three):
    size = three.buyer.head().size
    answer = check(three.buyer, asked(PUMP, FAN, SPARE, BARE), three.profile())
    told = values(answer)
    assert told[PUMP] is told[FAN] is told[SPARE] is Value.TRUSTED
    assert told[BARE] is not Value.TRUSTED
    assert three.buyer.head().size == size


def test_a_product_is_judged_as_verify_judges_it(three):
    verdict = three.judge(subject=PUMP)
    answer = check(three.buyer, Request(request="rfq", product=PUMP), three.profile())
    assert answer.verdict.value is verdict.value is Value.TRUSTED
    assert {k.origin for k in answer.verdict.known} == {k.origin for k in verdict.known}


def test_a_store_that_does_not_tell_holds_the_line_and_is_named(three):
    three.believe("lab", "http://127.0.0.1:9")
    answer = check(three.buyer, asked(PUMP), three.profile())
    assert values(answer)[PUMP] is Value.UNDETERMINED
    found = {(f.code, dict(f.about).get("what")) for f in answer.lines[0]["own"].findings}
    assert (Code.STORE_UNREACHABLE, LAB) in found


def test_strangers_and_offline_questions_ask_nobody(three):
    heard = []
    with Wire(three.urls["lab"], lambda body, told: heard.append(body) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        check(three.buyer, asked(PUMP), three.profile(), view=PUBLIC)
        check(three.buyer, asked(PUMP), three.profile(), offline=True)
    assert heard == []


def test_other_stores_hear_of_no_supposed_supplier(three):
    """Whom one thinks of buying from is nobody else's business."""
    heard = []
    with Wire(three.urls["lab"], lambda body, told: heard.append(body) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        line = Line(part=PUMP, suppliers=["did:web:secret.example"])
        check(three.buyer, Request(request="rfq", lines=[line]), three.profile())
    sent = b"".join(heard)
    assert b"secret.example" not in sent
    assert heard
    assert all(Question.from_bytes(body) for body in heard)
    assert subject_key(PUMP) in {k for body in heard for k in Question.from_bytes(body).keys}


def test_a_substitute_is_judged_over_all_stores(three):
    found = substitute(
        three.buyer, PUMP, FAN, three.maker.identity, three.profile(), other=SPARE
    )  # fmt: skip
    assert found["before"].value is Value.TRUSTED
    assert found["answer"].lines[0]["own"].value is Value.TRUSTED
    worse = substitute(three.buyer, PUMP, FAN, three.maker.identity, three.profile(), other=BARE)
    assert worse["after"].value is not Value.TRUSTED


def test_list_operators_are_nobody_s_suppliers(three):
    three.buyer.lists.add(
        three.maker.identity, roles=["list-operator", "confirmation-body"], scope=["*"],
        list_name=three.buyer.lists.create("others")["name"], name="Deputy",
    )  # fmt: skip
    untested = canonical("pkg:generic/kyoto/untested@1.0")
    three.clock.now += 60
    said = Links(complete=[Relation.PART_OF])
    three.maker.register_one(three.maker.sign(Kind.LINK, untested, said))
    answer = check(three.buyer, asked(untested), three.profile())
    (line,) = answer.told("en")["lines"]
    able = {one["id"]: one["as"] for m in line["missing"] for one in m["can_supply"]}
    assert able == {three.lab.identity: "certification-body"}
