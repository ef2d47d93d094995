# SPDX-License-Identifier: Apache-2.0
"""Help is read by people: nothing is cut off in it, and nothing is named as only programs do."""

import re

import pytest

from kizuna.app.cli.run import execute
from kizuna.app.cli.tree import HEADINGS

GROUPS = ((), ("key",), ("statement",), ("device",), ("device", "firmware"), ("list", "status"))
COMMANDS = (("verify",), ("init",), ("statement", "claim"), ("list", "add"), ("device", "listen"))


def help_of(capsys, *words):
    execute([*words, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("words", GROUPS)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_list_of_commands_cuts_no_sentence_off(capsys, words, lang):
    shown = help_of(capsys, *words, "--lang", lang)
    listed = shown.split("Commands:" if lang == "en" else "コマンド:", 1)[1]
    assert "..." not in listed
    assert "…" not in listed


@pytest.mark.parametrize("words", COMMANDS)
def test_values_are_called_by_names_and_not_by_types(capsys, words):
    shown = help_of(capsys, *words)
    assert not re.search(r"<(str|list\[str\])>|\{[A-Z]", shown)


def test_what_may_be_left_out_stands_in_brackets(capsys):
    assert "kizuna statement claim [OPTIONS] SUBJECT TYPE [FIELD=VALUE...]\n" in help_of(
        capsys, "statement", "claim"
    )
    assert "kizuna verify [OPTIONS] [SUBJECT]\n" in help_of(capsys, "verify")
    assert "--name NAME" in help_of(capsys, "init")


def test_the_headings_of_nouns_stay(capsys):
    shown = help_of(capsys)
    assert all(f"{heading}:\n" in shown for heading in HEADINGS)
