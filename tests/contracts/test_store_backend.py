# SPDX-License-Identifier: Apache-2.0
"""What every database must do for the store, asked of SQLite and of a real PostgreSQL alike."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import inspect
from tests.unit.record.store.postgres import PostgresServer

from kizuna.model.errors import Misconfigured, Unavailable
from kizuna.record.store.backend import Backend, Batch, MemberRow, NewStatement, head_of
from kizuna.record.store.migrations import MIGRATIONS, migrate
from kizuna.record.store.nonces import TableNonces
from kizuna.record.store.postgresql import PostgresqlBackend
from kizuna.record.store.schema import metadata
from kizuna.record.store.sqlite import SqliteBackend
from kizuna.record.store.version import CURRENT
from kizuna.record.store.watches import Watch, Watchlist

Make = Callable[[], Backend]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    running = PostgresServer()
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Opens the same database again each time it is called."""
    opened: list[Backend] = []
    schema = f"s{uuid.uuid4().hex}"

    def open_again() -> Backend:
        if request.param == "sqlite":
            backend: Backend = SqliteBackend(tmp_path / "store.sqlite")
        else:
            url = request.getfixturevalue("server").url
            backend = PostgresqlBackend(url, schema=schema)
        opened.append(backend)
        return backend

    yield open_again
    for backend in opened:
        backend.close()


@pytest.fixture
def backend(make: Make) -> Backend:
    made = make()
    made.migrate()
    return made


def statement(
    index: int, *, issuer: str = "did:key:z1", document: bytes | None = None
) -> NewStatement:
    digest, content = (sha256(b"%s %d" % (word, index)).digest() for word in (b"d", b"c"))
    return (
        index, digest, content, issuer, f"pkg:generic/p{index}", 1, "application/json", b"k" * 32,
        None if index % 2 else 1_700_000_000 + index, None, document, 4, 1_800_000_000,
        20 + 100 * index, 96, 10, 50, head_of(digest), head_of(content),
    )  # fmt: skip


def test_a_database_without_a_store_has_version_nought(make: Make) -> None:
    assert make().version() == 0


def test_migrating_ends_at_this_release_and_again_changes_nothing(make: Make) -> None:
    assert make().migrate() == (0, CURRENT)
    assert make().migrate() == (CURRENT, CURRENT)
    assert make().version() == CURRENT == MIGRATIONS[-1].version


def test_an_older_store_is_brought_up_to_date_with_its_rows(make: Make) -> None:
    backend = make()
    if isinstance(backend, PostgresqlBackend):
        with backend._reading() as connection:
            connection.execute(f"CREATE SCHEMA {backend.schema}")
    with backend._core().begin() as core:  # type: ignore[attr-defined]
        assert migrate(core, to=1) == (0, 1)
    with backend.writing(1) as tables:
        tables.add_statements([statement(0)])
    assert backend.version() == 1
    assert backend.migrate() == (1, CURRENT)
    assert [row[0] for row in backend.rows(0, 10)] == [0]
    with backend._core().connect() as core:  # type: ignore[attr-defined]
        names = set(inspect(core).get_table_names(schema=getattr(backend, "schema", None)))
    assert names == set(metadata.tables)


def test_a_store_of_a_newer_release_is_refused(backend: Backend) -> None:
    with backend.writing(1) as tables:
        tables.set_meta("schema", b"99")
    with pytest.raises(Misconfigured) as caught:
        backend.migrate()
    assert caught.value.code == "store.schema-newer"


def test_statements_come_back_as_they_went_in(backend: Backend) -> None:
    rows = [statement(index) for index in range(2345)]
    with backend.writing(1) as tables:
        tables.add_statements(rows)
        assert tables.rows_of_digests([rows[7][1]])[rows[7][1]] == rows[7][:17]
    assert backend.rows(0, 5000) == [row[:17] for row in rows]
    assert backend.rows(2340, 3) == [row[:17] for row in rows[2340:2343]]
    assert backend.rows_by_indices([5, 3, 9999]) == [rows[3][:17], rows[5][:17]]
    assert backend.rows_by_digests([rows[9][1], b"x" * 32, rows[2][1]]) == [
        rows[2][:17],
        rows[9][:17],
    ]


def test_contents_are_found_whole_and_not_by_their_beginning(backend: Backend) -> None:
    rows = [statement(index) for index in range(5)]
    with backend.writing(1) as tables:
        tables.add_statements(rows)
        twin = rows[3][2][:8] + bytes(24)
        assert tables.indices_of_contents([rows[1][2], twin, b"n" * 32]) == {rows[1][2]: 1}
        assert tables.indices_of_contents([]) == {}


