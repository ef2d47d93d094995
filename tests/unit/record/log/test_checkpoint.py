# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.statement import Interval
from kizuna.model.trust import LogAnchor, WitnessAnchor
from kizuna.record.log.checkpoint import (
    Checkpoint,
    Intervals,
    Seen,
    close_key,
    parse_checkpoint,
    read_checkpoint,
    seen_of,
    witness_keys,
)
from kizuna.record.log.note import COSIGNATURE, Note, NoteKey, cosign, sign_note

ORIGIN = "log.kizuna.example/bar"
ROOT = bytes(range(32))


def note_of(checkpoint, *lines):
    return Note(checkpoint.text(), tuple(lines)).to_bytes()


def anchor_of(*signers, closed=None):
    return LogAnchor(origin=ORIGIN, keys=[NoteKey.of(s).vkey for s in signers], closed=closed or {})


def witness_of(signer):
    return WitnessAnchor(name=signer.name, key=NoteKey.of(signer, COSIGNATURE).vkey)


def test_a_checkpoint_comes_back_with_its_extension_lines():
    checkpoint = Checkpoint(ORIGIN, 12, ROOT, ("an extension", "and one more"))
    assert parse_checkpoint(checkpoint.text()) == checkpoint
    assert checkpoint.known.root == ROOT.hex()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        f"{ORIGIN}\n01\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n-1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
        f"{ORIGIN}\n1\nAAECAw==\n",
        f"{ORIGIN}\n1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        f"{ORIGIN}\n1\n\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n{2**63}\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n{'9' * 400}\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n0\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        f"{ORIGIN}\n\u0661\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(Malformed) as problem:
        parse_checkpoint(text)
    assert problem.value.code == "log.checkpoint-malformed"


@given(st.text(max_size=200))
def test_any_text_is_a_checkpoint_or_a_problem(text):
    try:
        assert parse_checkpoint(text).text() == text
    except Malformed as problem:
        assert problem.code == "log.checkpoint-malformed"


def test_a_checkpoint_counts_only_with_a_key_the_verifier_accepts(signer, make_signer):
    checkpoint = Checkpoint(ORIGIN, 5, ROOT)
    note = note_of(checkpoint, sign_note(checkpoint.text(), signer))
    signed = read_checkpoint(note, anchor_of(signer))
    assert signed.checkpoint == checkpoint
    assert signed.signers == (NoteKey.of(signer).label,)
    for anchor, code in (
        (anchor_of(make_signer(ORIGIN, b"other")), "log.not-signed"),
        (LogAnchor(origin="other.example", keys=anchor_of(signer).keys), "log.origin-wrong"),
    ):
        with pytest.raises(Tampered) as problem:
            read_checkpoint(note, anchor)
        assert problem.value.code == code


def test_witnesses_count_once_each_and_the_log_is_no_witness_of_itself(signer, make_signer):
    one, two = make_signer("w.example/1", b"1"), make_signer("w.example/2", b"2")
    twin = make_signer("w.example/one-again", b"1")  # the same key under a second name
    own = make_signer("w.example/self", b"log")  # the log's own key in a witness's clothes
    stranger = make_signer("w.example/3", b"3")
    checkpoint = Checkpoint(ORIGIN, 5, ROOT)
    text = checkpoint.text()
    lines = [cosign(text, w, 100 + n) for n, w in enumerate((two, one, twin, own, stranger))]
    note = note_of(checkpoint, sign_note(text, signer), *lines)
    witnesses = [witness_of(w) for w in (one, two, twin, own)]
    signed = read_checkpoint(note, anchor_of(signer), witnesses)
    assert signed.witnesses == (("w.example/2", 100), ("w.example/1", 101))
    assert signed.quorum == 2
    assert seen_of([signed]) == [Seen(5, (100, 101))]


