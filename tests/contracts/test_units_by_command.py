# SPDX-License-Identifier: Apache-2.0
"""Keys in other units by command: a served process, certification, retirement, clear refusals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kizuna.app.cli.tree import build

KIZUNA = [sys.executable, "-m", "kizuna"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*words: str, code: int = 0) -> dict[str, object]:
    done = CliRunner().invoke(build(), [*words, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    words = ["key", "serve", "--socket", "unit", "--keys", "served/keys"]
    with subprocess.Popen([*KIZUNA, *words], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        until = time.monotonic() + 60
        while not (tmp_path / "unit").exists():
            assert process.poll() is None, process.returncode
            assert time.monotonic() < until, "the keys are not served"
            time.sleep(0.05)
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_store_whose_keys_are_in_another_process(served: subprocess.Popen[str], tmp_path: Path):
    _run("init", "--name", "Fuji Pumps", "--unit", "process:unit", "--store", "s")
    assert not (tmp_path / "s" / "keys").exists()
    (key,) = _run("key", "list", "--store", "s")["keys"]
    assert (key["unit"], key["protection"]) == ("home", "process")
    _run("key", "rotate", "--store", "s")
    served.send_signal(signal.SIGTERM)
    assert served.wait(60) == 0
    assert not (tmp_path / "unit").exists()
    told = _run("key", "rotate", "--store", "s", code=20)
    assert told["code"] == "unit.gone"


def test_an_attesting_key_certifies_another_and_the_log_keeps_it(tmp_path: Path):
    _run("init", "--name", "Fuji Pumps", "--store", "s")
    attest = _run("key", "create", "--purpose", "attest", "--label", "attestation", "--store", "s")[
        "thumbprint"
    ]
    (key,) = _run("key", "list", "--store", "s")["keys"]
    made = _run("key", "certify", key["thumbprint"][:12], "--by", attest, "--store", "s")
    assert (made["claim"], made["attestation"]) == ("lives-here", "imitation")
    (key,) = _run("key", "list", "--store", "s")["keys"]
    assert [said["by"] for said in key["certified_by"]] == [attest]
    told = _run("key", "certify", attest, "--by", key["thumbprint"], "--store", "s", code=10)
    assert told["code"] == "unit.purpose"


def test_a_retired_key_is_ended_and_destroyed(tmp_path: Path):
    _run("init", "--name", "Fuji Pumps", "--store", "s")
    old = _run("key", "list", "--store", "s")["keys"][0]["thumbprint"]
    told = _run("key", "retire", old, "--yes", "--store", "s", code=10)
    assert told["code"] == "key.last"
    _run("key", "rotate", "--store", "s")
    _run("key", "retire", old, "--yes", "--store", "s")
    rows = {r["thumbprint"]: r for r in _run("key", "list", "--store", "s")["keys"]}
    assert not rows[old]["here"]
    others = _run("key", "list", "--store", "s")["others"]
    log = next(r["thumbprint"] for r in others if r["label"] == "log")
    assert _run("key", "retire", log, "--yes", "--store", "s", code=10)["code"] == ("unit.log-key")


@pytest.mark.parametrize(
    ("unit", "code", "exits"),
    [
        ("quantum:1", "unit.name", 2),
        ("pkcs11:/lib.so", "unit.name", 2),
        ("process:nobody", "unit.gone", 20),
    ],
)
def test_a_unit_that_is_not_there_makes_no_store(tmp_path: Path, unit: str, code: str, exits: int):
    told = _run("init", "--name", "F", "--unit", unit, "--store", "s", code=exits)
    assert told["code"] == code
    assert not (tmp_path / "s" / "kizuna.json").exists()


def test_a_chip_certifies_the_key_that_signs(tmp_path: Path, new_swtpm, monkeypatch):
    (tmp_path / "pin").write_text("1234\n")
    monkeypatch.setenv("KIZUNA_UNIT_PIN_FILE", str(tmp_path / "pin"))
    tpm = new_swtpm().tcti
    _run("init", "--name", "Fuji Pumps", "--unit", f"tpm:{tpm}", "--store", "s")
    answer = _run("key", "list", "--store", "s")
    (certified,) = answer["keys"][0]["certified_by"]
    assert (certified["unit"], certified["attestation"]) == ("tpm", "native")
    assert certified["claim"] == "presented"
    attest = next(r for r in answer["others"] if r["purpose"] == "attest")
    assert (attest["unit"], attest["protection"]) == ("tpm", "chip")
    kinds = {r["name"]: r["kind"] for r in _run("key", "units", "--store", "s")["units"]}
    assert kinds == {"home": "software", "tpm": "tpm"}


def test_a_store_in_a_token(tmp_path: Path, hsm_module: str, monkeypatch):
    (tmp_path / "pin").write_text("1234")
    monkeypatch.setenv("KIZUNA_UNIT_PIN_FILE", str(tmp_path / "pin"))
    unit = f"pkcs11:{hsm_module};kizuna"
    _run("init", "--name", "Fuji Pumps", "--unit", unit, "--store", "s")
    assert _run("key", "list", "--store", "s")["keys"][0]["protection"] == "token"
    (tmp_path / "pin").write_text("0000")
    told = _run("key", "rotate", "--store", "s", code=21)
    assert told["code"] == "unit.pin-wrong"
    assert os.environ["SOFTHSM2_CONF"]


def test_a_unit_seals_encrypts_agrees_and_measures_by_command(
    served: subprocess.Popen[str], tmp_path: Path
):
    _run("init", "--name", "Fuji Pumps", "--unit", "process:unit", "--store", "s")
    (tmp_path / "disk.key").write_bytes(b"k" * 32)
    unit = ["key", "unit"]
    store = ["--store", "s"]
    _run(*unit, "seal", "disk.key", "--registers", "16", "--out", "box", *store)
    _run(*unit, "unseal", "box", "--out", "again", *store)
    assert (tmp_path / "again").read_bytes() == b"k" * 32
    assert (tmp_path / "again").stat().st_mode & 0o077 == 0
    before = _run(*unit, "registers", *store)
    _run(*unit, "extend", "16", "disk.key", *store)
    after = _run(*unit, "registers", *store)
    assert (before["kept"], before["registers"]["16"] == after["registers"]["16"]) == (
        "imitation",
        False,
    )
    told = _run(*unit, "unseal", "box", "--out", "never", *store, code=10)
    assert (told["code"], (tmp_path / "never").exists()) == ("unit.registers-changed", False)

    _run(*unit, "encrypt", "disk.key", "--label", "logs", "--out", "enc", *store)
    _run(*unit, "decrypt", "enc", "--label", "logs", "--out", "dec", *store)
    assert (tmp_path / "dec").read_bytes() == b"k" * 32
    assert (tmp_path / "enc").read_bytes() != b"k" * 32
    changed = bytearray((tmp_path / "enc").read_bytes())
    changed[-1] ^= 1
    (tmp_path / "enc").write_bytes(changed)
    told = _run(*unit, "decrypt", "enc", "--label", "logs", "--out", "never", *store, code=11)
    assert told["code"] == "unit.box"
    told = _run(*unit, "decrypt", "enc", "--label", "no", "--out", "never", *store, code=13)
    assert told["code"] == "unit.no-secret"

    ours = _run("key", "create", "--label", "a", "--purpose", "agree", *store)
    _run("init", "--name", "Peer", "--store", "peer")
    theirs = _run("key", "create", "--label", "b", "--purpose", "agree", "--store", "peer")
    for name, key in (("ours", ours), ("theirs", theirs)):
        (tmp_path / name).write_text(json.dumps(key["jwk"]))
    agree = [*unit, "agree"]
    _run(*agree, ours["thumbprint"][:8], "--with", "theirs", "--for", "x", "--out", "1", *store)
    there = ["--store", "peer"]
    _run(*agree, theirs["thumbprint"][:8], "--with", "ours", "--for", "x", "--out", "2", *there)
    _run(*agree, theirs["thumbprint"][:8], "--with", "ours", "--for", "y", "--out", "3", *there)
    one, two, three = ((tmp_path / name).read_bytes() for name in "123")
    assert one == two != three
    assert len(one) == 32

    first, second = (_run(*unit, "random", "--size", "16", *store)["random"] for _ in range(2))
    assert len(bytes.fromhex(first)) == 16
    assert first != second
    told = _run("key", "create", "--label", "c", "--registers", "0-7", *store, code=10)
    assert told["code"] == "unit.not-offered"
