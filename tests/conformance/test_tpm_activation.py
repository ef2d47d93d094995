# SPDX-License-Identifier: Apache-2.0
"""A software TPM with a maker's certificate proves that a key lives in it, command by command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest


class Machine:
    """A machine with a chip of one maker."""

    def __init__(self, folder: Path, maker: Path) -> None:
        self.folder, self.port = folder, 0
        (folder / "tpm").mkdir(parents=True)
        conf, ca, options = (folder / name for name in ("setup.conf", "ca.conf", "ca.options"))
        conf.write_text(
            f"create_certs_tool={shutil.which('swtpm_localca')}\n"
            f"create_certs_tool_config={ca}\ncreate_certs_tool_options={options}\n"
        )
        ca.write_text(
            f"statedir = {maker}\nsigningkey = {maker}/signkey.pem\n"
            f"issuercert = {maker}/issuercert.pem\ncertserial = {maker}/certserial\n"
        )
        options.write_text(
            "--platform-manufacturer Example\n--platform-version 1\n--platform-model Test\n"
        )
        subprocess.run(
            f"swtpm_setup --tpm2 --tpmstate {folder}/tpm --overwrite --pcr-banks sha256"
            f" --create-ek-cert --lock-nvram --config {conf}".split(),
            check=True,
            capture_output=True,
        )

    def __call__(self, *words: str) -> tuple[int, dict[str, object]]:
        unit = ("--unit", f"tpm:swtpm:host=127.0.0.1,port={self.port}")
        return kizuna(self.folder, *words, *unit, "--state", str(self.folder / "state"))


def kizuna(folder: Path, *words: object) -> tuple[int, dict[str, object]]:
    environment = {**os.environ, "KIZUNA_STORE": str(folder / "store"), "TSS2_LOG": "all+NONE"}
    done = subprocess.run(
        [sys.executable, "-m", "kizuna", *map(str, words), "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or b"{}")


@pytest.fixture
def machines(
    tmp_path: Path,
    chip_needs: Callable[..., None],
    served_chip: Callable[[Path], AbstractContextManager[int]],
) -> Iterator[tuple[Machine, Machine, Path]]:
    chip_needs("swtpm", "swtpm_setup", "swtpm_localca")
    maker = tmp_path / "maker"
    maker.mkdir()
    one, two = (Machine(tmp_path / name, maker) for name in ("one", "two"))
    with served_chip(one.folder / "tpm") as one.port, served_chip(two.folder / "tpm") as two.port:
        yield one, two, maker / "issuercert.pem"


def test_a_key_is_enrolled_as_one_of_the_chip_that_opened_the_challenge(
    machines: tuple[Machine, Machine, Path], tmp_path: Path
):
    one, two, maker = machines
    files = {name: tmp_path / name for name in ("request", "ak.pem", "challenge", "answer")}
    assert kizuna(tmp_path, "init", "--name", "Owner", "-q")[0] == 0
    code, _ = one("device", "endorse", "--out", str(files["request"]), "--key-out",
                  str(files["ak.pem"]))  # fmt: skip
    assert code == 0
    ask = ("device", "chip-challenge", files["request"], "--out", files["challenge"])
    assert kizuna(tmp_path, *ask)[1]["code"] == "device.endorsers-absent"
    assert kizuna(tmp_path, *ask, "--anchor", maker, "--keep")[0] == 0

    code, told = two("device", "activate", str(files["challenge"]), "--out", str(files["answer"]))
    # another chip of the same maker; libtpms 0.9 takes a seed it cannot open for a broken chip
    assert (code, told["code"] in ("unit.credential", "unit.chip-refused")) == (10, True), told
    code, told = one("device", "activate", str(files["challenge"]), "--out", str(files["answer"]))
    assert code == 0, told
    code, told = kizuna(tmp_path, "device", "activated", files["answer"])
    assert code == 0, told
    name = told["activation"]

    enrol = ("device", "enrol", "urn:dev:ser:one", "--scheme", "tpm", "--key", files["ak.pem"],
             "--activation")  # fmt: skip
    assert kizuna(tmp_path, *enrol, "0" * 32)[1]["code"] == "device.activation-unknown"
    code, done = kizuna(tmp_path, *enrol, name)
    assert (code, done["chip"]) == (0, told["chip"])

    # the same chip under another name, after the same proof
    assert kizuna(tmp_path, *ask)[0] == 0
    one("device", "activate", str(files["challenge"]), "--out", str(files["answer"]))
    again = kizuna(tmp_path, "device", "activated", files["answer"])[1]["activation"]
    other = ("device", "enrol", "urn:dev:ser:other", "--scheme", "tpm", "--key", files["ak.pem"])
    code, told = kizuna(tmp_path, *other, "--activation", again)
    assert (code, told["code"]) == (10, "device.chip-taken")
