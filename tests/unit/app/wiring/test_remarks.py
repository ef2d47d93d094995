# SPDX-License-Identifier: Apache-2.0
"""Remarks of an import: every one says why, in every language."""

import re
from pathlib import Path

import pytest

import kizuna.proof.documents
from kizuna.app.wiring.judging.answers import remark_of
from kizuna.proof.documents import Remark

SOURCES = Path(kizuna.proof.documents.__file__).parent.rglob("*.py")
CODES = sorted(
    {
        code
        for source in SOURCES
        for call in re.findall(r"Remark\((.*?)\)\n", source.read_text(), re.DOTALL)
        for code in re.findall(r', *\s*"([a-z]+(?:-[a-z]+)*)"(?!])', call)
    }
)


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("code", CODES)
def test_every_remark_has_words(code, lang):
    told = remark_of(Remark("B3", code, "whatever"), lang)
    assert told
    assert not told.startswith("remark.")
    assert (lang == "ja") is bool(re.search("[\u3040-\u30ff\u4e00-\u9fff]", told))


def test_the_codes_were_found():
    assert {"circle", "date-unreadable", "unknown-column", "formula"} <= set(CODES)
