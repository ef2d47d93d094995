# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

os.environ["KIZUNA_SEEN"] = "off"  # nothing of whoever runs the tests is written to


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published vectors and real inputs; in CI its absence is a failure."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("KIZUNA_SHARED", root / ".." / "shared")).resolve()
    if not (folder / "vectors").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"published vectors are missing: set KIZUNA_SHARED (looked in {folder})")
        pytest.skip(f"published vectors not found in {folder}; set KIZUNA_SHARED")
    return folder
