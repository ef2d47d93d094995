# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Misconfigured, Problem, Tampered, Unavailable
from kizuna.record.log.map import (
    BUCKET_BITS,
    EMPTY_MAP_ROOT,
    Entry,
    MapProof,
    MemoryHeads,
    VerifiableMap,
    bucket_of,
    row_leaf,
    verify_map_proof,
)
from kizuna.record.log.merkle import Frontier


def key_of(number):
    """Keys of which some share a bucket: the first three bytes repeat, the rest differs."""
    head = sha256(b"%d" % (number % 7)).digest()[:3]
    return head + sha256(b"key %d" % number).digest()[3:]


def digest_of(number):
    return sha256(b"digest %d" % number).digest()


def rows_by_key(rows):
    lists = {}
    for key, index, digest in rows:
        lists.setdefault(key, []).append((index, digest))
    return lists


def by_definition(rows):
    """The root as the design says it, without batches, files or shortcuts."""
    buckets = {}
    for key, listed in rows_by_key(rows).items():
        frontier = Frontier()
        for index, digest in listed:
            frontier.append(row_leaf(index, digest))
        buckets.setdefault(bucket_of(key), []).append((key, len(listed), frontier.root()))
    level = {
        bucket: sha256(
            b"\x00" + b"".join(k + n.to_bytes(8, "big") + r for k, n, r in sorted(entries))
        ).digest()
        for bucket, entries in buckets.items()
    }
    for _ in range(BUCKET_BITS):
        level = {
            parent: sha256(
                b"\x01"
                + level.get(2 * parent, EMPTY_MAP_ROOT)
                + level.get(2 * parent + 1, EMPTY_MAP_ROOT)
            ).digest()
            for parent in {node >> 1 for node in level}
        }
    return level.get(0, EMPTY_MAP_ROOT)


@pytest.fixture
def kept(tmp_path):
    heads = MemoryHeads()
    made = VerifiableMap(tmp_path / "map", heads)
    yield made
    made.close()


def test_an_empty_map_proves_absence(kept):
    assert kept.root == EMPTY_MAP_ROOT
    proof = kept.prove({key_of(1): []})
    assert verify_map_proof(proof, EMPTY_MAP_ROOT) == {key_of(1): ()}


rows = st.lists(st.integers(0, 30), min_size=1, max_size=60)