def test_a_transaction_that_fails_leaves_nothing(backend: Backend) -> None:
    class FallError(Exception):
        pass

    def fall() -> None:
        raise FallError

    with pytest.raises(FallError), backend.writing(1) as tables:  # noqa: PT012
        tables.add_statements([statement(0)])
        tables.set_meta("name", b"value")
        tables.put_buckets({3: b"heads"})
        fall()
    assert backend.rows(0, 10) == []
    assert backend.get_meta("name") is None
    assert backend.buckets([3]) == {}


def test_a_second_writer_waits_or_is_refused(make: Make, backend: Backend) -> None:
    other = make()
    with backend.writing(1) as tables:
        tables.set_meta("who", b"first")
        with pytest.raises(Unavailable) as caught, other.writing(0.1):
            pass
    assert caught.value.code == "store.busy"
    entered = threading.Event()

    def second() -> None:
        with other.writing(60) as tables:
            tables.set_meta("who", b"second")
            entered.set()

    with backend.writing(1):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.1)
    thread.join()
    assert backend.get_meta("who") == b"second"


def test_readers_see_what_is_committed_while_a_writer_writes(backend: Backend) -> None:
    with backend.writing(1) as tables:
        tables.add_statements([statement(0)])
        assert backend.rows(0, 10) == []
    assert len(backend.rows(0, 10)) == 1


def test_map_rows_are_found_by_the_beginning_of_their_key(backend: Backend) -> None:
    keys = [sha256(b"%d" % number).digest() for number in range(3)]
    rows = sorted((keys[index % 3][:16], index) for index in range(3000))
    with backend.writing(1) as tables:
        tables.add_map_rows(rows)
    found = backend.indices_by_keys([keys[1], keys[2]])
    assert found == sorted(row for row in rows if row[0] != keys[0][:16])
    assert backend.indices_by_keys([]) == []


def test_buckets_are_replaced_whole(backend: Backend) -> None:
    with backend.writing(1) as tables:
        tables.put_buckets(dict.fromkeys(range(1500), b"one"))
        tables.put_buckets({7: b"two"})
        assert tables.buckets([6, 7, 99_999]) == {6: b"one", 7: b"two"}
    assert backend.buckets(range(1 << 12)) == {
        number: b"two" if number == 7 else b"one" for number in range(1500)
    }


def test_a_document_is_kept_once_and_what_was_erased_stays_erased(backend: Backend) -> None:
    one, two = b"1" * 32, b"2" * 32
    with backend.writing(1) as tables:
        tables.add_documents([(one, b"first"), (two, b"other")], 5)
        tables.add_documents([(one, b"first")], 6)
        tables.add_document_refs([(one, 3), (one, 9), (two, 4)])
    assert backend.documents([one, two, b"3" * 32]) == {
        one: (b"first", None),
        two: (b"other", None),
    }
    assert backend.document_refs([one]) == [(one, 3), (one, 9)]
    with backend.writing(1) as tables:
        tables.erase_documents([one], 7)
    with backend.writing(1) as tables:
        tables.erase_documents([one], 8)
        tables.add_documents([(one, b"first")], 9)
    backend.scrub()
    assert backend.documents([one]) == {one: (None, 7)}
    assert backend.erased([one, two]) == {one}


def test_erased_bytes_are_gone_from_the_files(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "store.sqlite")
    backend.migrate()
    secret = b"the name of a person " * 50
    with backend.writing(1) as tables:
        tables.add_documents([(b"1" * 32, secret)], 5)
    with backend.writing(1) as tables:
        tables.erase_documents([b"1" * 32], 7)
    backend.scrub()
    assert not any(b"the name of a person" in path.read_bytes() for path in tmp_path.iterdir())
    backend.close()


def test_key_events_and_members_by_name(backend: Backend) -> None:
    member = MemberRow("https://l.example/l", "did:key:z2", 4, "granted", None, 99, "[]")
    with backend.writing(1) as tables:
        tables.add_key_events([("did:key:z1", 4), ("did:key:z1", 2), ("did:key:z2", 3)])
        tables.put_members([member])
        tables.put_members([member._replace(idx=8, state="withdrawn")])
        assert tables.members("https://l.example/l")[0].state == "withdrawn"
        assert tables.key_events(["did:key:z2"]) == [("did:key:z2", 3)]
    assert backend.key_events(["did:key:z1", "did:key:z2"]) == [
        ("did:key:z1", 2),
        ("did:key:z2", 3),
        ("did:key:z1", 4),
    ]
    assert backend.members("https://l.example/l") == [member._replace(idx=8, state="withdrawn")]
    assert backend.members("https://other.example/l") == []


