# SPDX-License-Identifier: Apache-2.0
"""The Japanese guides print the commands and files of the English ones, which are run."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(p.name for p in (DOCS / "ja").glob("*.md"))
FENCED = re.compile(r"(?m)^```.*?^```$", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_the_guides_of_lists_and_measures_are_in_japanese():
    assert {
        "ask-a-supplier.md",
        "judge-under-two-lists.md",
        "publish-a-profile.md",
        "run-a-list.md",
    } <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_a_guide_prints_what_the_english_one_runs(page):
    japanese = (DOCS / "ja" / page).read_text(encoding="utf-8")
    english = (DOCS / "guides" / page).read_text(encoding="utf-8")
    assert FENCED.findall(japanese) == FENCED.findall(english)
    assert japanese.count("\n## ") == english.count("\n## ")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (DOCS / "ja" / page).read_text(encoding="utf-8")
    for target in LINK.findall(FENCED.sub("", text)):
        assert (DOCS / "ja" / target).is_file(), target
