# SPDX-License-Identifier: Apache-2.0
"""Units: what is kept is sealed, what is changed is noticed, what is wrong is named."""

import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Misconfigured, Problem, Tampered, Unavailable
from kizuna.roots.keys import Algorithm, verify
from kizuna.roots.units import EphemeralUnit, Unit
from kizuna.roots.units.software import SoftwareUnit

SECRET = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture(params=["ephemeral", "software"])
def unit(request: pytest.FixtureRequest, path: Path) -> Unit:
    if request.param == "ephemeral":
        return EphemeralUnit()
    return SoftwareUnit.create(path, SECRET, random=True)


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.EDDSA])
def test_a_key_signs_what_its_public_part_verifies(unit: Unit, algorithm: Algorithm):
    handle = unit.generate(algorithm, "organisation")
    public = unit.public(handle)
    assert handle.id == public.thumbprint.hex()
    signature = unit.sign(handle, b"word")
    assert len(signature) == 64
    assert verify(public, signature, b"word")
    assert not verify(public, signature, b"other word")
    assert unit.handles() == [handle]


def test_a_destroyed_key_is_gone(unit: Unit):
    handle = unit.generate(Algorithm.ES256, "old")
    other = unit.generate(Algorithm.EDDSA, "new")
    unit.destroy(handle)
    assert unit.handles() == [other]
    for use in (
        lambda: unit.sign(handle, b"word"),
        lambda: unit.public(handle),
        lambda: unit.destroy(handle),
    ):
        with pytest.raises(Absent) as problem:
            use()
        assert problem.value.code == "unit.no-such-key"


@pytest.mark.parametrize("algorithm", [Algorithm.ES384, Algorithm.PS256])
def test_what_is_only_read_is_not_made(unit: Unit, algorithm: Algorithm):
    with pytest.raises(Malformed) as problem:
        unit.generate(algorithm, "no")
    assert problem.value.code == "key.unsupported"


def test_the_same_seed_gives_the_same_keys_and_signatures():
    signed = []
    for _ in range(2):
        unit = EphemeralUnit(b"seed")
        handles = [unit.generate(a, "x") for a in (Algorithm.ES256, Algorithm.EDDSA)]
        signed.append([unit.sign(handle, b"word") for handle in handles])
    assert signed[0] == signed[1]
    other = EphemeralUnit(b"seed of another")
    assert other.sign(other.generate(Algorithm.ES256, "x"), b"word") != signed[0][0]


@pytest.mark.parametrize("random", [True, False])
def test_keys_are_there_after_opening_again(path: Path, random: bool):
    made = SoftwareUnit.create(path, SECRET, random=random)
    handle = made.generate(Algorithm.ES256, "organisation")
    again = SoftwareUnit.open(path, SECRET)
    assert again.handles() == [handle]
    assert verify(again.public(handle), again.sign(handle, b"word"), b"word")


def test_the_file_is_the_owners_alone_and_shows_no_private_key(path: Path):
    unit = SoftwareUnit.create(path, SECRET, random=True)
    handle = unit.generate(Algorithm.EDDSA, "organisation")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    private = unit._opened[handle.id].to_bytes()[-32:]
    assert private not in path.read_bytes()
    assert handle.id[:16] in repr(unit._opened[handle.id])
    assert private.hex() not in repr(unit._opened[handle.id])


@pytest.mark.parametrize("random", [True, False])
def test_a_wrong_secret_is_named_as_that(path: Path, random: bool):
    SoftwareUnit.create(path, SECRET, random=random)
    with pytest.raises(Misconfigured) as problem:
        SoftwareUnit.open(path, b"another secret of the same size")
    assert problem.value.code == "unit.secret-wrong"


def test_a_short_secret_is_refused(path: Path):
    for secret, random in ((b"short", False), (b"not thirty-two", True)):
        with pytest.raises(Misconfigured) as problem:
            SoftwareUnit.create(path, secret, random=random)
        assert problem.value.code == "unit.secret-weak"
    assert not path.exists()


