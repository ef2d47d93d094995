# SPDX-License-Identifier: Apache-2.0
"""Every signature again, with one's own eyes."""

import pytest
from tests.unit.record.store.building import NOW, Organisation, Place

from kizuna.model.errors import Unavailable
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, Target
from kizuna.record.store import recheck as rechecking
from kizuna.record.store import store as storing
from kizuna.record.store.checking import Checkers
from kizuna.roots.cose import parse_sign1
from kizuna.roots.keys import Algorithm


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.close()


def fill(store, count=60):
    maker = Organisation(b"maker")
    store.submit([maker.claim(number) for number in range(count)], now=NOW)
    return maker


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_sound_store_holds_in_one_piece_and_in_several(place, monkeypatch, pieces):
    store = place.create()
    fill(store)
    monkeypatch.setattr(storing, "_WORTH_PROCESSES", 0 if pieces == 2 else 10**6)
    monkeypatch.setattr(storing, "_PIECE", 7)
    seen = []
    report = store.recheck(seen.append)
    assert report.statements == store.head().size
    assert report.faults == []
    assert seen[-1] == report.statements


def test_keys_enrolled_later_are_known_too(place):
    store = place.create()
    maker = fill(store, 3)
    second = maker.unit.generate(Algorithm.ES256, "second")
    key = maker.unit.public(second)
    enrol = maker.sign(
        Kind.STATUS,
        maker.identity,
        Status(action=Action.ENROL, target=Target(key=key.thumbprint.hex()), key=key.to_jwk()),
    )
    store.submit([enrol], now=NOW)
    store.submit([maker.claim(99, handle=second)], now=NOW)
    assert store.recheck().faults == []


@pytest.mark.parametrize("where", ["signature", "payload"])
def test_one_changed_bit_in_the_archive_is_found_and_named(place, where):
    store = place.create()
    maker = fill(store)
    raw = maker.claim(17)
    index = store.reader().by_digests([parse_sign1(raw).digest])[parse_sign1(raw).digest].index
    path = store.archive.path
    data = bytearray(path.read_bytes())
    at = data.index(raw) + (len(raw) - 3 if where == "signature" else len(raw) // 2)
    data[at] ^= 1
    path.write_bytes(data)
    report = store.recheck()
    assert [(f.code, f.index) for f in report.faults] == [("store.archive-differs", index)]


def test_a_wrong_signature_that_was_logged_is_found_in_any_piece(place, monkeypatch):
    monkeypatch.setattr(storing, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(storing, "_PIECE", 7)
    monkeypatch.setattr(Checkers, "_check", lambda _, checks: [True] * len(checks))
    store = place.create()
    fill(store, 30)
    forged = Organisation(b"maker").claim(99)
    (outcome,) = store.submit([forged[:-1] + bytes([forged[-1] ^ 1])], now=NOW)
    fill(store, 60)
    report = store.recheck()
    assert [(f.code, f.index) for f in report.faults] == [
        ("envelope.signature-wrong", outcome.index)
    ]


def test_a_process_that_dies_is_a_problem_and_no_pass(place, monkeypatch):
    store = place.create()
    fill(store)
    monkeypatch.setattr(rechecking, "_PROGRAM", "raise SystemExit(3)")
    with pytest.raises(Unavailable) as caught:
        store.recheck()
    assert caught.value.code == "store.recheck-failed"


def test_an_empty_store_has_nothing_to_check(place):
    assert place.create().recheck().statements == 0
