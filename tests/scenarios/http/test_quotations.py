# SPDX-License-Identifier: Apache-2.0
"""A buyer asks, suppliers offer over HTTP, the buyer agrees: each signed, each read by its own."""

import json

import pytest
from typer.testing import CliRunner

from kizuna.app.cli.tree import build
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.procure.quoting import OFFER, agree, issue, offer, quotations
from kizuna.app.wiring.procure.request import Line, Request
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Absent, Malformed, Problem, Refused
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm
from kizuna.record.lists import Role, service_for
from kizuna.record.store import PUBLIC, View
from kizuna.record.store.hosting import Hosting

from .conftest import NOW

PROFILE = shipped_profile("software-product")
PUMP = "pkg:generic/sato/pump@1"


@pytest.fixture
def join(served, tmp_path, clock):
    def make(name):
        settings = Settings(store=tmp_path / name, clock=clock)
        services = [service_for(Role.MAKER, scope=[f"pkg:generic/{name}"])]
        code = Hosting(served.workspace.store).invite(
            now=NOW, expires_at=NOW + 3600, services=services
        )
        return Member.join(settings.store, served.url, code, name.title(), settings=settings)

    return make


@pytest.fixture
def buyer(served):
    return served.workspace


def request(name="rfq-1", **more):
    return Request(request=name, lines=[Line(part=PUMP, quantity=3)], **more)


def test_a_hosted_supplier_offers_and_the_buyer_agrees(buyer, join):
    sato, rival = join("sato"), join("rival")
    made = issue(buyer, request(suppliers=[sato.identity, rival.identity]), PROFILE)
    (seen,) = sato.quotations()["requests"]
    assert (seen["request"], seen["lines"]) == (
        made["request"],
        [{"line": "10", "part": PUMP, "quantity": 3}],
    )
    offered = offer(sato, made["request"], lines=["10"], terms="12 EUR", until="2027-01-31")
    other = offer(rival, made["request"], terms="11 EUR")
    found = quotations(buyer)["offers"]
    assert [(one["by"], one["terms"]) for one in found] == [
        (sato.identity, "12 EUR"),
        (rival.identity, "11 EUR"),
    ]
    # no supplier sees what another one offers
    assert [one["offer"] for one in sato.quotations()["offers"]] == [offered["offer"]]
    assert [one["offer"] for one in rival.quotations()["offers"]] == [other["offer"]]
    told = agree(buyer, offered["offer"], quotations(buyer))
    assert told["with"] == sato.identity
    agreed = {one["offer"]: one["agreed"] for one in quotations(buyer)["offers"]}
    assert agreed == {offered["offer"]: True, other["offer"]: False}
    assert [one["agreed"] for one in sato.quotations()["offers"]] == [True]
    assert [one["agreed"] for one in rival.quotations()["offers"]] == [False]


def test_strangers_see_nothing_of_it(served, buyer, join):
    sato = join("sato")
    made = issue(buyer, request(suppliers=[sato.identity]), PROFILE)
    offer(sato, made["request"])
    nothing = {"requests": [], "offers": []}
    assert quotations(buyer, view=PUBLIC) == nothing
    assert quotations(buyer, view=View.of(join("rival").identity)) == nothing
    told = served.client.get("/api/procure/quotations").json()
    assert (told["requests"], told["offers"], told["new"]) == ([], [], 0)


def test_a_hosted_buyer_asks_and_agrees_as_well(buyer, join):
    small, sato = join("small"), join("sato")
    made = issue(small, request(), PROFILE, to=[sato.identity])
    offered = offer(sato, made["request"], terms="9 EUR")
    told = agree(small, offered["offer"], small.quotations())
    assert told["with"] == sato.identity
    with pytest.raises(Refused) as caught:
        agree(buyer, offered["offer"], quotations(buyer))
    assert caught.value.code == "procure.not-buyer"


def test_who_was_not_asked_offers_in_vain(buyer, join):
    sato, uninvited = join("sato"), join("uninvited")
    made = issue(buyer, request(suppliers=[sato.identity]), PROFILE)
    with pytest.raises(Problem) as caught:
        offer(uninvited, made["request"])  # to whom the request looks absent
    assert isinstance(caught.value, Absent)
    norm = Norm(type=OFFER, name=OFFER, version="1", document={"request": made["request"]})
    signed = uninvited.say(Kind.NORM, made["subject"], norm)
    forced, _ = uninvited.register_one(signed.statement)
    assert quotations(buyer)["offers"] == []
    with pytest.raises(Malformed) as caught:
        agree(buyer, forced, quotations(buyer))
    assert caught.value.code == "procure.no-request"


def test_everybody_answers_a_public_request(buyer, join):
    sato = join("sato")
    made = issue(buyer, request(), PROFILE, public=True)
    offer(sato, made["request"])
    assert [one["by"] for one in quotations(buyer)["offers"]] == [sato.identity]
    assert [one["request"] for one in quotations(buyer, view=PUBLIC)["requests"]] == [
        made["request"]
    ]
    assert quotations(buyer, view=PUBLIC)["offers"] == []


def test_an_offer_that_ended_is_not_agreed_to(buyer, join, clock):
    sato = join("sato")
    made = issue(buyer, request(suppliers=[sato.identity]), PROFILE)
    offered = offer(sato, made["request"], until="2020-01-31")
    with pytest.raises(Refused) as caught:
        agree(buyer, offered["offer"], quotations(buyer))
    assert caught.value.code == "procure.offer-ended"


def test_a_request_for_nobody_is_refused(buyer):
    with pytest.raises(Malformed) as caught:
        issue(buyer, request(), PROFILE)
    assert caught.value.code == "procure.nobody-asked"


def test_an_offer_gives_no_standing(buyer, join):
    """What is offered is no evidence: the answer of a check is the same with and without."""
    from kizuna.app.wiring.procure.buying import check  # noqa: PLC0415 - told apart from the rest

    sato = join("sato")
    asked = request(suppliers=[sato.identity])
    before = check(buyer, asked, PROFILE).told("en")
    made = issue(buyer, asked, PROFILE)
    offered = offer(sato, made["request"], terms="we are certified")
    agree(buyer, offered["offer"], quotations(buyer))
    after = check(buyer, asked, PROFILE).told("en")
    assert [line["decision"] for line in after["lines"]] == [
        line["decision"] for line in before["lines"]
    ]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_commands_say_the_same(buyer, join, monkeypatch, tmp_path, lang):
    sato = join("sato")
    made = issue(buyer, request(f"rfq-{lang}", suppliers=[sato.identity]), PROFILE)
    monkeypatch.setattr(Settings, "from_environment", lambda **_: sato.settings)

    def run(*words):
        done = CliRunner().invoke(build(), ["procure", *words, "--lang", lang])
        assert done.exit_code == 0, done.output
        return done.stdout

    told = json.loads(run("offer", made["request"], "--terms", "7 EUR", "--json"))
    shown = run("offers")
    assert told["offer"] in shown
    assert made["request"] in shown
    assert agree(buyer, told["offer"], quotations(buyer))["offer"] == told["offer"]
