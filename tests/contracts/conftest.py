# SPDX-License-Identifier: Apache-2.0
"""Real peers of the units: SoftHSM2 and swtpm, each in a folder of the test."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

os.environ.setdefault("TSS2_LOG", "all+NONE")

PIN = "1234"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")


def _words(line: str) -> list[str]:
    return line.split()


@pytest.fixture(scope="session")
def hsm_module(
    tmp_path_factory: pytest.TempPathFactory,
    peers: Callable[..., None],
    absent: Callable[[str], NoReturn],
) -> str:
    """The library of SoftHSM2, with an empty folder of tokens."""
    peers("python:pkcs11", "softhsm2-util")
    module = next((path for path in MODULES if Path(path).exists()), "")
    if not module:
        absent(f"the library of SoftHSM2 is in none of {', '.join(MODULES)}")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        _words(f"softhsm2-util --init-token --free --label kizuna --pin {PIN} --so-pin 567890"),
        check=True,
        capture_output=True,
    )
    return module


class Swtpm:
    """One software TPM that can be stopped, killed and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def tcti(self) -> str:
        return f"swtpm:host=127.0.0.1,port={self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            _words(
                f"swtpm socket --tpm2 --tpmstate dir={self.folder}"
                f" --server type=tcp,port={self.port},bindaddr=127.0.0.1"
                f" --ctrl type=tcp,port={self.port + 1},bindaddr=127.0.0.1"
                " --flags not-need-init,startup-clear"
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port + 1)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("swtpm does not start")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def new_swtpm(
    tmp_path_factory: pytest.TempPathFactory,
    two_ports: Callable[[], int],
    chip_needs: Callable[..., None],
) -> Iterator[Callable[[], Swtpm]]:
    """Makes software TPMs that end with the test."""
    chip_needs("swtpm", "swtpm_setup")
    made: list[Swtpm] = []

    def make() -> Swtpm:
        folder = tmp_path_factory.mktemp("tpm")
        subprocess.run(
            _words(f"swtpm_setup --tpm2 --tpmstate {folder} --overwrite --pcr-banks sha256"),
            check=True,
            capture_output=True,
        )
        made.append(Swtpm(folder, two_ports()))
        return made[-1]

    yield make
    for each in made:
        each.kill()
