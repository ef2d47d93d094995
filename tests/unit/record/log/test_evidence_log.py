# SPDX-License-Identifier: Apache-2.0
import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from kizuna.model.errors import Absent, Malformed, Misconfigured, Refused, Tampered, Unavailable
from kizuna.model.statement import Interval
from kizuna.model.trust import Anchors, LogAnchor, WitnessAnchor
from kizuna.record.log import EvidenceLog, NoteKey, check_receipt, read_checkpoint, read_receipt
from kizuna.record.log.merkle import leaf_hash, verify_consistency, verify_inclusion
from kizuna.record.log.note import COSIGNATURE, cosign, sign_note

ORIGIN = "log.kizuna.example/bar"


def fill(log, entries, now):
    log.append(entries)
    return log.publish(now)


def test_a_log_begins_with_the_checkpoint_of_the_empty_tree(log, signer):
    signed = read_checkpoint(log.checkpoint(), log.anchor())
    assert (signed.checkpoint.size, log.published_at) == (0, 1_000)
    with pytest.raises(Refused) as problem:
        EvidenceLog.create(log.path, ORIGIN, signer, 1_001)
    assert problem.value.code == "log.exists"


def test_what_was_published_is_proven_and_stays_after_reopening(log, signer, digests):
    entries = digests(700)
    fill(log, entries[:300], 1_001)
    fill(log, entries[300:], 1_002)
    for again in (log, EvidenceLog(log.path, ORIGIN), EvidenceLog(log.path, ORIGIN, signer)):
        assert again.fault is None
        assert again.published.size == again.size == 700
        root = again.root()
        assert verify_inclusion(leaf_hash(entries[299]), 299, 700, again.inclusion(299), root)
        old = again.root(300)
        assert verify_consistency(300, 700, again.consistency(300), old, root)
        assert verify_inclusion(leaf_hash(entries[7]), 7, 300, again.inclusion(7, 300), old)
        assert list(again.entries(298, 302)) == entries[298:302]
        early = read_receipt(again.receipt(7, 300))
        assert check_receipt(early, entries[7], signer.public) == old
        assert again.registered(299) == Interval(1_000, 1_001)
        assert again.registered(300) == Interval(1_001, 1_002)
        assert again.published_sizes() == [(0, 1_000), (300, 1_001), (700, 1_002)]


def test_receipts_exist_for_published_entries_only(log, digests):
    log.append(digests(3))
    for ask in (
        lambda: log.receipt(0),
        lambda: log.note(3),
        lambda: log.registered(0),
        lambda: log.receipt(0, 2),
        lambda: log.consistency_receipt(0, 3),
    ):
        with pytest.raises(Absent) as problem:
            ask()
        assert problem.value.code == "log.not-published"
    log.publish(1_001)
    log.receipt(0)


def test_publishing_the_same_tree_again_changes_nothing(log, digests):
    fill(log, digests(3), 1_001)
    note, files = log.checkpoint(), sorted(log.path.rglob("*"))
    log.publish(5_000)
    assert (log.checkpoint(), sorted(log.path.rglob("*"))) == (note, files)
    assert log.published_at == 1_001


def test_the_logs_clock_never_runs_back(log, digests):
    fill(log, digests(1), 2_000)
    fill(log, digests(1, start=1), 1_500)
    assert log.published_at == 2_000


def test_an_entry_out_of_step_is_refused(log, digests):
    with pytest.raises(Malformed) as problem:
        log.append(digests(1), at=5)
    assert problem.value.code == "log.out-of-step"
    assert log.size == 0


def test_a_log_without_its_key_only_reads(log, digests):
    fill(log, digests(2), 1_001)
    reader = EvidenceLog(log.path, ORIGIN)
    with pytest.raises(Misconfigured) as problem:
        reader.append(digests(1))
    assert problem.value.code == "log.read-only"
    with pytest.raises(Misconfigured):
        reader.check_writable()
    log.check_writable()


