# SPDX-License-Identifier: Apache-2.0
"""The parts of the store, each alone: archive, views, heads of the map, receipts, checking."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.record.store.building import Organisation, Place, claims_of

from kizuna.model.errors import Misconfigured, Problem
from kizuna.record.log import Frontier
from kizuna.record.log.map import Head
from kizuna.record.store import OPERATOR, PUBLIC, Accepted, Refusal, Store, View
from kizuna.record.store.archive import HEADER, Archive, framed
from kizuna.record.store.checking import Checkers
from kizuna.record.store.heads import TableHeads, _form, _parse
from kizuna.record.store.intake import _cuts
from kizuna.record.store.pipes import Line
from kizuna.record.store.sqlite import SqliteBackend
from kizuna.roots.cose import parse_sign1
from kizuna.roots.keys import Check

DIGESTS = st.binary(min_size=32, max_size=32)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive.create(tmp_path / "statements")
    yield made
    made.close()


# -- archive -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    statements=st.lists(
        st.tuples(st.binary(max_size=300), st.none() | st.lists(DIGESTS, max_size=3)), max_size=20
    ),
    cut=st.integers(min_value=0, max_value=500),
)
def test_an_archive_gives_back_every_whole_record_and_nothing_of_a_torn_one(
    tmp_path_factory: pytest.TempPathFactory,
    statements: list[tuple[bytes, list[bytes] | None]],
    cut: int,
) -> None:
    archive = Archive.create(tmp_path_factory.mktemp("a") / "statements")
    records = [framed(raw, keys) for raw, keys in statements]
    archive.write(len(HEADER), records)
    archive.sync()
    found = list(archive.records())
    assert [(record.raw, record.keys) for record in found] == [
        (raw, None if keys is None else tuple(keys)) for raw, keys in statements
    ]
    for record in found:
        assert archive.read(record.position, len(record.raw)) == record.raw
    end = max(len(HEADER), archive.length - cut)
    archive.truncate(end)
    assert list(archive.records()) == [record for record in found if record.end <= end]
    archive.close()


def test_large_records_are_read_across_blocks(archive: Archive) -> None:
    statements = [bytes([n]) * (1_500_000 + n) for n in range(5)]
    archive.write(len(HEADER), [framed(raw) for raw in statements])
    assert [record.raw for record in archive.records()] == statements


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, archive: Archive) -> None:
    (tmp_path / "other").write_bytes(b"something else entirely")
    for name in ("other", "missing"):
        with pytest.raises(Misconfigured) as caught:
            Archive.open(tmp_path / name)
        assert caught.value.code == "store.damaged"
    with pytest.raises(Misconfigured):
        archive.read(10, 1000)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_without_a_fall(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("a") / "statements"
    path.write_bytes(HEADER + data)
    archive = Archive.open(path)
    assert sum(len(record.raw) for record in archive.records()) <= len(data)
    archive.close()


# -- views -------------------------------------------------------------------------------------


def test_a_view_shows_what_is_public_and_what_is_for_its_reader() -> None:
    issuer, reader, stranger = "did:key:zI", "did:key:zR", "did:key:zS"
    audience = '["did:key:zR","did:key:zQ"]'
    for view, shown in (
        (OPERATOR, True),
        (PUBLIC, False),
        (View.of(issuer), True),  # type: ignore[arg-type]
        (View.of(reader), True),  # type: ignore[arg-type]
        (View.of(stranger), False),  # type: ignore[arg-type]
    ):
        assert view.shows(issuer, audience) is shown
        assert view.sees(issuer, ("did:key:zR", "did:key:zQ")) is shown  # type: ignore[arg-type]
        assert view.shows(issuer, None)
        assert view.sees(issuer, ())


# -- heads -------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    heads=st.dictionaries(DIGESTS, st.integers(min_value=1, max_value=40), min_size=1, max_size=5)
)
def test_heads_come_back_as_they_went_in(heads: dict[bytes, int]) -> None:
    bucket: dict[bytes, Head] = {}
    for key, size in heads.items():
        frontier = Frontier()
        for number in range(size):
            frontier.append(bytes([number]) * 32)
        bucket[key] = (size, frontier.to_bytes())
    assert _parse(_form(bucket)) == bucket


def test_heads_are_written_by_the_writer_only(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "s.sqlite")
    backend.migrate()
    heads = TableHeads(backend)
    with pytest.raises(RuntimeError):
        heads.put({bytes(32): (1, bytes(32))})
    with backend.writing(1) as tables, heads.within(tables):
        heads.fetch_buckets([0])
        heads.put({bytes(32): (1, bytes(32))})
    assert heads.fetch_buckets([0, 1]) == {0: {bytes(32): (1, bytes(32))}}
    assert list(heads.everything()) == [{bytes(32): (1, bytes(32))}]
    backend.close()


# -- receipts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 8, 9, 300])
def test_receipts_in_bulk_are_those_given_one_by_one(tmp_path: Path, count: int) -> None:
    place, maker = Place(tmp_path), Organisation(b"maker")
    with place.create() as store:
        outcomes = store.submit(claims_of(maker, range(count)))
        digests = [outcome.digest for outcome in outcomes if isinstance(outcome, Accepted)]
        random.Random(count).shuffle(digests)  # noqa: S311 - no secret
        found = store.reader().by_digests(digests)
        assert store.receipts([*digests, digests[0]]) == [
            store.log.receipt(found[digest].index) for digest in [*digests, digests[0]]
        ]


# -- checking ----------------------------------------------------------------------------------


def checks_of(count: int) -> tuple[list[Check], list[bool]]:
    maker = Organisation(b"maker")
    key = maker.unit.public(maker.handle)
    checks: list[Check] = []
    for number, raw in enumerate(claims_of(maker, range(count))):
        envelope = parse_sign1(raw)
        signature = envelope.signature if number % 3 else bytes(64)
        checks.append((key, signature, envelope.to_be_signed))
    return checks, [bool(number % 3) for number in range(count)]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kizuna.record.store.checking._PAYS_FROM", 100)


def answers(futures: Sequence[Future[list[bool]]]) -> list[list[bool]]:
    return [future.result(timeout=60) for future in futures]


def test_helpers_and_threads_give_the_same_answers(eager: None) -> None:
    checks, expected = checks_of(500)
    with_helpers, without = Checkers(2, helpers=True), Checkers(2, helpers=False)
    for checkers in (with_helpers, without):
        got = answers([checkers.submit(part) for part in (checks, checks[:10], [], checks)])
        assert got == [expected, expected[:10], [], expected]
    assert len(with_helpers._running) == 2
    assert not without._running
    with_helpers.close()
    without.close()


def test_a_helper_that_dies_is_given_up_and_nothing_is_skipped(eager: None) -> None:
    checks, expected = checks_of(500)
    checkers = Checkers(2, helpers=True)
    assert checkers.submit(checks).result(60) == expected
    for helper in checkers._running:
        helper.process.kill()
        helper.process.wait()
    assert checkers.submit(checks).result(60) == expected
    assert not checkers._running
    assert checkers.submit(checks).result(60) == expected
    checkers.close()


def stopped(command: Sequence[str]) -> Line:
    line = Line(command, patience=0.2)
    line.process.send_signal(signal.SIGSTOP)
    return line


def test_helpers_that_fall_silent_are_given_up_and_not_started_for_ever(
    eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Line] = []

    def start(command: Sequence[str]) -> Line:
        started.append(stopped(command))
        return started[-1]

    monkeypatch.setattr("kizuna.record.store.checking.Line", start)
    checks, expected = checks_of(200)
    checkers = Checkers(2, helpers=True)
    for number in range(5):
        assert checkers.submit(checks).result(60) == expected
        assert len(started) == min(2 * (number + 1), 6)
    assert checkers.examine([b"x"] * 200).result(60) == [None] * 200
    checkers.close()
    assert all(line.process.poll() is not None for line in started)


def test_helpers_that_failed_once_are_started_again(
    eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks, expected = checks_of(200)
    checkers = Checkers(2, helpers=True)
    with monkeypatch.context() as first:
        first.setattr("kizuna.record.store.checking.Line", stopped)
        assert checkers.submit(checks).result(60) == expected
    assert not checkers._running
    assert checkers.submit(checks).result(60) == expected
    assert len(checkers._running) == 2
    checkers.close()


# -- cutting what one caller sent --------------------------------------------------------------


@given(count=st.integers(min_value=1, max_value=300_000))
def test_what_one_caller_sent_is_cut_into_all_of_it(count: int) -> None:
    cuts = _cuts(count)
    sizes = [end - first for first, end in pairwise(cuts)]
    assert sum(sizes) == count
    assert (cuts[0], cuts[-1]) == (0, count)
    assert min(sizes) > 0
    assert max(sizes) <= 8192
    assert sizes == sorted(sizes, reverse=True)
    assert count <= 4096 or sizes[-1] <= 1024


def test_parts_of_what_one_caller_sent_are_answered_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kizuna.record.store.intake._GROUP", 8)
    monkeypatch.setattr("kizuna.record.store.intake._LAST", 2)
    statements = claims_of(Organisation(b"maker"), range(40))
    with Place(tmp_path).create() as store:
        outcomes = store.submit(statements)
        assert [o.digest for o in outcomes if isinstance(o, Accepted)] == [
            parse_sign1(raw).digest for raw in statements
        ]
        # 20, 10, 5, 3, 2: each with the head of the map behind it
        assert [size for size, _ in store.log.published_sizes()] == [0, 21, 32, 38, 42, 45]


# -- anything at all ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Place(tmp_path_factory.mktemp("fuzz")).create() as made:
        yield made


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    number=st.integers(min_value=0, max_value=5),
)
def test_whatever_is_sent_is_registered_or_refused_with_a_code(
    store: Store, data: st.DataObject, number: int
) -> None:
    raw = bytearray(Organisation(b"maker").claim(number))
    for _ in range(data.draw(st.integers(min_value=0, max_value=3))):
        raw[data.draw(st.integers(min_value=0, max_value=len(raw) - 1))] = data.draw(
            st.integers(min_value=0, max_value=255)
        )
    before = store.head()
    (outcome,) = store.submit([bytes(raw)])
    if isinstance(outcome, Refusal):
        assert isinstance(outcome.problem, Problem)
        assert outcome.problem.code
        assert store.head() == before
    else:
        assert outcome.digest in store.reader().by_digests([outcome.digest])
