# SPDX-License-Identifier: Apache-2.0
"""The generated reference pages are what the program gives now."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def generator():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = generator().pages()


@pytest.mark.parametrize("path", sorted(PAGES), ids=lambda p: p.name)
def test_reference_page_is_current(path):
    assert path.read_text(encoding="utf-8") == PAGES[path], "run `python tools/reference.py`"
