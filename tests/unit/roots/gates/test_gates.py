# SPDX-License-Identifier: Apache-2.0
"""Gates: who, what, how often, when, with whose consent; and what is remembered of refusals."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Misconfigured, Problem, Refused, Tampered
from kizuna.model.kind import Kind, media_type_of
from kizuna.roots.cose import sign_statement
from kizuna.roots.dsse import pae
from kizuna.roots.gates import (
    Agreed,
    FileBook,
    Gate,
    Gated,
    MemoryBook,
    Operation,
    Strength,
    declared,
    following,
    measure,
    peer_of,
    purpose_of,
    read_policy,
    sign_consent,
)
from kizuna.roots.gates.book import MAX_SERIES, SEGMENTS
from kizuna.roots.identity import did_key
from kizuna.roots.jws import sign_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

ME = declared("test")
STATEMENT = "statement:application/vnd.kizuna.evidence+json"


class Clock:
    """A clock that goes only when told."""

    def __init__(self, now: int = 1_700_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def rule(**members: object) -> dict[str, object]:
    return {
        "id": "r",
        "key": "work",
        "operations": ["sign"],
        "callers": [{"declared": "test"}],
    } | members


def document(*rules: dict[str, object], **members: object) -> bytes:
    return msgspec.json.encode({"gate": "g", "version": "1", "rules": list(rules)} | members)


class World:
    """A gated unit with its parties."""

    def __init__(self, *rules, book=None, **members) -> None:
        self.clock = Clock()
        self.unit = EphemeralUnit(b"gates")
        self.work = self.unit.generate(Algorithm.ES256, "work")
        self.others = EphemeralUnit(b"others")
        self.boss = self.others.generate(Algorithm.ES256, "boss")
        self.second = self.others.generate(Algorithm.ES256, "second")
        self.book = book or MemoryBook()
        self.policy = read_policy(document(*rules, **members))
        self.gate = Gate(self.policy, self.book, self.clock)
        self.gated = Gated(self.unit, self.gate, ME)

    def consent(self, handle=None, *, uses=1, operations=("sign",), purposes=("*",), **times):
        handle = handle or self.boss
        agreed = Agreed(
            key=times.pop("key", self.work.id),
            operations=[Operation(o) for o in operations],
            uses=uses,
            purposes=list(purposes),
        )
        return sign_consent(
            self.others,
            handle,
            agreed,
            issuer=did_key(self.others.public(handle)),
            name=times.pop("name", "one"),
            begins=times.pop("begins", self.clock.now - 10),
            ends=times.pop("ends", self.clock.now + 3_600),
        )


def boss_jwk() -> dict[str, str]:
    others = EphemeralUnit(b"others")
    return others.public(others.generate(Algorithm.ES256, "boss")).to_jwk()


def second_jwk() -> dict[str, str]:
    others = EphemeralUnit(b"others")
    others.generate(Algorithm.ES256, "boss")
    return others.public(others.generate(Algorithm.ES256, "second")).to_jwk()


def refused(world: World, code: str, message: bytes = b"word") -> Problem:
    with pytest.raises(Refused) as caught:
        world.gated.sign(world.work, message)
    assert caught.value.code == code
    return caught.value


def reported(world: World):
    reports = world.gate.reports()
    assert world.gate.reports() == reports  # asking alone changes nothing
    world.gate.told(reports)
    return reports


def statement(world: World, kind: Kind = Kind.EVIDENCE) -> bytes:
    return sign_statement(
        world.gated,
        world.work,
        issuer="urn:x:y",
        subject="urn:x:z",
        media_type=media_type_of(kind),
        payload=b"{}",
        issued_at=1,
    )


# --- who -----------------------------------------------------------------------------------------


def test_a_caller_whom_a_rule_admits_may_sign():
    world = World(rule())
    assert world.unit.public(world.work) == world.gated.public(world.work)
    assert len(world.gated.sign(world.work, b"word")) == 64


def test_what_no_rule_speaks_of_is_refused_unless_the_policy_says_otherwise():
    refused(World(rule(key="other")), "gate.no-rule")
    assert World(rule(key="other"), default="allow").gated.sign(World().work, b"w")


def test_an_operation_that_no_rule_allows_is_refused():
    world = World(rule(operations=["certify"]))
    refused(world, "gate.no-rule")


def test_another_caller_is_refused_and_the_refusal_names_the_rule():
    world = World(rule(callers=[{"declared": "somebody"}]))
    assert refused(world, "gate.caller").about["rule"] == "r"


def test_the_word_of_code_never_passes_for_a_measured_program():
    program = sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()
    refused(World(rule(callers=[{"executable": program}])), "gate.caller")
    refused(World(rule(callers=[{"uid": 0}])), "gate.caller")


def test_a_process_behind_a_socket_is_known_by_user_and_program(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        code = f"import socket;s=socket.socket(socket.AF_UNIX);s.connect({path!r});s.recv(1)"
        child = subprocess.Popen([sys.executable, "-c", code])
        connection, _ = listening.accept()
        try:
            caller = peer_of(connection)
        finally:
            connection.close()
            child.wait()
    assert (caller.strength, caller.pid) == (Strength.MEASURED, child.pid)
    assert caller.executable == sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()
    world = World(rule(callers=[{"executable": caller.executable, "uid": caller.uid}]))
    world.gated = Gated(world.unit, world.gate, caller)
    assert world.gated.sign(world.work, b"word")
    world.gated = Gated(world.unit, world.gate, ME)
    refused(world, "gate.caller")


def test_a_process_that_ended_is_a_caller_without_program():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert measure(child.pid, 0).strength is Strength.USER


def test_a_follower_loses_its_program_when_the_process_ends():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ask = following(child.pid, os.getuid())
    assert ask().strength is Strength.MEASURED
    child.communicate(b"\n")
    assert ask().strength is Strength.USER


def test_a_process_of_another_user_than_said_is_not_measured():
    assert measure(1, 4_294_967_294).strength is Strength.USER


def test_a_label_in_a_handle_is_not_believed():
    world = World(rule(key="harmless"), rule(id="r2", key="work", callers=[{"uid": 9}]))
    forged = type(world.work)(world.work.id, "harmless", world.work.algorithm)
    with pytest.raises(Refused, match="not sign"):
        world.gated.sign(forged, b"word")


# --- for what ------------------------------------------------------------------------------------


def test_a_key_for_one_kind_of_statement_signs_no_other():
    world = World(rule(purposes=[STATEMENT]))
    assert statement(world)
    with pytest.raises(Refused) as caught:
        statement(world, Kind.CERTIFICATE)
    assert caught.value.code == "gate.purpose"
    refused(world, "gate.purpose", b"anything")


def test_purposes_are_read_off_the_bytes():
    unit = EphemeralUnit(b"p")
    handle = unit.generate(Algorithm.ES256, "k")
    token = sign_jws(unit, handle, b"{}", {"typ": "voucher-jws+json"})
    assert purpose_of(token.rpartition(b".")[0]) == "jws:voucher-jws+json"
    handshake = b" " * 64 + b"TLS 1.3, client CertificateVerify\x00" + bytes(32)
    assert purpose_of(handshake) == "tls-client"
    root = "A" * 43 + "="
    assert purpose_of(f"log.example/x\n12\n{root}\n".encode()) == "checkpoint"
    assert purpose_of(pae("application/vnd.in-toto+json", b"{}")) == (
        "dsse:application/vnd.in-toto+json"
    )
    assert purpose_of(b"DSSEv1 without the rest") == "other"
    assert purpose_of(b"") == purpose_of(b"\x84junk") == purpose_of(b"word") == "other"


@given(st.binary(max_size=300))
def test_any_bytes_have_a_purpose(data: bytes):
    assert len(purpose_of(data)) <= 200
    assert len(purpose_of(b"\x84\x6aSignature1" + data)) <= 200


# --- how often, when -----------------------------------------------------------------------------


def test_a_rate_lets_a_burst_through_and_then_paces():
    world = World(rule(rate={"count": 6, "per": "1m", "burst": 2}))
    world.gated.sign(world.work, b"1")
    world.gated.sign(world.work, b"2")
    assert refused(world, "gate.rate").about["wait"] == 10
    world.clock.now += 10
    world.gated.sign(world.work, b"3")
    refused(world, "gate.rate")


@settings(max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 4))
def test_never_more_than_burst_and_rate_together(steps, count, burst):
    world = World(rule(rate={"count": count, "per": "1m", "burst": burst}))
    began, done = world.clock.now, 0
    for step in steps:
        world.clock.now += step
        try:
            world.gated.sign(world.work, b"x")
            done += 1
        except Refused:
            pass
        assert done <= burst + (world.clock.now - began) * count // 60


def test_a_batch_passes_whole_or_not_at_all():
    world = World(rule(rate={"count": 3, "per": "1m"}))
    with pytest.raises(Refused):
        world.gated.sign_many(world.work, [b"x"] * 4)
    assert len(world.gated.sign_many(world.work, [b"x"] * 3)) == 3  # nothing was spent before


def test_hours_hold_by_day_and_zone_and_over_midnight():
    def at(text: str, **window: object) -> bool:
        world = World(rule(hours=[window]))
        world.clock.now = int(datetime.fromisoformat(text).timestamp())
        try:
            world.gated.sign(world.work, b"x")
        except Refused as fault:
            assert fault.code == "gate.hours"
            return False
        return True

    office = {"from": "09:00", "until": "17:00", "days": ["mon"], "zone": "+09:00"}
    assert at("2026-11-23T09:00:00+09:00", **office)  # a Monday
    assert at("2026-11-23T00:30:00+00:00", **office)
    assert not at("2026-11-23T17:00:00+09:00", **office)
    assert not at("2026-11-24T09:00:00+09:00", **office)
    night = {"from": "22:00", "until": "06:00", "days": ["mon"]}
    assert at("2026-11-23T23:00:00+00:00", **night)
    assert at("2026-11-24T05:59:00+00:00", **night)  # still Monday's night
    assert not at("2026-11-23T05:59:00+00:00", **night)


# --- with whose consent --------------------------------------------------------------------------


def dual(**members: object) -> dict[str, object]:
    return rule(consent={"keys": [boss_jwk()]} | members)


def test_a_use_under_dual_control_needs_a_consent_and_spends_it():
    world = World(dual())
    refused(world, "gate.consent")
    world.gate.hand_in(world.consent(uses=2))
    world.gated.sign(world.work, b"1")
    world.gated.sign(world.work, b"2")
    refused(world, "gate.consent")
    assert [e.event for e in world.book.events].count("consented") == 2


def test_handing_in_the_same_consent_again_gives_no_further_use():
    world = World(dual())
    consent = world.consent()
    world.gate.hand_in(consent)
    world.gated.sign(world.work, b"1")
    world.gate.hand_in(consent)
    refused(world, "gate.consent")


def test_a_spent_consent_is_not_taken_again_where_the_clock_goes_back():
    world = World(rule(consent={"keys": [boss_jwk()], "needed": 1}))
    spent = world.consent(ends=world.clock.now + 100)
    world.gate.hand_in(spent)
    world.gated.sign(world.work, b"x")
    world.clock.now += 200
    world.gate.hand_in(world.consent(name="two"))  # the first one is forgotten
    world.clock.now -= 200
    with pytest.raises(Refused) as caught:
        world.gate.hand_in(spent)
    assert caught.value.code == "gate.consent-over"


def test_a_consent_ends_and_begins():
    world = World(dual())
    world.gate.hand_in(world.consent(begins=world.clock.now + 60, ends=world.clock.now + 120))
    refused(world, "gate.consent")
    world.clock.now += 60
    world.gated.sign(world.work, b"1")
    with pytest.raises(Refused) as caught:
        world.gate.hand_in(world.consent(begins=world.clock.now - 9, ends=world.clock.now))
    assert caught.value.code == "gate.consent-over"


def test_a_consent_to_something_else_does_not_count():
    for other in (
        {"operations": ("certify",)},
        {"purposes": ("tls-client",)},
        {"key": "00" * 32},
    ):
        world = World(dual())
        world.gate.hand_in(world.consent(**other))
        refused(world, "gate.consent")


def test_a_stranger_cannot_consent_and_a_forgery_is_named():
    world = World(dual())
    with pytest.raises(Refused) as caught:
        world.gate.hand_in(world.consent(world.second))
    assert caught.value.code == "gate.consent-stranger"
    forged = bytearray(world.consent())
    forged[-1] ^= 1
    with pytest.raises(Tampered) as caught:
        world.gate.hand_in(bytes(forged))
    assert caught.value.code == "gate.consent-forged"
    refused(world, "gate.consent")


def test_two_consents_of_one_person_are_one():
    world = World(rule(consent={"keys": [boss_jwk(), second_jwk()], "needed": 2}))
    world.gate.hand_in(world.consent(name="a"))
    world.gate.hand_in(world.consent(name="b"))
    refused(world, "gate.consent")
    world.gate.hand_in(world.consent(world.second))
    world.gated.sign(world.work, b"1")


@given(st.binary(max_size=400))
def test_any_bytes_handed_in_are_refused_by_name(data: bytes):
    world = World(dual())
    with pytest.raises(Problem):
        world.gate.hand_in(data)
    assert not world.book.read().consents


# --- locks and records ---------------------------------------------------------------------------


def shut(**members: object) -> World:
    return World(
        rule(callers=[{"declared": "somebody"}]),
        rule(id="mine", operations=["certify"]),
        lock={"after": 3, "within": "10m"} | members,
        operators=[boss_jwk()],
    )


def test_repeated_violations_lock_the_key_for_everyone_until_an_operator_unlocks_it():
    world = shut()
    for _ in range(3):
        refused(world, "gate.caller")
    allowed = Gated(world.unit, world.gate, declared("somebody"))
    with pytest.raises(Refused) as caught:
        allowed.sign(world.work, b"x")
    assert caught.value.code == "gate.locked"
    world.clock.now += 1_000_000
    with pytest.raises(Refused):
        allowed.sign(world.work, b"x")
    agreed = world.consent(operations=("unlock",))
    world.gate.unlock(world.work.id, agreed)
    assert allowed.sign(world.work, b"x")
    assert [e.event for e in world.book.events if e.event != "refused"] == ["locked", "unlocked"]
    for _ in range(3):
        refused(world, "gate.caller")
    with pytest.raises(Refused) as again:
        world.gate.unlock(world.work.id, agreed)
    assert again.value.code == "gate.unlock-consent"


def test_a_lock_may_shut_out_only_the_caller_that_tried():
    world = shut(scope="caller")
    for _ in range(4):
        with pytest.raises(Refused) as caught:
            world.gated.sign(world.work, b"x")
    assert caught.value.code == "gate.locked"
    assert Gated(world.unit, world.gate, declared("somebody")).sign(world.work, b"x")


def test_violations_far_apart_do_not_lock():
    world = shut()
    for _ in range(10):
        refused(world, "gate.caller")
        world.clock.now += 601
    assert not world.book.read().locks


def test_being_too_fast_does_not_lock():
    world = World(rule(rate={"count": 1, "per": "1h"}), lock={"after": 2})
    world.gated.sign(world.work, b"x")
    for _ in range(9):
        refused(world, "gate.rate")
    world.clock.now += 3_600
    world.gated.sign(world.work, b"x")


def test_unlocking_needs_an_operators_consent_to_just_that():
    world = shut()
    with pytest.raises(Absent):
        world.gate.unlock(world.work.id, world.consent(operations=("unlock",)))
    for _ in range(3):
        refused(world, "gate.caller")
    for bad in (
        world.consent(world.second, operations=("unlock",)),
        world.consent(operations=("sign",)),
        world.consent(operations=("unlock",), key="11" * 32),
    ):
        with pytest.raises(Refused) as caught:
            world.gate.unlock(world.work.id, bad)
        assert caught.value.code == "gate.unlock-consent"


def test_a_flood_becomes_few_records_and_few_reports():
    world = World(rule(callers=[{"uid": 7}]), lock={"after": 10_000})
    for at in range(3_000):
        refused(world, "gate.caller")
        world.clock.now += at % 2
    assert len(world.book.events) <= 8
    counted = sum(e.count for e in world.book.events)
    waiting = sum(s.waiting for s in world.book.read().series.values())
    assert counted + waiting == 3_000
    (report,) = reported(world)
    assert report.count == 3_000
    refused(world, "gate.caller")
    assert reported(world) == []
    world.clock.now += 3_600
    (later,) = reported(world)
    assert later.count == 1


def test_a_clock_that_was_ahead_and_came_back_does_not_silence_the_gate():
    world = World(rule(callers=[{"uid": 7}]), lock={"after": 10_000})
    world.clock.now += 10**8
    refused(world, "gate.caller")
    assert len(reported(world)) == 1
    world.clock.now -= 10**8
    refused(world, "gate.caller")
    (report,) = reported(world)
    assert report.count == 1
    refused(world, "gate.caller")
    assert reported(world) == []  # and is no way to have more told than others


def test_many_callers_become_others():
    world = World(rule(callers=[{"uid": 7}]), lock={"after": 10_000})
    for n in range(4 * MAX_SERIES):
        with pytest.raises(Refused):
            Gated(world.unit, world.gate, declared(f"c{n}")).sign(world.work, b"x")
    assert len(world.book.events) == MAX_SERIES + 1
    assert len(world.gate.reports()) <= 16


def test_the_record_is_a_chain_and_any_change_shows(tmp_path):
    book = FileBook(tmp_path / "gate")
    world = World(rule(callers=[{"uid": 7}]), book=book)
    for n in range(6):
        with pytest.raises(Refused):
            Gated(world.unit, world.gate, declared(f"c{n}")).sign(world.work, b"x")
    count = book.check()
    assert count >= 6
    file = tmp_path / "gate" / "audit.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    for changed in (
        lines[:-1],
        lines[:2] + lines[3:],
        [lines[0].replace(b"refused", b"allowed"), *lines[1:]],
        [*lines, lines[-1]],
        [*lines[:-1], b"{}\n"],
    ):
        file.write_bytes(b"".join(changed))
        with pytest.raises(Tampered) as caught:
            book.check()
        assert caught.value.code == "gate.audit-broken"
    file.write_bytes(b"".join(lines))
    assert book.check() == count


def test_locks_rates_and_consents_outlive_the_process(tmp_path):
    world = World(
        rule(id="paced", rate={"count": 1, "per": "1h"}),
        rule(id="c", key="*", operations=["certify"], consent={"keys": [boss_jwk()]}),
        book=FileBook(tmp_path),
        lock={"after": 1},
    )
    world.gated.sign(world.work, b"x")
    world.gate.hand_in(world.consent(operations=("certify",)))
    again = Gate(world.policy, FileBook(tmp_path), world.clock)
    with pytest.raises(Refused) as caught:
        Gated(world.unit, again, ME).sign(world.work, b"x")
    assert caught.value.code == "gate.rate"
    assert len(FileBook(tmp_path).read().consents) == 1
    with pytest.raises(Refused):
        Gated(world.unit, again, declared("x")).sign(world.work, b"x")
    refused(world, "gate.locked")  # the first process sees what the second one locked


def test_half_a_line_from_a_crash_is_cut_off(tmp_path):
    book = FileBook(tmp_path)
    gate = Gate(read_policy(document()), book, Clock())
    gate.note("policy", "one")
    with (tmp_path / "audit.jsonl").open("ab") as file:
        file.write(b'{"at":1,"ev')
    assert FileBook(tmp_path).check() == 1


def test_a_record_whose_state_was_not_written_is_taken_in(tmp_path):
    book = FileBook(tmp_path)
    gate = Gate(read_policy(document()), book, Clock())
    gate.note("policy", "one")
    before = (tmp_path / "state.json").read_bytes()
    gate.note("policy", "two")
    (tmp_path / "state.json").write_bytes(before)
    assert FileBook(tmp_path).check() == 2


def test_taking_the_memory_away_does_not_unlock(tmp_path):
    world = World(rule(callers=[{"uid": 7}]), book=FileBook(tmp_path), lock={"after": 1})
    refused(world, "gate.caller")
    assert world.book.read().locks
    (tmp_path / "state.json").unlink()
    with pytest.raises(Tampered) as caught:
        FileBook(tmp_path)
    assert caught.value.code == "gate.audit-broken"


def test_the_record_turns_over_and_stays_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("kizuna.roots.gates.book.SEGMENT", 2_000)
    book = FileBook(tmp_path)
    gate = Gate(read_policy(document()), book, Clock())
    for n in range(200):
        gate.note("policy", f"{n}")
    assert len(book.segments()) == SEGMENTS
    assert book.check() < 200
    assert book.tail(1)[0].detail == "199"


def test_a_damaged_state_is_the_operators_turn(tmp_path):
    book = FileBook(tmp_path)
    Gate(read_policy(document()), book, Clock()).note("policy", "one")
    (tmp_path / "state.json").write_bytes(b"{")
    with pytest.raises(Misconfigured) as caught:
        FileBook(tmp_path)
    assert caught.value.code == "gate.state-damaged"


def test_threads_never_use_more_than_the_rate(tmp_path):
    world = World(rule(rate={"count": 5, "per": "1h"}), book=FileBook(tmp_path))
    done = []

    def use() -> None:
        for _ in range(5):
            with contextlib.suppress(Refused):
                done.append(world.gated.sign(world.work, b"x"))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 5


# --- what a unit does behind a gate ---------------------------------------------------------------


def test_everything_that_uses_a_key_passes_the_gate():
    world = World()
    secret = world.unit.generate_secret("s")
    peer = world.others.public(world.boss)
    for use in (
        lambda u: u.sign(world.work, b"x"),
        lambda u: u.sign_many(world.work, [b"x"]),
        lambda u: u.ecdh(world.work, peer, b"i"),
        lambda u: u.encrypt(secret, b"x"),
        lambda u: u.decrypt(secret, bytes(40)),
        lambda u: u.seal(b"x", [0]),
        lambda u: u.unseal(b"x"),
        lambda u: u.extend(0, bytes(32)),
        lambda u: u.quote(world.work, bytes(8), [0]),
        lambda u: u.certify(world.work, peer),
        lambda u: u.destroy(world.work),
        lambda u: u.destroy(secret),
        lambda u: u.generate(Algorithm.ES256, "new"),
        lambda u: u.generate_secret("new"),
    ):
        with pytest.raises(Refused) as caught:
            use(world.gated)
        assert caught.value.code in ("gate.no-rule", "gate.locked")
    assert world.gated.handles() == [world.work]
    assert len(world.gated.random(8)) == 8
    assert world.gated.registers() == world.unit.registers()


def test_a_key_that_is_not_there_is_absent_not_refused():
    world = World()
    with pytest.raises(Absent):
        world.gated.sign(world.others.handles()[0], b"x")


# --- policy documents ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("gate: g\nversion: 1\nrules:\n  - id: r\n    key: k\n    operatons: [sign]\n", 6),
        ("gate: g\nversion: '1'\nrules:\n  - id: r\n    key: k\n    operations: [fly]\n", 6),
        ("gate: g\nversion: '1'\nrules: []\nlock:\n  after: 0\n", 5),
        ("gate: g\nversion: '1'\nrules: []\ngate: h\n", 4),
        ("gate: &a g\nversion: *a\nrules: []\n", 1),
        ("gate: g\n version: [\n", 2),
        (
            "gate: g\nversion: '1'\nrules:\n- {id: r, key: k, operations: [sign],\n callers: [{}]}",
            5,
        ),
        ("gate: g\nversion: '1'\nrules: []\noperators:\n- {kty: EC, d: x}\n", 5),
    ],
)
def test_a_wrong_policy_is_refused_with_its_line(text: str, line: int):
    with pytest.raises(Malformed) as caught:
        read_policy(text.encode(), "gate.yaml")
    assert caught.value.about["line"] == line, caught.value.what


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_a_problem(data: bytes):
    try:
        read_policy(data)
    except Malformed as fault:
        assert fault.code.startswith("gate.policy")


def test_a_policy_survives_being_written_and_read():
    world = World(dual(), rule(id="x", hours=[{"from": "08:00", "until": "24:00"}]))
    assert read_policy(msgspec.json.encode(world.policy)) == world.policy
    assert UTC  # times in documents carry their zone
