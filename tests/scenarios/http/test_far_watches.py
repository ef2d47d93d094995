# SPDX-License-Identifier: Apache-2.0
"""Watches and comparisons over chains that cross stores: the same judgement as ``verify``."""

import itertools
import threading
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import urlencode

import httpx
import pytest
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import PROFILE, Operators, Wire, passed_on

from kizuna.app.api.limits import Limits
from kizuna.app.wiring.asking_as_oneself import Oneself
from kizuna.app.wiring.criteria.catalogs import import_catalog
from kizuna.app.wiring.criteria.mappings import register_mappings
from kizuna.app.wiring.criteria.through import reading_through
from kizuna.app.wiring.judging.answers import standing_json
from kizuna.app.wiring.judging.question import Question as Ask
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.chain import exchange
from kizuna.chain.exchange.asking import Question
from kizuna.criteria.profiles import read_profile
from kizuna.model.errors import Misconfigured, Unavailable
from kizuna.model.finding import Value
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level
from kizuna.record.store import PUBLIC

LAB = "lab.example/log"
_NUMBER = itertools.count()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ExitStack() as stack:
        made = Operators(tmp_path_factory.mktemp("watches"), Hand(NOW), running, stack)
        made.buyer.publish_profile(read_profile(PROFILE.encode()))
        yield made


@pytest.fixture
def three(world):
    world.anew()
    return world


@pytest.fixture
def thing(three):
    name = canonical(f"pkg:generic/kyoto/watched-{next(_NUMBER)}@1")
    three.product(name)
    yield name
    three.buyer.unwatch(name, "across")


def of(standings, thing):
    (found,) = [one for one in standings if one.subject == thing]
    return found


def test_a_watch_sees_over_all_stores_and_hears_of_a_revocation_there(three, thing):
    buyer = three.buyer
    assert buyer.watch(thing, buyer.profile("across")).value is Value.TRUSTED
    heard = []
    stop = buyer.subscribe(heard.append)
    far = buyer.judge.watching.far
    assert far.look() == []
    three.revoke(thing)
    (change,) = far.look()
    stop()
    assert (change.before, change.after) == (Value.TRUSTED, Value.UNTRUSTED)
    assert heard == [change]
    assert of(buyer.portfolio(), thing).value is Value.UNTRUSTED
    assert far.look() == []


