# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ANN401
"""A full disk and other faults, at each step: the store is as it was, and goes on afterwards."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.unit.record.store.building import Organisation, Place, claims_of

from kizuna.model.errors import Misconfigured, Problem, Tampered, Unavailable
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, Target
from kizuna.record.log import EvidenceLog
from kizuna.record.store import Accepted, Refusal, Store
from kizuna.record.store.archive import Archive
from kizuna.record.store.sqlite import SqliteBackend, _SqliteWriting
from kizuna.roots.keys import Algorithm


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, wait=0.3)
    yield made
    made.close()


@pytest.fixture
def maker() -> Organisation:
    return Organisation(b"maker")


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def log_full(*_: object, **__: object) -> None:
    raise Unavailable("log.not-written", "the log could not be written", why="no space")


def fill_up(file: Path) -> None:
    with file.open("ab") as filling, suppress(OSError):
        while True:
            os.write(filling.fileno(), bytes(4096))


def snapshot(store: Store) -> list[Any]:
    return [row for page in store.reader().all() for row in page]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Archive, "write"),
        (Archive, "sync"),
        (_SqliteWriting, "add_statements"),
        (_SqliteWriting, "put_buckets"),
        (_SqliteWriting, "add_batch"),
    ],
)
def test_a_full_disk_before_the_commit_leaves_the_store_as_it_was(
    place: Place, maker: Organisation, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    handle = maker.unit.generate(Algorithm.EDDSA, "second")
    jwk = maker.unit.public(handle).to_jwk()
    enrol = maker.sign(
        Kind.STATUS,
        maker.identity,
        Status(action=Action.ENROL, target=Target(key=handle.id), key=jwk),
    )
    with place.create() as store:
        store.submit(claims_of(maker, range(5)))
        head, rows = store.head(), snapshot(store)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            with pytest.raises(Unavailable) as caught:
                store.submit([enrol, place.operator.grant(maker.identity), maker.claim(9)])
            assert caught.value.code == "store.disk-full"
            assert caught.value.hint
        assert store.head() == head
        assert snapshot(store) == rows
        assert not store.members.is_member(maker.identity, place.now)
        # the key that was to be enrolled was not
        refused = store.submit([maker.claim(10, handle=handle)])[0]
        assert isinstance(refused, Refusal)
        assert refused.problem.code == "key.unknown"
        outcomes = store.submit([enrol, maker.claim(10, handle=handle)])
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted]


@pytest.mark.parametrize("name", ["append", "publish"])
def test_a_full_disk_after_the_commit_is_made_good_by_the_next_batch(
    place: Place, maker: Organisation, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with place.create() as store:
        (first,) = store.submit([maker.claim(1)])
        head = store.head()
        with monkeypatch.context() as patch:
            patch.setattr(EvidenceLog, name, log_full)
            with pytest.raises(Unavailable) as caught:
                store.submit([maker.claim(2)])
            assert caught.value.code == "store.unpublished"
            assert store.head() == head  # nothing is shown that has no checkpoint
            assert len(snapshot(store)) == head.size
            with pytest.raises(Unavailable):
                store.submit([maker.claim(3)])
        (again,) = store.submit([maker.claim(2)])
        assert isinstance(again, Accepted)
        assert again.duplicate
        assert store.receipt(again.digest)
        assert isinstance(first, Accepted)
        (new,) = store.submit([maker.claim(3)])
        assert isinstance(new, Accepted)
        assert not new.duplicate
        assert [row.statement.digest for row in snapshot(store)] == list(store.log.entries())


def test_a_database_that_is_full_is_a_problem_and_keeps_nothing(
    place: Place, maker: Organisation
) -> None:
    with place.create() as store:
        store.submit([maker.claim(1)])
        rows = snapshot(store)
        assert isinstance(store.backend, SqliteBackend)
        writer = store.backend._connections.writer
        assert writer is not None
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count={pages + 2}").fetchall()
        with pytest.raises(Unavailable) as caught:
            store.submit(claims_of(maker, range(2, 500)))
        assert caught.value.code == "store.disk-full"
        assert snapshot(store) == rows
        writer.execute("PRAGMA max_page_count=1000000").fetchall()
        outcomes = store.submit(claims_of(maker, range(2, 500)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)


def test_a_disk_that_is_really_full(tmp_path: Path, maker: Organisation) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    place = Place(disk)
    try:
        store = place.create()
        done: set[int] = set()
        problem: Problem | None = None
        for batch in range(100):
            numbers = range(100 * batch, 100 * batch + 100)
            try:
                store.submit(claims_of(maker, numbers))
            except Problem as caught:
                problem = caught
                break
            done |= set(numbers)
        assert problem is not None
        assert problem.code in ("store.disk-full", "store.unpublished", "store.unreachable")
        rows = snapshot(store)
        store.backend.close()
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        with place.open() as again:
            kept = {
                row.statement.payload.claims["number"]
                for row in snapshot(again)
                if row.statement.kind is Kind.CAPABILITY
            }
            assert done <= kept
            assert snapshot(again)[: len(rows)] == rows
            assert isinstance(again.submit([maker.claim(100_000)])[0], Accepted)
            assert [row.statement.digest for row in snapshot(again)] == list(again.log.entries())
        store.close()
    finally:
        place.close()
        subprocess.run(["umount", "-l", disk], check=True)


def test_on_a_disk_without_any_room_one_asks_and_checks_and_is_told_why_not(
    tmp_path: Path, maker: Organisation
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    place = Place(disk)
    try:
        with place.create() as store:
            store.submit(claims_of(maker, range(20)))
        store.backend.close()
        fill_up(disk / "fill")
        with pytest.raises(Unavailable) as caught, place.open():
            pass
        assert caught.value.code == "store.disk-full"
        (disk / "fill").unlink()
        with place.open() as store:
            fill_up(disk / "fill")
            for number in range(200):  # proofs of absence look where nobody has written
                store.prove([sha256(b"%d" % number).digest()])
            with pytest.raises(Unavailable) as caught:
                store.submit([maker.claim(100)])
            assert caught.value.code == "store.disk-full"
            (disk / "fill").unlink()
            assert isinstance(store.submit([maker.claim(100)])[0], Accepted)
    finally:
        place.close()
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_second_writer_is_refused_when_the_first_does_not_let_go(
    place: Place, maker: Organisation
) -> None:
    with place.create() as store, place.open() as other:
        store.submit([maker.claim(1)])
        with store.quiescent(), pytest.raises(Unavailable) as caught:
            other.submit([maker.claim(2)])
        assert caught.value.code == "store.busy"
        assert isinstance(other.submit([maker.claim(2)])[0], Accepted)


def test_tables_from_an_older_backup_than_the_log_are_noticed(
    place: Place, maker: Organisation, tmp_path: Path
) -> None:
    with place.create() as store:
        store.submit([maker.claim(1)])
        store.backend.copy_to(str(tmp_path / "old"))
        store.submit([maker.claim(2)])
        store.backend.scrub()
        whole = snapshot(store)
    for path in tmp_path.glob("store.sqlite*"):
        path.unlink()
    (tmp_path / "old").rename(tmp_path / "store.sqlite")
    with pytest.raises(Tampered) as caught:
        place.open()
    assert caught.value.code == "store.rolled-back"
    log = place.log()
    store = Store(
        tmp_path / "log",
        place.backend(),
        Archive.open(tmp_path / "log" / "statements"),
        log,
        place.settings,
        place.clock,
    )
    assert store.rebuild() == len(whole)
    assert snapshot(store) == whole
    store.close()


def test_a_log_from_an_older_backup_than_the_tables_is_brought_up_or_refused(
    place: Place, maker: Organisation, tmp_path: Path
) -> None:
    with place.create() as store:
        store.submit([maker.claim(1)])
        head = store.head()
        store.submit([maker.claim(2)])
        newer = store.head()
    with place.open() as again:
        assert again.head() == newer
        assert again.log.root(head.size).hex() == head.root


def test_an_archive_that_was_cut_short_is_noticed(place: Place, maker: Organisation) -> None:
    with place.create() as store:
        store.submit([maker.claim(1)])
    path = place.folder / "log" / "statements"
    path.write_bytes(path.read_bytes()[:-20])
    with place.open() as store:
        with pytest.raises(Misconfigured) as caught:
            store.submit([maker.claim(2)])
        assert caught.value.code == "store.damaged"
    path.unlink()
    with pytest.raises(Misconfigured):
        place.open()


def test_the_map_file_may_be_lost(place: Place, maker: Organisation) -> None:
    with place.create() as store:
        store.submit(claims_of(maker, range(20)))
        root = store.map.root
        store.submit([maker.claim(20)])
    (place.folder / "log" / "map").unlink()
    with place.open() as store:
        (outcome,) = store.submit([maker.claim(21)])
        assert isinstance(outcome, Accepted)
        assert store.map.root != root
        assert store.prove([bytes(32)]).head_index == store.head().size - 1


def test_a_database_of_another_store_is_refused(
    place: Place, tmp_path: Path, maker: Organisation
) -> None:
    place.create().close()
    backend = place.backend()
    with backend.writing(1) as tables:
        tables.set_meta("origin", b"other.example/log")
    with pytest.raises(Misconfigured) as caught:
        place.open()
    assert caught.value.code == "store.other-log"


def test_an_operator_without_its_key_cannot_end_a_batch(
    place: Place, maker: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.create() as store:
        sign: Callable[..., bytes] = maker.sign
        object.__setattr__(
            store.settings.operator,
            "sign",
            lambda kind, subject, payload, now: sign(kind, subject, payload, at=now),
        )
        with pytest.raises(Misconfigured) as caught:
            store.submit([maker.claim(1)])
        assert caught.value.code == "store.operator-key"
        assert store.head().size == 0


def test_a_closed_store_takes_nothing(place: Place, maker: Organisation) -> None:
    store = place.create()
    store.close()
    with pytest.raises(Unavailable) as caught:
        store.submit([maker.claim(1)])
    assert caught.value.code == "store.closed"
    store.close()
