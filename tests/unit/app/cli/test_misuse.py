# SPDX-License-Identifier: Apache-2.0
"""Whoever mistypes a command is told what, in their language, and what to do."""

import pytest

from kizuna.app.cli.run import execute


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["verify", "pkg:generic/x"], ["'--profile'", "kizuna profile list"]),
        (["init"], ["'--name'", "kizuna init --help"]),
        (["statement", "claim"], ["'SUBJECT'", "kizuna statement claim --help"]),
        (["verify", "--frobnicate"], ["--frobnicate"]),
        (["log", "checkpoint", "--jso"], ["--jso", "--json"]),
        (["verfy", "pkg:generic/x"], ["verfy", "verify"]),
        (["log", "zzz"], ["zzz", "kizuna log --help"]),
        (["serve", "--port", "many"], ["'--port'"]),
    ],
)
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_slip_is_named_in_every_language(capsys, words, told, lang):
    assert execute([*words, "--lang", lang]) == 2
    said = capsys.readouterr().err
    assert [one for one in told if one not in said] == []
    if lang == "ja":
        assert "使い方が正しくありません" in said


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_an_option_before_the_command_is_told_its_place(capsys, lang):
    assert execute(["--lang", lang, "verify", "pkg:generic/x"]) == 2
    assert "kizuna verify ... --lang ..." in capsys.readouterr().err
