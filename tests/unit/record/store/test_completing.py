# SPDX-License-Identifier: Apache-2.0
"""A store from an old backup gets back what was published after it, from any copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.record.store.building import NOW, Organisation, Place, claims_of

from kizuna.model.errors import Absent, Problem, Refused, Tampered
from kizuna.model.identifier import Digest
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, encode_payload
from kizuna.record.log import Signer, check_receipt, read_receipt
from kizuna.record.log.tiles import Source, directory
from kizuna.record.store import Accepted, Store
from kizuna.record.store.archive import Archive
from kizuna.record.store.backup import backup, restore
from kizuna.record.store.completing import Lost, Statements, archived
from kizuna.roots.keys import Algorithm

MAKER = Organisation(b"maker")


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Store]:
    """A store with a backup of its beginning beside it, and more after the backup."""
    with Place(tmp_path / "original").create() as store:
        store.submit(claims_of(MAKER, range(10)))
        backup(store, tmp_path / "copy", now=NOW)
        for first in (10, 300):
            store.submit(claims_of(MAKER, range(first, first + 290)))
        document = encode_payload(Claim(type="capacity", claims={"number": 1}))
        by_hash = MAKER.sign(Kind.CAPABILITY, "pkg:generic/hidden@1", document, by_hash=True)
        store.submit([by_hash], documents={Digest(store_hash(document)): document})
        yield store


def store_hash(document: bytes) -> bytes:
    return sha256(document).digest()


@pytest.fixture
def again(original: Store, tmp_path: Path) -> Iterator[Store]:
    place = Place(tmp_path / "restored")
    restore(tmp_path / "copy", place.folder / "log", place.backend())
    with place.open() as store:
        yield store
    place.close()


def copy_of(store: Store) -> tuple[Source, Statements]:
    return directory(store.folder), archived(Archive.open(store.archive.path))


def everything(store: Store) -> list[tuple[int, Digest]]:
    return [(r.index, r.statement.digest) for page in store.reader().all() for r in page]


def check_it_is_the_same(again: Store, original: Store) -> None:
    assert again.head() == original.head()
    assert everything(again) == everything(original)
    assert again.map.root == original.map.root
    assert again.recheck().faults == []
    (outcome,) = again.submit([MAKER.claim(5000)])
    assert isinstance(outcome, Accepted)
    key = again.log.keys[-1].public
    check_receipt(read_receipt(again.receipt(outcome.digest)), outcome.digest, key)


def test_what_came_after_the_backup_comes_back_and_the_store_writes(
    again: Store, original: Store
) -> None:
    seen: list[tuple[int, int]] = []
    checkpoint = again.complete(
        *copy_of(original), now=NOW, progress=lambda done, total: seen.append((done, total))
    )
    assert checkpoint.size == original.head().size
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
    source, statements = copy_of(original)
    before = again.head()
    with pytest.raises(kind) as caught:
        again.complete(source, changed(statements, change), now=NOW)
    assert caught.value.code == code
    assert again.head() == before
    with pytest.raises(Refused):
        again.submit([MAKER.claim(1)])
    again.complete(source, statements, now=NOW)
    check_it_is_the_same(again, original)


def test_map_keys_that_were_changed_are_found_and_the_store_does_not_write(
    again: Store, original: Store
) -> None:
    source, statements = copy_of(original)

    def change(_: int, lost: Lost) -> Lost:
        return (lost[0], (bytes(32),)) if lost[1] is not None else lost

    with pytest.raises(Tampered) as caught:
        again.complete(source, changed(statements, change), now=NOW)
    assert caught.value.code == "store.map-differs"
    with pytest.raises((Refused, Tampered)):
        again.submit([MAKER.claim(1)])
    again.complete(source, statements, now=NOW)
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
