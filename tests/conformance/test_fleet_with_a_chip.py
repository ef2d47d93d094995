# SPDX-License-Identifier: Apache-2.0
"""A real chip (swtpm) in a fleet: affirmed over HTTP, and told on when its program changes."""

import os
import subprocess
from hashlib import sha256

import httpx
import pytest

from kizuna.app.wiring.devices.fleet import keeper_of
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.proof.attestation.reference import Reference
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.tpm.evidence import write_evidence
from kizuna.roots.boot.quote import read_registers
from kizuna.roots.cose import decode, encode
from kizuna.roots.keys import PublicKey
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
SERVER = "urn:dev:ops:000000-server-1"
TOOLS = ("swtpm", "swtpm_setup", "tpm2_quote")


@pytest.fixture
def chip(tmp_path, served_chip, peers):
    peers(*TOOLS)
    folder = tmp_path / "chip"
    folder.mkdir()
    subprocess.run(
        f"swtpm_setup --tpm2 --tpmstate {folder} --create-ek-cert --create-platform-cert"
        " --lock-nvram --overwrite --pcr-banks sha256".split(),
        check=True,
        capture_output=True,
    )
    with served_chip(folder) as port:
        environment = os.environ | {
            "TPM2TOOLS_TCTI": f"swtpm:host=127.0.0.1,port={port}",
            "TSS2_LOG": "all+NONE",
        }

        def run(line: str) -> None:
            subprocess.run(
                line.split(),
                cwd=folder,
                env=environment,
                check=True,
                capture_output=True,
                timeout=120,
            )

        run("tpm2_createak -C 0x81010001 -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pem -f pem")
        run("tpm2_flushcontext -t")
        run(f"tpm2_pcrextend 16:sha256={sha256(b'application 1').hexdigest()}")
        yield run, folder


def test_a_real_chip_is_affirmed_and_tells_when_its_program_changes(chip, tmp_path):
    run, folder = chip
    clock = SetClock(NOW)
    settings = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings.store, "Chips", now=NOW, settings=settings) as workspace:
        keeper = keeper_of(workspace)
        key = PublicKey.from_pem((folder / "ak.pem").read_bytes())
        keeper.enrol([Enrolled(scheme="tpm", subject=SERVER, key=key, reference="server")])
        with background(workspace) as (host, port), httpx.Client() as http:
            base = f"http://{host}:{port}/api/devices"

            def quote() -> bytes:
                answer = http.get(f"{base}/challenge", params={"subject": SERVER})
                run("tpm2_flushcontext -t")
                run(
                    f"tpm2_quote -c ak.ctx -l sha256:0,16 -q {answer.content.hex()}"
                    " -m quote.msg -s quote.sig -o quote.pcrs -g sha256"
                )
                registers = read_registers((folder / "quote.pcrs").read_bytes())
                message = (folder / "quote.msg").read_bytes()
                return write_evidence(message, (folder / "quote.sig").read_bytes(), registers)

            def attest() -> list[str]:
                body = encode([[SERVER, quote()]])
                headers = {"content-type": "application/cbor"}
                answer = http.post(f"{base}/evidence", content=body, headers=headers)
                clock.forward(5)
                return decode(answer.content)[0]

            quote()
            good = read_registers((folder / "quote.pcrs").read_bytes())
            keeper.accept_references(
                Reference(
                    model="server",
                    component=str(number),
                    digest_alg="sha-256",
                    digest=value,
                    signed=True,
                )
                for (_, number), value in good.items()
            )
            assert attest() == ["affirming", "affirming", ""]
            run(f"tpm2_pcrextend 16:sha256={sha256(b'something else').hexdigest()}")
            status, standing, reason = attest()
            assert (status, standing) == ("contraindicated", "contraindicated")
            assert reason in ("unknown-firmware", "tampering")
