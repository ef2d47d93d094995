# SPDX-License-Identifier: Apache-2.0
"""A command makes no more of the tree than it needs, and takes texts as they were typed."""

import subprocess
import sys
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from kizuna.app.cli.tree import branch_of, build
from kizuna.app.cli.typed import take_as_typed

WHOLE = typer.main.get_command(build())


def everything(command, path=""):
    """Every command below, with its options and help."""
    yield path, command.help, [(p.name, p.opts, p.required) for p in command.params]
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from everything(below, f"{path} {name}")


@pytest.mark.parametrize("name", sorted(WHOLE.commands))
def test_one_branch_is_what_the_whole_tree_has_there(name):
    assert branch_of([name, "more"]) == name
    part = typer.main.get_command(build(name))
    assert list(everything(part.commands[name])) == list(everything(WHOLE.commands[name]))
    assert [p.name for p in part.params] == [p.name for p in WHOLE.params]


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["verfy"], ["--version"], [""], ["--", "verify"]]
)
def test_whatever_else_is_typed_meets_the_whole_tree(words):
    assert branch_of(words) == ""
    assert set(typer.main.get_command(build()).commands) == set(WHOLE.commands)


def test_a_command_of_texts_and_flags_loads_no_library_of_data_models():
    said = "import sys; from kizuna.app.cli.run import execute\n"
    said += "execute(['verify', 'x', '-p', 'y', '--store', '/nowhere', '--json'])\n"
    said += "print('pydantic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.endswith("False\n"), done.stdout + done.stderr


def test_a_verdict_loads_nothing_that_it_does_not_need(tmp_path):
    """No library for the forms of tables, for servers, for output, or for data models."""
    place = str(tmp_path / "store")
    said = "import sys; from kizuna.app.cli.run import execute\n"
    said += f"code = execute([*sys.argv[1:], '--store', {place!r}, '-q'])\n"
    said += "heavy = {'sqlalchemy', 'litestar', 'asyncio', 'rich', 'pydantic', 'jinja2', 'httpx'}\n"
    said += "print(code, sorted(heavy & set(sys.modules)))"

    def run(*words):
        return subprocess.run(
            [sys.executable, "-c", said, *words],
            capture_output=True, text=True, timeout=120, check=True,
        ).stdout.splitlines()[-1]  # fmt: skip

    assert run("init", "--name", "Acme").startswith("0 ")
    assert run("verify", "pkg:generic/x@1", "-p", "software-product") == "13 []"


def asked(arguments):
    """What a command with parameters of many types gets."""
    take_as_typed()
    take_as_typed()  # twice is as once
    app, got = typer.Typer(), []

    @app.command()
    def command(
        text: str,
        rest: Annotated[list[str] | None, typer.Argument()] = None,
        many: Annotated[list[str] | None, typer.Option("--many")] = None,
        number: Annotated[int, typer.Option("--number")] = 7,
        ranged: Annotated[int, typer.Option("--ranged", min=1, max=9)] = 5,
        share: Annotated[float, typer.Option("--share")] = 0.5,
        flag: Annotated[bool, typer.Option("--flag/--no-flag")] = False,
        none: Annotated[str | None, typer.Option("--none")] = None,
        turned: Annotated[str, typer.Option("--turned", parser=str.upper)] = "a",
    ) -> None:
        got.append([text, rest, many, number, ranged, share, flag, none, turned])

    done = CliRunner().invoke(app, arguments)
    return done.exit_code, got, done.output


def test_values_come_in_their_types():
    assert asked(["a"])[1] == [["a", None, None, 7, 5, 0.5, False, None, "A"]]
    words = ["", "b", "c", "--many", "1", "--many", "", "--number", "12", "--ranged", "9"]
    words += ["--share", "0.25", "--flag", "--none", "", "--turned", "x"]
    assert asked(words)[1] == [["", ["b", "c"], ["1", ""], 12, 9, 0.25, True, "", "X"]]


@pytest.mark.parametrize(
    "wrong",
    [["--number", "x"], ["--number", "1.5"], ["--ranged", "10"], ["--share", "y"], ["--none"]],
)
def test_what_is_of_another_type_is_refused(wrong):
    code, got, said = asked(["a", *wrong])
    assert code == 2
    assert not got
    assert wrong[0] in said
