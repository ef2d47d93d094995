# SPDX-License-Identifier: Apache-2.0
"""``kizuna gateway`` as people type it: what is refused, and what it says of the program."""

import socket
from hashlib import sha256

import pytest

from kizuna.worlds.modbus import PumpDevice

WORDS = (
    "gateway",
    "connector",
    "--listen",
    "127.0.0.1:0",
    "--to",
    "127.0.0.1:1",
    "--peer",
    "urn:x:a",
)
REPORT = ("--report", "http://127.0.0.1:1")
DEVICE = ("--device", "urn:ueid:0102")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (DEVICE, "connector.behind"),
        ((*DEVICE, *REPORT, "--side", "client"), "connector.behind"),
        ((*DEVICE, *REPORT, "--ask", "smtp"), "connector.ask"),
        ((*DEVICE, "--report", "ftp://x"), "request.address"),
        (("--machine", "urn:x:m", *REPORT), "connector.machine"),
        (("--chip", "tpm:x", *REPORT), "connector.machine"),
        (("--machine", "urn:x:m", "--chip", "tpm:x"), "connector.machine"),
        (
            ("--machine", "urn:x:m", "--chip", "tpm:x", "--registers", "24", *REPORT),
            "device.registers",
        ),
        (("--side", "middle"), "connector.side"),
    ],
)
def test_a_connector_that_could_not_do_what_it_is_told_is_not_begun(store, more, code):
    told = store(*WORDS, *more, "--json")
    assert (told.code, told.json["code"]) == (2, code)


def test_what_a_device_looks_like_is_learnt_into_a_file_or_said_to_be_out_of_reach(store, tmp_path):
    with PumpDevice() as pump:
        place = f"127.0.0.1:{pump.address[1]}"
        out = tmp_path / "pump.json"
        told = store("gateway", "learn", "--to", place, "--out", out, "--times", "2", "--json")
    assert (told.code, told.json["position"]) == (0, place)
    assert out.is_file()
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"127.0.0.1:{free.getsockname()[1]}"
    other = tmp_path / "gone.json"
    told = store("gateway", "learn", "--to", gone, "--out", other, "--json")
    assert told.json["code"] == "connector.not-seen"
    assert not other.exists()


def test_the_list_of_the_program_is_what_is_measured(store, tmp_path):
    out = tmp_path / "program.txt"
    told = store("gateway", "measure", "--out", out, "--json")
    assert told.code == 0
    assert set(told.json["measurements"]) == {"program", "interpreter"}
    lines = out.read_text().splitlines()
    assert any(line.endswith("  guard/gateway/connector/wire.py") for line in lines)
    assert len(sha256(out.read_bytes()).hexdigest()) == len(told.json["measurements"]["program"])
