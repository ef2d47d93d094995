# SPDX-License-Identifier: Apache-2.0
"""What a connector says of itself and of the device behind it, and whom it believes meanwhile."""

import asyncio
import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.wiring.devices import reporting
from kizuna.app.wiring.devices.connector import connector_key
from kizuna.app.wiring.devices.program import manifest, measurements
from kizuna.app.wiring.devices.reporting import Reporter
from kizuna.app.wiring.devices.seeing import read_learnt
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed, Problem, Unavailable
from kizuna.proof.attestation.schemes.observed import Learnt
from kizuna.roots.cose import encode, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

UNIT = EphemeralUnit(b"verifier")
HANDLE = UNIT.generate(Algorithm.ES256, "verifier")
NAME = "urn:dev:ops:000000-connector"


def epoch(number: int, nonce: bytes = bytes(32)) -> bytes:
    return sign1(UNIT, HANDLE, {}, encode({1: number, 2: nonce, 3: 0, 4: 60}))


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "program"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.py").write_text("1")
    (folder / "deep" / "two.py").write_text("2")
    return folder


@pytest.fixture
def reporter(tmp_path, program):
    settings = Settings(store=tmp_path / "store", clock=lambda: 1_795_305_600)
    with Workspace.init(settings.store, "edge", now=1_795_305_600, settings=settings) as workspace:
        handle = connector_key(workspace)
        yield Reporter(workspace, handle, NAME, "http://verifier.example", folder=program)


class Verifier:
    """Stands for the network: what the verifier answers, and what it was sent."""

    def __init__(self, monkeypatch, told: bytes, answer: bytes) -> None:
        self.told, self.answer, self.sent = told, answer, []
        monkeypatch.setattr(reporting, "fetch", lambda _url, **_: self.told)
        monkeypatch.setattr(reporting, "post", self._post)

    def _post(self, _url, body, _headers, **_):
        self.sent.append(body)
        return self.answer


GOOD = encode([["affirming", "affirming", ""]])


def test_it_speaks_once_an_epoch(reporter, monkeypatch):
    verifier = Verifier(monkeypatch, epoch(5), GOOD)
    assert asyncio.run(reporter.report())
    assert not asyncio.run(reporter.report())
    verifier.told = epoch(6)
    assert asyncio.run(reporter.report())
    assert (len(verifier.sent), reporter.sent) == (2, 2)
    assert reporter.last == {NAME: "affirming"}
    assert reporter.trouble == ""


def test_a_refusal_is_told_and_the_next_epoch_tries_again(reporter, monkeypatch):
    verifier = Verifier(monkeypatch, epoch(5), encode([["refused", "", "not-enrolled"]]))
    assert asyncio.run(reporter.report())
    assert reporter.trouble == f"{NAME}: not-enrolled"
    verifier.told, verifier.answer = epoch(6), GOOD
    assert asyncio.run(reporter.report())
    assert reporter.trouble == ""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff",
        encode([]),
        encode([["affirming"]]),
        encode([[1, 2, 3]]),
        encode({}),
        b"\x80\x80",
    ],
)
def test_an_answer_that_cannot_be_read_is_trouble_and_no_end(reporter, monkeypatch, answer):
    Verifier(monkeypatch, epoch(5), answer)
    assert not asyncio.run(reporter.report())
    assert reporter.trouble
    assert reporter.last == {}


@pytest.mark.parametrize(
    "told",
    [b"", b"\xff", encode({1: 5, 2: bytes(32)}), epoch(5, b"short"), epoch(5, bytes(65))],
)
def test_an_epoch_that_cannot_be_read_is_answered_with_nothing(reporter, monkeypatch, told):
    verifier = Verifier(monkeypatch, told, GOOD)
    assert not asyncio.run(reporter.report())
    assert reporter.trouble
    assert verifier.sent == []


def test_a_verifier_out_of_reach_is_trouble_and_no_end(reporter, monkeypatch):
    def lost(_url, **_):
        raise Unavailable("request.unreachable", "nobody there", hint="look")

    monkeypatch.setattr(reporting, "fetch", lost)
    assert not asyncio.run(reporter.report())
    assert "nobody there" in reporter.trouble


@given(st.binary(max_size=300))
def test_no_bytes_of_a_verifier_are_more_than_a_problem(data):
    try:
        reporting._epoch(data)
    except Problem:
        return
    raise AssertionError("random bytes are no epoch")


# --- what the program is --------------------------------------------------------------------------


def test_the_same_program_elsewhere_is_the_same_and_what_python_adds_counts_not(program, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(program, copy)
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "one.pyc").write_bytes(b"made by Python")
    assert manifest(copy) == manifest(program)
    assert measurements(copy) == measurements(program)


def test_a_changed_a_new_and_a_lost_file_each_change_the_program(program):
    before = measurements(program)
    for change in (
        lambda: (program / "one.py").write_text("2"),
        lambda: (program / "three.py").write_text("3"),
        (program / "deep" / "two.py").unlink,
    ):
        change()
        after = measurements(program)
        assert after["program"] != before["program"]
        assert after["interpreter"] == before["interpreter"]
        before = after


def test_the_list_is_what_sha256sum_writes_and_what_is_measured(program):
    lines = manifest(program).decode().splitlines()
    assert lines[0] == sha256(b"2").hexdigest() + "  deep/two.py"
    assert measurements(program)["program"] == sha256(manifest(program)).digest()
    interpreter = Path(sys.executable).resolve().read_bytes()
    assert measurements(program)["interpreter"] == sha256(interpreter).digest()


def test_this_program_is_listed_with_its_data():
    names = {line[66:] for line in manifest().decode().splitlines()}
    assert {"guard/gateway/connector/wire.py", "app/wiring/messages/en.mo"} <= names
    assert not [name for name in names if "__pycache__" in name]


# --- what was learnt ------------------------------------------------------------------------------


@given(
    st.one_of(st.none(), st.text(min_size=1, max_size=200)),
    st.one_of(st.none(), st.binary(min_size=32, max_size=32)),
    st.integers(0, 1 << 30),
)
def test_what_was_learnt_reads_back_as_it_was(address, banner, interval):
    entry = {
        "address": address,
        "position": "192.0.2.1:502",
        "banner": None if banner is None else banner.hex(),
        "interval": interval,
        "tolerance": 250,
    }
    assert read_learnt(json.dumps(entry).encode()) == Learnt(
        address=address,
        position="192.0.2.1:502",
        banner=banner,
        interval=interval,
        tolerance=250,
    )


@given(st.binary(max_size=200))
def test_no_file_is_more_than_a_problem(data):
    with pytest.raises(Malformed):
        read_learnt(data)
