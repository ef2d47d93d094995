# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Refused, Tampered
from kizuna.record.log import (
    EvidenceLog,
    NoteKey,
    Witness,
    directory,
    read_checkpoint,
    read_conflict,
    read_request,
    request_body,
)
from kizuna.record.log.note import COSIGNATURE, parse_signature_lines, sign_note

ORIGIN = "log.kizuna.example/bar"


@pytest.fixture
def witness(tmp_path, log, make_signer):
    return Witness(tmp_path / "witness", make_signer("w.example/1", b"1"), [log.anchor()])


def grow(log, entries, now):
    log.append(entries)
    return log.publish(now)


def ask(log, old):
    proof = log.consistency(old) if old else ()
    return request_body(old, proof, log.checkpoint())


def test_a_witness_cosigns_growth_and_the_log_keeps_its_word(log, witness, digests):
    keys = [NoteKey.of(witness.signer, COSIGNATURE)]
    grow(log, digests(10), 1_001)
    answer = witness.add_checkpoint(ask(log, 0), 2_000)
    assert answer.status == 200
    assert log.add_cosignatures(answer.body, keys) == 1
    grow(log, digests(500, start=10), 1_002)
    answer = witness.add_checkpoint(ask(log, 10), 2_001)
    assert answer.status == 200
    log.add_cosignatures(answer.body, keys)
    signed = read_checkpoint(log.checkpoint(), log.anchor(), [witness.anchor])
    assert signed.witnesses == (("w.example/1", 2_001),)
    assert witness.last(ORIGIN) == log.published


def test_the_same_checkpoint_again_gets_a_newer_time(log, witness, digests):
    grow(log, digests(3), 1_001)
    witness.add_checkpoint(ask(log, 0), 2_000)
    again = witness.add_checkpoint(request_body(3, (), log.checkpoint()), 2_005)
    assert again.status == 200
    (line,) = parse_signature_lines(again.body.decode())
    assert int.from_bytes(line.signature[:8], "big") == 2_005


def test_a_witness_tells_the_size_it_knows(log, witness, digests):
    grow(log, digests(3), 1_001)
    witness.add_checkpoint(ask(log, 0), 2_000)
    grow(log, digests(3, start=3), 1_002)
    conflict = witness.add_checkpoint(ask(log, 0), 2_001)
    assert (conflict.status, conflict.media_type, conflict.body) == (
        409,
        "text/x.tlog.size",
        b"3\n",
    )
    assert read_conflict(conflict) == 3
    with pytest.raises(Refused) as problem:
        witness.update(log.checkpoint(), 2, log.consistency(2), 2_001)
    assert problem.value.code == "log.witness-conflict"
    assert witness.add_checkpoint(ask(log, 3), 2_001).status == 200


def test_a_fork_is_refused_and_kept(log, witness, signer, digests, tmp_path):
    grow(log, digests(6), 1_001)
    witness.add_checkpoint(ask(log, 0), 2_000)
    seen = witness.last(ORIGIN)
    for size, status in ((6, 409), (9, 422)):
        twin = EvidenceLog.create(tmp_path / f"twin-{size}", ORIGIN, signer, 1_000)
        grow(twin, digests(size, start=70), 1_001)
        proof = twin.consistency(6)
        answer = witness.add_checkpoint(request_body(6, proof, twin.checkpoint()), 2_001)
        assert answer.status == status
        assert witness.last(ORIGIN) == seen
    kept = sorted((witness.path / "evidence").iterdir())
    assert len(kept) == 4  # both sides of both forks
    for path in kept:
        read_checkpoint(path.read_bytes(), log.anchor())


def test_what_is_not_the_logs_is_not_cosigned(log, witness, make_signer, digests, tmp_path):
    thief = make_signer(ORIGIN, b"thief")
    other = EvidenceLog.create(tmp_path / "thief", ORIGIN, thief, 1_000)
    grow(other, digests(3), 1_001)
    assert witness.add_checkpoint(ask(other, 0), 2_000).status == 403
    elsewhere = make_signer("elsewhere.example", b"e")
    foreign = EvidenceLog.create(tmp_path / "foreign", "elsewhere.example", elsewhere, 1_000)
    assert witness.add_checkpoint(ask(foreign, 0), 2_000).status == 404
    with pytest.raises(Absent) as problem:
        witness.observe(directory(foreign.path), "elsewhere.example", 2_000)
    assert problem.value.code == "log.unknown-origin"
    assert witness.last(ORIGIN) is None


