# SPDX-License-Identifier: Apache-2.0
import base64
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.record.log.note import (
    COSIGNATURE,
    Note,
    NoteKey,
    Signature,
    cosign,
    is_key_name,
    parse_note,
    parse_signature_lines,
    sign_note,
    signed_by,
)
from kizuna.record.log.signer import Signer
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

TEXT = "a line\nand another\n\nafter an empty one\n"


def test_a_note_comes_back_byte_for_byte(signer):
    note = Note(TEXT, (sign_note(TEXT, signer),))
    assert parse_note(note.to_bytes()) == note
    held = signed_by(note, [NoteKey.of(signer)])
    assert [(s.key.name, s.time) for s in held] == [(signer.name, None)]


def test_verifier_keys_have_one_form_and_carry_their_hash(signer):
    for kind in (1, COSIGNATURE):
        key = NoteKey.of(signer, kind)
        assert NoteKey.parse(key.vkey) == key
        assert key.vkey.startswith(f"{signer.name}+{key.key_id.hex()}+")
        name, hashed, encoded = key.vkey.split("+", 2)
        other = "0" * 8 if hashed != "0" * 8 else "1" * 8
        for wrong in (
            f"{name}x+{hashed}+{encoded}",
            f"{name}+{other}+{encoded}",
            f"{name}+{hashed}+{encoded[:-4]}",
            f"{name}+{hashed}",
            "",
            "+" * 5000,
        ):
            with pytest.raises(Malformed) as problem:
                NoteKey.parse(wrong)
            assert problem.value.code == "log.key-malformed"


def test_the_key_published_with_the_go_implementation_is_read():
    # the verifier key of the Go checksum database, as its documentation prints it
    key = NoteKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert (key.name, key.kind, key.key_id.hex()) == ("sum.golang.org", 1, "033de0ae")


def test_only_ed25519_keys_sign_notes():
    unit = EphemeralUnit(b"p256")
    with pytest.raises(Malformed) as problem:
        NoteKey.of(Signer("name", unit, unit.generate(Algorithm.ES256, "k")))
    assert problem.value.code == "log.key-not-ed25519"


def test_signatures_of_unknown_keys_are_ignored_and_wrong_ones_of_known_keys_refuse(
    signer, make_signer
):
    other = make_signer("other.example/log", b"other")
    same_name = make_signer(signer.name, b"thief")
    note = Note(TEXT, (sign_note(TEXT, other), sign_note(TEXT, same_name)))
    assert signed_by(note, [NoteKey.of(signer)]) == ()
    key = NoteKey.of(signer)
    forged = note.with_signatures([Signature(signer.name, key.key_id, bytes(64))])
    with pytest.raises(Tampered) as problem:
        signed_by(forged, [key])
    assert problem.value.code == "log.signature-wrong"


def test_a_cosignature_binds_its_time(signer):
    line = cosign(TEXT, signer, 1_700_000_000)
    note = Note(TEXT, (line,))
    key = NoteKey.of(signer, COSIGNATURE)
    assert [s.time for s in signed_by(note, [key])] == [1_700_000_000]
    assert signed_by(note, [NoteKey.of(signer)]) == ()  # another type has another id
    later = Signature(
        line.name, line.key_id, (1_700_000_001).to_bytes(8, "big") + line.signature[8:]
    )
    with pytest.raises(Tampered):
        signed_by(Note(TEXT, (later,)), [key])


def test_a_plain_signature_never_passes_for_a_cosignature(signer):
    body = f"cosignature/v1\ntime 7\n{TEXT}"
    plain = sign_note(body, signer)  # a log tricked into signing this text as a note
    key = NoteKey.of(signer, COSIGNATURE)
    made = Signature(signer.name, NoteKey.of(signer).key_id, plain.signature)
    assert signed_by(Note(TEXT, (made,)), [key]) == ()


def test_a_key_counts_once(signer):
    line = sign_note(TEXT, signer)
    assert len(signed_by(Note(TEXT, (line, line)), [NoteKey.of(signer)])) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d[:-1],
        lambda d: d + b"\n",
        lambda d: d.replace(b"\n\n", b"\n"),
        lambda d: d.replace(b"a line", b"a \x01line"),
        lambda d: d.replace("\u2014".encode(), b"-"),
        lambda d: d.replace(b"a line", b"\xff\xfe"),
        lambda d: d[:-3] + b"=\n" if d[-2:] != b"=\n" else d[:-2] + b"\n",
        lambda d: d + b"x" * 200_000,
        lambda d: d + d.split(b"\n\n")[-1] * 200,
        lambda d: d[:0],
    ],
)
def test_damaged_notes_are_refused(signer, damage):
    note = Note(TEXT, (sign_note(TEXT, signer),)).to_bytes()
    with pytest.raises(Malformed) as problem:
        parse_note(damage(note))
    assert problem.value.code == "log.note-malformed"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_a_problem(data):
    try:
        assert parse_note(data).to_bytes() == data
    except Malformed as problem:
        assert problem.code == "log.note-malformed"


@given(st.text(max_size=200))
def test_any_text_is_signature_lines_or_a_problem(text):
    try:
        parse_signature_lines(text)
    except Malformed as problem:
        assert problem.code == "log.note-malformed"


@given(st.text(max_size=100))
def test_any_text_is_a_verifier_key_or_a_problem(text):
    try:
        NoteKey.parse(text)
    except Problem as problem:
        assert problem.code.startswith(("log.key", "key."))


def test_key_names():
    assert is_key_name("example.com/log42")
    for name in ("", "a b", "a+b", "a\tb", "a\u00a0b", "x" * 2000):
        assert not is_key_name(name)


def test_a_low_order_key_is_refused(signer):
    raw = bytes([1]) + bytes(32)
    hashed = sha256(b"n\n" + raw).digest()[:4].hex()
    with pytest.raises(Malformed) as problem:
        NoteKey.parse(f"n+{hashed}+{base64.b64encode(raw).decode()}")
    assert problem.value.code == "key.weak"