@settings(max_examples=20, deadline=None)
@given(rows, st.integers(1, 20), st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_any_batches_give_the_root_of_the_definition_and_complete_lists(
    tmp_path_factory, numbers, batch, asked
):
    all_rows = [(key_of(n), index, digest_of(index)) for index, n in enumerate(numbers)]
    made = VerifiableMap(tmp_path_factory.mktemp("map") / "map", MemoryHeads())
    for at in range(0, len(all_rows), batch):
        made.apply(all_rows[at : at + batch], min(at + batch, len(all_rows)))
    assert made.root == by_definition(all_rows)
    assert made.covered == len(all_rows)
    lists = rows_by_key(all_rows)
    wanted = {key_of(n): lists.get(key_of(n), []) for n in asked}
    proof = MapProof.from_bytes(made.prove(wanted).to_bytes())
    assert verify_map_proof(proof, made.root) == {k: tuple(v) for k, v in wanted.items()}
    made.close()


def test_the_path_of_one_key_has_640_bytes_at_most(kept):
    kept.apply([(sha256(b"%d" % n).digest(), n, digest_of(n)) for n in range(2000)], 2000)
    key = sha256(b"7").digest()
    proof = kept.prove({key: [(7, digest_of(7))]})
    assert len(proof.nodes) * 32 == 640


def test_a_list_with_anything_withheld_or_added_is_no_proof(kept):
    listed = [(key_of(1), n, digest_of(n)) for n in range(5)] + [(key_of(8), 5, digest_of(5))]
    kept.apply(listed, 6)
    assert bucket_of(key_of(1)) == bucket_of(key_of(8))
    key, root = key_of(1), kept.root
    whole = [(n, digest_of(n)) for n in range(5)]
    proof = kept.prove({key: whole})
    for wrong in (
        whole[:-1],
        whole[1:],
        [],
        [*whole, (5, digest_of(5))],
        whole[::-1],
        [*whole[:4], (4, digest_of(9))],
        [*whole, whole[-1]],
    ):
        with pytest.raises(Tampered) as problem:
            verify_map_proof(replace(proof, rows={key: wrong}), root)
        assert problem.value.code == "map.proof-wrong"
        with pytest.raises(Tampered) as own:
            kept.prove({key: wrong})
        assert own.value.code == "map.rows-wrong"
    (bucket,) = proof.buckets
    entries = list(proof.buckets[bucket])
    for lie in (
        entries[1:],  # hide a key
        entries[::-1],
        [*entries, entries[-1]],
        [*entries, Entry(b"\xff" * 32, 1, b"r" * 32)],
        [],
    ):
        for rows in ({key: whole}, {key: []}):
            with pytest.raises(Tampered):
                verify_map_proof(replace(proof, rows=rows, buckets={bucket: lie}), root)
    for nodes in (proof.nodes[:-1], (*proof.nodes, EMPTY_MAP_ROOT), (), (b"x",) * BUCKET_BITS):
        with pytest.raises(Tampered):
            verify_map_proof(replace(proof, nodes=nodes), root)
    with pytest.raises(Tampered):
        verify_map_proof(replace(proof, buckets={}), root)
    with pytest.raises(Tampered):
        verify_map_proof(MapProof(rows={}, buckets={}, nodes=(b"x" * 32,)), root)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_flipped_bit_goes_through(data):
    whole, root = _small_proof()
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    damaged = bytearray(whole)
    damaged[at // 8] ^= 1 << at % 8
    try:
        shown = verify_map_proof(MapProof.from_bytes(bytes(damaged)), root)
    except Problem:
        return
    # the absent key became another one that is absent as well: true, and not what was asked
    assert key_of(50) not in shown
    assert set(shown.values()) == {(), tuple(_lists()[key_of(1)])}


def _lists():
    return rows_by_key([(key_of(n % 9), n, digest_of(n)) for n in range(20)])


@cache
def _small_proof():
    with TemporaryDirectory() as folder:
        made = VerifiableMap(Path(folder) / "map", MemoryHeads())
        made.apply([(key_of(n % 9), n, digest_of(n)) for n in range(20)], 20)
        proof = made.prove({key_of(1): _lists()[key_of(1)], key_of(50): []})
        root = made.root
        made.close()
    return proof.to_bytes(), root


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_a_problem(data):
    try:
        assert MapProof.from_bytes(data).to_bytes() == data
    except Malformed as problem:
        assert problem.code == "map.proof-malformed"


def test_a_count_that_promises_too_much_costs_nothing():
    for data in (b"\xff" * 40, b"\0\x0f\xff\xff" + b"x" * 100, b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff"):
        with pytest.raises(Malformed):
            MapProof.from_bytes(data)


def test_staging_changes_nothing_until_it_is_committed(kept):
    before = kept.root
    staged = kept.stage([(key_of(1), 0, digest_of(0))], 1)
    assert kept.root == before
    assert staged.root != before
    kept._heads.put(staged.heads)
    kept.commit(staged)
    assert (kept.root, kept.covered) == (staged.root, 1)
    with pytest.raises(Malformed) as problem:
        kept.commit(staged)
    assert problem.value.code == "map.covered-wrong"
    with pytest.raises(Malformed):
        kept.stage([], 0)


def test_an_empty_batch_moves_what_is_covered_and_keeps_the_root(kept):
    root = kept.apply([(key_of(1), 0, digest_of(0))], 1)
    assert kept.apply([], 5) == root
    assert kept.covered == 5


def test_what_was_synced_survives_and_the_rest_is_refreshed_from_its_keys(tmp_path):
    heads = MemoryHeads()
    made = VerifiableMap(tmp_path / "map", heads)
    made.apply([(key_of(n), n, digest_of(n)) for n in range(20)], 20)
    made.sync()
    kept_file = (tmp_path / "map").read_bytes()
    later = [(key_of(n % 25), n, digest_of(n)) for n in range(20, 40)]
    made.apply(later, 40)
    root = made.root
    made.close()
    # the machine lost power: some pages of the later batch reached the disk, others did not
    torn = bytearray(kept_file)
    fresh = (tmp_path / "map").read_bytes()
    for at in range(4096, len(torn), 8192):
        torn[at : at + 4096] = fresh[at : at + 4096]
    (tmp_path / "map").write_bytes(torn)
    again = VerifiableMap(tmp_path / "map", heads)
    assert again.synced == 20
    assert again.refresh((key for key, _, _ in later), 40) == root
    assert not again.differs_from(_rebuilt(tmp_path / "other", heads, 40))
    again.close()


def test_what_is_written_while_the_map_goes_to_disk_does_not_count_as_there(kept, monkeypatch):
    kept.apply([(key_of(1), 0, digest_of(0))], 1)
    to_disk = kept._to_disk

    def meanwhile():
        to_disk()
        kept.apply([(key_of(2), 1, digest_of(1))], 2)

    monkeypatch.setattr(kept, "_to_disk", meanwhile)
    kept.sync()
    assert (kept.covered, kept.synced) == (2, 1)
    monkeypatch.undo()
    kept.sync()
    assert kept.synced == 2


def test_a_map_that_is_emptied_while_it_goes_to_disk_holds_nothing_for_certain(kept, monkeypatch):
    kept.apply([(key_of(1), 0, digest_of(0))], 1)
    monkeypatch.setattr(kept, "_to_disk", kept.clear)
    kept.sync()
    assert (kept.covered, kept.synced) == (0, 0)


def _rebuilt(path, heads, covered):
    made = VerifiableMap(path, heads)
    made.rebuild(heads.everything(), covered)
    return made


def test_rebuilding_gives_the_same_file(kept, tmp_path):
    kept.apply([(key_of(n), n, digest_of(n)) for n in range(50)], 50)
    fresh = _rebuilt(tmp_path / "fresh", kept._heads, 50)
    assert (fresh.root, fresh.synced) == (kept.root, 50)
    assert not fresh.differs_from(kept)
    fresh.close()


def test_a_reader_that_closes_leaves_the_file_to_its_writer(kept):
    kept.apply([(key_of(1), 0, digest_of(0))], 1)
    reader = VerifiableMap(kept.path, kept._heads)
    reader.sync()
    assert kept.synced == 0
    reader.close()
    assert (kept.covered, kept.synced) == (1, 0)


def test_a_foreign_file_is_not_taken_for_a_map(tmp_path):
    (tmp_path / "map").write_bytes(b"something else")
    with pytest.raises(Misconfigured) as problem:
        VerifiableMap(tmp_path / "map", MemoryHeads())
    assert problem.value.code == "map.file-wrong"
    assert (tmp_path / "map").read_bytes() == b"something else"
    with pytest.raises(Unavailable) as missing:
        VerifiableMap(tmp_path / "no" / "map", MemoryHeads())
    assert missing.value.code == "map.unavailable"


def test_a_reader_does_not_trust_a_map_in_the_middle_of_a_change(kept):
    kept.apply([(key_of(1), 0, digest_of(0))], 1)
    _, covered, synced, root = kept._head()
    kept._set_head(kept._head()[0] | 1, covered, synced, root)
    with pytest.raises(Unavailable) as problem:
        kept.prove({key_of(1): [(0, digest_of(0))]})
    assert problem.value.code == "map.busy"
    kept.apply([(key_of(2), 1, digest_of(1))], 2)  # the next writer ends it
    kept.prove({key_of(1): [(0, digest_of(0))]})


def test_a_damaged_node_never_becomes_a_proof(kept):
    kept.apply([(key_of(n), n, digest_of(n)) for n in range(20)], 20)
    neighbour = 4096 + ((1 << BUCKET_BITS) + bucket_of(key_of(2))) * 32
    kept._file[neighbour] ^= 1
    at = 4096 + 2 * 32
    kept._file[at] ^= 1
    kept._file[at + 32] ^= 1
    with pytest.raises(Tampered) as problem:
        kept.prove({key_of(1): [(n, digest_of(n)) for n in (1,)]})
    assert problem.value.code == "map.rows-wrong"
