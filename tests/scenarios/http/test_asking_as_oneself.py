# SPDX-License-Identifier: Apache-2.0
"""What a store shows to some reaches these, across stores too, and nobody else."""

from contextlib import ExitStack

import httpx
import pytest
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import Operators, Wire, codes, passed_on

from kizuna.app.api.limits import Limits
from kizuna.app.wiring.judging.across import AcrossJudge
from kizuna.app.wiring.judging.question import Question
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level, Links
from kizuna.model.relation import Relation
from kizuna.record.store import OPERATOR, PUBLIC

THING = canonical("pkg:generic/kyoto/secret@1")
LAB = "lab.example/log"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ExitStack() as stack:
        made = Operators(tmp_path_factory.mktemp("oneself"), Hand(NOW), running, stack)
        made.clock.now += 60
        made.maker.register_one(
            made.maker.sign(Kind.LINK, THING, Links(complete=[Relation.PART_OF]))
        )
        claim = Claim(type="tested", level=Level.THIRD)
        signed = made.lab.say(
            Kind.CERTIFICATE, THING, claim, audience=[made.buyer.identity]
        )  # only the buyer may read the certificate
        made.lab.register_one(signed.statement, signed.documents)
        (made.secret,) = signed.documents.values()
        yield made


@pytest.fixture
def three(world):
    world.anew()
    world.buyer.trust.add_log(LAB, None, (), signed=False)
    return world


def as_oneself(three, url=None):
    three.buyer.trust.add_log(LAB, url or three.urls["lab"], (), signed=True)


def found(verdict):
    return {(f.code, dict(f.about).get("what")) for f in verdict.findings if f.counts}


def test_the_permitted_buyer_sees_what_is_restricted_elsewhere(three):
    as_oneself(three)
    verdict = three.judge(subject=THING)
    assert verdict.value is Value.TRUSTED, codes(verdict)
    assert verdict.view == "operator"


def test_as_the_public_the_same_part_is_undetermined_and_named(three):
    verdict = three.judge(subject=THING)
    assert verdict.value is Value.UNDETERMINED
    assert (Code.PROOF_WITHHELD, LAB) in found(verdict)


def test_another_organisation_sees_no_more_for_signing(three):
    other = three.workspace("other")
    other.set_anchors(three.buyer.anchors())
    other.trust.add_log(LAB, None, (), signed=True)
    own = three.buyer.log
    other.trust.add_log(own.origin, None, [key.vkey for key in own.keys])
    with running(three.buyer, three.clock, Limits()) as served:
        other.trust.add_log(own.origin, served.url, ())
        verdict = AcrossJudge(other).verify(Question(THING, three.profile()))
    assert verdict.value is Value.UNDETERMINED
    assert (Code.PROOF_WITHHELD, LAB) in found(verdict)


def test_what_was_shown_to_the_buyer_is_not_handed_on(three):
    """One process, one store, readers of several kinds: each gets what he would have got alone."""
    as_oneself(three)
    judge = AcrossJudge(three.buyer)
    asked = {
        view.name if view else "operator": Question(THING, three.profile(), view=view)
        for view in (None, OPERATOR, PUBLIC)
    }
    for _ in range(2):
        assert judge.verify(asked["operator"]).value is Value.TRUSTED
        stranger = judge.verify(asked["public"])
        assert stranger.value is Value.UNDETERMINED
        assert stranger.view == "public"
    assert AcrossJudge(three.buyer).verify(asked["public"]).value is Value.UNDETERMINED
    public = [path for path in (three.buyer.path / "remote").rglob("proven") if path.is_file()]
    for path in public:
        assert three.secret not in path.read_bytes()
    mine = list((three.buyer.path / "remote").rglob("proven-to-oneself"))
    assert any(three.secret in path.read_bytes() for path in mine)


def test_an_entry_that_names_the_log_is_enough(three):
    three.buyer.lists.add(
        three.buyer.identity, services=three.buyer.lists.state().entries[
            three.buyer.identity
        ].services, name="Buyer", logs=[three.buyer.log.origin, LAB],
    )  # fmt: skip
    assert three.judge(subject=THING).value is Value.TRUSTED
    three.buyer.lists.add(
        three.buyer.identity, services=three.buyer.lists.state().entries[
            three.buyer.identity
        ].services, name="Buyer", logs=[three.buyer.log.origin],
    )  # fmt: skip
    assert three.judge(subject=THING).value is Value.UNDETERMINED


def test_unsigned_questions_carry_no_name(three):
    seen = []

    class Ear(Wire):
        pass

    with Ear(three.urls["lab"], lambda body, told: seen.append(body) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        three.judge(subject=THING)
    assert seen
    assert not any(three.buyer.identity.encode() in body for body in seen)


def test_a_signature_is_good_for_one_question_at_one_address(three):
    """Whoever stands between cannot use it again, or for another question, or elsewhere."""
    oneself = AcrossJudge(three.buyer)._oneself
    body = b"\xa2\x01\x80\x02\x00"
    url = three.urls["lab"] + "/api/evidence"
    headers = {"content-type": "application/cbor", **oneself.signature("POST", url, body)}
    assert httpx.post(url, content=body, headers=headers, timeout=30).status_code == 200
    again = httpx.post(url, content=body, headers=headers, timeout=30)
    assert again.json()["code"] == "identity.request-replayed"
    fresh = {"content-type": "application/cbor", **oneself.signature("POST", url, body)}
    other = httpx.post(url, content=b"\xa2\x01\x80\x02\x01", headers=fresh, timeout=30)
    assert other.json()["code"] == "identity.request-digest"
    elsewhere = three.urls["maker"] + "/api/evidence"
    answer = httpx.post(elsewhere, content=body, headers=fresh, timeout=30)
    assert answer.json()["code"] == "identity.request-signature"


def test_a_store_that_refuses_signatures_is_asked_as_the_public(three):
    """The wire drops the headers that sign, and the store behind answers as to anybody."""
    with Wire(three.urls["lab"], lambda _, told: passed_on(told)) as wire:
        as_oneself(three, wire.url)
        verdict = three.judge(subject=THING)
    assert verdict.value is Value.UNDETERMINED
    assert (Code.PROOF_WITHHELD, LAB) in found(verdict)
    as_oneself(three)
    assert three.judge(subject=THING).value is Value.TRUSTED  # asked for again, though nothing grew
