# SPDX-License-Identifier: Apache-2.0
"""Attacks on what crosses the network: forged ages, addresses put into lists, signatures carried
elsewhere, answers that never end.
"""

import itertools
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import Operators, Wire, passed_on
from tests.scenarios.http.test_idle_logs import Witnessed

from kizuna.app.wiring.judging.across import AcrossJudge
from kizuna.app.wiring.judging.question import Question as Asked
from kizuna.app.wiring.telling import Teller
from kizuna.chain.exchange.asking import Answer, Question
from kizuna.chain.exchange.bundle import Bundle
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import canonical
from kizuna.record.log.keys import subject_key
from kizuna.record.log.note import COSIGNATURE, NoteKey, cosign, parse_note
from kizuna.record.log.signer import Signer
from kizuna.record.store import PUBLIC, View
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.software import SoftwareUnit

DAY = 86_400
AGED = "max_store_age: 7 days\n"
LAB = "lab.example/log"
THING = canonical("pkg:generic/kyoto/attacked@1")
_NUMBER = itertools.count()


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with ExitStack() as stack:
        made = Witnessed(tmp_path_factory.mktemp("attacks"), Hand(NOW), running, stack)
        made.look()
        made.look()
        made.product(THING)
        made.look()
        yield made


@pytest.fixture
def three(watched):
    watched.anew()
    watched.look()  # whatever day an earlier test left behind
    return watched


@pytest.fixture
def ear():
    """A server that remembers whoever speaks to it."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", heard
    server.shutdown()
    server.server_close()
    thread.join(5)


def stores(verdict):
    return {
        (f.code, dict(f.about).get("what")) for f in verdict.findings if f.requirement == "store"
    }


def with_checkpoint(told, change):
    answer = Answer.from_bytes(told.content)
    bundle = Bundle.from_bytes(answer.bundle)
    made = Answer(
        bundle=replace(bundle, checkpoint=change(bundle.checkpoint)).to_bytes(),
        grown=answer.grown,
    ).to_bytes()
    return 200, {"content-length": str(len(made))}, [made]


def another_line(three, signer, at):
    """The checkpoint with the line of whoever holds this key in the witness's place."""

    def change(checkpoint):
        note = parse_note(checkpoint)
        own = [s for s in note.signatures if s.name != three.witness.name]
        text = note.text
        line = cosign(text, signer, at)
        return f"{text}\n".encode() + b"".join(s.line().encode() for s in (*own, line))

    return change


def test_a_forged_cosignature_makes_nothing_young(three):
    """The store signs in the witness's name with a key of its own: as a line of nobody's key, it
    says nothing, and what it proved before stays as old as it was.
    """
    unit = SoftwareUnit.ephemeral()
    forger = Signer("w.example", unit, unit.generate(Algorithm.EDDSA, "forged"))
    assert three.judge(subject=THING, more=AGED).value is Value.TRUSTED
    three.clock.now += 8 * DAY
    forged = another_line(three, forger, three.clock.now)
    with Wire(three.urls["lab"], lambda _, told: with_checkpoint(told, forged)) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge(subject=THING, more=AGED)
    assert verdict.value is Value.UNDETERMINED
    assert LAB in {what for _, what in stores(verdict)}
    three.look()


def test_a_cosignature_under_the_witness_s_own_key_id_must_hold(three):
    """A line that names the witness's key and does not verify is a sign of tampering."""
    unit = SoftwareUnit.ephemeral()
    forger = Signer("w.example", unit, unit.generate(Algorithm.EDDSA, "forged"))
    true = NoteKey.of(three.witness, COSIGNATURE)

    def forge(checkpoint):
        note = parse_note(checkpoint)
        own = [s for s in note.signatures if s.name != three.witness.name]
        line = replace(cosign(note.text, forger, three.clock.now), key_id=true.key_id)
        return f"{note.text}\n".encode() + b"".join(s.line().encode() for s in (*own, line))

    with Wire(three.urls["lab"], lambda _, told: with_checkpoint(told, forge)) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge(subject=THING, more=AGED)
    assert verdict.value is Value.UNDETERMINED
    assert (Code.PROOF_INCOMPLETE, LAB) in stores(verdict)


