# SPDX-License-Identifier: Apache-2.0
"""A TPM that goes away in the middle of a quote: told, nothing written, and well again after it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

QUOTE = (0x158).to_bytes(4, "big")
"""TPM2_CC_Quote, which stands behind tag and size of a command."""


@pytest.fixture
def chip(tmp_path: Path, chip_needs, served_chip) -> Iterator[int]:
    chip_needs("swtpm", "swtpm_setup")
    (tmp_path / "tpm").mkdir()
    subprocess.run(
        f"swtpm_setup --tpm2 --tpmstate {tmp_path}/tpm --overwrite --pcr-banks sha256".split(),
        check=True,
        capture_output=True,
    )
    with served_chip(tmp_path / "tpm") as port:
        yield port


class Between:
    """Stands between a program and a chip, and cuts the line when a quote is asked for."""

    def __init__(self, chip: int) -> None:
        self.cut = False
        self._chip = chip
        self._open: list[socket.socket] = []
        self.port = 0
        while not self.port:
            first = self._listen(0)
            try:
                second = self._listen(first.getsockname()[1] + 1)
            except (OSError, OverflowError):
                first.close()
                continue
            self.port = first.getsockname()[1]
        for listener, target in ((first, chip), (second, chip + 1)):
            threading.Thread(target=self._serve, args=(listener, target), daemon=True).start()

    def close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _listen(self, port: int) -> socket.socket:
        made = socket.create_server(("127.0.0.1", port))
        self._open.append(made)
        return made

    def _serve(self, listener: socket.socket, target: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", target))
                self._open += [near, far]
                for source, sink, asks in ((near, far, True), (far, near, False)):
                    threading.Thread(
                        target=self._carry, args=(source, sink, asks), daemon=True
                    ).start()

    def _carry(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if asks and data[6:10] == QUOTE:
                    self.cut = True
                    self.close()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def quote(folder: Path, port: int) -> tuple[int, dict[str, object], str]:
    words = f"device quote --unit tpm:swtpm:host=127.0.0.1,port={port} --nonce {'0a' * 16}"
    words += " --registers 0-7 --state state --out evidence --json"
    done = subprocess.run(
        [sys.executable, "-m", "kizuna", *words.split()],
        cwd=folder,
        env={**os.environ, "KIZUNA_STORE": str(folder / "store"), "TSS2_LOG": "all+NONE"},
        capture_output=True,
        check=False,
        timeout=300,
    )
    return done.returncode, json.loads(done.stdout or b"{}"), done.stderr.decode()


def test_a_chip_that_goes_away_in_the_middle_of_a_quote_is_told_and_is_well_again(
    tmp_path: Path, chip: int
) -> None:
    between = Between(chip)
    try:
        code, told, words = quote(tmp_path, between.port)
    finally:
        between.close()

    assert between.cut, "the line was cut while the chip was asked to quote"
    assert (code, told["code"]) == (20, "unit.gone"), (told, words)
    assert "Traceback" not in words
    assert not (tmp_path / "evidence").exists()

    code, told, words = quote(tmp_path, chip)
    assert code == 0, (told, words)
    assert (tmp_path / "evidence").exists()
