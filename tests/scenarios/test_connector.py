# SPDX-License-Identifier: Apache-2.0
"""A pump's controller from the nineties gets a connector; later its client's key is stolen."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException

from kizuna.worlds.modbus import PumpDevice


def kizuna(store: Path, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "kizuna", *arguments, "--store", str(store), "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


class Serving:
    """``kizuna gateway connector`` in a process of its own."""

    def __init__(self, stack: ExitStack, store: Path, side: str, to, peer: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "kizuna", "gateway", "connector"),
                *("--store", str(store), "--side", side, "--listen", "127.0.0.1:0"),
                *("--to", f"{to[0]}:{to[1]}", "--peer", peer, "--lang", "en"),
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        stack.callback(self.stop)
        line = self.process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, line
        self.address = ("127.0.0.1", int(found[1]))

    def stop(self) -> str:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        return out


def test_a_legacy_device_is_reached_by_enrolled_peers_until_their_key_is_revoked(tmp_path):
    plant, office = tmp_path / "plant", tmp_path / "office"
    names = {}
    for store, name in ((plant, "Plant"), (office, "Office")):
        kizuna(store, "init", "--name", name)
        names[store] = kizuna(store, "gateway", "key", "--out", str(tmp_path / f"{name}.pem"))
    near, far = names[plant]["identity"], names[office]["identity"]
    kizuna(plant, "device", "enrol", far, "--key", str(tmp_path / "Office.pem"))
    kizuna(office, "device", "enrol", near, "--key", str(tmp_path / "Plant.pem"))
    said = kizuna(plant, "gateway", "key", "--acts-for", "urn:ueid:0a0b")
    assert said["acts_for"]["connector"] == near
    with ExitStack() as stack:
        device = stack.enter_context(PumpDevice())
        before = Serving(stack, plant, "device", device.address, far)
        beside = Serving(stack, office, "client", before.address, near)
        with ModbusTcpClient(beside.address[0], port=beside.address[1], retries=0) as client:
            client.write_register(0, 1_200)
            assert client.read_holding_registers(0).registers == [1_200]
            kizuna(plant, "device", "revoke", far, "--why", "stolen", "--yes")
            end = time.monotonic() + 60
            ended = False
            while not ended and time.monotonic() < end:
                try:
                    client.read_holding_registers(0)
                    time.sleep(0.1)
                except ConnectionException:
                    ended = True
            assert ended
        with (
            ModbusTcpClient(beside.address[0], port=beside.address[1], retries=0) as client,
            pytest.raises(ConnectionException),
        ):
            client.read_holding_registers(0)
        time.sleep(0.2)
        told = before.stop()
        assert "refused" in told
    entries = kizuna(plant, "log", "list", "--limit", "20")["entries"]
    assert "notice" in {entry["kind"] for entry in entries}