def test_requests_out_of_form_are_answered_with_400(log, witness, digests):
    grow(log, digests(6), 1_001)
    note = log.checkpoint()
    for body in (
        b"",
        b"old 0\n",
        b"old 00\n\n" + note,
        b"old -1\n\n" + note,
        b"new 0\n\n" + note,
        b"old 0\nAAAA\n\n" + note,
        b"old 0\nnot base64!\n\n" + note,
        request_body(0, (), b"no note"),
        request_body(7, (), note),
        request_body(0, [b"x" * 32] * 64, note),
        request_body(0, [b"x" * 32], note),
        b"old 0\n\n" + note * 5000,
    ):
        answer = witness.add_checkpoint(body, 2_000)
        assert answer.status == 400, body[:40]
        assert answer.body
    assert witness.last(ORIGIN) is None


def test_a_wrong_proof_is_answered_with_422(log, witness, digests):
    grow(log, digests(6), 1_001)
    witness.add_checkpoint(ask(log, 0), 2_000)
    grow(log, digests(6, start=6), 1_002)
    proof = list(log.consistency(6))
    proof[0] = b"x" * 32
    body = request_body(6, proof, log.checkpoint())
    assert witness.add_checkpoint(body, 2_001).status == 422
    assert witness.last(ORIGIN).size == 6


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_problem(body):
    try:
        old, proof, note = read_request(body)
    except Malformed as problem:
        assert problem.code == "log.request-malformed"
    else:
        assert request_body(old, proof, note) == body


def test_a_witness_reads_the_logs_own_files(log, witness, digests):
    source = directory(log.path)
    for batch in range(3):
        grow(log, digests(300, start=300 * batch), 1_001 + batch)
        lines = witness.observe(source, ORIGIN, 2_000 + batch)
        text = "".join(line.line() for line in lines)
        assert log.add_cosignatures(text, [NoteKey.of(witness.signer, COSIGNATURE)]) == 1
    assert witness.last(ORIGIN) == log.published


def test_a_log_that_shows_less_than_before_is_a_rollback(log, witness, digests):
    grow(log, digests(3), 1_001)
    old = (log.path / "checkpoint").read_bytes()
    grow(log, digests(3, start=3), 1_002)
    witness.observe(directory(log.path), ORIGIN, 2_000)
    (log.path / "checkpoint").write_bytes(old)
    with pytest.raises(Tampered) as problem:
        witness.observe(directory(log.path), ORIGIN, 2_001)
    assert problem.value.code == "log.rolled-back"
    assert list((witness.path / "evidence").iterdir())


def test_a_witness_remembers_over_restarts_and_signs_nothing_without_its_memory(
    log, witness, digests
):
    grow(log, digests(3), 1_001)
    witness.add_checkpoint(ask(log, 0), 2_000)
    again = Witness(witness.path, witness.signer, [log.anchor()])
    assert again.last(ORIGIN).size == 3
    (state,) = witness.path.glob("*.note")
    state.write_bytes(state.read_bytes()[:20])
    with pytest.raises(Tampered) as problem:
        again.update(log.checkpoint(), 3, (), 2_001)
    assert problem.value.code == "log.witness-state-damaged"
    assert again.add_checkpoint(request_body(3, (), log.checkpoint()), 2_001).status == 422


def test_an_answer_that_is_no_size_is_a_problem(witness):
    answer = witness.add_checkpoint(b"", 2_000)
    with pytest.raises(Malformed) as problem:
        read_conflict(answer)
    assert problem.value.code == "log.answer-malformed"


def test_a_checkpoint_signed_by_the_log_in_the_cosignature_form_is_not_enough(
    log, witness, digests, make_signer
):
    grow(log, digests(3), 1_001)
    note = log.note(3)
    stranger = sign_note(note.text, make_signer(ORIGIN, b"x"))
    unsigned = f"{note.text}\n{stranger.line()}".encode()
    assert witness.add_checkpoint(request_body(0, (), unsigned), 2_000).status == 403
