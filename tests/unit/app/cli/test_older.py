# SPDX-License-Identifier: Apache-2.0
import pytest
import typer

from kizuna.app.cli.older import remembering
from kizuna.app.cli.tree import build


def found(*path):
    command = typer.main.get_command(build())
    for name in path:
        command = command.commands[name]
    return command


@pytest.mark.parametrize(
    ("path", "older", "today"),
    [
        (("list", "take"), "--as", "--name"),
        (("federation", "take"), "--as", "--name"),
        (("assess", "export"), "--as", "--form"),
    ],
)
@pytest.mark.parametrize("glued", [False, True])
def test_an_older_name_is_read_as_todays_and_shown_nowhere(path, older, today, glued):
    command = found(*path)
    shown = [name for option in command.params for name in option.opts]
    assert today in shown
    assert older not in shown
    words = [f"{older}=x"] if glued else [older, "x"]
    context = command.make_context(path[-1], [*words, "--help-not"], resilient_parsing=True)
    (option,) = [p for p in command.params if today in p.opts]
    assert context.params[option.name] == "x"


def test_what_stands_after_two_dashes_is_left_as_it_is():
    app = typer.Typer()

    @app.command("say", cls=remembering({"--as": "--name"}))
    def say(words: list[str], name: str = typer.Option("", "--name")):
        pass

    @app.command("other")
    def other():
        pass

    command = typer.main.get_command(app).commands["say"]
    context = command.make_context("say", ["--as", "x", "--", "--as"])
    assert context.params == {"words": ["--as"], "name": "x"}
