# SPDX-License-Identifier: Apache-2.0
"""A chain crosses stores of several operators: what holds, what is missing, who must act; and what
comes of a store that lies, leaves out, forks, drips, falls silent or sends elsewhere.
"""

import datetime as dt
import ipaddress
import itertools
import shutil
import ssl
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import FAN, Operators, Wire, codes, passed_on

from kizuna.app.api.limits import Limits
from kizuna.app.wiring.judging import question
from kizuna.app.wiring.judging.across import AcrossJudge, stores_elsewhere
from kizuna.app.wiring.remote import Forks, ask_store, publish_forks
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.chain.exchange.asking import Answer, Question
from kizuna.chain.exchange.bundle import Bundle
from kizuna.model.errors import Malformed, Unavailable
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.outcome import Outcome
from kizuna.model.payload import Claim, Level, Link, Links
from kizuna.model.relation import Relation
from kizuna.model.trust import LogAnchor
from kizuna.record.log.keys import subject_key

DAY = 86_400
LAB = "lab.example/log"
MAKER = "maker.example/log"
_NUMBER = itertools.count()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ExitStack() as stack:
        yield Operators(tmp_path_factory.mktemp("operators"), Hand(NOW), running, stack)


@pytest.fixture
def three(world):
    world.anew()
    world.patience = 20.0
    return world


@pytest.fixture
def thing(three):
    """A product of its own for tests that change what is said of it."""
    name = canonical(f"pkg:generic/kyoto/thing-{next(_NUMBER)}@1")
    three.product(name)
    return name


def about_store(verdict):
    return {
        (f.code, dict(f.about).get("what")) for f in verdict.findings if f.requirement == "store"
    }


# --- what should be -------------------------------------------------------------------------


def test_a_chain_over_three_operators_is_one_verdict(three):
    verdict = three.judge()
    assert verdict.value is Value.TRUSTED, codes(verdict)
    assert {k.origin for k in verdict.known} == {"buyer.example/log", MAKER, LAB}
    assert verdict.coverage.subjects == 2
    assert three.judge().canonical_bytes() == verdict.canonical_bytes()


def test_a_revocation_elsewhere_counts_at_the_next_question(three, thing):
    assert three.judge(subject=thing).value is Value.TRUSTED
    three.revoke(thing)
    verdict = three.judge(subject=thing)
    assert verdict.value is Value.UNTRUSTED
    assert (Code.CLAIM_REVOKED.value, thing) in codes(verdict)
    assert verdict.outcome is Outcome.NOT_TRUSTED


def test_warm_answers_are_renewed_when_any_store_grew(three, thing):
    first = three.judge(subject=thing, fresh=False)
    assert three.judge(subject=thing, fresh=False) == first
    three.revoke(thing)
    assert three.judge(subject=thing, fresh=False).value is Value.UNTRUSTED


