# SPDX-License-Identifier: Apache-2.0
"""The device agent as its own process on Linux, pushing to a real server: good, altered, mended."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest

import kizuna.proof.attestation.agent as room
from kizuna.app.cli.run import execute
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace

DEVICE = "urn:dev:ops:000000-sensor-17"
UEID = b"sensor-17".hex()
AGENT = Path(room.__file__).with_name("kizuna_agent.py")


@pytest.fixture
def site(tmp_path, monkeypatch, capsys):
    """A store with one enrolled device, and the device's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIZUNA_STORE", str(tmp_path / "store"))
    device = tmp_path / "device"
    (device / "scripts").mkdir(parents=True)
    (device / "scripts" / "run.sh").write_text("echo fan on")
    (device / "app.bin").write_bytes(b"firmware" * 1000)
    secret = secrets.token_bytes(32)
    (device / "secret").write_bytes(secret)
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()}
    Path("secret.jwk").write_text(json.dumps(jwk))
    Path("listing").write_bytes(_listing(device / "scripts"))
    reference = f"app={device / 'app.bin'} scripts=listing --model m --version 1"
    lines = (
        "init --name Tower",
        f"device reference make {reference} --days 30 --out r.corim",
        "device reference import r.corim --closed",
        f"device enrol {DEVICE} --key secret.jwk --scheme hmac --reference m --identity {UEID}",
        "device plan --region app:8000:5 --region scripts:100 --out plan.json",
    )
    for line in lines:
        assert execute(line.split()) == 0, capsys.readouterr().err
    return device


def _listing(folder):
    from kizuna.proof.attestation.agent.kizuna_agent import reader  # noqa: PLC0415

    return reader(str(folder))(0, 1 << 20)


def run_agent(device, server):
    settings = {
        "server": server,
        "subject": DEVICE,
        "identity": UEID,
        "secret": str(device / "secret"),
        "boots": str(device / "boots"),
        "plan": json.loads(Path("plan.json").read_text()),
        "paths": {"app": str(device / "app.bin"), "scripts": str(device / "scripts")},
    }
    Path("agent.json").write_text(json.dumps(settings))
    time.sleep(1.1)  # two challenges of one second are one
    return subprocess.run(
        [sys.executable, "-I", str(AGENT), "agent.json", "--once"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def standing(workspace, server):
    asked = f"/api/devices/standing?subject={quote(DEVICE, safe='')}"
    connection = HTTPConnection(server.removeprefix("http://"), timeout=60)
    with closing(connection):
        connection.request("GET", asked)
        return json.load(connection.getresponse())["status"]


def test_a_linux_device_is_measured_tampered_with_and_mended(site, tmp_path):
    workspace = Workspace.open(tmp_path / "store", settings=Settings(store=tmp_path / "store"))
    with workspace, background(workspace) as (host, port):
        server = f"http://{host}:{port}"
        done = run_agent(site, server)
        assert done.returncode == 0, done.stdout + done.stderr
        assert standing(workspace, server) == "affirming"

        with (site / "app.bin").open("ab") as file:
            file.write(b"and a guest at the end")
        assert run_agent(site, server).returncode == 0
        assert standing(workspace, server) == "contraindicated"

        (site / "app.bin").write_bytes(b"firmware" * 1000)
        (site / "scripts" / "also.sh").write_text("curl evil")
        assert run_agent(site, server).returncode == 0
        assert standing(workspace, server) == "contraindicated"

        (site / "scripts" / "also.sh").unlink()
        assert run_agent(site, server).returncode == 0
        assert standing(workspace, server) == "affirming"
    assert (site / "boots").read_text() == "4"


def test_an_agent_without_a_server_says_so_and_ends(site):
    done = run_agent(site, "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "not told" in done.stdout
