# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.record.log import LogProof, Witness, check_proof, directory, read_proof

ORIGIN = "log.kizuna.example/bar"


@pytest.fixture
def proven(log, digests):
    log.append(digests(300))
    log.publish(1_001)
    return LogProof(7, log.inclusion(7), log.checkpoint(), b"anything")


def test_an_exported_proof_holds_for_its_entry(log, proven, digests):
    assert read_proof(proven.to_bytes()) == proven
    assert proven.to_bytes().startswith(b"c2sp.org/tlog-proof@v1\nextra ")
    signed = check_proof(proven, digests(300)[7], log.anchor())
    assert signed.checkpoint == log.published
    with pytest.raises(Tampered) as problem:
        check_proof(proven, digests(300)[8], log.anchor())
    assert problem.value.code == "log.proof-wrong"
    plain = LogProof(0, log.inclusion(0), log.checkpoint())
    assert read_proof(plain.to_bytes()) == plain


def test_the_quorum_is_the_verifiers(log, proven, digests, make_signer, tmp_path):
    witness = Witness(tmp_path / "w", make_signer("w.example/1", b"1"), [log.anchor()])
    entry, anchors = digests(300)[7], {"witnesses": [witness.anchor], "quorum": 1}
    with pytest.raises(Tampered) as problem:
        check_proof(proven, entry, log.anchor(), **anchors)
    assert problem.value.code == "log.quorum-missing"
    lines = witness.observe(directory(log.path), ORIGIN, 2_000)
    log.add_cosignatures("".join(line.line() for line in lines), [witness.key])
    cosigned = LogProof(7, log.inclusion(7), log.checkpoint())
    assert check_proof(cosigned, entry, log.anchor(), **anchors).quorum == 1


def test_no_changed_byte_goes_through(log, proven, digests):
    whole = LogProof(proven.index, proven.path, proven.note).to_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        with pytest.raises(Problem):
            check_proof(read_proof(bytes(damaged)), digests(300)[7], log.anchor())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_a_problem(data):
    for text in (data, b"c2sp.org/tlog-proof@v1\n" + data):
        try:
            assert read_proof(text).to_bytes() == text
        except Malformed as problem:
            assert problem.code == "log.proof-malformed"


def test_other_forms_are_refused(proven):
    text = proven.to_bytes()
    for wrong in (
        text.replace(b"index 7", b"index 07"),
        text.replace(b"@v1", b"@v2"),
        text.replace(b"extra ", b"extra  "),
        text + b"x" * 400_000,
        b"\xff" + text,
    ):
        with pytest.raises(Malformed):
            read_proof(wrong)