def test_where_nothing_grew_a_look_asks_each_store_once_and_for_nothing(three, thing):
    buyer = three.buyer
    buyer.watch(thing, buyer.profile("across"))
    buyer.judge.watching.far.look()
    asked = []
    with Wire(three.urls["lab"], lambda body, told: asked.append(body) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        buyer.judge.watching.far.look()  # other anchors: judged again
        asked.clear()
        buyer.judge.watching.far.look()
        three.believe("lab", three.urls["lab"])
    assert [Question.from_bytes(body).keys for body in asked] == [()]


def test_a_store_that_does_not_tell_is_named_in_the_portfolio(three, thing):
    buyer = three.buyer
    buyer.watch(thing, buyer.profile("across"))
    three.believe("lab", "http://127.0.0.1:9")
    buyer.judge.watching.far.look()
    standing = of(buyer.portfolio(), thing)
    assert standing.value is Value.UNDETERMINED
    assert standing_json(standing)["stores"] == [{"code": "store.unreachable", "origin": LAB}]
    three.believe("lab", three.urls["lab"])
    buyer.judge.watching.far.look()
    assert of(buyer.portfolio(), thing).stores == ()


def test_without_an_address_elsewhere_nobody_is_asked(three, thing):
    alone = three.workspace(f"alone{next(_NUMBER)}")
    assert alone.judge.watching.far is None
    lab = [key.vkey for key in three.lab.log.keys]
    alone.trust.add_log(LAB, None, lab)
    assert alone.judge.watching.far is None


def test_nobody_looks_where_nothing_is_watched(three):
    asked = []
    quiet = three.workspace(f"quiet{next(_NUMBER)}")
    with Wire(three.urls["lab"], lambda body, told: asked.append(body) or passed_on(told)) as wire:
        quiet.trust.add_log(LAB, wire.url, [key.vkey for key in three.lab.log.keys])
        assert quiet.judge.watching.far.look() == []
    assert asked == []


def test_strangers_see_what_this_store_holds_and_make_it_ask_nobody(three, thing):
    buyer = three.buyer
    buyer.watch(thing, buyer.profile("across"))
    asked = []
    with Wire(three.urls["lab"], lambda body, told: asked.append(body) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        buyer.portfolio(view=PUBLIC)
    assert asked == []


def test_a_server_looks_by_itself_and_tells_its_listeners(three, thing):
    buyer = three.buyer
    buyer.watch(thing, buyer.profile("across"))
    three.revoke(thing)
    told, arrived = [], threading.Event()
    settings = replace(buyer.settings, look_every=10)
    with Workspace.open(settings=settings, read_only=False) as second:
        second.subscribe(lambda change: (told.append(change), arrived.set()))
        second.live()
        assert arrived.wait(60)
        assert (told[0].subject, told[0].after) == (thing, Value.UNTRUSTED)


@pytest.mark.parametrize(
    ("text", "every"), [("", 300), ("off", None), ("10", 10), ("86400", 86400)]
)
def test_how_often_a_server_looks_is_a_setting(text, every):
    assert Settings.from_environment({"KIZUNA_LOOK_EVERY": text}).look_every == every


@pytest.mark.parametrize("text", ["0", "9", "86401", "-1", "1e3", "often", "１０", "9" * 40])
def test_a_bad_interval_is_refused(text):
    with pytest.raises(Misconfigured) as problem:
        Settings.from_environment({"KIZUNA_LOOK_EVERY": text})
    assert problem.value.code == "setting.interval"


def test_comparing_over_http_asks_other_stores_for_the_operator_alone(three, thing):
    buyer = three.buyer
    query = urlencode({"subject": thing, "profile": "across", "list": "own", "across": "true"})
    with running(buyer, three.clock, Limits()) as served:
        for path in ("/api/compare", "/api/explain", "/api/verify"):
            url = f"{served.url}{path}?{query}"
            assert httpx.get(url, timeout=30).json()["code"] == "verify.across-operator"
            signed = Oneself(buyer).signature("GET", url, b"")
            told = httpx.get(url, headers=signed, timeout=30).json()
            verdicts = told.get("verdicts", [told])
            assert [one["verdict"] for one in verdicts] == ["trusted"], path
        local = httpx.get(f"{served.url}/api/compare?{query}".replace("true", "false"), timeout=30)
    assert [one["verdict"] for one in local.json()["verdicts"]] == ["undetermined"]


# --- bundles while others write ---------------------------------------------------------------


def growing(monkeypatch, workspace, times):
    """Let the store grow in the middle of every bundle, so often."""
    true, left = exchange.pack_bundle, [times]

    def packed(*parts, **more):
        if left[0] > 0:
            left[0] -= 1
            name = canonical(f"pkg:generic/grown-{next(_NUMBER)}@1")
            said = workspace.sign(Kind.CERTIFICATE, name, Claim(type="x", level=Level.SELF))
            workspace.store.submit([said], now=workspace.clock())
        return true(*parts, **more)

    monkeypatch.setattr(exchange, "pack_bundle", packed)


def test_a_bundle_is_made_whole_while_others_write(three, monkeypatch):
    buyer = three.buyer
    growing(monkeypatch, buyer, 3)
    written = buyer.export_bundle(canonical("pkg:generic/kyoto/pump@4.2"), three.profile())
    assert written.statements > 0


def test_a_store_that_never_rests_says_so(three, monkeypatch):
    growing(monkeypatch, three.buyer, 10**6)
    with pytest.raises(Unavailable) as problem:
        three.buyer.export_bundle(canonical("pkg:generic/kyoto/pump@4.2"), three.profile())
    assert problem.value.code == "bundle.moved-on"


def test_a_watch_over_stores_reads_mappings_as_verify_does(three, thing):
    """By a measure whose control is shown elsewhere under another catalog's claim."""
    buyer = three.buyer
    text = PROFILE.replace("profile: across", "profile: mapped")
    plain = read_profile(text.encode())
    (asked, *_) = plain.requirements
    import_catalog(buyer, b"id,title\nL-1,a\n", name="left")
    import_catalog(buyer, b"id,title\nR.1,a\n", name="right")
    tested = asked.claim
    for name, claim, control in (
        ("shown", tested, "left#L-1"),
        ("mapped", ("never-said",), "right#R.1"),
    ):
        made = replace(asked, claim=claim, control=control)
        others = tuple(r for r in plain.requirements if r.id != asked.id)
        buyer.publish_profile(replace(plain, name=name, requirements=(made, *others)))
    mapping = (
        b"mapping: l-to-r\nversion: '1'\ntitle: {en: x}\nsource: own\nfrom: left\nto: right\n"
        b"ties: [{from: L-1, relation: equal, to: R.1, confidence: high}]\n"
    )
    register_mappings(buyer, mapping, accept=True)
    chosen = buyer.profile("mapped")
    reading = reading_through(buyer.settings, chosen, ["l-to-r"])
    put = buyer.judge.across.verify
    said = reading.judge(lambda by: put(Ask(thing, by)))
    try:
        standing = buyer.watch(thing, chosen, through=["l-to-r"])
        assert (standing.value, standing.through) == (said.value, ("l-to-r",))
        assert said.value is Value.TRUSTED
        assert buyer.watch(thing, chosen).value is not Value.TRUSTED
        three.revoke(thing)
        (change,) = buyer.judge.watching.far.look()
        assert (change.through, change.before) == (("l-to-r",), Value.TRUSTED)
    finally:
        buyer.unwatch(thing, "mapped")