def test_a_key_file_is_never_overwritten(path: Path):
    SoftwareUnit.create(path, SECRET, random=True)
    before = path.read_bytes()
    with pytest.raises(Misconfigured) as problem:
        SoftwareUnit.create(path, SECRET, random=True)
    assert problem.value.code == "unit.exists"
    assert path.read_bytes() == before


def test_a_missing_file_is_named_as_that(path: Path):
    with pytest.raises(Misconfigured) as problem:
        SoftwareUnit.open(path, SECRET)
    assert problem.value.code == "unit.missing"


def _remove(keys: list[dict[str, object]]) -> None:
    del keys[0]


def _exchange(keys: list[dict[str, object]]) -> None:
    keys.reverse()


def _rename(keys: list[dict[str, object]]) -> None:
    keys[0]["label"] = "log"


def _transplant(keys: list[dict[str, object]]) -> None:
    keys[0]["box"], keys[0]["nonce"] = keys[1]["box"], keys[1]["nonce"]


@pytest.mark.parametrize("change", [_remove, _exchange, _rename, _transplant])
def test_changing_the_file_is_noticed(
    path: Path, change: Callable[[list[dict[str, object]]], None]
):
    unit = SoftwareUnit.create(path, SECRET, random=True)
    for label in ("organisation", "log"):
        unit.generate(Algorithm.ES256, label)
    content = msgspec.msgpack.decode(path.read_bytes())
    change(content["keys"])
    path.write_bytes(msgspec.msgpack.encode(content))
    with pytest.raises(Tampered) as problem:
        SoftwareUnit.open(path, SECRET)
    assert problem.value.code == "unit.tampered"
    with pytest.raises(Tampered):
        unit.generate(Algorithm.ES256, "third")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_flipped_or_missing_byte_is_a_problem(tmp_path: Path, data: st.DataObject):
    path = tmp_path / "flip"
    if not path.exists():
        SoftwareUnit.create(path, SECRET, random=True).generate(Algorithm.ES256, "organisation")
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        broken = whole[:at]
    else:
        flip = data.draw(st.integers(1, 255))
        broken = whole[:at] + bytes((whole[at] ^ flip,)) + whole[at + 1 :]
    other = tmp_path / "broken"
    other.write_bytes(broken)
    with pytest.raises(Problem):
        SoftwareUnit.open(other, SECRET)


def test_a_planted_file_cannot_ask_for_gigabytes(path: Path):
    SoftwareUnit.create(path, b"a passphrase")
    content = msgspec.msgpack.decode(path.read_bytes())
    content["derivation"]["n"] = 1 << 30
    path.write_bytes(msgspec.msgpack.encode(content))
    with pytest.raises(Misconfigured) as problem:
        SoftwareUnit.open(path, b"a passphrase")
    assert problem.value.code == "unit.damaged"


def _generate(path: str, count: int) -> None:
    unit = SoftwareUnit.open(path, SECRET)
    for number in range(count):
        unit.generate(Algorithm.EDDSA, f"{os.getpid()}-{number}")


def test_two_processes_do_not_lose_each_others_keys(path: Path):
    unit = SoftwareUnit.create(path, SECRET, random=True)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_generate, args=(str(path), 5)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    unit.refresh()
    assert len(unit.handles()) == 10
    assert verify(unit.public(unit.handles()[7]), unit.sign(unit.handles()[7], b"w"), b"w")


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch):
    unit = SoftwareUnit.create(path, SECRET, random=True)
    handle = unit.generate(Algorithm.ES256, "organisation")
    before = path.read_bytes()

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable) as problem:
        unit.generate(Algorithm.ES256, "second")
    assert problem.value.code == "unit.unwritable"
    assert path.read_bytes() == before
    assert unit.handles() == [handle]
    assert sorted(p.name for p in path.parent.iterdir()) == ["keys", "keys.lock"]
