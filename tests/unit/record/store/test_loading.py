# SPDX-License-Identifier: Apache-2.0
"""A question to a store must not wait for libraries that only upkeep needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.record.store.building import Organisation, Place

ROOT = Path(__file__).resolve().parents[4]

PROGRAM = """
import sys
from pathlib import Path
from tests.unit.record.store.building import Organisation, Place
with Place(Path(sys.argv[1])).open() as store:
    assert store.submit([Organisation(b"maker").claim(2)])
    assert sum(len(page) for page in store.reader().all()) == 4
assert "sqlalchemy" not in sys.modules
assert "psycopg" not in sys.modules
"""


def test_opening_writing_and_reading_loads_no_sqlalchemy(tmp_path: Path) -> None:
    with Place(tmp_path).create() as store:
        store.submit([Organisation(b"maker").claim(1)])
    subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], check=True, cwd=ROOT, timeout=240)
