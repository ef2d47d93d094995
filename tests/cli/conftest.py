# SPDX-License-Identifier: Apache-2.0
"""Running commands as people do: a process, its streams, its exit code."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Ran:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.stdout)


class Kizuna:
    """The command over one scratch store."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def __call__(self, *words, stdin=b"", env=None, cwd=None) -> Ran:
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("KIZUNA_", "LC_", "LANG"))
        }
        environment |= {
            "KIZUNA_STORE": str(self.store),
            "XDG_STATE_HOME": str(self.store.parent / "state"),
            "PYTHONWARNINGS": "error",
        }
        environment |= env or {}
        done = subprocess.run(
            [sys.executable, "-m", "kizuna", *map(str, words)],
            input=stdin,
            capture_output=True,
            env=environment,
            cwd=cwd or self.store.parent,
            timeout=300,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def kizuna(tmp_path):
    return Kizuna(tmp_path / "store")


@pytest.fixture
def store(kizuna):
    """A store of an organisation called Bar, with the command over it."""
    assert kizuna("init", "--name", "Bar", "-q").code == 0
    return kizuna


@pytest.fixture
def bom(tmp_path):
    """A small bill of materials with a supplier and a hash."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "pump",
                "name": "Pump controller",
                "version": "4.2",
                "purl": "pkg:generic/fuji/pump@4.2",
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": "tls",
                "name": "tiny-tls",
                "version": "1.0",
                "purl": "pkg:generic/hoshi/tiny-tls@1.0",
                "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
            }
        ],
        "dependencies": [{"ref": "pump", "dependsOn": ["tls"]}],
        "compositions": [{"aggregate": "complete", "assemblies": ["pump"]}],
    }
    path = tmp_path / "bom.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory):
    """The folder of a store that no test changes."""
    made = Kizuna(tmp_path_factory.mktemp("shared") / "store")
    assert made("init", "--name", "Bar", "-q").code == 0
    return made.store
