# SPDX-License-Identifier: Apache-2.0
"""Evidence whose shape is known reads as if it were not, whatever its bytes."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kizuna.model.errors import Problem
from kizuna.proof.attestation.appraisal import Appraisal
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES, psa
from kizuna.proof.attestation.schemes.psa import Psa
from kizuna.proof.attestation.schemes.tpm import Tpm, evidence
from kizuna.proof.attestation.schemes.tpm.evidence import epoch_nonce, write_evidence
from kizuna.proof.attestation.shapes import MAX_SIZE, Shapes, spans_in
from kizuna.roots.boot.quote import digest_of
from kizuna.roots.cose import encode, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

MODEL = b"implementation-id-of-the-shape-1"
UNIT = EphemeralUnit(b"shapes")
KEY = UNIT.generate(Algorithm.ES256, "device")
HELD = {("sha256", number): bytes([number]) * 32 for number in (0, 1, 2, 7)}


def _token(nonce: bytes, instance: bytes, seed: bytes | None, version: str = "1") -> bytes:
    claims: dict[int, Any] = {
        265: "tag:psacertified.org,2023:psa#tfm",
        10: nonce,
        256: instance,
        2394: 1,
        2395: 0x3000,
        2396: MODEL,
        2399: [{1: "BL", 2: b"d" * 32, 4: version, 5: b"s" * 32}],
    }
    if seed is not None:
        claims[268] = seed
    return sign1(UNIT, KEY, {}, encode(claims))


def _quote(nonce: bytes, clock: int, node: bytes, epoch: int | None = None) -> bytes:
    attest = b"".join(
        (
            b"\xffTCG\x80\x18\x00\x22\x00\x0b" + bytes(32),
            len(nonce).to_bytes(2, "big") + nonce,
            clock.to_bytes(8, "big") + bytes(8) + b"\x01" + bytes(8),
            b"\x00\x00\x00\x01\x00\x0b\x03\x87\x00\x00",
            b"\x00\x20" + (digest_of((("sha256", (0, 1, 2, 7)),), HELD) or b""),
        )
    )
    raw = UNIT.sign(KEY, attest)
    signature = b"\x00\x18\x00\x0b\x00\x20" + raw[:32] + b"\x00\x20" + raw[32:]
    return write_evidence(attest, signature, HELD, node=node, epoch=epoch)


def _forget() -> None:
    psa._shapes.clear()
    evidence._shapes.clear()


def _read(scheme: Psa | Tpm, data: bytes) -> object:
    try:
        return scheme.read(data)
    except Problem as problem:
        return problem.code, problem.why


def _both(scheme: Psa | Tpm, learnt: bytes, data: bytes) -> tuple[object, object]:
    """What ``data`` reads as after ``learnt`` was read, and what by itself."""
    _forget()
    scheme.read(learnt)
    known = _read(scheme, data)
    _forget()
    return known, _read(scheme, data)


nonces = st.binary(min_size=32, max_size=32)
instances = st.binary(min_size=32, max_size=32).map(b"\x01".__add__)


@given(nonces, instances, st.none() | st.binary(min_size=32, max_size=32))
def test_a_token_of_a_known_shape_reads_as_by_itself(
    nonce: bytes, instance: bytes, seed: bytes | None
) -> None:
    learnt = _token(bytes(32), b"\x01" + bytes(32), None if seed is None else bytes(32))

    known, alone = _both(Psa(), learnt, _token(nonce, instance, seed))

    assert known == alone
    assert getattr(known, "nonce", None) == nonce


@given(nonces, st.integers(0, 2**63), st.binary(min_size=5, max_size=5))
def test_a_quote_of_a_known_shape_reads_as_by_itself(nonce: bytes, clock: int, node: bytes) -> None:
    known, alone = _both(Tpm(), _quote(bytes(32), 0, b"12345"), _quote(nonce, clock, node))

    assert known == alone
    assert getattr(known, "nonce", None) == nonce


@given(st.data())
def test_a_changed_byte_reads_as_by_itself(data: st.DataObject) -> None:
    scheme, learnt = data.draw(
        st.sampled_from(
            [
                (Psa(), _token(b"n" * 32, b"\x01" + b"i" * 32, b"s" * 32)),
                (Tpm(), _quote(b"n" * 32, 7, b"a node")),
            ]
        )
    )
    changed = bytearray(learnt)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(learnt) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del changed[data.draw(st.integers(0, len(learnt) - 1)) :]

    known, alone = _both(scheme, learnt, bytes(changed))

    assert known == alone


def test_an_instance_that_breaks_its_rule_is_not_taken_by_its_shape() -> None:
    learnt = _token(bytes(32), b"\x01" + bytes(32), None)

    known, alone = _both(Psa(), learnt, _token(bytes(32), b"\x02" + bytes(32), None))

    assert known == alone
    assert [f.about["claim"] for f in getattr(known, "faults", ())] == ["psa-instance-id"]


def test_an_epoch_counts_only_where_the_chip_signed_its_nonce() -> None:
    learnt = _quote(epoch_nonce(5), 1, b"", epoch=5)

    known, alone = _both(Tpm(), learnt, _quote(b"x" * 32, 2, b"", epoch=5))

    assert known == alone
    assert getattr(known, "epoch", 0) is None
    assert getattr(_both(Tpm(), learnt, learnt)[0], "epoch", 0) == 5


@pytest.mark.parametrize("closed", [False, True])
def test_a_batch_of_one_shape_is_judged_as_its_pieces_by_themselves(closed: bool) -> None:
    references = References()
    for model, component, digest in (
        (MODEL.hex(), "BL", b"d" * 32),
        *(("server", str(number), value) for (_, number), value in HELD.items()),
    ):
        references.add(
            Reference(
                model=model, component=component, digest_alg="sha-256", digest=digest, signed=True
            )
        )
    if closed:
        references.close(MODEL.hex())
    key = UNIT.public(KEY)
    token = Enrolled(scheme="psa", key=key)
    chip = Enrolled(scheme="tpm", key=key, reference="server")
    tasks: list[Task] = []
    for number in range(12):
        nonce = sha256(b"%d" % number).digest()
        asked = Freshness(now=1000, nonce=nonce if number % 4 else bytes(32))
        unknown = "1" if number % 3 else "2"
        made = _token(nonce, b"\x01" + nonce, None, unknown)
        if number == 5:
            made = made[:-1] + bytes([made[-1] ^ 1])
        tasks.append(Task(made, "psa", asked, token))
        tasks.append(Task(_quote(nonce, number, b""), "tpm", asked, chip))
    _forget()

    together = Appraiser(references, SCHEMES).appraise_many(tasks)

    alone: list[Appraisal] = []
    for task in tasks:
        _forget()
        references.kept.clear()
        alone.append(Appraiser(references, SCHEMES).appraise(task))
    assert together == alone


def test_what_measurements_came_to_is_asked_again_after_a_change_of_the_references() -> None:
    references = References()
    appraiser = Appraiser(references, SCHEMES)
    enrolled = Enrolled(scheme="psa", key=UNIT.public(KEY))
    task = Task(_token(bytes(32), b"\x01" + bytes(32), None), "psa", Freshness(now=9), enrolled)
    first = appraiser.appraise(task)

    references.add(
        Reference(
            model=MODEL.hex(), component="BL", digest_alg="sha-256", digest=b"d" * 32, signed=True
        )
    )
    second = appraiser.appraise(task)
    references.add(
        Reference(
            model=MODEL.hex(), component="PRoT", digest_alg="sha-256", digest=b"p" * 32, signed=True
        )
    )
    third = appraiser.appraise(task)

    assert [a.status.value for a in (first, second, third)] == ["none", "affirming", "none"]


def test_shapes_are_bounded() -> None:
    shapes: Shapes[int] = Shapes()

    for number in range(5000):
        shapes.learn(number.to_bytes(4, "big") + b"12345678", [(4, 12)], number)
    shapes.learn(bytes(MAX_SIZE + 1), [(0, 1)], 1)

    assert len(shapes) <= 4096
    assert shapes.find(bytes(MAX_SIZE + 1)) is None
    assert shapes.find((4999).to_bytes(4, "big") + b"abcdefgh") == 4999


def test_devices_of_which_each_is_its_own_class_are_not_all_learnt_from() -> None:
    shapes: Shapes[int] = Shapes()

    learnt = 0
    for number in range(1024):
        if shapes.find(number.to_bytes(4, "big")) is None and shapes.pays:
            shapes.learn(number.to_bytes(4, "big"), [], number)
            learnt += 1

    assert 256 <= learnt < 300


def test_places_are_those_of_the_contents() -> None:
    data = encode({"a": b"12", 5: b"x" * 300, 6: "text", "z": [1, {2: b"3"}]})

    places = spans_in(data, ["a", 5, 6, "absent"])

    assert {label: data[a:b] for label, (a, b) in places.items()} == {"a": b"12", 5: b"x" * 300}


def test_a_changed_reading_changes_no_other() -> None:
    _forget()
    scheme, token = Psa(), _token(bytes(32), b"\x01" + bytes(32), None)
    scheme.read(token)
    first = scheme.read(token)

    replace(first, claims={})
    dict(first.claims)["psa-nonce"] = b"changed"

    assert scheme.read(token) == first
