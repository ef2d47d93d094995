# SPDX-License-Identifier: Apache-2.0
"""What came in: offers under their requests, what each lacks, what is new, what evidence says."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kizuna.app.cli.tree import build
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.procure.inbox import Seen, inbox, told_elsewhere, with_decisions
from kizuna.app.wiring.procure.quoting import REQUEST, agree, issue, offer, quotations
from kizuna.app.wiring.procure.request import Line, Request
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm
from kizuna.record.lists import Role, service_for
from kizuna.record.store.hosting import Hosting

from .conftest import NOW, Party

PROFILE = shipped_profile("software-product")
PUMP, VALVE = "pkg:generic/sato/pump@1", "pkg:generic/sato/valve@2"


@pytest.fixture
def join(opened, tmp_path, clock):
    def make(name):
        settings = Settings(store=tmp_path / name, clock=clock)
        services = [service_for(Role.MAKER, scope=[f"pkg:generic/{name}"])]
        hosting = Hosting(opened.workspace.store)
        code = hosting.invite(now=NOW, expires_at=NOW + 3600, services=services)
        return Member.join(settings.store, opened.url, code, name.title(), settings=settings)

    return make


@pytest.fixture
def buyer(opened):
    return opened.workspace


def asked(buyer, *suppliers, **more):
    request = Request(
        request="rfq-1", title="Pumps", lines=[Line(part=PUMP), Line(part=VALVE)], **more
    )
    return issue(buyer, request, PROFILE, to=[s.identity for s in suppliers])["request"]


def box(who, *, clock, seen=-1):
    told = who.quotations() if isinstance(who, Member) else quotations(who)
    return inbox(told, who.identity, clock(), seen=seen)


def test_each_offer_says_under_which_request_and_what_it_lacks(buyer, join, clock):
    sato, rival = join("sato"), join("rival")
    which = asked(buyer, sato, rival, deadline="2026-12-31")
    assert [r["state"] for r in box(buyer, clock=clock)["requests"]] == ["waiting"]
    assert [r["state"] for r in box(sato, clock=clock)["requests"]] == ["to-answer"]
    whole = offer(sato, which, terms="12 EUR", until="2027-01-31")["offer"]
    part = offer(rival, which, lines=["20", "99"])["offer"]
    found = box(buyer, clock=clock)
    offers = {one["offer"]: one for one in found["offers"]}
    assert {one["name"] for one in offers.values()} == {"rfq-1"}
    assert (offers[whole]["state"], offers[whole]["missing"]) == ("complete", [])
    assert offers[part]["state"] == "incomplete"
    assert [(m["what"], m["line"]) for m in offers[part]["missing"]] == [
        ("line", "10"),
        ("unasked", "99"),
        ("terms", ""),
    ]
    (request,) = found["requests"]
    assert (request["mine"], request["state"], request["offers"]) == (True, "offered", 2)
    assert [r["state"] for r in box(sato, clock=clock)["requests"]] == ["answered"]
    agree(buyer, whole, quotations(buyer))
    after = box(buyer, clock=clock)
    assert after["requests"][0]["state"] == "agreed"
    assert {o["offer"]: o["state"] for o in after["offers"]} == {
        whole: "agreed",
        part: "incomplete",
    }
    assert [o["state"] for o in box(sato, clock=clock)["offers"]] == ["agreed"]


def test_what_came_late_or_ended_is_told(buyer, join, clock):
    sato, rival = join("sato"), join("rival")
    which = asked(buyer, sato, rival, deadline="2026-11-25")
    offer(sato, which, terms="12 EUR", until="2026-11-30")
    clock.now += 5 * 86_400
    offer(rival, which, terms="11 EUR")
    first, late = box(buyer, clock=clock)["offers"]
    assert (first["state"], late["state"]) == ("complete", "incomplete")
    assert [m["what"] for m in late["missing"]] == ["late"]
    clock.now += 5 * 86_400
    assert box(buyer, clock=clock)["offers"][0]["state"] == "ended"


def test_new_is_what_came_after_the_last_look(buyer, join, clock, opened):
    sato, rival = join("sato"), join("rival")
    which = asked(buyer, sato, rival)
    assert box(sato, clock=clock)["new"] == 1, "a request for a supplier is new to it"
    offer(sato, which, terms="12 EUR")
    found = box(buyer, clock=clock)
    assert found["new"] == 1, "one's own request is not"
    seen = Seen(buyer.path)
    assert seen.mark(found["last"]) == found["last"]
    assert seen.mark(0) == found["last"], "it never goes back"
    assert box(buyer, clock=clock, seen=seen.last())["new"] == 0
    offer(rival, which, terms="11 EUR")
    later = box(buyer, clock=clock, seen=seen.last())
    assert [o["by"] for o in later["offers"] if o["new"]] == [rival.identity]
    (buyer.path / "procure-inbox.json").write_text("spoilt")
    assert seen.last() == -1


def test_open_offers_are_judged_by_evidence(buyer, join, clock):
    sato = join("sato")
    which = asked(buyer, sato)
    offer(sato, which, terms="we are certified")
    (one,) = with_decisions(buyer, box(buyer, clock=clock), "en")["offers"]
    assert one["decision"] in ("hold", "no-go")
    assert [line["line"] for line in one["lacks"]] == ["10", "20"]
    assert all(line["messages"] for line in one["lacks"])
    assert one["why_not"] == ""
    none = with_decisions(buyer, box(buyer, clock=clock), "en", most=0)
    assert (none["offers"][0]["decision"], none["unjudged"]) == ("", 1)


def test_a_measure_that_is_not_at_hand_is_told(buyer, join, clock):
    sato = join("sato")
    which = asked(buyer, sato)
    offer(sato, which, terms="12 EUR")
    found = box(buyer, clock=clock)
    found["requests"][0]["profile"] = {"name": "nobody-knows", "sha256": "00"}
    (one,) = with_decisions(buyer, found, "en")["offers"]
    assert (one["decision"], "nobody-knows" in one["why_not"]) == ("", True)


def run(*words, code=0):
    done = CliRunner().invoke(build(), list(map(str, words)))
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_command_api_and_page_say_the_same(opened, buyer, join, clock, monkeypatch, lang):
    sato = join("sato")
    which = asked(buyer, sato)
    offered = offer(sato, which, lines=["10"], terms="12 EUR")["offer"]
    monkeypatch.setattr(Settings, "from_environment", lambda **_: buyer.settings)
    monkeypatch.setattr("kizuna.app.cli.door.Door.workspace", lambda *_, **__: buyer, raising=True)
    told = json.loads(run("procure", "offers", "--check", "--json", "--lang", lang))
    hand = Party(buyer.unit)
    hand.handle, hand.identity = buyer.handle, buyer.identity
    served = opened.signed(hand, "/api/procure/quotations", check="true", lang=lang).json()
    assert served["requests"] == told["requests"]
    assert [o["state"] for o in served["offers"]] == [o["state"] for o in told["offers"]]
    assert [o["decision"] for o in served["offers"]] == [o["decision"] for o in told["offers"]]
    shown = run("procure", "offers", "--lang", lang)
    assert (offered in shown, ("new" if lang == "en" else "新着") in shown) == (True, True)
    with httpx.Client(base_url=opened.url, headers={"accept": "text/html"}) as client:
        public = client.get("/procure", params={"lang": lang}).text
        assert offered not in public
        token = {"token": "token-of-this-server"}
        client.post("/sign-in", data=token, headers={"origin": opened.url})
        page = client.get("/procure", params={"lang": lang}).text
        assert offered in page
        twin = client.get("/procure.json").json()["inbox"]
        assert [o["missing"] for o in twin["offers"]] == [o["missing"] for o in told["offers"]]
    run("procure", "offers", "--seen", "--lang", lang)
    assert json.loads(run("procure", "offers", "--json"))["new"] == 0


def test_the_mark_over_http_is_the_operators(opened, buyer, join, party):
    sato = join("sato")
    asked(buyer, sato)
    url = f"{opened.url}/api/procure/seen"
    body = b'{"last": 3}'
    kind = {"content-type": "application/json"}
    hand = Party(buyer.unit)
    hand.handle, hand.identity = buyer.handle, buyer.identity
    for who, status in ((None, 404), (party(), 401), (hand, 200)):
        headers = {} if who is None else who.headers(url, method="POST", body=body)
        answer = opened.client.post(url, content=body, headers=headers | kind)
        assert answer.status_code in (status, 403, 404) if status != 200 else True
        assert (answer.status_code == 200) is (status == 200), answer.text
    assert Seen(buyer.path).last() == 3


def test_a_member_who_buys_has_an_inbox_of_its_own(join, clock, monkeypatch):
    small, sato = join("small"), join("sato")
    which = asked(small, sato)
    offer(sato, which, terms="9 EUR")
    monkeypatch.setattr(Settings, "from_environment", lambda **_: small.settings)
    told = json.loads(run("procure", "offers", "--seen", "--json"))
    assert [(o["state"], o["new"]) for o in told["offers"]] == [("complete", True)]
    assert json.loads(run("procure", "offers", "--json"))["new"] == 0
    refused = json.loads(run("procure", "offers", "--check", "--json", code=2))
    assert refused["code"] == "procure.check-elsewhere"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b'{"requests": 1, "offers": []}',
        b'{"requests": [{"subject": "x"}], "offers": []}',
        b'{"requests": [], "offers": [{"offer": 1}]}',
    ],
)
def test_a_store_that_answers_with_something_else_is_refused(join, monkeypatch, said):
    sato = join("sato")
    monkeypatch.setattr("kizuna.app.wiring.member.joined.Joined.fetch", lambda *_: said)
    with pytest.raises(Malformed) as refused:
        sato.quotations()
    assert refused.value.code == "request.answer"


@given(
    lines=st.lists(st.sampled_from(["10", "20", "30"]), max_size=4),
    deadline=st.sampled_from([None, "2026-11-25", "soon", "2020-01-01"]),
    until=st.sampled_from([None, "2027-01-01", "2020-01-01", "never"]),
    terms=st.sampled_from(["", "x"]),
    agreed=st.booleans(),
)
def test_whatever_was_offered_has_one_state_and_reasons_for_it(
    lines, deadline, until, terms, agreed
):
    request = {
        "request": "aa", "subject": "did:example:b/requests/r", "index": 1, "by": "did:example:b",
        "to": [], "public": True, "lines": [{"line": "10"}, {"line": "20"}], "deadline": deadline,
        "at": NOW, "title": "", "profile": None,
    }  # fmt: skip
    one = {
        "offer": "bb", "subject": request["subject"], "index": 2, "by": "did:example:s",
        "request": "aa", "at": NOW, "agreed": agreed, "lines": lines, "terms": terms,
        "until": until,
    }  # fmt: skip
    told = told_elsewhere(json.dumps({"requests": [request], "offers": [one]}).encode())
    found = inbox(told, "did:example:b", NOW)
    (offer_,) = found["offers"]
    assert offer_["state"] in ("agreed", "ended", "complete", "incomplete")
    if offer_["state"] == "complete":
        assert not offer_["missing"]
    if offer_["state"] == "incomplete":
        assert offer_["missing"]
    assert found["last"] == 2


def test_a_request_that_somebody_wrote_otherwise_keeps_nobody_from_reading_the_others(
    opened, buyer, join, clock
):
    sato = join("sato")
    which = asked(buyer, sato)
    strange = (
        {"lines": None},
        {"lines": 5},
        {"lines": [{"part": {}, "line": ["x"]}]},
        {"lines": [], "deadline": {"a": 1}},
        {"lines": [], "profile": "x"},
    )
    for number, document in enumerate(strange):
        subject = f"{sato.identity}/requests/{number}"
        norm = Norm(type=REQUEST, name=REQUEST, version=str(number), document=document)
        signed = sato.say(Kind.NORM, subject, norm)
        sato.register_one(signed.statement, signed.documents)
    assert [one["request"] for one in box(buyer, clock=clock)["requests"]] == [which]
    assert [one["request"] for one in box(sato, clock=clock)["requests"]] == [which]
    assert httpx.get(f"{opened.url}/api/procure/quotations").json()["requests"] == []


def test_what_an_offer_lacks_is_counted_and_named_within_bounds():
    lines = [{"line": str(number), "part": "p"} for number in range(20_000)]
    request = {"request": "r", "subject": "a/requests/r", "by": "a", "index": 0, "lines": lines}
    offered = {"offer": "o", "request": "r", "by": "b", "index": 1, "at": 0, "agreed": False}
    told = {
        "requests": [request],
        "offers": [offered | {"lines": ["x"], "terms": "1 EUR", "until": None}],
    }
    (one,) = inbox(told, None, NOW)["offers"]
    assert (one["state"], one["lacking"], len(one["missing"])) == ("incomplete", 20_001, 200)
