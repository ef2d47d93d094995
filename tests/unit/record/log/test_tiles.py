# SPDX-License-Identifier: Apache-2.0
import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Tampered, Unavailable
from kizuna.record.log.checkpoint import parse_checkpoint
from kizuna.record.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from kizuna.record.log.note import parse_note
from kizuna.record.log.tiles import (
    TileReader,
    TileWriter,
    bundle_entries,
    bundle_path,
    directory,
    partial_width,
    tile_path,
)


def root_of(entries):
    frontier = Frontier()
    for entry in entries:
        frontier.append(leaf_hash(entry))
    return frontier.root()


def files(path):
    return {
        str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()
    }


def test_paths_are_spelled_as_the_standard_says():
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(0, 0) == "tile/0/000"
    assert tile_path(1, 5, 17) == "tile/1/005.p/17"
    assert tile_path(2, 1000) == "tile/2/x001/000"
    assert bundle_path(999, 3) == "tile/entries/999.p/3"


def test_a_tree_of_seventy_thousand_has_the_tiles_the_standard_lists(tmp_path, digests):
    writer = TileWriter(tmp_path)
    writer.append(digests(70_000))
    found = files(tmp_path)
    assert len([p for p in found if p.startswith("tile/0/") and ".p/" not in p]) == 273
    assert {p for p in found if ".p/" in p} == {
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
        "tile/entries/273.p/112",
    }
    assert "tile/1/000" in found
    assert [partial_width(level, 70_000) for level in range(4)] == [112, 17, 1, 0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 600), max_size=8), st.data())
def test_any_batches_give_the_same_files_and_proofs(tmp_path_factory, digests, batches, data):
    path = tmp_path_factory.mktemp("tiles")
    entries = digests(sum(batches))
    writer = TileWriter(path)
    at = 0
    for count in batches:
        writer.append(entries[at : at + count])
        at += count
        writer.tidy()
        assert TileWriter(path, at).root() == writer.root()
    root = root_of(entries)
    assert writer.root() == root
    reader = TileReader(directory(path), at)
    assert reader.root() == root
    assert list(reader.entries()) == entries
    if at:
        index = data.draw(st.integers(0, at - 1))
        assert verify_inclusion(leaf_hash(entries[index]), index, at, reader.inclusion(index), root)
        first = data.draw(st.integers(0, at))
        old = root_of(entries[:first])
        assert reader.root(first) == old
        assert verify_consistency(first, at, reader.consistency(first), old, root)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1500), st.integers(0, 1500), st.booleans())
def test_truncating_leaves_what_never_having_grown_leaves(
    tmp_path_factory, digests, size, extra, tidied
):
    path = tmp_path_factory.mktemp("tiles")
    entries = digests(size + extra)
    writer = TileWriter(path)
    writer.append(entries[:size])
    writer.append(entries[size:])
    if tidied:
        writer.tidy()
    writer.truncate(size)
    assert writer.size == size
    assert writer.root() == root_of(entries[:size])
    fresh = tmp_path_factory.mktemp("fresh")
    TileWriter(fresh).append(entries[:size])
    assert files(path) == files(fresh)
    other = digests(extra, start=10_000)
    writer.append(other)
    assert TileReader(directory(path), size + extra).root() == root_of(entries[:size] + other)


def test_a_partial_tile_stays_until_its_successor_is_published(tmp_path, digests):
    writer = TileWriter(tmp_path)
    writer.append(digests(200))
    writer.append(digests(100, start=200))
    assert (tmp_path / "tile/0/000.p/200").exists()  # a crash now must find it
    writer.tidy()
    assert not (tmp_path / "tile/0/000.p").exists()
    assert TileReader(directory(tmp_path), 200).root() == root_of(digests(200))