def test_what_is_remembered_needs_no_second_proof(three):
    three.judge()
    asked = []
    with Wire(three.urls["lab"], lambda body, told: asked.append(body) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        shutil.copytree(three.buyer.path / "remote", three.folder / f"kept-{next(_NUMBER)}")
        assert three.judge().value is Value.TRUSTED
    assert [Question.from_bytes(body).keys for body in asked] == [()]


def remembered(three):
    """Bytes and time of writing of each file in the folder of what stores proved."""
    files = sorted((three.buyer.path / "remote").glob("*/proven*"))
    return [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]


def test_looking_again_and_again_leaves_nothing_behind(three):
    first = three.judge()
    kept = remembered(three)
    assert len(kept) == 2
    for _ in range(3):
        assert three.judge(fresh=False) == first
        assert three._judge.glance()
    assert remembered(three) == kept
    assert three.judge() == first, "and by a process that begins with what lies there"
    assert remembered(three) == kept


def test_a_store_that_grew_is_remembered_at_its_new_checkpoint_alone(three, thing):
    three.judge(subject=thing)
    before = remembered(three)
    three.revoke(thing)
    assert three.judge(subject=thing, fresh=False).value is Value.UNTRUSTED
    after = remembered(three)
    assert after != before
    assert three.judge(subject=thing, offline=True, more="max_store_age: 7 days\n").value is (
        Value.UNTRUSTED
    )
    assert remembered(three) == after


def test_a_store_is_asked_only_about_names_of_which_it_may_know(three):
    asked = []
    with Wire(
        three.urls["maker"], lambda body, told: asked.append(body) or passed_on(told)
    ) as wire:
        three.believe("maker", wire.url)
        three.judge(subject=canonical("pkg:generic/osaka/valve@1"))
    keys = {key for body in asked for key in Question.from_bytes(body).keys}
    assert subject_key("pkg:generic/osaka/valve@1") not in keys


def test_nobody_is_asked_without_an_address_or_offline(three):
    alone = Workspace.init(
        three.folder / f"alone-{next(_NUMBER)}", "Alone", now=NOW,
        settings=Settings(store=three.folder / f"alone-{next(_NUMBER)}", clock=three.clock),
    )  # fmt: skip
    with alone:
        assert stores_elsewhere(alone) == []
    with Wire(three.urls["lab"], lambda *_: pytest.fail("asked")) as wire:
        three.believe("lab", wire.url)
        three.believe("maker", wire.url)
        verdict = three.judge(offline=True)
    assert verdict.value is Value.UNDETERMINED
    assert verdict.outcome is Outcome.UNREACHABLE


# --- silence, age, outage -------------------------------------------------------------------


def test_a_dead_store_makes_only_its_part_undetermined_and_is_named(three):
    valve = canonical(f"pkg:generic/osaka-{next(_NUMBER)}/valve@1")
    whole = canonical(f"pkg:generic/kyoto/whole-{next(_NUMBER)}@1")
    gone = f"osaka-{next(_NUMBER)}.example/log"
    maker = three.workspace(f"osaka{next(_NUMBER)}")
    three.buyer.lists.add(
        maker.identity, roles=["maker"], scope=[valve.rpartition("/")[0]], name="Osaka", logs=[gone]
    )
    three.product(whole, FAN, valve)
    three.buyer.trust.add_log(gone, "http://127.0.0.1:9", [k.vkey for k in maker.log.keys])
    verdict = three.judge(subject=whole)
    assert verdict.value is Value.UNDETERMINED
    assert verdict.outcome is Outcome.UNREACHABLE
    (finding,) = [f for f in verdict.findings if f.code is Code.STORE_UNREACHABLE]
    assert finding.subject == valve
    assert dict(finding.about)["what"] == gone
    assert "127.0.0.1:9" in dict(finding.about)["reason"]
    assert three.judge(subject=FAN).value is Value.TRUSTED  # nothing of it can stand there


def test_a_log_that_a_list_names_and_no_anchor_knows_is_told(three):
    valve = canonical(f"pkg:generic/nara-{next(_NUMBER)}/valve@1")
    stranger = three.workspace(f"nara{next(_NUMBER)}")
    three.buyer.lists.add(
        stranger.identity, roles=["maker"], scope=[valve.rpartition("/")[0]], name="Nara",
        logs=["nara.example/log"],
    )  # fmt: skip
    three.clock.now += 60
    three.certify(valve)
    verdict = three.judge(subject=valve)
    assert verdict.value is Value.UNDETERMINED
    assert (Code.STORE_UNREACHABLE, "nara.example/log") in about_store(verdict)


def test_untrusted_survives_an_outage_and_trusted_does_not(three, thing):
    good = canonical(f"pkg:generic/kyoto/good-{next(_NUMBER)}@1")
    three.product(good)
    three.revoke(thing)
    assert three.judge(subject=thing).value is Value.UNTRUSTED
    assert three.judge(subject=good).value is Value.TRUSTED
    three.believe("lab", "http://127.0.0.1:9")
    assert three.judge(subject=thing).value is Value.UNTRUSTED
    verdict = three.judge(subject=good)
    assert verdict.value is Value.UNDETERMINED
    assert (Code.STORE_UNREACHABLE, LAB) in about_store(verdict)


def test_what_is_young_enough_by_the_profile_bridges_an_outage_until_it_is_stale(three, thing):
    aged = "max_store_age: 7 days\n"
    assert three.judge(subject=thing, more=aged).value is Value.TRUSTED
    three.believe("lab", "http://127.0.0.1:9")
    assert three.judge(subject=thing, more=aged).value is Value.TRUSTED
    verdict = three.judge(subject=thing, more=aged, at=three.clock.now + 8 * DAY)
    assert verdict.value is Value.UNDETERMINED
    assert verdict.outcome is Outcome.STALE
    assert (Code.STORE_STALE, LAB) in about_store(verdict)


def test_a_frozen_view_ages(three, thing):
    """A store that answers with an old truth is believed no longer than the profile allows."""
    frozen = {}

    def freeze(body, told):
        keys = Question.from_bytes(body).keys
        if keys or not frozen:
            return passed_on(frozen.setdefault(keys, told))
        return passed_on(next(iter(frozen.values())))

    aged = "max_store_age: 7 days\n"
    with Wire(three.urls["lab"], freeze) as wire:
        three.believe("lab", wire.url)
        assert three.judge(subject=thing, more=aged).value is Value.TRUSTED
        three.revoke(thing)
        later = three.judge(subject=thing, more=aged, at=three.clock.now + 8 * DAY)
    assert later.value is Value.UNDETERMINED
    assert later.outcome is Outcome.STALE


# --- lies -----------------------------------------------------------------------------------


def changed(told, change):
    """The true answer with its bundle changed and made whole again."""
    answer = Answer.from_bytes(told.content)
    bundle = Bundle.from_bytes(answer.bundle)
    made = Answer(bundle=change(bundle).to_bytes(), grown=answer.grown).to_bytes()
    return 200, {"content-length": str(len(made))}, [made]


def test_a_revocation_that_is_left_out_is_noticed(three, thing):
    three.revoke(thing)

    def leave_out(bundle):
        last = max(bundle.statements)
        kept = {i: s for i, s in bundle.statements.items() if i == last or i < last - 1}
        return replace(bundle, statements=kept)

    with Wire(three.urls["lab"], lambda _, told: changed(told, leave_out)) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge(subject=thing)
    assert verdict.value is Value.UNDETERMINED
    assert {code for code, _ in about_store(verdict)} == {Code.PROOF_INCOMPLETE}
    assert three.judge(subject=thing).value is not Value.TRUSTED


def test_other_keys_are_no_answer(three):
    def other(body, told):
        asked = Question.from_bytes(body)
        if not asked.keys:
            return passed_on(told)
        swapped = Question(keys=(bytes(32), *asked.keys[1:]), since=asked.since)
        return passed_on(
            httpx.post(three.urls["lab"] + "/api/evidence", content=swapped.to_bytes(), timeout=30)
        )

    with Wire(three.urls["lab"], other) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge()
    assert verdict.value is Value.UNDETERMINED
    assert (Code.PROOF_INCOMPLETE, LAB) in about_store(verdict)


def test_another_store_s_answer_is_no_answer(three):
    with Wire(three.urls["maker"], lambda _, told: passed_on(told)) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge()
    assert verdict.value is Value.UNDETERMINED
    (reason,) = {
        dict(f.about)["reason"] for f in verdict.findings if f.code is Code.PROOF_INCOMPLETE
    }
    assert "exchange.other-log" in reason


def test_a_store_that_shows_less_than_it_has_shown_is_not_heard(three, thing):
    old = []
    with Wire(three.urls["lab"], lambda _, told: old.append(told) or passed_on(told)) as wire:
        three.believe("lab", wire.url)
        assert three.judge(subject=thing).value is Value.TRUSTED
    three.revoke(thing)
    three.believe("lab", three.urls["lab"])
    assert three.judge(subject=thing).value is Value.UNTRUSTED
    with Wire(three.urls["lab"], lambda *_: passed_on(old[-1])) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge(subject=thing)
        innocent = three.judge()
    assert verdict.value is Value.UNTRUSTED  # it was known
    assert (Code.STORE_STALE, LAB) in about_store(verdict)
    assert innocent.value is Value.UNDETERMINED
    (kept,) = [f for f in Forks(three.buyer.path / "remote").all() if f["origin"] == LAB]
    assert kept["what"] == "rolled-back"


@pytest.mark.parametrize("other", [False, True])
def test_what_it_showed_under_other_anchors_it_has_shown(three, thing, other):
    """No choice of lists or addresses brings back what a store said before it was revoked."""
    old, asked_again = [], canonical(f"pkg:generic/kyoto/thing-{next(_NUMBER)}@1")
    three.product(asked_again)

    def deed(_, told):
        if not old or old[-1] is not None:
            old.append(told)
            return passed_on(told)
        return passed_on(old[-2])

    with Wire(three.urls["lab"], deed) as wire:
        three.believe("lab", wire.url)
        assert three.judge(subject=thing).value is Value.TRUSTED
        three.revoke(thing)
        three.believe("lab", three.urls["lab"])
        assert three.judge(subject=thing, fresh=False).value is Value.UNTRUSTED
        old.append(None)
        three.believe("lab", wire.url)
        verdict = three.judge(subject=asked_again if other else thing, fresh=False)
    assert verdict.value is Value.UNDETERMINED
    assert (Code.STORE_STALE, LAB) in about_store(verdict)


def test_two_histories_are_a_fork_with_evidence_kept(three, thing):
    """The laboratory keeps a second log with the same key, and shows each asker another."""
    twin = three.folder / f"twin-{next(_NUMBER)}"
    shutil.copytree(three.lab.path, twin)
    settings = Settings(store=twin, clock=three.clock)
    with Workspace.open(settings=settings) as second:
        claim = Claim(type="tested", level=Level.THIRD)
        second.register_one(second.sign(Kind.CERTIFICATE, canonical("pkg:generic/x@1"), claim))
        three.certify(canonical("pkg:generic/y@1"))
        assert second.head().size == three.lab.head().size
        assert three.judge(subject=thing).value is Value.TRUSTED
        with running(second, three.clock, Limits()) as served:
            three.believe("lab", served.url)
            verdict = three.judge(subject=thing)
    assert verdict.value is Value.UNTRUSTED
    assert verdict.outcome is Outcome.TAMPERED
    assert (Code.LOG_FORKED, LAB) in about_store(verdict)
    kept = [f for f in Forks(three.buyer.path / "remote").all() if f["what"] == "forked"]
    assert [f["origin"] for f in kept] == [LAB]
    assert len(kept[0]["checkpoints"]) == 2
    (notice,) = publish_forks(three.buyer)
    assert notice["origin"] == LAB
    assert publish_forks(three.buyer) == []  # once
    three.believe("lab", three.urls["lab"])
    assert three.judge(subject=thing).value is Value.TRUSTED  # who shows the true one is heard


# --- the wire -------------------------------------------------------------------------------


def drip(_, told):
    def pieces():
        for place in range(len(told.content)):
            time.sleep(0.2)
            yield told.content[place : place + 1]

    return 200, {"content-length": str(len(told.content))}, pieces()


def endless(_, told):
    return 200, {}, itertools.repeat(bytes(1 << 16))


@pytest.mark.parametrize("deed", [drip, endless, lambda *_: None])
def test_a_store_that_drips_never_ends_or_hangs_up_is_cut_off(three, deed):
    three.patience = 6.0
    with Wire(three.urls["lab"], deed) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge()  # else it would take hours
    assert verdict.value is Value.UNDETERMINED
    assert {what for _, what in about_store(verdict)} == {LAB}


def test_an_answer_is_bounded_in_bytes(three):
    with Wire(three.urls["lab"], endless) as wire:
        log = LogAnchor(origin=LAB, keys=[], url=wire.url)
        with pytest.raises(Malformed) as caught:
            ask_store(log, Question(keys=()).to_bytes(), seconds=10, limit=1 << 20)
    assert caught.value.code == "exchange.too-large"


def test_a_redirect_is_refused(three):
    def elsewhere(_, told):
        return 307, {"location": three.urls["lab"] + "/api/evidence", "content-length": "0"}, []

    with Wire(three.urls["lab"], elsewhere) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge()
    assert verdict.value is Value.UNDETERMINED
    (reason,) = {
        dict(f.about)["reason"] for f in verdict.findings if f.code is Code.STORE_UNREACHABLE
    }
    assert "it sends elsewhere" in reason


@contextmanager
def over_tls(folder, name):
    """An https server whose certificate is for ``name``, of an authority written to a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    when = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(when - dt.timedelta(days=1))
        .not_valid_after(when + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"tls-{next(_NUMBER)}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", file
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_certificate_must_fit_the_name_in_the_anchors(tmp_path, monkeypatch):
    right = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    wrong = x509.DNSName("somebody-else.example")
    for name, fits in ((right, True), (wrong, False)):
        with over_tls(tmp_path, name) as (url, authority):
            monkeypatch.setenv("SSL_CERT_FILE", str(authority))
            log = LogAnchor(origin=LAB, keys=[], url=url)
            if fits:
                assert ask_store(log, b"", seconds=5) == b"ok"
                continue
            with pytest.raises(Unavailable) as caught:
                ask_store(log, b"", seconds=5)
            assert "certificate" in caught.value.why.lower()


# --- bad questions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\xa2\x01\x80\x02\x20", b"\xa2\x01\x81\x41\x00\x02\x00", b"\xff" * 99]
)
def test_a_bad_question_is_refused(three, body):
    answer = httpx.post(three.urls["lab"] + "/api/evidence", content=body, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["code"] == "exchange.question"


def test_a_store_that_grows_meanwhile_is_asked_again(three, thing):
    grown = []

    def grow(body, told):
        if Question.from_bytes(body).keys and len(grown) < 2:
            grown.append(body)
            three.certify(canonical(f"pkg:generic/z-{next(_NUMBER)}@1"))
        return passed_on(told)

    with Wire(three.urls["lab"], grow) as wire:
        three.believe("lab", wire.url)
        verdict = three.judge(subject=thing)
    assert verdict.value is Value.TRUSTED, codes(verdict)
    (lab,) = [k for k in verdict.known if k.origin == LAB]
    assert lab.size >= 4


def test_registration_across_logs_that_overlaps_is_undetermined(three):
    """An entry and a statement of the same second in two logs have no order."""
    late = canonical(f"pkg:generic/late-{next(_NUMBER)}/x@1")
    maker = three.workspace(f"late{next(_NUMBER)}")
    with running(maker, three.clock, Limits()) as served:
        three.buyer.trust.add_log(maker.log.origin, served.url, [k.vkey for k in maker.log.keys])
        three.buyer.lists.add(
            maker.identity, roles=["maker"], scope=[late.rpartition("/")[0]], name="Late",
            logs=[maker.log.origin],
        )  # fmt: skip
        link = Link(relation=Relation.PART_OF, subject=FAN)
        maker.register_one(maker.sign(Kind.LINK, late, Links(links=[link])))
        three.clock.now += 60
        three.certify(late)
        verdict = AcrossJudge(three.buyer).verify(question.Question(late, three.profile()))
    assert verdict.value is Value.UNDETERMINED
    assert Code.CLAIM_TIME_UNCERTAIN in {f.code for f in verdict.findings}