def test_names_and_keys_must_fit(log, tmp_path, signer, make_signer):
    for make, code in (
        (lambda: EvidenceLog(log.path, ORIGIN, make_signer(ORIGIN, b"x")), "log.key-not-enrolled"),
        (lambda: EvidenceLog(tmp_path / "n", "other.example", signer), "log.name-wrong"),
        (lambda: EvidenceLog(log.path, "other.example"), "log.origin-differs"),
    ):
        with pytest.raises(Misconfigured) as problem:
            make()
        assert problem.value.code == code


# --- crashes -----------------------------------------------------------------------------------


def test_entries_that_were_never_published_go_at_the_next_opening(log, signer, digests):
    fill(log, digests(200), 1_001)
    root = log.root()
    log.append(digests(400, start=200))
    again = EvidenceLog(log.path, ORIGIN, signer)
    assert (again.size, again.root()) == (200, root)
    again.truncate_unpublished()
    fill(again, digests(100, start=900), 1_002)
    assert EvidenceLog(log.path, ORIGIN).fault is None
    with pytest.raises(Refused) as problem:
        again.truncate_unpublished(10)
    assert problem.value.code == "log.published-stays"


def test_a_crash_between_record_and_checkpoint_is_completed_by_the_record(log, signer, digests):
    fill(log, digests(2), 1_001)
    old = (log.path / "checkpoint").read_bytes()
    fill(log, digests(3, start=2), 1_002)
    (log.path / "checkpoint").write_bytes(old)  # the rename had not happened yet
    again = EvidenceLog(log.path, ORIGIN, signer)
    assert again.fault is None
    assert again.published.size == 5
    fill(again, digests(1, start=5), 1_003)
    assert (
        read_checkpoint((log.path / "checkpoint").read_bytes(), log.anchor()).checkpoint.size == 6
    )


def test_a_record_cut_short_was_never_published(log, signer, digests):
    fill(log, digests(2), 1_001)
    path = log.path / "state" / "published"
    whole = path.read_bytes()
    path.write_bytes(whole + b"half a record")
    again = EvidenceLog(log.path, ORIGIN, signer)
    assert again.published.size == 2
    fill(again, digests(1, start=2), 1_002)
    assert EvidenceLog(log.path, ORIGIN).published.size == 3


def test_a_damaged_record_is_never_passed_over(log, digests):
    fill(log, digests(2), 1_001)
    fill(log, digests(2, start=2), 1_002)
    path = log.path / "state" / "published"
    whole = bytearray(path.read_bytes())
    whole[30] ^= 1
    path.write_bytes(whole)
    damaged = EvidenceLog(log.path, ORIGIN)
    with pytest.raises(Tampered) as problem:
        damaged.note(0)
    assert problem.value.code == "log.history-damaged"
    whole[3] = 9  # sizes that shrink
    path.write_bytes(whole)
    with pytest.raises(Tampered):
        EvidenceLog(log.path, ORIGIN)


OTHER = """
import sys
from kizuna.record.log import EvidenceLog, Signer
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

unit = EphemeralUnit(b"log")
name = "log.kizuna.example/bar"
log = EvidenceLog(sys.argv[1], name, Signer(name, unit, unit.generate(Algorithm.EDDSA, name)))
log.truncate_unpublished()
"""

GROWING = f"""{OTHER}
number = log.size
print("ready", flush=True)
while True:
    log.append([n.to_bytes(32, "big") for n in range(number, number + 37)])
    number += 37
    log.publish(1_001 + number)
    print("grown", flush=True)
"""

