# SPDX-License-Identifier: Apache-2.0
import pytest

from kizuna.model.errors import Absent, Tampered, Unavailable
from kizuna.model.trust import LogAnchor
from kizuna.record.log import EvidenceLog, Witness, check_log, directory, mirror
from kizuna.record.log.tiles import TileReader

ORIGIN = "log.kizuna.example/bar"


def grow(log, entries, now):
    log.append(entries)
    return log.publish(now)


def public_files(path):
    return {
        str(p.relative_to(path)): p.read_bytes()
        for p in sorted(path.rglob("*"))
        if p.is_file() and p.relative_to(path).parts[0] in ("tile", "checkpoint")
    }


def test_a_mirror_serves_the_same_files_as_the_log(log, digests, tmp_path):
    into = tmp_path / "copies" / "mirror"
    seen = []
    for batch, count in enumerate((3, 250, 800)):
        grow(log, digests(count, start=1000 * batch), 1_001 + batch)
        done = mirror(
            directory(log.path), into, log.anchor(), progress=lambda a, b: seen.append((a, b))
        )
        assert (done.checkpoint, done.added) == (log.published, count)
        assert (into / "checkpoint").read_bytes() == (log.path / "checkpoint").read_bytes()
    assert seen[-1] == (1053, 1053)
    assert TileReader(directory(into), 1053).root() == log.root()
    assert not check_log(into, log.anchor()).faults
    names = public_files(into)
    assert {n: d for n, d in public_files(log.path).items() if ".p/" not in n} == {
        n: d for n, d in names.items() if ".p/" not in n
    }
    assert mirror(directory(log.path), into, log.anchor()).added == 0


def test_a_mirror_of_a_mirror_is_one_too(log, digests, tmp_path):
    grow(log, digests(300), 1_001)
    mirror(directory(log.path), tmp_path / "one", log.anchor())
    done = mirror(directory(tmp_path / "one"), tmp_path / "two", log.anchor())
    assert done.checkpoint == log.published


def test_cosignatures_come_along_and_are_reported(log, digests, tmp_path, make_signer):
    witness = Witness(tmp_path / "w", make_signer("w.example/1", b"1"), [log.anchor()])
    grow(log, digests(3), 1_001)
    lines = witness.observe(directory(log.path), ORIGIN, 2_000)
    log.add_cosignatures("".join(line.line() for line in lines), [witness.key])
    done = mirror(directory(log.path), tmp_path / "m", log.anchor(), witnesses=[witness.anchor])
    assert done.witnesses == (("w.example/1", 2_000),)
    assert (tmp_path / "m" / "checkpoint").read_bytes() == log.checkpoint()


def test_a_log_that_shows_less_changes_nothing_and_both_notes_are_kept(log, digests, tmp_path):
    into = tmp_path / "mirror"
    grow(log, digests(3), 1_001)
    old = (log.path / "checkpoint").read_bytes()
    grow(log, digests(3, start=3), 1_002)
    mirror(directory(log.path), into, log.anchor())
    before = public_files(into)
    (log.path / "checkpoint").write_bytes(old)
    with pytest.raises(Tampered) as problem:
        mirror(directory(log.path), into, log.anchor())
    assert problem.value.code == "log.rolled-back"
    assert public_files(into) == before
    assert len(list((into / "evidence").iterdir())) == 2


@pytest.mark.parametrize("size", [6, 600])
def test_a_forked_log_changes_nothing_and_both_notes_are_kept(log, signer, digests, tmp_path, size):
    into = tmp_path / "mirror"
    grow(log, digests(6), 1_001)
    mirror(directory(log.path), into, log.anchor())
    before = public_files(into)
    twin = EvidenceLog.create(tmp_path / "twin", ORIGIN, signer, 1_000)
    grow(twin, digests(size, start=70), 1_001)
    with pytest.raises(Tampered) as problem:
        mirror(directory(twin.path), into, log.anchor())
    assert problem.value.code == "log.forked"
    assert public_files(into) == before
    notes = {path.read_bytes() for path in (into / "evidence").iterdir()}
    assert notes == {log.checkpoint(), twin.checkpoint()}
    grow(log, digests(6, start=6), 1_002)
    assert mirror(directory(log.path), into, log.anchor()).added == 6


def test_damaged_files_are_told_from_a_fork(log, digests, tmp_path):
    into = tmp_path / "mirror"
    grow(log, digests(300), 1_001)
    path = log.path / "tile" / "entries" / "000"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(Tampered) as problem:
        mirror(directory(log.path), into, log.anchor())
    assert problem.value.code == "log.tiles-differ"
    assert public_files(into) == {}
    data[100] ^= 1
    path.write_bytes(data)
    assert mirror(directory(log.path), into, log.anchor()).added == 300


def test_an_interrupted_run_goes_on_where_it_stopped(log, digests, tmp_path):
    into = tmp_path / "mirror"
    grow(log, digests(40_000), 1_001)
    files = directory(log.path)
    fetched = []

    def failing(name):
        fetched.append(name)
        if "entries/100" in name and len(fetched) < 130:
            raise Unavailable("net.down", "out of reach")
        return files(name)

    with pytest.raises(Unavailable):
        mirror(failing, into, log.anchor())
    assert not (into / "checkpoint").exists()
    first = set(fetched)
    fetched.clear()
    fetched.extend(["x"] * 130)
    assert mirror(failing, into, log.anchor()).checkpoint == log.published
    again = first & {name for name in fetched if name.startswith("tile/entries")}
    assert len(again) < 64  # what was on disk was not fetched again
    assert not check_log(into, log.anchor()).faults


def test_missing_files_and_foreign_keys_are_problems(log, digests, tmp_path, make_signer):
    grow(log, digests(3), 1_001)
    (log.path / "tile" / "entries" / "000.p" / "3").unlink()
    with pytest.raises(Absent) as problem:
        mirror(directory(log.path), tmp_path / "m", log.anchor())
    assert problem.value.code == "log.file-absent"
    other = LogAnchor(origin=ORIGIN, keys=[])
    with pytest.raises(Tampered) as unsigned:
        mirror(directory(log.path), tmp_path / "m", other)
    assert unsigned.value.code == "log.not-signed"
