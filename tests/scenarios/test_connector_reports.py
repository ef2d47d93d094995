# SPDX-License-Identifier: Apache-2.0
"""By command alone: a connector is enrolled as a device, and vouches for the pump behind it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import kizuna as package
from kizuna.worlds.modbus import PumpDevice

PUMP = "urn:dev:ops:000000-pump-1994"


class Plant:
    """Commands of one copy of the program, so that what it measures of itself is settled."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack, self.folder = stack, folder
        copy = folder / "program"
        source = Path(package.__file__).parent
        shutil.copytree(source, copy / "kizuna", ignore=shutil.ignore_patterns("__pycache__"))
        self.env = os.environ | {"PYTHONPATH": str(copy), "PYTHONUNBUFFERED": "1"}

    def __call__(self, *words: str) -> dict:
        done = subprocess.run(
            [*self._program(*words), "--json"],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env=self.env,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def start(self, *words: str, ready: str) -> tuple[subprocess.Popen, re.Match[str]]:
        process = subprocess.Popen(
            self._program(*words, "--lang", "en"),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.env,
            cwd=self.folder,
        )
        self.stack.callback(self.stop, process)
        for _ in range(10):
            line = process.stderr.readline()
            if found := re.search(ready, line):
                return process, found
        raise AssertionError(f"it did not begin: {words}")

    def stop(self, process: subprocess.Popen) -> str:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=120)
        return out

    def _program(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "kizuna", *words, "--store", str(self.folder / "store")]


def standings(port: int) -> dict[str, dict]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/devices", timeout=60) as answer:
        return {one["subject"]: one for one in json.load(answer)["standings"]}


def test_a_connector_and_the_pump_behind_it_get_their_standing_by_command_alone(tmp_path):
    with ExitStack() as stack:
        plant = Plant(tmp_path, stack)
        pump = stack.enter_context(PumpDevice())
        place = f"127.0.0.1:{pump.address[1]}"
        plant("init", "--name", "Plant")
        connector = plant("gateway", "key", "--out", "plant.pem")["identity"]
        interpreter = plant("gateway", "measure", "--out", "program.txt")["interpreter"]
        plant(
            *("device", "reference", "make", "program=program.txt"),
            *(f"interpreter={interpreter}", "--model", "kizuna/connector"),
            *("--out", "connector.corim"),
        )
        plant("device", "reference", "import", "connector.corim", "--closed")
        plant(
            *("device", "enrol", connector, "--scheme", "hmac", "--key", "plant.pem"),
            *("--reference", "kizuna/connector"),
        )
        plant("gateway", "learn", "--to", place, "--out", "pump.json", "--times", "3")
        learnt = tmp_path / "pump.json"
        slow = json.loads(learnt.read_text()) | {"tolerance": 600_000}  # whatever else runs here
        learnt.write_text(json.dumps(slow))
        plant(
            *("device", "enrol", PUMP, "--scheme", "observed", "--key", "plant.pem"),
            *("--gateway", connector, "--learnt", "pump.json"),
        )
        _, served = plant.start("serve", "--port", "0", ready=r"127\.0\.0\.1:(\d+)")
        port = int(served[1])
        running, _ = plant.start(
            *("gateway", "connector", "--listen", "127.0.0.1:0", "--to", place),
            *("--peer", connector, "--report", f"http://127.0.0.1:{port}", "--device", PUMP),
            ready=r"listens on 127\.0\.0\.1:(\d+)",
        )
        end = time.monotonic() + 240
        while time.monotonic() < end:
            found = standings(port)
            if {one["status"] for one in found.values()} == {"affirming"}:
                break
            time.sleep(0.5)
        assert {subject: one["status"] for subject, one in found.items()} == {
            connector: "affirming",
            PUMP: "affirming",
        }
        assert found[PUMP]["gateway"] == connector
        assert found[PUMP]["scheme"] == "observed"
        assert plant.stop(running)
