# SPDX-License-Identifier: Apache-2.0
"""Manual pages: one a command, in both languages, saying what the help says."""

import importlib.util
import re
from pathlib import Path

import pytest

_FILE = Path(__file__).resolve().parents[2] / "tools" / "manpages.py"
_SPEC = importlib.util.spec_from_file_location("manpages", _FILE)
MANPAGES = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(MANPAGES)


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_command_has_its_page(lang):
    pages = MANPAGES.pages(lang)
    assert {"kizuna.1", "kizuna-verify.1", "kizuna-store-backup.1"} <= set(pages)
    for name, text in pages.items():
        title = name.removesuffix(".1")
        assert text.startswith(f'.TH "{title.upper()}" 1 ')
        assert f".SH {MANPAGES.HEADS[lang][0]}\n{title}".replace("-", "") in text.replace(
            "\\-", ""
        ).replace("-", "")
        known = {"TH", "SH", "PP", "TP", "B", "BR", "nf", "fi"}
        assert set(re.findall(r"^[.'](\w*)", text, re.MULTILINE)) <= known


def test_what_looks_like_a_request_to_the_formatter_is_text():
    assert MANPAGES.quoted(".so /etc/passwd\n'x\\fB") == "\\&.so /etc/passwd\n\\&'x\\efB"