HOLDING = f"""{OTHER}
with log._folder.held(5):
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def running(script, log):
    """Another process at work on the same log; killed at the end."""
    command = [sys.executable, "-c", script, str(log.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        try:
            yield child
        finally:
            child.kill()


def test_killing_the_writer_in_the_middle_never_breaks_the_log(log, signer):
    reached = 0
    for pause in (0.0, 0.05, 0.11):
        with running(GROWING, log) as child:
            assert child.stdout.readline() == b"grown\n"
            time.sleep(pause)  # wherever it is then
        again = EvidenceLog(log.path, ORIGIN, signer)
        assert again.fault is None
        again.truncate_unpublished()
        assert again.published.size >= reached
        reached = again.published.size
        signed = read_checkpoint(again.checkpoint(), again.anchor())
        assert signed.checkpoint.root == again.root()
        numbers = (n.to_bytes(32, "big") for n in range(reached))
        assert list(again.entries()) == list(numbers)
    assert reached > 0


def test_a_full_disk_is_a_clear_problem_and_changes_nothing(log, digests, monkeypatch):
    fill(log, digests(5), 1_001)
    root = log.root()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("write", "fsync", "pwrite"):
        with monkeypatch.context() as broken:
            broken.setattr(os, name, full)
            with pytest.raises(Unavailable) as problem:
                fill(log, digests(5, start=5), 1_002)
            assert problem.value.code == "log.not-written"
        log.truncate_unpublished()
        assert (log.published.size, log.root()) == (5, root)
    fill(log, digests(5, start=5), 1_003)
    assert EvidenceLog(log.path, ORIGIN).published.size == 10


# --- tampering, rollback, forks ----------------------------------------------------------------


def test_a_changed_tile_ends_writing_and_never_becomes_a_receipt(log, signer, digests):
    fill(log, digests(300), 1_001)
    path = log.path / "tile" / "0" / "001.p" / "44"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    again = EvidenceLog(log.path, ORIGIN, signer)
    assert again.fault is not None
    assert again.fault.code == "log.tiles-differ"
    with pytest.raises(Tampered) as problem:
        fill(again, digests(1), 1_002)
    assert problem.value.code == "log.tiles-differ"
    again_receipt = read_receipt(again.receipt(3))
    with pytest.raises(Tampered):
        check_receipt(again_receipt, digests(300)[3], signer.public)


def test_a_truncated_tile_ends_writing(log, signer, digests):
    fill(log, digests(300), 1_001)
    path = log.path / "tile" / "0" / "001.p" / "44"
    path.write_bytes(path.read_bytes()[:-1])
    again = EvidenceLog(log.path, ORIGIN, signer)
    with pytest.raises(Tampered) as problem:
        again.publish(1_002)
    assert problem.value.code == "log.tile-truncated"


def test_a_restored_backup_does_not_sign_once_someone_has_seen_more(log, signer, digests, tmp_path):
    fill(log, digests(10), 1_001)
    shutil.copytree(log.path, tmp_path / "backup")
    fill(log, digests(10, start=10), 1_002)
    seen = log.checkpoint()
    restored = EvidenceLog(tmp_path / "backup", ORIGIN, signer)
    assert restored.fault is None  # nobody has told it yet
    with pytest.raises(Tampered) as problem:
        restored.remember(seen)
    assert problem.value.code == "log.rolled-back"
    for refusing in (restored, EvidenceLog(tmp_path / "backup", ORIGIN, signer)):
        with pytest.raises(Tampered) as refused:
            fill(refusing, digests(1), 1_003)
        assert refused.value.code == "log.rolled-back"
        assert refusing.published.size == 10
        refusing.receipt(3)  # reading goes on
    shutil.rmtree(tmp_path / "backup" / "tile")
    shutil.rmtree(tmp_path / "backup" / "state")
    shutil.copytree(log.path / "tile", tmp_path / "backup" / "tile")
    shutil.copytree(log.path / "state", tmp_path / "backup" / "state")
    assert EvidenceLog(tmp_path / "backup", ORIGIN, signer).fault is None


def test_losing_the_history_ends_writing_because_the_checkpoint_shows_more(log, signer, digests):
    fill(log, digests(10), 1_001)
    (log.path / "state" / "published").unlink()
    again = EvidenceLog(log.path, ORIGIN, signer)
    with pytest.raises(Tampered) as problem:
        again.publish(1_002)
    assert problem.value.code == "log.rolled-back"


def test_two_trees_of_one_size_are_a_fork_and_kept_as_evidence(log, signer, digests, tmp_path):
    fill(log, digests(10), 1_001)
    twin = EvidenceLog.create(tmp_path / "twin", ORIGIN, signer, 1_000)
    fill(twin, digests(10, start=50), 1_001)
    with pytest.raises(Tampered) as problem:
        log.remember(twin.checkpoint())
    assert problem.value.code == "log.forked"
    (kept,) = (log.path / "state" / "seen").iterdir()
    assert kept.read_bytes() == twin.checkpoint()
    with pytest.raises(Tampered) as refused:
        EvidenceLog(log.path, ORIGIN, signer).publish(1_002)
    assert refused.value.code == "log.forked"


def test_a_checkpoint_nobody_of_ours_signed_ends_nothing(log, digests, make_signer, tmp_path):
    fill(log, digests(10), 1_001)
    thief = make_signer(ORIGIN, b"thief")
    other = EvidenceLog.create(tmp_path / "other", ORIGIN, thief, 1_000)
    fill(other, digests(99), 1_001)
    with pytest.raises(Tampered) as problem:
        log.remember(other.checkpoint())
    assert problem.value.code == "log.not-signed"
    fill(log, digests(1, start=10), 1_002)


# --- two processes -----------------------------------------------------------------------------


def test_a_second_writer_sees_what_the_first_has_published(log, signer, digests):
    second = EvidenceLog(log.path, ORIGIN, signer)
    fill(log, digests(5), 1_001)
    assert second.published.size == 0
    second.append(digests(1, start=5), at=5)
    second.publish(1_002)
    log.refresh()
    assert log.published == second.published
    log.append(digests(1, start=6))
    fill(second, digests(1, start=7), 1_003)
    with pytest.raises(Unavailable) as problem:
        log.publish(1_004)
    assert problem.value.code == "log.overtaken"
    assert log.published.size == 7


def test_a_log_in_use_by_another_process_is_busy(log, digests):
    log.patience = 0.05
    with running(HOLDING, log):
        with pytest.raises(Unavailable) as problem:
            log.append(digests(1))
        assert problem.value.code == "log.busy"
    log.append(digests(1))


def test_a_writer_waits_for_a_short_call_of_another_process(log, digests):
    with running(HOLDING, log) as other:
        threading.Timer(0.1, other.stdin.close).start()
        log.append(digests(1))
    assert log.size == 1


# --- witnesses and keys ------------------------------------------------------------------------


def test_cosignatures_are_kept_with_their_checkpoint(log, signer, make_signer, digests):
    witness, stranger = make_signer("w.example/1", b"1"), make_signer("w.example/2", b"2")
    key = NoteKey.of(witness, COSIGNATURE)
    anchors = Anchors(
        logs=[log.anchor()], witnesses=[WitnessAnchor(name=key.name, key=key.vkey)], quorum=1
    )
    sizes = {}
    for batch in range(3):
        checkpoint = fill(log, digests(5, start=5 * batch), 1_001 + batch)
        lines = [cosign(checkpoint.text(), w, 2_000 + batch) for w in (witness, stranger)]
        text = "".join(line.line() for line in lines)
        assert log.add_cosignatures(text, [key]) == 1
        assert log.add_cosignatures(text.encode(), [key]) == 0
        sizes[checkpoint.size] = 2_000 + batch
    again = EvidenceLog(log.path, ORIGIN)
    for size, then in sizes.items():
        note = again.note(size).to_bytes()
        assert read_checkpoint(note, log.anchor(), anchors.witnesses).witnesses == (
            (key.name, then),
        )
    shown = (log.path / "checkpoint").read_bytes()
    assert shown == again.checkpoint()
    assert again.intervals(anchors).of(7) == Interval(2_000, 2_001)
    assert again.intervals(anchors).of(0) == Interval(0, 2_000)
    assert [size for size, _ in again.cosigned(anchors)] == [5, 10, 15]


def test_a_cosignature_cut_short_by_a_crash_costs_only_itself(log, make_signer, digests):
    witness = make_signer("w.example/1", b"1")
    key = NoteKey.of(witness, COSIGNATURE)
    text = fill(log, digests(3), 1_001).text()
    log.add_cosignatures(cosign(text, witness, 5).line(), [key])
    path = log.path / "state" / "cosignatures"
    path.write_bytes(path.read_bytes()[:-9])
    again = EvidenceLog(log.path, ORIGIN, log.signer)
    assert len(again.note(3).signatures) == 1
    again.add_cosignatures(cosign(text, witness, 6).line(), [key])
    assert len(EvidenceLog(log.path, ORIGIN).note(3).signatures) == 2


def test_a_wrong_cosignature_is_refused(log, make_signer, digests):
    witness = make_signer("w.example/1", b"1")
    key = NoteKey.of(witness, COSIGNATURE)
    fill(log, digests(3), 1_001)
    line = cosign("another text\n", witness, 5)
    with pytest.raises(Tampered) as problem:
        log.add_cosignatures(line.line(), [key])
    assert problem.value.code == "log.signature-wrong"
    with pytest.raises(Malformed):
        log.add_cosignatures("not a line", [key])
    with pytest.raises(Absent):
        log.add_cosignatures(line.line(), [key], size=99)


def test_a_log_changes_its_key_and_old_checkpoints_stay_good(log, signer, make_signer, digests):
    fill(log, digests(10), 1_001)
    old_note = log.checkpoint()
    fresh = make_signer(ORIGIN, b"second")
    anchor = log.rotate(fresh, 1_002)
    assert anchor.closed == {}
    assert [NoteKey.parse(k).public for k in anchor.keys] == [signer.public, fresh.public]
    fill(log, digests(5, start=10), 1_003)
    for note in (old_note, log.note(10).to_bytes(), log.checkpoint()):
        read_checkpoint(note, anchor)
    assert check_receipt(read_receipt(log.receipt(3)), digests(10)[3], fresh.public) == log.root()
    with pytest.raises(Misconfigured) as problem:
        EvidenceLog(log.path, ORIGIN, signer)
    assert problem.value.code == "log.key-not-enrolled"
    assert EvidenceLog(log.path, ORIGIN, fresh).published.size == 15
    with pytest.raises(Refused) as reused:
        log.rotate(signer, 1_004)
    assert reused.value.code == "log.key-reused"


def test_the_procedure_for_a_stolen_log_key(log, signer, make_signer, digests, tmp_path):
    """New key, old key closed at the last size that is known to be ours, in the new anchors."""
    witness = make_signer("w.example/1", b"1")
    key = NoteKey.of(witness, COSIGNATURE)
    witnesses = [WitnessAnchor(name=key.name, key=key.vkey)]
    checkpoint = fill(log, digests(10), 1_001)
    log.add_cosignatures(cosign(checkpoint.text(), witness, 1_001).line(), [key])
    ours = log.checkpoint()
    fresh = make_signer(ORIGIN, b"second")
    anchor = log.rotate(fresh, 1_002, compromised_after=10)
    assert anchor.closed == {NoteKey.of(signer).label: 10}
    assert EvidenceLog(log.path, ORIGIN, fresh).anchor() == anchor
    # what witnesses saw before the theft still counts, and so does everything under the new key
    assert read_checkpoint(ours, anchor, witnesses).quorum == 1
    fill(log, digests(5, start=10), 1_003)
    assert read_checkpoint(log.checkpoint(), anchor, witnesses).checkpoint.size == 15
    # the thief signs a longer and a shorter history
    thief = EvidenceLog.create(tmp_path / "thief", ORIGIN, signer, 1_000)
    for count in (7, 13):
        forged = fill(thief, digests(count, start=100), 1_004)
        note = thief.note(forged.size).to_bytes()
        read_checkpoint(note, LogAnchor(origin=ORIGIN, keys=[NoteKey.of(signer).vkey]))
        with pytest.raises(Tampered) as problem:
            read_checkpoint(note, anchor, witnesses)
        assert problem.value.code == "log.key-closed"


def test_keys_that_cannot_be_read_are_the_operators_turn(log, signer):
    (log.path / "state" / "keys.json").write_text('[{"key": "x", "closed": null}]')
    with pytest.raises(Misconfigured) as problem:
        EvidenceLog(log.path, ORIGIN, signer)
    assert problem.value.code == "log.keys-unreadable"


def test_a_note_with_our_signature_over_another_origin_is_not_ours(log, signer):
    text = "other.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    note = f"{text}\n{sign_note(text, signer).line()}".encode()
    with pytest.raises(Tampered) as problem:
        log.remember(note)
    assert problem.value.code == "log.origin-wrong"
