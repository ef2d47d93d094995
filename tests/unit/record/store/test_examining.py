# SPDX-License-Identifier: Apache-2.0
"""What helper processes see in statements is what the writer would have seen itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.record.store.building import NOW, Organisation, Place, claims_of

from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target
from kizuna.model.statement import Registered
from kizuna.record.log.keys import keys_of
from kizuna.record.store import Accepted, Refusal
from kizuna.record.store.arriving import Outcome
from kizuna.record.store.checking import Checkers
from kizuna.record.store.examining import Examiner, envelope_from
from kizuna.roots.cose import parse_sign1, with_receipts
from kizuna.roots.keys import Algorithm
from kizuna.roots.statement import checked

MAKER = Organisation(b"maker")
RAW = MAKER.claim(1)


@pytest.mark.parametrize("size", [0, 10, 30, 200, 300, 70_000])
def test_the_envelope_is_the_one_that_parsing_gives(size: int) -> None:
    said: dict[str, Any] = {f"member-{number}": "n" * 40 for number in range(size // 40)}
    raw = MAKER.sign(Kind.CAPABILITY, "pkg:generic/part@1", Claim(type="capacity", claims=said))
    seen = Examiner().examine(raw)
    assert seen is not None
    assert envelope_from(raw, seen) == parse_sign1(raw)
    key = MAKER.unit.public(MAKER.handle)
    assert seen.holds
    assert seen.key == key.thumbprint
    assert seen.keys == b"".join(keys_of(checked(parse_sign1(raw), key)))


def test_a_wrong_signature_is_seen_and_nothing_of_the_payload_is_read() -> None:
    seen = Examiner().examine(RAW[:-1] + bytes([RAW[-1] ^ 1]))
    assert seen is not None
    assert not seen.holds
    assert seen.keys is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW[1:],
        with_receipts(RAW, [b"receipt"]),
        MAKER.claim(1, audience=["did:web:reader.example"]),
        MAKER.sign(Kind.EVIDENCE, "pkg:generic/part@1", b"{}", by_hash=True),
    ],
)
def test_what_is_unusual_is_left_to_the_writer(raw: bytes) -> None:
    assert Examiner().examine(raw) is None


def test_what_the_intake_acts_on_or_refuses_is_read_by_the_writer() -> None:
    examiner = Examiner()
    acting = MAKER.sign(
        Kind.STATUS,
        MAKER.identity,
        Status(action=Action.REVOKE, target=Target(statement="00" * 32)),
    )
    strange = MAKER.sign(Kind.CAPABILITY, "pkg:generic/part@1", b'{"no":"claim"}')
    field = MAKER.sign(
        Kind.EVIDENCE, "pkg:generic/part@1", b"{}", media_type="application/vnd.cyclonedx+json"
    )
    elsewhere = MAKER.claim(1, issuer=Organisation(b"other").identity)
    for raw in (acting, strange, field):
        seen = examiner.examine(raw)
        assert seen is not None
        assert seen.holds
        assert seen.keys is None
    seen = examiner.examine(elsewhere)
    assert seen is not None
    assert (seen.key, seen.holds, seen.keys) == (b"", False, None)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(RAW) - 1), byte=st.integers(0, 255), end=st.integers(0, 3))
@example(at=175, byte=0, end=0)  # where the unprotected header stands
def test_whatever_arrives_is_seen_as_it_is_parsed(at: int, byte: int, end: int) -> None:
    data = bytearray(RAW)
    data[at] = byte
    raw = bytes(data[: len(data) - end])
    seen = Examiner().examine(raw)
    if seen is not None:
        assert envelope_from(raw, seen) == parse_sign1(raw)
        assert seen.holds == (raw == RAW)


def test_an_unprotected_header_that_is_no_map_is_refused() -> None:
    seen = Examiner().examine(RAW)
    assert seen is not None
    at = seen.header_end
    assert RAW[at : at + 1] == b"\xa0"
    for byte in (b"\x00", b"\x80", b"\xf6", b"\x60"):
        with pytest.raises(Malformed):
            parse_sign1(RAW[:at] + byte + RAW[at + 1 :])


def mixed() -> list[bytes]:
    """A batch with everything that goes another way than most, in an order that matters."""
    second = MAKER.unit.generate(Algorithm.ES256, "second")
    public = MAKER.unit.public(second)
    enrol = MAKER.sign(
        Kind.STATUS,
        MAKER.identity,
        Status(action=Action.ENROL, target=Target(key=second.id), key=public.to_jwk()),
    )
    good = claims_of(MAKER, range(120))
    return [
        *good[:60],
        MAKER.claim(900, handle=second),  # not enrolled yet
        enrol,
        MAKER.claim(901, handle=second),
        b"nothing",
        good[60][:-1] + bytes([good[60][-1] ^ 1]),
        MAKER.claim(902, at=NOW + 90_000),
        MAKER.claim(903, audience=["did:web:reader.example"]),
        MAKER.sign(Kind.CAPABILITY, "pkg:generic/part@1", b'{"no":"claim"}'),
        MAKER.sign(Kind.EVIDENCE, "pkg:generic/p@1", b"{}", media_type="application/json"),
        good[0],
        *good[60:],
    ]


def said(outcomes: list[Outcome]) -> list[object]:
    return [
        (o.digest, o.index, o.duplicate)
        if isinstance(o, Accepted)
        else (o.digest, o.problem.code, o.problem.what)
        for o in outcomes
    ]


def test_a_store_with_helpers_decides_as_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kizuna.record.store.checking._PAYS_FROM", 100)
    statements = mixed()
    heard: list[list[Registered]] = [[], []]
    answers: list[list[object]] = []
    for number, helpers in enumerate((True, False)):
        with Place(tmp_path / str(number), helpers=helpers).create() as store:
            store.on_registered(heard[number].extend)
            first = store.submit(claims_of(MAKER, range(1000, 1300)))
            assert all(isinstance(outcome, Accepted) for outcome in first)
            answers.append(said(store.submit(statements)))
            assert sum(isinstance(o, Refusal) for o in store.submit([b"nothing", *statements])) > 1
    assert answers[0] == answers[1]
    assert [r.statement for r in heard[0] if r.statement.kind is Kind.CAPABILITY] == [
        r.statement for r in heard[1] if r.statement.kind is Kind.CAPABILITY
    ]
    assert len(heard[0]) == len(heard[1])


def test_helpers_that_die_leave_everything_to_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kizuna.record.store.checking._PAYS_FROM", 100)
    checkers = Checkers(2, helpers=True)
    statements = claims_of(MAKER, range(200))
    seen = checkers.examine(statements).result(60)
    assert all(one is not None and one.holds for one in seen)
    for helper in checkers._running:
        helper.process.kill()
        helper.process.wait()
    assert checkers.examine(statements).result(60) == [None] * 200
    assert not checkers._running
    checkers.close()