def test_an_old_cosignature_played_again_makes_nothing_young(three):
    old = []
    with Wire(three.urls["lab"], lambda _, told: old.append(told) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        three.look()
        assert three.judge(subject=THING, more=AGED).value is Value.TRUSTED
    three.clock.now += 8 * DAY
    three.look()

    three.anew()
    with Wire(three.urls["lab"], lambda *_: passed_on(old[-1])) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge(subject=THING, more=AGED)
    assert verdict.value is Value.UNDETERMINED


def test_a_look_of_the_witness_is_taken_in_once_by_a_look_at_the_store(three):
    """Age comes by looks that ask for the checkpoint alone; each is kept in the earlier one's
    place, so that years of them need no more room than one.
    """
    assert three.judge(subject=THING, more=AGED).value is Value.TRUSTED
    sizes = []
    for _ in range(4):
        three.clock.now += 6 * DAY
        three.look()
        assert three.judge(subject=THING, more=AGED, fresh=False).value is Value.TRUSTED
        files = (three.buyer.path / "remote").glob("*/proven")
        sizes.append(sum(file.stat().st_size for file in files))
    assert sizes[-1] < sizes[0] * 1.2
    later = three.judge(subject=THING, more=AGED, offline=True)
    assert later.value is Value.TRUSTED, "what lies there is as young as the last look"


def test_a_warm_answer_ages_as_a_cold_one(three):
    assert three.judge(subject=THING, more=AGED).value is Value.TRUSTED
    three.clock.now += 8 * DAY
    warm = three.judge(subject=THING, more=AGED, fresh=False)
    assert warm.value is Value.UNDETERMINED
    assert warm == three.judge(subject=THING, more=AGED)
    three.look()


def test_an_answer_about_the_checkpoint_is_made_anew_when_a_witness_looked(three):
    teller = Teller(three.lab)
    question = Question(keys=(), since=0).to_bytes()
    first = teller.answer(question, PUBLIC)
    assert teller.answer(question, PUBLIC) is first
    assert teller.answer(question, View.of(three.buyer.identity)) == first
    three.clock.now += 60
    three.look()
    second = teller.answer(question, PUBLIC)
    assert second != first
    three.certify(canonical(f"pkg:generic/kyoto/told-{next(_NUMBER)}@1"))
    third = teller.answer(question, PUBLIC)
    assert Bundle.from_bytes(Answer.from_bytes(third).bundle).checkpoint != (
        Bundle.from_bytes(Answer.from_bytes(second).bundle).checkpoint
    )
    asked = Question(keys=(subject_key(THING),), since=0).to_bytes()
    assert teller.answer(asked, PUBLIC) is not teller.answer(asked, PUBLIC), "lists are not kept"
    three.look()


def test_an_address_in_a_list_is_never_asked(three, ear):
    """Lists name logs; where a log answers is said by the verifier's anchors alone."""
    url, heard = ear
    place = url.removeprefix("http://")
    trap = canonical(f"pkg:generic/trap-{next(_NUMBER)}/x@1")
    for origin in (place, url, "http://169.254.169.254/latest", f"{place}/api/evidence"):
        three.buyer.lists.add(
            f"did:web:trap{next(_NUMBER)}.example", roles=["maker"],
            scope=[trap.rpartition("/")[0]], name="Trap", logs=[origin],
        )  # fmt: skip
    verdict = three.judge(subject=trap)
    assert verdict.value is Value.UNDETERMINED
    assert Code.STORE_UNREACHABLE in {finding.code for finding in verdict.findings}
    assert heard == []


def test_a_redirect_carries_no_signature_elsewhere(three, ear):
    url, heard = ear

    def elsewhere(_body, _told):
        return 307, {"location": f"{url}/api/evidence", "content-length": "0"}, []

    with Wire(three.urls["lab"], elsewhere) as wire:
        three.buyer.trust.add_log(LAB, wire.url, (), signed=True)
        verdict = three.judge(subject=THING)
    three.buyer.trust.add_log(LAB, three.urls["lab"], (), signed=False)
    assert (Code.STORE_UNREACHABLE, LAB) in stores(verdict)
    assert heard == []


def test_a_glance_at_a_store_that_never_ends_is_bounded_and_named(three):
    def drip(_body, _told):
        return 200, {}, (b"\xa2" for _ in itertools.count())

    with Wire(three.urls["lab"], drip) as wire:
        three.believe("lab", wire.url)
        found = dict(AcrossJudge(three.buyer, patience=1.0).glance())
    assert found[LAB] in ("store.unreachable", "proof.incomplete")


def test_one_bad_store_takes_nothing_from_the_others(three):
    with Wire(three.urls["lab"], lambda *_: None) as wire:
        three.believe("lab", wire.url)
        judge = AcrossJudge(three.buyer, patience=5.0)
        found = dict(judge.glance())
        verdict = judge.verify(Asked(THING, three.profile()))
    assert found[LAB] == "store.unreachable"
    assert found["maker.example/log"].partition(":")[0].isdigit()
    assert verdict.value is Value.UNDETERMINED
    assert {what for _, what in stores(verdict)} == {LAB}


def test_operators_without_witnesses_are_not_confused_with_those_that_have(tmp_path_factory):
    """A quorum that nobody can meet makes no verdict trusted, whatever stores say."""
    with ExitStack() as stack:
        made = Operators(tmp_path_factory.mktemp("unwitnessed"), Hand(NOW), running, stack)
        unit = SoftwareUnit.ephemeral()
        signer = Signer("w.example", unit, unit.generate(Algorithm.EDDSA, "witness"))
        made.buyer.trust.add_witness(NoteKey.of(signer, COSIGNATURE).vkey, 1)
        assert made.judge().value is not Value.TRUSTED
