# SPDX-License-Identifier: Apache-2.0
"""The guide "Attest a machine with a TPM", step by step, with a real software TPM."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "attest-a-tpm.md"


@pytest.fixture
def folder(tmp_path: Path, chip_needs, served_chip) -> Iterator[tuple[Path, int]]:
    chip_needs("swtpm", "swtpm_setup", "tpm2_pcrextend")
    (tmp_path / "tpm").mkdir()
    subprocess.run(
        f"swtpm_setup --tpm2 --tpmstate {tmp_path}/tpm --overwrite --pcr-banks sha256".split(),
        check=True,
        capture_output=True,
    )
    with served_chip(tmp_path / "tpm") as port:
        yield tmp_path, port


def run(folder: Path, line: str) -> tuple[int, dict[str, object]]:
    """One of the guide's ``kizuna`` commands, answered as JSON."""
    words = [sys.executable, "-m", "kizuna", *line.split()[1:], "--json"]
    environment = {**os.environ, "KIZUNA_STORE": str(folder / "store"), "TSS2_LOG": "all+NONE"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False)
    return done.returncode, json.loads(done.stdout or b"{}")


def test_the_guide_holds(folder: tuple[Path, int]):
    place, port = folder
    lines = re.findall(r"^\$ (kizuna .+)$", GUIDE.read_text(), re.MULTILINE)
    quote, appraise = (line.replace("port=22321", f"port={port}") for line in lines)
    code, answer = run(place, quote)
    assert code == 0, answer
    code, answer = run(place, appraise)
    assert (code, answer["status"]) == (10, "warning")
    assert [f["code"] for f in answer["findings"]] == ["attestation.reference-unsigned"]

    code, answer = run(place, appraise.replace("8899aabbccddeeff", "0" * 16))
    assert (code, answer["status"]) == (12, "none")

    whole = (place / "evidence.cbor").read_bytes()
    (place / "evidence.cbor").write_bytes(whole[:150] + bytes((whole[150] ^ 1,)) + whole[151:])
    code, answer = run(place, appraise)
    assert (code, answer["status"]) == (11, "contraindicated")

    tcti = {"TPM2TOOLS_TCTI": f"swtpm:host=127.0.0.1,port={port}", "TSS2_LOG": "all+NONE"}
    subprocess.run(
        ["tpm2_pcrextend", "16:sha256=" + "ab" * 32], env={**os.environ, **tcti}, check=True
    )
    code, answer = run(place, quote.replace(" --values-out values.txt", ""))
    assert code == 0, answer
    code, answer = run(place, appraise)
    assert (code, answer["status"]) == (11, "contraindicated")
    assert [f["code"] for f in answer["findings"]] == ["attestation.firmware-unknown"]


def test_without_a_tpm_it_says_so(folder: tuple[Path, int]):
    place, _ = folder
    code, answer = run(
        place, "kizuna device quote --unit software --nonce 0011223344556677 --out x"
    )
    assert (code, answer["code"]) == (10, "device.quote-imitation")
    gone = "tpm:swtpm:host=127.0.0.1,port=1"
    code, answer = run(place, f"kizuna device quote --unit {gone} --nonce 0011223344556677 --out x")
    assert code in (20, 21)
    assert not (place / "x").exists()
    for nonce, registers in (("00", "0-7"), ("zz", "0"), ("0011223344556677", "0-99")):
        line = f"kizuna device quote --unit {gone} --nonce {nonce} --registers {registers} --out x"
        assert run(place, line)[0] == 2


def test_a_chip_without_a_makers_certificate_says_what_is_missing(folder: tuple[Path, int]):
    place, port = folder
    unit = f"tpm:swtpm:host=127.0.0.1,port={port}"
    code, answer = run(place, f"kizuna device endorse --unit {unit} --out request --key-out ak.pem")
    assert (code, answer["code"]) == (10, "unit.no-endorsement")
    assert "--create-ek-cert" in str(answer["hint"])
    assert not (place / "request").exists()