def test_a_witness_counts_once_a_size_however_many_notes_carry_its_line(signer, make_signer):
    one, two = make_signer("w.example/1", b"1"), make_signer("w.example/2", b"2")
    checkpoint = Checkpoint(ORIGIN, 5, ROOT)
    text = checkpoint.text()

    def note(*seen):
        lines = [cosign(text, who, at) for who, at in seen]
        made = note_of(checkpoint, sign_note(text, signer), *lines)
        return read_checkpoint(made, anchor_of(signer), [witness_of(one), witness_of(two)])

    alone = [note((one, 100)), note((one, 100)), note((one, 900))]
    assert Intervals(seen_of(alone), quorum=2).of(4) is None
    both = [*alone, note((two, 200))]
    assert seen_of(both) == [Seen(5, (100, 200), (200, 900))]
    # first seen by both at 200; last seen by both at 200, by one at 900
    found = Intervals([*seen_of(both), Seen(9, (950, 960))], quorum=2)
    assert found.of(4) == Interval(0, 200)
    assert found.of(6) == Interval(200, 960)


def test_witness_keys_must_be_what_they_are_called(signer, make_signer):
    for wrong in (
        WitnessAnchor(name=signer.name, key=NoteKey.of(signer).vkey),
        WitnessAnchor(name="else.example", key=NoteKey.of(signer, COSIGNATURE).vkey),
    ):
        with pytest.raises(Malformed) as problem:
            witness_keys([wrong])
        assert problem.value.code == "log.witness-key-wrong"


def test_a_closed_key_counts_up_to_its_size_and_only_with_a_witness(signer, make_signer):
    fresh, witness = make_signer(ORIGIN, b"new"), make_signer("w.example/1", b"1")
    anchor = close_key(
        anchor_of(signer), NoteKey.of(signer).vkey, 10, successor=NoteKey.of(fresh).vkey
    )
    assert anchor.closed == {NoteKey.of(signer).label: 10}
    assert len(anchor.keys) == 2

    def read(size, by, cosigned):
        checkpoint = Checkpoint(ORIGIN, size, ROOT)
        text = checkpoint.text()
        lines = [sign_note(text, by), *([cosign(text, witness, 9)] if cosigned else [])]
        return read_checkpoint(note_of(checkpoint, *lines), anchor, [witness_of(witness)])

    assert read(10, signer, cosigned=True).quorum == 1
    assert read(11, fresh, cosigned=False).checkpoint.size == 11
    for size, cosigned in ((11, True), (10, False), (3, False)):
        with pytest.raises(Tampered) as problem:
            read(size, signer, cosigned=cosigned)
        assert problem.value.code == "log.key-closed"


def test_closing_again_only_lowers(signer):
    key = NoteKey.of(signer)
    anchor = close_key(close_key(anchor_of(signer), key.vkey, 10), key.vkey, 20)
    assert anchor.closed == {key.label: 10}
    assert close_key(anchor, key.vkey, 4).closed == {key.label: 4}
    with pytest.raises(Malformed) as problem:
        close_key(LogAnchor(origin=ORIGIN, keys=[]), key.vkey, 4)
    assert problem.value.code == "log.key-unknown"


def test_registration_lies_between_the_tree_without_and_the_tree_with_the_entry():
    by_clock = Intervals([Seen(0, (100,)), Seen(4, (200,)), Seen(9, (300,))])
    assert by_clock.of(0) == Interval(100, 200)
    assert by_clock.of(3) == Interval(100, 200)
    assert by_clock.of(4) == Interval(200, 300)
    assert by_clock.of(9) is None
    assert Intervals([Seen(4, (200,))]).of(2) == Interval(0, 200)


def test_a_minority_of_witnesses_moves_no_end():
    honest = [Seen(4, (200, 201)), Seen(9, (300, 301))]
    liar = [Seen(4, (200, 201, 999)), Seen(9, (300, 301, 1))]
    for seen in (honest, liar):
        found = Intervals(seen, quorum=2).of(6)
        assert found is not None
        assert 200 <= found.earliest <= 201
        assert 300 <= found.latest <= 301
    # too few cosignatures: that tree was not seen
    assert Intervals([Seen(9, (300,))], quorum=2).of(6) is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 1000)), max_size=20),
    st.integers(1, 3),
    st.integers(0, 60),
)
def test_intervals_are_ordered_like_the_log(pairs, quorum, index):
    intervals = Intervals((Seen(size, (time,)) for size, time in pairs), quorum)
    this, after = intervals.of(index), intervals.of(index + 1)
    if this is not None:
        assert this.earliest <= this.latest
    if this is not None and after is not None:
        assert this.latest <= after.latest
        assert this.earliest <= after.earliest or this.latest <= after.latest