def test_a_truncated_tile_never_becomes_a_proof(tmp_path, digests):
    TileWriter(tmp_path).append(digests(300))
    whole = (tmp_path / "tile/0/000").read_bytes()
    (tmp_path / "tile/0/000").write_bytes(whole[:-5])
    reader = TileReader(directory(tmp_path), 300)
    with pytest.raises(Tampered) as problem:
        reader.inclusion(3)
    assert problem.value.code == "log.tile-truncated"
    (tmp_path / "tile/0/000").unlink()
    with pytest.raises(Absent) as missing:
        TileReader(directory(tmp_path), 300).inclusion(3)
    assert missing.value.code == "log.file-absent"


def test_a_changed_entry_is_found(tmp_path, digests):
    TileWriter(tmp_path).append(digests(3))
    path = tmp_path / "tile/entries/000.p/3"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Tampered) as problem:
        list(TileReader(directory(tmp_path), 3).entries())
    assert problem.value.code == "log.entry-wrong"


@given(st.binary(max_size=400), st.integers(0, 256))
def test_any_bytes_are_a_bundle_or_refused(data, width):
    try:
        entries = bundle_entries(data, width)
    except Tampered as problem:
        assert problem.code == "log.bundle-malformed"
    else:
        assert b"".join(len(e).to_bytes(2, "big") + e for e in entries) == data


def test_a_full_disk_changes_nothing(tmp_path, digests, monkeypatch):
    writer = TileWriter(tmp_path)
    writer.append(digests(10))
    root = writer.root()
    real = os.write

    def full(descriptor, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable) as problem:
        writer.append(digests(400, start=10))
    assert problem.value.code == "log.not-written"
    assert "space" in problem.value.why.lower()
    monkeypatch.setattr(os, "write", real)
    assert (writer.size, writer.root()) == (10, root)
    writer.append(digests(5, start=10))
    assert TileWriter(tmp_path, 15).root() == root_of(digests(15))


def test_entries_have_a_bound(tmp_path):
    with pytest.raises(Malformed) as problem:
        TileWriter(tmp_path).append([b"x" * 70_000])
    assert problem.value.code == "log.entry-too-long"


def test_sizes_and_places_outside_the_tree_are_problems(tmp_path, digests):
    TileWriter(tmp_path).append(digests(5))
    reader = TileReader(directory(tmp_path), 5)
    for ask in (lambda: reader.node(3, 0), lambda: reader.hashes(0, 1), lambda: reader.bundle(-1)):
        with pytest.raises(Malformed) as problem:
            ask()
        assert problem.value.code == "log.index-outside"
    with pytest.raises(Malformed):
        reader.root(6)
    with pytest.raises(Malformed):
        TileReader(directory(tmp_path), -1)


@pytest.mark.vectors
def test_tesseras_log_is_read_and_proven_against_its_checkpoints(shared):
    folder = shared / "vectors" / "tlog-tiles"
    shown = {
        size: parse_checkpoint(parse_note((folder / f"checkpoint.{size}").read_bytes()).text)
        for size in range(16)
    }
    last = parse_checkpoint(parse_note((folder / "checkpoint").read_bytes()).text)
    assert last.size == 15
    assert last.origin == "example.com/log/testdata"
    reader = TileReader(directory(folder), last.size)
    entries = list(reader.entries())
    assert [entries[0], entries[14]] == [b"one", b"fivten"]
    for size, checkpoint in shown.items():
        assert checkpoint.size == size
        assert checkpoint.root == (
            TileReader(directory(folder), size).root() if size else EMPTY_ROOT
        )
        for first in range(size + 1):
            assert verify_consistency(
                first, size, reader.consistency(first, size), shown[first].root, checkpoint.root
            )
        for index in range(size):
            assert verify_inclusion(
                leaf_hash(entries[index]),
                index,
                size,
                reader.inclusion(index, size),
                checkpoint.root,
            )


@pytest.mark.vectors
def test_our_writer_makes_tesseras_files(shared, tmp_path):
    folder = shared / "vectors" / "tlog-tiles"
    entries = list(TileReader(directory(folder), 15).entries())
    writer = TileWriter(tmp_path)
    for entry in entries:
        writer.append([entry])
    ours = files(tmp_path / "tile")
    assert ours == files(folder / "tile")
