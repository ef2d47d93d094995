# SPDX-License-Identifier: Apache-2.0
"""The program: the whole tree, run once, every way of failing turned into an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

import typer

from kizuna.app.cli.completing import is_completing, offer
from kizuna.app.cli.help import speak
from kizuna.app.cli.tree import branch_of, build
from kizuna.app.cli.typed import take_as_typed
from kizuna.app.cli.usage import lay_out
from kizuna.model.outcome import Outcome

__all__ = ["execute", "run"]

_EVERYWHERE = ("--store", "--json", "--lang", "--quiet", "--verbose", "-q", "-v")
"""Options of every command; none stands before it."""


def run() -> None:
    """Run with the process's arguments and end it.

    A command makes many small values, drops few and ends soon: looking for rings among them again
    and again would take a third of its time. The server, which stays, turns the search on.
    """
    gc.disable()
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is ``model.outcome``'s."""
    try:
        if {"--help", "-h"} & set(arguments):
            lang, arguments = _language(arguments), _without_language(arguments)
        else:
            lang = _language(arguments)
        take_as_typed()
        completing = is_completing(os.environ)
        command = typer.main.get_command(build("" if completing else branch_of(arguments)))
        speak(command, lang)
        if completing:
            offer(command, os.environ)
        lay_out(command)
        code = command(list(arguments), prog_name="kizuna", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else int(Outcome.HOLDS)
    except typer.TyperException as wrong:
        return _usage(wrong, arguments)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\n")
        return int(Outcome.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Outcome.HOLDS)


def _usage(wrong: typer.TyperException, arguments: Sequence[str]) -> int:
    from kizuna.app.cli.door import fail
    from kizuna.app.cli.misuse import next_step, what_is_wrong
    from kizuna.model.errors import Malformed

    context = getattr(wrong, "ctx", None)
    if type(wrong).__name__ == "NoArgsIsHelpError" and context is not None:
        # a noun without a verb: its help is the answer to what is missing
        sys.stderr.write(context.get_help() + "\n")
        return int(Outcome.USAGE)
    words = list(arguments)
    path = context.command_path if context is not None else "kizuna"
    what = what_is_wrong(wrong, "en")
    named = getattr(wrong, "option_name", None) or ""
    misplaced = named in _EVERYWHERE and path == "kizuna"
    lang = _language(words)
    problem = Malformed(
        "command.usage",
        what or "this is not how the command is used",
        hint=next_step(what, named, path, "en", everywhere=misplaced),
        command=path,
        said=what_is_wrong(wrong, lang),
        next=next_step(what, named, path, lang, everywhere=misplaced),
    )
    return fail(problem, as_json="--json" in words, lang=lang, verbose=False)


def _language(arguments: Sequence[str]) -> str:
    """The language asked for, before the arguments are parsed: help and usage speak it, too."""
    from kizuna.app.wiring.settings import LANGUAGES, language

    for place, word in enumerate(arguments):
        said = word.removeprefix("--lang=") if word.startswith("--lang=") else ""
        if word == "--lang" and place + 1 < len(arguments):
            said = arguments[place + 1]
        if said in LANGUAGES:
            return said
    return language(os.environ)


def _without_language(arguments: Sequence[str]) -> list[str]:
    """The arguments of a question for help, which may name its language after a noun, too."""
    left: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--lang":
            next(words, None)
        elif not word.startswith("--lang="):
            left.append(word)
    return left
