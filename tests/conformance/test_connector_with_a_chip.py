# SPDX-License-Identifier: Apache-2.0
"""A connector on a machine with a real chip (swtpm): each minute the chip's word goes along."""

import asyncio
import os
import subprocess

import pytest

from kizuna.app.wiring.devices.connector import connector_key
from kizuna.app.wiring.devices.fleet import keeper_of
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.devices.quoting import quote_device
from kizuna.app.wiring.devices.reference import import_references, make_references
from kizuna.app.wiring.devices.reporting import CHIP, MODEL, Machine, Reporter
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.roots.identity import did_key
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
MACHINE = "urn:dev:ops:000000-edge-box"


@pytest.fixture
def chip(tmp_path, chip_needs, served_chip):
    chip_needs("swtpm", "swtpm_setup", "tpm2_pcrextend")
    folder = tmp_path / "tpm"
    folder.mkdir()
    subprocess.run(
        f"swtpm_setup --tpm2 --tpmstate {folder} --overwrite --pcr-banks sha256".split(),
        check=True,
        capture_output=True,
    )
    with served_chip(folder) as port:
        yield f"swtpm:host=127.0.0.1,port={port}"


def test_the_chip_speaks_for_the_machine_beside_the_connectors_own_word(tmp_path, chip):
    clock = SetClock(NOW)
    settings = Settings(store=tmp_path / "store", clock=clock)
    with Workspace.init(settings.store, "Plant", now=NOW, settings=settings) as workspace:
        keeper, lives = keeper_of(workspace), Lives(workspace)
        handle = connector_key(workspace)
        key = workspace.unit.public(handle)
        connector = did_key(key)
        program = tmp_path / "program"
        program.mkdir()
        (program / "relay.py").write_text("passes bytes")
        machine = Machine(subject=MACHINE, unit=f"tpm:{chip}", registers=(0, 16))
        first = quote_device(
            machine.unit, workspace.path / CHIP, settings, nonce=bytes(16), selection=(0, 16)
        )
        signed, _ = make_references(workspace, [], model="edge", lists=[("v", first.values)])
        import_references(workspace, [("edge.corim", signed)], signers=[], closed=True)
        ak = ("ak.pem", first.key_pem)
        lives.enrol(
            MACHINE, Enrolment(key=ak, scheme="tpm", reference="edge", quote=first.evidence)
        )
        own = ("plant.pem", key.to_pem())
        lives.enrol(connector, Enrolment(key=own, scheme="hmac", reference=MODEL))
        with background(workspace) as (host, port):
            reporter = Reporter(
                workspace,
                handle,
                connector,
                f"http://{host}:{port}",
                folder=program,
                machine=machine,
            )

            def minute():
                clock.forward(60)
                assert asyncio.run(reporter.report()), reporter.trouble
                found = keeper.standing(MACHINE)
                return found.status.value, found.reason

            assert minute() == ("affirming", "")
            assert reporter.sent == 2
            subprocess.run(
                ["tpm2_pcrextend", "16:sha256=" + "ab" * 32],
                env=os.environ | {"TPM2TOOLS_TCTI": chip, "TSS2_LOG": "all+NONE"},
                check=True,
                timeout=120,
            )
            assert minute() == ("contraindicated", "unknown-firmware")
        keeper.close()


def test_a_chip_that_is_gone_is_told_as_trouble_and_the_connector_speaks_on(tmp_path, chip_needs):
    chip_needs()
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Plant", now=NOW, settings=settings) as workspace:
        handle = connector_key(workspace)
        connector = did_key(workspace.unit.public(handle))
        lives = Lives(workspace)
        pem = ("plant.pem", workspace.unit.public(handle).to_pem())
        lives.enrol(connector, Enrolment(key=pem, scheme="hmac", reference=MODEL))
        with background(workspace) as (host, port):
            reporter = Reporter(
                workspace,
                handle,
                connector,
                f"http://{host}:{port}",
                folder=tmp_path,
                machine=Machine(
                    subject=MACHINE, unit="tpm:swtpm:host=127.0.0.1,port=1", registers=(0,)
                ),
            )
            assert asyncio.run(reporter.report())
            assert reporter.sent == 1
            assert reporter.trouble
        keeper_of(workspace).close()
