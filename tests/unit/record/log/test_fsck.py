# SPDX-License-Identifier: Apache-2.0
from hashlib import sha256

import pytest

from kizuna.model.trust import LogAnchor
from kizuna.record.log import MemoryHeads, VerifiableMap, check_log, check_map, directory, mirror

ORIGIN = "log.kizuna.example/bar"
COUNT = 70_000


@pytest.fixture
def grown(log, digests):
    for at, count in ((0, 10), (10, 300), (310, COUNT - 310)):
        log.append(digests(count, start=at))
        log.publish(1_001 + at)
    return log


def codes(report):
    return {fault.code for fault in report.faults}


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_sound_log_has_no_faults(grown, digests):
    seen = []
    report = check_log(
        grown.path,
        grown.anchor(),
        expected=digests(COUNT),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert report.faults == []
    assert (report.origin, report.size) == (ORIGIN, COUNT)
    assert report.root == grown.root().hex()
    assert report.checkpoints == 4
    assert seen[-1] == (COUNT, COUNT)


@pytest.mark.parametrize(
    ("path", "at", "expected"),
    [
        ("tile/entries/000", 50, "log.entry-wrong"),
        ("tile/entries/273.p/112", 3, "log.entry-wrong"),
        ("tile/0/005", 7, "log.entry-wrong"),
        ("tile/1/000", 7, "log.tile-wrong"),
        ("tile/1/001.p/17", 7, "log.tile-wrong"),
        ("tile/2/000.p/1", 7, "log.tile-wrong"),
        ("checkpoint", 30, "log.signature-wrong"),
        ("state/published", 30, "log.history-damaged"),
    ],
)
def test_every_changed_byte_is_found(grown, path, at, expected):
    flip(grown.path / path, at)
    assert expected in codes(check_log(grown.path, grown.anchor()))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tile/entries/000", "log.bundle-malformed"),
        ("tile/0/005", "log.tile-truncated"),
        ("tile/1/001.p/17", "log.tile-truncated"),
        ("checkpoint", "log.note-malformed"),
    ],
)
def test_a_truncated_file_is_found_and_the_rest_is_still_checked(grown, path, expected):
    whole = (grown.path / path).read_bytes()
    (grown.path / path).write_bytes(whole[:-3])
    flip(grown.path / "tile/entries/100", 9)
    report = check_log(grown.path, grown.anchor())
    assert {expected, "log.entry-wrong"} <= codes(report)


def test_missing_files_are_named(grown):
    (grown.path / "tile/0/007").unlink()
    (grown.path / "tile/entries/009").unlink()
    report = check_log(grown.path, grown.anchor())
    wheres = {fault.where for fault in report.faults if fault.code == "log.file-absent"}
    assert wheres == {"tile/0/007", "tile/entries/009"}


def test_what_the_store_has_is_compared_entry_by_entry(grown, digests):
    other = digests(COUNT)
    other[300] = sha256(b"changed").digest()
    report = check_log(grown.path, grown.anchor(), expected=other)
    assert [fault.code for fault in report.faults] == ["log.entry-differs"]
    assert "entry 300" in report.faults[0].what
    longer = check_log(grown.path, grown.anchor(), expected=digests(COUNT + 1))
    assert codes(longer) == {"log.entry-missing"}


def test_an_older_checkpoint_in_place_is_found(grown):
    (grown.path / "checkpoint").write_bytes(grown.note(310).to_bytes())
    assert "log.checkpoint-behind" in codes(check_log(grown.path, grown.anchor()))


def test_keys_come_from_the_asker(grown):
    report = check_log(grown.path, LogAnchor(origin=ORIGIN, keys=[]))
    assert codes(report) == {"log.not-signed"}


def test_a_mirror_is_checked_the_same_way(grown, tmp_path):
    mirror(directory(grown.path), tmp_path / "m", grown.anchor())
    assert check_log(tmp_path / "m", grown.anchor()).faults == []
    flip(tmp_path / "m" / "tile/1/000")
    assert codes(check_log(tmp_path / "m", grown.anchor())) == {"log.tile-wrong"}


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    report = check_log(tmp_path, LogAnchor(origin=ORIGIN, keys=[]))
    assert codes(report) == {"log.file-absent"}


def test_the_map_is_made_again_from_its_rows(tmp_path):
    rows = [(sha256(b"%d" % (n % 40)).digest(), n, sha256(b"d%d" % n).digest()) for n in range(90)]
    made = VerifiableMap(tmp_path / "map", MemoryHeads())
    root = made.apply(rows, 90)
    made.close()
    assert check_map(tmp_path / "map", rows, 90, root) == []
    assert [f.code for f in check_map(tmp_path / "map", rows, 91)] == ["map.behind"]
    assert [f.code for f in check_map(tmp_path / "map", rows[:-1], 90, root)] == [
        "map.rows-wrong",
        "map.file-damaged",
    ]
    flip(tmp_path / "map", 4096 + 32 * 2 + 5)
    assert [f.code for f in check_map(tmp_path / "map", rows, 90, root)] == ["map.file-damaged"]
