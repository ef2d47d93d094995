# SPDX-License-Identifier: Apache-2.0
"""A store from an old backup gets back what was published after it, from any copy."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.unit.record.store.building import NOW, Organisation, Place, claims_of
from tests.unit.record.store.postgres import PostgresServer

from kizuna.model.errors import Absent, Misconfigured, Problem, Refused, Tampered
from kizuna.model.identifier import Digest, SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import (
    Action,
    Link,
    Links,
    Status,
    Target,
    encode_payload,
)
from kizuna.model.relation import Relation
from kizuna.record.log import Signer, check_receipt, read_receipt
from kizuna.record.log.tiles import Source, directory
from kizuna.record.store import Accepted, Store
from kizuna.record.store.archive import Archive
from kizuna.record.store.backup import backup, restore
from kizuna.record.store.completing import Documents, Lost, Statements, archived, stored
from kizuna.record.store.postgresql import PostgresqlBackend, documents_in
from kizuna.record.store.sqlite import SqliteBackend
from kizuna.roots.keys import Algorithm

MAKER = Organisation(b"maker")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    running = PostgresServer()
    yield running
    running.stop()


NewPlace = Callable[[str], Place]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewPlace]:
    made: list[Place] = []

    def make(name: str) -> Place:
        options = {}
        if request.param == "postgresql":
            url, schema = request.getfixturevalue("server").url, f"s{uuid.uuid4().hex}"
            options["backend"] = lambda: PostgresqlBackend(url, schema=schema)
        made.append(Place(tmp_path / name, **options))
        return made[-1]

    yield make
    for place in made:
        place.close()


EARLY = b'{"claims":{"number":1},"type":"capacity"}'
LATE = b'{"claims":{"number":2},"type":"capacity"}'
GONE = b'{"claims":{"number":3},"type":"capacity"}'


def by_hash(store: Store, maker: Organisation, subject: str, document: bytes) -> Digest:
    raw = maker.sign(Kind.CAPABILITY, subject, document, by_hash=True)
    (outcome,) = store.submit([raw], documents={digest_of(document): document})
    assert isinstance(outcome, Accepted), outcome
    return outcome.digest


@pytest.fixture
def original(new_place: NewPlace, tmp_path: Path) -> Iterator[Store]:
    """A store with a backup of its beginning beside it, and more after the backup."""
    with new_place("original").create() as store:
        store.submit(claims_of(MAKER, range(10)))
        early = by_hash(store, MAKER, "pkg:generic/early@1", EARLY)
        backup(store, tmp_path / "copy", now=NOW)
        for first in (10, 300):
            store.submit(claims_of(MAKER, range(first, first + 290)))
        by_hash(store, MAKER, "pkg:generic/late@1", LATE)
        gone = by_hash(store, MAKER, "pkg:generic/gone@1", GONE)
        store.erase(early, reason="asked to", now=NOW)
        store.erase(gone, reason="asked to", now=NOW)
        yield store


@pytest.fixture
def again(original: Store, new_place: NewPlace, tmp_path: Path) -> Iterator[Store]:
    place = new_place("restored")
    restore(tmp_path / "copy", place.folder / "log", place.backend())
    with place.open() as store:
        yield store


def copy_of(store: Store) -> tuple[Source, Statements, Documents]:
    archive = Archive.open(store.archive.path)
    return directory(store.folder), archived(archive), stored(store.backend)


def documents_of(store: Store) -> dict[Digest, bytes | None]:
    return store.reader().documents([digest_of(each) for each in (EARLY, LATE, GONE)])


def everything(store: Store) -> list[tuple[int, Digest]]:
    return [(r.index, r.statement.digest) for page in store.reader().all() for r in page]


def check_it_is_the_same(again: Store, original: Store) -> None:
    assert again.head() == original.head()
    assert everything(again) == everything(original)
    assert again.map.root == original.map.root
    assert again.recheck().faults == []
    assert documents_of(again) == documents_of(original)
    assert documents_of(again) == {
        digest_of(EARLY): None,
        digest_of(LATE): LATE,
        digest_of(GONE): None,
    }
    (outcome,) = again.submit([MAKER.claim(5000)])
    assert isinstance(outcome, Accepted)
    key = again.log.keys[-1].public
    check_receipt(read_receipt(again.receipt(outcome.digest)), outcome.digest, key)


def test_what_came_after_the_backup_comes_back_and_the_store_writes(
    again: Store, original: Store
) -> None:
    seen: list[tuple[int, int]] = []
    assert documents_of(again) == {digest_of(EARLY): EARLY}
    done = again.complete(
        *copy_of(original), now=NOW, progress=lambda done, total: seen.append((done, total))
    )
    assert done.checkpoint.size == original.head().size
    assert (done.documents, done.missing, done.erased) == (1, 0, 2)
    assert seen[-1][0] == seen[-1][1] > 0
    check_it_is_the_same(again, original)


def test_it_goes_also_after_the_store_was_shown_what_it_lost(
    again: Store, original: Store, tmp_path: Path
) -> None:
    with pytest.raises(Tampered):
        again.resume(original.log.checkpoint())
    again.complete(*copy_of(original), now=NOW)
    check_it_is_the_same(again, original)


def test_a_run_that_was_broken_off_is_begun_again(
    again: Store, original: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuild = again._writer.rebuild

    def broken() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(again._writer, "rebuild", broken)
    with pytest.raises(KeyboardInterrupt):
        again.complete(*copy_of(original), now=NOW)
    monkeypatch.setattr(again._writer, "rebuild", rebuild)
    again.complete(*copy_of(original), now=NOW)
    check_it_is_the_same(again, original)


def changed(statements: Statements, change: Callable[[int, Lost], Lost | None]) -> Statements:
    def take(at: int, digests: Sequence[Digest]) -> Iterator[Lost]:
        for number, found in enumerate(statements(at, digests)):
            told = change(number, found)
            if told is None:
                return
            yield told

    return take


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        (lambda n, lost: None if n == 100 else lost, Absent, "store.copy-incomplete"),
        (
            lambda n, lost: (lost[0][:-1] + bytes([lost[0][-1] ^ 1]), lost[1]) if n == 7 else lost,
            Tampered,
            "store.copy-differs",
        ),
    ],
)
def test_a_copy_that_lacks_or_changes_a_statement_changes_nothing(
    again: Store,
    original: Store,
    change: Callable[[int, Lost], Lost | None],
    kind: type[Problem],
    code: str,
) -> None:
    source, statements, documents = copy_of(original)
    before = again.head()
    with pytest.raises(kind) as caught:
        again.complete(source, changed(statements, change), documents, now=NOW)
    assert caught.value.code == code
    assert again.head() == before
    with pytest.raises(Refused):
        again.submit([MAKER.claim(1)])
    again.complete(source, statements, documents, now=NOW)
    check_it_is_the_same(again, original)


def test_map_keys_that_were_changed_are_found_and_the_store_does_not_write(
    again: Store, original: Store
) -> None:
    source, statements, documents = copy_of(original)

    def change(_: int, lost: Lost) -> Lost:
        return (lost[0], (bytes(32),)) if lost[1] is not None else lost

    with pytest.raises(Tampered) as caught:
        again.complete(source, changed(statements, change), documents, now=NOW)
    assert caught.value.code == "store.map-differs"
    with pytest.raises((Refused, Tampered)):
        again.submit([MAKER.claim(1)])
    again.complete(source, statements, documents, now=NOW)
    check_it_is_the_same(again, original)


def test_documents_that_are_not_what_was_signed_count_as_missing(
    again: Store, original: Store
) -> None:
    source, statements, _ = copy_of(original)

    def others(digests: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        assert list(digests) == [digest_of(LATE)]  # erased ones are not even asked for
        yield digest_of(LATE), LATE + b" "
        yield digest_of(GONE), GONE
        yield digest_of(b"?"), b"?"

    done = again.complete(source, statements, others, now=NOW)
    assert (done.documents, done.missing, done.erased) == (0, 1, 2)
    assert documents_of(again) == {digest_of(EARLY): None, digest_of(GONE): None}
    assert again.reader().documents([digest_of(b"?")]) == {}
    # whoever has it registers it again
    raw = MAKER.sign(Kind.CAPABILITY, "pkg:generic/late@1", LATE, by_hash=True)
    (outcome,) = again.submit([raw], documents={digest_of(LATE): LATE})
    assert isinstance(outcome, Accepted)
    assert outcome.duplicate
    assert documents_of(again)[digest_of(LATE)] == LATE


def test_a_document_that_its_own_issuer_brought_after_another_had_it_erased_comes_back(
    new_place: NewPlace, tmp_path: Path
) -> None:
    other = Organisation(b"other")
    with new_place("original").create() as store:
        backup(store, tmp_path / "copy", now=NOW)
        named = by_hash(store, other, "pkg:generic/named@1", LATE)
        erasure = Status(action=Action.ERASE, target=Target(statement=named.hex()), reason="mine")
        raw = other.sign(Kind.STATUS, "pkg:generic/named@1", erasure)
        assert isinstance(store.submit([raw])[0], Accepted)
        by_hash(store, MAKER, "pkg:generic/late@1", LATE)
        assert store.reader().documents([digest_of(LATE)]) == {digest_of(LATE): LATE}
        place = new_place("restored")
        restore(tmp_path / "copy", place.folder / "log", place.backend())
        with place.open() as again:
            done = again.complete(*copy_of(store), now=NOW)
            assert (done.documents, done.missing, done.erased) == (1, 0, 0)
            assert again.reader().documents([digest_of(LATE)]) == {digest_of(LATE): LATE}


def test_map_keys_that_only_a_document_tells_are_read_there_and_kept(
    new_place: NewPlace, tmp_path: Path
) -> None:
    with new_place("original").create() as store:
        backup(store, tmp_path / "copy", now=NOW)
        link = Link(relation=Relation.DERIVED_FROM, object=SubjectId("pkg:generic/screw@1"))
        document = encode_payload(Links(links=[link]))
        raw = MAKER.sign(Kind.LINK, "pkg:generic/fan@1", document, by_hash=True)
        (outcome,) = store.submit([raw], documents={digest_of(document): document})
        assert isinstance(outcome, Accepted), outcome
        place = new_place("restored")
        restore(tmp_path / "copy", place.folder / "log", place.backend())
        source, statements, documents = copy_of(store)

        def without_keys(at: int, digests: Sequence[Digest]) -> Iterator[Lost]:
            return ((raw, None) for raw, _ in statements(at, digests))

        with place.open() as again:
            done = again.complete(source, without_keys, documents, now=NOW)
            assert (done.documents, done.missing, done.erased) == (1, 0, 0)
            (found,) = again.reader().by_digests([outcome.digest]).values()
            keys = store.stored_keys(found.statement)
            assert again.stored_keys(found.statement) == keys
            again.erase(outcome.digest, reason="asked to", now=NOW)
            again.rebuild()
            (found,) = again.reader().by_digests([outcome.digest]).values()
            assert found.erased
            assert again.stored_keys(found.statement) == keys


def test_documents_come_from_a_backup_as_well_as_from_tables(
    again: Store, original: Store, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    backup(original, newer, now=NOW)
    tables = newer / "tables"
    if original.backend.name == "postgresql":
        documents = documents_in(tables)
    else:
        documents = stored(SqliteBackend(tables))
    archive = Archive.open(newer / "log" / "statements")
    done = again.complete(directory(newer / "log"), archived(archive), documents, now=NOW)
    assert (done.documents, done.missing, done.erased) == (1, 0, 2)
    check_it_is_the_same(again, original)


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("cut", [10, 200, 5])
def test_a_copy_of_tables_that_was_cut_short_is_not_taken_for_whole(
    again: Store, original: Store, tmp_path: Path, cut: int
) -> None:
    original.backend.copy_to(str(tmp_path / "tables"))
    whole = (tmp_path / "tables").read_bytes()
    end = whole.index(b"table documents\n") + len(b"table documents\n")
    (tmp_path / "tables").write_bytes(whole[: end + cut] if cut != 5 else whole[:cut])
    source, statements, _ = copy_of(original)
    with pytest.raises(Misconfigured) as caught:
        again.complete(source, statements, documents_in(tmp_path / "tables"), now=NOW)
    assert caught.value.code == "store.damaged"
    again.complete(*copy_of(original), now=NOW)
    check_it_is_the_same(again, original)


def test_another_logs_checkpoint_completes_nothing(again: Store, tmp_path: Path) -> None:
    place = Place(tmp_path / "stranger")
    unit = Organisation(b"stranger").unit
    place.signer = Signer(place.signer.name, unit, unit.generate(Algorithm.EDDSA, "log"))
    with place.create() as other:
        other.submit(claims_of(MAKER, range(50)))
        with pytest.raises(Problem):
            again.complete(*copy_of(other), now=NOW)


def test_a_copy_that_is_no_further_has_nothing_to_give(again: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "log"
    with pytest.raises(Refused) as caught:
        again.complete(directory(copy), archived(Archive.open(copy / "statements")), now=NOW)
    assert caught.value.code == "store.nothing-lost"