def test_batches_are_in_order_and_the_last_is_known(backend: Backend) -> None:
    assert backend.last_batch() is None
    batches = [Batch(size, 1_800_000_000 + size, b"r" * 32, 100 * size) for size in (3, 7, 12)]
    with backend.writing(1) as tables:
        for batch in batches:
            tables.add_batch(batch)
        assert tables.last_batch() == batches[-1]
    assert backend.last_batch() == batches[-1]
    assert backend.batches(3, 10) == batches[1:]


def test_clearing_keeps_what_cannot_be_made_again(backend: Backend) -> None:
    with backend.writing(1) as tables:
        tables.add_statements([statement(0)])
        tables.add_documents([(b"1" * 32, b"data")], 5)
        tables.set_meta("origin", b"here")
        tables.put_buckets({1: b"x"})
    with backend.writing(1) as tables:
        tables.clear_derived()
    assert backend.rows(0, 10) == []
    assert backend.buckets([1]) == {}
    assert backend.documents([b"1" * 32])
    assert backend.get_meta("origin") == b"here"


def test_meta_values_are_set_and_dropped(backend: Backend) -> None:
    with backend.writing(1) as tables:
        tables.set_meta("a", b"\x00\xff")
        tables.set_meta("a", b"two")
        assert tables.get_meta("a") == b"two"
    with backend.writing(1) as tables:
        tables.drop_meta("a")
    assert backend.get_meta("a") is None


def test_a_copy_restores_into_an_empty_database(
    backend: Backend, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rows = [statement(index, document=b"1" * 32) for index in range(100)]
    with backend.writing(1) as tables:
        tables.add_statements(rows)
        tables.add_documents([(b"1" * 32, b"data")], 5)
        tables.set_meta("origin", b"here")
    backend.copy_to(str(tmp_path / "copy"))
    if isinstance(backend, SqliteBackend):
        fresh: Backend = SqliteBackend(tmp_path / "fresh.sqlite")
    else:
        url = request.getfixturevalue("server").url
        fresh = PostgresqlBackend(url, schema=f"f{uuid.uuid4().hex}")
    fresh.restore_from(str(tmp_path / "copy"))
    assert fresh.version() == CURRENT
    assert fresh.rows(0, 1000) == [row[:17] for row in rows]
    assert fresh.documents([b"1" * 32]) == {b"1" * 32: (b"data", None)}
    assert fresh.get_meta("origin") == b"here"
    with fresh.writing(1) as tables:
        tables.add_statements([statement(100)])
    fresh.close()


def test_watches_are_renewed_and_found_when_due(backend: Backend) -> None:
    watchlist = Watchlist(backend)
    watchlist.put([])
    first = Watch(subject="pkg:generic/a", profile="p", lists=("l",), judged_at=1, next_change=50)
    never = Watch(subject="pkg:generic/b", profile="p")
    later = Watch(subject="pkg:generic/c", profile="p", judged_at=1, next_change=500)
    watchlist.put([first, never, later])
    watchlist.put([later])
    assert watchlist.all() == [first, never, later]
    assert set(watchlist.due(50)) == {first, never}
    assert watchlist.remove(first)
    assert not watchlist.remove(first)
    assert watchlist.all() == [never, later]


def test_a_nonce_is_good_once_until_it_expires(make: Make, backend: Backend) -> None:
    here, there = TableNonces(backend), TableNonces(make())
    assert here.take("key", "nonce", 300, 100)
    assert not there.take("key", "nonce", 300, 101)
    assert there.take("other", "nonce", 300, 101)
    assert here.remembered == 2
    assert here.take("key", "nonce", 900, 301)
    assert here.remembered == 1


def test_a_database_that_does_not_answer_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        PostgresqlBackend(f"postgresql://kizuna@/postgres?host={tmp_path}").version()
    assert caught.value.code == "store.unreachable"
    with pytest.raises(Unavailable) as caught:
        SqliteBackend(tmp_path / "no" / "folder" / "store.sqlite").migrate()
    assert caught.value.code == "store.unreachable"


def test_a_file_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(Misconfigured) as caught:
        SqliteBackend(path).version()
    assert caught.value.code == "store.damaged"
