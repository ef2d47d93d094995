# SPDX-License-Identifier: Apache-2.0
"""Help speaks Japanese to who asks for it, and every command has its words."""

import re

import pytest
import typer
from babel.messages import pofile

from kizuna.app.cli import tree as tree_
from kizuna.app.cli.help import HEADINGS, paragraphs, speak, texts_of
from kizuna.app.cli.run import _language
from kizuna.app.cli.tree import build
from kizuna.app.wiring.messages import FOLDER, help_in


def tree():
    return typer.main.get_command(build())


NOUNS = sorted(tree().commands)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_help_has_its_japanese(noun):
    words = help_in("ja")
    missing = {text for _, text in texts_of(tree().commands[noun]) if words(text) == text}
    assert not missing


def test_the_catalogue_has_no_words_for_help_that_is_gone():
    with (FOLDER / "help" / "ja.po").open("rb") as file:
        known = {str(m.id) for m in pofile.read_po(file) if m.id}
    asked = {text for _, text in texts_of(tree())}
    assert known - asked <= {*HEADINGS, *tree_.HEADINGS, "Everywhere"}
    assert known >= {*HEADINGS, *tree_.HEADINGS}


def test_examples_and_options_are_the_same_in_both_languages():
    english, japanese = tree(), tree()
    speak(japanese, "ja")
    verify = japanese.commands["verify"]
    assert [p.opts for p in verify.params] == [p.opts for p in english.commands["verify"].params]
    examples = [p for p in paragraphs(verify.help) if p.startswith("Example:")]
    assert examples == [
        p for p in paragraphs(english.commands["verify"].help) if p.startswith("Example:")
    ]
    assert re.search("[ぁ-ん]", verify.help)


def test_english_is_left_as_it_is():
    said = tree()
    speak(said, "en")
    assert said.commands["verify"].help == tree().commands["verify"].help


@pytest.mark.parametrize(
    ("words", "lang"),
    [
        (["verify", "--lang", "ja"], "ja"),
        (["verify", "--lang=ja", "--help"], "ja"),
        (["verify", "--lang", "fr"], "en"),
        (["verify", "--lang"], "en"),
        ([], "en"),
    ],
)
def test_the_language_is_known_before_the_arguments_are_read(monkeypatch, words, lang):
    for name in ("KIZUNA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert _language(words) == lang


def test_headings_of_a_japanese_help_are_japanese():
    japanese = tree()
    speak(japanese, "ja")
    verify = japanese.commands["verify"]
    words = verify.get_help(verify.make_context("verify", [], resilient_parsing=True))
    assert words.startswith("使い方: verify [OPTIONS]")
    assert "\nオプション:\n" in words
    assert "このヘルプを表示します" in words or "表示して終了" in words
    assert not re.search(r"Usage|Options:|Arguments:|Show this message", words)
