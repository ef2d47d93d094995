# SPDX-License-Identifier: Apache-2.0
"""The agent under MicroPython (its WebAssembly build): the same token, byte for byte, in few bytes
of memory.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import kizuna.proof.attestation.agent as room
from kizuna.proof.attestation.agent.kizuna_agent import Agent
from kizuna.proof.attestation.schemes.hmac import Hmac

_PACKAGE = "@micropython/micropython-webassembly-pyscript@1.27.0"
_AGENT = Path(room.__file__).with_name("kizuna_agent.py")
_RUN = """
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const { loadMicroPython } = await import(pathToFileURL(process.argv[2]).href);
const mp = await loadMicroPython({ stdout: (line) => console.log(line), linebuffer: true });
mp.FS.writeFile('/kizuna_agent.py', readFileSync(process.argv[3]));
mp.runPython(readFileSync(process.argv[4], 'utf8'));
"""
_PROGRAM = """
import gc, sys
sys.path.append('/')
gc.collect()
empty = gc.mem_alloc()
import kizuna_agent
gc.collect()
loaded = gc.mem_alloc()
agent = kizuna_agent.Agent(bytes([1]) + b'7' * 16, 5, secret=b's' * 32, budget=100)
flash = bytes(range(256)) * 8
agent.add('boot', 2048, 1000, lambda at, n: flash[at:at + n])
agent.add('application', 300, 4000, lambda at, n: flash[at:at + n])
now = 0
rests = []
while not agent.complete():
    clock = [0, 3000]
    rest = agent.step(now, lambda: clock.pop(0))
    rests.append(rest)
    now += 3 + rest
gc.collect()
standing = gc.mem_alloc()
gc.disable()
token = agent.token(nonce=b'n' * 32, epoch=77)
used = gc.mem_alloc() - standing
print(sys.implementation[0], token.hex(), loaded - empty, standing - loaded, used, rests[0])
"""


@pytest.fixture(scope="session")
def micropython(tmp_path_factory, absent):
    """The module that loads MicroPython, fetched once into the user's cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = base / "kizuna-tests" / "micropython-1.27.0"
    module = folder / "node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs"
    if not module.is_file():
        lacking = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
        done = None
        if not lacking:
            fresh = tmp_path_factory.mktemp("micropython")
            done = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(fresh), _PACKAGE],
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            if done.returncode == 0:
                folder.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(fresh, folder, dirs_exist_ok=True)
        if not module.is_file():
            why = f"{lacking} not installed" if lacking else (done.stderr if done else "")[-500:]
            absent(f"MicroPython could not be fetched: {why}")
    return module


@pytest.fixture(scope="session")
def told(micropython, tmp_path_factory):
    folder = tmp_path_factory.mktemp("agent")
    (folder / "run.mjs").write_text(_RUN)
    (folder / "program.py").write_text(_PROGRAM)
    done = subprocess.run(
        ["node", "run.mjs", str(micropython), str(_AGENT), "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_micropython_and_cpython_make_the_same_token(told):
    flash = bytes(range(256)) * 8
    agent = Agent(b"\1" + b"7" * 16, 5, secret=b"s" * 32, budget=100)
    agent.add("boot", 2048, 1000, lambda at, n: flash[at : at + n])
    agent.add("application", 300, 4000, lambda at, n: flash[at : at + n])
    agent.measure_all()
    assert told[0] == "micropython"
    assert bytes.fromhex(told[1]) == agent.token(nonce=b"n" * 32, epoch=77)
    read = Hmac().read(bytes.fromhex(told[1]))
    assert not read.faults
    assert (read.counters.boot, read.counters.sequence, read.epoch) == (5, 1, 77)


def test_it_fits_into_a_small_device(told):
    module, state, one_token = (int(word) for word in told[2:5])
    assert module < 16 << 10, "the agent itself"
    assert state < 8 << 10, "two regions being measured"
    assert one_token < 24 << 10, "everything that making one token allocates, uncollected"


def test_it_rests_as_its_share_demands(told):
    assert int(told[5]) == 297, "3 ms of work at one hundredth of the processor"


def test_the_file_needs_nothing_but_a_hash():
    text = _AGENT.read_text()
    before_main = text.split("def reader(")[0]
    imports = [line for line in before_main.splitlines() if "import " in line and "``" not in line]
    assert imports == ["import hashlib"]
    assert len(text) < 16_000
    assert json.dumps(text)
